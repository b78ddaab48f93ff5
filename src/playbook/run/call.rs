//! One op is carried out.

use super::{Halt, Running};
use crate::{
    object::Expression,
    playbook::{
        actions::{self, Planning},
        journal::What,
        op::{Ask, Collected, Doing, Op, OpError, Outcome, Outside},
        plan::PlannedStep,
    },
    point::Digest,
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::time::Duration;
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

/// So much of what a command prints is kept.
const PRINTED: usize = 32 << 20;

impl Running<'_> {
    /// What the journal says of an op that is carried out, and what it brought beside that.
    pub(super) async fn carry_out(
        &self,
        step: &PlannedStep,
        op: &Op,
        with: &Doing<'_>,
        end: Option<Instant>,
    ) -> Result<(Outcome, Option<Value>), Failed> {
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
            known: None,
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

    async fn keep(
        &self,
        step: &PlannedStep,
        collected: Collected,
    ) -> Result<(Outcome, Option<Value>), Failed> {
        let plain: String =
            step.id.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '.' }).collect();
        let name = format!("{plain}/{}", collected.name);
        let (bytes, sha256) = (collected.bytes.len() as u64, Digest::from(Sha256::digest(&collected.bytes)));
        let kept = self.means.keeper.keep(&self.means.plan.run, &name, collected.bytes).await;
        let stored_sha256 = kept.map_err(|e| OpError::Failed(format!("evidence {name}: {e}")))?;
        let what = What::Kept { step: step.id.clone(), name: name.clone(), bytes, sha256, stored_sha256 };
        self.note(what).map_err(|e| Failed::Halt(e.into()))?;
        let said = collected.said.map_or(name.clone(), |said| format!("{name}: {said}"));
        let brought = Some(json!({"name": name, "bytes": bytes}));
        Ok((Outcome { said: Some(said), ..Outcome::default() }, brought))
    }
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
pub(super) enum Failed {
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
