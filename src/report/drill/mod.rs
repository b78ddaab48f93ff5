//! What came of a drill: for a terminal, for a ticket (Markdown), and as a page that stands alone (HTML).

pub(super) mod chart;
mod html;
mod markdown;
mod text;

pub use html::drill_html;
pub use markdown::drill_markdown;
pub use text::{drill_details, drill_note, drill_text, drills};

use super::duration;
use crate::point::{CheckOutcome, CheckResult, DrillVerdict, Evidence, Objective, Restores, Severity};
use jiff::Timestamp;
use std::time::Duration;

pub(super) fn length(ms: u64) -> String {
    duration(Duration::from_millis(ms))
}

/// A moment, to the second, in UTC.
pub(super) fn clock(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// A verdict in words, of which the first is enough.
pub(super) fn verdict(verdict: DrillVerdict) -> &'static str {
    match verdict {
        DrillVerdict::Passed => "PASSED",
        DrillVerdict::ObjectiveMissed => "OBJECTIVE MISSED",
        DrillVerdict::ChecksFailed => "FAILED: what came back is not what was saved",
        DrillVerdict::Failed => "FAILED: it did not come to its end",
        DrillVerdict::Stopped => "STOPPED",
    }
}

/// `2.3 s, at most 5 min 0 s: met`.
pub(super) fn objective(it: &Objective) -> String {
    let measured = it.measured_ms.map_or_else(|| "not measured".to_owned(), length);
    match it.objective_ms {
        None => format!("{measured}; there is no objective"),
        Some(most) => {
            let word = if it.missed() { "MISSED" } else { "met" };
            format!("{measured}; at most {}: {word}", length(most))
        }
    }
}

/// What was measured, and whether it was too much: `2.3 s (missed)`.
pub(super) fn achieved(it: &Objective) -> String {
    let word = if it.missed() { " (missed)" } else { "" };
    it.measured_ms.map_or_else(|| "-".to_owned(), length) + word
}

fn outcome(check: &CheckResult) -> &'static str {
    match (check.outcome, check.severity) {
        (CheckOutcome::Passed, _) => "passed",
        (CheckOutcome::Skipped, _) => "skipped",
        (CheckOutcome::Failed, Severity::Error) => "FAILED",
        (CheckOutcome::Failed, Severity::Warning) => "warning",
    }
}

/// How long the evidence is kept, in words.
fn kept(evidence: &Evidence) -> String {
    let Some(retain) = &evidence.retain else { return "for ever: nothing else was said".to_owned() };
    let until = retain.until.map(|until| format!("until {} UTC", clock(until)));
    let last = retain.last.map(|n| format!("as long as it is one of the last {n} of its name"));
    until.into_iter().chain(last).collect::<Vec<_>>().join(", and ")
}

/// What was restored, in words.
fn restores(evidence: &Evidence) -> String {
    let of_others = evidence.staging.as_ref().is_some_and(|staging| staging.provider == "existing");
    let word = |it: &Restores| match it {
        Restores::Etcd => "the snapshot of etcd",
        Restores::Resources if of_others => "the export, beside what others have in a cluster",
        Restores::Resources => "the export, into an empty cluster",
    };
    let words: Vec<&str> = evidence.plan.restores.iter().map(word).collect();
    words.join("; ")
}

/// What staging was made of, and where it was.
fn staging(evidence: &Evidence) -> String {
    let Some(staging) = &evidence.staging else { return "it did not come to a staging".to_owned() };
    let programs: Vec<String> =
        staging.programs.iter().map(|program| format!("{} {}", program.name, program.version)).collect();
    let server = staging.server.as_deref().unwrap_or("it never answered");
    format!("{} `{}` ({}), {server}", staging.provider, staging.name, programs.join(", "))
}
