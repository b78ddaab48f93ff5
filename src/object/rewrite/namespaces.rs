//! Namespaces by the names of the target, wherever an object names one.

use super::{BadRule, pods::pod_spec};
use crate::object::{
    TypeName,
    access::{ADMISSION, RBAC},
    reach::{each, each_map, text},
};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};

type Names = BTreeMap<String, String>;

/// The label that every namespace has.
const LABEL: &str = "kubernetes.io/metadata.name";

/// How a namespace is named at the end of a way.
#[derive(Clone, Copy)]
enum How {
    /// By its name.
    Name,
    /// In the selector of namespaces, by the label that is their name.
    Selector,
    /// In the name of a user: `system:serviceaccount:shop:web`.
    User,
    /// In the name of a group: `system:serviceaccounts:shop`.
    Group,
    /// In the subject of a binding, by any of these.
    Subject,
    /// In labels, as one of them.
    Labels,
}
use How::{Group, Labels, Name, Selector, Subject, User};

const APF: &str = "flowcontrol.apiserver.k8s.io";
const GATEWAY: &str = "gateway.networking.k8s.io";
const MONITORING: &str = "monitoring.coreos.com";

/// The ways of a type; `*` stands for every type of the group.
const WAYS: &[(&str, &str, How, &[&str])] = &[
    (
        "",
        "endpoints",
        Name,
        &["subsets.*.addresses.*.targetRef.namespace", "subsets.*.notReadyAddresses.*.targetRef.namespace"],
    ),
    ("", "namespaces", Labels, &["metadata.labels"]),
    ("", "namespaces", Name, &["metadata.name"]),
    ("", "persistentvolumeclaims", Name, &["spec.dataSourceRef.namespace"]),
    (
        "",
        "persistentvolumes",
        Name,
        &[
            "spec.claimRef.namespace",
            "spec.csi.controllerExpandSecretRef.namespace",
            "spec.csi.controllerPublishSecretRef.namespace",
            "spec.csi.nodeExpandSecretRef.namespace",
            "spec.csi.nodePublishSecretRef.namespace",
            "spec.csi.nodeStageSecretRef.namespace",
        ],
    ),
    (ADMISSION, "*", Name, &["spec.paramRef.namespace", "webhooks.*.clientConfig.service.namespace"]),
    (
        ADMISSION,
        "*",
        Selector,
        &[
            "spec.matchConstraints.namespaceSelector",
            "spec.matchResources.namespaceSelector",
            "webhooks.*.namespaceSelector",
        ],
    ),
    (
        "apiextensions.k8s.io",
        "customresourcedefinitions",
        Name,
        &["spec.conversion.webhook.clientConfig.service.namespace"],
    ),
    ("apiregistration.k8s.io", "apiservices", Name, &["spec.service.namespace"]),
    ("discovery.k8s.io", "endpointslices", Name, &["endpoints.*.targetRef.namespace"]),
    (APF, "flowschemas", Group, &["spec.rules.*.subjects.*.group.name"]),
    (APF, "flowschemas", Name, &["spec.rules.*.subjects.*.serviceAccount.namespace"]),
    (APF, "flowschemas", User, &["spec.rules.*.subjects.*.user.name"]),
    (
        GATEWAY,
        "*",
        Name,
        &[
            "spec.from.*.namespace",
            "spec.listeners.*.tls.certificateRefs.*.namespace",
            "spec.parametersRef.namespace",
            "spec.parentRefs.*.namespace",
            "spec.rules.*.backendRefs.*.namespace",
            "spec.rules.*.filters.*.requestMirror.backendRef.namespace",
        ],
    ),
    (GATEWAY, "*", Selector, &["spec.listeners.*.allowedRoutes.namespaces.selector"]),
    (MONITORING, "*", Name, &["spec.namespaceSelector.matchNames.*"]),
    ("networking.k8s.io", "ingressclasses", Name, &["spec.parameters.namespace"]),
    (
        "networking.k8s.io",
        "networkpolicies",
        Selector,
        &["spec.egress.*.to.*.namespaceSelector", "spec.ingress.*.from.*.namespaceSelector"],
    ),
    (RBAC, "*", Subject, &["subjects.*"]),
    ("snapshot.storage.k8s.io", "volumesnapshotcontents", Name, &["spec.volumeSnapshotRef.namespace"]),
];

/// The terms of a pod that say beside which pods it may run, and in which namespaces these are.
const AFFINITIES: &[&str] = &[
    "podAffinity.preferredDuringSchedulingIgnoredDuringExecution.*.podAffinityTerm",
    "podAffinity.requiredDuringSchedulingIgnoredDuringExecution.*",
    "podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution.*.podAffinityTerm",
    "podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution.*",
];

/// Refuses names that are none, and two namespaces that would become one.
pub(super) fn check(names: &Names) -> Result<(), BadRule> {
    let mut taken: HashMap<&str, &str> = HashMap::new();
    for (from, to) in names {
        let bad = |reason: String| Err(BadRule::new(format!("namespaces.{from}"), reason));
        if let Some(wrong) = [from, to].into_iter().find(|name| !is_name(name)) {
            return bad(format!(
                "`{wrong}` is no name of a namespace: that has at most 63 lower-case letters, digits and `-`, with a letter or digit \
                 at both ends"
            ));
        }
        if let Some(other) = taken.insert(to, from) {
            return bad(format!("`{other}` becomes `{to}` as well; two namespaces cannot become one"));
        }
    }
    Ok(())
}

fn is_name(text: &str) -> bool {
    let ends = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.len() <= 63
        && text.starts_with(ends)
        && text.ends_with(ends)
        && text.chars().all(|c| ends(c) || c == '-')
}

pub(super) fn rename(names: &Names, kind: &TypeName, object: &mut Value) {
    rename_at(names, object, "metadata.namespace", Name);
    let is_of = |group: &str, resource: &str| {
        *kind.group == *group && (resource == "*" || *kind.resource == *resource)
    };
    for (_, _, how, ways) in WAYS.iter().filter(|(group, resource, ..)| is_of(group, resource)) {
        ways.iter().for_each(|way| rename_at(names, object, way, *how));
    }
    for term in pod_spec(kind)
        .into_iter()
        .flat_map(|pod| AFFINITIES.iter().map(move |term| format!("{pod}.affinity.{term}")))
    {
        rename_at(names, object, &format!("{term}.namespaces.*"), Name);
        rename_at(names, object, &format!("{term}.namespaceSelector"), Selector);
    }
}

fn rename_at(names: &Names, object: &mut Value, way: &str, how: How) {
    let renamed = |name: &str| names.get(name).cloned();
    match how {
        Name => each(object, way, &mut |value| replace(value, &renamed)),
        User => each(object, way, &mut |value| replace(value, &|name| user(names, name))),
        Group => each(object, way, &mut |value| replace(value, &|name| group(names, name))),
        Labels => each_map(object, way, &mut |labels| {
            labels.get_mut(LABEL).into_iter().for_each(|value| replace(value, &renamed));
        }),
        Selector => {
            rename_at(names, object, &format!("{way}.matchLabels"), Labels);
            each(object, &format!("{way}.matchExpressions.*"), &mut |expression| {
                if text(expression, &["key"]) == Some(LABEL) {
                    rename_at(names, expression, "values.*", Name);
                }
            });
        }
        Subject => each(object, way, &mut |subject| match text(subject, &["kind"]) {
            Some("ServiceAccount") => rename_at(names, subject, "namespace", Name),
            Some("User") => rename_at(names, subject, "name", User),
            Some("Group") => rename_at(names, subject, "name", Group),
            _ => {}
        }),
    }
}

fn replace(value: &mut Value, other: &dyn Fn(&str) -> Option<String>) {
    if let Some(other) = value.as_str().and_then(other) {
        *value = Value::from(other);
    }
}

fn user(names: &Names, name: &str) -> Option<String> {
    let (namespace, account) = name.strip_prefix("system:serviceaccount:")?.split_once(':')?;
    Some(format!("system:serviceaccount:{}:{account}", names.get(namespace)?))
}

fn group(names: &Names, name: &str) -> Option<String> {
    let namespace = name.strip_prefix("system:serviceaccounts:")?;
    Some(format!("system:serviceaccounts:{}", names.get(namespace)?))
}

#[cfg(test)]
#[path = "namespaces_tests.rs"]
mod tests;
