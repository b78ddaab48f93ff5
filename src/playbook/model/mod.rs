//! A playbook as it is written: nouns without I/O. `config` reads them out of a file, and tells what is wrong where.

mod guards;
mod params;
mod step;
mod template;

pub use crate::object::{Asked, BadExpression, Expression, FUNCTIONS};
pub use guards::{Guards, Limit, Requirement};
pub use params::{Param, ParamKind};
pub use step::{ApprovalTimeout, Approve, Backoff, OnFailure, Phase, Retry, Step, What};
pub use template::{BadTemplate, Piece, Template};

use std::{collections::BTreeMap, time::Duration};

/// A written plan for an incident.
#[derive(Debug, Clone, PartialEq)]
pub struct Playbook {
    /// Its name.
    pub name: String,
    /// Labels, for people.
    pub labels: BTreeMap<String, String>,
    /// What it does, in one sentence.
    pub description: String,
    /// Where to read more, such as an entry of MITRE ATT&CK.
    pub references: Vec<Reference>,
    /// Where its steps act.
    pub runs_on: RunsOn,
    /// After so long the run is given up.
    pub timeout: Option<Duration>,
    /// What it has to be told.
    pub params: Vec<Param>,
    /// Two runs with equal keys exclude each other.
    pub concurrency: Option<Template>,
    /// What it must never do.
    pub guards: Guards,
    /// What is kept of a run.
    pub evidence: Keeping,
    /// What becomes of a run when a step fails that says nothing of it.
    pub on_failure: OnFailure,
    /// What is done, in this order.
    pub steps: Vec<Step>,
    /// What is done at last, whatever happened.
    pub always: Vec<Step>,
}

/// Where to read more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// Whose it is.
    pub name: String,
    /// What it is called there.
    pub id: String,
}

/// Where the steps of a playbook act.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RunsOn {
    /// Through the API server.
    #[default]
    Cluster,
    /// On a host of the control plane, with no API server.
    Host,
}

/// What is kept of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keeping {
    /// More recipients of what is collected, beside those of the configuration.
    pub encrypt_to: Vec<String>,
    /// Does the run stop before its first change when evidence cannot be stored?
    pub required: bool,
}

impl Playbook {
    /// Every step, those inside of others too, in the order in which they are written.
    pub fn every_step(&self) -> Vec<&Step> {
        let mut found = Vec::new();
        for step in self.steps.iter().chain(&self.always) {
            step.gather(&mut found);
        }
        found
    }
}
