use super::{between, bytes, drill::achieved, duration};
use crate::{
    catalogue::overview::{
        Copies, Judgement, LastDrill, NewestPoint, Objectives, OpenRun, Overview, Verification,
    },
    point::{Level, Objective},
};
use jiff::Timestamp;
use std::{fmt::Write, time::Duration};

/// How things stand with each cluster.
pub fn status(all: &[(Overview, Judgement)], objectives: Objectives, store: &str, now: Timestamp) -> String {
    let mut out = String::new();
    for (facts, judgement) in all {
        cluster(&mut out, facts, judgement, now);
        out.push('\n');
    }
    let _ = writeln!(out, "{} in {store}; {}", clusters(all.len()), verdict(all, objectives));
    out
}

fn clusters(count: usize) -> String {
    if count == 1 { "1 cluster".to_owned() } else { format!("{count} clusters") }
}

fn verdict(all: &[(Overview, Judgement)], objectives: Objectives) -> String {
    let count = |of: fn(&Judgement) -> bool| all.iter().filter(|(_, judgement)| of(judgement)).count();
    let judged = match (objectives.is_empty(), count(Judgement::missed)) {
        (true, _) => {
            "nothing is judged, for there is no objective: set `objectives` in the configuration, or give --rpo, --verified, --drilled"
                .to_owned()
        }
        (false, 0) => "every objective is met".to_owned(),
        (false, missed) => format!("OBJECTIVES ARE MISSED in {}", clusters(missed)),
    };
    match count(Judgement::distrusts) {
        0 => judged,
        distrusted => format!("NOT ALL IS TO BE TRUSTED in {}; {judged}", clusters(distrusted)),
    }
}

fn cluster(out: &mut String, facts: &Overview, judgement: &Judgement, now: Timestamp) {
    let word = match (judgement.distrusts(), judgement.missed()) {
        (true, true) => ": NOT TO BE TRUSTED, and OBJECTIVES MISSED",
        (true, false) => ": NOT TO BE TRUSTED",
        (false, true) => ": OBJECTIVES MISSED",
        (false, false) => "",
    };
    let _ = writeln!(out, "{}{word}", facts.cluster);
    let mut line = |name: &str, value: String| {
        let _ = writeln!(out, "  {name:15}  {value}");
    };
    let points = &facts.points;
    let held = match facts.held.len() {
        0 => String::new(),
        held => format!("; {held} held"),
    };
    line("recovery points", format!("{}, {} stored{held}", points.count, bytes(points.stored_bytes)));
    if points.newest.as_ref().map(|it| &it.id) != points.newest_completed.as_ref().map(|it| &it.id) {
        line("newest", or_none(points.newest.as_ref().map(|it| point(it, now))));
    }
    let newest = points.newest_completed.as_ref().map(|it| point(it, now));
    line("newest complete", or_none(newest) + &most(&judgement.rpo));
    let verified = &facts.verified;
    if let Some(last) = verified.last.as_ref().filter(|last| !last.passed) {
        line("last verified", format!("{}, FAILED", verification(last, now)));
    }
    let passed = verified.last_passed.as_ref().map(|it| format!("{}, passed", verification(it, now)));
    line("verified", passed.unwrap_or_else(|| "never".to_owned()) + &most(&judgement.verified));
    let drills = &facts.drills;
    if drills.last.as_ref().map(|it| &it.id) != drills.last_passed.as_ref().map(|it| &it.id) {
        line("last drill", or_none(drills.last.as_ref().map(|it| drill(it, now))));
    }
    let passed = drills.last_passed.as_ref().map(|it| drill(it, now));
    line("passed drill", or_none(passed) + &most(&judgement.drilled));
    for copies in &facts.copies {
        line("copies", owed(copies));
    }
    for held in &facts.held {
        line("held", format!("{}: {}", held.id, held.held.reason));
    }
    for it in &facts.runs {
        line("playbook", run(it, now));
    }
    for finding in &judgement.findings {
        line(if finding.level == Level::Error { "ERROR" } else { "warning" }, finding.message.clone());
    }
}

fn or_none(text: Option<String>) -> String {
    text.unwrap_or_else(|| "none".to_owned())
}

/// What the age may be, behind what has one.
fn most(it: &Objective) -> String {
    match it.objective_ms {
        None => String::new(),
        Some(most) => {
            let word = if it.missed() { "MISSED" } else { "met" };
            format!(" (at most {}: {word})", duration(Duration::from_millis(most)))
        }
    }
}

fn point(it: &NewestPoint, now: Timestamp) -> String {
    let age =
        it.created_at.map_or_else(|| "of unknown age".to_owned(), |at| format!("{} old", between(at, now)));
    let status = it.status.map_or_else(|| "cannot be read".to_owned(), |status| status.to_string());
    format!("{}, {age}, {status}", it.id)
}

fn verification(it: &Verification, now: Timestamp) -> String {
    format!("{}, {} ago, {}", it.point, between(it.at, now), it.depth)
}

fn drill(it: &LastDrill, now: Timestamp) -> String {
    let (age, rpo, rto) = (between(it.ended, now), achieved(&it.rpo), achieved(&it.rto));
    format!("{} ({}), {age} ago, {}, RPO {rpo}, RTO {rto}", it.id, it.name, it.verdict)
}

fn run(run: &OpenRun, now: Timestamp) -> String {
    let id = &run.id;
    let Some(it) = &run.recorded else { return format!("run {id}: nothing is recorded yet") };
    let waits = it.waits_at.as_ref().map(|step| format!(", waits at {step}")).unwrap_or_default();
    format!("run {id} of {} by {}: {} {} ago{waits}", it.playbook, it.by, it.end, between(it.at, now))
}

fn owed(copies: &Copies) -> String {
    match (&copies.error, copies.owed.len()) {
        (Some(_), _) => format!("{}: what it lacks is not known", copies.store),
        (None, 0) => format!("{}: it lacks nothing", copies.store),
        (None, owed) => format!("{}: {owed} are owed", copies.store),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        catalogue::overview::{Distrust, judge},
        point::DrillVerdict,
    };

    fn told(facts: Overview, rpo: Option<u64>) -> String {
        let objectives = Objectives { rpo: rpo.map(Duration::from_secs), ..Objectives::default() };
        let now = "2026-11-29T12:00:00Z".parse().unwrap();
        let judgement = judge(&facts, objectives, now);
        status(&[(facts, judgement)], objectives, "file:///s", now)
    }

    fn last(text: &str) -> &str {
        text.lines().last().unwrap()
    }

    #[test]
    fn the_last_line_says_what_came_of_it_and_the_first_one_what_is_wrong() {
        let mut facts = Overview { cluster: "lab".into(), ..Overview::default() };
        let id = || "20261129T110000Z-aaaa".parse().unwrap();
        let at: Timestamp = "2026-11-29T11:00:00Z".parse().unwrap();
        let point = NewestPoint { id: id(), created_at: Some(at), status: None, taken: None, lock: None };
        facts.points.newest = Some(point.clone());
        let text = told(facts.clone(), None);
        assert!(
            text.starts_with("lab\n")
                && text.contains("  newest           20261129T110000Z-aaaa, 1 h 0 min old, cannot be read\n"),
            "{text}"
        );
        assert!(text.contains("  newest complete  none\n"), "{text}");
        assert!(last(&text).starts_with("1 cluster in file:///s; nothing is judged"), "{text}");

        facts.points.newest_completed = Some(point);
        let text = told(facts.clone(), Some(3600));
        assert!(!text.contains("  newest  ") && text.contains("(at most 1 h 0 min: met)"), "{text}");
        assert_eq!(last(&text), "1 cluster in file:///s; every objective is met");

        facts.doubts.push(Distrust {
            level: Level::Error,
            about: "drill x".into(),
            why: "it is forged".into(),
        });
        let (rpo, rto) = (Objective { measured_ms: Some(5), objective_ms: Some(4) }, Objective::default());
        let (name, verdict) = ("yearly".into(), DrillVerdict::ObjectiveMissed);
        facts.drills.last = Some(LastDrill { id: id(), name, ended: at, verdict, point: None, rpo, rto });
        let text = told(facts, Some(60));
        assert!(text.starts_with("lab: NOT TO BE TRUSTED, and OBJECTIVES MISSED\n"), "{text}");
        assert!(
            text.contains("(yearly), 1 h 0 min ago, objective-missed, RPO 5 ms (missed), RTO -\n"),
            "{text}"
        );
        assert!(text.contains("  ERROR            drill x: it is forged\n"), "{text}");
        let words = "1 cluster in file:///s; NOT ALL IS TO BE TRUSTED in 1 cluster; OBJECTIVES ARE MISSED in 1 cluster";
        assert_eq!(last(&text), words);
    }
}
