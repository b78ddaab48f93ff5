//! Steps, one after the other or beside each other, and what becomes of the run when one fails.

use super::{Halt, Running};
use crate::{
    object::Expression,
    playbook::{
        actions::{self, Planning},
        brought::Brought,
        journal::{RunEnd, StepEnd, What},
        model::{OnFailure, Template},
        op::Op,
        plan::{Deferred, PlannedStep, PlannedWhat},
    },
};
use futures_util::future::{BoxFuture, join_all};
use serde_json::Value;

/// How a step went: what it brought, or why it failed.
type Went = Result<Option<Value>, String>;

/// Why the steps after one are not done.
pub(super) struct Broken {
    pub(super) step: String,
    pub(super) why: String,
    pub(super) on_failure: OnFailure,
}

impl Running<'_> {
    /// All steps, and then those that come at last. Gives how the run ended, if it did not complete.
    pub(super) async fn steps(&self) -> Result<Option<(RunEnd, String)>, Halt> {
        if self.means.plan.evidence_required {
            self.means.keeper.ready().await.map_err(Halt::Evidence)?;
        }
        let went = self.in_time(self.sequence(&self.means.plan.steps)).await?;
        let mut ended = None;
        if let Err(broken) = went {
            let why = format!("step {}: {}", broken.step, broken.why);
            ended = Some(match broken.on_failure {
                // The way back is not a matter of time.
                OnFailure::Rollback => {
                    self.take_back(self.means.by.to_owned()).await?;
                    (RunEnd::RolledBack, why)
                }
                OnFailure::Abort | OnFailure::Continue => (RunEnd::Failed, why),
            });
        }
        let last = self.in_time(self.sequence(&self.means.plan.always)).await?;
        if let (Err(broken), None) = (last, &ended) {
            ended = Some((RunEnd::Failed, format!("step {}: {}", broken.step, broken.why)));
        }
        Ok(ended)
    }

    async fn sequence(&self, steps: &[PlannedStep]) -> Result<Result<(), Broken>, Halt> {
        for step in steps {
            if let Err(broken) = self.step(step).await? {
                return Ok(Err(broken));
            }
        }
        Ok(Ok(()))
    }

    fn step<'s>(&'s self, step: &'s PlannedStep) -> BoxFuture<'s, Result<Result<(), Broken>, Halt>> {
        Box::pin(async move {
            self.stopped()?;
            let ended = self.of_step(&step.id, |it| it.end.clone().map(|end| (end, it.result.clone())));
            match ended {
                Some((StepEnd::Done | StepEnd::Skipped { .. }, result)) => {
                    self.bring(step.register.as_deref(), result);
                    return Ok(Ok(()));
                }
                Some((StepEnd::Failed { .. }, result)) if step.on_failure == OnFailure::Continue => {
                    self.bring(step.register.as_deref(), result);
                    return Ok(Ok(()));
                }
                // A run that is resumed tries again what made it end.
                Some((StepEnd::Failed { .. }, _)) | None => {}
            }
            if let Some(why) = self.passed_over(step) {
                self.note(What::StepEnded {
                    step: step.id.clone(),
                    end: StepEnd::Skipped { why },
                    result: None,
                })?;
                self.bring(step.register.as_deref(), None);
                return Ok(Ok(()));
            }
            self.note(What::StepBegun { step: step.id.clone() })?;
            let went = match self.gate(step).await? {
                Ok(true) => self.what(step).await?,
                Ok(false) => {
                    let result = self.of_step(&step.id, |it| it.answer.as_ref().map(|it| it.to_value()));
                    let end = StepEnd::Skipped { why: "it was not approved".to_owned() };
                    self.note(What::StepEnded { step: step.id.clone(), end, result: result.clone() })?;
                    self.bring(step.register.as_deref(), result);
                    return Ok(Ok(()));
                }
                Err(why) => Err(why),
            };
            match went {
                Ok(result) => {
                    let answer = self.of_step(&step.id, |it| it.answer.as_ref().map(|it| it.to_value()));
                    let result = result.or_else(|| step.result.clone()).or(answer);
                    let end = StepEnd::Done;
                    self.note(What::StepEnded { step: step.id.clone(), end, result: result.clone() })?;
                    self.bring(step.register.as_deref(), result);
                    Ok(Ok(()))
                }
                Err(why) => {
                    let end = StepEnd::Failed { why: why.clone() };
                    self.note(What::StepEnded { step: step.id.clone(), end, result: None })?;
                    self.bring(step.register.as_deref(), None);
                    match step.on_failure {
                        OnFailure::Continue => Ok(Ok(())),
                        on_failure => Ok(Err(Broken { step: step.id.clone(), why, on_failure })),
                    }
                }
            }
        })
    }

    /// Why a step is passed over, if it is.
    fn passed_over(&self, step: &PlannedStep) -> Option<String> {
        if let Some(why) = &step.skipped {
            return Some(why.clone());
        }
        let when = step.when.as_ref()?;
        let holds = Expression::parse(when).map_err(|e| e.to_string());
        match holds.and_then(|it| self.scope().holds(&it).map_err(|e| e.to_string())) {
            Ok(true) => None,
            Ok(false) => Some(format!("`{when}` does not hold")),
            // What has no answer is not true: nothing is done on a guess.
            Err(e) => Some(format!("`{when}` has no answer: {e}")),
        }
    }

    async fn what(&self, step: &PlannedStep) -> Result<Went, Halt> {
        match &step.what {
            PlannedWhat::Nothing => Ok(Ok(None)),
            PlannedWhat::Action { ops, .. } => {
                let ops: Vec<Op> = ops.iter().map(|it| it.op.clone()).collect();
                self.tried(step, &ops).await
            }
            PlannedWhat::Later(deferred) => match self.planned_now(step, deferred).await? {
                Ok((ops, result)) => {
                    let went = self.tried(step, &ops).await?;
                    Ok(went.map(|brought| brought.or(result)))
                }
                Err(why) => Ok(Err(why)),
            },
            PlannedWhat::Sequence { steps, rescue } => Ok(match self.sequence(steps).await? {
                Ok(()) => Ok(self.brought(steps)),
                Err(broken) if rescue.is_empty() => Err(format!("step {}: {}", broken.step, broken.why)),
                Err(broken) => match self.sequence(rescue).await? {
                    Ok(()) => Ok(None),
                    Err(worse) => Err(format!(
                        "step {}: {}; and then step {}: {}",
                        broken.step, broken.why, worse.step, worse.why
                    )),
                },
            }),
            PlannedWhat::Parallel { steps } => {
                let mut wrong = Vec::new();
                for went in join_all(steps.iter().map(|step| self.step(step))).await {
                    if let Err(broken) = went? {
                        wrong.push(format!("step {}: {}", broken.step, broken.why));
                    }
                }
                Ok(if wrong.is_empty() { Ok(None) } else { Err(wrong.join("; ")) })
            }
            // The gate of a manual step is the whole of it.
            PlannedWhat::Manual { .. } => Ok(Ok(None)),
        }
    }

    /// What the entries of a `forEach` brought, in a list.
    fn brought(&self, steps: &[PlannedStep]) -> Option<Value> {
        let of = |step: &PlannedStep| self.of_step(&step.id, |it| it.result.clone()).unwrap_or(Value::Null);
        Some(Value::Array(steps.iter().map(of).collect()))
    }

    /// Plans an action that could not be planned before; what came of that is written down, and stays.
    async fn planned_now(
        &self,
        step: &PlannedStep,
        deferred: &Deferred,
    ) -> Result<Result<(Vec<Op>, Option<Value>), String>, Halt> {
        if let Some(planned) = self.of_step(&step.id, |it| it.planned.clone()) {
            return Ok(Ok(planned));
        }
        let Some(action) = actions::find(&deferred.action) else {
            return Ok(Err(format!("there is no action `{}`", deferred.action)));
        };
        let args = {
            let scope = self.scope();
            let scope = match &deferred.item {
                Some(item) => scope.with_item(item.clone()),
                None => scope.clone(),
            };
            let template = Template::parse(&deferred.args).map_err(|e| e.to_string());
            template.and_then(|it| scope.arguments(&it).map_err(|e| e.to_string()))
        };
        let args = match args {
            Ok(args) => args,
            Err(e) => return Ok(Err(format!("args: {e}"))),
        };
        let plan = self.means.plan;
        let with = Planning {
            run: plan.run.as_str(),
            step: &step.id,
            now: plan.made_at,
            cluster: self.means.cluster,
            host: self.means.host,
            equipment: Some(self.means.equipment),
            kinds: self.means.kinds,
            known: None,
        };
        let made = match action.plan(&with, args).await {
            Ok(made) => made,
            Err(e) => return Ok(Err(e.to_string())),
        };
        for op in &made.ops {
            let is_protected = |place: &str| plan.protected_namespaces.iter().any(|it| it == place);
            if let Some(place) = op.places().into_iter().find(|place| is_protected(place)) {
                return Ok(Err(format!("it acts in the protected namespace {place}")));
            }
            for object in op.objects() {
                if let Some(namespace) = object.namespace.as_deref().filter(|place| is_protected(place)) {
                    return Ok(Err(format!("{object} is in the protected namespace {namespace}")));
                }
            }
        }
        let result = made.result.as_ref().map(Brought::slim);
        self.note(What::Planned { step: step.id.clone(), ops: made.ops.clone(), result: result.clone() })?;
        Ok(Ok((made.ops, result)))
    }
}
