//! What a drill checked.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How much a check counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The drill fails with it.
    #[default]
    Error,
    /// It is told, and the drill does not fail.
    Warning,
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CheckOutcome {
    /// It holds.
    Passed,
    /// It does not.
    Failed,
    /// It could not be looked at, and why is told: that is no pass.
    Skipped,
}

/// One thing that was checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckResult {
    /// Its name, as it is written in a drill's file.
    pub name: String,
    /// How much it counts.
    pub severity: Severity,
    /// How it ended.
    pub outcome: CheckOutcome,
    /// What should be.
    pub expected: String,
    /// What is.
    pub actual: String,
    /// What does not hold, by type and number; the names are in the details.
    #[serde(default)]
    pub findings: Vec<DrillFinding>,
    /// How long it took.
    pub took_ms: u64,
}

/// One thing that does not hold, or that differs and may.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DrillFinding {
    /// Its name within the drill, such as `objects-3`; a corrective action refers to it.
    pub id: String,
    /// What was found.
    pub message: String,
    /// How many objects it is about.
    pub objects: u64,
    /// It is as it has to be, and why; absent for what should not be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_because: Option<String>,
}
