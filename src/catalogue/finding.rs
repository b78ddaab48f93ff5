use crate::point::PointId;
use serde::Serialize;
use std::fmt;

/// How grave a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// It holds.
    Ok,
    /// Worth knowing.
    Info,
    /// It could not be checked, or deserves a look.
    Warning,
    /// It does not hold.
    Error,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Level::Ok => "ok",
            Level::Info => "info",
            Level::Warning => "warning",
            Level::Error => "error",
        })
    }
}

/// One thing that was checked, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How grave it is.
    pub level: Level,
    /// The object or artifact.
    pub about: String,
    /// What was found, and what to do about it.
    pub message: String,
}

/// Everything that was found about one recovery point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// The recovery point.
    pub id: PointId,
    /// In the order in which it was looked at.
    pub findings: Vec<Finding>,
}

impl Verdict {
    pub(super) fn new(id: PointId) -> Self {
        Verdict { id, findings: Vec::new() }
    }

    pub(super) fn add(&mut self, level: Level, about: impl Into<String>, message: impl Into<String>) {
        self.findings.push(Finding { level, about: about.into(), message: message.into() });
    }

    /// The gravest level among the findings.
    pub fn worst(&self) -> Level {
        self.findings.iter().map(|f| f.level).max().unwrap_or(Level::Ok)
    }
}
