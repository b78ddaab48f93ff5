//! What is said about a drill later.

use crate::point::{FormatVersion, PointError, PointId, ToolFacts, record};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What somebody does about what a drill found. Signed like the evidence, and never changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "Lifeboat drill note")]
pub struct DrillNote {
    /// The format's version, `major.minor`; the manifest's.
    pub format: FormatVersion,
    /// Its own id.
    pub id: PointId,
    /// The name of the cluster.
    pub cluster: String,
    /// The drill.
    pub drill: PointId,
    /// When it was written.
    pub at: Timestamp,
    /// Who wrote it.
    pub by: String,
    /// The program that wrote it.
    pub tool: ToolFacts,
    /// The finding; absent when it is about the whole drill.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finding: Option<String>,
    /// What is done about it.
    pub action: String,
    /// Who does it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Until when, `2026-12-31`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<String>,
    /// The drill that showed that it is mended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retested_by: Option<PointId>,
}

impl DrillNote {
    /// Reads a note; as strict as for a record.
    ///
    /// # Errors
    /// When it is no note, or of a newer major version.
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
