//! What a drill checks. Each file is a family; each result says what should be, what is, and how that was found out.
//!
//! ```text
//!   the stored bytes ─▶ stored (signature, digests, revision, kv-hash)
//!   the comparison of the export with the staging ─▶ objects (expected), counts, discovery, secrets (encryption)
//!   every object of the staging as it is read ─▶ references, asked (what the drill's file asks for)
//!   what became of the export, where it was restored ─▶ restored, agreement (as objects)
//!   what runs in staging ─▶ workloads (ready), service (probes, commands in pods), command
//!   at last, for it changes staging ─▶ rehearsal (of playbooks)
//! ```
//!
//! A finding counts objects by type. Their names go into the details, which are sealed: the evidence is for everybody who
//! can read the store.

mod asked;
mod command;
mod encryption;
mod expected;
mod objects;
mod references;
mod rehearsal;
mod restored;
mod served;
mod service;
mod stored;
mod versions;
mod workloads;

pub use asked::{Ask, Asked, Bound};
pub use command::Command;
pub(super) use command::commands;
pub(super) use encryption::encryption;
pub(super) use objects::{Compared, agree, compare};
pub(super) use rehearsal::rehearsals;
pub use rehearsal::{Rehearsal, Rehearse, Rehearsed, Stage};
pub(super) use restored::{occupied, restored};
pub use service::{Exec, Probe};
pub(super) use service::{execs, probes};
pub(super) use stored::stored;
pub(super) use versions::{identity, versions};
pub use workloads::Ready;
pub(super) use workloads::ready;

use crate::point::{CheckOutcome, CheckResult, DrillFinding, Severity};
use serde::Serialize;
use std::{collections::BTreeMap, time::Duration};

/// No more of the names of what was found are kept.
const MOST_DETAILS: usize = 20_000;

/// How much each check counts: one that is not named counts as it does by itself, one that is `None` is left out.
pub type Severities = BTreeMap<String, Option<Severity>>;

/// What a finding is about, by name. It never leaves the machine in the clear.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Detail {
    /// The finding in the evidence that it belongs to.
    pub finding: String,
    /// The object.
    pub object: String,
    /// What is with it.
    pub what: String,
}

/// The results of the checks, in their order.
#[derive(Debug, Default)]
pub(super) struct Results {
    severities: Severities,
    pub(super) checks: Vec<CheckResult>,
    pub(super) details: Vec<Detail>,
}

/// One check while its result comes together.
pub(super) struct Check {
    name: String,
    expected: String,
    findings: Vec<DrillFinding>,
    details: Vec<Detail>,
}

impl Check {
    pub(super) fn new(name: &str, expected: impl Into<String>) -> Self {
        Check { name: name.to_owned(), expected: expected.into(), findings: Vec::new(), details: Vec::new() }
    }

    /// Notes what should not be.
    pub(super) fn found(&mut self, message: impl Into<String>, objects: u64) {
        self.group(message.into(), objects, None, Vec::new());
    }

    /// Notes something about some objects, and their names; with a reason it is as it has to be.
    pub(super) fn group(
        &mut self,
        message: String,
        objects: u64,
        expected_because: Option<&str>,
        names: Vec<(String, String)>,
    ) {
        let id = format!("{}-{}", self.name, self.findings.len() + 1);
        let of = |(object, what)| Detail { finding: id.clone(), object, what };
        self.details.extend(names.into_iter().map(of));
        let expected_because = expected_because.map(str::to_owned);
        self.findings.push(DrillFinding { id, message: plain(&message), objects, expected_because });
    }

    /// Is there anything that should not be?
    pub(super) fn fails(&self) -> bool {
        self.findings.iter().any(|finding| finding.expected_because.is_none())
    }
}

impl Results {
    pub(super) fn new(severities: Severities) -> Self {
        Results { severities, ..Results::default() }
    }

    /// Is this check asked for?
    pub(super) fn wants(&self, name: &str) -> bool {
        self.severities.get(name).is_none_or(Option::is_some)
    }

    /// The check has come to its end: it fails if anything was found that should not be.
    pub(super) fn end(&mut self, check: Check, actual: impl Into<String>, took: Duration) {
        let outcome = if check.fails() { CheckOutcome::Failed } else { CheckOutcome::Passed };
        self.push(check, outcome, actual.into(), took);
    }

    /// There is nothing that it could look at, and why.
    pub(super) fn skip(&mut self, name: &str, expected: &str, why: impl Into<String>) {
        self.push(Check::new(name, expected), CheckOutcome::Skipped, why.into(), Duration::ZERO);
    }

    /// It could not be looked at, though it was asked for: it fails.
    pub(super) fn refuse(&mut self, name: &str, why: &str) {
        let mut check = Check::new(name, "it holds");
        check.found(why, 0);
        self.end(check, "it could not be looked at", Duration::ZERO);
    }

    fn push(&mut self, check: Check, outcome: CheckOutcome, actual: String, took: Duration) {
        let own = if check.name == references::NAME { Severity::Warning } else { Severity::Error };
        let severity = match self.severities.get(&check.name) {
            Some(None) => return,
            Some(Some(severity)) => *severity,
            None => own,
        };
        let room = MOST_DETAILS.saturating_sub(self.details.len());
        self.details.extend(check.details.into_iter().take(room));
        self.checks.push(CheckResult {
            name: check.name,
            severity,
            outcome,
            expected: plain(&check.expected),
            actual: plain(&actual),
            findings: check.findings,
            took_ms: super::timing::millis(took),
        });
    }

    /// The checks that count and do not hold.
    pub(super) fn failed(&self) -> Vec<&CheckResult> {
        let counts =
            |check: &&CheckResult| check.outcome == CheckOutcome::Failed && check.severity == Severity::Error;
        self.checks.iter().filter(counts).collect()
    }
}

/// A text of one line: what a server said is not always one, and evidence holds nothing else.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// `1 object`, `3 objects`.
fn counted(n: u64, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}
