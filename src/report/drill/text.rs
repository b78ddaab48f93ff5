use super::{
    super::{bytes, table},
    achieved, clock, length, objective, outcome, restores, staging, verdict,
};
use crate::{
    catalogue::{Drill, Noted, Signature},
    drill::Detail,
    point::Evidence,
};
use std::{collections::BTreeSet, fmt::Write};

/// What `lifeboat drill run` and `drill show` tell.
pub fn drill_text(it: &Evidence) -> String {
    let mut out = format!("Drill {} ({}): {}\n", it.id, it.plan.name, verdict(it.verdict));
    for reason in &it.reasons {
        let _ = writeln!(out, "  {reason}");
    }
    let mut line = |name: &str, value: String| {
        let _ = writeln!(out, "  {name:14}  {value}");
    };
    match &it.point {
        Some(point) => {
            let size = bytes(point.artifacts.iter().map(|artifact| artifact.stored_bytes).sum());
            line("recovery point", format!("{} ({size}, {} of {})", point.id, it.pick.rule, it.pick.among));
        }
        None => line("recovery point", format!("none could be used ({})", it.pick.rule)),
    }
    line("restored", restores(it));
    line("staging", staging(it));
    line("RPO", objective(&it.rpo));
    line("RTO", objective(&it.rto));
    let phases: Vec<String> = it
        .phases
        .iter()
        .map(|phase| {
            let word = if phase.done { "" } else { ", broken off" };
            format!("{} {}{word}", phase.phase, length(phase.took_ms))
        })
        .collect();
    line("phases", phases.join(" · "));
    let gone = it.cleanup.iter().filter(|removed| removed.gone).count();
    line(
        "clean-up",
        match it.cleanup.len() {
            0 => "there was nothing to take away".to_owned(),
            all if all == gone => format!("all {all} things that were made are gone"),
            all => format!("{} OF {all} THINGS ARE STILL THERE", all - gone),
        },
    );
    if !it.checks.is_empty() {
        out.push_str("\nChecks\n");
        let rows = it
            .checks
            .iter()
            .map(|check| vec![format!("  {}", outcome(check)), check.name.clone(), check.actual.clone()]);
        let rows: Vec<_> = rows.collect();
        for row in table(&["", "", ""], rows).lines().skip(1) {
            let _ = writeln!(out, "{row}");
        }
    }
    let (mut found, mut expected) = (String::new(), 0);
    for (check, finding) in
        it.checks.iter().flat_map(|check| check.findings.iter().map(move |it| (check, it)))
    {
        match finding.expected_because {
            Some(_) => expected += finding.objects,
            None => {
                let _ = writeln!(found, "  {:7}  {}: {}", outcome(check), finding.id, finding.message);
            }
        }
    }
    if !found.is_empty() {
        let _ = write!(out, "\nFindings\n{found}");
    }
    if expected > 0 {
        let _ = writeln!(out, "\n{expected} differences have to be: `lifeboat drill report` says why");
    }
    out
}

/// What the findings are about, by name: for whoever ran the drill.
pub fn drill_details(it: &Evidence, details: &[Detail]) -> String {
    const MOST: usize = 40;
    let mut out = String::new();
    let counts: BTreeSet<&str> = it.findings().map(|(_, finding)| finding.id.as_str()).collect();
    let details: Vec<&Detail> = details.iter().filter(|detail| counts.contains(&*detail.finding)).collect();
    if !details.is_empty() {
        out.push_str("\nBy name (sealed beside the evidence, not in it)\n");
    }
    for detail in details.iter().take(MOST) {
        let _ = writeln!(out, "  {}  {}: {}", detail.finding, detail.object, detail.what);
    }
    if details.len() > MOST {
        let _ = writeln!(out, "  … and {} more", details.len() - MOST);
    }
    out
}

/// A note about a drill, for people.
pub fn drill_note(noted: &Noted) -> String {
    match noted.trusted() {
        Err(e) => format!("\nA note that is not believed: {e}\n"),
        Ok(note) => {
            let about = note.finding.as_deref().unwrap_or("the drill");
            let mut text = format!("\n{}: {} (noted by {}, {})", about, note.action, note.by, clock(note.at));
            let mut more = |name: &str, value: Option<String>| {
                if let Some(value) = value {
                    let _ = write!(text, "; {name} {value}");
                }
            };
            more("owner", note.owner.clone());
            more("due", note.due.clone());
            more("retested by", note.retested_by.as_ref().map(ToString::to_string));
            text.push('\n');
            text
        }
    }
}

/// The drills of a cluster.
pub fn drills(drills: &[Drill]) -> String {
    if drills.is_empty() {
        return "there was no drill yet: `lifeboat drill run`".to_owned();
    }
    let rows = drills.iter().map(|drill| {
        let signature = match &drill.signature {
            Signature::Holds => "holds".to_owned(),
            Signature::NotChecked => "not checked".to_owned(),
            Signature::Bad(why) => format!("BAD: {why}"),
        };
        match &drill.evidence {
            Err(e) => vec![
                drill.id.to_string(),
                String::new(),
                format!("cannot be read: {e}"),
                String::new(),
                String::new(),
                String::new(),
                signature,
            ],
            Ok(it) => vec![
                drill.id.to_string(),
                it.plan.name.clone(),
                it.verdict.to_string(),
                it.point.as_ref().map_or_else(|| "-".to_owned(), |point| point.id.to_string()),
                achieved(&it.rpo),
                achieved(&it.rto),
                signature,
            ],
        }
    });
    table(&["drill", "name", "verdict", "point", "rpo", "rto", "signature"], rows)
}
