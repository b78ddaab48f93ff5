use super::*;
use crate::{
    catalogue::{Held, LastVerified},
    point::{ClusterFacts, FormatVersion, Manifest, PointId, RunRecord, ToolFacts, VerifiedDepth},
};
use serde_json::json;
use std::collections::BTreeSet;

fn now() -> Timestamp {
    "2026-11-29T12:00:00Z".parse().unwrap()
}

fn ago(hours: i64) -> Timestamp {
    Timestamp::from_second(now().as_second() - hours * 3600).unwrap()
}

fn id(hours: i64) -> PointId {
    PointId::new(ago(hours), 7)
}

fn point(hours: i64, status: Status, signature: Signature) -> Listed {
    let (id, at) = (id(hours), ago(hours));
    let manifest = Manifest {
        format: FormatVersion::CURRENT,
        id: id.clone(),
        cluster: ClusterFacts { name: "c".into(), uid: None },
        tool: ToolFacts::current(),
        job: String::new(),
        created_at: at,
        finished_at: at,
        status,
        artifacts: Vec::new(),
        verified: Vec::new(),
        problems: Vec::new(),
        phases: Vec::new(),
    };
    Listed { id, manifest: Ok(manifest), signature }
}

fn bad() -> Signature {
    Signature::Bad("it is forged".into())
}

fn standing(hours: i64, depth: VerifiedDepth, passed: bool) -> Standing {
    let verified = LastVerified { at: ago(hours), depth, passed, last_passed: None };
    Standing { verified: Some(verified), ..Standing::default() }
}

fn facts(points: Vec<Listed>, standings: Vec<(i64, Standing)>) -> Overview {
    let standings = standings.into_iter().map(|(hours, standing)| (id(hours), standing)).collect();
    overview("c", &Survey { points, standings, ..Survey::default() }, &[], &[], now())
}

fn newest(facts: &Overview) -> (Option<PointId>, Option<PointId>) {
    let id = |point: &Option<NewestPoint>| point.as_ref().map(|point| point.id.clone());
    (id(&facts.points.newest), id(&facts.points.newest_completed))
}

#[test]
fn the_newest_point_to_rely_on_is_complete_signed_not_damaged_and_of_the_past() {
    let holds = || Signature::Holds;
    assert_eq!(newest(&facts(Vec::new(), Vec::new())), (None, None));
    let all = vec![
        point(9, Status::Completed, holds()),
        point(8, Status::Completed, holds()),
        point(5, Status::Completed, holds()),
        point(4, Status::Completed, bad()),
        point(3, Status::PartiallyFailed, holds()),
    ];
    let told = facts(all.clone(), vec![(5, standing(1, VerifiedDepth::Stored, false))]);
    assert_eq!(newest(&told), (Some(id(3)), Some(id(8))));
    assert_eq!((told.points.count, &told.verified.failed), (5, &vec![id(5)]));
    assert_eq!(told.doubts.len(), 1);
    assert_eq!((told.doubts[0].level, told.doubts[0].why.as_str()), (Level::Error, "it is forged"));

    // A clock may be a little ahead, and not by days.
    let told =
        facts(vec![point(0, Status::Completed, holds()), point(-48, Status::Completed, holds())], vec![]);
    assert_eq!(newest(&told), (Some(id(-48)), Some(id(0))));
    assert_eq!((told.doubts[0].level, told.doubts[0].why.as_str()), (Level::Warning, FROM_THE_FUTURE));
}

#[test]
fn a_manifest_that_cannot_be_read_is_damaged_unless_it_is_signed() {
    let unreadable = |signature| Listed { id: id(2), manifest: Err("no JSON".into()), signature };
    for (signature, level) in
        [(Signature::Holds, Level::Warning), (Signature::NotChecked, Level::Error), (bad(), Level::Error)]
    {
        let told = facts(vec![unreadable(signature)], Vec::new());
        assert_eq!((newest(&told), told.doubts[0].level), ((Some(id(2)), None), level));
        assert_eq!(told.points.newest.unwrap().status, None);
    }
}

#[test]
fn the_newest_verification_counts_and_what_failed_since_has_not_passed() {
    let points = [9, 8, 7].map(|hours| point(hours, Status::Completed, Signature::NotChecked)).to_vec();
    let mut failed = standing(1, VerifiedDepth::Stored, false);
    failed.verified.as_mut().unwrap().last_passed =
        Some(crate::catalogue::Passed { at: ago(2), depth: VerifiedDepth::Deep });
    let held = Held { reason: "audit".into(), by: None, since: None, records: BTreeSet::new() };
    let passed = Standing { held: Some(held), ..standing(3, VerifiedDepth::Deep, true) };
    let told = facts(points, vec![(9, passed), (8, failed), (7, standing(4, VerifiedDepth::Key, true))]);
    let last = told.verified.last.unwrap();
    assert_eq!((last.point, last.at, last.passed), (id(8), ago(1), false));
    let passed = told.verified.last_passed.unwrap();
    assert_eq!((passed.point, passed.at, passed.depth), (id(9), ago(3), VerifiedDepth::Deep));
    assert_eq!((told.held.len(), &told.held[0].id), (1, &id(9)));
    assert_eq!((told.verified.never, told.verified.oldest_never), (0, None));
}

#[test]
fn what_was_never_verified_is_counted_whatever_came_of_the_others() {
    let points = [9, 8, 7, 6].map(|hours| point(hours, Status::Completed, Signature::NotChecked)).to_vec();
    let failed = standing(1, VerifiedDepth::Stored, false);
    // One of which something else is recorded was not verified by that.
    let tagged = Standing { tags: BTreeSet::from(["keep".to_owned()]), ..Standing::default() };
    let told = facts(points, vec![(9, failed), (8, tagged), (7, standing(2, VerifiedDepth::Key, true))]);
    assert_eq!((told.verified.never, told.verified.oldest_never), (2, Some(ago(8))));
}

fn drill(hours: i64, verdict: &str, signature: Signature) -> Drill {
    let evidence = serde_json::from_value(json!({
        "format": "1.0", "id": id(hours), "cluster": "c", "plan": {"name": "rehearsal", "restores": ["etcd"]},
        "by": "me", "tool": {"name": "lifeboat", "version": "1"}, "began": ago(hours), "ended": ago(hours),
        "verdict": verdict, "pick": {"rule": "latest", "among": 1}, "phases": [],
        "rpo": {"measuredMs": 5}, "rto": {"measuredMs": 7}, "checks": [], "cleanup": [],
    }));
    Drill { id: id(hours), evidence: Ok(evidence.unwrap()), signature }
}

#[test]
fn the_newest_drill_that_can_be_believed_is_told_and_the_newest_that_passed() {
    let drills = [
        drill(-48, "passed", Signature::Holds),
        drill(1, "passed", bad()),
        drill(2, "objective-missed", Signature::Holds),
        drill(3, "passed", Signature::NotChecked),
        drill(4, "passed", Signature::Holds),
    ];
    let told = overview("c", &Survey::default(), &drills, &[], now());
    let (last, passed) = (told.drills.last.unwrap(), told.drills.last_passed.unwrap());
    assert_eq!((last.id, last.verdict), (id(2), DrillVerdict::ObjectiveMissed));
    assert_eq!((passed.id, passed.rto.measured_ms), (id(3), Some(7)));
    assert_eq!(told.drills.trend.len(), 1);
    let levels: Vec<Level> = told.doubts.iter().map(|doubt| doubt.level).collect();
    assert_eq!(levels, [Level::Warning, Level::Error]);
}

#[test]
fn the_trend_is_what_the_newest_drill_tells_of_those_before_it() {
    let mut newest = drill(1, "passed", Signature::Holds);
    if let Ok(evidence) = &mut newest.evidence {
        let before: Vec<_> = (2..22)
            .rev()
            .flat_map(|hours| trend(drill(hours, "stopped", bad()).evidence.as_ref().unwrap()))
            .collect();
        evidence.earlier = before;
    }
    let told = overview("c", &Survey::default(), &[newest], &[], now()).drills.trend;
    let ids: Vec<_> = told.iter().map(|it| it.id.clone()).collect();
    assert_eq!(ids, (1..=12).rev().map(id).collect::<Vec<_>>());
    assert_eq!((told[11].verdict, told[11].rto.measured_ms), (DrillVerdict::Passed, Some(7)));
}

#[test]
fn runs_that_are_not_over_are_open_and_those_not_believed_are_doubted() {
    let record = |hours: i64, over: bool| -> RunRecord {
        let digest = "ab".repeat(32);
        serde_json::from_value(json!({
            "format": "1.0", "id": id(hours), "run": id(hours), "cluster": "c", "playbook": "contain",
            "playbookSha256": digest, "planSha256": digest, "journalSha256": digest, "journalHead": digest,
            "entries": 3, "by": "me", "tool": {"name": "lifeboat", "version": "1"}, "began": ago(hours),
            "at": ago(hours), "end": "stopped", "over": over, "waitsAt": "gate",
        }))
        .unwrap()
    };
    let run = |hours, record: Option<Result<RunRecord, String>>, signature| Run {
        id: id(hours),
        record,
        signature,
    };
    let runs = [
        run(5, Some(Ok(record(5, true))), Signature::Holds),
        run(4, Some(Ok(record(4, false))), Signature::Holds),
        run(3, None, Signature::NotChecked),
        run(2, Some(Ok(record(2, false))), bad()),
        run(1, Some(Err("no JSON".into())), Signature::NotChecked),
    ];
    let told = overview("c", &Survey::default(), &[], &runs, now());
    assert_eq!(told.runs.len(), 2);
    assert_eq!(told.runs[0].recorded.as_ref().unwrap().waits_at.as_deref(), Some("gate"));
    assert_eq!((&told.runs[1].id, &told.runs[1].recorded), (&id(3), &None));
    assert_eq!(told.doubts.len(), 2);
}
