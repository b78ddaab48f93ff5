use super::*;
use crate::{
    catalogue::{
        Held,
        overview::{
            Copies, Distrust, HeldPoint, LastDrill, NewestPoint, Objectives, OpenRun, RecordedRun,
            Verification,
        },
    },
    daemon::{Around, Standing, Trouble, Work},
    point::{
        DrillVerdict, EarlierDrill, End, Level, Objective, PointId, Status, Turn, TurnOutcome, VerifiedDepth,
    },
};
use std::{collections::BTreeMap, time::Duration};

fn now() -> Timestamp {
    "2026-11-29T12:00:00Z".parse().unwrap()
}

fn ago(minutes: i64) -> Timestamp {
    Timestamp::from_second(now().as_second() - minutes * 60).unwrap()
}

fn id(minutes: i64) -> PointId {
    PointId::new(ago(minutes), 7)
}

/// A cluster with which all is well, and whose texts are all this.
fn cluster(text: &str) -> Overview {
    let mut it = Overview { cluster: text.into(), ..Overview::default() };
    let point = NewestPoint {
        id: id(30),
        created_at: Some(ago(30)),
        status: Some(Status::Completed),
        taken: None,
        lock: None,
    };
    (it.points.newest, it.points.newest_completed, it.points.count) = (Some(point.clone()), Some(point), 3);
    let verification = Verification { point: id(30), at: ago(20), depth: VerifiedDepth::Deep, passed: true };
    (it.verified.last, it.verified.last_passed) = (Some(verification.clone()), Some(verification));
    let measured = |ms| Objective { measured_ms: Some(ms), objective_ms: Some(60_000) };
    let (rpo, rto, verdict) = (measured(5), measured(70_000), DrillVerdict::Passed);
    let drill =
        LastDrill { id: id(10), name: text.into(), ended: ago(10), verdict, point: Some(id(30)), rpo, rto };
    (it.drills.last, it.drills.last_passed) = (Some(drill.clone()), Some(drill));
    let earlier =
        |minutes| EarlierDrill { id: id(minutes), began: ago(minutes), name: text.into(), verdict, rpo, rto };
    it.drills.trend = [40, 10].map(earlier).into();
    it
}

fn known(clusters: Vec<Overview>) -> Known {
    let clusters: BTreeMap<_, _> = clusters.into_iter().map(|it| (it.cluster.clone(), it)).collect();
    let around = Around { store: "file:///s".into(), clusters, unread: Vec::new() };
    let hour = Some(Duration::from_secs(3600));
    Known {
        cluster: "prod".into(),
        around: Some((around, ago(2))),
        objectives: Objectives { rpo: hour, verified: hour, drilled: hour },
        ..Known::default()
    }
}

fn schedule(trouble: Option<&str>) -> Standing {
    Standing { trouble: trouble.map(str::to_owned), ..Standing::new(Work::Backup) }
}

fn says(known: &Known, texts: &[&str]) -> String {
    let page = status_page(known, "cp1", now());
    // Between elements there is nothing, and names may be broken.
    let plain = page.replace("<wbr>", "");
    for text in texts {
        assert!(plain.contains(text), "{text:?} is not in\n{plain}");
    }
    plain
}

#[test]
fn what_is_fresh_is_good_and_the_answer_comes_first() {
    let page = says(
        &known(vec![cluster("prod"), cluster("test")]),
        &[
            "<header class=\"good\">",
            "<h1>Everything is as it should be in 2 clusters</h1>",
            "The newest recovery point of every cluster is younger than 1 h 0 min",
            "<time datetime=\"2026-11-29T11:30:00Z\">30 min 0 s</time> <span class=\"limit\">at most 1 h 0 min</span>",
            "looked at 2026-11-29 11:58:00 UTC, 2 min 0 s before",
            "<td data-label=\"Copies owed: \">not copied</td>",
            "<td data-label=\"Copies owed: \">not known here</td>",
            "<figcaption>RTO: 1 min 10 s; dashed: at most 1 min 0 s</figcaption>",
        ],
    );
    assert!(
        !page.contains("findings\"><td") && !page.contains("<script") && !page.contains(" style="),
        "{page}"
    );
}

#[test]
fn what_is_too_old_was_never_verified_or_is_not_judged_is_told() {
    let mut old = cluster("old");
    old.points.newest_completed =
        Some(NewestPoint { created_at: Some(ago(90)), ..old.points.newest.clone().unwrap() });
    (old.verified, old.drills) = Default::default();
    old.copies = vec![Copies { store: "away".into(), owed: vec![id(30), id(20)], error: None }];
    let mut known =
        known(vec![cluster("prod"), old, Overview { cluster: "void".into(), ..Overview::default() }]);
    says(
        &known,
        &[
            "<header class=\"bad\">",
            "<h1>Objectives are missed in 2 of 3 clusters</h1>",
            "No recovery point younger than 1 h 0 min: old, void",
            "<time datetime=\"2026-11-29T10:30:00Z\" class=\"missed\">1 h 30 min</time> <span class=\"limit\">more than 1 h",
            "<td data-label=\"Last verified: \"><span class=\"missed\">never</span>",
            "away: 2",
            "<strong>no recovery point has passed a recorded verification: <code>lifeboat verify</code></strong>",
            "<strong>there is no recovery point",
        ],
    );
    known.objectives = Objectives::default();
    says(
        &known,
        &["<header class=\"late\">", "Nothing is judged", "not judged</td>", "objectives.rpo of the"],
    );
    // What is not to be trusted is graver than what is old.
    let around = &mut known.around.as_mut().unwrap().0;
    let doubt = Distrust { level: Level::Error, about: "drill x".into(), why: "it is forged".into() };
    around.clusters.get_mut("prod").unwrap().doubts.push(doubt);
    says(
        &known,
        &["<header class=\"bad\">", "Not all is to be trusted in 1 of 3 clusters", "drill x: it is forged"],
    );
}

#[test]
fn what_is_not_known_is_not_made_up() {
    says(
        &Known::default(),
        &["<header class=\"\">", "Nothing is known yet", "Nothing is known of any schedule"],
    );
    let gone = Some(Trouble { why: "no route".into(), since: ago(15) });
    let nothing = Known { unseen: gone.clone(), ..Known::default() };
    says(
        &nothing,
        &["<header class=\"bad\">", "and nothing is known", "Since 2026-11-29 11:45:00 UTC", "no route"],
    );
    let mut stale = known(vec![cluster("prod")]);
    stale.around.as_mut().unwrap().1 = ago(50);
    says(&stale, &["<header class=\"late\">", "should have been looked at since"]);
    let before = Known { unseen: gone, ..known(vec![cluster("prod")]) };
    says(
        &before,
        &[
            "<header class=\"bad\">",
            "The store cannot be looked at: this was so 2 min 0 s ago",
            "11:30:00 UTC",
        ],
    );
}

#[test]
fn what_is_in_the_way_of_the_daemon_is_told_and_nothing_of_its_configuration() {
    let mut known = known(vec![cluster("prod")]);
    known.configuration = Some(Trouble { why: "line 3: `hunter2` is no URL".into(), since: ago(5) });
    known.ending = true;
    let turn = |text: &str| -> Turn { text.parse().unwrap() };
    let mut failed = schedule(Some("the store is gone"));
    let end = End::new(TurnOutcome::TimedOut, ago(50), ago(40)).saying("too slow");
    (failed.last, failed.missed) = (Some((turn("a/20261129T110000Z-1"), end)), 2);
    let mut running = schedule(None);
    running.running = Some((turn("b/20261129T115000Z-1"), ago(9)));
    running.succeeded = Some(ago(70));
    let mut elsewhere = schedule(None);
    elsewhere.elsewhere = Some(turn("c/20261129T115000Z-1"));
    let mut next = schedule(None);
    next.next = Some(ago(-30));
    known.schedules = [("a", failed), ("b", running), ("c", elsewhere), ("d", next)]
        .map(|(name, it)| (name.into(), it))
        .into();
    let page = says(
        &known,
        &[
            "<header class=\"late\">",
            "The daemon is ending",
            "Since 2026-11-29 11:55:00 UTC the configuration cannot be used as it is",
            "The schedule a cannot be kept at the moment: the store is gone",
            "TIMED-OUT 40 min 0 s ago, after 10 min 0 s: too slow; 2 missed",
            "RUNS since 2026-11-29 11:51:00 (9 min 0 s)",
            "RUNS at another daemon; it was due 2026-11-29 11:50:00",
            "in 30 min 0 s, 2026-11-29 12:30:00",
            "1 h 10 min ago",
        ],
    );
    assert!(!page.contains("hunter2"), "{page}");
}

#[test]
fn text_from_the_store_is_text() {
    let hostile = "<script>alert('1')</script>\"><img src=x onerror=\"alert(2)\">&amp;`<b>`";
    let mut it = cluster(hostile);
    it.copies = vec![Copies { store: hostile.into(), owed: vec![], error: Some(hostile.into()) }];
    it.doubts = vec![Distrust { level: Level::Warning, about: hostile.into(), why: hostile.into() }];
    it.held = vec![HeldPoint {
        id: id(30),
        held: Held { reason: hostile.into(), by: None, since: None, records: Default::default() },
    }];
    let text = || hostile.to_owned();
    let recorded =
        RecordedRun { playbook: text(), by: text(), at: ago(3), end: text(), waits_at: Some(text()) };
    it.runs = vec![OpenRun { id: id(3), recorded: Some(recorded) }, OpenRun { id: id(2), recorded: None }];
    let mut known = known(vec![it]);
    let around = &mut known.around.as_mut().unwrap().0;
    (around.store, around.unread) = (text(), vec![text()]);
    known.unseen = Some(Trouble { why: text(), since: ago(1) });
    let mut standing = schedule(Some(hostile));
    let end = End::new(TurnOutcome::Failed, ago(2), ago(1)).saying(hostile);
    standing.last = Some(("a/20261129T110000Z-1".parse().unwrap(), end));
    known.schedules = [(text(), standing)].into();
    let page = status_page(&known, hostile, now()).replace("<wbr>", "");
    assert!(page.matches("&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;").count() > 15, "{page}");
    // No element but ours, and none with an attribute of theirs.
    for tag in page.split('<').skip(1) {
        let name = tag.trim_start_matches('/').split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap();
        let ours = "!DOCTYPE html head meta link title style body main header section p h1 h2 ul li a strong code span time table \
                    caption thead tbody tr th td div figure figcaption svg line polyline circle";
        assert!(name.is_empty() || ours.split_whitespace().any(|it| it == name), "<{tag}");
        assert!(!tag.split('>').next().unwrap().contains("onerror"), "<{tag}");
    }
}

#[test]
fn a_browser_is_told_to_fetch_nothing() {
    let policy = page_policy();
    assert!(
        policy.starts_with("default-src 'none'; style-src 'sha256-") && !policy.contains("unsafe"),
        "{policy}"
    );
}
