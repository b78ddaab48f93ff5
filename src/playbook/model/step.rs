use super::Template;
use crate::object::Expression;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// One step of a playbook.
#[derive(Debug, Clone)]
pub struct Step {
    /// Its name, unique in the playbook.
    pub id: String,
    /// What it is good for.
    pub phase: Option<Phase>,
    /// Only when this is true.
    pub when: Option<Expression>,
    /// Once for every entry of this list, which is `item` in its expressions.
    pub for_each: Option<Expression>,
    /// What comes of it is `vars.<name>` in later expressions.
    pub register: Option<String>,
    /// How often it is tried again.
    pub retry: Option<Retry>,
    /// How long it may take.
    pub timeout: Option<Duration>,
    /// What becomes of the run when it fails.
    pub on_failure: Option<OnFailure>,
    /// Is it taken back when the run is undone, as far as that is possible?
    pub undo: bool,
    /// Who has to agree before it is done.
    pub approve: Option<Approve>,
    /// What is done; a step that only asks for approval does nothing.
    pub what: Option<What>,
}

/// What a step does.
#[derive(Debug, Clone)]
pub enum What {
    /// An action with its arguments.
    Action {
        /// The action's name, such as `pod.isolate`.
        name: String,
        /// Its arguments: a mapping.
        args: Template,
    },
    /// Steps beside each other.
    Parallel(Vec<Step>),
    /// Steps one after the other, and what is done when one of them fails.
    Block {
        /// The steps.
        steps: Vec<Step>,
        /// What is done when one of them fails; the step has not failed then.
        rescue: Vec<Step>,
    },
    /// Something that a person does.
    Manual {
        /// What to do.
        instructions: Template,
        /// What has to be told when it is done, such as the number of a ticket.
        evidence: Vec<String>,
    },
    /// Another playbook.
    Playbook {
        /// Its name.
        name: String,
        /// What it is told: a mapping.
        args: Template,
    },
}

/// What a step is good for, in the words of NIST SP 800-61.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// What happened is kept.
    Evidence,
    /// It does not spread.
    Containment,
    /// It goes.
    Eradication,
    /// Service comes back.
    Recovery,
    /// All that is proven.
    Verification,
}

/// What becomes of a run when a step fails.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnFailure {
    /// It ends there; what was done stays.
    #[default]
    Abort,
    /// It goes on.
    Continue,
    /// It ends, and everything that can be is taken back.
    Rollback,
}

/// How often a step is tried again.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Retry {
    /// So many times beside the first.
    pub limit: u32,
    /// How long is waited before.
    pub backoff: Backoff,
}

/// How long is waited before a step is tried again.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Backoff {
    /// Before the first repetition.
    pub duration: Duration,
    /// So many times longer before each further one.
    pub factor: u32,
}

/// Who has to agree before a step is done.
#[derive(Debug, Clone, PartialEq)]
pub struct Approve {
    /// What is asked.
    pub prompt: Template,
    /// So many different people.
    pub min_approvals: u32,
    /// Out of these groups; without any, every approver counts.
    pub groups: Vec<String>,
    /// Does the one who started the run not count?
    pub not_initiator: bool,
    /// How long is waited for them.
    pub timeout: Duration,
    /// What happens then.
    pub on_timeout: ApprovalTimeout,
}

/// What happens when nobody agrees in time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ApprovalTimeout {
    /// The step has failed.
    #[default]
    Abort,
    /// The step is passed over: it is not approved.
    Skip,
}

impl Step {
    /// The steps that it is made of.
    pub fn inner(&self) -> Vec<&Step> {
        match &self.what {
            Some(What::Parallel(steps)) => steps.iter().collect(),
            Some(What::Block { steps, rescue }) => steps.iter().chain(rescue).collect(),
            _ => Vec::new(),
        }
    }

    pub(super) fn gather<'a>(&'a self, found: &mut Vec<&'a Step>) {
        found.push(self);
        for step in self.inner() {
            step.gather(found);
        }
    }
}

impl PartialEq for Step {
    fn eq(&self, other: &Self) -> bool {
        // Expressions are their text.
        format!("{self:?}") == format!("{other:?}")
    }
}
