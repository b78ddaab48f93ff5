//! Ops: meant, done, and looked for when nobody knows.

use super::{Halt, Running};
use crate::{
    object::Expression,
    playbook::{
        actions::{self, Planning},
        journal::What,
        op::{Ask, Collected, Doing, Op, OpError, Outcome, Outside, Probe},
        plan::PlannedStep,
        state::Doneness,
    },
    point::Digest,
    source::kube::Cluster,
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::time::Duration;
use tokio::{
    sync::watch,
    time::{Instant, sleep_until, timeout_at},
};

/// Who writes, for `managedFields`; the audit id tells which step.
pub(super) use crate::playbook::plan::MANAGER;

/// So much of what a command prints is kept.
const PRINTED: usize = 32 << 20;

/// What an op brought, beside what the journal says of it.
type Brought = Option<Value>;

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
        Doing { cluster, host, equipment, run: self.means.plan.run.as_str(), manager: MANAGER }
    }

    /// Waits until it has to stop, and tells why.
    async fn signalled(&self) -> &'static str {
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
    ) -> Result<Result<Brought, String>, Halt> {
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
    ) -> Result<Result<Brought, (String, bool)>, Halt> {
        let cluster = self.audited(&step.id, r#try);
        let with = self.doing(cluster.as_ref());
        let mut brought = Vec::new();
        for (at, op) in ops.iter().enumerate() {
            self.stopped()?;
            let standing = || self.of_step(&step.id, |it| it.ops.get(&at).map(|op| op.standing.clone()));
            match standing() {
                Some(Doneness::Done(outcome)) => {
                    brought.extend(outcome.brought);
                    continue;
                }
                Some(Doneness::Meant) => match self.settle(step, at, op, &with).await? {
                    Ok(true) => {
                        if let Some(Doneness::Done(outcome)) = standing() {
                            brought.extend(outcome.brought);
                        }
                        continue;
                    }
                    Ok(false) => {}
                    Err(why) => return Ok(Err((why, false))),
                },
                Some(Doneness::NotDone) | None => {}
            }
            if let Some(why) = self.means.rehearsal.and_then(|it| op.left_out(it.runs)) {
                self.write(What::NotDone { step: step.id.clone(), op: at, why: why.to_owned() })?;
                continue;
            }
            let (id, what_is_done) = (step.id.clone(), op.clone());
            self.write(What::Intent { step: id, op: at, r#try, what_is_done })?;
            match self.carry_out(step, op, &with, end).await {
                Ok((outcome, value)) => {
                    self.write(What::Done { step: step.id.clone(), op: at, outcome, found: false })?;
                    brought.extend(value);
                }
                Err(Failed::Halt(halt)) => return Err(halt),
                Err(Failed::Op(e)) => return self.failed(step, at, op, &with, e).await,
            }
        }
        Ok(Ok(match brought.len() {
            0 => None,
            1 => brought.pop(),
            _ => Some(Value::Array(brought)),
        }))
    }

    /// An op failed. Where the answer may only have been lost, it is looked for: what is written down has to be true.
    async fn failed(
        &self,
        step: &PlannedStep,
        at: usize,
        op: &Op,
        with: &Doing<'_>,
        e: OpError,
    ) -> Result<Result<Brought, (String, bool)>, Halt> {
        let why = e.to_string();
        if e.may_pass() && !op.reads() && !matches!(e, OpError::NotDone(_)) {
            match op.probe(with).await {
                Ok(Probe::Done(outcome)) => {
                    self.write(What::Done { step: step.id.clone(), op: at, outcome, found: true })?;
                    return Ok(Err((format!("{why}; it was done all the same"), true)));
                }
                Ok(Probe::NotDone) => {}
                // It stays meant: whoever resumes or takes back looks again.
                Ok(Probe::Half | Probe::Other(_) | Probe::Unknown) | Err(_) => return Ok(Err((why, true))),
            }
        }
        self.write(What::NotDone { step: step.id.clone(), op: at, why: why.clone() })?;
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
                self.write(done(outcome))?;
                Ok(Ok(true))
            }
            Ok(Probe::NotDone | Probe::Half) => Ok(Ok(false)),
            Ok(Probe::Other(why)) => Ok(Err(why)),
            Ok(Probe::Unknown) => match self.means.assume.get(&step.id) {
                Some(true) => {
                    self.write(done(Outcome {
                        said: Some("it is said to have been done".to_owned()),
                        ..Outcome::default()
                    }))?;
                    Ok(Ok(true))
                }
                Some(false) => Ok(Ok(false)),
                None => Err(Halt::Unknown { step: step.id.clone(), op: op.to_string() }),
            },
            Err(e) => Ok(Err(format!("nobody can tell whether it was done before: {e}"))),
        }
    }

    async fn carry_out(
        &self,
        step: &PlannedStep,
        op: &Op,
        with: &Doing<'_>,
        end: Option<Instant>,
    ) -> Result<(Outcome, Brought), Failed> {
        let plain = |outcome: Outcome| {
            let brought = outcome.brought.clone();
            Ok((outcome, brought))
        };
        match op {
            Op::Create(it) => plain(it.carry_out(with).await?),
            Op::Change(it) => plain(it.carry_out(with).await?),
            Op::Delete(it) => plain(it.carry_out(with).await?),
            Op::Evict(it) => plain(it.carry_out(with).await?),
            Op::Wait(it) => {
                // Who stops the run does not wait for it.
                tokio::select! {
                    went = it.carry_out(with) => plain(went?),
                    halt = self.pause(Duration::from_secs(u64::MAX >> 8)) => {
                        halt.map_err(Failed::Halt)?;
                        plain(Outcome::default())
                    }
                }
            }
            Op::Point(it) => plain(it.carry_out(with, self.signalled()).await?),
            Op::Restore(it) => plain(it.carry_out(with, self.signalled()).await?),
            Op::Call(it) => plain(it.carry_out(with).await?),
            Op::Rotate(it) => plain(it.carry_out(with).await?),
            Op::Ask(it) => self.ask(step, it).await.map(|value| (Outcome::default(), Some(value))),
            Op::Collect(it) => {
                let collected = it.carry_out(with).await?;
                self.keep(step, collected).await
            }
            Op::Host(it) => {
                let _held = it.goes_back().then(|| Held::new(&self.held));
                let stop = Box::pin(async {
                    tokio::select! {
                        why = self.signalled() => why,
                        () = until(end) => "the step's `timeout`",
                        () = until(self.over) => "the playbook's `timeout`",
                    }
                });
                Ok(it.carry_out(with, stop).await?)
            }
            Op::Outside(Outside::Checkpoint { pod, node, container, within_ms }) => {
                let place = (pod.namespace.as_deref().unwrap_or_default(), pod.name.as_str());
                let asked =
                    with.cluster()?.checkpoint(node, place, container, Duration::from_millis(*within_ms));
                let answer = asked.await.map_err(|why| OpError::Failed(format!("{pod}: {why}")))?;
                let name = format!("{}.{}.{container}.checkpoint.json", place.0, place.1);
                let said = Some(format!("the checkpoint is on node {node}, where its answer says"));
                self.keep(step, Collected { name, bytes: answer.to_vec(), said }).await
            }
            Op::Outside(Outside::Exec { pod, container, argv, within_ms }) => {
                let place = (pod.namespace.as_deref().unwrap_or_default(), pod.name.as_str());
                let within = Duration::from_millis(*within_ms);
                let ran =
                    with.cluster()?.output_in_pod(place, container.as_deref(), argv, within, PRINTED).await;
                let (printed, why) = ran.map_err(OpError::Failed)?;
                let name = format!("{}.{}.exec.txt", place.0, place.1);
                let said = why.clone();
                let kept = self.keep(step, Collected { name, bytes: printed, said }).await?;
                match why {
                    None => Ok(kept),
                    Some(why) => Err(Failed::Op(OpError::Failed(why))),
                }
            }
        }
    }

    /// Asks until it is true, as long as there is time.
    async fn ask(&self, step: &PlannedStep, ask: &Ask) -> Result<Value, Failed> {
        let end = Instant::now() + Duration::from_millis(ask.within_ms);
        loop {
            match self.ask_once(step, ask).await {
                Err(OpError::Failed(_)) if Instant::now() < end => {
                    self.pause(Duration::from_millis(500)).await.map_err(Failed::Halt)?;
                }
                went => return Ok(went?),
            }
        }
    }

    async fn ask_once(&self, step: &PlannedStep, ask: &Ask) -> Result<Value, OpError> {
        let failed = |e: String| OpError::Failed(e);
        let action =
            actions::find(&ask.check).ok_or_else(|| failed(format!("there is no action `{}`", ask.check)))?;
        let plan = self.means.plan;
        let with = Planning {
            run: plan.run.as_str(),
            step: &step.id,
            now: self.now(),
            cluster: self.means.cluster,
            host: self.means.host,
            equipment: Some(self.means.equipment),
            kinds: self.means.kinds,
        };
        let looked = action.look(&with, ask.args.clone()).await.map_err(|e| failed(e.to_string()))?;
        let result = looked.unwrap_or(Value::Null);
        let expect = Expression::parse(&ask.expect).map_err(|e| failed(e.to_string()))?;
        match expect.holds("result", &result) {
            Ok(true) => Ok(result),
            Ok(false) => {
                Err(failed(format!("`{}` does not hold of {}: {}", ask.expect, ask.check, short(&result))))
            }
            Err(e) => Err(failed(format!("`{}` has no answer of {}: {e}", ask.expect, ask.check))),
        }
    }

    async fn keep(&self, step: &PlannedStep, collected: Collected) -> Result<(Outcome, Brought), Failed> {
        let plain: String =
            step.id.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '.' }).collect();
        let name = format!("{plain}/{}", collected.name);
        let (bytes, sha256) = (collected.bytes.len() as u64, Digest::from(Sha256::digest(&collected.bytes)));
        let kept = self.means.keeper.keep(&self.means.plan.run, &name, collected.bytes).await;
        let stored_sha256 = kept.map_err(|e| OpError::Failed(format!("evidence {name}: {e}")))?;
        let what = What::Kept { step: step.id.clone(), name: name.clone(), bytes, sha256, stored_sha256 };
        self.write(what).map_err(|e| Failed::Halt(e.into()))?;
        let said = collected.said.map_or(name.clone(), |said| format!("{name}: {said}"));
        let brought = Some(json!({"name": name, "bytes": bytes}));
        Ok((Outcome { said: Some(said), ..Outcome::default() }, brought))
    }
}

fn goes_back(op: &Op) -> bool {
    matches!(op, Op::Host(it) if it.goes_back())
}

/// Waits until then, or for ever.
async fn until(end: Option<Instant>) {
    match end {
        Some(end) => sleep_until(end).await,
        None => std::future::pending().await,
    }
}

/// Something is under way that must not be dropped in its middle.
struct Held<'a>(&'a watch::Sender<usize>);

impl<'a> Held<'a> {
    fn new(held: &'a watch::Sender<usize>) -> Self {
        held.send_modify(|held| *held += 1);
        Held(held)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|held| *held = held.saturating_sub(1));
    }
}

/// Why an op was not done.
enum Failed {
    Op(OpError),
    Halt(Halt),
}

impl From<OpError> for Failed {
    fn from(e: OpError) -> Self {
        Failed::Op(e)
    }
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(600) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}
