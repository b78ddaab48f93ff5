use super::{
    super::{
        HowToVerify, bytes,
        page::{Page, escaped, short, sums, told, words},
    },
    chart, clock, kept, length, objective, outcome, restores, staging, verdict,
};
use crate::point::{CheckOutcome, CheckResult, DrillNote, DrillVerdict, Evidence, Severity};

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
        page.list(it.reasons.iter().map(|reason| told(reason)));
    }
    page.raw("</header>\n");
    figures(&mut page, it);

    page.section("Phases");
    page.raw(&chart::phases(&it.phases));
    let rows = it.phases.iter().map(|phase| {
        let most = phase.objective_ms.map_or_else(|| "none".to_owned(), length);
        let word = match (phase.done, phase.objective_ms.is_some_and(|most| phase.took_ms > most)) {
            (false, _) => "broken off",
            (true, true) => "too long",
            (true, false) => "done",
        };
        vec![phase.phase.to_string(), length(phase.took_ms), most, word.to_owned()]
    });
    let columns = [short("Phase"), short("Took"), short("At most"), short("Ended")];
    page.figures("Time of each phase", &columns, rows);
    page.end();

    page.section("Checks");
    checks(&mut page, it);
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
        let columns = [
            words("Finding"),
            words("Action"),
            words("Owner"),
            short("Due"),
            short("Retested by"),
            words("Noted"),
        ];
        page.table("What is done about it", &columns, rows);
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
        let columns = [
            short("Artifact"),
            short("Stored"),
            sums("SHA-256 as stored"),
            short("Opened"),
            sums("SHA-256 when opened"),
        ];
        page.table("Artifacts", &columns, rows);
    }
    let programs = it.staging.iter().flat_map(|staging| &staging.programs).map(|program| {
        let sum = program.sha256.as_ref().map_or_else(|| "not known".to_owned(), ToString::to_string);
        vec![program.name.clone(), program.version.clone(), sum]
    });
    let programs: Vec<_> = programs.collect();
    if !programs.is_empty() {
        let columns = [short("Program"), words("Version"), sums("SHA-256")];
        page.table("Programs of staging", &columns, programs.into_iter());
    }
    page.end();

    if !it.isolation.is_empty() {
        page.section("Segregation of staging");
        let rows = it.isolation.iter().map(|it| vec![it.threat.clone(), it.measure.clone()]);
        let columns = [words("What must not happen"), words("What keeps it from happening")];
        page.table("What keeps staging apart", &columns, rows);
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
        page.table(
            "What was made, and what became of it",
            &[words("What"), short("Now"), words("Proof")],
            rows,
        );
    }
    page.end();

    page.section("Trend");
    if it.earlier.is_empty() {
        page.raw("<p>This is the first drill of this cluster whose evidence is in the store.</p>");
    } else {
        page.raw("<div class=\"trends\">");
        page.raw(&chart::trends(it));
        page.raw("</div>");
        let rows = it.earlier.iter().rev().map(|it| {
            vec![
                clock(it.began),
                it.name.clone(),
                verdict(it.verdict).to_owned(),
                objective(&it.rto),
                objective(&it.rpo),
            ]
        });
        let columns = [short("Began (UTC)"), words("Name"), words("Verdict"), words("RTO"), words("RPO")];
        page.table("Earlier drills", &columns, rows);
    }
    page.end();

    page.section("How to verify this");
    page.raw(&format!(
        "<p>This page is drawn from signed evidence. The evidence and its signature are in <code>{}</code>. Fetch both into one directory; \
         then</p><pre>{}</pre><p>must say <q>Signature and comment signature verified</q> and the trusted comment <code>{}</code>.</p>",
        escaped(&how.place),
        escaped(&how.command),
        escaped(&how.comment)
    ));
    page.end();
    page.finish()
}

/// What is asked for first.
fn figures(page: &mut Page, it: &Evidence) {
    let (point, taken) = match &it.point {
        Some(point) => (point.id.to_string(), format!("taken {}", clock(point.taken_at))),
        None => ("none could be used".to_owned(), String::new()),
    };
    let passed = it.checks.iter().filter(|check| check.outcome == CheckOutcome::Passed).count();
    let split = |text: String| match text.split_once("; ") {
        Some((head, rest)) => (head.to_owned(), rest.to_owned()),
        None => (text, String::new()),
    };
    let class = |missed: bool| if missed { " class=\"missed\"" } else { "" };
    page.raw("<section class=\"figures\">");
    for (class, name, (value, rest)) in [
        (class(it.rto.missed()), "RTO: until service was back", split(objective(&it.rto))),
        (class(it.rpo.missed()), "RPO: age of what came back", split(objective(&it.rpo))),
        ("", "Recovery point", (point, taken)),
        ("", "Checks passed", (format!("{passed} of {}", it.checks.len()), String::new())),
    ] {
        // An id is broken where it is put together.
        let value = escaped(&value).replace('-', "-<wbr>");
        page.raw(&format!(
            "<div{class}><p class=\"name\">{name}</p><p class=\"value\">{value}</p><p class=\"name\">{}</p></div>",
            escaped(&rest)
        ));
    }
    page.raw("</section>\n");
}

/// A table of the checks; what each has found stands below it, over the whole width.
fn checks(page: &mut Page, it: &Evidence) {
    if it.checks.is_empty() {
        page.raw("<p>It did not come to any check.</p>");
        return;
    }
    page.raw("<table class=\"checks\"><caption>What was checked</caption><thead><tr>");
    for name in ["Outcome", "Check", "Expected", "Actual"] {
        page.raw(&format!("<th scope=\"col\">{name}</th>"));
    }
    page.raw("</tr></thead>");
    for check in &it.checks {
        let (class, sign) = look(check);
        page.raw(&format!(
            "<tbody class=\"{class}\"><tr><td><span class=\"sign\" aria-hidden=\"true\">{sign}</span> {}</td><th scope=\"row\">{}</th>\
             <td data-label=\"Expected: \">{}</td><td data-label=\"Actual: \">{}</td></tr>",
            outcome(check),
            escaped(&check.name),
            told(&check.expected),
            told(&check.actual),
        ));
        if !check.findings.is_empty() {
            page.raw("<tr class=\"findings\"><td colspan=\"4\">");
            page.list(check.findings.iter().map(|finding| {
                let why = finding.expected_because.as_deref();
                let why = why.map(|why| format!("<em>It has to be: {}.</em>", told(why)));
                let (id, message) = (escaped(&finding.id), told(&finding.message));
                format!("<code>{id}</code> {message}{}", why.unwrap_or_default())
            }));
            page.raw("</td></tr>");
        }
        page.raw("</tbody>");
    }
    page.raw("</table>");
    if it.details.is_some() {
        page.raw(
            "<p class=\"small\">Findings name types and numbers. The names of objects are in the sealed details beside the evidence; \
             whoever holds the identity opens them.</p>",
        );
    }
}

/// How a check is shown: its class, and a sign for those who do not see colours.
fn look(check: &CheckResult) -> (&'static str, &'static str) {
    match (check.outcome, check.severity) {
        (CheckOutcome::Passed, _) => ("good", "✓"),
        (CheckOutcome::Skipped, _) => ("skipped", "–"),
        (CheckOutcome::Failed, Severity::Warning) => ("late", "!"),
        (CheckOutcome::Failed, Severity::Error) => ("bad", "✗"),
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
