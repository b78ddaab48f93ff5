//! The configuration file as the rest of the program sees it.

use super::daemon::Daemon;
use super::drills::Drills;
use super::error::ConfigError;
use super::notifications::Notification;
use super::objectives::Objectives;
use super::playbooks::Playbooks;
use super::retention::Retention;
use super::schedules::Schedule;
use super::secret::SecretRef;
use super::source::{Etcd, Kubernetes, Resources};
use super::storage::Store;
use super::values::{ClusterName, PublicKey, Recipient};
use schemars::JsonSchema;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// The version of the file's format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(inline, transform = only_constant)]
pub enum ApiVersion {
    /// The first version.
    #[serde(rename = "lifeboat.dev/v1")]
    V1,
}

/// What kind of file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(inline, transform = only_constant)]
pub enum Kind {
    /// The configuration.
    Config,
}

/// A list of one choice, as the choice itself.
fn only_constant(schema: &mut schemars::Schema) {
    let only = schema.get("oneOf").and_then(|ways| ways.get(0)).and_then(|way| way.get("const")).cloned();
    if let Some(only) = only {
        schema.remove("oneOf");
        schema.insert("type".to_owned(), "string".into());
        schema.insert("const".to_owned(), only);
    }
}

/// The configuration of Lifeboat: which cluster to save, where to keep it, who can open it.
///
/// Relative paths are relative to the directory of the file.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(title = "Lifeboat configuration")]
#[non_exhaustive]
pub struct Config {
    /// The version of this file's format.
    pub api_version: ApiVersion,
    /// What kind of file this is.
    pub kind: Kind,
    /// The cluster's name in the store. Every recovery point is filed under it, so it must not change.
    pub cluster: ClusterName,
    /// How to reach etcd. Without it, no etcd snapshot can be taken; restoring needs none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub etcd: Option<Etcd>,
    /// How to reach the API server.
    #[schemars(default)]
    pub kubernetes: Kubernetes,
    /// Which objects are exported.
    #[schemars(default)]
    pub resources: Resources,
    /// Where recovery points are kept. The first is the one that is written to.
    #[schemars(length(min = 1))]
    pub stores: Vec<Store>,
    /// Who can open what is sealed. Without it, nothing can be backed up; restoring needs none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encryption: Option<Encryption>,
    /// The key that manifests are signed and verified with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signing: Option<Signing>,
    /// Settings of a restore.
    #[schemars(default)]
    pub restore: Restore,
    /// Which recovery points are kept. Without it, `lifeboat prune` deletes none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retention: Option<Retention>,
    /// What `lifeboat status` judges by.
    #[schemars(default)]
    pub objectives: Objectives,
    /// Playbooks, and what their runs need.
    #[schemars(default)]
    pub playbooks: Playbooks,
    /// What holds for every drill.
    #[schemars(default)]
    pub drills: Drills,
    /// What runs by itself, and when.
    #[schemars(default)]
    pub schedules: Vec<Schedule>,
    /// How the daemon that runs it runs itself.
    #[schemars(default)]
    pub daemon: Daemon,
    /// Whom to tell: channels that drills, schedules and playbooks name.
    #[schemars(default)]
    pub notifications: Vec<Notification>,
}

impl Config {
    /// The store of this name, or the first one.
    pub fn store(&self, name: Option<&str>) -> Result<&Store, ConfigError> {
        let wanted = |store: &&Store| name.is_none_or(|name| store.name == name);
        self.stores.iter().find(wanted).ok_or_else(|| {
            let known: Vec<_> = self.stores.iter().map(|store| format!("`{}`", store.name)).collect();
            ConfigError::NoStore { name: name.unwrap_or_default().to_owned(), known: known.join(", ") }
        })
    }

    /// What is kept in a store: its own retention, else that of all.
    pub fn retention<'a>(&'a self, store: &'a Store) -> Option<&'a Retention> {
        store.retention.as_ref().or(self.retention.as_ref())
    }

    /// The etcd section, for a command that cannot do without.
    pub fn require_etcd(&self) -> Result<&Etcd, ConfigError> {
        let help = "add `etcd: {endpoints: [\"https://HOST:2379\"]}`";
        self.etcd.as_ref().ok_or(ConfigError::Section { section: "etcd", help })
    }

    /// The encryption section, for a command that cannot do without.
    pub fn require_encryption(&self) -> Result<&Encryption, ConfigError> {
        let help = "add `encryption: {recipients: [age1…]}`; `lifeboat init` makes a key";
        self.encryption.as_ref().ok_or(ConfigError::Section { section: "encryption", help })
    }
}

/// Who can open what is sealed, and how it is compressed.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(default)]
#[non_exhaustive]
pub struct Encryption {
    /// age recipients (public keys). Each of their identities can open every recovery point alone.
    pub recipients: Vec<Recipient>,
    /// A file of further recipients, one a line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipients_file: Option<PathBuf>,
    /// zstd's level. Higher is smaller and slower.
    #[schemars(range(min = 1, max = 19))]
    pub compression_level: u32,
    /// Threads that compress beside the one that reads; 0 is none.
    #[schemars(range(min = 0, max = 64))]
    pub compression_workers: u32,
}

impl Default for Encryption {
    fn default() -> Self {
        Self { recipients: Vec::new(), recipients_file: None, compression_level: 1, compression_workers: 0 }
    }
}

/// The minisign key that manifests are signed and verified with.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct Signing {
    /// The secret key, needed where backups are taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_key: Option<SecretRef>,
    /// The public key, needed wherever recovery points are read.
    pub public_key: PublicKey,
    /// The password of the secret key, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<SecretRef>,
}

/// Settings of a restore.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(default)]
#[non_exhaustive]
pub struct Restore {
    /// The `etcdutl` program: a name that is looked up in `$PATH`, or a path.
    pub etcdutl: PathBuf,
}

impl Default for Restore {
    fn default() -> Self {
        Self { etcdutl: PathBuf::from("etcdutl") }
    }
}

impl Restore {
    /// The program to start; a path with a directory in it is taken from `base`, a bare name from `$PATH`.
    pub fn program(&self, base: &Path) -> PathBuf {
        let bare = self.etcdutl.components().count() == 1;
        if bare { self.etcdutl.clone() } else { base.join(&self.etcdutl) }
    }
}
