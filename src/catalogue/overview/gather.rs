use super::{
    Distrust, Drills, HeldPoint, LastDrill, NewestPoint, OpenRun, Overview, Points, RecordedRun, Taken,
    Verification, Verified,
};
use crate::{
    catalogue::{
        Catalogue, CatalogueError, Drill, History, Listed, Run, Signature, Standing, Survey, verified::AHEAD,
    },
    point::{DrillVerdict, EarlierDrill, Evidence, Level, Status},
};
use futures_util::future;
use jiff::Timestamp;

/// So many drills are told of for the trend.
const TREND: usize = 12;
const FROM_THE_FUTURE: &str = "it is from the future: a clock is wrong, there or here";

impl Catalogue {
    /// How things stand, by what the store holds.
    ///
    /// It costs what a [survey](Catalogue::survey) of the newest records costs, and two listings more: of drills, of which the
    /// newest are read until one passed (evidence and signature), and of runs of playbooks, each of which takes a listing, its
    /// record and its signature. Where the store is told to lock, each object of the newest point to rely on is asked about as well.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn overview(&self, now: Timestamp) -> Result<Overview, CatalogueError> {
        let passed = |drill: &Drill| believed(drill, now).is_ok_and(passed);
        let (survey, drills, runs) =
            future::try_join3(self.survey(History::Newest), self.drills_back_to(passed), self.runs()).await?;
        let mut found = overview(&self.cluster, &survey, &drills, &runs, now);
        if let Some(newest) = &mut found.points.newest_completed {
            let listed = survey.points.iter().find(|listed| listed.id == newest.id);
            if let Some(manifest) = listed.and_then(|listed| listed.manifest.as_ref().ok()) {
                newest.lock = self.lock(manifest).await?;
            }
        }
        Ok(found)
    }
}

/// The facts: a survey, the newest drills from the newest on, and all runs.
fn overview(cluster: &str, survey: &Survey, drills: &[Drill], runs: &[Run], now: Timestamp) -> Overview {
    let mut doubts = Vec::new();
    let nothing = Standing::default();
    let standing = |listed: &Listed| survey.standings.get(&listed.id).unwrap_or(&nothing);
    let mut points = Points { count: survey.points.len(), ..Points::default() };
    let mut verified = Verified::default();
    let mut held = Vec::new();
    for listed in &survey.points {
        let standing = standing(listed);
        let own = of_point(listed, now);
        let failed = standing.verified.as_ref().is_some_and(|last| !last.passed);
        let point = newest(listed);
        let complete = point.status == Some(Status::Completed);
        points.stored_bytes += listed.manifest.as_ref().map_or(0, |manifest| manifest.stored_bytes());
        if complete && !failed && own.is_none() {
            later(&mut points.newest_completed, point.clone(), age);
        }
        later(&mut points.newest, point, age);
        if failed {
            verified.failed.push(listed.id.clone());
        }
        doubts.extend(own);
        doubts.extend(standing.doubts.iter().map(|doubt| Distrust {
            level: Level::Warning,
            about: format!("the record {}", doubt.record),
            why: doubt.why.clone(),
        }));
        if standing.verified.is_none() {
            verified.never += 1;
            let begun = listed.begun();
            verified.oldest_never = verified.oldest_never.into_iter().chain(begun).min();
        }
        if let Some(last) = &standing.verified {
            let it = Verification {
                point: listed.id.clone(),
                at: last.at,
                depth: last.depth,
                passed: last.passed,
            };
            if it.passed {
                later(&mut verified.last_passed, it.clone(), |it| it.at);
            }
            later(&mut verified.last, it, |it| it.at);
        }
        held.extend(standing.held.clone().map(|held| HeldPoint { id: listed.id.clone(), held }));
    }
    Overview {
        cluster: cluster.to_owned(),
        points,
        verified,
        drills: newest_drills(drills, now, &mut doubts),
        held,
        copies: Vec::new(),
        runs: open(runs, &mut doubts),
        doubts,
    }
}

/// Puts the later one there; of two at once the second.
fn later<T, K: Ord>(place: &mut Option<T>, it: T, when: impl Fn(&T) -> K) {
    if place.as_ref().is_none_or(|before| when(before) <= when(&it)) {
        *place = Some(it);
    }
}

fn age(point: &NewestPoint) -> Option<Timestamp> {
    point.created_at
}

fn newest(listed: &Listed) -> NewestPoint {
    let manifest = listed.manifest.as_ref().ok();
    let taken = manifest.map(|manifest| Taken {
        finished_at: manifest.finished_at,
        plain_bytes: manifest.plain_bytes(),
        stored_bytes: manifest.stored_bytes(),
        phases: manifest.phases.clone(),
    });
    let status = manifest.map(|manifest| manifest.status);
    NewestPoint { id: listed.id.clone(), created_at: listed.begun(), status, taken, lock: None }
}

/// What speaks against a document with a signature, and how grave that is.
fn against<'a, T>(signature: &'a Signature, read: &'a Result<T, String>) -> Option<(Level, &'a str)> {
    match (signature, read) {
        (Signature::Bad(why), _) | (Signature::NotChecked, Err(why)) => Some((Level::Error, why)),
        // It was written so, and a later version may understand it.
        (Signature::Holds, Err(why)) => Some((Level::Warning, why)),
        (_, Ok(_)) => None,
    }
}

fn distrust(about: String, (level, why): (Level, &str)) -> Distrust {
    Distrust { level, about, why: why.to_owned() }
}

/// What speaks against a recovery point itself.
fn of_point(listed: &Listed, now: Timestamp) -> Option<Distrust> {
    let future = || {
        let manifest = listed.manifest.as_ref().ok()?;
        ahead(manifest.created_at, now).then_some((Level::Warning, FROM_THE_FUTURE))
    };
    let why = against(&listed.signature, &listed.manifest).or_else(future)?;
    Some(distrust(format!("recovery point {}", listed.id), why))
}

fn ahead(at: Timestamp, now: Timestamp) -> bool {
    at.duration_since(now) > AHEAD
}

fn passed(evidence: &Evidence) -> bool {
    evidence.verdict == DrillVerdict::Passed
}

/// The evidence of a drill, or what speaks against it.
fn believed(drill: &Drill, now: Timestamp) -> Result<&Evidence, Distrust> {
    let doubt = |why| distrust(format!("drill {}", drill.id), why);
    match (against(&drill.signature, &drill.evidence), &drill.evidence) {
        (Some(why), _) => Err(doubt(why)),
        (None, Ok(evidence)) if !ahead(evidence.ended, now) => Ok(evidence),
        (None, _) => Err(doubt((Level::Warning, FROM_THE_FUTURE))),
    }
}

fn newest_drills(drills: &[Drill], now: Timestamp, doubts: &mut Vec<Distrust>) -> Drills {
    let mut found = Drills::default();
    for drill in drills {
        match believed(drill, now) {
            Err(doubt) => doubts.push(doubt),
            Ok(it) => {
                let last = LastDrill {
                    id: drill.id.clone(),
                    name: it.plan.name.clone(),
                    ended: it.ended,
                    verdict: it.verdict,
                    point: it.point.as_ref().map(|point| point.id.clone()),
                    rpo: it.rpo,
                    rto: it.rto,
                };
                if passed(it) {
                    found.last_passed.get_or_insert_with(|| last.clone());
                }
                if found.last.is_none() {
                    (found.last, found.trend) = (Some(last), trend(it));
                }
            }
        }
    }
    found
}

/// The last drills, as the newest tells of them.
fn trend(newest: &Evidence) -> Vec<EarlierDrill> {
    let own = EarlierDrill {
        id: newest.id.clone(),
        began: newest.began,
        name: newest.plan.name.clone(),
        verdict: newest.verdict,
        rpo: newest.rpo,
        rto: newest.rto,
    };
    let before = newest.earlier.len().saturating_sub(TREND - 1);
    newest.earlier.iter().skip(before).cloned().chain([own]).collect()
}

/// The runs that are not over. One whose record is not believed is doubted, and nothing follows from it.
fn open(runs: &[Run], doubts: &mut Vec<Distrust>) -> Vec<OpenRun> {
    let mut found = Vec::new();
    for run in runs {
        let Some(read) = &run.record else {
            found.push(OpenRun { id: run.id.clone(), recorded: None });
            continue;
        };
        if let Some(why) = against(&run.signature, read) {
            doubts.push(distrust(format!("run {}", run.id), why));
        } else if let Ok(record) = read
            && !record.over
        {
            let recorded = RecordedRun {
                playbook: record.playbook.clone(),
                by: record.by.clone(),
                at: record.at,
                end: record.end.clone(),
                waits_at: record.waits_at.clone(),
            };
            found.push(OpenRun { id: run.id.clone(), recorded: Some(recorded) });
        }
    }
    found
}

#[cfg(test)]
#[path = "gather_tests.rs"]
mod tests;
