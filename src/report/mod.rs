//! Results in words and tables, for people. Nothing here decides anything.

mod backup;
mod inspection;
mod point;
mod records;
mod table;
mod units;
mod verdict;

pub use backup::backup;
pub use inspection::{inspection, keys};
pub use point::{point, points};
pub use table::table;
pub use units::{bytes, duration};
pub use verdict::verdicts;
