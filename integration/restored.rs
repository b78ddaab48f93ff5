//! What came back, compared with what was saved, by rules of the tests' own.

use crate::export::{Export, Name};
use serde_json::Value;
use std::collections::BTreeMap;

/// What nobody brings back: news, heartbeats, what a node or a controller makes of the rest.
const MADE_BY_OTHERS: &[&str] = &[
    "core/events/",
    "core/nodes/",
    "core/componentstatuses/",
    "coordination.k8s.io/leases/",
    "networking.k8s.io/ipaddresses/",
    "core/endpoints/",
    "discovery.k8s.io/endpointslices/",
    "apps/replicasets/",
    "core/pods/",
];
/// Of these each cluster has its own.
const OWN: &[&str] = &[
    "/kube-root-ca.crt",
    "core/configmaps/kube-system/extension-apiserver-authentication",
    "core/services/default/kubernetes",
    "networking.k8s.io/servicecidrs/_cluster/kubernetes",
];

/// Is this object to be there again, as it was?
pub fn comes_back(name: &str) -> bool {
    !MADE_BY_OTHERS.iter().any(|it| name.starts_with(it)) && !OWN.iter().any(|it| name.ends_with(it))
}

/// An object without what a server sets when it is made.
pub fn as_given(object: &Value) -> Value {
    let mut object = object.clone();
    let fields = object.as_object_mut().unwrap();
    fields.remove("status");
    let metadata = fields.get_mut("metadata").unwrap().as_object_mut().unwrap();
    for name in ["uid", "resourceVersion", "creationTimestamp", "generation", "managedFields"] {
        metadata.remove(name);
    }
    for owner in metadata.get_mut("ownerReferences").and_then(Value::as_array_mut).into_iter().flatten() {
        owner.as_object_mut().unwrap().remove("uid");
    }
    if let Some(Value::Object(annotations)) = metadata.get_mut("annotations") {
        annotations.remove("deployment.kubernetes.io/revision");
        if annotations.is_empty() {
            metadata.remove("annotations");
        }
    }
    if object.get("aggregationRule").is_some_and(|rule| !rule.is_null()) {
        // A controller gathers them.
        object.as_object_mut().unwrap().remove("rules");
    }
    if object["kind"] == "Service"
        && let Some(Value::Object(spec)) = object.get_mut("spec")
        && spec.get("clusterIP").is_some_and(|ip| ip != "None")
    {
        for name in ["clusterIP", "clusterIPs"] {
            spec.remove(name);
        }
    }
    object
}

/// Every object of the export that is to come back is there, field by field; gives how many were compared.
#[track_caller]
pub fn assert_restored(
    export: &Export,
    live: &BTreeMap<Name, Value>,
    wanted: impl Fn(&str) -> bool,
) -> usize {
    let mut compared = 0;
    for (name, object) in export.objects.iter().filter(|(name, _)| comes_back(name) && wanted(name)) {
        let there = live.get(name).unwrap_or_else(|| panic!("{name} did not come back"));
        assert_eq!(as_given(there), as_given(object), "{name}");
        compared += 1;
    }
    compared
}

/// Each object's UID and resourceVersion: what a run that changes nothing leaves as it is.
pub fn versions(live: &BTreeMap<Name, Value>) -> BTreeMap<Name, (String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    live.iter()
        .filter(|(name, _)| comes_back(name))
        .map(|(name, it)| {
            (name.clone(), (text(&it["metadata"]["uid"]), text(&it["metadata"]["resourceVersion"])))
        })
        .collect()
}
