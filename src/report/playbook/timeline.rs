//! What happened, for the post-mortem: in lines, in Markdown and as a page that stands alone.

use super::{
    super::{
        HowToVerify,
        page::{Page, escaped, short, sums, words},
    },
    AccessPeriod,
};
use crate::{
    object::plain,
    playbook::{Entry, RunEnd, StepEnd, What, op::Op, plan::Plan},
    point::RunRecord,
};
use std::fmt::Write;

/// So many characters of what a step brought are shown.
const LONGEST: usize = 400;

/// One entry of a journal as a line for a terminal; none for what nobody has to see.
pub fn entry_line(entry: &Entry) -> Option<String> {
    let time = entry.at.strftime("%H:%M:%S");
    told(&entry.what).map(|(what, step)| {
        // Prompts and answers may quote what somebody wrote into an object: it does not get at the terminal, and makes no entries.
        let what = what.lines().map(plain).collect::<Vec<_>>().join("\n          ");
        match step {
            Some(step) => format!("{time}  {step:<24} {what}"),
            None => format!("{time}  {what}"),
        }
    })
}

/// What an entry says, in words, and of which step.
fn told(what: &What) -> Option<(String, Option<&str>)> {
    let first = |op: &Op| op.to_string().lines().next().unwrap_or_default().to_owned();
    Some(match what {
        What::Begun { by, plan } => (format!("the run begins, by {by}, with the plan {plan}"), None),
        What::Resumed { by } => (format!("the run goes on, by {by}"), None),
        What::StepBegun { .. } | What::UndoIntent { .. } => return None,
        What::Waiting { step, prompt } => (format!("WAITS for an answer: {prompt}"), Some(step)),
        What::Answered { step, approved, by, told } => {
            let word = if *approved { "approved" } else { "not approved" };
            let by = if by.is_empty() {
                "nobody answered in time".to_owned()
            } else {
                format!("by {}", by.join(", "))
            };
            let told: Vec<String> = told.iter().map(|(name, value)| format!("; {name}: {value}")).collect();
            (format!("{word}, {by}{}", told.concat()), Some(step))
        }
        What::Planned { step, ops, .. } => (format!("planned now: {} calls", ops.len()), Some(step)),
        What::Intent { step, what_is_done, r#try, .. } => {
            let again = if *r#try > 1 { format!(" (try {try})") } else { String::new() };
            (format!("{}{again}", first(what_is_done)), Some(step))
        }
        What::Done { step, outcome, found, .. } => {
            let found = if *found { "found done" } else { "done" };
            let said = outcome.said.as_ref().map(|said| format!(": {said}")).unwrap_or_default();
            (format!("  {found}{said}"), Some(step))
        }
        What::NotDone { step, why, .. } => (format!("  NOT DONE: {why}"), Some(step)),
        What::Kept { step, name, bytes, .. } => (format!("  kept {name}, {bytes} bytes"), Some(step)),
        What::StepEnded { step, end, .. } => match end {
            StepEnd::Done => ("ok".to_owned(), Some(step)),
            StepEnd::Skipped { why } => (format!("passed over: {why}"), Some(step)),
            StepEnd::Failed { why } => (format!("FAILED: {why}"), Some(step)),
        },
        What::UndoBegun { by } => (format!("what was done is taken back, by {by}"), None),
        What::Undone { step, outcome, .. } => {
            let said = outcome.said.as_ref().map(|said| format!(": {said}")).unwrap_or_default();
            (format!("  taken back{said}"), Some(step))
        }
        What::NotUndone { step, why, .. } => (format!("  STAYS: {why}"), Some(step)),
        What::UndoEnded { left: 0 } => ("everything was taken back".to_owned(), None),
        What::UndoEnded { left } => (format!("{left} things could not be taken back"), None),
        What::Ended { end, why } => {
            let why = why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
            (format!("{}{why}", run_end(*end)), None)
        }
    })
}

fn run_end(end: RunEnd) -> &'static str {
    match end {
        RunEnd::Completed => "COMPLETED",
        RunEnd::PartiallyFailed => "PARTIALLY FAILED",
        RunEnd::Failed => "FAILED",
        RunEnd::RolledBack => "ROLLED BACK",
        RunEnd::Stopped => "STOPPED",
    }
}

/// Before and after, and what was not proven.
fn details(what: &What) -> Vec<String> {
    match what {
        What::Intent { what_is_done: Op::Change(change), .. } => {
            change.fields.iter().map(ToString::to_string).collect()
        }
        What::StepEnded { end: StepEnd::Done, result: Some(result), .. } if !result.is_null() => {
            let text = result.to_string();
            let cut = text.char_indices().nth(LONGEST).map_or(text.len(), |(at, _)| at);
            vec![format!("{}{}", &text[..cut], if cut < text.len() { "…" } else { "" })]
        }
        _ => Vec::new(),
    }
}

/// What was done without proof: steps that failed or were passed over, and what stays.
fn unproven(entries: &[Entry]) -> Vec<String> {
    let found = entries.iter().filter_map(|entry| match &entry.what {
        What::StepEnded { step, end: StepEnd::Failed { why }, .. } => Some(format!("{step} failed: {why}")),
        What::StepEnded { step, end: StepEnd::Skipped { why }, .. } => {
            Some(format!("{step} was passed over: {why}"))
        }
        What::NotUndone { step, why, .. } => Some(format!("{step} was not taken back: {why}")),
        _ => None,
    });
    found.collect()
}

/// The timeline for a ticket, or a repository.
pub fn timeline_markdown(
    plan: &Plan,
    entries: &[Entry],
    record: Option<&RunRecord>,
    access: &AccessPeriod,
    how: Option<&HowToVerify>,
) -> String {
    let mut out = String::new();
    let cell = |text: &str| {
        let text = plain(&text.replace(['\n', '\r'], " "));
        text.replace('\\', "\\\\").replace('|', "\\|").replace('<', "&lt;")
    };
    let _ =
        writeln!(out, "# {}: run {}\n\n{}\n", plan.playbook.name, plan.run, cell(&plan.playbook.description));
    let end = record.map_or("as it stands here", |record| record.end.as_str());
    let _ = writeln!(out, "| | |\n|---|---|\n| Ended | {} |\n| Started by | {} |", cell(end), cell(&plan.by));
    let _ = writeln!(
        out,
        "| Cluster | {} at {} |\n| As | {} |",
        cell(&plan.target.cluster),
        cell(&plan.target.server),
        cell(&plan.target.identity)
    );
    let _ = writeln!(out, "| Plan | `{}` |\n", plan.digest());
    out.push_str("## What happened\n\nTimes are UTC.\n\n| When | Step | What |\n|---|---|---|\n");
    for entry in entries {
        let Some((what, step)) = told(&entry.what) else { continue };
        let mut what = cell(&what);
        for detail in details(&entry.what) {
            let _ = write!(what, "<br>`{}`", cell(&detail).replace('`', "'"));
        }
        let _ = writeln!(
            out,
            "| {} | {} | {what} |",
            entry.at.strftime("%Y-%m-%d %H:%M:%S"),
            cell(step.unwrap_or(""))
        );
    }
    let unproven = unproven(entries);
    if !unproven.is_empty() {
        out.push_str("\n## What was not done, or not proven\n\n");
        for text in unproven {
            let _ = writeln!(out, "- {}", cell(&text));
        }
    }
    access.markdown(&mut out, &cell);
    if let Some(record) = record.filter(|record| !record.kept.is_empty()) {
        out.push_str("\n## Evidence that was kept\n\n| What | Bytes | SHA-256 |\n|---|---|---|\n");
        for kept in &record.kept {
            let _ = writeln!(out, "| {} | {} | `{}` |", cell(&kept.key), kept.bytes, kept.sha256);
        }
    }
    if let Some(how) = how {
        let _ = writeln!(
            out,
            "\n## How to verify\n\nIn `{}`:\n\n```sh\n{}\n```\n\nIt has to print the comment `{}`.",
            how.place, how.command, how.comment
        );
    }
    out
}

/// The timeline as one page that needs nothing else.
pub fn timeline_html(
    plan: &Plan,
    entries: &[Entry],
    record: Option<&RunRecord>,
    access: &AccessPeriod,
    how: Option<&HowToVerify>,
) -> String {
    let end = record.map_or("not recorded", |record| record.end.as_str());
    let class = match end {
        "completed" => "good",
        "partially-failed" | "stopped" | "rolled-back" | "undone" => "late",
        _ => "bad",
    };
    let title = format!("{}, run {}", plan.playbook.name, plan.run);
    let mut page = Page::begin(
        &title,
        class,
        &format!("Playbook run on cluster {}", plan.target.cluster),
        &plan.playbook.name,
        end,
    );
    page.raw(&format!("<p>{}</p></header>\n", escaped(&plan.playbook.description)));
    page.section("The run");
    let rows = [
        ("Run", plan.run.to_string()),
        ("Started by", plan.by.clone()),
        ("As", plan.target.identity.clone()),
        ("API server", plan.target.server.clone()),
        ("Plan", plan.digest().to_string()),
    ];
    let params = plan.params.iter().map(|(name, value)| [name.clone(), value.to_string()]);
    let rows = rows.into_iter().map(|(name, value)| [name.to_owned(), value]).chain(params);
    page.facts("What was run", &rows.collect::<Vec<_>>());
    page.end();
    page.section("What happened");
    page.raw("<table class=\"stack timeline\"><caption>Times are UTC</caption><thead><tr><th scope=\"col\">When</th><th scope=\"col\">Step</th><th scope=\"col\">What</th></tr></thead><tbody>");
    for entry in entries {
        let Some((what, step)) = told(&entry.what) else { continue };
        let class = match &entry.what {
            What::StepEnded { end: StepEnd::Failed { .. }, .. }
            | What::NotDone { .. }
            | What::NotUndone { .. } => "bad",
            What::Waiting { .. } | What::Answered { .. } => "late",
            What::StepEnded { end: StepEnd::Done, .. } => "good",
            _ => "",
        };
        page.raw(&format!(
            "<tr class=\"{class}\"><td>{}</td><th scope=\"row\">{}</th><td>{}",
            entry.at.strftime("%Y-%m-%d %H:%M:%S"),
            escaped(step.unwrap_or_default()),
            escaped(what.trim()),
        ));
        let details = details(&entry.what);
        if !details.is_empty() {
            page.list(details.iter().map(|it| format!("<code>{}</code>", escaped(it))));
        }
        page.raw("</td></tr>");
    }
    page.raw("</tbody></table>");
    page.end();
    let unproven = unproven(entries);
    if !unproven.is_empty() {
        page.section("What was not done, or not proven");
        page.list(unproven.iter().map(|it| escaped(it)));
        page.end();
    }
    access.html(&mut page);
    if let Some(record) = record.filter(|record| !record.kept.is_empty()) {
        page.section("Evidence that was kept");
        let rows =
            record.kept.iter().map(|it| vec![it.key.clone(), it.bytes.to_string(), it.sha256.to_string()]);
        page.table("Sealed in the store", &[words("What"), short("Bytes"), sums("SHA-256")], rows);
        page.end();
    }
    if let Some(how) = how {
        page.section("How to verify");
        page.raw(&format!(
            "<p>In <code>{}</code>:</p><pre>{}</pre><p>It has to print the comment <code>{}</code>.</p>",
            escaped(&how.place),
            escaped(&how.command),
            escaped(&how.comment)
        ));
        page.end();
    }
    page.finish()
}
