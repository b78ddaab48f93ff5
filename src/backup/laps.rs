//! How long the phases of one half of a run take, one after another.

use crate::point::{BackupPhase, Took};
use std::time::Instant;

/// The phases that have ended, and since when the present one lasts.
pub(super) struct Laps {
    since: Instant,
    took: Vec<Took>,
}

impl Laps {
    /// The first phase begins.
    pub(super) fn begin(now: Instant) -> Self {
        Laps { since: now, took: Vec::new() }
    }

    /// The present phase was this one, and the next one begins. What comes again adds up.
    pub(super) fn end(&mut self, phase: BackupPhase, now: Instant) {
        let passed = now.saturating_duration_since(self.since).as_millis();
        let took_ms = u64::try_from(passed).unwrap_or(u64::MAX);
        self.since = now;
        match self.took.iter_mut().find(|it| it.phase == phase) {
            Some(before) => before.took_ms = before.took_ms.saturating_add(took_ms),
            None => self.took.push(Took { phase, took_ms }),
        }
    }

    /// How long each took, in the order in which they first came.
    pub(super) fn took(self) -> Vec<Took> {
        self.took
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn no_time_is_lost_between_phases_and_what_comes_again_adds_up() {
        let begun = Instant::now();
        let after = |ms| begun + Duration::from_millis(ms);
        let mut laps = Laps::begin(begun);
        for (phase, ms) in [
            (BackupPhase::EtcdSurvey, 40),
            (BackupPhase::EtcdSnapshot, 1000),
            (BackupPhase::EtcdStore, 1100),
            // Another try, and a clock that cannot go back.
            (BackupPhase::EtcdSnapshot, 3100),
            (BackupPhase::EtcdStore, 3000),
        ] {
            laps.end(phase, after(ms));
        }
        let took: Vec<_> = laps.took().into_iter().map(|it| (it.phase.to_string(), it.took_ms)).collect();
        let expected = [("etcd-survey", 40), ("etcd-snapshot", 2960), ("etcd-store", 100)];
        assert_eq!(took, expected.map(|(phase, ms)| (phase.to_owned(), ms)));
    }
}
