//! What follows from the facts. Pure: facts, objectives and an instant in, a judgement out.

use super::{Copies, LastDrill, OpenRun, Overview};
use crate::point::{DrillVerdict, Level, Objective, Status};
use jiff::Timestamp;
use serde::Serialize;
use std::time::Duration;

/// How old things may be. What has no objective is not judged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Objectives {
    /// The newest complete recovery point.
    pub rpo: Option<Duration>,
    /// The newest verification that passed.
    pub verified: Option<Duration>,
    /// The newest drill that passed.
    pub drilled: Option<Duration>,
}

impl Objectives {
    /// Is there none?
    pub fn is_empty(&self) -> bool {
        *self == Objectives::default()
    }
}

/// What follows from an [`Overview`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Judgement {
    /// How old the newest complete recovery point is.
    pub rpo: Objective,
    /// How long ago a recovery point passed a verification last.
    pub verified: Objective,
    /// How long ago a drill passed last.
    pub drilled: Objective,
    /// What is not as it should be.
    pub findings: Vec<Finding>,
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// An error where an objective is missed, or what is stored is not to be trusted; else a warning.
    pub level: Level,
    /// What it is about.
    pub about: Matter,
    /// What was found, and what to do about it.
    pub message: String,
}

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Matter {
    /// The age of recovery points.
    Rpo,
    /// The age of verifications.
    Verified,
    /// The age of drills.
    Drilled,
    /// Whether what is stored is what was saved, and signed by the expected key.
    Trust,
    /// Copies in other stores.
    Copies,
    /// Runs of playbooks.
    Runs,
}

impl Judgement {
    /// Is an objective missed?
    pub fn missed(&self) -> bool {
        [self.rpo, self.verified, self.drilled].iter().any(Objective::missed)
    }

    /// Is something stored that is not what was saved, or not signed by the expected key?
    pub fn distrusts(&self) -> bool {
        self.findings.iter().any(|it| it.about == Matter::Trust && it.level == Level::Error)
    }
}

/// What follows from the facts, at an instant.
pub fn judge(facts: &Overview, objectives: Objectives, now: Timestamp) -> Judgement {
    let complete = facts.points.newest_completed.as_ref();
    let (tested, drilled) = (facts.verified.last_passed.as_ref(), facts.drills.last_passed.as_ref());
    let mut made = Judgement {
        rpo: aged(complete.and_then(|point| point.created_at), objectives.rpo, now),
        verified: aged(tested.map(|it| it.at), objectives.verified, now),
        drilled: aged(drilled.map(|it| it.ended), objectives.drilled, now),
        findings: Vec::new(),
    };
    let findings = &mut made.findings;
    let mut find = |level, about, message: String| findings.push(Finding { level, about, message });
    if made.rpo.missed() {
        find(Level::Error, Matter::Rpo, match complete {
            Some(point) => format!("the newest complete recovery point, {}, is too old", point.id),
            None if facts.points.count == 0 => {
                "there is no recovery point, and nothing could be brought back: `lifeboat backup` takes one".into()
            }
            None => "no recovery point is complete and to be trusted".into(),
        });
    }
    if let Some(newest) = facts.points.newest.as_ref().filter(|it| it.status == Some(Status::PartiallyFailed))
    {
        let message =
            format!("the newest recovery point, {}, is PartiallyFailed: `lifeboat show` says why", newest.id);
        find(Level::Warning, Matter::Rpo, message);
    }
    if made.verified.missed() {
        find(
            Level::Error,
            Matter::Verified,
            match tested {
                Some(it) => format!(
                    "the last verification that passed, of {}, is too long ago: `lifeboat verify`",
                    it.point
                ),
                None => "no recovery point has passed a recorded verification: `lifeboat verify`".into(),
            },
        );
    }
    if made.drilled.missed() {
        find(
            Level::Error,
            Matter::Drilled,
            match drilled {
                Some(it) => {
                    format!("the last drill that passed, {}, is too long ago: `lifeboat drill run`", it.id)
                }
                None => "no drill has passed: `lifeboat drill run`".into(),
            },
        );
    }
    if let Some(message) = facts.drills.last.as_ref().and_then(failed) {
        find(Level::Warning, Matter::Drilled, message);
    }
    for id in &facts.verified.failed {
        let message =
            format!("the last verification of recovery point {id} failed: `lifeboat show {id}` says why");
        find(Level::Error, Matter::Trust, message);
    }
    for doubt in &facts.doubts {
        find(doubt.level, Matter::Trust, format!("{}: {}", doubt.about, doubt.why));
    }
    for message in facts.copies.iter().filter_map(owed) {
        find(Level::Warning, Matter::Copies, message);
    }
    for run in &facts.runs {
        find(Level::Warning, Matter::Runs, open(run));
    }
    made
}

/// The age of something; none where there is nothing. What is a little ahead of this clock is new.
fn aged(since: Option<Timestamp>, most: Option<Duration>, now: Timestamp) -> Objective {
    let ms = |length: Duration| u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
    let age = |at: Timestamp| Duration::try_from(now.duration_since(at)).unwrap_or_default();
    Objective { measured_ms: since.map(|at| ms(age(at))), objective_ms: most.map(ms) }
}

fn failed(last: &LastDrill) -> Option<String> {
    let id = &last.id;
    let passed = last.verdict == DrillVerdict::Passed;
    (!passed)
        .then(|| format!("the last drill, {id}, ended with {}: `lifeboat drill show {id}`", last.verdict))
}

fn owed(copies: &Copies) -> Option<String> {
    let Copies { store, owed, error } = copies;
    match (error, owed.first()) {
        (Some(why), _) => Some(format!("what the store `{store}` lacks is not known: {why}")),
        (None, None) => None,
        (None, Some(oldest)) => {
            let many = match owed.len() {
                1 => "a recovery point".to_owned(),
                many => format!("{many} recovery points"),
            };
            Some(format!(
                "the store `{store}` lacks {many}, since {oldest}: the next backup copies them, or `lifeboat copy`"
            ))
        }
    }
}

fn open(run: &OpenRun) -> String {
    let id = &run.id;
    match &run.recorded {
        None => format!("run {id} is under way, or died: `lifeboat playbook status {id}` where it was begun"),
        Some(it) => match &it.waits_at {
            Some(step) => {
                format!(
                    "run {id} of {} waits at the step {step}: `lifeboat playbook approve {id} --show`",
                    it.playbook
                )
            }
            None => format!("run {id} of {} is not over: `lifeboat playbook resume {id}`", it.playbook),
        },
    }
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
