//! Which recovery points are kept, and why: a pure function of what is known of them and a clock.
//!
//! The counting rules are those that restic documents for `forget`: the newest point of an hour, day, ISO week, month or
//! year stands for it; periods without a point do not count; while a count is not used up, the oldest point is kept too.

mod candidate;
mod period;
mod rules;

#[cfg(test)]
mod cases;
#[cfg(test)]
mod laws;

pub use crate::store::Lasting;
pub use candidate::{Candidate, Group};
pub use period::Period;
pub use rules::{dropped, judge};

use crate::point::PointId;
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use serde::Serialize;
use std::{collections::BTreeSet, fmt};

/// What is to be kept. A count of 0 is a rule that is not there.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// So many of the newest.
    pub last: u32,
    /// So many hours.
    pub hourly: u32,
    /// So many days.
    pub daily: u32,
    /// So many ISO weeks.
    pub weekly: u32,
    /// So many months.
    pub monthly: u32,
    /// So many years.
    pub yearly: u32,
    /// Everything of so long before the newest one.
    pub within: Option<SignedDuration>,
    /// Everything with one of these tags.
    pub tags: BTreeSet<String>,
    /// Whose hours and days these are.
    pub zone: TimeZone,
}

impl Default for Policy {
    fn default() -> Self {
        Policy {
            last: 0,
            hourly: 0,
            daily: 0,
            weekly: 0,
            monthly: 0,
            yearly: 0,
            within: None,
            tags: BTreeSet::new(),
            zone: TimeZone::UTC,
        }
    }
}

impl Policy {
    /// Whether it keeps anything by age or by number. One that does not is no policy: it would let go of everything that
    /// nobody holds but the newest ones.
    pub fn keeps_something(&self) -> bool {
        self.within.is_some() || self.counts().any(|(_, count)| count > 0)
    }

    /// The counting rules.
    fn counts(&self) -> impl Iterator<Item = (Period, u32)> {
        let counts = [self.last, self.hourly, self.daily, self.weekly, self.monthly, self.yearly];
        Period::ALL.into_iter().zip(counts)
    }
}

/// What became of one recovery point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Judgement {
    /// The recovery point.
    pub id: PointId,
    /// Every reason for which it is kept; without one it goes.
    pub kept: Vec<Reason>,
    /// For one that goes: why each rule does not keep it.
    pub fell: Vec<Fall>,
}

impl Judgement {
    /// Whether the point stays.
    pub fn stays(&self) -> bool {
        !self.kept.is_empty()
    }

    /// Whether it is held or cannot be judged: nothing that belongs to it is touched.
    pub fn is_apart(&self) -> bool {
        let apart = |reason: &Reason| matches!(reason, Reason::Held { .. } | Reason::NotUnderstood { .. });
        self.kept.iter().any(apart)
    }
}

/// Why a recovery point is kept.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase", tag = "rule")]
pub enum Reason {
    /// A counting rule: it stands for the period.
    Counted {
        /// Which one.
        every: Period,
        /// Its place among those that the rule keeps, from 1.
        place: u32,
        /// How many the rule keeps.
        of: u32,
        /// The period, in words.
        period: String,
    },
    /// A counting rule has not used up its count, and this is the oldest one.
    Oldest {
        /// Which one.
        every: Period,
    },
    /// It is not much older than the newest one.
    Within {
        /// How much older it might be, in words.
        length: String,
    },
    /// It has a tag.
    Tagged {
        /// The tag.
        tag: String,
    },
    /// Somebody holds it.
    Held {
        /// Why.
        reason: String,
    },
    /// It is the newest complete one.
    NewestComplete,
    /// It is the newest one whose verification passed.
    NewestVerified {
        /// When.
        at: Timestamp,
    },
    /// It is the newest one that was opened and passed.
    NewestVerifiedDeep {
        /// When.
        at: Timestamp,
    },
    /// It is incomplete, and no complete one is newer.
    NoneCompleteSince,
    /// The store lets nobody delete it.
    Locked {
        /// Until when; without, until somebody lifts a legal hold.
        until: Option<Timestamp>,
    },
    /// It cannot be judged, and what cannot be judged is not deleted.
    NotUnderstood {
        /// Why.
        reason: String,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Counted { every: Period::Last, place, of, .. } => write!(f, "last {place}/{of}"),
            Reason::Counted { every, place, of, period } => write!(f, "{every} {place}/{of} ({period})"),
            Reason::Oldest { every } => write!(f, "{every}: the oldest, and the count is not used up"),
            Reason::Within { length } => write!(f, "within {length}"),
            Reason::Tagged { tag } => write!(f, "tagged {tag}"),
            Reason::Held { reason } => write!(f, "held: {reason}"),
            Reason::NewestComplete => f.write_str("the newest complete one"),
            Reason::NewestVerified { .. } => f.write_str("the newest verified one"),
            Reason::NewestVerifiedDeep { .. } => f.write_str("the newest verified in depth"),
            Reason::NoneCompleteSince => f.write_str("incomplete, and no complete one is newer"),
            Reason::Locked { until: Some(until) } => write!(f, "locked until {}", second(*until)),
            Reason::Locked { until: None } => f.write_str("under legal hold in the store"),
            Reason::NotUnderstood { reason } => write!(f, "cannot be judged: {reason}"),
        }
    }
}

/// Why a rule does not keep a recovery point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "rule")]
pub enum Fall {
    /// A newer one stands for its period.
    Represented {
        /// The counting rule.
        every: Period,
        /// The newer one.
        by: PointId,
    },
    /// It is older than the periods that the rule counts.
    Beyond {
        /// The counting rule.
        every: Period,
        /// How many it counts.
        of: u32,
    },
    /// It is older than that.
    Older {
        /// How much older than the newest one it might be, in words.
        length: String,
    },
    /// It is incomplete, and no counting rule keeps it.
    Incomplete {
        /// A complete one that is newer.
        since: PointId,
    },
}

impl fmt::Display for Fall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fall::Represented { every, by } => write!(f, "{every}: {by} stands for it"),
            Fall::Beyond { every, of } => write!(f, "{every}: older than {of}"),
            Fall::Older { length } => write!(f, "not within {length}"),
            Fall::Incomplete { since } => write!(f, "incomplete, and {since} is complete"),
        }
    }
}

/// A time without its fractions of a second.
fn second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}
