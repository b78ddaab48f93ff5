//! What a drill leaves behind: one document that says what was tried, what came of it, and what became of the staging.
//!
//! It is kept in the store in the clear, and so it names no user's object: what was found is told by type and number, and
//! the names are in the sealed details beside it.

mod check;
mod note;
mod place;
mod time;

pub use check::{CheckOutcome, CheckResult, DrillFinding, Severity};
pub use note::DrillNote;
pub use place::{Isolation, Program, Removed, StagingFacts};
pub use time::{Objective, Phase, PhaseTime};

use super::{ArtifactKind, Digest, FormatVersion, PointError, PointId, ToolFacts, record};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The signed evidence of one drill. Times are UTC, lengths of time are milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "Lifeboat drill evidence")]
pub struct Evidence {
    /// The format's version, `major.minor`; the manifest's.
    pub format: FormatVersion,
    /// The drill's own id, of the same form as a recovery point's.
    pub id: PointId,
    /// The name of the cluster whose recovery point was tried.
    pub cluster: String,
    /// The drill as it was written down.
    pub plan: DrillPlan,
    /// Who started it: `user@host`, or what was given for it.
    pub by: String,
    /// The program that ran it.
    pub tool: ToolFacts,
    /// When it began.
    pub began: Timestamp,
    /// When everything was torn down.
    pub ended: Timestamp,
    /// How it ended.
    pub verdict: DrillVerdict,
    /// Why it did not pass, most important first; empty when it passed.
    #[serde(default)]
    pub reasons: Vec<String>,
    /// How the recovery point was picked.
    pub pick: Pick,
    /// The recovery point; absent when none was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub point: Option<DrilledPoint>,
    /// Where it was brought up; absent when it did not come to that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub staging: Option<StagingFacts>,
    /// What keeps the staging apart from the source and the world.
    #[serde(default)]
    pub isolation: Vec<Isolation>,
    /// How long each phase took, in order.
    pub phases: Vec<PhaseTime>,
    /// How old what came back is: from the recovery point to the incident.
    pub rpo: Objective,
    /// How long it took until service was back: from the start of the drill until everything asked for was ready, without the
    /// checks of the data, for which a recovery does not wait.
    pub rto: Objective,
    /// What was checked.
    pub checks: Vec<CheckResult>,
    /// What was taken away afterwards, and whether it is gone.
    pub cleanup: Vec<Removed>,
    /// The sealed details, where there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Details>,
    /// Earlier drills of this cluster, oldest first.
    #[serde(default)]
    pub earlier: Vec<EarlierDrill>,
    /// How long this evidence is kept; absent where that was not said, and then it is kept for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retain: Option<Retain>,
    /// The failed drill of which this one is the repetition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retest_of: Option<PointId>,
}

/// How long the evidence of a drill is kept: as long as either holds, and the newest drill of a name in any case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Retain {
    /// Until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// As long as it is one of so many newest drills of its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<u32>,
}

/// The drill as it was written down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DrillPlan {
    /// Its name.
    pub name: String,
    /// What is rehearsed, in the words of whoever wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scenario: Option<String>,
    /// SHA-256 of the file; absent when the drill came from no file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Digest>,
    /// What is restored.
    pub restores: Vec<Restores>,
    /// What is not looked at, in words.
    #[serde(default)]
    pub exclusions: Vec<String>,
    /// Who approved it, where somebody had to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_by: Option<String>,
}

/// What a drill brings back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Restores {
    /// The etcd snapshot, under a new control plane.
    Etcd,
    /// The export, through the API server of an empty cluster.
    Resources,
}

/// How a drill ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DrillVerdict {
    /// Everything was restored, every check that counts passed, every objective was met.
    Passed,
    /// Everything was restored and is right, but too late or too old.
    ObjectiveMissed,
    /// A check that counts failed.
    ChecksFailed,
    /// It did not come to an end: something could not be picked, opened, provisioned, restored or torn down.
    Failed,
    /// Somebody stopped it.
    Stopped,
}

/// How the recovery point was picked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Pick {
    /// The rule: `latest`, `newest-verified`, `random`, or an id.
    pub rule: String,
    /// How many recovery points the rule had to choose from.
    pub among: u64,
    /// For `random`: no older than so many milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_ms: Option<u64>,
    /// For `random`: with this seed, the same points and the same time the same one is drawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
}

/// The recovery point of a drill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DrilledPoint {
    /// Its id.
    pub id: PointId,
    /// The moment that it brings back.
    pub taken_at: Timestamp,
    /// SHA-256 of its manifest.
    pub manifest_sha256: Digest,
    /// The store that it was read from.
    pub store: String,
    /// Its artifacts.
    pub artifacts: Vec<DrilledArtifact>,
    /// The UID of the source cluster's namespace `kube-system`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_uid: Option<String>,
    /// The version of the source's etcd.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etcd_version: Option<String>,
    /// The version of the source's API server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubernetes_version: Option<String>,
}

/// One artifact of the recovery point of a drill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DrilledArtifact {
    /// What it holds.
    pub kind: ArtifactKind,
    /// Bytes in the store.
    pub stored_bytes: u64,
    /// Bytes when opened.
    pub plain_bytes: u64,
    /// SHA-256 of the bytes in the store.
    pub stored_sha256: Digest,
    /// SHA-256 when opened.
    pub plain_sha256: Digest,
}

/// Where the sealed details are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Details {
    /// The object's name beside the evidence.
    pub key: String,
    /// Bytes in the store.
    pub stored_bytes: u64,
    /// SHA-256 of the bytes in the store.
    pub stored_sha256: Digest,
}

/// An earlier drill, for the trend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EarlierDrill {
    /// Its id.
    pub id: PointId,
    /// When it began.
    pub began: Timestamp,
    /// Its name.
    pub name: String,
    /// How it ended.
    pub verdict: DrillVerdict,
    /// How old what came back was.
    pub rpo: Objective,
    /// How long it took.
    pub rto: Objective,
}

impl Evidence {
    /// Reads evidence; as strict as for a record.
    ///
    /// # Errors
    /// When it is no evidence, or of a newer major version.
    pub fn parse(bytes: &[u8]) -> Result<Self, PointError> {
        record::parse(bytes)
    }

    /// The bytes that are stored and signed.
    ///
    /// # Errors
    /// None that is known: what it holds can be written.
    pub fn to_bytes(&self) -> Result<Vec<u8>, PointError> {
        record::to_bytes(self)
    }

    /// Every finding of every check that is not as it has to be.
    pub fn findings(&self) -> impl Iterator<Item = (&CheckResult, &DrillFinding)> {
        let all = self.checks.iter().flat_map(|check| check.findings.iter().map(move |it| (check, it)));
        all.filter(|(_, finding)| finding.expected_because.is_none())
    }
}

impl DrillVerdict {
    /// As it is written in the evidence.
    pub fn as_str(self) -> &'static str {
        match self {
            DrillVerdict::Passed => "passed",
            DrillVerdict::ObjectiveMissed => "objective-missed",
            DrillVerdict::ChecksFailed => "checks-failed",
            DrillVerdict::Failed => "failed",
            DrillVerdict::Stopped => "stopped",
        }
    }
}

impl fmt::Display for DrillVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
