use super::super::{Distrust, NewestPoint, RecordedRun, Verification};
use super::*;
use crate::point::{PointId, VerifiedDepth};

const HOUR: u64 = 3600;

fn now() -> Timestamp {
    "2026-11-29T12:00:00Z".parse().unwrap()
}

fn ago(seconds: i64) -> Timestamp {
    Timestamp::from_second(now().as_second() - seconds).unwrap()
}

fn id(seconds: i64) -> PointId {
    PointId::new(ago(seconds), 7)
}

fn hours(count: u64) -> Option<Duration> {
    Some(Duration::from_secs(count * HOUR))
}

fn point(seconds: i64, status: Status) -> Option<NewestPoint> {
    Some(NewestPoint {
        id: id(seconds),
        created_at: Some(ago(seconds)),
        status: Some(status),
        taken: None,
        lock: None,
    })
}

fn drill(seconds: i64, verdict: DrillVerdict) -> Option<LastDrill> {
    let (rpo, rto) = (Objective::default(), Objective::default());
    let (id, ended) = (id(seconds), ago(seconds));
    Some(LastDrill { id, name: "rehearsal".into(), ended, verdict, point: None, rpo, rto })
}

/// A recovery point of an hour ago, verified two and drilled three hours ago.
fn well() -> Overview {
    let mut facts = Overview { cluster: "lab".into(), ..Overview::default() };
    facts.points.count = 1;
    facts.points.newest = point(3600, Status::Completed);
    facts.points.newest_completed = point(3600, Status::Completed);
    let verified = Verification { point: id(3600), at: ago(7200), depth: VerifiedDepth::Deep, passed: true };
    facts.verified.last = Some(verified.clone());
    facts.verified.last_passed = Some(verified);
    facts.drills.last = drill(10_800, DrillVerdict::Passed);
    facts.drills.last_passed = drill(10_800, DrillVerdict::Passed);
    facts
}

fn found(facts: &Overview, objectives: Objectives) -> Vec<(Level, Matter)> {
    let judgement = judge(facts, objectives, now());
    assert_eq!(
        judgement.missed(),
        judgement.findings.iter().any(|it| it.level == Level::Error && it.about < Matter::Trust)
    );
    judgement.findings.iter().map(|it| (it.level, it.about)).collect()
}

#[test]
fn each_objective_is_met_to_the_second_and_missed_after_it() {
    let met = Objectives { rpo: hours(1), verified: hours(2), drilled: hours(3) };
    assert_eq!(found(&well(), met), []);
    let second = Duration::from_secs(1);
    let shorter = |it: Option<Duration>| it.map(|it| it - second);
    let all =
        Objectives { rpo: shorter(met.rpo), verified: shorter(met.verified), drilled: shorter(met.drilled) };
    let error = |about| (Level::Error, about);
    assert_eq!(found(&well(), all), [Matter::Rpo, Matter::Verified, Matter::Drilled].map(error));
    assert_eq!(found(&well(), Objectives { verified: all.verified, ..met }), [error(Matter::Verified)]);
    let judged = judge(&well(), all, now());
    assert_eq!(judged.rpo, Objective { measured_ms: Some(3_600_000), objective_ms: Some(3_599_000) });
    assert!(judged.findings[0].message.contains(id(3600).as_str()), "{}", judged.findings[0].message);
}

#[test]
fn without_objectives_nothing_is_judged_but_ages_are_told() {
    let judged = judge(&well(), Objectives::default(), now() + Duration::from_secs(1_000_000));
    assert!(!judged.missed() && judged.findings.is_empty());
    assert_eq!(judged.rpo, Objective { measured_ms: Some(1_003_600_000), objective_ms: None });
    assert_eq!(found(&Overview::default(), Objectives::default()), []);
}

#[test]
fn nothing_at_all_misses_everything() {
    let objectives = Objectives { rpo: hours(9), verified: hours(9), drilled: hours(9) };
    let judged = judge(&Overview::default(), objectives, now());
    assert_eq!(judged.findings.len(), 3);
    assert!(judged.missed() && judged.findings[0].message.contains("nothing could be brought back"));
    // There is one, and nobody should rely on it.
    let mut facts = well();
    facts.points.newest_completed = None;
    let judged = judge(&facts, objectives, now());
    assert_eq!(judged.findings[0].message, "no recovery point is complete and to be trusted");
}

#[test]
fn a_clock_that_is_a_little_behind_makes_nothing_old() {
    let judged = judge(&well(), Objectives { rpo: hours(1), ..Objectives::default() }, ago(7200));
    assert_eq!((judged.rpo.measured_ms, judged.missed()), (Some(0), false));
}

#[test]
fn what_is_not_to_be_trusted_is_graver_than_what_is_owed() {
    let mut facts = well();
    facts.doubts = vec![Distrust {
        level: Level::Warning,
        about: "the record x".into(),
        why: "its signature is missing".into(),
    }];
    assert!(!judge(&facts, Objectives::default(), now()).distrusts());
    facts.doubts[0].level = Level::Error;
    assert!(judge(&facts, Objectives::default(), now()).distrusts());
    facts.doubts.clear();
    facts.verified.failed.push(id(3600));
    let judged = judge(&facts, Objectives::default(), now());
    assert!(judged.distrusts() && !judged.missed());

    let mut facts = well();
    facts.points.newest = point(60, Status::PartiallyFailed);
    facts.drills.last = drill(60, DrillVerdict::ChecksFailed);
    let copies = |store: &str, owed: &[i64], error: Option<&str>| Copies {
        store: store.into(),
        owed: owed.iter().map(|seconds| id(*seconds)).collect(),
        error: error.map(str::to_owned),
    };
    facts.copies =
        vec![copies("a", &[], None), copies("b", &[7200, 3600], None), copies("c", &[], Some("it is down"))];
    let recorded = |waits_at: Option<&str>| RecordedRun {
        playbook: "contain".into(),
        by: "me".into(),
        at: ago(60),
        end: "stopped".into(),
        waits_at: waits_at.map(str::to_owned),
    };
    facts.runs = [None, Some(recorded(None)), Some(recorded(Some("gate")))]
        .map(|recorded| OpenRun { id: id(60), recorded })
        .to_vec();
    let judged = judge(&facts, Objectives { rpo: hours(1), ..Objectives::default() }, now());
    assert!(!judged.missed() && !judged.distrusts());
    assert!(judged.findings.iter().all(|it| it.level == Level::Warning));
    let said: Vec<&str> = judged.findings.iter().map(|it| it.message.as_str()).collect();
    for (at, text) in [
        "is PartiallyFailed",
        "ended with checks-failed",
        "the store `b` lacks 2 recovery points, since 20261129T100000Z-",
        "`c` lacks is not known: it is down",
        "is under way, or died",
        "is not over: `lifeboat playbook resume",
        "waits at the step gate",
    ]
    .iter()
    .enumerate()
    {
        assert!(said[at].contains(text), "{text} is not in {said:#?}");
    }
    assert_eq!(said.len(), 7);
}
