//! Removing what retention lets go of: a plan, which can be shown, and the carrying out of just that plan.
//!
//! A recovery point's manifest goes first, and with it the point: what is killed in the middle leaves no point that is not
//! whole. The rest of it is then an orphan, which this or a later run removes.

mod apply;
mod evidence;
mod guard;
mod plan;
mod remains;
mod thin;

pub use apply::{Done, NotDeleted, Spared, apply};
pub(super) use evidence::judge as judge_drills;
pub use evidence::{DrillKept, PlannedDrill};
pub use guard::Refusal;
pub use plan::plan;
pub use thin::Thinned;

use super::retention::{Group, Judgement, Policy};
use crate::{
    point::PointId,
    store::{Meta, Unfinished},
};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

/// How a plan is made.
#[derive(Debug, Clone)]
pub struct PruneOptions {
    /// What is kept.
    pub policy: Policy,
    /// The largest share of the points that may go, in percent; 100 for all.
    pub max_delete: u32,
    /// How old remains must be.
    pub grace: SignedDuration,
    /// Go on although a point is from the future.
    pub despite_clock: bool,
    /// The time.
    pub now: Timestamp,
}

/// What would be removed, and what stays.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// The store's URL.
    pub store: String,
    /// The cluster, of which alone anything is removed.
    pub cluster: String,
    /// When it was made.
    pub made_at: Timestamp,
    /// Every recovery point, oldest first.
    pub points: Vec<Planned>,
    /// What interrupted runs left, without a manifest, and long ago.
    pub orphans: Vec<Remains>,
    /// Holds, tags and verifications of points that are gone.
    pub records: Vec<Remains>,
    /// Records of verifications that newer ones have superseded, of points that stay.
    pub thinned: Vec<Thinned>,
    /// Every drill, oldest first.
    pub drills: Vec<PlannedDrill>,
    /// What drills that were killed left, without evidence, and long ago.
    pub drill_remains: Vec<Remains>,
    /// Objects that were never written to their end.
    pub unfinished: Vec<Unfinished>,
    /// Remains that are too young to be told from a backup that is being written, or that are locked.
    pub waiting: usize,
    /// Why it is not carried out.
    pub refusals: Vec<Refusal>,
    /// What could not be found out, and what an operator should know.
    pub remarks: Vec<String>,
    /// What was changed at this time or later, by the store's clock, is left alone.
    #[serde(skip)]
    before: Option<Timestamp>,
}

/// A recovery point in a plan.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Planned {
    /// Whether it stays, and why.
    #[serde(flatten)]
    pub judgement: Judgement,
    /// When it was begun.
    pub created_at: Timestamp,
    /// With which others it was counted.
    pub counted_with: Group,
    /// The bytes of all its objects.
    pub bytes: u64,
    #[serde(skip)]
    objects: Vec<Meta>,
    #[serde(skip)]
    records: Vec<Meta>,
}

/// Objects that belong to no recovery point.
#[derive(Debug, Clone, Serialize)]
pub struct Remains {
    /// The recovery point that they were of.
    pub id: PointId,
    /// Their bytes.
    pub bytes: u64,
    #[serde(skip)]
    objects: Vec<Meta>,
}

impl Plan {
    /// The recovery points that go.
    pub fn going(&self) -> impl Iterator<Item = &Planned> {
        self.points.iter().filter(|p| !p.judgement.stays())
    }

    /// Bytes that are freed.
    pub fn bytes(&self) -> u64 {
        let points = self.going().map(|p| p.bytes);
        let remains = self.orphans.iter().chain(&self.records).map(|r| r.bytes);
        let drills = self.drills.iter().filter(|drill| !drill.stays()).map(|drill| drill.bytes);
        let remains = remains.chain(self.drill_remains.iter().map(|it| it.bytes)).chain(drills);
        let remains = remains.chain(self.thinned.iter().map(|t| t.bytes));
        points.chain(remains).chain(self.unfinished.iter().map(|u| u.bytes)).fold(0, u64::saturating_add)
    }

    /// Whether there is nothing to remove.
    pub fn is_empty(&self) -> bool {
        self.going().next().is_none()
            && self.orphans.is_empty()
            && self.records.is_empty()
            && self.thinned.is_empty()
            && self.drills.iter().all(PlannedDrill::stays)
            && self.drill_remains.is_empty()
            && self.unfinished.is_empty()
    }
}

fn bytes(objects: &[Meta]) -> u64 {
    objects.iter().fold(0, |sum, o| sum.saturating_add(o.bytes))
}
