//! Playbooks in words: what is written, what would be done, and what was.

mod access;
mod book;
mod plan;
mod timeline;

pub use access::{AccessChange, AccessPeriod};
pub use book::{Classes, playbook, playbooks};
pub use plan::plan_text;
pub use timeline::{entry_line, timeline_html, timeline_markdown};

use crate::playbook::actions::Class;

/// What can become of what was done, in words.
fn class(it: Class) -> &'static str {
    match it {
        Class::Read => "changes nothing",
        Class::Undoable => "can be undone",
        Class::HardToUndo => "hard to undo",
        Class::Irreversible => "STAYS",
    }
}
