//! A playbook's file: `kind: Playbook`.
//!
//! ```text
//!   text ─▶ tree ─▶ params ─▶ steps, in the order in which they run, each with what is known where it stands
//!                                │
//!                                ├─▶ expressions: do they parse, and ask only for what there is by then?
//!                                └─▶ arguments: do they fit the action's schema, and the action itself?
//! ```
//!
//! What only shows in several files (a playbook that another one calls) is checked by [`check_calls`].

mod approve;
mod arguments;
mod calls;
mod directory;
mod envelope;
mod expressions;
mod fits;
mod guards;
mod params;
mod schema;
mod schema_arguments;
mod scope;
mod step;
mod values;

use super::error::ConfigError;
use super::load;
use crate::playbook::{
    actions::{self, Action},
    model::Playbook,
};
use calls::Call;
pub use calls::check_calls;
pub use directory::PlaybookDirectory;
pub(super) use schema::playbook_schema;
use std::path::{Path, PathBuf};

const FILE: load::Kind = load::Kind {
    name: "playbook",
    absent: "`lifeboat schema playbook` describes one",
    usual: "playbook.yaml",
};

/// A playbook, and the file that it came from.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PlaybookFile {
    /// The playbook.
    pub playbook: Playbook,
    /// The file.
    pub path: PathBuf,
    /// Its text, whose digest a plan names.
    pub text: String,
    calls: Vec<Call>,
}

impl PlaybookFile {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, or with all mistakes that could be found in it at once.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        Self::parse(&load::read(&FILE, path, false)?, path)
    }

    /// Reads a text; `file` is what errors call it.
    ///
    /// # Errors
    /// As for [`PlaybookFile::load`].
    pub fn parse(text: &str, file: &Path) -> Result<Self, ConfigError> {
        Self::parse_with(text, file, actions::all())
    }

    /// The same where these are the actions that there are.
    ///
    /// # Errors
    /// As for [`PlaybookFile::load`].
    pub fn parse_with(text: &str, file: &Path, actions: &[&dyn Action]) -> Result<Self, ConfigError> {
        let (playbook, calls) = load::parse_by(&FILE, text, file, |at| envelope::playbook(at, actions))?;
        Ok(PlaybookFile { playbook, path: file.to_owned(), text: text.to_owned(), calls })
    }

    /// The names of the playbooks that it calls.
    pub fn called(&self) -> impl Iterator<Item = &str> {
        self.calls.iter().map(|call| call.name.as_str())
    }
}
