//! What is known where an expression stands.

use super::calls::Call;
use crate::playbook::{
    actions::Action,
    model::{ParamKind, RunsOn},
};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

/// What a whole playbook is checked with.
pub(super) struct Lint<'r> {
    /// The actions that there are.
    pub(super) actions: &'r [&'r dyn Action],
    /// The parameters that are declared, those too that have a mistake in them.
    pub(super) params: Vec<Declared>,
    pub(super) runs_on: RunsOn,
    /// Every name that some step registers, with that step's id.
    pub(super) registered: BTreeMap<String, String>,
    pub(super) ids: RefCell<BTreeSet<String>>,
    pub(super) names: RefCell<BTreeSet<String>>,
    pub(super) steps: Cell<usize>,
    pub(super) calls: RefCell<Vec<Call>>,
}

/// A parameter that is declared.
pub(super) struct Declared {
    pub(super) name: String,
    /// None if its type is a mistake.
    pub(super) kind: Option<ParamKind>,
}

impl Declared {
    pub(super) fn is_secret(&self) -> bool {
        self.kind == Some(ParamKind::SecretRef)
    }
}

/// What earlier steps have brought where a step stands.
#[derive(Clone, Default)]
pub(super) struct Scope {
    pub(super) vars: BTreeMap<String, Known>,
    /// Is the step done for every entry of a list?
    pub(super) item: bool,
}

/// When a variable has its value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// When the run is planned.
    Planned,
    /// When the run is there.
    Running,
}

/// Where an expression stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// The key of concurrency.
    Key,
    /// What must be true before anything is done.
    Guard,
    /// A step.
    Step,
    /// What is expected of a result.
    Expect,
}

impl Lint<'_> {
    pub(super) fn action(&self, name: &str) -> Option<&dyn Action> {
        self.actions.iter().find(|action| action.name() == name).copied()
    }

    pub(super) fn param(&self, name: &str) -> Option<&Declared> {
        self.params.iter().find(|param| param.name == name)
    }
}
