//! What of a recovery point is put back and how: a file for restores that are done again, or prepared before they are needed.

mod patch;
mod read;
mod values;

use super::error::ConfigError;
use super::load;
pub(super) use patch::{AnyValue, Pointer};
use patch::{Merge, Operation};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use values::{FieldManager, NameGlob};
pub(super) use values::{KindName, Namespace};

use super::pattern::{LabelSelector, NamespaceGlob};

const FILE: load::Kind = load::Kind {
    name: "restore specification",
    absent: "`lifeboat schema restore` describes one",
    usual: "restore.yaml",
};

/// What of a recovery point's resources is put back, as what, and what becomes of objects that are there already.
///
/// Every field may be left out: `{}` puts back everything that can be.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(title = "Lifeboat restore specification", default)]
#[non_exhaustive]
pub struct RestoreSpec {
    /// Which objects are put back.
    pub select: Select,
    /// What is called otherwise in the cluster that is restored into.
    pub rename: Rename,
    /// Workloads come back without running: scaled to zero, cron jobs and jobs suspended.
    pub quiesce: bool,
    /// What is kept of an object though the server or a controller set it.
    pub keep: Keep,
    /// Changes of objects, one after another.
    pub modifiers: Vec<Modifier>,
    /// What becomes of objects that are there already, for all or type by type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_conflict: Option<Conflicts>,
    /// By which name the server knows who wrote the fields.
    #[schemars(with = "FieldManager")]
    pub field_manager: String,
}

/// Which objects are put back: those that fit every field that is given. What is excluded stays out even if it is named too.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(default)]
#[non_exhaustive]
pub struct Select {
    /// Only these types, as kubectl takes them or as patterns (`*.apps`).
    #[schemars(with = "Vec<KindName>")]
    pub kinds: Vec<String>,
    /// Not these types.
    #[schemars(with = "Vec<KindName>")]
    pub exclude_kinds: Vec<String>,
    /// Only these namespaces, and what is in them.
    #[schemars(with = "Vec<NamespaceGlob>")]
    pub namespaces: Vec<String>,
    /// Not these namespaces.
    #[schemars(with = "Vec<NamespaceGlob>")]
    pub exclude_namespaces: Vec<String>,
    /// Whether objects without a namespace are put back. Where nothing is said: all of them, but with `namespaces` only those
    /// that these need.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_scoped: Option<bool>,
    /// Only objects with fitting labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<LabelSelector>")]
    pub labels: Option<String>,
    /// Only objects of these names.
    #[schemars(with = "Vec<NameGlob>")]
    pub names: Vec<String>,
    /// Only objects that were there then and are not any more: a recovery point's id or its beginning, an instant, or an age.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("type" = ["string", "integer", "null"], "examples" = ["20261122T084500Z-k3f9", "2026-11-22T08:00:00Z", "2h"]))]
    pub deleted_since: Option<String>,
    /// Only objects that are not there now.
    pub only_missing: bool,
}

/// What is called otherwise in the cluster that is restored into, wherever it is named.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(default)]
#[non_exhaustive]
pub struct Rename {
    /// Namespaces: what they were called, and what they will be.
    pub namespaces: BTreeMap<String, String>,
    /// Storage classes, alike.
    pub storage_classes: BTreeMap<String, String>,
    /// Beginnings of the names of images, alike: registries and repositories.
    pub images: BTreeMap<String, String>,
}

/// What is kept of an object though the server or a controller set it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(default)]
#[non_exhaustive]
pub struct Keep {
    /// What controllers observed.
    pub status: bool,
    /// The addresses of services.
    #[serde(rename = "clusterIPs")]
    pub cluster_ips: bool,
    /// The ports of services on nodes.
    pub node_ports: bool,
}

/// A change of some objects: of those that fit every field that is given.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(default)]
#[non_exhaustive]
pub struct Modifier {
    /// Only these types, as kubectl takes them or as patterns.
    #[schemars(with = "Vec<KindName>")]
    pub kinds: Vec<String>,
    /// Only objects in these namespaces.
    #[schemars(with = "Vec<NamespaceGlob>")]
    pub namespaces: Vec<String>,
    /// Only objects of these names.
    #[schemars(with = "Vec<NameGlob>")]
    pub names: Vec<String>,
    /// Only objects with fitting labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<LabelSelector>")]
    pub labels: Option<String>,
    /// Operations of JSON Patch (RFC 6902).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Vec<Operation>>")]
    pub json_patch: Option<Value>,
    /// Fields that are put in, or taken out where the value is null (JSON Merge Patch, RFC 7396).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Merge>")]
    pub merge_patch: Option<Value>,
}

/// What becomes of objects that are there already.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Conflicts {
    /// Of those of which nothing else is said; the restore's own default where that is not said either.
    pub default: Option<OnConflict>,
    /// Of these types, as people name them or as patterns: the first that fits counts.
    pub kinds: Vec<(String, OnConflict)>,
}

/// What becomes of an object that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnConflict {
    /// It stays as it is.
    Skip,
    /// It is changed into what was saved.
    Update,
    /// It is deleted, and made again.
    Recreate,
    /// The restore fails.
    Fail,
}

impl Default for RestoreSpec {
    fn default() -> Self {
        Self {
            select: Select::default(),
            rename: Rename::default(),
            quiesce: false,
            keep: Keep::default(),
            modifiers: Vec::new(),
            on_conflict: None,
            field_manager: "lifeboat".to_owned(),
        }
    }
}

impl RestoreSpec {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, or with all mistakes that could be found in it at once.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        Self::parse(&load::read(&FILE, path, false)?, path)
    }

    /// Reads a text; `file` is what errors call it.
    ///
    /// # Errors
    /// As for [`RestoreSpec::load`].
    pub fn parse(text: &str, file: &Path) -> Result<Self, ConfigError> {
        load::parse(&FILE, text, file)
    }
}
