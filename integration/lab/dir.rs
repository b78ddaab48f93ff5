//! A private directory that goes away, unless what was done in it failed.

use std::path::Path;

use anyhow::{Context, Result};
use tempfile::TempDir;

/// The directory of one lab.
#[derive(Debug)]
pub struct LabDir(TempDir);

impl LabDir {
    /// Makes one under the system's directory for temporary files.
    pub fn new() -> Result<Self> {
        Ok(Self(tempfile::Builder::new().prefix("lifeboat-lab-").tempdir()?))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Removes it after success and keeps it after an error, whose message then says where.
    pub fn close<T>(mut self, outcome: Result<T>) -> Result<T> {
        self.0.disable_cleanup(outcome.is_err());
        outcome.with_context(|| format!("logs and data are kept in {}", self.path().display()))
    }
}

impl Drop for LabDir {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.disable_cleanup(true);
            eprintln!("logs and data are kept in {}", self.path().display());
        }
    }
}
