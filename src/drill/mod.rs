//! A drill: a recovery point is brought up in a staging cluster, what came back is compared with what was saved, and signed
//! evidence is left.
//!
//! ```text
//!   pick ─▶ open and verify ─▶ staging: provision ─▶ restore ─▶ start ─▶ checks ─▶ release ─▶ service ─▶ tear down ─▶ evidence
//!                                 └────────── always torn down, whatever comes between ──────────────────────▲
//! ```
//!
//! [`staging`] is where a point is brought up, behind one trait; the checks say what must hold of it; the evidence is put
//! together from whatever came of it, a failure or a signal too.

mod broken;
mod checks;
mod evidence;
mod keep;
mod pick;
mod resources;
mod run;
pub mod staging;
mod timing;

pub use checks::{
    Ask, Asked, Bound, Command, Detail, Exec, Probe, Ready, Rehearsal, Rehearse, Rehearsed, Severities, Stage,
};
pub use keep::Keep;
pub use pick::{NoChoice, Rule};
pub use run::{Job, Outcome, run};
