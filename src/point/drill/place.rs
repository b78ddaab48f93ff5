//! Where a recovery point was brought up, and what became of it.

use crate::point::Digest;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where a recovery point was brought up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StagingFacts {
    /// `controlplane`, `kind` or `existing`.
    pub provider: String,
    /// What it is called, so that it can be found.
    pub name: String,
    /// The address of its API server, once it had one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// The programs that it is made of.
    pub programs: Vec<Program>,
}

/// A program that staging is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Program {
    /// Its name.
    pub name: String,
    /// What it says of itself.
    pub version: String,
    /// SHA-256 of its file, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Digest>,
}

/// One thing that keeps the staging apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Isolation {
    /// What must not happen.
    pub threat: String,
    /// What keeps it from happening.
    pub measure: String,
}

impl Isolation {
    /// A threat, and what keeps it from happening.
    pub fn new(threat: &str, measure: impl Into<String>) -> Self {
        Isolation { threat: threat.to_owned(), measure: measure.into() }
    }
}

/// Something that was made for the drill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Removed {
    /// What: a process, a directory, a cluster.
    pub what: String,
    /// It is gone, and that was looked at.
    pub gone: bool,
    /// How that was found out, or why it is still there.
    pub proof: String,
}
