use super::{between, table};
use crate::{
    catalogue::{AtDepth, Held, LastVerified, Recorded, Records, Standing},
    point::{Facts, HoldAction, Outcome, Record},
};
use jiff::Timestamp;
use std::fmt::Write;

/// A cell of a table is not a place for a letter.
const CELL: usize = 40;

/// What is recorded of a recovery point, in cells: last verified, held, tags.
pub(super) fn cells(standing: Option<&Standing>, now: Timestamp) -> [String; 3] {
    let Some(standing) = standing else { return ["-", "-", "-"].map(str::to_owned) };
    let dash = |text: String| if text.is_empty() { "-".to_owned() } else { text };
    let verified = standing.verified.as_ref().map(|v| self::verified(v, now)).unwrap_or_default();
    let held = standing.held.as_ref().map(|held| short(&held.reason)).unwrap_or_default();
    let tags: Vec<&str> = standing.tags.iter().map(String::as_str).collect();
    [dash(verified), dash(held), dash(tags.join(" "))]
}

fn short(text: &str) -> String {
    match text.char_indices().nth(CELL) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

fn verified(last: &LastVerified, now: Timestamp) -> String {
    let age = |at: Timestamp| between(at, now);
    match (last.passed, &last.last_passed) {
        (true, _) => format!("{} ago, {}", age(last.at), last.depth),
        (false, Some(before)) => {
            format!("FAILED {} ago, {}; passed {} ago", age(last.at), last.depth, age(before.at))
        }
        (false, None) => format!("FAILED {} ago, {}", age(last.at), last.depth),
    }
}

fn outcome(at_depth: &AtDepth, now: Timestamp) -> String {
    let age = between(at_depth.at, now);
    match (at_depth.passed, at_depth.last_passed) {
        (true, _) => format!("{age} ago"),
        (false, Some(before)) => format!("FAILED {age} ago; passed {} ago", between(before, now)),
        (false, None) => format!("FAILED {age} ago"),
    }
}

/// What is recorded of one recovery point, in full.
pub(super) fn records(records: &Records, standing: &Standing, now: Timestamp) -> String {
    let mut out = String::new();
    let mut line = |name: &str, value: String| {
        let _ = writeln!(out, "{name:16}  {value}");
    };
    if let Some(held) = &standing.held {
        line("Held", hold(held));
    }
    if !standing.tags.is_empty() {
        line("Tags", standing.tags.iter().map(String::as_str).collect::<Vec<_>>().join(" "));
    }
    if let Some(last) = &standing.verified {
        line("Last verified", verified(last, now));
        // What went further is not hidden by a look at less.
        for (depth, further) in standing.depths.iter().filter(|(depth, _)| **depth > last.depth) {
            line(&format!("  and {depth}"), outcome(further, now));
        }
    }
    for doubt in &standing.doubts {
        line("Not believed", doubt.to_string());
    }
    let mut rows = Vec::new();
    rows.extend(records.holds.iter().map(|r| {
        row(r, |r| {
            let word = match r.facts.action {
                HoldAction::Hold => "held",
                HoldAction::Release => "released",
            };
            format!("{word}: {}", r.facts.reason)
        })
    }));
    rows.extend(records.tags.iter().map(|r| {
        row(r, |r| {
            let add = r.facts.add.iter().map(|tag| format!("+{tag}"));
            add.chain(r.facts.remove.iter().map(|tag| format!("-{tag}"))).collect::<Vec<_>>().join(" ")
        })
    }));
    rows.extend(records.verifications.iter().map(|r| {
        row(r, |r| {
            let (facts, found) = (&r.facts, r.facts.findings);
            match facts.outcome {
                Outcome::Passed if found.warning == 0 => format!("verified, {}: passed", facts.depth),
                Outcome::Passed => {
                    format!("verified, {}: passed, {} warnings", facts.depth, found.warning)
                }
                Outcome::Failed => {
                    let first = facts
                        .problems
                        .first()
                        .map(|p| format!("; {}: {}", p.about, p.message))
                        .unwrap_or_default();
                    format!("verified, {}: FAILED, {} errors{first}", facts.depth, found.error)
                }
            }
        })
    }));
    if !rows.is_empty() {
        rows.sort();
        let rows = rows.into_iter().map(|(_, row)| row);
        out.push_str("\nRecords\n");
        out.push_str(&table(&["  at", "by", "what"], rows));
        out.push('\n');
    }
    out
}

fn hold(held: &Held) -> String {
    let by = held.by.as_deref().map(|by| format!(", by {by}")).unwrap_or_default();
    let since = held.since.map(|at| format!(", since {at:.0}")).unwrap_or_default();
    format!("{}{by}{since}", held.reason)
}

fn row<T: Facts>(
    recorded: &Recorded<T>,
    what: impl FnOnce(&Record<T>) -> String,
) -> (Timestamp, Vec<String>) {
    let (at, by, mut said) = match &recorded.record {
        Ok(record) => (record.at, record.by.clone(), what(record)),
        Err(e) => (recorded.id.time().unwrap_or_default(), "-".to_owned(), format!("NOT READABLE: {e}")),
    };
    if recorded.record.is_ok()
        && let Some(doubt) = recorded.doubt()
    {
        said = format!("NOT BELIEVED ({}): {said}", doubt.why);
    }
    (at, vec![format!("  {at:.0}"), by, said])
}
