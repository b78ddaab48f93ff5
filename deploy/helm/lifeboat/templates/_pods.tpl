{{/* Sets in `in` those of `keys` that `from` has. */}}
{{- define "lifeboat.set" -}}
{{- range $key := .keys }}
{{- if hasKey $.from $key }}{{ $_ := set $.in $key (index $.from $key) }}{{ end }}
{{- end }}
{{- end }}

{{/* `lifeboat-store-prune` is called `storePrune` among the values. */}}
{{- define "lifeboat.key" -}}
{{- . | trimPrefix "lifeboat-" | camelcase | untitle }}
{{- end }}

{{/* Changes a CronJob or a Deployment, `object`, as the values `of` it and those of all pods want it. */}}
{{- define "lifeboat.workload" -}}
{{- $spec := .object.spec }}
{{- if eq .object.kind "CronJob" }}
{{- include "lifeboat.set" (dict "in" $spec "from" .of "keys" (list "schedule" "timeZone" "suspend")) }}
{{- $spec = $spec.jobTemplate.spec }}
{{- include "lifeboat.set" (dict "in" $spec "from" .of "keys" (list "activeDeadlineSeconds")) }}
{{- else }}
{{- include "lifeboat.set" (dict "in" $spec "from" .of "keys" (list "replicas")) }}
{{- end }}
{{- include "lifeboat.pod" (dict "template" $spec.template "of" .of "values" .values) }}
{{- end }}

{{- define "lifeboat.pod" -}}
{{- $values := .values }}
{{- $pod := .template.spec }}
{{- $_ := set .template.metadata "labels" (merge .template.metadata.labels $values.podLabels) }}
{{- if $values.podAnnotations }}{{ $_ := set .template.metadata "annotations" $values.podAnnotations }}{{ end }}
{{- if $values.image.pullSecrets }}{{ $_ := set $pod "imagePullSecrets" $values.image.pullSecrets }}{{ end }}
{{- if $values.priorityClassName }}{{ $_ := set $pod "priorityClassName" $values.priorityClassName }}{{ end }}
{{- $keys := list "nodeSelector" "tolerations" "affinity" "terminationGracePeriodSeconds" }}
{{- include "lifeboat.set" (dict "in" $pod "from" .of "keys" $keys) }}

{{- $container := first $pod.containers }}
{{- $image := splitList ":" $container.image }}
{{- $repository := $values.image.repository | default (first $image) }}
{{- if $values.image.digest }}
{{- $_ := set $container "image" (printf "%s@%s" $repository $values.image.digest) }}
{{- else }}
{{- $_ := set $container "image" (printf "%s:%s" $repository ($values.image.tag | default (last $image))) }}
{{- end }}
{{- if $values.image.pullPolicy }}{{ $_ := set $container "imagePullPolicy" $values.image.pullPolicy }}{{ end }}
{{- include "lifeboat.set" (dict "in" $container "from" .of "keys" (list "args" "resources")) }}
{{- if $values.env }}{{ $_ := set $container "env" (concat ($container.env | default list) $values.env) }}{{ end }}
{{- $_ := set $container "volumeMounts" (concat $container.volumeMounts (.of.extraVolumeMounts | default list)) }}

{{- range $volume := $pod.volumes }}
{{- if $volume.projected }}
{{- $sources := list }}
{{- range $source := $volume.projected.sources }}
{{- $from := $source.configMap | default $source.secret }}
{{- if $source.secret }}
{{- $_ := set $from "name" (index $values.secrets (include "lifeboat.key" $from.name)) }}
{{- else if $values.existingConfigMap }}
{{- $_ := set $from "name" $values.existingConfigMap }}
{{- end }}
{{- if $from.name }}{{ $sources = append $sources $source }}{{ end }}
{{- end }}
{{- $_ := set $volume.projected "sources" $sources }}
{{- end }}
{{- end }}
{{- $_ := set $pod "volumes" (concat $pod.volumes (.of.extraVolumes | default list)) }}
{{- end }}
