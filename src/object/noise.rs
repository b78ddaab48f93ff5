//! What an API server or a controller writes by itself, and nobody who changed something meant.
//!
//! The rules are those of the Kubernetes API conventions (`sig-architecture/api-conventions.md` of kubernetes/community,
//! "Metadata" and "Spec and Status"):
//!
//! - `metadata.resourceVersion`, `generation`, `selfLink` and `managedFields` are set by the system, and change along with
//!   any other field, or without one;
//! - `metadata.uid` is compared by who compares: another uid is another object. `creationTimestamp` stays: it differs only
//!   where the uid does, and then it tells when the object was made again;
//! - `status` is what a controller observed; it is left out unless it is asked for;
//! - `apiVersion` is the version in which an object was read, which a cluster's upgrade changes for all objects at once;
//! - the annotation `kubectl.kubernetes.io/last-applied-configuration` repeats what `kubectl apply` was given, in text; and some
//!   controllers keep their books in annotations ("Well-Known Labels, Annotations and Taints" of the Kubernetes reference):
//!   the revision of a rollout, who holds a lock, when endpoints changed.

use super::TypeName;
use serde_json::Value;

const METADATA: &[&str] = &["generation", "managedFields", "resourceVersion", "selfLink", "uid"];
const ANNOTATIONS: &[&str] = &[
    "control-plane.alpha.kubernetes.io/leader",
    "deployment.kubernetes.io/revision",
    "deprecated.daemonset.template.generation",
    "endpoints.kubernetes.io/last-change-trigger-time",
    "kubectl.kubernetes.io/last-applied-configuration",
];

/// Types whose objects change without anybody's doing, all the time: news, heartbeats and the holding of a lock, and what
/// the server finds out when it is asked and keeps nowhere.
const RESTLESS: &[(&str, &str)] = &[
    ("", "events"),
    ("events.k8s.io", "events"),
    ("coordination.k8s.io", "leases"),
    ("", "componentstatuses"),
    ("metrics.k8s.io", "nodes"),
    ("metrics.k8s.io", "pods"),
];

/// Takes out of an object what is noise, `status` too unless it is to be kept.
pub fn without_noise(object: &mut Value, status: bool) {
    let Some(fields) = object.as_object_mut() else { return };
    fields.shift_remove("apiVersion");
    if !status {
        fields.shift_remove("status");
    }
    let Some(metadata) = fields.get_mut("metadata").and_then(Value::as_object_mut) else { return };
    metadata.retain(|name, _| !METADATA.contains(&name.as_str()));
    if let Some(Value::Object(annotations)) = metadata.get_mut("annotations") {
        annotations.retain(|name, _| !ANNOTATIONS.contains(&name.as_str()));
        if annotations.is_empty() {
            metadata.shift_remove("annotations");
        }
    }
}

/// The types whose objects change all the time by themselves, as patterns of a filter.
pub fn restless_types() -> impl Iterator<Item = String> {
    RESTLESS
        .iter()
        .map(|(group, resource)| format!("{resource}.{}", if group.is_empty() { "core" } else { group }))
}

/// Do objects of this type change all the time by themselves?
pub fn is_restless(kind: &TypeName) -> bool {
    RESTLESS.iter().any(|(group, resource)| kind.is(group, resource))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_people_wrote_stays() {
        let object = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {
                "name": "a", "uid": "u", "resourceVersion": "1", "generation": 2, "managedFields": [], "selfLink": "/",
                "creationTimestamp": "t", "labels": {"a": "b"}, "annotations": {ANNOTATIONS[4]: "{}"},
            },
            "data": {"status": "x"}, "status": {"phase": "Active"},
        });
        let mut spec = object.clone();
        without_noise(&mut spec, false);
        let wanted = json!({
            "kind": "ConfigMap",
            "metadata": {"name": "a", "creationTimestamp": "t", "labels": {"a": "b"}},
            "data": {"status": "x"},
        });
        assert_eq!(spec, wanted);
        let mut all = object;
        without_noise(&mut all, true);
        assert_eq!(all["status"], json!({"phase": "Active"}));
        without_noise(&mut json!("no object"), false);
    }
}
