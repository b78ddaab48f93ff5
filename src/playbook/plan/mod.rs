//! What a run would do, as a value: it can be shown, approved by its digest, and it is all that a run reads.
//!
//! ```text
//!   model + inputs ─▶ walk (expressions, actions: ops) ─▶ try every write, ask for every right ─▶ guards ─▶ Plan
//! ```

mod guard;
mod order;
mod own;
mod planned;
mod rights;
mod roles;
mod walk;

pub use order::Order;
pub use own::Own;
pub use planned::{
    Deferred, Finding, Gate, Level, Plan, PlannedOp, PlannedStep, PlannedWhat, PlaybookFacts, TargetFacts,
};
pub use rights::MANAGER;
pub use roles::roles;
pub use walk::plan;
