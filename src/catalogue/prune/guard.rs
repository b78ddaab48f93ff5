//! When a plan looks like a mistake.

use super::{
    super::retention::{Candidate, Judgement},
    PlannedDrill,
};
use crate::point::PointId;
use jiff::Timestamp;
use serde::Serialize;
use std::fmt;

/// So few may always go: a share of almost nothing says nothing.
const FEW: usize = 3;

/// Why a plan is not carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "because")]
pub enum Refusal {
    /// More would go than may.
    Share {
        /// How many would go.
        going: usize,
        /// Of how many.
        of: usize,
        /// The largest share that may, in percent.
        most: u32,
    },
    /// The evidence of more drills would go than may.
    Evidence {
        /// How many would go.
        going: usize,
        /// Of how many.
        of: usize,
        /// The largest share that may, in percent.
        most: u32,
    },
    /// A recovery point is from the future.
    Clock {
        /// The newest one.
        newest: PointId,
        /// When it was begun.
        at: Timestamp,
        /// What time it is here.
        now: Timestamp,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Share { going, of, most } => write!(
                f,
                "{going} of {of} recovery points would go, and one run may delete {most} % (maxDelete): look at them \
                 with --dry-run; if that is right, allow it once with --beyond-max-delete"
            ),
            Refusal::Evidence { going, of, most } => write!(
                f,
                "the evidence of {going} of {of} drills would go, and one run may delete {most} % (maxDelete): look at it \
                 with --dry-run; if that is right, allow it once with --beyond-max-delete"
            ),
            Refusal::Clock { newest, at, now } => write!(
                f,
                "{newest} was begun at {at}, and here it is {now}: set this machine's clock; if that recovery point's \
                 time is the wrong one, go on with --despite-clock, which leaves it alone and counts without it"
            ),
        }
    }
}

/// Looks at what would become of all points.
pub(super) fn refusals(
    candidates: &[Candidate],
    judged: &[Judgement],
    most: u32,
    now: Timestamp,
) -> Vec<Refusal> {
    let mut found = Vec::new();
    let readable = || candidates.iter().filter(|c| c.not_understood.is_none());
    let (of, going) = (readable().count(), judged.iter().filter(|j| !j.stays()).count());
    if going > FEW && going as u64 * 100 > of as u64 * u64::from(most) {
        found.push(Refusal::Share { going, of, most });
    }
    let newest = readable().max_by_key(|c| (c.created_at, &c.id));
    if let Some(newest) = newest.filter(|c| c.created_at > now) {
        found.push(Refusal::Clock { newest: newest.id.clone(), at: newest.created_at, now });
    }
    found
}

/// Looks at what would become of all evidence: a clock that is ahead would let go of most of it.
pub(super) fn too_much_evidence(drills: &[PlannedDrill], most: u32) -> Option<Refusal> {
    let (of, going) = (drills.len(), drills.iter().filter(|drill| !drill.stays()).count());
    let much = going > FEW && going as u64 * 100 > of as u64 * u64::from(most);
    much.then_some(Refusal::Evidence { going, of, most })
}

#[cfg(test)]
mod tests {
    use super::super::super::retention::{Policy, judge};
    use super::*;

    fn refused(points: usize, keep: u32, most: u32, now: i64) -> Vec<Refusal> {
        let candidate = |n: usize| Candidate::made(Timestamp::from_second(1000 + n as i64).unwrap());
        let candidates: Vec<Candidate> = (0..points).map(candidate).collect();
        let now = Timestamp::from_second(now).unwrap();
        let judged = judge(&Policy { last: keep, ..Policy::default() }, &candidates, now);
        refusals(&candidates, &judged, most, now)
    }

    #[test]
    fn a_share_that_is_too_large_is_refused() {
        assert_eq!(refused(10, 5, 50, 2000), []);
        assert_eq!(refused(10, 4, 50, 2000), [Refusal::Share { going: 6, of: 10, most: 50 }]);
        assert_eq!(refused(10, 1, 90, 2000), []);
        assert_eq!(refused(4, 1, 10, 2000), [], "three may always go");
        assert_eq!(refused(5, 1, 10, 2000).len(), 1);
        assert_eq!(refused(0, 1, 10, 2000), []);
    }

    #[test]
    fn a_clock_that_went_backwards_is_noticed() {
        assert_eq!(refused(2, 5, 50, 1001), []);
        assert!(matches!(refused(2, 5, 50, 1000)[..], [Refusal::Clock { .. }]));
    }
}
