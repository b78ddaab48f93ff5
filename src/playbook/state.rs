//! What a journal says of a run: which steps ended how, which ops were done, which may have been.

use super::{
    journal::{Entry, RunEnd, StepEnd, What},
    op::{Op, Outcome},
};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// An op of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct OpState {
    /// What it is, as it was meant.
    pub op: Op,
    /// Where it stands.
    pub standing: Doneness,
    /// Was it taken back? Or why not.
    pub undone: Option<Result<(), String>>,
}

/// Where an op stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Doneness {
    /// It was meant, and nothing is known of what came of it.
    Meant,
    /// It was done.
    Done(Outcome),
    /// It was not.
    NotDone,
}

/// A step of a run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StepState {
    /// How it ended.
    pub end: Option<StepEnd>,
    /// What it brought.
    pub result: Option<Value>,
    /// When somebody was asked first.
    pub asked: Option<Timestamp>,
    /// What was answered when somebody was asked.
    pub answer: Option<Answer>,
    /// What it does, if that was planned in the run.
    pub planned: Option<(Vec<Op>, Option<Value>)>,
    /// Its ops.
    pub ops: BTreeMap<usize, OpState>,
    /// How often it was tried.
    pub tries: u32,
}

/// What was answered when somebody was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Is it to be done?
    pub approved: bool,
    /// Who said so.
    pub by: Vec<String>,
    /// What was told along with it.
    pub told: BTreeMap<String, String>,
}

impl Answer {
    /// As `vars` see it.
    pub fn to_value(&self) -> Value {
        json!({"approved": self.approved, "by": self.by, "told": self.told})
    }
}

/// A run, as its journal tells it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct State {
    /// Its steps.
    pub steps: BTreeMap<String, StepState>,
    /// The order in which ops were meant: the other way they are taken back.
    pub order: Vec<(String, usize)>,
    /// How it ended, and why; none while it runs, or when it died.
    pub end: Option<(RunEnd, Option<String>)>,
    /// Which step waits for somebody, and what is asked.
    pub waiting: Option<(String, String)>,
    /// Was taking it back begun? From then on it is not gone on with.
    pub goes_back: bool,
    /// How many ops could not be taken back, once that was tried to its end.
    pub undone: Option<u64>,
}

impl State {
    /// What these entries say.
    pub fn of(entries: &[Entry]) -> Self {
        let mut state = State::default();
        for entry in entries {
            state.hear(&entry.what, entry.at);
        }
        state
    }

    /// An entry was written.
    pub fn hear(&mut self, what: &What, at: Timestamp) {
        match what {
            What::Begun { .. } | What::StepBegun { .. } | What::Kept { .. } | What::UndoIntent { .. } => {}
            What::UndoBegun { .. } => self.goes_back = true,
            What::Resumed { .. } => self.end = None,
            What::Waiting { step, prompt } => {
                self.waiting = Some((step.clone(), prompt.clone()));
                self.step(step).asked.get_or_insert(at);
            }
            What::Answered { step, approved, by, told } => {
                self.waiting = None;
                self.step(step).answer =
                    Some(Answer { approved: *approved, by: by.clone(), told: told.clone() });
            }
            What::Planned { step, ops, result } => {
                self.step(step).planned = Some((ops.clone(), result.clone()));
            }
            What::Intent { step, op, r#try, what_is_done } => {
                let at = self.step(step);
                at.tries = at.tries.max(*r#try);
                let fresh = OpState { op: what_is_done.clone(), standing: Doneness::Meant, undone: None };
                if at.ops.insert(*op, fresh).is_some() {
                    self.order.retain(|it| (it.0.as_str(), it.1) != (step, *op));
                }
                self.order.push((step.clone(), *op));
            }
            What::Done { step, op, outcome, .. } => self.stands(step, *op, Doneness::Done(outcome.clone())),
            What::NotDone { step, op, .. } => self.stands(step, *op, Doneness::NotDone),
            What::StepEnded { step, end, result } => {
                let at = self.step(step);
                (at.end, at.result) = (Some(end.clone()), result.clone());
            }
            What::Undone { step, op, .. } => self.undone(step, *op, Ok(())),
            What::NotUndone { step, op, why } => self.undone(step, *op, Err(why.clone())),
            What::UndoEnded { left } => self.undone = Some(*left),
            What::Ended { end, why } => self.end = Some((*end, why.clone())),
        }
    }

    fn step(&mut self, id: &str) -> &mut StepState {
        self.steps.entry(id.to_owned()).or_default()
    }

    fn stands(&mut self, step: &str, op: usize, standing: Doneness) {
        if let Some(it) = self.step(step).ops.get_mut(&op) {
            it.standing = standing;
        }
    }

    fn undone(&mut self, step: &str, op: usize, how: Result<(), String>) {
        if let Some(it) = self.step(step).ops.get_mut(&op) {
            it.undone = Some(how);
        }
    }

    /// The ops that were done, or may have been, and were not taken back: the newest first.
    pub fn to_undo(&self) -> Vec<(String, usize, OpState)> {
        let newest = self.order.iter().rev().filter_map(|(step, op)| {
            let it = self.steps.get(step)?.ops.get(op)?;
            let may_be = it.standing != Doneness::NotDone || it.op.knows_its_own();
            let open = may_be && it.undone != Some(Ok(()));
            open.then(|| (step.clone(), *op, it.clone()))
        });
        newest.collect()
    }
}
