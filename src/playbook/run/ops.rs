//! Ops: meant, done, and looked for when nobody knows.

use super::{Halt, Running, call::Failed};
use crate::{
    playbook::{
        AT_A_TIME, actions,
        journal::What,
        op::{Doing, Op, OpError, Outcome, Probe},
        plan::{PlannedStep, PlannedWhat},
        state::Doneness,
    },
    source::kube::Cluster,
};
use futures_util::{StreamExt, stream};
use serde_json::Value;
use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};
use tokio::time::{Instant, timeout_at};

/// Who writes, for `managedFields`; the audit id tells which step.
pub(super) use crate::playbook::plan::MANAGER;

impl Running<'_> {
    pub(super) fn audited(&self, step: &str, r#try: u32) -> Option<Cluster> {
        // A header holds no more than plain characters, and the server no more than 64 of them.
        let step: String =
            step.chars().filter(|c| c.is_ascii_alphanumeric() || "-[]/.".contains(*c)).take(30).collect();
        let cluster = self.means.cluster?;
        Some(cluster.audited(&format!("{}-{step}-{try}", self.means.plan.run)))
    }

    /// With what ops are carried out; `cluster` is [audited](Self::audited).
    pub(super) fn doing<'s>(&'s self, cluster: Option<&'s Cluster>) -> Doing<'s> {
        let (host, equipment) = (self.means.host, self.means.equipment);
        let (run, known) = (self.means.plan.run.as_str(), self.means.known);
        Doing { cluster, host, equipment, run, manager: MANAGER, known }
    }

    /// Waits until it has to stop, and tells why.
    pub(super) async fn signalled(&self) -> &'static str {
        match self.pause(Duration::from_secs(u64::MAX >> 8)).await {
            Err(Halt::Stopped(signal)) => signal,
            _ => "the loss of its lock",
        }
    }

    /// The ops of a step, with its retries. Gives what they brought, or why they failed.
    pub(super) async fn tried(
        &self,
        step: &PlannedStep,
        ops: &[Op],
    ) -> Result<Result<Option<Value>, String>, Halt> {
        let before = self.of_step(&step.id, |it| it.tries);
        let mut pause = Duration::from_millis(step.backoff_ms);
        let mut left = step.retries;
        let mut r#try = before + 1;
        loop {
            let within = step.timeout_ms.map(Duration::from_millis);
            let end = within.and_then(|within| Instant::now().checked_add(within));
            let once = self.once(step, ops, (r#try, end));
            let went = match (end, within) {
                // It hears of the end by itself, and goes back.
                (Some(end), Some(within)) if !ops.iter().any(goes_back) => {
                    match timeout_at(end, once).await {
                        Ok(went) => went?,
                        Err(_) => Err((format!("it took longer than {} s", within.as_secs()), true)),
                    }
                }
                _ => once.await?,
            };
            match went {
                Ok(brought) => return Ok(Ok(brought)),
                Err((_, true)) if left > 0 => {
                    self.pause(pause).await?;
                    pause = pause.saturating_mul(step.backoff_factor.max(1)).min(Duration::from_secs(600));
                    (left, r#try) = (left - 1, r#try + 1);
                }
                Err((why, _)) => return Ok(Err(why)),
            }
        }
    }

    /// The ops of a step, once: those that were done are passed over.
    async fn once(
        &self,
        step: &PlannedStep,
        ops: &[Op],
        (r#try, end): (u32, Option<Instant>),
    ) -> Result<Result<Option<Value>, (String, bool)>, Halt> {
        let cluster = self.audited(&step.id, r#try);
        let with = self.doing(cluster.as_ref());
        let mut brought = Vec::new();
        let mut at = 0;
        while at < ops.len() {
            let many = abreast(step, &ops[at..]);
            let failed = AtomicBool::new(false);
            let all: Vec<_> = ops[at..at + many]
                .iter()
                .zip(at..)
                .map(|(op, at)| self.one(step, (at, op), (&with, r#try, end), &failed))
                .collect();
            // What is under way is brought to its end, whatever becomes of the others.
            let went: Vec<_> = stream::iter(all).buffered(AT_A_TIME).collect().await;
            let mut wrong = None;
            for one in went {
                match one? {
                    Ok(value) => brought.extend(value),
                    Err(why) => wrong = wrong.or(Some(why)),
                }
            }
            if let Some(why) = wrong {
                return Ok(Err(why));
            }
            at += many;
        }
        Ok(Ok(match brought.len() {
            0 => None,
            1 => brought.pop(),
            _ => Some(Value::Array(brought)),
        }))
    }

    /// One op of a step, if none of those beside it has failed.
    async fn one(
        &self,
        step: &PlannedStep,
        (at, op): (usize, &Op),
        with: (&Doing<'_>, u32, Option<Instant>),
        failed: &AtomicBool,
    ) -> Result<Result<Option<Value>, (String, bool)>, Halt> {
        if failed.load(Ordering::Relaxed) {
            return Ok(Ok(None));
        }
        let went = self.one_of(step, (at, op), with).await;
        if !matches!(went, Ok(Ok(_))) {
            failed.store(true, Ordering::Relaxed);
        }
        went
    }

    async fn one_of(
        &self,
        step: &PlannedStep,
        (at, op): (usize, &Op),
        (with, r#try, end): (&Doing<'_>, u32, Option<Instant>),
    ) -> Result<Result<Option<Value>, (String, bool)>, Halt> {
        self.stopped()?;
        let standing = || self.of_step(&step.id, |it| it.ops.get(&at).map(|op| op.standing.clone()));
        match standing() {
            Some(Doneness::Done(outcome)) => return Ok(Ok(outcome.brought)),
            Some(Doneness::Meant) => match self.settle(step, at, op, with).await? {
                Ok(true) => {
                    return Ok(Ok(match standing() {
                        Some(Doneness::Done(outcome)) => outcome.brought,
                        _ => None,
                    }));
                }
                Ok(false) => {}
                Err(why) => return Ok(Err((why, false))),
            },
            Some(Doneness::NotDone) | None => {}
        }
        if let Some(why) = self.means.rehearsal.and_then(|it| op.left_out(it.runs)) {
            self.note(What::NotDone { step: step.id.clone(), op: at, why: why.to_owned() })?;
            return Ok(Ok(None));
        }
        let (id, what_is_done) = (step.id.clone(), op.clone());
        self.write(What::Intent { step: id, op: at, r#try, what_is_done }).await?;
        match self.carry_out(step, op, with, end).await {
            Ok((outcome, value)) => {
                let done = What::Done { step: step.id.clone(), op: at, outcome, found: false };
                match op.shows() {
                    true => self.note(done)?,
                    false => self.write(done).await?,
                }
                Ok(Ok(value))
            }
            Err(Failed::Halt(halt)) => Err(halt),
            Err(Failed::Op(e)) => self.failed(step, at, op, with, e).await,
        }
    }

    /// An op failed. Where the answer may only have been lost, it is looked for: what is written down has to be true.
    async fn failed(
        &self,
        step: &PlannedStep,
        at: usize,
        op: &Op,
        with: &Doing<'_>,
        e: OpError,
    ) -> Result<Result<Option<Value>, (String, bool)>, Halt> {
        let why = e.to_string();
        if e.may_pass() && !op.reads() && !matches!(e, OpError::NotDone(_)) {
            match op.probe(with).await {
                Ok(Probe::Done(outcome)) => {
                    self.write(What::Done { step: step.id.clone(), op: at, outcome, found: true }).await?;
                    return Ok(Err((format!("{why}; it was done all the same"), true)));
                }
                Ok(Probe::NotDone) => {}
                // It stays meant: whoever resumes or takes back looks again.
                Ok(Probe::Half | Probe::Other(_) | Probe::Unknown) | Err(_) => return Ok(Err((why, true))),
            }
        }
        self.write(What::NotDone { step: step.id.clone(), op: at, why: why.clone() }).await?;
        Ok(Err((why, e.may_pass())))
    }

    /// Looks whether an op that was meant was done. `Err`: somebody else acted.
    pub(super) async fn settle(
        &self,
        step: &PlannedStep,
        at: usize,
        op: &Op,
        with: &Doing<'_>,
    ) -> Result<Result<bool, String>, Halt> {
        let id = step.id.clone();
        let done = |outcome| What::Done { step: id.clone(), op: at, outcome, found: true };
        match op.probe(with).await {
            Ok(Probe::Done(outcome)) => {
                self.write(done(outcome)).await?;
                Ok(Ok(true))
            }
            Ok(Probe::NotDone | Probe::Half) => Ok(Ok(false)),
            Ok(Probe::Other(why)) => Ok(Err(why)),
            Ok(Probe::Unknown) => match self.means.assume.get(&step.id) {
                Some(true) => {
                    self.write(done(Outcome {
                        said: Some("it is said to have been done".to_owned()),
                        ..Outcome::default()
                    }))
                    .await?;
                    Ok(Ok(true))
                }
                Some(false) => Ok(Ok(false)),
                None => Err(Halt::Unknown { step: step.id.clone(), op: op.to_string() }),
            },
            Err(e) => Ok(Err(format!("nobody can tell whether it was done before: {e}"))),
        }
    }
}

fn goes_back(op: &Op) -> bool {
    matches!(op, Op::Host(it) if it.goes_back())
}

/// How many of these ops, from the first one on, may be under way at the same time: those of an action that says so, where they
/// are alike, and each is about an object of its own.
fn abreast(step: &PlannedStep, ops: &[Op]) -> usize {
    let name = match &step.what {
        PlannedWhat::Action { action, .. } => action,
        PlannedWhat::Later(deferred) => &deferred.action,
        _ => return 1,
    };
    if !actions::find(name).is_some_and(|action| action.abreast()) {
        return 1;
    }
    let mut objects = BTreeSet::new();
    let mut many = 0;
    for op in ops {
        let alike = match (&ops[0], op) {
            (Op::Collect(_), Op::Collect(_)) => true,
            (Op::Change(_), Op::Change(change)) => objects.insert(&change.object),
            _ => false,
        };
        if !alike {
            break;
        }
        many += 1;
    }
    many.max(1)
}
