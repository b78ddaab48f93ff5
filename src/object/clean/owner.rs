//! Whom an object belongs to, and whether that one makes it again.

use crate::object::{TypeName, reach::text};
use serde_json::Value;

/// An owner as named in `metadata.ownerReferences`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// Group and version: `apps/v1`.
    pub api_version: String,
    /// Its kind: `ReplicaSet`.
    pub kind: String,
    /// Its name; it is in the object's namespace, or cluster-scoped.
    pub name: String,
    /// Its uid in the cluster where the object was read.
    pub uid: String,
    /// Is it the one that manages the object?
    pub controller: bool,
}

impl Owner {
    /// The API group; empty for the core.
    pub fn group(&self) -> &str {
        self.api_version.split_once('/').map_or("", |(group, _)| group)
    }
}

/// A type, and group and kind of those that make objects of it.
type Makers = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

/// The controllers that Kubernetes brings along. What a custom resource owns is not here: it may be a Secret with a password
/// that an operator made up once.
const MADE_BY: &[Makers] = &[
    ("", "endpoints", &[("", "Service")]),
    // Claims for ephemeral volumes. The claims of a StatefulSet stay: they are its data.
    ("", "persistentvolumeclaims", &[("", "Pod")]),
    (
        "",
        "pods",
        &[
            ("", "Node"),
            ("", "ReplicationController"),
            ("apps", "DaemonSet"),
            ("apps", "ReplicaSet"),
            ("apps", "StatefulSet"),
            ("batch", "Job"),
        ],
    ),
    ("apps", "controllerrevisions", &[("apps", "DaemonSet"), ("apps", "StatefulSet")]),
    ("apps", "replicasets", &[("apps", "Deployment")]),
    ("batch", "jobs", &[("batch", "CronJob")]),
    ("discovery.k8s.io", "endpointslices", &[("", "Endpoints"), ("", "Service")]),
    ("resource.k8s.io", "resourceclaims", &[("", "Pod")]),
];

/// The owners of an object.
pub fn owners(object: &Value) -> Vec<Owner> {
    let references = object.pointer("/metadata/ownerReferences").and_then(Value::as_array);
    let owner = |reference: &Value| {
        let field = |name: &str| text(reference, &[name]).map(str::to_owned);
        Some(Owner {
            api_version: field("apiVersion")?,
            kind: field("kind")?,
            name: field("name")?,
            uid: field("uid").unwrap_or_default(),
            controller: reference.get("controller") == Some(&Value::Bool(true)),
        })
    };
    references.into_iter().flatten().filter_map(owner).collect()
}

/// The controller that makes this object again, once it is there; none if nobody does. Only the controllers of Kubernetes
/// itself are known.
pub fn made_again(kind: &TypeName, object: &Value) -> Option<Owner> {
    let (_, _, makers) = MADE_BY.iter().find(|(group, resource, _)| kind.is(group, resource))?;
    let makes = |owner: &Owner| makers.contains(&(owner.group(), &*owner.kind));
    owners(object).into_iter().find(|owner| owner.controller && makes(owner))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn maker(resource: (&str, &str), owner: (&str, &str), controller: bool) -> Option<String> {
        let object = json!({"metadata": {"ownerReferences": [
            {"apiVersion": "v1", "kind": "ConfigMap", "name": "other", "uid": "0"},
            {"apiVersion": owner.0, "kind": owner.1, "name": "it", "uid": "1", "controller": controller},
        ]}});
        assert_eq!(owners(&object).len(), 2);
        made_again(&TypeName::new(resource.0, resource.1), &object).map(|owner| owner.name)
    }

    #[test]
    fn only_what_kubernetes_makes_is_made_again() {
        let it = Some("it".to_owned());
        for (resource, owner) in [
            (("", "pods"), ("apps/v1", "ReplicaSet")),
            (("", "pods"), ("apps/v1", "StatefulSet")),
            (("", "pods"), ("apps/v1", "DaemonSet")),
            (("", "pods"), ("batch/v1", "Job")),
            (("", "pods"), ("v1", "ReplicationController")),
            (("", "pods"), ("v1", "Node")),
            (("apps", "replicasets"), ("apps/v1", "Deployment")),
            (("apps", "controllerrevisions"), ("apps/v1", "StatefulSet")),
            (("apps", "controllerrevisions"), ("apps/v1", "DaemonSet")),
            (("batch", "jobs"), ("batch/v1beta1", "CronJob")),
            (("discovery.k8s.io", "endpointslices"), ("v1", "Service")),
            (("discovery.k8s.io", "endpointslices"), ("v1", "Endpoints")),
            (("", "endpoints"), ("v1", "Service")),
            (("", "persistentvolumeclaims"), ("v1", "Pod")),
            (("resource.k8s.io", "resourceclaims"), ("v1", "Pod")),
        ] {
            assert_eq!(maker(resource, owner, true), it, "{resource:?} {owner:?}");
            assert_eq!(maker(resource, owner, false), None, "{resource:?} {owner:?}");
        }
        for (resource, owner) in [
            (("", "pods"), ("example.com/v1", "ReplicaSet")),
            (("", "secrets"), ("postgres.example.com/v1", "Database")),
            (("", "persistentvolumeclaims"), ("apps/v1", "StatefulSet")),
            (("apps", "deployments"), ("example.com/v1", "App")),
            (("example.com", "pods"), ("apps/v1", "ReplicaSet")),
        ] {
            assert_eq!(maker(resource, owner, true), None, "{resource:?} {owner:?}");
        }
        assert_eq!(made_again(&TypeName::new("", "pods"), &json!({})), None);
    }
}
