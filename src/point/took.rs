//! How long the phases of a backup took.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A phase of a backup. Those of etcd follow one another, those of the export as well, and both halves run side by side. Phases that
/// a later version invents are kept as text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(from = "String", into = "String")]
#[schemars(with = "String")]
pub enum BackupPhase {
    /// Asking every member of etcd how it is.
    EtcdSurvey,
    /// Streaming the snapshot, through compression and encryption on its way to the store, and comparing the members meanwhile; tries
    /// that failed included.
    EtcdSnapshot,
    /// From the snapshot's last byte until the store has all of it, and that was checked.
    EtcdStore,
    /// Connecting to the API server, and learning which types there are.
    ResourcesDiscovery,
    /// Exporting every object, on its way to the store as well; exports that had to begin again included.
    ResourcesExport,
    /// From the last object until the store has all of them, and that was checked.
    ResourcesStore,
    /// One that this version does not know.
    Other(String),
}

impl BackupPhase {
    /// Those that this version knows.
    pub const KNOWN: [BackupPhase; 6] = [
        BackupPhase::EtcdSurvey,
        BackupPhase::EtcdSnapshot,
        BackupPhase::EtcdStore,
        BackupPhase::ResourcesDiscovery,
        BackupPhase::ResourcesExport,
        BackupPhase::ResourcesStore,
    ];

    /// As it is written in a manifest.
    pub fn as_str(&self) -> &str {
        match self {
            BackupPhase::EtcdSurvey => "etcd-survey",
            BackupPhase::EtcdSnapshot => "etcd-snapshot",
            BackupPhase::EtcdStore => "etcd-store",
            BackupPhase::ResourcesDiscovery => "resources-discovery",
            BackupPhase::ResourcesExport => "resources-export",
            BackupPhase::ResourcesStore => "resources-store",
            BackupPhase::Other(name) => name,
        }
    }
}

impl From<String> for BackupPhase {
    fn from(name: String) -> Self {
        let known = BackupPhase::KNOWN.into_iter().find(|phase| phase.as_str() == name);
        known.unwrap_or(BackupPhase::Other(name))
    }
}

impl From<BackupPhase> for String {
    fn from(phase: BackupPhase) -> String {
        phase.as_str().to_owned()
    }
}

impl fmt::Display for BackupPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How long a phase took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Took {
    /// Which.
    pub phase: BackupPhase,
    /// How long.
    pub took_ms: u64,
}
