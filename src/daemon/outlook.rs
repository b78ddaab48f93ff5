//! What will run next, and why.

use super::{
    Job,
    decide::{Step, decide},
    newest::{Newest, look},
};
use crate::{
    catalogue::{Catalogue, CatalogueError},
    point::{Claim, Turn},
};
use jiff::Timestamp;
use serde::Serialize;

/// A run that will begin, as it looks now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Upcoming {
    /// The schedule.
    pub schedule: String,
    /// When it begins, if a daemon runs then.
    pub begins: Timestamp,
    /// When it is due.
    pub due: Timestamp,
    /// Why it begins.
    pub why: Reason,
}

/// Why a run begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// Its time has come.
    Due,
    /// Its time has passed, and nothing began; so many before it were missed for good.
    Missed(u32),
    /// The try before, of this number, did not succeed.
    Again(u32),
}

/// How a schedule stands in the store.
#[derive(Debug, Clone, Default)]
pub struct Past {
    newest: Option<Newest>,
    /// The run that is under way, who is at it, and since when.
    pub running: Option<(Turn, Option<Claim>)>,
}

impl Past {
    /// What the store shows of a schedule: one listing, and two small objects.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn of(catalogue: &Catalogue, schedule: &str, now: Timestamp) -> Result<Past, CatalogueError> {
        let newest = look(catalogue, schedule, now).await?.newest;
        let running = match newest.as_ref().filter(|it| it.ended.is_none()) {
            Some(it) => Some((it.turn.clone(), catalogue.legible::<Claim>(&it.turn).await?)),
            None => None,
        };
        Ok(Past { newest, running })
    }
}

/// The next `many` runs of a job, from what the store shows of it.
pub fn upcoming(job: &Job, past: &Past, now: Timestamp, many: usize) -> Vec<Upcoming> {
    if job.rule.suspended {
        return Vec::new();
    }
    let run = |due, begins, why| Upcoming { schedule: job.rule.name.clone(), begins, due, why };
    let mut found = Vec::new();
    let newest = past.newest.as_ref();
    let following = newest.and_then(|newest| job.rule.after(newest.turn.due).next());
    match decide(job, newest, now, now) {
        Step::Begin { turn, missed } => {
            let why = match turn.attempt {
                1 => Reason::Missed(missed),
                attempt => Reason::Again(attempt - 1),
            };
            found.push(run(turn.due, now, why));
        }
        // Sooner than the next time there is only another try.
        Step::Wait(Some(at)) => {
            if let Some(newest) = newest
                && following.map(|due| job.rule.begins(due)) != Some(at)
            {
                found.push(run(newest.turn.due, at, Reason::Again(newest.turn.attempt)));
            }
        }
        _ => {}
    }
    // One whose time has come may still wait for its jitter.
    let waiting = following.filter(|due| *due <= now && job.rule.begins(*due) > now);
    for due in waiting.into_iter().chain(job.rule.after(now)).take(many.saturating_sub(found.len())) {
        found.push(run(due, job.rule.begins(due), Reason::Due));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::point::TurnOutcome;
    use jiff::SignedDuration;

    fn job(jitter: i64) -> Job {
        let mut job = Job { retries: 1, ..Job::hourly() };
        job.rule.jitter = SignedDuration::from_mins(jitter);
        job
    }

    fn at(text: &str) -> Timestamp {
        format!("2026-11-29T{text}Z").parse().unwrap()
    }

    fn past(hour: u32, outcome: TurnOutcome, ended: &str) -> Past {
        let turn = Turn { schedule: "hourly".into(), due: at(&format!("{hour:02}:00:00")), attempt: 1 };
        Past { newest: Some(Newest { turn, ended: Some((outcome, at(ended))), alive: 0 }), running: None }
    }

    fn told(job: &Job, past: &Past, now: &str) -> Vec<(String, Reason)> {
        let all = upcoming(job, past, at(now), 3).into_iter();
        all.map(|it| (it.begins.strftime("%H:%M:%S").to_string(), it.why)).collect()
    }

    #[test]
    fn what_comes_next() {
        let due = |text: &str| (text.to_owned(), Reason::Due);
        let done = past(9, TurnOutcome::Completed, "09:01:00");
        assert_eq!(
            told(&job(0), &Past::default(), "09:30:00"),
            [due("10:00:00"), due("11:00:00"), due("12:00:00")]
        );
        assert_eq!(told(&job(0), &done, "09:30:00"), [due("10:00:00"), due("11:00:00"), due("12:00:00")]);
        let missed = ("12:30:00".to_owned(), Reason::Missed(2));
        assert_eq!(told(&job(0), &done, "12:30:00"), [missed, due("13:00:00"), due("14:00:00")]);
        let again = ("09:01:30".to_owned(), Reason::Again(1));
        let failed = past(9, TurnOutcome::Failed, "09:01:00");
        assert_eq!(told(&job(0), &failed, "09:01:10"), [again, due("10:00:00"), due("11:00:00")]);
        let mut suspended = job(0);
        suspended.rule.suspended = true;
        assert_eq!(told(&suspended, &done, "12:30:00"), []);
    }

    #[test]
    fn a_run_that_waits_for_its_jitter_comes_first() {
        let job = job(30);
        let begins = job.rule.begins(at("10:00:00")).strftime("%H:%M:%S").to_string();
        let all = told(&job, &past(9, TurnOutcome::Completed, "09:41:00"), "10:00:01");
        assert_eq!((all.len(), &all[0]), (3, &(begins, Reason::Due)));
    }
}
