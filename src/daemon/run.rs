//! One run, from its claim to its end.

use super::{Ended, Job, Setup, Why, board::Board, ground::Clock, heart::Heart};
use crate::{
    catalogue::Catalogue,
    point::{End, Turn, TurnOutcome},
};
use jiff::Timestamp;
use std::{pin::pin, time::Duration};
use tokio::{
    sync::watch,
    time::{sleep, sleep_until},
};

/// How far a daemon is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// Runs begin when they are due.
    Keeping,
    /// None begins any more; those that run may come to their end.
    Ending,
    /// Those that run are stopped.
    Stopping,
}

/// What a run is watched with.
pub(super) struct Watcher<'a> {
    pub(super) setup: &'a Setup,
    pub(super) clock: &'a Clock,
    pub(super) phase: watch::Receiver<Phase>,
    pub(super) board: &'a Board,
}

impl Watcher<'_> {
    /// Carries out a run that was claimed. How it ended is still to be told the store.
    pub(super) async fn carry_out(mut self, job: &Job, turn: &Turn, catalogue: &Catalogue) -> End {
        let began = (self.clock)();
        let lag = began.duration_since(turn.due);
        tracing::info!(turn = %turn, "begun");
        self.board.of(&turn.schedule, job.work, |it| {
            it.running = Some((turn.clone(), began));
            it.lag = Some(lag);
        });
        let (ended, why) = self.watched(job, turn, catalogue).await;
        let end = told(ended, why, began, (self.clock)());
        self.board.of(&turn.schedule, job.work, |it| it.running = None);
        self.board.ended(turn, job.work, &end, true);
        let message = end.message.as_deref().unwrap_or_default();
        match end.outcome {
            TurnOutcome::Completed => tracing::info!(turn = %turn, "completed"),
            outcome => tracing::error!(turn = %turn, "{outcome}: {message}"),
        }
        end
    }

    async fn watched(&mut self, job: &Job, turn: &Turn, catalogue: &Catalogue) -> (Ended, Option<Why>) {
        let (stop, stopped) = watch::channel(None);
        let tell = |why| {
            stop.send_if_modified(|told| told.is_none() && told.replace(why).is_none());
        };
        let _heart = Heart::beat(catalogue.clone(), turn.clone(), stop.clone());
        let mut running = pin!(self.setup.runner.run(job, turn, stopped));
        let late = tokio::time::Instant::now() + job.timeout;
        let mut phases = true;
        let ended = loop {
            let told = stop.borrow().is_some();
            tokio::select! {
                ended = &mut running => break ended,
                () = sleep_until(late), if !told => tell(Why::TimedOut),
                () = replaced(job, turn, self.clock), if !told => tell(Why::Replaced),
                phase = self.phase.wait_for(|phase| *phase == Phase::Stopping), if !told && phases => {
                    phases = phase.is_ok();
                    tell(Why::Stopped);
                }
            }
        };
        let why = *stop.borrow();
        (ended, why)
    }
}

/// Waits until the next run is due, where that replaces this one.
async fn replaced(job: &Job, turn: &Turn, clock: &Clock) {
    let replaces = job.rule.overlap == crate::schedule::Overlap::Replace;
    loop {
        let due = job.rule.begins_after(turn.due).filter(|_| replaces);
        let Some(due) = due else { return std::future::pending().await };
        match Duration::try_from(due.duration_since(clock())) {
            // The clock may be set meanwhile.
            Ok(left) if !left.is_zero() => sleep(left.min(Duration::from_secs(60))).await,
            _ => return,
        }
    }
}

/// What is said of a run that ended so. One that came to its end before it could be stopped was not stopped.
fn told(ended: Ended, why: Option<Why>, began: Timestamp, at: Timestamp) -> End {
    let by_itself = ended.exit.map(TurnOutcome::of_exit);
    let or = |usual: &str| ended.message.clone().or_else(|| Some(usual.to_owned()));
    let (outcome, message) = match (by_itself, why) {
        (Some(outcome @ (TurnOutcome::Completed | TurnOutcome::PartiallyFailed)), _) => {
            (outcome, ended.message)
        }
        (_, Some(why)) => (why.outcome(), Some(why.as_str().to_owned())),
        (Some(outcome), None) => (outcome, or("it said nothing about it on standard output")),
        (None, None) => (TurnOutcome::Failed, or("it was killed")),
    };
    let end = End { made: ended.made, ..End::new(outcome, began, at) };
    match message {
        Some(message) => end.saying(message),
        None => end,
    }
}
