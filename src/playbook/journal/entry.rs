use crate::{
    playbook::op::{Op, Outcome},
    point::Digest,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// One entry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Its number, from 0.
    pub seq: u64,
    /// When it was written.
    pub at: Timestamp,
    /// SHA-256 of the line before it, without its end; none for the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prev: Option<Digest>,
    /// What it says.
    #[serde(flatten)]
    pub what: What,
}

/// What an entry says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum What {
    /// A run begins.
    Begun {
        /// The plan's digest.
        plan: Digest,
        /// Who started it.
        by: String,
    },
    /// It goes on after it was interrupted.
    Resumed {
        /// Who had it go on.
        by: String,
    },
    /// A step begins.
    StepBegun {
        /// Which.
        step: String,
    },
    /// Somebody has to agree, or to act.
    Waiting {
        /// The step.
        step: String,
        /// What is asked.
        prompt: String,
    },
    /// Somebody agreed, or acted, or nobody did in time.
    Answered {
        /// The step.
        step: String,
        /// Is it to be done?
        approved: bool,
        /// Who said so.
        by: Vec<String>,
        /// What was told along with it.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        told: BTreeMap<String, String>,
    },
    /// An action that could only be planned now.
    Planned {
        /// The step.
        step: String,
        /// What it does.
        ops: Vec<Op>,
        /// What it brings.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        result: Option<Value>,
    },
    /// An op is about to be done.
    Intent {
        /// The step.
        step: String,
        /// The op's number in it.
        op: usize,
        /// Which try of the step it is, from 1.
        r#try: u32,
        /// The op, with what it replaces.
        what_is_done: Op,
    },
    /// An op was done.
    Done {
        /// The step.
        step: String,
        /// The op's number in it.
        op: usize,
        /// What came of it.
        outcome: Outcome,
        /// Was it found done, after a crash?
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        found: bool,
    },
    /// An op was not done.
    NotDone {
        /// The step.
        step: String,
        /// The op's number in it.
        op: usize,
        /// Why.
        why: String,
    },
    /// Evidence was kept.
    Kept {
        /// The step.
        step: String,
        /// What it is called in the store, below the run.
        name: String,
        /// Bytes, before it was sealed.
        bytes: u64,
        /// SHA-256 of it, before it was sealed.
        sha256: Digest,
        /// SHA-256 of what is stored.
        stored_sha256: Digest,
    },
    /// A step ended.
    StepEnded {
        /// Which.
        step: String,
        /// How.
        end: StepEnd,
        /// What it brings.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        result: Option<Value>,
    },
    /// Everything that can be is taken back.
    UndoBegun {
        /// Who had it done.
        by: String,
    },
    /// An op is about to be taken back.
    UndoIntent {
        /// The step.
        step: String,
        /// The op's number in it.
        op: usize,
    },
    /// An op was taken back.
    Undone {
        /// The step.
        step: String,
        /// The op's number in it.
        op: usize,
        /// What came of it.
        outcome: Outcome,
    },
    /// An op was not taken back.
    NotUndone {
        /// The step.
        step: String,
        /// The op's number in it.
        op: usize,
        /// Why.
        why: String,
    },
    /// Taking back has come to its end.
    UndoEnded {
        /// How many ops could not be taken back.
        left: u64,
    },
    /// The run ended.
    Ended {
        /// How.
        end: RunEnd,
        /// Why it did not complete.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<String>,
    },
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "kebab-case")]
pub enum StepEnd {
    /// It was done.
    Done,
    /// It was passed over.
    Skipped {
        /// Why.
        why: String,
    },
    /// It failed.
    Failed {
        /// Why.
        why: String,
    },
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunEnd {
    /// Every step was done, or passed over.
    Completed,
    /// Steps failed, and the run went on.
    PartiallyFailed,
    /// A step failed, and the run ended there.
    Failed,
    /// A step failed, and everything that can be was taken back.
    RolledBack,
    /// Somebody stopped it; it can be resumed.
    Stopped,
}
