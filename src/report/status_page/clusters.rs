//! The clusters: all of them in a table, with what is wrong below each, and then each by itself.

use super::{
    super::{
        between, bytes,
        drill::{chart, clock, length, objective, verdict},
        page::{Page, short, told, words},
    },
    Judged,
};
use crate::{
    catalogue::overview::{Copies, Judgement, NewestPoint, Overview, Verification},
    point::{EarlierDrill, Level, Objective},
};
use jiff::Timestamp;

/// All clusters, and what is wrong with each.
pub(super) fn summary(page: &mut Page, all: &[Judged], own: &str, now: Timestamp) {
    if all.is_empty() {
        return;
    }
    page.section("Clusters");
    let names = ["State", "Cluster", "Newest point", "Last verified", "Last passed drill", "Copies owed"];
    page.raw(
        "<table class=\"checks clusters\"><caption>How old what there is to rely on is</caption><thead><tr>",
    );
    for name in names {
        page.raw(&format!("<th scope=\"col\">{name}</th>"));
    }
    page.raw("</tr></thead>");
    for (at, (facts, judgement)) in all.iter().enumerate() {
        let (class, sign, word) = state(judgement);
        let (verified, drills) = (&facts.verified, &facts.drills);
        let cells = [
            age(facts.points.newest_completed.as_ref().and_then(|it| it.created_at), &judgement.rpo, now),
            age(verified.last_passed.as_ref().map(|it| it.at), &judgement.verified, now),
            age(drills.last_passed.as_ref().map(|it| it.ended), &judgement.drilled, now),
            told(&owed(facts, own)),
        ];
        page.raw(&format!(
            "<tbody class=\"{class}\"><tr><td><span class=\"sign\" aria-hidden=\"true\">{sign}</span> {word}</td>\
             <th scope=\"row\"><a href=\"#c{at}\">{}</a></th>",
            told(&facts.cluster)
        ));
        for (name, cell) in names[2..].iter().zip(cells) {
            page.raw(&format!("<td data-label=\"{name}: \">{cell}</td>"));
        }
        page.raw("</tr>");
        if !judgement.findings.is_empty() {
            page.raw("<tr class=\"findings\"><td colspan=\"6\">");
            page.list(judgement.findings.iter().map(|it| match it.level {
                Level::Error => format!("<strong>{}</strong>", told(&it.message)),
                _ => told(&it.message),
            }));
            page.raw("</td></tr>");
        }
        page.raw("</tbody>");
    }
    page.raw("</table>");
    page.end();
}

/// How a cluster stands: a class, a sign for those who do not see colours, and a word.
fn state(it: &Judgement) -> (&'static str, &'static str, &'static str) {
    let judged = [it.rpo, it.verified, it.drilled].iter().any(|it| it.objective_ms.is_some());
    match (it.distrusts(), it.missed(), it.findings.is_empty(), judged) {
        (true, ..) => ("bad", "✗", "distrusted"),
        (_, true, ..) => ("bad", "✗", "missed"),
        (_, _, false, _) => ("late", "!", "warnings"),
        (_, _, _, false) => ("skipped", "–", "not judged"),
        _ => ("good", "✓", "good"),
    }
}

/// What is wrong comes first.
pub(super) fn rank(it: &Judgement) -> usize {
    ["bad", "late", "skipped", "good"].iter().position(|class| *class == state(it).0).unwrap_or_default()
}

/// How old something is, and how old it may be.
fn age(at: Option<Timestamp>, it: &Objective, now: Timestamp) -> String {
    let (class, word) = match it.objective_ms {
        None => ("", String::new()),
        Some(most) if it.missed() => (" class=\"missed\"", format!("more than {}", length(most))),
        Some(most) => ("", format!("at most {}", length(most))),
    };
    let age = match at {
        Some(at) => format!("<time datetime=\"{at}\"{class}>{}</time>", between(at, now)),
        None => format!("<span{class}>never</span>"),
    };
    if word.is_empty() { age } else { format!("{age} <span class=\"limit\">{word}</span>") }
}

/// What is owed to other stores. That of other clusters is known to whoever has their configuration.
fn owed(facts: &Overview, own: &str) -> String {
    let of = |it: &Copies| match &it.error {
        Some(_) => format!("{}: not known", it.store),
        None => format!("{}: {}", it.store, it.owed.len()),
    };
    match (facts.copies.is_empty(), facts.cluster == own) {
        (false, _) => facts.copies.iter().map(of).collect::<Vec<_>>().join(", "),
        (true, true) => "not copied".to_owned(),
        (true, false) => "not known here".to_owned(),
    }
}

/// Runs of playbooks that are not over.
pub(super) fn waiting(page: &mut Page, all: &[Judged], now: Timestamp) {
    let runs = all.iter().flat_map(|(facts, _)| facts.runs.iter().map(|run| (&facts.cluster, run)));
    let rows: Vec<Vec<String>> = runs
        .map(|(cluster, run)| {
            let mut row = vec![run.id.to_string(), cluster.clone()];
            row.extend(match &run.recorded {
                None => ["nothing is recorded yet", "under way, or it died", "", ""].map(str::to_owned),
                Some(it) => {
                    let waits = it.waits_at.as_ref().map(|step| format!("waits at `{step}` for an approval"));
                    let since = format!("{} ({} ago)", clock(it.at), between(it.at, now));
                    [it.playbook.clone(), waits.unwrap_or_else(|| it.end.clone()), it.by.clone(), since]
                }
            });
            row
        })
        .collect();
    if rows.is_empty() {
        return;
    }
    page.section("Playbook runs that are not over");
    let columns = [
        words("Run"),
        words("Cluster"),
        words("Playbook"),
        words("State"),
        words("Started by"),
        words("Since (UTC)"),
    ];
    page.table("What waits for somebody, or was left", &columns, rows.into_iter());
    page.end();
}

/// One cluster: what there is, and its drills.
pub(super) fn cluster(page: &mut Page, at: usize, facts: &Overview) {
    page.raw(&format!("<section id=\"c{at}\" tabindex=\"-1\"><h2>{}</h2>", told(&facts.cluster)));
    let (points, verified, drills) = (&facts.points, &facts.verified, &facts.drills);
    let mut rows = vec![
        ["Recovery points".to_owned(), format!("{}, {} stored", points.count, bytes(points.stored_bytes))],
        ["Newest".to_owned(), or_none(points.newest.as_ref().map(point))],
        ["Newest to rely on".to_owned(), or_none(points.newest_completed.as_ref().map(point))],
        ["Last verified".to_owned(), or_none(verified.last.as_ref().map(verification))],
    ];
    if verified.last != verified.last_passed {
        rows.push(["Last that passed".to_owned(), or_none(verified.last_passed.as_ref().map(verification))]);
    }
    let drill = drills.last.as_ref().map(|it| {
        let verdict = verdict(it.verdict);
        format!("{} ({}), ended {} UTC: {verdict}", it.id, it.name, clock(it.ended))
    });
    rows.push(["Last drill".to_owned(), or_none(drill)]);
    rows.extend(facts.held.iter().map(|it| ["Held".to_owned(), format!("{}: {}", it.id, it.held.reason)]));
    page.facts("What the store holds", &rows);
    if !drills.trend.is_empty() {
        self::drills(page, &drills.trend);
    }
    page.end();
}

fn or_none(text: Option<String>) -> String {
    text.unwrap_or_else(|| "none".to_owned())
}

fn point(it: &NewestPoint) -> String {
    let at = it.created_at.map_or_else(|| "of unknown age".to_owned(), |at| format!("{} UTC", clock(at)));
    let status = it.status.map_or_else(|| "it cannot be read".to_owned(), |status| status.to_string());
    format!("{}, {at}, {status}", it.id)
}

fn verification(it: &Verification) -> String {
    let word = if it.passed { "passed" } else { "FAILED" };
    format!("{}, {} UTC, {}: {word}", it.point, clock(it.at), it.depth)
}

/// How long the last drills took, and how old what they brought back was.
fn drills(page: &mut Page, trend: &[EarlierDrill]) {
    let of = |pick: fn(&EarlierDrill) -> Objective| trend.iter().map(pick).collect::<Vec<_>>();
    let charts = chart::trend("RTO", &of(|it| it.rto)) + &chart::trend("RPO", &of(|it| it.rpo));
    page.raw(&format!("<div class=\"trends\">{charts}</div>"));
    let rows = trend.iter().rev().map(|it| {
        let verdict = verdict(it.verdict).to_owned();
        vec![clock(it.began), it.name.clone(), verdict, objective(&it.rto), objective(&it.rpo)]
    });
    let columns = [short("Began (UTC)"), words("Name"), words("Verdict"), words("RTO"), words("RPO")];
    page.table("The last drills, newest first", &columns, rows);
}
