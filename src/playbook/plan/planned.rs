use crate::{
    playbook::{
        actions::Class,
        model::{ApprovalTimeout, OnFailure, Phase},
        op::{Op, Tried},
    },
    point::{Digest, PointId, ToolFacts},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

/// What a run would do. A run does nothing else.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// The run's id.
    pub run: PointId,
    /// The playbook.
    pub playbook: PlaybookFacts,
    /// Where it acts.
    pub target: TargetFacts,
    /// When the plan was made.
    pub made_at: Timestamp,
    /// Who made it: the initiator.
    pub by: String,
    /// With which program.
    pub tool: ToolFacts,
    /// What the playbook was told.
    pub params: Map<String, Value>,
    /// Two runs with equal keys exclude each other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<String>,
    /// After so many milliseconds the run is given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// Does the run stop before its first change when evidence cannot be stored?
    pub evidence_required: bool,
    /// Nothing in these namespaces is changed.
    pub protected_namespaces: Vec<String>,
    /// More recipients of what is collected.
    #[serde(default)]
    pub encrypt_to: Vec<String>,
    /// What is done.
    pub steps: Vec<PlannedStep>,
    /// What is done at last.
    pub always: Vec<PlannedStep>,
    /// What speaks against it.
    pub findings: Vec<Finding>,
}

/// The playbook of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlaybookFacts {
    /// Its name.
    pub name: String,
    /// What it does.
    pub description: String,
    /// SHA-256 of its file.
    pub sha256: Digest,
}

/// Where a plan acts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TargetFacts {
    /// The cluster's name in the store.
    pub cluster: String,
    /// The UID of its namespace `kube-system`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// The API server.
    pub server: String,
    /// Who its credentials are.
    pub identity: String,
    /// The host, where it acts on one and without an API server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
}

/// One step of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedStep {
    /// Its name; entries of a `forEach` have a number in brackets.
    pub id: String,
    /// What it is good for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// It is decided in the run whether it is done: the condition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// Why it is not done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
    /// Who has to agree first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<Gate>,
    /// What it brings is `vars.<name>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub register: Option<String>,
    /// What it brings, as far as that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
    /// How often it is tried again.
    pub retries: u32,
    /// How long is waited before the first repetition, in milliseconds.
    pub backoff_ms: u64,
    /// So many times longer before each further one.
    pub backoff_factor: u32,
    /// How long it may take, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// What becomes of the run when it fails.
    pub on_failure: OnFailure,
    /// Is it taken back when the run is undone?
    pub undo: bool,
    /// What is done.
    pub what: PlannedWhat,
    /// What somebody should know before it is done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<String>,
}

/// What a planned step does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "does", rename_all = "kebab-case")]
pub enum PlannedWhat {
    /// Nothing, but for its gate.
    Nothing,
    /// Ops of one action.
    Action {
        /// The action.
        action: String,
        /// What can become of what it did.
        class: Class,
        /// What it does, in this order.
        ops: Vec<PlannedOp>,
    },
    /// An action that can only be planned once earlier steps have been done.
    Later(Deferred),
    /// Steps one after the other.
    Sequence {
        /// The steps.
        steps: Vec<PlannedStep>,
        /// What is done when one of them fails.
        rescue: Vec<PlannedStep>,
    },
    /// Steps beside each other.
    Parallel {
        /// The steps.
        steps: Vec<PlannedStep>,
    },
    /// Something that a person does.
    Manual {
        /// What.
        instructions: String,
        /// What has to be told when it is done.
        evidence: Vec<String>,
    },
}

/// An action that can only be planned once earlier steps have been done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Deferred {
    /// The action.
    pub action: String,
    /// What can become of what it does.
    pub class: Class,
    /// Its arguments, as they are written.
    pub args: Value,
    /// `item`, inside of a `forEach`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<Value>,
    /// What it waits for.
    pub waits_for: String,
}

/// One op of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedOp {
    /// The op.
    pub op: Op,
    /// What came of trying it.
    pub tried: Tried,
    /// Rights that it needs and the credentials lack.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lacks: Vec<String>,
    /// Rights that taking it back needs and the credentials lack.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub undo_lacks: Vec<String>,
    /// Why it cannot be taken back, if it cannot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stays: Option<String>,
}

/// Who has to agree before a step is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Gate {
    /// What is asked.
    pub prompt: String,
    /// So many different people.
    pub min_approvals: u32,
    /// Out of these groups.
    pub groups: Vec<String>,
    /// Does the initiator not count?
    pub not_initiator: bool,
    /// How long is waited, in milliseconds.
    pub timeout_ms: u64,
    /// What happens then.
    pub on_timeout: ApprovalTimeout,
}

/// What speaks against a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// Can it be run all the same?
    pub level: Level,
    /// The step; none for the playbook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// What.
    pub message: String,
}

/// How much a finding counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// The plan cannot be run.
    Error,
    /// It can, and somebody should know.
    Warning,
}

impl Plan {
    /// As it is stored.
    pub fn to_bytes(&self) -> Vec<u8> {
        // A plan holds nothing that JSON cannot.
        serde_json::to_vec_pretty(self).unwrap_or_default()
    }

    /// What approvals are bound to.
    pub fn digest(&self) -> Digest {
        Digest::from(Sha256::digest(self.to_bytes()))
    }

    /// Is there something in it that opens recovery points, so that an identity is needed?
    pub fn opens(&self) -> bool {
        let opens = |planned: &PlannedOp| matches!(&planned.op, Op::Host(it) if it.opens());
        self.every_step().iter().any(|step| step.ops().iter().any(opens))
    }

    /// Does nothing speak against it that counts?
    pub fn can_run(&self) -> bool {
        self.findings.iter().all(|finding| finding.level != Level::Error)
    }

    /// Every step, those inside of others too, in order.
    pub fn every_step(&self) -> Vec<&PlannedStep> {
        let mut found = Vec::new();
        for step in self.steps.iter().chain(&self.always) {
            step.gather(&mut found);
        }
        found
    }

    /// The step of this name.
    pub fn step(&self, id: &str) -> Option<&PlannedStep> {
        self.every_step().into_iter().find(|step| step.id == id)
    }
}

impl PlannedStep {
    /// Does it hold no other steps?
    pub fn is_leaf(&self) -> bool {
        !matches!(self.what, PlannedWhat::Sequence { .. } | PlannedWhat::Parallel { .. })
    }

    /// Its ops.
    pub fn ops(&self) -> &[PlannedOp] {
        match &self.what {
            PlannedWhat::Action { ops, .. } => ops,
            _ => &[],
        }
    }

    pub(super) fn ops_mut(&mut self) -> &mut [PlannedOp] {
        match &mut self.what {
            PlannedWhat::Action { ops, .. } => ops,
            _ => &mut [],
        }
    }

    fn gather<'a>(&'a self, found: &mut Vec<&'a PlannedStep>) {
        found.push(self);
        match &self.what {
            PlannedWhat::Sequence { steps, rescue } => {
                steps.iter().chain(rescue).for_each(|step| step.gather(found));
            }
            PlannedWhat::Parallel { steps } => steps.iter().for_each(|step| step.gather(found)),
            _ => {}
        }
    }

    /// Calls this for it and every step inside.
    pub(super) fn each_mut(&mut self, call: &mut dyn FnMut(&mut PlannedStep)) {
        call(self);
        match &mut self.what {
            PlannedWhat::Sequence { steps, rescue } => {
                steps.iter_mut().chain(rescue).for_each(|step| step.each_mut(call));
            }
            PlannedWhat::Parallel { steps } => steps.iter_mut().for_each(|step| step.each_mut(call)),
            _ => {}
        }
    }
}
