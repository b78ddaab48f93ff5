//! Workloads that are there and do not run.

use crate::object::{TypeName, reach::each_map};
use serde_json::{Value, json};

const STOPPED: &[(&str, &str, &str)] = &[
    ("", "replicationcontrollers", "replicas"),
    ("apps", "deployments", "replicas"),
    ("apps", "replicasets", "replicas"),
    ("apps", "statefulsets", "replicas"),
    ("batch", "cronjobs", "suspend"),
    ("batch", "jobs", "suspend"),
];

/// Sees to it that a workload does not run. Where there are no replicas, an autoscaler leaves it alone.
pub(super) fn stop(kind: &TypeName, object: &mut Value) {
    let field =
        STOPPED.iter().find(|(group, resource, _)| kind.is(group, resource)).map(|(.., field)| *field);
    let Some(field) = field else { return };
    each_map(object, "spec", &mut |spec| {
        spec.insert(field.to_owned(), if field == "replicas" { json!(0) } else { json!(true) });
    });
}
