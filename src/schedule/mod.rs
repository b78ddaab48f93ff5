//! When something is due: crontab's five fields in a time zone, and what becomes of runs that were missed or overlap.

mod fields;
mod next;
mod queue;

pub use fields::{BadCron, Cron};
pub use queue::{Next, Overlap, Rule, Seen};
