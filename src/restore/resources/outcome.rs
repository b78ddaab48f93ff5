use crate::object::Identity;
use serde::Serialize;
use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

/// What became of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Done {
    /// It was made.
    Created,
    /// It was changed.
    Updated,
    /// It was deleted and made again.
    Recreated,
    /// It was there already.
    Unchanged,
    /// It was left out.
    Skipped,
    /// Something stands against it.
    Conflict,
    /// It was tried and refused.
    Failed,
    /// Its turn did not come.
    NotReached,
}

/// What became of an object, and why.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// The object in the target.
    #[serde(serialize_with = "text")]
    pub object: Identity,
    /// What became of it.
    pub outcome: Done,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

fn text<S: serde::Serializer>(object: &Identity, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(object)
}

/// How many objects had which outcome.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Tally(pub BTreeMap<Done, usize>);

impl Tally {
    /// Counts outcomes.
    pub fn of(outcomes: &[Outcome]) -> Self {
        let mut tally = Tally::default();
        for outcome in outcomes {
            *tally.0.entry(outcome.outcome).or_default() += 1;
        }
        tally
    }

    /// How many had this one.
    pub fn get(&self, done: Done) -> usize {
        self.0.get(&done).copied().unwrap_or(0)
    }

    /// Is everything that was asked for there now, or was left out on purpose?
    pub fn is_whole(&self) -> bool {
        [Done::Conflict, Done::Failed, Done::NotReached].iter().all(|done| self.get(*done) == 0)
    }
}

/// How far a restore is.
#[derive(Debug, Default)]
pub struct Progress {
    written: AtomicUsize,
    total: AtomicUsize,
}

impl Progress {
    /// Objects that were written, and how many there are to write.
    pub fn objects(&self) -> (usize, usize) {
        (self.written.load(Relaxed), self.total.load(Relaxed))
    }

    pub(super) fn expect(&self, total: usize) {
        self.total.store(total, Relaxed);
    }

    pub(super) fn step(&self) {
        self.written.fetch_add(1, Relaxed);
    }
}
