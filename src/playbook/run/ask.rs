//! Asking people: gates and manual steps.

use super::{Halt, Running};
use crate::playbook::{
    approval::Question,
    journal::What,
    model::ApprovalTimeout,
    plan::{Gate, PlannedStep, PlannedWhat},
};
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

/// How often it is looked for answers.
const ASK_EVERY: Duration = Duration::from_secs(2);
/// Who answers in a rehearsal, and what.
const REHEARSED: &str = "rehearsed";
/// How long somebody has for a manual step that says nothing of it.
const MANUAL_WITHIN: Duration = Duration::from_secs(3600);

impl Running<'_> {
    /// Is the step to be done? `Err`: nobody agreed in time, or somebody said no where that fails the step.
    pub(super) async fn gate(&self, step: &PlannedStep) -> Result<Result<bool, String>, Halt> {
        let manual;
        let gate = match (&step.gate, &step.what) {
            (Some(gate), _) => gate,
            (None, PlannedWhat::Manual { instructions, .. }) => {
                manual = Gate {
                    prompt: instructions.clone(),
                    min_approvals: 1,
                    groups: Vec::new(),
                    not_initiator: false,
                    timeout_ms: step
                        .timeout_ms
                        .unwrap_or(u64::try_from(MANUAL_WITHIN.as_millis()).unwrap_or(u64::MAX)),
                    on_timeout: ApprovalTimeout::Abort,
                };
                &manual
            }
            (None, _) => return Ok(Ok(true)),
        };
        if let Some(answer) = self.of_step(&step.id, |it| it.answer.clone()) {
            return Ok(match (answer.approved, gate.on_timeout) {
                (true, _) => Ok(true),
                (false, ApprovalTimeout::Skip) => Ok(false),
                (false, ApprovalTimeout::Abort) => Err("it was not approved".to_owned()),
            });
        }
        if self.means.rehearsal.is_some() {
            self.write(self.rehearsed(step)).await?;
            return Ok(Ok(true));
        }
        let prompt = match &step.what {
            PlannedWhat::Manual { instructions, .. } if step.gate.is_some() => {
                format!("{}\n{instructions}", gate.prompt)
            }
            _ => gate.prompt.clone(),
        };
        let step_id = step.id.clone();
        self.write(What::Waiting { step: step_id, prompt }).await?;
        // The time of a gate begins when somebody is asked first: it is not theirs anew with each resume. What is done by hand takes the
        // time that it takes.
        let asked = self.of_step(&step.id, |it| it.asked).filter(|_| step.gate.is_some());
        let end = over(asked.unwrap_or_else(|| self.now()), gate.timeout_ms);
        let mut told = std::collections::BTreeSet::new();
        loop {
            self.stopped()?;
            let plan = self.means.plan;
            let question = Question {
                run: &plan.run,
                step: &step.id,
                plan: self.digest,
                initiator: &plan.by,
                gate,
                now: self.now(),
                until: step.gate.is_some().then_some(end),
            };
            match self.means.keeper.statements(&plan.run).await {
                Err(e) => tracing::warn!("answers cannot be looked for: {e}"),
                Ok(statements) => {
                    let heard = question.hear(&statements, self.means.approvers);
                    for why in heard.dismissed {
                        if told.insert(why.clone()) {
                            tracing::warn!("{why}");
                        }
                    }
                    let answered = |approved: bool, by: &std::collections::BTreeSet<String>| What::Answered {
                        step: step.id.clone(),
                        approved,
                        by: by.iter().cloned().collect(),
                        told: heard.told.clone(),
                    };
                    if let Some(first) = heard.denied.first() {
                        self.write(answered(false, &heard.denied)).await?;
                        return Ok(match gate.on_timeout {
                            ApprovalTimeout::Skip => Ok(false),
                            ApprovalTimeout::Abort => Err(format!("{first} said no")),
                        });
                    }
                    if heard.approved.len() >= gate.min_approvals as usize {
                        if let Some(lacks) = lacking(step, &heard.told) {
                            if told.insert(lacks.clone()) {
                                tracing::warn!("step {}: {lacks}", step.id);
                            }
                        } else {
                            self.write(answered(true, &heard.approved)).await?;
                            return Ok(Ok(true));
                        }
                    }
                }
            }
            let left = self.now().duration_until(end);
            if !left.is_positive() {
                let (step, by) = (step.id.clone(), Vec::new());
                self.write(What::Answered { step, approved: false, by, told: Default::default() }).await?;
                let seconds = gate.timeout_ms / 1000;
                return Ok(match gate.on_timeout {
                    ApprovalTimeout::Skip => Ok(false),
                    ApprovalTimeout::Abort => Err(format!("nobody who may agreed within {seconds} s")),
                });
            }
            if !self.means.wait {
                return Err(Halt::Waits(step.id.clone()));
            }
            self.pause(ASK_EVERY.min(left.try_into().unwrap_or(ASK_EVERY))).await?;
        }
    }

    /// The answer that is taken for given where nobody is asked.
    fn rehearsed(&self, step: &PlannedStep) -> What {
        let told = match &step.what {
            PlannedWhat::Manual { evidence, .. } => {
                evidence.iter().map(|name| (name.clone(), REHEARSED.to_owned())).collect()
            }
            _ => Default::default(),
        };
        What::Answered { step: step.id.clone(), approved: true, by: vec![REHEARSED.to_owned()], told }
    }
}

/// When so much time is over.
fn over(since: Timestamp, ms: u64) -> Timestamp {
    let length = SignedDuration::from_millis(i64::try_from(ms).unwrap_or(i64::MAX));
    since.checked_add(length).unwrap_or(Timestamp::MAX)
}

/// What had to be told along with a manual step and was not.
fn lacking(step: &PlannedStep, told: &std::collections::BTreeMap<String, String>) -> Option<String> {
    let PlannedWhat::Manual { evidence, .. } = &step.what else { return None };
    let missing: Vec<&str> =
        evidence.iter().filter(|name| !told.contains_key(*name)).map(String::as_str).collect();
    (!missing.is_empty())
        .then(|| format!("it was answered without what has to be told: {}", missing.join(", ")))
}
