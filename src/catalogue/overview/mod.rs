//! How things stand with a cluster, by what its store holds: [facts](Overview), and [what follows](judge()) from them at an
//! instant.

mod gather;
mod judge;
mod lock;

pub use judge::{Finding, Judgement, Matter, Objectives, judge};
pub use lock::PointLock;

use super::Held;
use crate::point::{DrillVerdict, EarlierDrill, Level, Objective, PointId, Status, Took, VerifiedDepth};
use jiff::Timestamp;
use serde::Serialize;

/// How things stand with a cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Overview {
    /// The cluster.
    pub cluster: String,
    /// Its recovery points.
    pub points: Points,
    /// When they were verified.
    pub verified: Verified,
    /// Its drills.
    pub drills: Drills,
    /// Recovery points that are held.
    pub held: Vec<HeldPoint>,
    /// Stores that are copied to. Which those are the store does not tell: whoever has the configuration fills them in.
    pub copies: Vec<Copies>,
    /// Runs of playbooks that are not over.
    pub runs: Vec<OpenRun>,
    /// What is not believed, or not as it was written.
    pub doubts: Vec<Distrust>,
}

/// The recovery points of a cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Points {
    /// How many there are.
    pub count: usize,
    /// What their artifacts take in the store.
    pub stored_bytes: u64,
    /// The newest one, whatever is wrong with it.
    pub newest: Option<NewestPoint>,
    /// The newest one to rely on: `Completed`, with a signature that does not fail, a last verification that did not fail, and
    /// not from the future.
    pub newest_completed: Option<NewestPoint>,
}

/// A recovery point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewestPoint {
    /// Its id.
    pub id: PointId,
    /// When its run began, and so how old what is in it is.
    pub created_at: Option<Timestamp>,
    /// Whether it is complete; none where its manifest cannot be read.
    pub status: Option<Status>,
    /// What taking it took; none where its manifest cannot be read.
    #[serde(flatten)]
    pub taken: Option<Taken>,
    /// What keeps it from being deleted; none where the store is not told to lock, and of points that are not the newest to rely on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lock: Option<PointLock>,
}

/// What taking a recovery point took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Taken {
    /// When the last payload was stored.
    pub finished_at: Timestamp,
    /// What was saved, before it was compressed.
    pub plain_bytes: u64,
    /// What its artifacts take in the store.
    pub stored_bytes: u64,
    /// How long each phase took; nothing where its manifest does not tell.
    pub phases: Vec<Took>,
}

/// When the recovery points of a cluster were verified, by the newest records.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verified {
    /// The newest verification of all.
    pub last: Option<Verification>,
    /// The newest with which nothing was wrong, if nothing was found since in the same recovery point.
    pub last_passed: Option<Verification>,
    /// Recovery points whose last verification failed.
    pub failed: Vec<PointId>,
    /// How many recovery points were never verified, whatever came of it.
    pub never: usize,
    /// When the oldest of these was begun.
    pub oldest_never: Option<Timestamp>,
}

/// A verification of a recovery point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verification {
    /// The recovery point.
    pub point: PointId,
    /// When it was verified.
    pub at: Timestamp,
    /// How far.
    pub depth: VerifiedDepth,
    /// Nothing was wrong with it.
    pub passed: bool,
}

/// The newest drills that can be believed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Drills {
    /// The newest.
    pub last: Option<LastDrill>,
    /// The newest that passed.
    pub last_passed: Option<LastDrill>,
    /// The last several, oldest first, of which the newest is the last: what its evidence tells of those before it.
    pub trend: Vec<EarlierDrill>,
}

/// What came of a drill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LastDrill {
    /// Its id.
    pub id: PointId,
    /// Its name.
    pub name: String,
    /// When it ended.
    pub ended: Timestamp,
    /// How.
    pub verdict: DrillVerdict,
    /// The recovery point that it brought back.
    pub point: Option<PointId>,
    /// How old what came back was.
    pub rpo: Objective,
    /// How long it took.
    pub rto: Objective,
}

/// A recovery point that is held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HeldPoint {
    /// The recovery point.
    pub id: PointId,
    /// By whom, since when and why.
    #[serde(flatten)]
    pub held: Held,
}

/// What a store that is copied to lacks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Copies {
    /// The store's name.
    pub store: String,
    /// The recovery points that it lacks and would keep, oldest first.
    pub owed: Vec<PointId>,
    /// Why that is not known.
    pub error: Option<String>,
}

/// A run of a playbook that is not over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OpenRun {
    /// The run.
    pub id: PointId,
    /// What is recorded of it; nothing while it is under way for the first time, and when it died.
    pub recorded: Option<RecordedRun>,
}

/// What is recorded of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordedRun {
    /// The playbook.
    pub playbook: String,
    /// Who began it.
    pub by: String,
    /// When this was recorded.
    pub at: Timestamp,
    /// How it ended then.
    pub end: String,
    /// At which step it waits for somebody.
    pub waits_at: Option<String>,
}

/// Something that is not believed, or not as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Distrust {
    /// An error where what is stored, or its signature, is not what was written; else a warning.
    pub level: Level,
    /// What it is about.
    pub about: String,
    /// What speaks against it.
    pub why: String,
}
