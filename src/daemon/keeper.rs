//! Keeps one schedule: looks, decides, does one thing, and looks again.

use super::{
    Board, Job, Setup, Why,
    decide::{Step, decide, settled},
    ground::Clock,
    heart::SILENCE,
    newest::{Looked, Newest, look},
    run::{Phase, Watcher},
};
use crate::{
    catalogue::{Catalogue, CatalogueError, Shown},
    point::{Claim, End, Failing, Fence, News, Status, Turn, TurnOutcome},
};
use jiff::{SignedDuration, Timestamp};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep},
};
use tokio_util::task::TaskTracker;

/// The clock may be set, or the machine sleep: it is looked at so often.
const LOOK: Duration = Duration::from_secs(60);
/// Where another daemon is at it, its signs of life are looked for so often.
const WATCH: Duration = Duration::from_secs(15);
/// What did not work is tried again after so long.
const TROUBLE: Duration = Duration::from_secs(30);
/// So many times of a schedule stay known.
const KEPT: usize = 20;
/// Clocks that differ by more are worth a word.
const SKEW: SignedDuration = SignedDuration::from_secs(60);

/// What all keepers share.
pub(super) struct Shared {
    pub(super) setup: watch::Receiver<Arc<Setup>>,
    pub(super) phase: watch::Receiver<Phase>,
    pub(super) clock: Clock,
    /// The name of this daemon.
    pub(super) holder: String,
    pub(super) board: Arc<Board>,
    /// Something ran.
    pub(super) ran: Notify,
    /// Who is being told something.
    pub(super) tellings: TaskTracker,
}

/// Keeps one schedule.
pub(super) struct Keeper {
    name: String,
    shared: Arc<Shared>,
    setup: watch::Receiver<Arc<Setup>>,
    phase: watch::Receiver<Phase>,
    /// Since when the schedule is known here.
    known: Timestamp,
    /// What the store showed when it was last looked at, and when that was.
    seen: Option<(Option<Newest>, Timestamp)>,
    /// The run of another daemon, the number of its newest sign of life, and since when that is so.
    watched: Option<(Turn, u64, Instant)>,
    /// How long the schedule has been failing, by the newest run that ended.
    failing: Option<Failing>,
    /// A run that ended, which the store does not know yet.
    unsaid: Option<(Turn, End)>,
}

enum Failed {
    Store(CatalogueError),
    Ground(String),
}

impl From<CatalogueError> for Failed {
    fn from(e: CatalogueError) -> Self {
        Failed::Store(e)
    }
}

impl Keeper {
    pub(super) fn new(name: &str, shared: Arc<Shared>) -> Self {
        let (setup, phase) = (shared.setup.clone(), shared.phase.clone());
        let known = (shared.clock)();
        let name = name.to_owned();
        Keeper { name, shared, setup, phase, known, seen: None, watched: None, failing: None, unsaid: None }
    }

    /// Keeps the schedule until the daemon ends, or the configuration does not have it any more.
    pub(super) async fn keep(mut self) -> String {
        while *self.phase.borrow_and_update() == Phase::Keeping || self.unsaid.is_some() {
            let setup = self.setup.borrow_and_update().clone();
            let Some(job) = setup.jobs.get(&self.name) else { break };
            // What was begun is seen to its end, also where nothing begins any more.
            let pause = match self.step(&setup, job).await {
                Ok(pause) => {
                    self.shared.board.of(&self.name, job.work, |it| it.trouble = None);
                    pause
                }
                Err(failed) => {
                    let why = match failed {
                        Failed::Store(e) => e.to_string(),
                        Failed::Ground(why) => why,
                    };
                    tracing::error!("the schedule {} cannot be kept at the moment: {why}", self.name);
                    self.shared.board.of(&self.name, job.work, |it| it.trouble = Some(why));
                    self.seen = None;
                    TROUBLE
                }
            };
            if !pause.is_zero() {
                tokio::select! {
                    () = sleep(pause) => {}
                    _ = self.setup.changed() => {}
                    _ = self.phase.changed() => {}
                }
            }
        }
        self.name
    }

    /// Does one thing, and says how long nothing is to be done then.
    async fn step(&mut self, setup: &Setup, job: &Job) -> Result<Duration, Failed> {
        let now = (self.shared.clock)();
        // A clock that was set back leads to the past, where what was seen has not happened.
        self.seen.take_if(|(_, at)| *at > now);
        let fresh = self.seen.is_none() || self.unsaid.is_some();
        let catalogue = match fresh {
            true => Some(setup.ground.catalogue().await.map_err(Failed::Ground)?),
            false => None,
        };
        if let Some(catalogue) = &catalogue {
            self.say_end(job, catalogue).await?;
            if *self.phase.borrow() != Phase::Keeping {
                return Ok(Duration::ZERO);
            }
            self.seen = Some((self.look(catalogue, job, now).await?, now));
        }
        let newest = self.seen.as_ref().and_then(|(newest, _)| newest.as_ref());
        let step = decide(job, newest, self.known, now);
        let (next, elsewhere) = match &step {
            Step::Wait(next) => (*next, None),
            Step::Begin { turn, .. } => (Some(turn.due), None),
            Step::Watch(turn) => (None, Some(turn.clone())),
            _ => (None, None),
        };
        self.shared.board.of(&self.name, job.work, |it| (it.next, it.elsewhere) = (next, elsewhere));
        if let Step::Wait(next) = step {
            let left = next.map(|next| Duration::try_from(next.duration_since(now)).unwrap_or_default());
            return Ok(left.map_or(LOOK, |left| left.min(LOOK)));
        }
        // Whatever is done is done by what the store shows now.
        let alive = newest.map_or(0, |newest| newest.alive);
        self.seen = None;
        let Some(catalogue) = catalogue else { return Ok(Duration::ZERO) };
        match step {
            Step::Wait(_) => {}
            Step::Begin { turn, missed } => self.begin(setup, job, (turn, missed), &catalogue).await?,
            Step::Pass { turn, missed } => self.pass(job, (turn, missed), &catalogue).await?,
            Step::Replace(turn) => {
                self.give_up(job, &turn, (TurnOutcome::Replaced, Why::Replaced.as_str()), &catalogue).await?
            }
            Step::Watch(turn) => return self.watch(job, &turn, alive, &catalogue).await,
        }
        Ok(Duration::ZERO)
    }

    /// The newest run that the store shows.
    async fn look(
        &mut self,
        catalogue: &Catalogue,
        job: &Job,
        now: Timestamp,
    ) -> Result<Option<Newest>, Failed> {
        let Looked { newest, end, failing, turns } = look(catalogue, &self.name, now).await?;
        self.failing = failing;
        match &newest {
            None => {
                // So that what is missed from now on is known to be missed, also by who comes after.
                let turn = Turn { schedule: self.name.clone(), due: whole_seconds(now), attempt: 1 };
                if catalogue.say(&turn, &Claim::new(&self.shared.holder, now, 0)).await? {
                    catalogue.say(&turn, &End::new(TurnOutcome::Known, now, now)).await?;
                }
            }
            Some(newest) => {
                tidy(catalogue, turns).await;
                if let Some(end) = &end {
                    self.shared.board.ended(&newest.turn, job.work, end, false);
                }
            }
        }
        Ok(newest)
    }

    async fn begin(
        &mut self,
        setup: &Setup,
        job: &Job,
        (turn, missed): (Turn, u32),
        catalogue: &Catalogue,
    ) -> Result<(), Failed> {
        if !self.claim(job, (&turn, missed), catalogue).await? {
            return Ok(());
        }
        self.shared.tell_begun(&turn);
        let watcher = Watcher {
            setup,
            clock: &self.shared.clock,
            phase: self.shared.phase.clone(),
            board: &self.shared.board,
        };
        let end = watcher.carry_out(job, &turn, catalogue).await;
        self.unsaid = Some((turn, end));
        self.shared.ran.notify_one();
        self.say_end(job, catalogue).await
    }

    /// Tells the store how a run ended, if that is still to be told.
    async fn say_end(&mut self, job: &Job, catalogue: &Catalogue) -> Result<(), Failed> {
        let Some((turn, end)) = self.unsaid.clone() else { return Ok(()) };
        let outcome = end.outcome;
        if !self.say(job, &turn, end, catalogue).await? {
            tracing::warn!("{turn} ended ({outcome}), and others had given it up before");
            self.shared.announce(News::of_fenced(job.work.as_str(), &turn));
        }
        self.unsaid = None;
        Ok(())
    }

    /// Tells the store how a run ended, and then people, if the store had not been told before.
    async fn say(&self, job: &Job, turn: &Turn, end: End, catalogue: &Catalogue) -> Result<bool, Failed> {
        let settled = settled(job, turn, (end.outcome, end.ended));
        let end = end.after(self.failing, settled);
        let said = catalogue.say(turn, &end).await?;
        if said {
            self.shared.tell_ended((catalogue.cluster(), job), (turn, &end), self.failing);
        }
        Ok(said)
    }

    /// Is it this daemon that begins it?
    async fn claim(
        &self,
        job: &Job,
        (turn, missed): (&Turn, u32),
        catalogue: &Catalogue,
    ) -> Result<bool, Failed> {
        let now = (self.shared.clock)();
        let claimed = catalogue.say(turn, &Claim::new(&self.shared.holder, now, missed)).await?;
        if claimed && missed > 0 {
            tracing::warn!("{missed} run(s) of the schedule {} were missed before {turn}", self.name);
            self.shared.board.of(&self.name, job.work, |it| it.miss(missed, now));
        }
        if claimed && let Some(at) = catalogue.said_at::<Claim>(turn).await? {
            let ahead = at.duration_since((self.shared.clock)());
            if ahead.abs() > SKEW {
                let (by, which) =
                    (ahead.abs().as_secs(), if ahead.is_positive() { "ahead of" } else { "behind" });
                tracing::warn!("the store's clock is {by} s {which} this host's: one of them is wrong");
            }
            self.shared.board.note(|it| it.store_ahead = Some(ahead));
        }
        Ok(claimed)
    }

    async fn pass(
        &self,
        job: &Job,
        (turn, missed): (Turn, u32),
        catalogue: &Catalogue,
    ) -> Result<(), Failed> {
        if self.claim(job, (&turn, missed), catalogue).await? {
            let now = (self.shared.clock)();
            let end =
                End::new(TurnOutcome::Missed, now, now).saying("it could not begin before its deadline");
            tracing::error!("{turn} is missed: it could not begin before its deadline");
            self.shared.board.of(&self.name, job.work, |it| it.miss(1, now));
            self.shared.board.ended(&turn, job.work, &end, true);
            self.say(job, &turn, end, catalogue).await?;
        }
        Ok(())
    }

    /// Looks after a run that another daemon began, or this one before it was started again.
    async fn watch(
        &mut self,
        job: &Job,
        turn: &Turn,
        alive: u64,
        catalogue: &Catalogue,
    ) -> Result<Duration, Failed> {
        let now = Instant::now();
        let since = match &self.watched {
            Some((watched, number, since)) if watched == turn && *number == alive => *since,
            _ => {
                let claim = catalogue.legible::<Claim>(turn).await?;
                if claim.is_some_and(|claim| claim.holder == self.shared.holder) {
                    let why = "its daemon was started again";
                    self.give_up(job, turn, (TurnOutcome::Lost, why), catalogue).await?;
                    return Ok(Duration::ZERO);
                }
                now
            }
        };
        if now.duration_since(since) >= SILENCE {
            let why = "nothing was heard of it any more";
            self.give_up(job, turn, (TurnOutcome::Lost, why), catalogue).await?;
            return Ok(Duration::ZERO);
        }
        self.watched = Some((turn.clone(), alive, since));
        Ok(WATCH)
    }

    /// Gives up a run that is not this daemon's, unless it has come to its recovery point.
    async fn give_up(
        &mut self,
        job: &Job,
        turn: &Turn,
        (outcome, why): (TurnOutcome, &str),
        catalogue: &Catalogue,
    ) -> Result<(), Failed> {
        self.watched = None;
        let now = (self.shared.clock)();
        let mut end = End::new(outcome, turn.due, now).saying(why);
        if !catalogue.say(turn, &Fence::new(None, &self.shared.holder)).await?
            && let Some(point) = catalogue.legible::<Fence>(turn).await?.and_then(|fence| fence.point)
        {
            // It may be about to write its manifest.
            sleep(WATCH).await;
            if let Some(listed) = catalogue.point(&point).await? {
                let partial = listed.manifest.is_ok_and(|manifest| manifest.status != Status::Completed);
                let outcome = if partial { TurnOutcome::PartiallyFailed } else { TurnOutcome::Completed };
                end = End { made: Some(point), ..End::new(outcome, turn.due, now) };
                end = end.saying("its daemon did not come to say so");
            }
        }
        tracing::warn!("{turn} is over ({}): {why}", end.outcome);
        self.say(job, turn, end, catalogue).await?;
        Ok(())
    }
}

/// Forgets what was long ago.
async fn tidy(catalogue: &Catalogue, turns: BTreeMap<Turn, Shown>) {
    let mut times: Vec<Timestamp> = turns.keys().map(|turn| turn.due).collect();
    times.dedup();
    // One listing in many, for requests cost.
    if times.len() < KEPT + KEPT / 2 {
        return;
    }
    let oldest = times[times.len() - KEPT];
    let old = turns.into_iter().filter(|(turn, _)| turn.due < oldest);
    catalogue.forget(old.map(|(_, shown)| shown)).await;
}

fn whole_seconds(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}
