use super::{
    super::{HowToVerify, bytes},
    clock, kept, length, objective, outcome, restores, staging, verdict,
};
use crate::point::{DrillNote, Evidence};
use std::fmt::Write;

/// The report as Markdown.
pub fn drill_markdown(it: &Evidence, notes: &[DrillNote], how: &HowToVerify) -> String {
    let mut out = format!("# Restore drill {}: {}\n\n", plain(&it.plan.name), verdict(it.verdict));
    for reason in &it.reasons {
        let _ = writeln!(out, "- **{}**", plain(reason));
    }
    let mut rows: Vec<[String; 2]> = Vec::new();
    let mut row = |name: &str, value: String| rows.push([name.to_owned(), value]);
    row("Drill", it.id.to_string());
    row("Cluster", it.cluster.clone());
    row("Scenario", it.plan.scenario.clone().unwrap_or_else(|| "not described".to_owned()));
    row("Began, ended (UTC)", format!("{}, {}", clock(it.began), clock(it.ended)));
    row("Started by", it.by.clone());
    row("Approved by", it.plan.approved_by.clone().unwrap_or_else(|| "nobody had to".to_owned()));
    row("Program", format!("{} {}", it.tool.name, it.tool.version));
    if let Some(sha256) = &it.plan.sha256 {
        row("SHA-256 of the drill's file", sha256.to_string());
    }
    row("RPO", objective(&it.rpo));
    row("RTO", objective(&it.rto));
    row("Restored", restores(it));
    row("Staging", staging(it));
    row(
        "Not looked at",
        if it.plan.exclusions.is_empty() { "nothing".to_owned() } else { it.plan.exclusions.join("; ") },
    );
    row("Kept", kept(it));
    if let Some(before) = &it.retest_of {
        row("Repeats", before.to_string());
    }
    table(&mut out, &["", ""], rows.iter().map(|row| row.to_vec()));

    out.push_str("\n## The recovery point\n\n");
    match &it.point {
        None => out.push_str("None could be used.\n"),
        Some(point) => {
            let _ = writeln!(
                out,
                "{}, taken {} UTC, from {} (rule: {}, {} to choose from). Its manifest has the SHA-256 {}.\n",
                point.id,
                clock(point.taken_at),
                plain(&point.store),
                plain(&it.pick.rule),
                it.pick.among,
                point.manifest_sha256
            );
            let artifacts = point.artifacts.iter().map(|artifact| {
                vec![
                    artifact.kind.to_string(),
                    bytes(artifact.stored_bytes),
                    artifact.stored_sha256.to_string(),
                    bytes(artifact.plain_bytes),
                    artifact.plain_sha256.to_string(),
                ]
            });
            table(&mut out, &["Artifact", "Stored", "SHA-256", "Opened", "SHA-256"], artifacts);
        }
    }
    out.push_str("\n## Phases\n\n");
    let phases = it.phases.iter().map(|phase| {
        let most = phase.objective_ms.map_or_else(|| "-".to_owned(), length);
        let done = if phase.done { "done" } else { "broken off" };
        vec![phase.phase.to_string(), length(phase.took_ms), most, done.to_owned()]
    });
    table(&mut out, &["Phase", "Took", "At most", ""], phases);

    out.push_str("\n## Checks\n\n");
    let checks = it.checks.iter().map(|check| {
        vec![outcome(check).to_owned(), check.name.clone(), check.expected.clone(), check.actual.clone()]
    });
    table(&mut out, &["", "Check", "Expected", "Actual"], checks);
    let all = || it.checks.iter().flat_map(|check| &check.findings);
    for (title, wanted) in [("Findings", false), ("Differences that have to be", true)] {
        let mut findings = all().filter(|it| it.expected_because.is_some() == wanted).peekable();
        if findings.peek().is_none() {
            continue;
        }
        let _ = write!(out, "\n### {title}\n\n");
        for finding in findings {
            let why = finding
                .expected_because
                .as_deref()
                .map(|why| format!(" ({})", plain(why)))
                .unwrap_or_default();
            let _ = writeln!(out, "- `{}` {}{why}", finding.id, plain(&finding.message));
        }
    }
    if !notes.is_empty() {
        out.push_str("\n## Corrective actions\n\n");
        let notes = notes.iter().map(|note| {
            vec![
                note.finding.clone().unwrap_or_else(|| "the drill".to_owned()),
                note.action.clone(),
                note.owner.clone().unwrap_or_default(),
                note.due.clone().unwrap_or_default(),
                note.retested_by.as_ref().map(ToString::to_string).unwrap_or_default(),
                format!("{}, {}", note.by, clock(note.at)),
            ]
        });
        table(&mut out, &["Finding", "Action", "Owner", "Due", "Retested by", "Noted"], notes);
    }
    if !it.isolation.is_empty() {
        out.push_str("\n## Segregation of staging\n\n");
        table(
            &mut out,
            &["What must not happen", "What keeps it from happening"],
            it.isolation.iter().map(|it| vec![it.threat.clone(), it.measure.clone()]),
        );
    }
    out.push_str("\n## Clean-up\n\n");
    if it.cleanup.is_empty() {
        out.push_str("Nothing had been made.\n");
    }
    for removed in &it.cleanup {
        let word = if removed.gone { "gone" } else { "STILL THERE" };
        let _ = writeln!(out, "- {}: **{word}**: {}", plain(&removed.what), plain(&removed.proof));
    }
    if !it.earlier.is_empty() {
        out.push_str("\n## Earlier drills\n\n");
        let earlier = it.earlier.iter().map(|it| {
            vec![
                it.id.to_string(),
                it.name.clone(),
                it.verdict.to_string(),
                objective(&it.rpo),
                objective(&it.rto),
            ]
        });
        table(&mut out, &["Drill", "Name", "Verdict", "RPO", "RTO"], earlier);
    }
    let _ = write!(
        out,
        "\n## How to verify this\n\nThe evidence and its signature are in {}. Fetch both into one directory; then\n\n```\n{}\n```\n\nmust say \
         `Signature and comment signature verified` and the trusted comment `{}`.\n",
        plain(&how.place),
        how.command.replace('`', "'"),
        how.comment.replace('`', "'")
    );
    out
}

fn table(out: &mut String, header: &[&str], rows: impl Iterator<Item = Vec<String>>) {
    let _ = writeln!(out, "| {} |\n|{}", header.join(" | "), " --- |".repeat(header.len()));
    for row in rows {
        let cells: Vec<String> = row.iter().map(|cell| plain(cell)).collect();
        let _ = writeln!(out, "| {} |", cells.join(" | "));
    }
}

/// Text that Markdown takes for nothing but text: nobody's name becomes a link, a table or a tag.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '#' | '~' | '!' | '&' => {
                out.extend(['\\', c])
            }
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_row_stays_a_row(cells in proptest::collection::vec("\\PC{0,12}|[|\\\\\n`<&]{0,5}", 3)) {
            let mut out = String::new();
            table(&mut out, &["a", "b", "c"], [cells].into_iter());
            prop_assert_eq!(out.lines().count(), 3);
            let row = out.lines().nth(2).unwrap();
            let mut bars = 0;
            let mut escaped = false;
            for c in row.chars() {
                bars += usize::from(c == '|' && !escaped);
                escaped = c == '\\' && !escaped;
            }
            prop_assert_eq!(bars, 4, "{}", row);
        }
    }
}
