//! Storage classes by the names of the target.

use super::{BadRule, pods::pod_spec};
use crate::object::{
    TypeName,
    reach::{each, each_map},
};
use serde_json::Value;
use std::collections::BTreeMap;

const WAYS: &[(&str, &str, &str)] = &[
    ("", "persistentvolumeclaims", "spec.storageClassName"),
    ("", "persistentvolumes", "spec.storageClassName"),
    ("apps", "statefulsets", "spec.volumeClaimTemplates.*.spec.storageClassName"),
];

/// Where the annotation stands that named the class before there was a field.
const ANNOTATED: &[(&str, &str, &str)] = &[
    ("", "persistentvolumeclaims", "metadata.annotations"),
    ("", "persistentvolumes", "metadata.annotations"),
    ("apps", "statefulsets", "spec.volumeClaimTemplates.*.metadata.annotations"),
];
const ANNOTATION: &str = "volume.beta.kubernetes.io/storage-class";

/// Refuses names that are none.
pub(super) fn check(classes: &BTreeMap<String, String>) -> Result<(), BadRule> {
    match classes.iter().find(|(from, to)| from.is_empty() || to.is_empty()) {
        Some((from, _)) => Err(BadRule::new(format!("storageClasses.{from}"), "a storage class has a name")),
        None => Ok(()),
    }
}

pub(super) fn rename(classes: &BTreeMap<String, String>, kind: &TypeName, object: &mut Value) {
    let rename = |value: &mut Value| {
        if let Some(other) = value.as_str().and_then(|name| classes.get(name)) {
            *value = Value::from(other.as_str());
        }
    };
    for (.., way) in WAYS.iter().filter(|(group, resource, _)| kind.is(group, resource)) {
        each(object, way, &mut { rename });
    }
    for (.., way) in ANNOTATED.iter().filter(|(group, resource, _)| kind.is(group, resource)) {
        each_map(object, way, &mut |annotations| {
            annotations.get_mut(ANNOTATION).into_iter().for_each(rename)
        });
    }
    if let Some(pod) = pod_spec(kind) {
        let way = format!("{pod}.volumes.*.ephemeral.volumeClaimTemplate.spec.storageClassName");
        each(object, &way, &mut { rename });
    }
}
