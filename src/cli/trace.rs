//! What the commands tell of their runs to OpenTelemetry.

use super::Exit;
use crate::{
    backup::Lap,
    playbook::{
        Entry, StepEnd, What,
        plan::{Plan, PlannedStep, PlannedWhat},
    },
    point::{Evidence, News, Turn, TurnOutcome},
    trace::{Part, Settings, Trace},
};
use jiff::Timestamp;
use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tracing::{Span, error_span, field::display};

/// A command begins; what it runs has this name, if it is a run at all.
pub(super) fn begin(runs: Option<&'static str>, turn: Option<&str>, began: (Timestamp, Instant)) -> Trace {
    let Some(runs) = runs else { return Trace::none() };
    let env = |name: &str| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
    let settings = Settings::read(&env).unwrap_or_else(|why| {
        tracing::warn!("no trace of this run is sent: {why}");
        None
    });
    let trace = Trace::begin(settings, runs, began, rand::random());
    if let Some(turn) = turn.and_then(|it| it.parse::<Turn>().ok()) {
        trace.note("lifeboat.turn", &turn);
        trace.note("lifeboat.schedule", &turn.schedule);
    }
    trace
}

/// What stands with every line of a run's log.
pub(super) fn span(turn: Option<&str>, trace: &Trace) -> Span {
    let (turn, trace_id) = (turn.map(display), trace.id().map(display));
    match turn.is_some() || trace_id.is_some() {
        true => error_span!("run", turn, trace_id),
        false => Span::none(),
    }
}

/// The run has ended, and this is the news of it. That nobody takes the trace is said, and changes nothing else.
pub(super) async fn end(trace: &Trace, outcome: TurnOutcome, exit: Exit, news: &News) {
    let wrong = news.warning.then_some(news.note.as_str());
    if let Err(why) = trace.end(outcome, exit as u8, wrong).await {
        tracing::warn!("the trace of this run was not delivered: {why}");
    }
}

/// Tells the phases of a backup that began then.
pub(super) fn of_backup(trace: &Trace, phases: &[Lap], (began, since): (Timestamp, Instant)) {
    for lap in phases {
        trace.part(Part {
            name: lap.phase.to_string(),
            within: None,
            began: later(began, lap.since.saturating_duration_since(since)),
            took: lap.took,
            done: lap.done,
        });
    }
}

/// Tells the phases of a drill, and of what it was one.
pub(super) fn of_drill(trace: &Trace, evidence: &Evidence) {
    trace.note("lifeboat.drill", &evidence.id);
    trace.note("lifeboat.drill.name", &evidence.plan.name);
    trace.note("lifeboat.drill.verdict", evidence.verdict);
    if let Some(point) = &evidence.point {
        trace.note("lifeboat.point", &point.id);
    }
    for phase in &evidence.phases {
        trace.part(Part {
            name: phase.phase.to_string(),
            within: None,
            began: later(evidence.began, Duration::from_millis(phase.after_ms)),
            took: Duration::from_millis(phase.took_ms),
            done: phase.done,
        });
    }
}

fn later(at: Timestamp, length: Duration) -> Timestamp {
    at.checked_add(length).unwrap_or(at)
}

/// The steps of a playbook, as its journal tells of them. Those of a list that is gone through are one.
pub(super) struct Steps<'a> {
    trace: &'a Trace,
    /// Of each step that stands in another one, in which.
    within: BTreeMap<String, String>,
    begun: Mutex<BTreeMap<String, Timestamp>>,
}

impl<'a> Steps<'a> {
    /// Of a plan that is carried out.
    pub(super) fn of(trace: &'a Trace, plan: &Plan) -> Self {
        trace.note("lifeboat.playbook", &plan.playbook.name);
        trace.note("lifeboat.run", &plan.run);
        let mut within = BTreeMap::new();
        plan.steps.iter().chain(&plan.always).for_each(|step| gather(step, &mut within));
        Steps { trace, within, begun: Mutex::default() }
    }

    fn begun(&self) -> MutexGuard<'_, BTreeMap<String, Timestamp>> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An entry was written into the journal.
    pub(super) fn hear(&self, entry: &Entry) {
        match &entry.what {
            // It has a number: there may be one for each object.
            What::StepBegun { step } if step.contains('[') => {}
            What::StepBegun { step } => {
                self.begun().insert(step.clone(), entry.at);
            }
            What::StepEnded { step, end, .. } => {
                let begun = self.begun().remove(step);
                if let Some(begun) = begun {
                    self.tell(step.clone(), (begun, entry.at), !matches!(end, StepEnd::Failed { .. }));
                }
            }
            _ => {}
        }
    }

    /// The run has ended, and with it what was under way.
    pub(super) fn break_off(&self, now: Timestamp) {
        let begun = std::mem::take(&mut *self.begun());
        begun.into_iter().for_each(|(step, begun)| self.tell(step, (begun, now), false));
    }

    fn tell(&self, name: String, (began, ended): (Timestamp, Timestamp), done: bool) {
        let within = self.within.get(&name).cloned();
        let took = ended.duration_since(began).try_into().unwrap_or_default();
        self.trace.part(Part { name, within, began, took, done });
    }
}

fn gather(step: &PlannedStep, within: &mut BTreeMap<String, String>) {
    let (inner, rescue) = match &step.what {
        PlannedWhat::Sequence { steps, rescue } => (steps.as_slice(), rescue.as_slice()),
        PlannedWhat::Parallel { steps } => (steps.as_slice(), [].as_slice()),
        _ => return,
    };
    for below in inner.iter().chain(rescue) {
        within.insert(below.id.clone(), step.id.clone());
        gather(below, within);
    }
}
