//! Results in words and tables, for people. Nothing here decides anything.

mod backup;
mod change;
mod drill;
mod find;
mod inspection;
mod point;
mod prune;
mod records;
mod restore;
mod table;
mod units;
mod verdict;

pub use backup::backup;
pub use change::{change, notes, side, summary};
pub use drill::{HowToVerify, drill_details, drill_html, drill_markdown, drill_note, drill_text, drills};
pub use find::found;
pub use inspection::{inspection, keys};
pub use point::{point, points};
pub use prune::prune;
pub use restore::{restore_plan, restored};
pub use table::table;
use units::between;
pub use units::{bytes, duration};
pub use verdict::verdicts;
