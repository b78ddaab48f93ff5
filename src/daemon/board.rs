//! What a daemon knows of its jobs, for whoever asks it.

use super::{Around, Validity, Work};
use crate::{
    catalogue::overview::{Judgement, Objectives, Overview, judge},
    notify::Delivery,
    point::{End, Turn, TurnOutcome},
};
use jiff::{SignedDuration, Timestamp};
use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// It is looked around every quarter of an hour; what is older than twice that was not renewed.
const STALE: SignedDuration = SignedDuration::from_mins(30);

/// How a schedule stands.
#[derive(Debug, Clone)]
pub struct Standing {
    /// What it does.
    pub work: Work,
    /// When it is due next, if it is.
    pub next: Option<Timestamp>,
    /// The run that this daemon is at, and since when.
    pub running: Option<(Turn, Timestamp)>,
    /// The run that another daemon is at.
    pub elsewhere: Option<Turn>,
    /// The newest run that ended, wherever it ran.
    pub last: Option<(Turn, End)>,
    /// When one last ended well.
    pub succeeded: Option<Timestamp>,
    /// How many runs of this daemon ended how.
    pub ended: BTreeMap<&'static str, u64>,
    /// How many runs were missed, as far as this daemon has seen.
    pub missed: u64,
    /// How much later than due the last one was begun, if that was begun here.
    pub lag: Option<SignedDuration>,
    /// When it was last seen here that some were missed.
    pub missed_at: Option<Timestamp>,
    /// Why it cannot be kept at the moment.
    pub trouble: Option<String>,
}

/// What is known of all schedules, and of the daemon itself.
#[derive(Debug, Default)]
pub struct Board(Mutex<Known>);

/// What is known.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// The cluster that is saved.
    pub cluster: String,
    /// The schedules, by name.
    pub schedules: BTreeMap<String, Standing>,
    /// How things stood in the store when it was last looked at, and when that was.
    pub around: Option<(Around, Timestamp)>,
    /// Why it could not be looked at since.
    pub unseen: Option<Trouble>,
    /// How old things may be.
    pub objectives: Objectives,
    /// The certificates that the configuration names.
    pub certificates: Vec<Validity>,
    /// How far the store's clock is ahead of this host's, where it was last seen.
    pub store_ahead: Option<SignedDuration>,
    /// Why the configuration as it is now cannot be used; the one before is in force.
    pub configuration: Option<Trouble>,
    /// How many messages and signs of life were delivered, and how many were not, by channel.
    pub deliveries: BTreeMap<String, [u64; 2]>,
    /// The daemon is ending.
    pub ending: bool,
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// What it is, as it was last seen.
    pub why: String,
    /// Since when.
    pub since: Timestamp,
}

impl Trouble {
    /// Seen at an instant, by itself or once more.
    pub(super) fn seen(before: &mut Option<Trouble>, why: String, now: Timestamp) {
        let since = before.as_ref().map_or(now, |before| before.since);
        *before = Some(Trouble { why, since });
    }
}

impl Known {
    /// Whether the store should have been looked at again long ago, as when it neither answers nor fails.
    pub fn is_stale(&self, now: Timestamp) -> bool {
        self.around.as_ref().is_some_and(|(_, at)| now.duration_since(*at) > STALE)
    }

    /// How each cluster in the store stood when it was last looked at, and what follows from that at an instant.
    pub fn judged(&self, now: Timestamp) -> Vec<(Overview, Judgement)> {
        let around = self.around.iter().flat_map(|(around, _)| around.clusters.values());
        around.map(|facts| (facts.clone(), judge(facts, self.objectives, now))).collect()
    }
}

impl Standing {
    /// One of which nothing is known yet.
    pub fn new(work: Work) -> Self {
        Standing {
            work,
            next: None,
            running: None,
            elsewhere: None,
            last: None,
            succeeded: None,
            ended: BTreeMap::new(),
            missed: 0,
            missed_at: None,
            lag: None,
            trouble: None,
        }
    }

    /// So many runs turned out to be missed.
    pub(super) fn miss(&mut self, count: u32, now: Timestamp) {
        self.missed += u64::from(count);
        self.missed_at = Some(now);
    }
}

impl Board {
    /// What is known now.
    pub fn known(&self) -> Known {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what is known.
    pub(super) fn note(&self, change: impl FnOnce(&mut Known)) {
        change(&mut self.lock());
    }

    /// Changes what is known of a schedule.
    pub(super) fn of(&self, schedule: &str, work: Work, change: impl FnOnce(&mut Standing)) {
        let mut known = self.lock();
        let standing = known.schedules.entry(schedule.to_owned()).or_insert_with(|| Standing::new(work));
        standing.work = work;
        change(standing);
    }

    /// Somebody was told, or could not be.
    pub(super) fn delivered(&self, told: &[Delivery]) {
        let mut known = self.lock();
        for it in told {
            let [delivered, lost] = known.deliveries.entry(it.channel.clone()).or_default();
            *(if it.delivered { delivered } else { lost }) += 1;
        }
    }

    /// A run ended: at this daemon, or elsewhere.
    pub(super) fn ended(&self, turn: &Turn, work: Work, end: &End, here: bool) {
        self.of(&turn.schedule, work, |standing| {
            if here {
                *standing.ended.entry(end.outcome.as_str()).or_default() += 1;
            }
            if end.outcome == TurnOutcome::Completed {
                standing.succeeded = standing.succeeded.max(Some(end.ended));
            }
            let before = standing.last.as_ref().map(|(last, _)| last);
            if end.outcome == TurnOutcome::Known || before.is_some_and(|before| before > turn) {
                return;
            }
            // The end of a run of one's own is told again when the store is looked at.
            if !here && before != Some(turn) {
                standing.lag = None;
            }
            standing.last = Some((turn.clone(), end.clone()));
        });
    }
}
