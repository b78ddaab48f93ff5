//! The page of a drill's report, in a real browser: at a desk and on a telephone, by day and by night, and on paper.

use crate::{
    browser::{Browser, Medium, Scheme},
    drill_case::{drill, write},
    lab::LabDir,
    saved::saved,
};
use anyhow::{Context, Result, ensure};
use lifeboat::{
    point::{DrillNote, DrillVerdict, EarlierDrill, Evidence},
    report::{HowToVerify, drill_html},
};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// A desk and a telephone.
const WIDTHS: [u32; 2] = [1280, 400];
/// What the margins leave of the width of A4, in CSS pixels.
const PAPER: u32 = 673;

/// Looks at a page in every way, and has each of these texts be on it wherever it is read. What was looked at is kept as pictures
/// among the build's own files, for people.
async fn look(browser: &Browser, page: &Path, id: &str, wanted: &[String]) -> Result<()> {
    let pictures = Path::new(env!("CARGO_TARGET_TMPDIR")).join("drill-page");
    fs::create_dir_all(&pictures)?;
    let name = page.file_stem().context("a page has a name")?.to_string_lossy();
    let picture = |what: String| pictures.join(format!("{name}-{what}"));
    let mut faults = Vec::new();
    for (medium, width) in [(Medium::Screen, WIDTHS[0]), (Medium::Screen, WIDTHS[1]), (Medium::Print, PAPER)]
    {
        for scheme in [Scheme::Light, Scheme::Dark] {
            browser.size(width, 900).await?;
            browser.emulate(medium, scheme).await?;
            browser.open_file(page).await?;
            let place = format!("{medium:?} {width} {scheme:?}");
            browser.screenshot(&picture(format!("{place}.png").to_lowercase().replace(' ', "-"))).await?;
            let mut found = browser.faults().await?;
            found.extend(browser.unseen(wanted).await?.iter().map(|text| format!("not to be seen: {text}")));
            found.extend(browser.console().await?);
            let url = format!("file://{}", page.display());
            found.extend(browser.requests().await?.into_iter().filter(|asked| *asked != url));
            faults.extend(found.into_iter().map(|fault| format!("{place}: {fault}")));
        }
    }
    assert!(faults.is_empty(), "{name}:\n{}", faults.join("\n"));

    browser.emulate(Medium::Print, Scheme::Dark).await?;
    let pdf = picture("printed.pdf".to_owned());
    browser.pdf(&pdf).await?;
    printed(&pdf, id, wanted)
}

/// Runs a program of poppler on the PDF.
fn poppler(program: &str, args: &[&str], pdf: &Path) -> Result<Vec<u8>> {
    let output =
        Command::new(program).args(args).arg(pdf).args((program == "pdftotext").then_some("-")).output();
    let output = output.with_context(|| format!("{program} is not there: run scripts/setup chromium"))?;
    ensure!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(output.stdout)
}

/// Everything is on white paper, on pages none of which is empty, and within their edges.
fn printed(pdf: &Path, id: &str, wanted: &[String]) -> Result<()> {
    let raw = String::from_utf8(poppler("pdftotext", &["-raw", "-enc", "UTF-8"], pdf)?)?;
    let pages: Vec<&str> = raw.split_terminator('\u{c}').collect();
    assert!(!pages.is_empty() && pages.iter().all(|page| page.trim().len() > 40), "{pages:?}");
    // Lines are broken on paper where they are not in the evidence.
    let close = |text: &str| text.split_whitespace().collect::<String>();
    let whole = close(&raw);
    for text in wanted.iter().map(String::as_str).chain([id]) {
        assert!(whole.contains(&close(text)), "{text:?} is not on paper:\n{raw}");
    }
    let number = |line: &str, name: &str| -> Option<f64> {
        line.split_once(&format!("{name}=\""))?.1.split('"').next()?.parse().ok()
    };
    let boxes = String::from_utf8(poppler("pdftotext", &["-bbox"], pdf)?)?;
    let (mut words, mut size) = (0, (0.0, 0.0));
    for line in boxes.lines() {
        if let Some(edges) = number(line, "width").zip(number(line, "height")) {
            size = edges;
        } else if let Some((right, bottom)) = number(line, "xMax").zip(number(line, "yMax")) {
            words += 1;
            let left = number(line, "xMin").unwrap_or_default();
            assert!(left > 20.0 && right < size.0 - 20.0 && bottom < size.1 - 20.0, "{size:?}: {line}");
        }
    }
    assert!(words > 200, "{words}");
    let pixels = poppler("pdftoppm", &["-r", "20", "-gray"], pdf)?;
    let light = pixels.iter().filter(|pixel| **pixel > 230).count();
    assert!(light * 10 > pixels.len() * 7, "only {light} of {} pixels are white", pixels.len());
    Ok(())
}

/// The texts that an auditor looks for: each finding, each reason, what is done about them.
fn of(evidence: &Value, more: &[&str]) -> Vec<String> {
    // What stands between backticks is shown as code.
    let text = |value: &Value| value.as_str().unwrap_or_default().replace('`', "");
    let mut all: Vec<String> = more.iter().map(|text| (*text).to_owned()).collect();
    all.extend(evidence["reasons"].as_array().into_iter().flatten().map(text));
    for check in evidence["checks"].as_array().into_iter().flatten() {
        all.extend([text(&check["name"]), text(&check["actual"])]);
        for finding in check["findings"].as_array().into_iter().flatten() {
            all.extend([text(&finding["id"]), text(&finding["message"])]);
            all.extend(finding["expectedBecause"].as_str().map(|_| text(&finding["expectedBecause"])));
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn drill_page_of_a_drill_that_passed_is_readable_everywhere() -> Result<()> {
    let saved = saved().await?;
    write(&saved.boat, "", "objectives: {rto: 1ms, rpo: 30d}")?;
    drill(&saved.boat, &[]).await.expect(5);
    write(&saved.boat, "", "objectives: {rto: 10m, rpo: 30d, phases: {restore: 5m, api-ready: 2m}}")?;
    drill(&saved.boat, &[]).await.expect(0);
    let evidence = drill(&saved.boat, &["--approved-by", "the board"]).await.expect(0).json();
    assert_eq!(evidence["earlier"].as_array().map(Vec::len), Some(2));
    saved.run(&["drill", "report", "latest", "--to", "passed.html"]).await.expect(0);
    let dir = LabDir::new()?;
    let browser = Browser::start(dir.path()).await?;
    let wanted = of(&evidence, &["PASSED", "the board", "minisign -Vm", "OBJECTIVE MISSED"]);
    let id = evidence["id"].as_str().context("no id")?;
    look(&browser, &saved.boat.path("passed.html"), id, &wanted).await?;
    browser.close().await?;
    dir.close(Ok(()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn drill_page_of_a_drill_that_failed_shows_every_finding() -> Result<()> {
    let saved = saved().await?;
    write(&saved.boat, "", "objectives: {rto: 10m}")?;
    let first = drill(&saved.boat, &[]).await.expect(0).json();
    let checks = "restore: [etcd, resources]\nobjectives: {rto: 1ms, rpo: 30d, phases: {restore: 1ms, open: 5m}}\nchecks:\n\
        - {name: enough-secrets-for-every-team-of-the-shop, count: {kind: secrets, namespace: default, atLeast: 1000}}\n\
        - {name: other-value, object: {kind: secret, namespace: default, name: vault, path: /type, equals: kubernetes.io/tls}}\n\
        - {name: wrong, cel: {kind: secrets, each: \"object.type == 'none'\"}}\n\
        - {name: no-answer, cel: {kind: secrets, list: \"objects[0].gone == 1\"}}\n\
        - {name: smoke, command: {argv: [sh, -c, \"echo told; exit 3\"]}, severity: warning}\n";
    write(&saved.boat, "", checks)?;
    let evidence = drill(&saved.boat, &[]).await.expect(4).json();
    let (id, first) = (evidence["id"].as_str().context("no id")?, first["id"].as_str().context("no id")?);
    let note =
        ["drill", "note", id, "--action", "Order more secrets from the registrar.", "--owner", "alice"];
    let about = ["--finding", "enough-secrets-for-every-team-of-the-shop-1", "--due", "2026-12-31"];
    saved.run(&[&note[..], &about].concat()).await.expect(0);
    saved.run(&["drill", "note", id, "--action", "Faster disks.", "--retested-by", first]).await.expect(0);
    saved.run(&["drill", "report", id, "--to", "failed.html"]).await.expect(0);
    let texts = ["FAILED: what came back is not what was saved", "Order more secrets", "2026-12-31", "alice"];
    let wanted = of(&evidence, &[&texts[..], &["Faster disks.", "too long", first]].concat());
    assert!(wanted.len() > 40, "{wanted:?}");
    let dir = LabDir::new()?;
    let browser = Browser::start(dir.path()).await?;
    look(&browser, &saved.boat.path("failed.html"), id, &wanted).await?;

    // The same with everything as long as it may be.
    let page = dir.path().join("long.html");
    let evidence = long(serde_json::from_value(evidence)?)?;
    fs::write(&page, drill_html(&evidence, &[noted(&evidence)?], &how()))?;
    let wanted = of(&serde_json::to_value(&evidence)?, &[]);
    look(&browser, &page, evidence.id.as_str(), &wanted).await?;
    browser.close().await?;
    dir.close(Ok(()))
}

/// A name about as long as Kubernetes lets one be, with few places to break it.
fn name() -> String {
    format!("{}{}", "anamespaceofateamwithalongname".repeat(2), "-of-another-team".repeat(10))
}

/// Evidence that fills every field, with long names and many earlier drills.
fn long(mut it: Evidence) -> Result<Evidence> {
    let (name, path) = (name(), PathBuf::from("/var/lib/lifeboat-drills").join(name()));
    (it.cluster, it.plan.name, it.by) = (name.clone(), name.clone(), format!("{name}@{name}"));
    it.plan.scenario = Some(format!("All control planes are lost. {name}"));
    it.plan.approved_by = Some(name.clone());
    it.retest_of = Some(it.id.clone());
    it.reasons.push(format!("{} is still there", path.display()));
    for (at, phase) in it.phases.iter_mut().enumerate() {
        // From a few milliseconds to days.
        phase.took_ms = 7_u64.pow(at as u32 + 1);
        phase.objective_ms = Some(5_u64.pow(at as u32 + 2));
    }
    for check in &mut it.checks {
        for finding in &mut check.findings {
            finding.message = format!("{} of {name}", finding.message);
        }
    }
    for removed in &mut it.cleanup {
        removed.what = path.display().to_string();
    }
    for program in it.staging.iter_mut().flat_map(|staging| &mut staging.programs) {
        program.version = name.clone();
    }
    let earlier = it.earlier.first().context("no earlier drill")?.clone();
    it.earlier = (0..24)
        .map(|at| EarlierDrill {
            name: name.clone(),
            verdict: if at % 3 == 0 { DrillVerdict::Stopped } else { DrillVerdict::ObjectiveMissed },
            ..earlier.clone()
        })
        .collect();
    Ok(it)
}

fn noted(it: &Evidence) -> Result<DrillNote> {
    let note = serde_json::json!({
        "format": it.format, "id": it.id, "cluster": it.cluster, "drill": it.id, "at": it.began, "by": it.by, "tool": it.tool,
        "finding": format!("{}-1", name()), "action": format!("Somebody looks at {}.", name()), "owner": name(), "due": "2026-12-31",
    });
    Ok(serde_json::from_value(note)?)
}

fn how() -> HowToVerify {
    HowToVerify {
        place: format!("s3://{}/drills", name()),
        command: format!("minisign -Vm evidence.json -P RWQ{}", "A".repeat(52)),
        comment: format!("lifeboat {} drills", name()),
    }
}
