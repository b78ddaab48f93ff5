//! Playbooks: the written plan for an incident, carried out.
//!
//! ```text
//!   file ─▶ model ─▶ plan (targets by UID, every write tried, rights asked) ─▶ approvals, bound to the plan's digest
//!                                 │                                                   │
//!                                 └──▶ run: intent in the journal ─▶ call ─▶ outcome ─▶ verified ─▶ undo, in reverse
//! ```
//!
//! A playbook that runs on a host does the same without a cluster: its ops move files, and are looked for by where those lie.
//!
//! An [`actions`] only says what it would do, as a list of [`op`]s; how an op is tried, written down, carried out, looked for
//! after a crash and taken back is the same for all of them, and stands once.

pub mod actions;
pub mod model;
pub mod op;
pub mod plan;
pub mod run;

mod approval;
mod brought;
mod cacao;
mod equipment;
mod host;
mod inputs;
mod journal;
mod keep;
mod known;
mod rehearse;
mod scope;
mod state;

pub use actions::Planning;
pub use approval::{Approval, Approver, Decision, Heard, Question, Statement};
pub use brought::Brought;
pub use cacao::cacao;
pub use equipment::Equipment;
pub use host::OnHost;
pub use inputs::{Inputs, Points, inputs, plain};
pub use journal::{Entry, Journal, JournalError, RunEnd, StepEnd, What};
pub use keep::{RecordError, StoreKeeper, ended, record};
pub use known::Known;
pub use rehearse::{Script, rehearse};
pub use scope::{NoValue, Scope};
pub use state::{Answer, Doneness, OpState, State, StepState};

/// So many requests of a playbook are under way at a time, at most.
const AT_A_TIME: usize = 16;
