//! What is to be done about a schedule now, by what the store says of its runs. Pure.

use super::{Job, newest::Newest};
use crate::{
    point::{Turn, TurnOutcome},
    schedule::{Next, Seen},
};
use jiff::{SignedDuration, Timestamp};

/// The pause before the first try again; each further one is twice as long.
const FIRST_PAUSE: SignedDuration = SignedDuration::from_secs(30);
/// The longest.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_mins(10);
/// A run that was stopped or lost through no fault of its own is begun again so often.
const TAKEN_UP: u32 = 5;

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing before this time; none: nothing, ever.
    Wait(Option<Timestamp>),
    /// A run begins.
    Begin {
        /// Which.
        turn: Turn,
        /// So many before it were missed.
        missed: u32,
    },
    /// A run is missed for good.
    Pass {
        /// Which.
        turn: Turn,
        /// So many before it were missed, too.
        missed: u32,
    },
    /// A run that another daemon began is to be ended, for the next one.
    Replace(Turn),
    /// Another daemon is at it.
    Watch(Turn),
}

/// What is to be done about a job at this time. Before its first run, it is known since `known`.
pub(super) fn decide(job: &Job, newest: Option<&Newest>, known: Timestamp, now: Timestamp) -> Step {
    let ended = newest.and_then(|it| it.ended);
    let open = newest.filter(|it| it.ended.is_none());
    let seen = Seen {
        handled: newest.map_or(known, |it| it.turn.due),
        running: open.is_some(),
        ended: ended.map(|(_, at)| at),
    };
    let first = |due| Turn { schedule: job.rule.name.clone(), due, attempt: 1 };
    match (job.rule.next(&seen, now), open) {
        (Next::Begin { .. }, Some(open)) => Step::Replace(open.turn.clone()),
        (Next::Begin { due, missed, .. }, None) => Step::Begin { turn: first(due), missed },
        // It has been counted among the missed.
        (Next::Pass { due, missed }, None) => {
            Step::Pass { turn: first(due), missed: missed.saturating_sub(1) }
        }
        (_, Some(open)) => Step::Watch(open.turn.clone()),
        (Next::Never, None) if job.rule.suspended => Step::Wait(None),
        (next, None) => {
            let next = match next {
                Next::At(next) => Some(next),
                _ => None,
            };
            match newest.and_then(|it| Some((it, again(job, &it.turn, it.ended?)?))) {
                Some((newest, at)) if at <= now => Step::Begin { turn: newest.turn.again(), missed: 0 },
                Some((_, at)) => Step::Wait(Some(next.map_or(at, |next| next.min(at)))),
                None => Step::Wait(next),
            }
        }
    }
}

/// Whether a run that ended so was the last try of its time.
pub(super) fn settled(job: &Job, turn: &Turn, ended: (TurnOutcome, Timestamp)) -> bool {
    let Some(again) = again(job, turn, ended) else { return true };
    // The next one comes first.
    job.rule.suspended || job.rule.begins_after(turn.due).is_some_and(|next| next <= again)
}

/// When a run is tried again, if it is.
fn again(job: &Job, turn: &Turn, (outcome, at): (TurnOutcome, Timestamp)) -> Option<Timestamp> {
    let tried = turn.attempt;
    match outcome {
        TurnOutcome::Stopped | TurnOutcome::Lost => {
            (tried <= job.retries.saturating_add(TAKEN_UP)).then_some(at)
        }
        TurnOutcome::Failed | TurnOutcome::Conflict | TurnOutcome::TimedOut if tried <= job.retries => {
            let pause = FIRST_PAUSE * 2_i32.saturating_pow(tried.saturating_sub(1).min(8));
            at.checked_add(pause.min(LONGEST_PAUSE)).ok()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::Overlap;

    fn job(retries: u32, overlap: Overlap) -> Job {
        let mut job = Job { retries, ..Job::hourly() };
        job.rule.overlap = overlap;
        job
    }

    fn at(text: &str) -> Timestamp {
        format!("2026-11-29T{text}Z").parse().unwrap()
    }

    fn turn(hour: u32, attempt: u32) -> Turn {
        Turn { schedule: "hourly".into(), due: at(&format!("{hour:02}:00:00")), attempt }
    }

    fn ended(hour: u32, attempt: u32, outcome: TurnOutcome, when: &str) -> Newest {
        Newest { turn: turn(hour, attempt), ended: Some((outcome, at(when))), alive: 0 }
    }

    #[test]
    fn a_run_that_failed_is_tried_again_after_growing_pauses_and_not_beyond_its_retries() {
        let job = job(2, Overlap::Forbid);
        let failed = |attempt, when| ended(9, attempt, TurnOutcome::Failed, when);
        let step = |newest: &Newest, now| decide(&job, Some(newest), at("00:00:00"), at(now));
        let first = failed(1, "09:01:00");
        assert_eq!(step(&first, "09:01:10"), Step::Wait(Some(at("09:01:30"))));
        assert_eq!(step(&first, "09:01:30"), Step::Begin { turn: turn(9, 2), missed: 0 });
        assert_eq!(step(&failed(2, "09:02:00"), "09:02:10"), Step::Wait(Some(at("09:03:00"))));
        assert_eq!(step(&failed(3, "09:04:00"), "09:30:00"), Step::Wait(Some(at("10:00:00"))));
        // The next one is due: what failed before is not tried any more.
        assert_eq!(step(&failed(1, "09:59:50"), "10:00:00"), Step::Begin { turn: turn(10, 1), missed: 0 });
        // What trying again does not mend is not tried again.
        for outcome in [
            TurnOutcome::Usage,
            TurnOutcome::PartiallyFailed,
            TurnOutcome::VerificationFailed,
            TurnOutcome::Completed,
            TurnOutcome::Replaced,
            TurnOutcome::Missed,
        ] {
            assert_eq!(step(&ended(9, 1, outcome, "09:01:00"), "09:30:00"), Step::Wait(Some(at("10:00:00"))));
        }
    }

    #[test]
    fn a_time_is_settled_when_it_is_not_tried_again() {
        let settled = |retries, outcome, attempt, when| {
            settled(&job(retries, Overlap::Forbid), &turn(9, attempt), (outcome, at(when)))
        };
        assert!(settled(0, TurnOutcome::Failed, 1, "09:01:00"));
        assert!(
            !settled(1, TurnOutcome::Failed, 1, "09:01:00") && settled(1, TurnOutcome::Failed, 2, "09:02:00")
        );
        assert!(
            !settled(0, TurnOutcome::Lost, 1, "09:01:00") && settled(0, TurnOutcome::Lost, 6, "09:01:00")
        );
        assert!(settled(1, TurnOutcome::Failed, 1, "09:59:45"), "the next one is due before");
        let mut suspended = job(1, Overlap::Forbid);
        suspended.rule.suspended = true;
        assert!(super::settled(&suspended, &turn(9, 1), (TurnOutcome::Failed, at("09:01:00"))));
    }

    #[test]
    fn a_run_that_was_lost_is_begun_again_at_once() {
        let job = job(0, Overlap::Forbid);
        let step = |newest: &Newest| decide(&job, Some(newest), at("00:00:00"), at("09:10:00"));
        for outcome in [TurnOutcome::Lost, TurnOutcome::Stopped] {
            assert_eq!(step(&ended(9, 1, outcome, "09:10:00")), Step::Begin { turn: turn(9, 2), missed: 0 });
            assert_eq!(step(&ended(9, 6, outcome, "09:10:00")), Step::Wait(Some(at("10:00:00"))));
        }
    }

    #[test]
    fn while_another_daemon_is_at_it_it_is_watched_or_replaced() {
        let open = Newest { turn: turn(9, 1), ended: None, alive: 0 };
        let step = |overlap, now| decide(&job(0, overlap), Some(&open), at("00:00:00"), at(now));
        assert_eq!(step(Overlap::Forbid, "09:30:00"), Step::Watch(turn(9, 1)));
        assert_eq!(step(Overlap::Forbid, "11:30:00"), Step::Watch(turn(9, 1)));
        assert_eq!(step(Overlap::Replace, "09:59:00"), Step::Watch(turn(9, 1)));
        assert_eq!(step(Overlap::Replace, "10:00:00"), Step::Replace(turn(9, 1)));
    }

    #[test]
    fn what_was_missed_is_made_up_for_once_and_within_its_deadline() {
        let mut job = job(0, Overlap::Forbid);
        let newest = ended(5, 1, TurnOutcome::Completed, "05:01:00");
        let step = |job: &Job, now| decide(job, Some(&newest), at("00:00:00"), at(now));
        assert_eq!(step(&job, "08:30:00"), Step::Begin { turn: turn(8, 1), missed: 2 });
        job.rule.deadline = Some(SignedDuration::from_mins(10));
        assert_eq!(step(&job, "08:10:00"), Step::Begin { turn: turn(8, 1), missed: 2 });
        assert_eq!(step(&job, "08:10:01"), Step::Pass { turn: turn(8, 1), missed: 2 });
        job.rule.suspended = true;
        assert_eq!(step(&job, "08:10:00"), Step::Wait(None));
        // What was due before the schedule was known was not missed.
        job.rule.suspended = false;
        assert_eq!(decide(&job, None, at("08:20:00"), at("08:30:00")), Step::Wait(Some(at("09:00:00"))));
    }
}
