//! The phases of one half of a run, one after another.

use super::Progress;
use crate::point::{BackupPhase, Took};
use std::time::{Duration, Instant};

/// A phase that has ended. One that comes again is another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lap {
    /// Which.
    pub phase: BackupPhase,
    /// When it began.
    pub since: Instant,
    /// How long it took.
    pub took: Duration,
    /// It came to its end; else it was broken off.
    pub done: bool,
}

/// Measures one phase after another, and tells each one's end. What is under way when this goes was broken off.
pub(super) struct Laps<'a> {
    progress: &'a Progress,
    current: Option<(BackupPhase, Instant)>,
    took: Vec<Took>,
}

impl<'a> Laps<'a> {
    pub(super) fn new(progress: &'a Progress) -> Self {
        Laps { progress, current: None, took: Vec::new() }
    }

    /// The phase before is done, and this one begins.
    pub(super) fn begin(&mut self, phase: BackupPhase, now: Instant) {
        self.end(true, now);
        self.current = Some((phase, now));
    }

    /// The phase that is under way is done, or was broken off. How long a phase took adds up over all times that it comes.
    pub(super) fn end(&mut self, done: bool, now: Instant) {
        let Some((phase, since)) = self.current.take() else { return };
        let took = now.saturating_duration_since(since);
        let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        match self.took.iter_mut().find(|it| it.phase == phase) {
            Some(before) => before.took_ms = before.took_ms.saturating_add(took_ms),
            None => self.took.push(Took { phase: phase.clone(), took_ms }),
        }
        self.progress.end_phase(Lap { phase, since, took, done });
    }

    /// How long each took, in the order in which they first came. The last one is done.
    pub(super) fn took(mut self, now: Instant) -> Vec<Took> {
        self.end(true, now);
        std::mem::take(&mut self.took)
    }
}

impl Drop for Laps<'_> {
    fn drop(&mut self) {
        self.end(false, Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_time_is_lost_between_phases_and_what_comes_again_adds_up() {
        let begun = Instant::now();
        let after = |ms| begun + Duration::from_millis(ms);
        let progress = Progress::default();
        let mut laps = Laps::new(&progress);
        laps.begin(BackupPhase::EtcdSurvey, begun);
        laps.begin(BackupPhase::EtcdSnapshot, after(40));
        laps.begin(BackupPhase::EtcdStore, after(1000));
        laps.end(false, after(1100));
        // Another try, and a clock that cannot go back.
        laps.begin(BackupPhase::EtcdSnapshot, after(1100));
        laps.begin(BackupPhase::EtcdStore, after(3100));
        let took = laps.took(after(3000));
        let took: Vec<_> = took.into_iter().map(|it| (it.phase.to_string(), it.took_ms)).collect();
        let expected = [("etcd-survey", 40), ("etcd-snapshot", 2960), ("etcd-store", 100)];
        assert_eq!(took, expected.map(|(phase, ms)| (phase.to_owned(), ms)));
        let told = progress.phases().into_iter().map(|it| {
            let since = it.since.duration_since(begun).as_millis();
            (it.phase.to_string(), since, it.took.as_millis(), it.done)
        });
        let expected = [
            ("etcd-survey", 0, 40, true),
            ("etcd-snapshot", 40, 960, true),
            ("etcd-store", 1000, 100, false),
            ("etcd-snapshot", 1100, 2000, true),
            ("etcd-store", 3100, 0, true),
        ];
        assert_eq!(
            told.collect::<Vec<_>>(),
            expected.map(|(phase, since, took, done)| (phase.to_owned(), since, took, done))
        );
    }

    #[test]
    fn what_is_under_way_when_a_run_ends_was_broken_off() {
        let progress = Progress::default();
        let mut laps = Laps::new(&progress);
        laps.begin(BackupPhase::ResourcesDiscovery, Instant::now());
        drop(laps);
        let told = progress.phases();
        assert!(matches!(told.as_slice(), [Lap { phase: BackupPhase::ResourcesDiscovery, done: false, .. }]));
    }
}
