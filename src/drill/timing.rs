//! How long each phase of a drill takes.

use crate::point::{Phase, PhaseTime};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// Measures one phase after another. Instants are arguments, so that nothing here has to wait.
#[derive(Debug)]
pub(super) struct Stopwatch {
    began: Instant,
    objectives: BTreeMap<Phase, Duration>,
    phases: Vec<PhaseTime>,
    current: Option<(Phase, Instant)>,
}

impl Stopwatch {
    pub(super) fn start(began: Instant, objectives: BTreeMap<Phase, Duration>) -> Self {
        Stopwatch { began, objectives, phases: Vec::new(), current: None }
    }

    /// The phase before is done, and this one begins.
    pub(super) fn begin(&mut self, phase: Phase, now: Instant) {
        self.end(true, now);
        self.current = Some((phase, now));
    }

    /// The phase that is under way was done after so long, at the latest now, and since then this one goes on.
    pub(super) fn split(&mut self, after: Duration, next: Phase, now: Instant) {
        let Some((_, since)) = self.current else { return };
        let then = now.min(since + after);
        self.begin(next, then);
    }

    /// The phase that is under way is done, or was broken off.
    pub(super) fn end(&mut self, done: bool, now: Instant) {
        let Some((phase, since)) = self.current.take() else { return };
        self.phases.push(PhaseTime {
            phase,
            after_ms: millis(since.duration_since(self.began)),
            took_ms: millis(now.duration_since(since)),
            objective_ms: self.objectives.get(&phase).copied().map(millis),
            done,
        });
    }

    /// From the start until then.
    pub(super) fn since_start(&self, now: Instant) -> u64 {
        millis(now.duration_since(self.began))
    }

    /// The phases that were measured, and those that took longer than they may.
    pub(super) fn finish(self) -> (Vec<PhaseTime>, Vec<String>) {
        let late = self.phases.iter().filter_map(|phase| {
            let objective = phase.objective_ms.filter(|objective| phase.took_ms > *objective)?;
            let (took, most) = (seconds(phase.took_ms), seconds(objective));
            Some(format!("the phase {} took {took}, and the objective is {most}", phase.phase))
        });
        let late = late.collect();
        (self.phases, late)
    }
}

/// A length of time, in the unit that suits it.
pub(super) fn seconds(ms: u64) -> String {
    match ms {
        0..1000 => format!("{ms} ms"),
        1000..120_000 => format!("{:.1} s", ms as f64 / 1000.0),
        120_000..7_200_000 => format!("{} min {} s", ms / 60_000, ms % 60_000 / 1000),
        _ => format!("{} h {} min", ms / 3_600_000, ms % 3_600_000 / 60_000),
    }
}

/// Milliseconds, as evidence has them.
pub(super) fn millis(length: Duration) -> u64 {
    length.as_millis().try_into().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_follow_each_other_without_a_gap() {
        let zero = Instant::now();
        let at = |ms| zero + Duration::from_millis(ms);
        let objectives = BTreeMap::from([(Phase::Restore, Duration::from_millis(20))]);
        let mut watch = Stopwatch::start(zero, objectives);
        watch.begin(Phase::Pick, at(1));
        watch.begin(Phase::Restore, at(10));
        assert_eq!(watch.since_start(at(15)), 15);
        watch.end(false, at(40));
        watch.end(true, at(50));
        let (phases, late) = watch.finish();
        let told: Vec<_> =
            phases.iter().map(|p| (p.phase, p.after_ms, p.took_ms, p.objective_ms, p.done)).collect();
        assert_eq!(told, [(Phase::Pick, 1, 9, None, true), (Phase::Restore, 10, 30, Some(20), false)]);
        assert_eq!(late, ["the phase restore took 30 ms, and the objective is 20 ms"]);
    }

    #[test]
    fn two_that_go_side_by_side_share_their_time() {
        let zero = Instant::now();
        let at = |ms| zero + Duration::from_millis(ms);
        for (waited, shares) in [(30, [30, 70]), (500, [50, 50])] {
            let mut watch = Stopwatch::start(zero, BTreeMap::new());
            watch.begin(Phase::Fetch, at(10));
            watch.split(Duration::from_millis(waited), Phase::Open, at(60));
            watch.end(true, at(110));
            let (phases, _) = watch.finish();
            let took: Vec<u64> = phases.iter().map(|phase| phase.took_ms).collect();
            assert_eq!(took, shares);
            assert_eq!(
                phases.iter().map(|phase| phase.phase).collect::<Vec<_>>(),
                [Phase::Fetch, Phase::Open]
            );
        }
    }

    #[test]
    fn lengths_of_time_read_well() {
        let read = [999, 1050, 119_960, 125_000, 90_000_000].map(seconds);
        assert_eq!(read, ["999 ms", "1.1 s", "120.0 s", "2 min 5 s", "25 h 0 min"]);
    }
}
