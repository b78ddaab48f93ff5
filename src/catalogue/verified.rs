//! What follows from the records of verifications, and which of them nothing follows from any more. Pure.

use super::{Doubt, Recorded, Signature};
use crate::point::{Digest, Outcome, PointId, Record, VerificationFacts, VerifiedDepth};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Clocks differ, but not by more than that.
pub(super) const AHEAD: SignedDuration = SignedDuration::from_hours(1);
/// So many of the newest records stay in any case.
pub(super) const RECENT: usize = 10;

/// How a recovery point was last verified, by the newest record that can be trusted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LastVerified {
    /// When.
    pub at: Timestamp,
    /// How far.
    pub depth: VerifiedDepth,
    /// Nothing was wrong with it.
    pub passed: bool,
    /// The newest verification with which nothing was wrong; none when there is none among the newest.
    pub last_passed: Option<Passed>,
}

/// A verification that found nothing wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Passed {
    /// When.
    pub at: Timestamp,
    /// How far it went.
    pub depth: VerifiedDepth,
}

/// The newest verification that went just so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AtDepth {
    /// When.
    pub at: Timestamp,
    /// Nothing was wrong.
    pub passed: bool,
    /// When the newest one was that went so far and with which nothing was wrong.
    pub last_passed: Option<Timestamp>,
}

/// What follows from the records.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Verified {
    pub(super) last: Option<LastVerified>,
    pub(super) depths: BTreeMap<VerifiedDepth, AtDepth>,
    pub(super) doubts: Vec<Doubt>,
}

/// How a recovery point, whose manifest has this SHA-256, was last verified; and what was left out, and why.
pub(super) fn verified(
    records: &[Recorded<VerificationFacts>],
    manifest: Option<Digest>,
    now: Timestamp,
) -> Verified {
    let (believed, doubts) = believed(records, manifest, now);
    let mut found = Verified { doubts, ..Verified::default() };
    let mut last_passed = None;
    for record in believed {
        let (at, depth, passed) = (record.at, record.facts.depth, passed(record));
        if passed {
            last_passed = Some(Passed { at, depth });
        }
        let before = found.depths.get(&depth).and_then(|before| before.last_passed);
        found.depths.insert(depth, AtDepth { at, passed, last_passed: passed.then_some(at).or(before) });
        found.last = Some(LastVerified { at, depth, passed, last_passed });
    }
    found
}

/// The records that may go: without them everything follows that follows with them. What failed stays, and of what passed
/// the first, the newest of each depth and the newest ones. Who has no public key does not know which to believe, and
/// finds none.
pub(super) fn superseded(
    records: &[Recorded<VerificationFacts>],
    manifest: Option<Digest>,
    now: Timestamp,
) -> BTreeSet<PointId> {
    if records.iter().any(|record| record.signature == Signature::NotChecked) {
        return BTreeSet::new();
    }
    let (believed, _) = believed(records, manifest, now);
    let older = believed.len().saturating_sub(RECENT);
    let first = believed.iter().find(|record| passed(record)).map(|record| &record.id);
    let newest: BTreeMap<VerifiedDepth, &PointId> = believed
        .iter()
        .filter(|record| passed(record))
        .map(|record| (record.facts.depth, &record.id))
        .collect();
    let going = believed.iter().take(older).filter(|record| {
        let id = &record.id;
        passed(record) && Some(id) != first && newest.get(&record.facts.depth) != Some(&id)
    });
    going.map(|record| record.id.clone()).collect()
}

fn passed(record: &Record<VerificationFacts>) -> bool {
    record.facts.outcome == Outcome::Passed
}

/// The records that can be trusted, oldest first, and what speaks against the others.
fn believed(
    records: &[Recorded<VerificationFacts>],
    manifest: Option<Digest>,
    now: Timestamp,
) -> (Vec<&Record<VerificationFacts>>, Vec<Doubt>) {
    let mut doubts = Vec::new();
    let mut believed = Vec::new();
    for recorded in records {
        match recorded.trusted() {
            None => doubts.extend(recorded.doubt()),
            Some(record) if Some(record.facts.manifest_sha256) != manifest => {
                doubts.push(recorded.doubted("it is about another manifest than the one that is there"));
            }
            // It would be the newest for as long as that clock is ahead, and hide what fails meanwhile.
            Some(record) if record.at.duration_since(now) > AHEAD => {
                doubts.push(recorded.doubted("it is from the future: a clock is wrong, there or here"));
            }
            Some(record) => believed.push(record),
        }
    }
    believed.sort_by_key(|r| (r.at, &r.id));
    (believed, doubts)
}

#[cfg(test)]
#[path = "verified_tests.rs"]
mod tests;
