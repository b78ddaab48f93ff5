//! What is told: one JSON document for each thing that happened.

use crate::point::{
    CheckOutcome, CheckResult, DrillVerdict, End, Evidence, Failing, Severity, Turn, TurnOutcome,
};
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
    /// What it is about there, such as `drill/weekly`: a later message of it tells that it came right, or still is not.
    pub topic: String,
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
            topic: format!("drill/{name}"),
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

    /// How a run of a schedule ended. `before`: how long it had been failing until then. `runs` is what the schedule does, `by` the
    /// daemon that says it.
    pub fn of_run(
        cluster: &str,
        (turn, runs): (&Turn, &str),
        end: &End,
        before: Option<Failing>,
        by: &str,
    ) -> Self {
        let ok = end.outcome == TurnOutcome::Completed;
        let outcome = end.outcome.as_str().replace('-', " ");
        let why = end.message.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        let (event, rest) = match (ok, before) {
            (true, None) => ("run.succeeded", String::new()),
            (true, Some(before)) => {
                let times = if before.times == 1 { "one".to_owned() } else { before.times.to_string() };
                ("run.recovered", format!(", after {times} that failed since {}", clock(before.since)))
            }
            (false, _) => {
                let again = end.failing.filter(|it| it.times > 1);
                let again = again.map(|it| format!("; failed {} times since {}", it.times, clock(it.since)));
                ("run.failed", why + &again.unwrap_or_default())
            }
        };
        Message {
            version: FORM,
            event,
            key: format!("run-{cluster}-{turn}"),
            at: end.ended,
            cluster: cluster.to_owned(),
            topic: format!("schedule/{}", turn.schedule),
            ok,
            summary: format!("The run of `{}` ({runs}) ended: {outcome}{rest}", turn.schedule),
            details: json!({
                "schedule": turn.schedule,
                "runs": runs,
                "run": turn,
                "outcome": end.outcome,
                "began": end.began,
                "ended": end.ended,
                "made": end.made,
                "reason": end.message,
                "failing": end.failing.or(before),
                "daemon": by,
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
            topic: format!("playbook/{key}"),
            ok,
            summary,
            details,
        }
    }
}

/// A moment, as people read it.
pub(super) fn clock(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_told_in_one_sentence() {
        let turn: Turn = "hourly/20261129T150000Z-1".parse().unwrap();
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let told = |outcome, before: Option<Failing>| {
            let end = End::new(outcome, turn.due, at("2026-11-29T15:02:00Z")).saying("no member answers");
            let message = Message::of_run("prod", (&turn, "backup"), &end.after(before, true), before, "cp1");
            assert_eq!(message.key, "run-prod-hourly/20261129T150000Z-1");
            assert_eq!(message.topic, "schedule/hourly");
            (message.event, message.ok, message.summary)
        };
        let since = at("2026-11-29T13:00:00Z");
        let failing = |times| Some(Failing { since, last: since, times });
        let of = |event, ok, rest: &str| (event, ok, format!("The run of `hourly` (backup) ended: {rest}"));
        assert_eq!(told(TurnOutcome::Completed, None), of("run.succeeded", true, "completed"));
        assert_eq!(
            told(TurnOutcome::PartiallyFailed, None),
            of("run.failed", false, "partially failed: no member answers")
        );
        assert_eq!(
            told(TurnOutcome::Failed, failing(1)),
            of("run.failed", false, "failed: no member answers; failed 2 times since 2026-11-29 13:00:00Z")
        );
        assert_eq!(
            told(TurnOutcome::Completed, failing(2)),
            of("run.recovered", true, "completed, after 2 that failed since 2026-11-29 13:00:00Z")
        );
    }
}
