//! What is told: one JSON document for each thing that happened.

use crate::point::{CheckOutcome, CheckResult, DrillVerdict, Evidence, Severity};
use bytes::Bytes;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

/// The version of the message's form.
const FORM: &str = "1";

/// What somebody is told.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// The version of this form.
    version: &'static str,
    /// What happened, such as `drill.ended`.
    pub event: &'static str,
    /// The same for each try to deliver it, and of no other message.
    pub key: String,
    /// When it happened.
    pub at: Timestamp,
    /// The cluster that it is about.
    pub cluster: String,
    /// Did it go well?
    pub ok: bool,
    /// In one sentence.
    pub summary: String,
    /// What there is to know of it beside that.
    pub details: Value,
}

impl Message {
    /// What came of a drill. `place` is where its evidence is, if it was recorded.
    pub fn of_drill(evidence: &Evidence, place: Option<&str>) -> Self {
        let ok = evidence.verdict == DrillVerdict::Passed;
        let name = &evidence.plan.name;
        let point = evidence.point.as_ref().map(|point| point.id.to_string());
        let of = point.as_ref().map(|id| format!(" of {id}")).unwrap_or_default();
        let why = match evidence.reasons.as_slice() {
            [] => String::new(),
            [only] => format!(": {only}"),
            [first, rest @ ..] => format!(": {first} (and {} more)", rest.len()),
        };
        let count = |outcome| evidence.checks.iter().filter(|check| check.outcome == outcome).count();
        let failed = |severity| {
            let of =
                |check: &&CheckResult| check.outcome == CheckOutcome::Failed && check.severity == severity;
            evidence.checks.iter().filter(of).count()
        };
        Message {
            version: FORM,
            event: "drill.ended",
            key: format!("drill-{}", evidence.id),
            at: evidence.ended,
            cluster: evidence.cluster.clone(),
            ok,
            summary: format!("The drill `{name}`{of} ended: {}{why}", evidence.verdict),
            details: json!({
                "drill": evidence.id,
                "name": name,
                "verdict": evidence.verdict,
                "reasons": evidence.reasons,
                "point": point,
                "staging": evidence.staging.as_ref().map(|staging| &staging.provider),
                "by": evidence.by,
                "began": evidence.began,
                "rpo": evidence.rpo,
                "rto": evidence.rto,
                "checks": {
                    "passed": count(CheckOutcome::Passed),
                    "failed": failed(Severity::Error),
                    "warnings": failed(Severity::Warning),
                    "skipped": count(CheckOutcome::Skipped),
                },
                "evidence": place,
            }),
        }
    }

    /// What a step of a playbook says: in one sentence, whether it is good news, and what there is to know beside that.
    pub fn of_playbook(
        cluster: &str,
        at: Timestamp,
        key: &str,
        (summary, ok): (&str, bool),
        details: Value,
    ) -> Self {
        let (cluster, summary) = (cluster.to_owned(), summary.to_owned());
        Message {
            version: FORM,
            event: "playbook.told",
            key: format!("playbook-{key}"),
            at,
            cluster,
            ok,
            summary,
            details,
        }
    }

    /// The bytes that are sent and signed.
    pub(super) fn body(&self) -> Bytes {
        // What it holds can be written.
        serde_json::to_vec(self).unwrap_or_default().into()
    }
}
