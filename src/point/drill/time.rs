//! How long a drill took.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The phases of a drill, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Choosing the recovery point and reading its manifest.
    Pick,
    /// Waiting for the store to deliver every artifact: what is opened meanwhile takes no time of its own.
    Fetch,
    /// Opening every artifact, and comparing everything that it must be equal to, beyond the waiting.
    Open,
    /// Making what the data is restored into.
    Provision,
    /// Where both are restored: bringing the export back into an empty staging, and comparing it. No recovery does both.
    Resources,
    /// Bringing the data back.
    Restore,
    /// Until the API server is ready.
    ApiReady,
    /// The checks of the data.
    Checks,
    /// Until the workloads asked for are ready.
    WorkloadsReady,
    /// The checks of what runs.
    Service,
    /// Carrying playbooks out in staging, and taking them back.
    Rehearsal,
    /// Taking everything away.
    TearDown,
}

impl Phase {
    /// All of them.
    pub const ALL: [Phase; 12] = [
        Phase::Pick,
        Phase::Fetch,
        Phase::Open,
        Phase::Provision,
        Phase::Resources,
        Phase::Restore,
        Phase::ApiReady,
        Phase::Checks,
        Phase::WorkloadsReady,
        Phase::Service,
        Phase::Rehearsal,
        Phase::TearDown,
    ];

    /// As it is written in a drill's file and in the evidence.
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Pick => "pick",
            Phase::Fetch => "fetch",
            Phase::Open => "open",
            Phase::Provision => "provision",
            Phase::Resources => "resources",
            Phase::Restore => "restore",
            Phase::ApiReady => "api-ready",
            Phase::WorkloadsReady => "workloads-ready",
            Phase::Checks => "checks",
            Phase::Service => "service",
            Phase::Rehearsal => "rehearsal",
            Phase::TearDown => "tear-down",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How long a phase took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PhaseTime {
    /// Which.
    pub phase: Phase,
    /// When it began, counted from the start of the drill.
    pub after_ms: u64,
    /// How long it took.
    pub took_ms: u64,
    /// How long it may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objective_ms: Option<u64>,
    /// It came to its end.
    pub done: bool,
}

/// A time that was measured, and what it should be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Objective {
    /// What was measured; absent when it did not come to that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measured_ms: Option<u64>,
    /// What it may be at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objective_ms: Option<u64>,
}

impl Objective {
    /// Was it missed? What has no objective is not missed; what was not measured, though it has one, is.
    pub fn missed(&self) -> bool {
        match (self.measured_ms, self.objective_ms) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some(measured), Some(objective)) => measured > objective,
        }
    }
}
