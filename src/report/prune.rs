use super::{between, bytes, table};
use crate::catalogue::prune::{Done, Plan, Planned, PlannedDrill, Remains};
use std::{collections::BTreeSet, fmt::Write};

/// What is kept and what goes, and why; and what came of it, once it was carried out.
pub fn prune(plan: &Plan, done: Option<&Done>) -> String {
    let mut out = String::new();
    if plan.points.is_empty() {
        let _ = writeln!(out, "no recovery points of `{}` in {}", plan.cluster, plan.store);
    } else {
        let deleted: BTreeSet<_> = done.iter().flat_map(|d| &d.deleted).collect();
        let rows = plan.points.iter().map(|point| {
            let age = between(point.created_at, plan.made_at);
            let id = point.judgement.id.to_string();
            let gone = deleted.contains(&point.judgement.id);
            let fate = fate(point, gone, done);
            vec![id, age, bytes(point.bytes), fate, why(point)]
        });
        out.push_str(&table(&["id", "age", "stored", "fate", "why"], rows));
        out.push_str("\n\n");
    }
    if !plan.drills.is_empty() {
        let rows = plan.drills.iter().map(|drill| {
            let verdict = drill.verdict.map_or_else(|| "?".to_owned(), |verdict| verdict.to_string());
            let name = drill.name.clone().unwrap_or_else(|| "?".to_owned());
            vec![
                drill.id.to_string(),
                name,
                verdict,
                bytes(drill.bytes),
                drill_fate(drill, done),
                drill_why(drill),
            ]
        });
        out.push_str(&table(&["drill", "name", "verdict", "stored", "fate", "why"], rows));
        out.push_str("\n\n");
    }
    match done {
        None => planned(&mut out, plan),
        Some(done) => carried_out(&mut out, plan, done),
    }
    if plan.waiting > 0 {
        let _ = writeln!(
            out,
            "{} remains are left alone for now: too young to be told from a run that is at work, or locked",
            plan.waiting
        );
    }
    for remark in &plan.remarks {
        let _ = writeln!(out, "note: {remark}");
    }
    out
}

fn fate(point: &Planned, gone: bool, done: Option<&Done>) -> String {
    let id = &point.judgement.id;
    match done {
        _ if point.judgement.stays() => "kept",
        None => "would go",
        Some(_) if gone => "deleted",
        Some(done) if done.gone_before.contains(id) => "gone before",
        Some(done) if done.spared.iter().any(|s| s.id == *id) => "spared",
        Some(_) => "NOT DELETED",
    }
    .to_owned()
}

fn drill_fate(drill: &PlannedDrill, done: Option<&Done>) -> String {
    match done {
        _ if drill.stays() => "kept",
        None => "would go",
        Some(done) if done.drills.contains(&drill.id) => "deleted",
        Some(done) if done.spared.iter().any(|s| s.id == drill.id) => "spared",
        Some(_) => "NOT DELETED",
    }
    .to_owned()
}

fn drill_why(drill: &PlannedDrill) -> String {
    if !drill.stays() {
        return match drill.over_since {
            Some(since) => format!("its time was over on {}", since.strftime("%Y-%m-%d")),
            None => "there are enough newer ones of its name".to_owned(),
        };
    }
    drill.kept.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

fn why(point: &Planned) -> String {
    let judgement = &point.judgement;
    let reasons: Vec<String> = match judgement.stays() {
        true => judgement.kept.iter().map(ToString::to_string).collect(),
        false => judgement.fell.iter().map(ToString::to_string).collect(),
    };
    reasons.join("; ")
}

fn planned(out: &mut String, plan: &Plan) {
    let going = plan.going().count();
    let _ = writeln!(
        out,
        "{going} of {} recovery points would go, and {} would be freed",
        plan.points.len(),
        bytes(plan.bytes())
    );
    let sum = |remains: &[Remains]| bytes(remains.iter().map(|r| r.bytes).sum());
    if !plan.orphans.is_empty() {
        let many = plan.orphans.len();
        let _ = writeln!(out, "remains of {many} interrupted runs: {}", sum(&plan.orphans));
    }
    if !plan.records.is_empty() {
        let many = plan.records.len();
        let _ = writeln!(out, "records of {many} recovery points that are gone: {}", sum(&plan.records));
    }
    if !plan.thinned.is_empty() {
        let (many, points) = (plan.thinned.iter().map(|t| t.count).sum::<usize>(), plan.thinned.len());
        let size = bytes(plan.thinned.iter().map(|t| t.bytes).sum());
        let _ = writeln!(
            out,
            "verifications of {points} recovery points that newer ones supersede: {many}, {size}"
        );
    }
    let drills: Vec<u64> = plan.drills.iter().filter(|it| !it.stays()).map(|it| it.bytes).collect();
    if !drills.is_empty() {
        let all = plan.drills.len();
        let _ = writeln!(out, "evidence of {} of {all} drills: {}", drills.len(), bytes(drills.iter().sum()));
    }
    if !plan.drill_remains.is_empty() {
        let many = plan.drill_remains.len();
        let _ = writeln!(out, "remains of {many} drills that were killed: {}", sum(&plan.drill_remains));
    }
    let unfinished: Vec<u64> = plan.unfinished.iter().filter(|u| !u.id.is_empty()).map(|u| u.bytes).collect();
    if !unfinished.is_empty() {
        let _ = writeln!(out, "unfinished uploads: {}, {}", unfinished.len(), bytes(unfinished.iter().sum()));
    }
    for refusal in &plan.refusals {
        let _ = writeln!(out, "REFUSED: {refusal}");
    }
}

fn carried_out(out: &mut String, plan: &Plan, done: &Done) {
    let _ = writeln!(
        out,
        "{} of {} recovery points deleted, and {} freed",
        done.deleted.len(),
        plan.points.len(),
        bytes(done.bytes)
    );
    let mut told = |many: usize, what: &str| {
        if many > 0 {
            let _ = writeln!(out, "{what}: {many}");
        }
    };
    told(done.gone_before.len(), "had gone already, another run was at it");
    told(done.orphans.len(), "interrupted runs whose remains were removed");
    told(done.thinned, "superseded verifications removed");
    told(done.drills.len(), "drills whose evidence was removed");
    told(done.unfinished, "unfinished uploads removed");
    for spared in &done.spared {
        let _ = writeln!(out, "spared  {}: {}", spared.id, spared.reason);
    }
    for failed in &done.failed {
        let _ = writeln!(out, "NOT DELETED  {}: {}", failed.object, failed.error);
    }
}
