//! The objects of an export become a cluster's again.
//!
//! ```text
//!   point, or a directory ─▶ gather (select, spool) ─▶ plan (prepare, look at what is live, decide, try) ─▶ apply (wave by wave)
//!                                                        │                                                  │
//!                                                        └─▶ findings, plan file                            └─▶ outcomes
//! ```
//!
//! A plan is made anew each time, from what is saved and what is live. So an interrupted restore is continued by the same
//! command, a second one finds nothing to do, and a plan that was written to a file is compared with the plan of now.
//! Objects are read once and kept in a file without a name; in memory there is what tells them apart.

mod apply;
mod bind;
mod decide;
mod definitions;
mod directory;
mod draft;
mod error;
mod findings;
mod gather;
mod live;
mod options;
mod outcome;
mod plan;
mod plan_file;
mod prepare;
mod quotas;
mod recreate;
mod select;
mod settle;
mod spool;
mod target;
mod terms;
mod try_out;
mod volumes;
mod write;

pub use apply::apply;
pub use error::ResourcesError;
pub use findings::Finding;
pub use gather::{From, Gathered, defined_in, gather, saved_types};
pub use options::{OnConflict, Options, Policy};
pub use outcome::{Done, Outcome, Progress, Tally};
pub use plan::{Action, Plan, Planned, Reason, plan};
pub use plan_file::{Drift, PlanFile};
pub use select::{Selection, TypeSet};
pub use settle::leave_terminating;
pub use target::Target;
pub use terms::Terms;
