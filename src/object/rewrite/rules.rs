//! The rules as people write them.

use crate::object::LabelSelector;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// The rules, as a restore specification and a plan file hold them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Rules {
    /// Namespaces by their names, and what each is called in the target. All are renamed at once, so that two can swap names.
    pub namespaces: BTreeMap<String, String>,
    /// Storage classes by their names, and which of the target's takes the place of each.
    pub storage_classes: BTreeMap<String, String>,
    /// How names of images begin, written out (`docker.io/library`), and how they begin in the target. The longest that fits
    /// counts; it ends where a part of the name ends: `quay.io/team` says nothing of `quay.io/teams/web`.
    pub images: BTreeMap<String, String>,
    /// Nothing is to run yet: workloads get no replicas, jobs and cron jobs are suspended. DaemonSets and pods that nobody manages
    /// know no such thing, and run.
    pub quiesce: bool,
    /// Changes by patches, made one after the other.
    pub modifiers: Vec<Modifier>,
}

/// A patch, and the objects that it is for. A list that is empty leaves nothing out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Modifier {
    /// Types as people name them (`deploy`), or patterns (`*.apps`).
    pub kinds: Vec<String>,
    /// Namespaces as the target calls them, with `*` and `?`. Objects without one are left alone, but for the namespaces
    /// themselves.
    pub namespaces: Vec<String>,
    /// Names, with `*` and `?`.
    pub names: Vec<String>,
    /// Labels that the objects have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<LabelSelector>,
    /// A JSON patch (RFC 6902).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub json_patch: Option<Value>,
    /// A JSON merge patch (RFC 7396), which follows the other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub merge_patch: Option<Value>,
}
