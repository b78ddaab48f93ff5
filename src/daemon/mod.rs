//! Running unattended: jobs begin when they are due, once, whoever of several daemons begins them.
//!
//! ```text
//!   configuration ─▶ supervise ─▶ keeper (one for each schedule) ─▶ run (watched) ─▶ a process of this program
//!                                            └─▶ tell (once the store knows how it ended) ─▶ people
//!                        │             │        ▲
//!                     signals       decide   catalogue::turns: what the store says of the schedule's runs
//!                     reload        (pure)
//! ```
//!
//! There is no state but the store's: a daemon that was killed, or another one in its place, goes on from there. Daemons need not see
//! one another, and need no API server: a run is begun by the one whose claim the store took, and a run that others have given up
//! cannot become a recovery point any more. Each run is a process of its own, so that it reads certificates and credentials anew, can
//! be stopped whatever it hangs in, and takes nothing down with it.

mod around;
mod board;
mod decide;
mod ground;
mod heart;
mod job;
mod keeper;
mod metrics;
mod newest;
mod outlook;
mod process;
mod run;
mod serve;
mod stand;
mod supervise;
mod tell;

#[cfg(test)]
mod simulated;

pub use board::{Board, Known, Standing, Trouble};
pub use ground::{Around, Clock, Ended, Ground, Runner, Setup, Sign, Stop, Teller, Validity, Why};
pub use job::{Job, Work};
pub use outlook::{Past, Reason, Upcoming, upcoming};
pub use process::{Processes, TURN};
pub use serve::Page;
pub use supervise::{DaemonError, Options, Reload, Signal, run};
pub use tell::{Occasion, Tell};
