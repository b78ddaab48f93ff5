use super::{
    super::{
        HowToVerify, bytes,
        page::{Page, escaped},
    },
    chart, clock, kept, length, objective, outcome, restores, staging, verdict,
};
use crate::point::{CheckOutcome, DrillNote, DrillVerdict, Evidence, Severity};
use std::fmt::Write;

/// The report as one page that needs nothing else.
pub fn drill_html(it: &Evidence, notes: &[DrillNote], how: &HowToVerify) -> String {
    let title = format!("Restore drill {}, {}", it.plan.name, it.began.strftime("%Y-%m-%d"));
    let class = match it.verdict {
        DrillVerdict::Passed => "good",
        DrillVerdict::ObjectiveMissed => "late",
        _ => "bad",
    };
    let kind = format!("Restore drill of cluster {}", it.cluster);
    let mut page = Page::begin(&title, class, &kind, &it.plan.name, verdict(it.verdict));
    if !it.reasons.is_empty() {
        page.list(it.reasons.iter().map(|reason| escaped(reason)));
    }
    page.raw("</header>\n<section class=\"figures\">");
    let point =
        it.point.as_ref().map_or_else(|| "none could be used".to_owned(), |point| point.id.to_string());
    let passed = it.checks.iter().filter(|check| check.outcome == CheckOutcome::Passed).count();
    for (name, value) in [
        ("RTO: until service was back", objective(&it.rto)),
        ("RPO: age of what came back", objective(&it.rpo)),
        ("Recovery point", point),
        ("Checks passed", format!("{passed} of {}", it.checks.len())),
    ] {
        let (head, rest) = value.split_once("; ").unwrap_or((&value, ""));
        let _ = write!(
            page.0,
            "<div><p class=\"name\">{name}</p><p class=\"value\">{}</p><p class=\"name\">{}</p></div>",
            escaped(head),
            escaped(rest)
        );
    }
    page.raw("</section>\n");

    page.section("Phases");
    page.raw("<figure>");
    page.raw(&chart::phases(&it.phases));
    page.raw("</figure>");
    let rows = it.phases.iter().map(|phase| {
        let most = phase.objective_ms.map_or_else(|| "none".to_owned(), length);
        let word = match (phase.done, phase.objective_ms.is_some_and(|most| phase.took_ms > most)) {
            (false, _) => "broken off",
            (true, true) => "too long",
            (true, false) => "done",
        };
        vec![phase.phase.to_string(), length(phase.took_ms), most, word.to_owned()]
    });
    page.table("Time of each phase", &["Phase", "Took", "At most", "Ended"], rows);
    page.end();

    page.section("Checks");
    page.raw("<div class=\"scroll\"><table class=\"checks\"><caption>What was checked</caption><thead><tr>");
    for name in ["Outcome", "Check", "Expected", "Actual"] {
        let _ = write!(page.0, "<th scope=\"col\">{name}</th>");
    }
    page.raw("</tr></thead><tbody>");
    for check in &it.checks {
        let class = match (check.outcome, check.severity) {
            (CheckOutcome::Passed, _) => "good",
            (CheckOutcome::Skipped, _) => "skipped",
            (CheckOutcome::Failed, Severity::Warning) => "late",
            (CheckOutcome::Failed, Severity::Error) => "bad",
        };
        let sign = match class {
            "good" => "✓",
            "skipped" => "–",
            "late" => "!",
            _ => "✗",
        };
        let _ = write!(
            page.0,
            "<tr class=\"{class}\"><td><span class=\"sign\" aria-hidden=\"true\">{sign}</span> {}</td><th scope=\"row\">{}</th><td>{}</td><td>{}",
            outcome(check),
            escaped(&check.name),
            escaped(&check.expected),
            escaped(&check.actual),
        );
        if !check.findings.is_empty() {
            page.list(check.findings.iter().map(|finding| {
                let why = finding.expected_because.as_deref();
                let why =
                    why.map(|why| format!(" <em>It has to be: {}.</em>", escaped(why))).unwrap_or_default();
                format!("<code>{}</code> {}{why}", escaped(&finding.id), escaped(&finding.message))
            }));
        }
        page.raw("</td></tr>");
    }
    page.raw("</tbody></table></div>");
    if it.checks.is_empty() {
        page.raw("<p>It did not come to any check.</p>");
    }
    if it.details.is_some() {
        page.raw(
            "<p class=\"small\">Findings name types and numbers. The names of objects are in the sealed details beside the evidence; \
             whoever holds the identity opens them.</p>",
        );
    }
    page.end();

    if !notes.is_empty() {
        page.section("Corrective actions");
        let rows = notes.iter().map(|note| {
            vec![
                note.finding.clone().unwrap_or_else(|| "the drill".to_owned()),
                note.action.clone(),
                note.owner.clone().unwrap_or_else(|| "nobody yet".to_owned()),
                note.due.clone().unwrap_or_else(|| "no date".to_owned()),
                note.retested_by.as_ref().map_or_else(|| "not yet".to_owned(), ToString::to_string),
                format!("{}, {}", note.by, clock(note.at)),
            ]
        });
        page.table(
            "What is done about it",
            &["Finding", "Action", "Owner", "Due", "Retested by", "Noted"],
            rows,
        );
        page.end();
    }

    page.section("What was drilled");
    let text = |text: &Option<String>, absent: &str| text.clone().unwrap_or_else(|| absent.to_owned());
    let excluded =
        if it.plan.exclusions.is_empty() { "nothing".to_owned() } else { it.plan.exclusions.join("; ") };
    let mut rows = vec![
        ["Scenario".to_owned(), text(&it.plan.scenario, "not described")],
        ["Drill".to_owned(), it.id.to_string()],
        ["Began (UTC)".to_owned(), clock(it.began)],
        ["Ended (UTC)".to_owned(), clock(it.ended)],
        ["Started by".to_owned(), it.by.clone()],
        ["Approved by".to_owned(), text(&it.plan.approved_by, "nobody had to")],
        ["Program".to_owned(), format!("{} {}", it.tool.name, it.tool.version)],
        ["Not looked at".to_owned(), excluded],
        ["Restored".to_owned(), restores(it)],
        ["Staging".to_owned(), staging(it)],
        ["Kept".to_owned(), kept(it)],
    ];
    rows.extend(it.plan.sha256.iter().map(|sum| ["SHA-256 of the drill's file".to_owned(), sum.to_string()]));
    rows.extend(it.retest_of.iter().map(|id| ["Repeats".to_owned(), id.to_string()]));
    if let Some(point) = &it.point {
        let pick = format!("{} ({} to choose from)", it.pick.rule, it.pick.among);
        let seed = it.pick.seed.map(|seed| format!(", seed {seed}")).unwrap_or_default();
        rows.push(["Picked by".to_owned(), pick + &seed]);
        rows.push(["Recovery point".to_owned(), format!("{}, taken {}", point.id, clock(point.taken_at))]);
        rows.push(["Store".to_owned(), point.store.clone()]);
        rows.push(["SHA-256 of its manifest".to_owned(), point.manifest_sha256.to_string()]);
        let source = |version: &Option<String>| text(version, "not known");
        let versions =
            format!("Kubernetes {}, etcd {}", source(&point.kubernetes_version), source(&point.etcd_version));
        rows.push(["Source".to_owned(), versions]);
        rows.push(["Source's cluster UID".to_owned(), text(&point.cluster_uid, "not known")]);
    }
    page.facts("Scope, people, versions", &rows);
    if let Some(point) = &it.point {
        let rows = point.artifacts.iter().map(|artifact| {
            vec![
                artifact.kind.to_string(),
                bytes(artifact.stored_bytes),
                artifact.stored_sha256.to_string(),
                bytes(artifact.plain_bytes),
                artifact.plain_sha256.to_string(),
            ]
        });
        page.table("Artifacts", &["Artifact", "Stored", "SHA-256", "Opened", "SHA-256"], rows);
    }
    let programs = it.staging.iter().flat_map(|staging| &staging.programs).map(|program| {
        let sum = program.sha256.as_ref().map_or_else(|| "not known".to_owned(), ToString::to_string);
        vec![program.name.clone(), program.version.clone(), sum]
    });
    let programs: Vec<_> = programs.collect();
    if !programs.is_empty() {
        page.table("Programs of staging", &["Program", "Version", "SHA-256"], programs.into_iter());
    }
    page.end();

    if !it.isolation.is_empty() {
        page.section("Segregation of staging");
        let rows = it.isolation.iter().map(|it| vec![it.threat.clone(), it.measure.clone()]);
        page.table(
            "What keeps staging apart",
            &["What must not happen", "What keeps it from happening"],
            rows,
        );
        page.end();
    }

    page.section("Clean-up");
    if it.cleanup.is_empty() {
        page.raw("<p>Nothing had been made.</p>");
    } else {
        let rows = it.cleanup.iter().map(|it| {
            let word = if it.gone { "gone" } else { "STILL THERE" };
            vec![it.what.clone(), word.to_owned(), it.proof.clone()]
        });
        page.table("What was made, and what became of it", &["What", "Now", "Proof"], rows);
    }
    page.end();

    page.section("Trend");
    if it.earlier.is_empty() {
        page.raw("<p>This is the first drill of this cluster whose evidence is in the store.</p>");
    } else {
        page.raw("<figure class=\"trends\">");
        page.raw(&chart::trends(it));
        page.raw("</figure>");
        let rows = it.earlier.iter().rev().map(|it| {
            vec![
                clock(it.began),
                it.name.clone(),
                verdict(it.verdict).to_owned(),
                objective(&it.rto),
                objective(&it.rpo),
            ]
        });
        page.table("Earlier drills", &["Began (UTC)", "Name", "Verdict", "RTO", "RPO"], rows);
    }
    page.end();

    page.section("How to verify this");
    let _ = write!(
        page.0,
        "<p>This page is drawn from signed evidence. The evidence and its signature are in <code>{}</code>. Fetch both into one directory; \
         then</p><pre>{}</pre><p>must say <q>Signature and comment signature verified</q> and the trusted comment <code>{}</code>.</p>",
        escaped(&how.place),
        escaped(&how.command),
        escaped(&how.comment)
    );
    page.end();
    page.finish()
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
