use super::Digest;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt};

/// What an artifact holds. Kinds that a later version invents are kept as text and left alone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(from = "String", into = "String")]
#[schemars(with = "String")]
pub enum ArtifactKind {
    /// An etcd snapshot: the database file and etcd's own SHA-256 behind it, as `etcdctl snapshot save` writes it.
    Etcd,
    /// A resource export: a tar of one JSON file per object.
    Resources,
    /// The export's index: one JSON line per object.
    ResourcesIndex,
    /// A kind that this version does not know.
    Other(String),
}

impl ArtifactKind {
    /// The kind's name in a manifest and on the command line.
    pub fn as_str(&self) -> &str {
        match self {
            ArtifactKind::Etcd => "etcd",
            ArtifactKind::Resources => "resources",
            ArtifactKind::ResourcesIndex => "resources-index",
            ArtifactKind::Other(name) => name,
        }
    }

    /// The payload's name below the recovery point.
    pub fn file_name(&self) -> &str {
        match self {
            ArtifactKind::Etcd => "etcd.db.zst.age",
            ArtifactKind::Resources => "resources.tar.zst.age",
            ArtifactKind::ResourcesIndex => "resources.index.zst.age",
            ArtifactKind::Other(name) => name,
        }
    }
}

impl From<String> for ArtifactKind {
    fn from(name: String) -> Self {
        match name.as_str() {
            "etcd" => ArtifactKind::Etcd,
            "resources" => ArtifactKind::Resources,
            "resources-index" => ArtifactKind::ResourcesIndex,
            _ => ArtifactKind::Other(name),
        }
    }
}

impl From<ArtifactKind> for String {
    fn from(kind: ArtifactKind) -> String {
        kind.as_str().to_owned()
    }
}

impl fmt::Display for ArtifactKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One payload of a recovery point: what it is, where it is, how large it is and what it must hash to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Artifact {
    /// What it holds.
    pub kind: ArtifactKind,
    /// The object's name below the recovery point.
    pub key: String,
    /// Bytes before compression.
    pub plain_bytes: u64,
    /// Bytes after compression, before encryption.
    pub compressed_bytes: u64,
    /// Bytes in the store.
    pub stored_bytes: u64,
    /// SHA-256 before compression.
    pub plain_sha256: Digest,
    /// SHA-256 of the bytes in the store.
    pub stored_sha256: Digest,
    /// The age recipients any of whose identities opens it.
    pub recipients: Vec<String>,
    /// For `etcd`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etcd: Option<EtcdFacts>,
    /// For `resources`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceFacts>,
}

/// What is known of an etcd snapshot and of the cluster it was taken from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EtcdFacts {
    /// The etcd cluster's id, in hexadecimal.
    pub cluster_id: String,
    /// The name of the member that the snapshot was streamed from.
    pub member: String,
    /// That member's client URL.
    pub endpoint: String,
    /// That member's etcd version.
    pub version: String,
    /// The storage version that the member named for the snapshot; empty where it names none (etcd 3.5).
    #[serde(default)]
    pub storage_version: String,
    /// The snapshot's own newest revision, read from the database as it streamed by.
    pub revision: i64,
    /// The KV hash that the voting members agreed on; absent when they could not be compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kv_hash: Option<KvHash>,
    /// Every member, as it was found.
    pub members: Vec<MemberFacts>,
}

/// etcd's own hash over all keys and values at a revision (`HashKV`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KvHash {
    /// The CRC-32C.
    pub hash: u32,
    /// The revision that it covers.
    pub revision: i64,
    /// The compact revision that it starts from.
    pub compact_revision: i64,
}

/// One etcd member, as it was found when the recovery point was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MemberFacts {
    /// The member's id, in hexadecimal.
    pub id: String,
    /// The member's name; empty while it has not started.
    pub name: String,
    /// The client URL it was asked at; empty when none is known.
    pub endpoint: String,
    /// Its etcd version, when it answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Is it the leader?
    pub leader: bool,
    /// Is it a learner?
    pub learner: bool,
    /// Its answer agreed with the KV hash of the recovery point.
    pub agrees: bool,
    /// What was wrong with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
}

/// What is known of a resource export.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResourceFacts {
    /// The API server's version.
    pub version: String,
    /// The revision at which every type was listed, those marked `ownRevision` apart.
    pub resource_version: String,
    /// How often the export began again because its revision had been compacted.
    pub restarts: u32,
    /// When that revision was the newest.
    pub at: Timestamp,
    /// Objects in all.
    pub objects: u64,
    /// Objects per type: `<resource>.<group>/<version>`, the group left out for the core.
    pub counts: BTreeMap<String, ResourceCount>,
    /// Types left out on purpose.
    pub excluded: BTreeMap<String, ExcludedBy>,
    /// Types that should be here and are not.
    pub failed: Vec<ResourceProblem>,
    /// Stands for the namespaces and labels that the export was narrowed to; absent when it was not. It tells whether two
    /// exports were narrowed alike, and is too short to guess names from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub narrowed: Option<String>,
}

/// How many objects of a type an export holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResourceCount {
    /// Objects.
    pub objects: u64,
    /// Bytes of their JSON.
    pub bytes: u64,
    /// This type could not be listed at the export's revision and was listed at its own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub own_revision: bool,
}

/// Why a type was left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ExcludedBy {
    /// The configuration says so.
    Configuration,
    /// The type cannot be both listed and read.
    NotListable,
    /// The same objects are in the export under another version or group.
    SameObjects,
}

/// A type that could not be exported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResourceProblem {
    /// The type, `<resource>.<group>/<version>`, or a group version whose types could not be learned.
    pub resource: String,
    /// What the API server said.
    pub reason: String,
}
