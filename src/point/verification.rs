use super::{Digest, Facts, Family};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Of `verifications`: what a verification found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VerificationFacts {
    /// How far it went.
    pub depth: VerifiedDepth,
    /// How it ended: nothing of level error was found, or something was.
    pub outcome: Outcome,
    /// When it began; it ended when the record was made.
    pub began: Timestamp,
    /// SHA-256 of the manifest that was verified: the record is about those very bytes.
    pub manifest_sha256: Digest,
    /// How many findings there were of each level.
    pub findings: FindingCounts,
    /// The findings of level warning and error, or the first hundred. What was found inside of an artifact is not told
    /// here, where everybody can read it.
    #[serde(default)]
    pub problems: Vec<RecordedFinding>,
    /// Bytes that were read from the store.
    pub bytes_read: u64,
}

/// How far a verification went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum VerifiedDepth {
    /// Signature, presence, sizes, digests of the stored bytes.
    Stored,
    /// The same, and that the identity opens every artifact.
    Key,
    /// Everything was opened and looked into.
    Deep,
}

impl fmt::Display for VerifiedDepth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            VerifiedDepth::Stored => "stored",
            VerifiedDepth::Key => "key",
            VerifiedDepth::Deep => "deep",
        })
    }
}

/// How a verification ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Nothing of level error was found.
    Passed,
    /// Something was.
    Failed,
}

/// How grave a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// It holds.
    Ok,
    /// Worth knowing.
    Info,
    /// It could not be checked, or deserves a look.
    Warning,
    /// It does not hold.
    Error,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Level::Ok => "ok",
            Level::Info => "info",
            Level::Warning => "warning",
            Level::Error => "error",
        })
    }
}

/// How many findings there were of each level.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FindingCounts {
    /// What holds.
    pub ok: u64,
    /// What is worth knowing.
    pub info: u64,
    /// What could not be checked, or deserves a look.
    pub warning: u64,
    /// What does not hold.
    pub error: u64,
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecordedFinding {
    /// How grave it is.
    pub level: Level,
    /// The object or artifact.
    pub about: String,
    /// What was found.
    pub message: String,
}

impl Facts for VerificationFacts {
    const FAMILY: Family = Family::Verifications;
}
