//! What a run of a playbook leaves behind: one signed document that stands for its plan, its journal and what was collected.

use super::{Digest, FormatVersion, PointError, PointId, ToolFacts, record};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The signed record of a run of a playbook, as far as it had come when this was written. Times are UTC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "Lifeboat playbook run")]
pub struct RunRecord {
    /// The format's version; the manifest's.
    pub format: FormatVersion,
    /// The record's own id: a run that was resumed or undone has several, and the newest counts.
    pub id: PointId,
    /// The run.
    pub run: PointId,
    /// The cluster's name.
    pub cluster: String,
    /// The playbook's name.
    pub playbook: String,
    /// SHA-256 of the playbook's file.
    pub playbook_sha256: Digest,
    /// SHA-256 of the plan: what approvals are bound to.
    pub plan_sha256: Digest,
    /// SHA-256 of the journal.
    pub journal_sha256: Digest,
    /// SHA-256 of the journal's last line, which has that of the line before it, and so on.
    pub journal_head: Digest,
    /// How many lines it has.
    pub entries: u64,
    /// Who started the run.
    pub by: String,
    /// The program.
    pub tool: ToolFacts,
    /// When the run began.
    pub began: Timestamp,
    /// When this was written.
    pub at: Timestamp,
    /// How the run ended: `completed`, `partially-failed`, `failed`, `rolled-back`, `stopped`; `undone` once it was taken back.
    pub end: String,
    /// Is the run over? One that was stopped can be resumed.
    pub over: bool,
    /// The step at which it waits for somebody to agree, where it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_at: Option<String>,
    /// What was collected.
    #[serde(default)]
    pub kept: Vec<KeptEvidence>,
}

/// Something that a run collected, sealed in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KeptEvidence {
    /// Its key, below the run.
    pub key: String,
    /// Bytes, before it was sealed.
    pub bytes: u64,
    /// SHA-256 of it, before it was sealed.
    pub sha256: Digest,
    /// SHA-256 of what is stored.
    pub stored_sha256: Digest,
}

impl RunRecord {
    /// Reads a record; as strict as for those of recovery points.
    ///
    /// # Errors
    /// When it is none, or of a newer major version.
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
}
