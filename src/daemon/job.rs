//! What runs, and by which rule.

use super::Tell;
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
    /// Who is told how it ended.
    pub tells: Vec<Tell>,
    /// The words of its command, behind the program's name: `backup --job hourly`.
    pub command: Vec<OsString>,
}

#[cfg(test)]
impl Job {
    /// A backup at every full hour, without anything else.
    pub(super) fn hourly() -> Self {
        let rule = Rule {
            name: "hourly".into(),
            cron: "0 * * * *".parse().unwrap(),
            zone: jiff::tz::TimeZone::UTC,
            jitter: jiff::SignedDuration::ZERO,
            deadline: None,
            overlap: crate::schedule::Overlap::Forbid,
            suspended: false,
        };
        let timeout = Duration::from_secs(60);
        Job { rule, retries: 0, timeout, work: Work::Backup, tells: Vec::new(), command: Vec::new() }
    }
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
    /// Judges how things stand.
    Status,
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
            Work::Status => "status",
        }
    }
}
