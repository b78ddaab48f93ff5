//! Where in an object the specification of a pod is.

use crate::object::TypeName;

const PODS: &[(&str, &str, &str)] = &[
    ("", "pods", "spec"),
    ("", "podtemplates", "template.spec"),
    ("", "replicationcontrollers", "spec.template.spec"),
    ("apps", "daemonsets", "spec.template.spec"),
    ("apps", "deployments", "spec.template.spec"),
    ("apps", "replicasets", "spec.template.spec"),
    ("apps", "statefulsets", "spec.template.spec"),
    ("batch", "cronjobs", "spec.jobTemplate.spec.template.spec"),
    ("batch", "jobs", "spec.template.spec"),
];

/// The way to the specification of the pods that an object is, or makes.
pub(super) fn pod_spec(kind: &TypeName) -> Option<&'static str> {
    PODS.iter().find(|(group, resource, _)| kind.is(group, resource)).map(|(.., way)| *way)
}
