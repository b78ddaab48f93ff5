//! Results in words and tables, for people. Nothing here decides anything.

mod backup;
mod change;
mod drill;
mod find;
mod inspection;
mod notify;
mod page;
mod playbook;
mod point;
mod prune;
mod records;
mod restore;
mod schedule;
mod status;
mod status_page;
mod table;
mod units;
mod verdict;

pub use backup::backup;
pub use change::{change, notes, side, summary};
pub use drill::{drill_details, drill_html, drill_markdown, drill_note, drill_text, drills};
pub use find::found;
pub use inspection::{inspection, keys};
pub use notify::notifications;
pub use playbook::{
    AccessChange, AccessPeriod, Classes, entry_line, plan_text, playbook, playbooks, timeline_html,
    timeline_markdown,
};
pub use point::{point, points};
pub use prune::prune;
pub use restore::{restore_plan, restored};
pub use schedule::{Planned, planned, turns};
pub use status::status;
pub use status_page::{page_policy, status_page};
pub use table::table;
pub use units::{between, bytes, duration};
pub use verdict::verdicts;

/// How a reader makes sure that the evidence is what was signed.
#[derive(Debug, Clone)]
pub struct HowToVerify {
    /// Where evidence and signature are.
    pub place: String,
    /// The command.
    pub command: String,
    /// The comment that is signed along with it, which the command prints.
    pub comment: String,
}
