use super::super::{drill_html, drill_markdown, drill_text};
use super::*;
use crate::point::{
    CheckResult, DrillFinding, DrillPlan, DrillVerdict, EarlierDrill, FormatVersion, Isolation, Objective,
    Phase, PhaseTime, Pick, Removed, Restores, StagingFacts, ToolFacts,
};
use proptest::prelude::*;

fn how() -> HowToVerify {
    HowToVerify {
        place: "file:///srv/store/prod/drills/x/".into(),
        command: "minisign -Vm evidence.json -P RWQabc".into(),
        comment: "lifeboat prod drills x".into(),
    }
}

fn finding(id: &str, message: &str, because: Option<&str>) -> DrillFinding {
    DrillFinding {
        id: id.into(),
        message: message.into(),
        objects: 3,
        expected_because: because.map(str::to_owned),
    }
}

fn checked(
    name: &str,
    outcome: CheckOutcome,
    severity: Severity,
    findings: Vec<DrillFinding>,
) -> CheckResult {
    let (expected, actual) = ("all is as it was".to_owned(), "it was looked at".to_owned());
    CheckResult { name: name.into(), severity, outcome, expected, actual, findings, took_ms: 12 }
}

fn evidence(verdict: DrillVerdict, text: &str) -> Evidence {
    let objective = |ms| Objective { measured_ms: Some(ms), objective_ms: Some(60_000) };
    let earlier = |day: u32, ms| EarlierDrill {
        id: format!("2026110{day}T090000Z-aaaa").parse().unwrap(),
        began: format!("2026-11-0{day}T09:00:00Z").parse().unwrap(),
        name: text.into(),
        verdict: DrillVerdict::Passed,
        rpo: objective(ms),
        rto: objective(ms * 2),
    };
    Evidence {
        format: FormatVersion::CURRENT,
        id: "20261123T090000Z-aaaa".parse().unwrap(),
        cluster: text.into(),
        plan: DrillPlan {
            name: text.into(),
            scenario: Some(text.into()),
            sha256: None,
            restores: vec![Restores::Etcd],
            exclusions: vec![text.into()],
            approved_by: None,
        },
        by: text.into(),
        tool: ToolFacts::current(),
        began: "2026-11-23T09:00:00Z".parse().unwrap(),
        ended: "2026-11-23T09:01:00Z".parse().unwrap(),
        verdict,
        reasons: vec![text.into()],
        pick: Pick { rule: text.into(), among: 3, window_ms: None, seed: None },
        point: None,
        staging: Some(StagingFacts {
            provider: "controlplane".into(),
            name: text.into(),
            server: None,
            programs: vec![],
        }),
        isolation: vec![Isolation { threat: text.into(), measure: text.into() }],
        phases: Phase::ALL
            .iter()
            .zip(0u64..)
            .map(|(phase, at)| PhaseTime {
                phase: *phase,
                after_ms: at * 1000,
                took_ms: 1000,
                objective_ms: Some(900 + at * 50),
                done: at != 4,
            })
            .collect(),
        rpo: objective(70_000),
        rto: objective(30_000),
        checks: vec![
            checked(
                "objects",
                CheckOutcome::Failed,
                Severity::Error,
                vec![
                    finding("objects-1", text, None),
                    finding("objects-2", "3 apiservices differ", Some(text)),
                ],
            ),
            checked(
                "references",
                CheckOutcome::Failed,
                Severity::Warning,
                vec![finding("references-1", text, None)],
            ),
            checked("kv-hash", CheckOutcome::Passed, Severity::Error, vec![]),
            checked("secrets", CheckOutcome::Skipped, Severity::Error, vec![]),
        ],
        cleanup: vec![Removed { what: text.into(), gone: false, proof: text.into() }],
        details: None,
        earlier: vec![earlier(1, 20_000), earlier(8, 65_000)],
        retain: None,
        retest_of: None,
    }
}

fn notes(text: &str) -> Vec<DrillNote> {
    let evidence = evidence(DrillVerdict::Passed, text);
    vec![DrillNote {
        format: FormatVersion::CURRENT,
        id: evidence.id.clone(),
        cluster: text.into(),
        drill: evidence.id,
        at: evidence.began,
        by: text.into(),
        tool: ToolFacts::current(),
        finding: Some("objects-1".into()),
        action: text.into(),
        owner: Some(text.into()),
        due: Some("2026-12-31".into()),
        retested_by: None,
    }]
}

/// Every tag that is opened is closed, in order.
fn well_formed(page: &str) -> Result<(), String> {
    const ALONE: &[&str] = &["!DOCTYPE", "meta", "wbr", "line", "circle", "polyline"];
    let mut open: Vec<String> = Vec::new();
    let style = page.find("<style>").zip(page.find("</style>"));
    for (at, _) in page.match_indices('<') {
        if style.is_some_and(|(from, to)| from < at && at < to) {
            continue;
        }
        let tag = page[at + 1..].split('>').next().unwrap_or_default();
        let name = tag.split([' ', '/']).find(|part| !part.is_empty()).unwrap_or_default();
        if tag.starts_with('/') {
            match open.pop() {
                Some(last) if last == name => {}
                other => return Err(format!("</{name}> closes {other:?}")),
            }
        } else if !ALONE.contains(&name) {
            open.push(name.to_owned());
        }
    }
    if open.is_empty() { Ok(()) } else { Err(format!("{open:?} stay open")) }
}

#[test]
fn everything_is_on_the_page_and_each_verdict_looks_like_none_other() {
    let mut heads = std::collections::BTreeSet::new();
    for verdict in [
        DrillVerdict::Passed,
        DrillVerdict::ObjectiveMissed,
        DrillVerdict::ChecksFailed,
        DrillVerdict::Failed,
        DrillVerdict::Stopped,
    ] {
        let it = evidence(verdict, "quarterly & co");
        let page = drill_html(&it, &notes("a note"), &how());
        well_formed(&page).unwrap();
        for check in &it.checks {
            assert!(page.contains(&check.name));
            assert!(check.findings.iter().all(|finding| page.contains(&finding.id)));
        }
        for text in [
            "STILL THERE",
            "a note",
            "2026-12-31",
            "Segregation",
            "minisign -Vm",
            "Earlier drills",
            "quarterly &amp; co",
        ] {
            assert!(page.contains(text), "{text}");
        }
        assert!(
            !page.contains("<script") && !page.contains("src=") && !page.contains("href="),
            "it stands alone"
        );
        heads.insert(page.split("</header>").next().map(str::to_owned));
        let text = drill_text(&it);
        assert!(text.contains("objects-1") && !text.contains("objects-2"), "{text}");
    }
    assert_eq!(heads.len(), 5);
}

#[test]
fn a_drill_that_came_to_nothing_is_told_in_words() {
    let mut it = evidence(DrillVerdict::Failed, "x");
    (it.staging, it.checks, it.cleanup, it.earlier, it.phases) = (None, vec![], vec![], vec![], vec![]);
    (it.rto, it.rpo) = (Objective::default(), Objective::default());
    let page = drill_html(&it, &[], &how());
    well_formed(&page).unwrap();
    for text in [
        "not measured",
        "none could be used",
        "did not come to a staging",
        "Nothing had been made",
        "first drill",
    ] {
        assert!(page.contains(text), "{text}");
    }
    assert!(drill_markdown(&it, &[], &how()).contains("None could be used"));
}

proptest! {
    #[test]
    fn nobody_s_words_become_anything_but_words(text in "[<>&\"'a-z/=`|\\\\ ]{0,24}") {
        let page = drill_html(&evidence(DrillVerdict::Failed, &text), &notes(&text), &how());
        prop_assert!(well_formed(&page).is_ok(), "{:?}", well_formed(&page));
        let plain = drill_html(&evidence(DrillVerdict::Failed, ""), &notes(""), &how());
        // What stands between backticks is shown as code, and names may be broken; that is all.
        let tags = |page: &str| {
            let of = |tag: &str| page.matches(tag).count();
            of("<") - of("<code>") - of("</code>") - of("<wbr>")
        };
        prop_assert_eq!(tags(&page), tags(&plain));
        let rows = |page: &str| page.lines().filter(|line| line.starts_with('|')).count();
        let with = drill_markdown(&evidence(DrillVerdict::Failed, &text), &notes(&text), &how());
        let without = drill_markdown(&evidence(DrillVerdict::Failed, ""), &notes(""), &how());
        prop_assert_eq!(rows(&with), rows(&without));
    }
}
