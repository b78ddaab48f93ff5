//! What the specification of a pod says that it uses.

use serde_json::Value;
use std::collections::BTreeSet;

/// Workloads that can be started again, and jobs.
pub(super) const WORKLOADS: &[(&str, &str)] = &[
    ("apps", "deployments"),
    ("apps", "statefulsets"),
    ("apps", "daemonsets"),
    ("batch", "cronjobs"),
    ("batch", "jobs"),
];

/// What a pod uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Uses {
    /// Its service account.
    pub(super) service_account: String,
    /// The Secrets that it mounts or takes into its environment.
    pub(super) secrets: BTreeSet<String>,
    /// The Secrets with which its images are pulled.
    pub(super) pull_secrets: BTreeSet<String>,
    /// The claims that it mounts.
    pub(super) claims: BTreeSet<String>,
}

impl Uses {
    /// What this specification says.
    pub(super) fn of(spec: &Value) -> Self {
        let text = |value: &Value| value.as_str().filter(|it| !it.is_empty()).map(str::to_owned);
        let mut secrets = BTreeSet::new();
        let mut claims = BTreeSet::new();
        for volume in list(&spec["volumes"]) {
            secrets.extend(text(&volume["secret"]["secretName"]));
            secrets
                .extend(list(&volume["projected"]["sources"]).filter_map(|it| text(&it["secret"]["name"])));
            claims.extend(text(&volume["persistentVolumeClaim"]["claimName"]));
            // Volumes of many kinds name the Secret with which they are reached.
            for source in volume.as_object().into_iter().flat_map(|it| it.values()) {
                secrets.extend(
                    ["secretRef", "nodePublishSecretRef"]
                        .iter()
                        .filter_map(|name| text(&source[*name]["name"])),
                );
            }
        }
        for container in containers(spec) {
            secrets.extend(
                list(&container["env"]).filter_map(|it| text(&it["valueFrom"]["secretKeyRef"]["name"])),
            );
            secrets.extend(list(&container["envFrom"]).filter_map(|it| text(&it["secretRef"]["name"])));
        }
        let pull_secrets = list(&spec["imagePullSecrets"]).filter_map(|it| text(&it["name"])).collect();
        let account = ["serviceAccountName", "serviceAccount"].iter().find_map(|name| text(&spec[*name]));
        Uses {
            service_account: account.unwrap_or_else(|| "default".to_owned()),
            secrets,
            pull_secrets,
            claims,
        }
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn containers(spec: &Value) -> impl Iterator<Item = &Value> {
    ["containers", "initContainers", "ephemeralContainers"].into_iter().flat_map(|name| list(&spec[name]))
}

/// Can what runs in it reach its node? Such pods are looked at first when a node was taken over.
pub(super) fn is_open_to_its_node(spec: &Value) -> bool {
    const STRONG: &[&str] =
        &["ALL", "SYS_ADMIN", "SYS_PTRACE", "SYS_MODULE", "DAC_READ_SEARCH", "NET_ADMIN", "BPF"];
    let shares = ["hostNetwork", "hostPID", "hostIPC"].iter().any(|name| spec[*name] == true);
    let paths = list(&spec["volumes"]).any(|volume| volume["hostPath"].is_object());
    let strong = containers(spec).any(|container| {
        let security = &container["securityContext"];
        let added = list(&security["capabilities"]["add"]).filter_map(Value::as_str);
        security["privileged"] == true
            || added.into_iter().any(|it| STRONG.contains(&it.trim_start_matches("CAP_")))
    });
    shares || paths || strong
}

/// The specification of the pods that a workload starts.
pub(super) fn template(workload: &Value) -> &Value {
    let spec = &workload["spec"];
    match &spec["jobTemplate"] {
        Value::Null => &spec["template"]["spec"],
        job => &job["spec"]["template"]["spec"],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_way_to_a_secret_is_known() {
        let spec = json!({
            "serviceAccountName": "ci",
            "imagePullSecrets": [{"name": "pull"}],
            "volumes": [
                {"name": "a", "secret": {"secretName": "volume"}},
                {"name": "b", "projected": {"sources": [{"secret": {"name": "projected"}}, {"configMap": {"name": "no"}}]}},
                {"name": "c", "csi": {"driver": "x", "nodePublishSecretRef": {"name": "csi"}}},
                {"name": "d", "persistentVolumeClaim": {"claimName": "data"}},
            ],
            "containers": [{"env": [{"valueFrom": {"secretKeyRef": {"name": "env", "key": "k"}}}]}],
            "initContainers": [{"envFrom": [{"secretRef": {"name": "from"}}]}],
        });
        let uses = Uses::of(&spec);
        assert_eq!(uses.service_account, "ci");
        let wanted = ["csi", "env", "from", "projected", "volume"].map(str::to_owned);
        assert_eq!(uses.secrets, BTreeSet::from(wanted));
        assert_eq!(uses.pull_secrets, BTreeSet::from(["pull".to_owned()]));
        assert_eq!(uses.claims, BTreeSet::from(["data".to_owned()]));
        assert_eq!(Uses::of(&json!({})).service_account, "default");
    }

    #[test]
    fn pods_that_reach_their_node_are_suspect() {
        for spec in [
            json!({"hostPID": true}),
            json!({"volumes": [{"hostPath": {"path": "/"}}]}),
            json!({"containers": [{"securityContext": {"privileged": true}}]}),
            json!({"initContainers": [{"securityContext": {"capabilities": {"add": ["CAP_SYS_ADMIN"]}}}]}),
        ] {
            assert!(is_open_to_its_node(&spec), "{spec}");
        }
        assert!(!is_open_to_its_node(
            &json!({"hostNetwork": false, "containers": [{"securityContext": {"capabilities": {"add": ["CHOWN"]}}}]})
        ));
    }
}
