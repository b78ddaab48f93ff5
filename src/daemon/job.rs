//! What runs, and by which rule.

use crate::schedule::Rule;
use std::{ffi::OsString, time::Duration};

/// A schedule of the configuration, ready to be kept.
#[derive(Debug, Clone)]
pub struct Job {
    /// When it runs.
    pub rule: Rule,
    /// So often a run that failed is tried again.
    pub retries: u32,
    /// A run that takes longer is stopped.
    pub timeout: Duration,
    /// What it does.
    pub work: Work,
    /// The words of its command, behind the program's name: `backup --job hourly`.
    pub command: Vec<OsString>,
}

/// What a job does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Work {
    /// Takes a recovery point.
    Backup,
    /// Deletes what retention lets go of.
    Prune,
    /// Verifies recovery points.
    Verify,
    /// Copies to other stores.
    Copy,
    /// Brings a recovery point up in staging.
    Drill,
    /// Carries out a playbook.
    Playbook,
}

impl Work {
    /// Its name, as the configuration has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Work::Backup => "backup",
            Work::Prune => "prune",
            Work::Verify => "verify",
            Work::Copy => "copy",
            Work::Drill => "drill",
            Work::Playbook => "playbook",
        }
    }
}
