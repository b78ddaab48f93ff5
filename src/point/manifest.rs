use super::{Artifact, ArtifactKind, PointError, PointId, Took};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// The major version of the manifest's format; a reader refuses any other.
pub const FORMAT_MAJOR: u32 = 1;
/// The minor version; a reader accepts any.
pub const FORMAT_MINOR: u32 = 0;

/// A recovery point's manifest. It is written last: its presence is what makes the point exist.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// The format's version, `major.minor`.
    pub format: FormatVersion,
    /// The recovery point's id.
    pub id: PointId,
    /// The cluster that was saved.
    pub cluster: ClusterFacts,
    /// The program that saved it.
    pub tool: ToolFacts,
    /// The name of the job that it belongs to, by which retention counts; empty for a run that was given none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub job: String,
    /// When the run began, UTC.
    pub created_at: Timestamp,
    /// When the last payload was stored, UTC.
    pub finished_at: Timestamp,
    /// How the run ended.
    pub status: Status,
    /// The payloads.
    pub artifacts: Vec<Artifact>,
    /// What was checked before this manifest was written.
    pub verified: Vec<Verification>,
    /// Everything that went wrong or deserves a look.
    pub problems: Vec<Problem>,
    /// How long each phase took; absent where the program that wrote it did not tell.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub phases: Vec<Took>,
}

impl Manifest {
    /// Reads a manifest, refusing a major version that this program does not know. Unknown fields and artifact kinds
    /// are accepted.
    pub fn parse(bytes: &[u8]) -> Result<Self, PointError> {
        #[derive(Deserialize)]
        struct Head {
            format: FormatVersion,
        }
        let unreadable = |e: serde_json::Error| PointError::Manifest(e.to_string());
        let head: Head = serde_json::from_slice(bytes).map_err(unreadable)?;
        if head.format.major != FORMAT_MAJOR {
            return Err(PointError::NewerFormat { found: head.format.to_string() });
        }
        serde_json::from_slice(bytes).map_err(unreadable)
    }

    /// The bytes that are stored and signed.
    pub fn to_bytes(&self) -> Result<Vec<u8>, PointError> {
        let mut bytes = serde_json::to_vec_pretty(self).map_err(|e| PointError::Manifest(e.to_string()))?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// The artifact of a kind, if the point has one.
    pub fn artifact(&self, kind: &ArtifactKind) -> Option<&Artifact> {
        self.artifacts.iter().find(|a| a.kind == *kind)
    }

    /// Bytes before compression, of all artifacts.
    pub fn plain_bytes(&self) -> u64 {
        self.artifacts.iter().fold(0, |sum, a| sum.saturating_add(a.plain_bytes))
    }

    /// Bytes in the store, of all artifacts.
    pub fn stored_bytes(&self) -> u64 {
        self.artifacts.iter().fold(0, |sum, a| sum.saturating_add(a.stored_bytes))
    }
}

/// `major.minor`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", extend("pattern" = "^[0-9]+\\.[0-9]+$"))]
pub struct FormatVersion {
    /// Readers refuse a major version that they do not know.
    pub major: u32,
    /// Readers accept any minor version.
    pub minor: u32,
}

impl FormatVersion {
    /// What this program writes.
    pub const CURRENT: FormatVersion = FormatVersion { major: FORMAT_MAJOR, minor: FORMAT_MINOR };
}

impl FromStr for FormatVersion {
    type Err = PointError;
    fn from_str(text: &str) -> Result<Self, PointError> {
        let parts = text.split_once('.').and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
        let (major, minor) = parts
            .ok_or_else(|| PointError::Manifest(format!("`{text}` is not a format version (major.minor)")))?;
        Ok(FormatVersion { major, minor })
    }
}

impl TryFrom<String> for FormatVersion {
    type Error = PointError;
    fn try_from(text: String) -> Result<Self, PointError> {
        text.parse()
    }
}

impl From<FormatVersion> for String {
    fn from(version: FormatVersion) -> String {
        version.to_string()
    }
}

impl fmt::Display for FormatVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// Which cluster a recovery point is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterFacts {
    /// The name in the configuration.
    pub name: String,
    /// The UID of the namespace `kube-system`, which names a cluster for good; absent when no API server was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
}

/// Which program wrote a recovery point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ToolFacts {
    /// `lifeboat`.
    pub name: String,
    /// Its version.
    pub version: String,
}

impl ToolFacts {
    /// This program.
    pub fn current() -> Self {
        ToolFacts { name: "lifeboat".into(), version: env!("CARGO_PKG_VERSION").into() }
    }
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Status {
    /// Everything asked for is there and verified.
    Completed,
    /// Something is missing; `problems` says what.
    PartiallyFailed,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Status::Completed => "Completed",
            Status::PartiallyFailed => "PartiallyFailed",
        })
    }
}

/// One thing that was checked before the manifest was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Verification {
    /// The check's name, in words for people.
    pub check: String,
    /// What was found.
    pub result: String,
}

/// Something that went wrong, or that deserves a look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// What it is about: an artifact, a member, a resource type.
    pub about: String,
    /// What is wrong and what to do.
    pub message: String,
    /// It makes the recovery point incomplete; else it is a warning.
    pub fatal: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::point::BackupPhase;

    fn sample() -> Manifest {
        Manifest {
            format: FormatVersion::CURRENT,
            id: "20261123T084500Z-k3f9".parse().unwrap(),
            cluster: ClusterFacts { name: "prod".into(), uid: None },
            tool: ToolFacts { name: "lifeboat".into(), version: "0.1.0".into() },
            job: String::new(),
            created_at: "2026-11-23T08:45:00Z".parse().unwrap(),
            finished_at: "2026-11-23T08:45:09Z".parse().unwrap(),
            status: Status::Completed,
            artifacts: vec![],
            verified: vec![],
            problems: vec![],
            phases: vec![Took { phase: BackupPhase::EtcdSnapshot, took_ms: 7 }],
        }
    }

    #[test]
    fn reads_back_what_it_writes() {
        assert_eq!(Manifest::parse(&sample().to_bytes().unwrap()).unwrap(), sample());
    }

    #[test]
    fn a_newer_minor_version_is_read_and_a_newer_major_refused() {
        let text = String::from_utf8(sample().to_bytes().unwrap()).unwrap();
        let minor = text.replace("\"1.0\"", "\"1.9\"").replacen('{', "{\"inventedLater\": {\"x\": [1]},", 1);
        let minor = minor.replace("\"artifacts\": []", "\"artifacts\": [], \"more\": 1");
        assert_eq!(Manifest::parse(minor.as_bytes()).unwrap().id, sample().id);
        let major = Manifest::parse(text.replace("\"1.0\"", "\"2.0\"").as_bytes());
        assert_eq!(major, Err(PointError::NewerFormat { found: "2.0".into() }));
    }

    #[test]
    fn phases_of_before_are_absent_and_those_of_later_are_kept() {
        let text = String::from_utf8(sample().to_bytes().unwrap()).unwrap();
        let later = Manifest::parse(text.replace("etcd-snapshot", "etcd-pages").as_bytes()).unwrap();
        assert_eq!(later.phases[0].phase, BackupPhase::Other("etcd-pages".into()));
        let before = Manifest { phases: vec![], ..sample() };
        let text = String::from_utf8(before.to_bytes().unwrap()).unwrap();
        assert!(!text.contains("phases"));
        assert_eq!(Manifest::parse(text.as_bytes()).unwrap(), before);
    }

    #[test]
    fn an_unknown_artifact_kind_is_kept() {
        let kind: ArtifactKind = serde_json::from_str("\"etcd-pages\"").unwrap();
        assert_eq!(kind, ArtifactKind::Other("etcd-pages".into()));
        assert_eq!(serde_json::to_string(&kind).unwrap(), "\"etcd-pages\"");
    }
}
