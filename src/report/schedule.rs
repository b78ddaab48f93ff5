//! What runs by itself, in words.

use super::{between, table};
use crate::{
    daemon::{Job, Reason, Upcoming},
    point::{Claim, End, Turn},
};
use jiff::{Timestamp, Zoned};

/// A run that will begin, and the job that it is of.
#[derive(Debug, Clone)]
pub struct Planned<'a> {
    /// The job.
    pub job: &'a Job,
    /// The run.
    pub next: Upcoming,
}

/// What will run next, what runs now, and what does not.
pub fn planned(
    runs: &[Planned<'_>],
    running: &[&(Turn, Option<Claim>)],
    jobs: &[Job],
    now: Timestamp,
) -> String {
    let mut text = String::new();
    for (turn, claim) in running {
        let by = claim.as_ref().map_or_else(String::new, |claim| {
            format!(" at {}, for {}", claim.holder, between(claim.at, now))
        });
        text.push_str(&format!("{turn} runs now{by}\n"));
    }
    if !runs.is_empty() {
        let rows = runs.iter().map(|Planned { job, next }| {
            let left = match next.begins <= now {
                true => "now".to_owned(),
                false => between(now, next.begins),
            };
            vec![
                clock(next.begins, job),
                left,
                next.schedule.clone(),
                job.work.as_str().to_owned(),
                why(job, next),
            ]
        });
        text.push_str(&table(&["begins", "in", "schedule", "runs", "why"], rows));
        text.push('\n');
    }
    let suspended: Vec<&str> =
        jobs.iter().filter(|it| it.rule.suspended).map(|it| it.rule.name.as_str()).collect();
    if !suspended.is_empty() {
        text.push_str(&format!("suspended: {}\n", suspended.join(", ")));
    }
    text
}

fn why(job: &Job, next: &Upcoming) -> String {
    let zone = job.rule.zone.iana_name().unwrap_or("UTC");
    let due = clock(next.due, job);
    match next.why {
        Reason::Due => {
            let later = match next.begins == next.due {
                true => String::new(),
                false => format!(", {} later by jitter", between(next.due, next.begins)),
            };
            format!("{} in {zone}{later}", job.rule.cron)
        }
        Reason::Missed(0) => format!("due at {due}, and not begun"),
        Reason::Missed(more) => format!("due at {due}, and not begun; {more} before it were missed"),
        Reason::Again(attempt) => format!("due at {due}; try {attempt} did not succeed"),
    }
}

/// A moment in the zone of a job.
fn clock(at: Timestamp, job: &Job) -> String {
    let at: Zoned = at.to_zoned(job.rule.zone.clone());
    at.strftime("%a %Y-%m-%d %H:%M:%S %Z").to_string()
}

/// The runs that there were, oldest first.
pub fn turns(runs: &[(Turn, Option<Claim>, Option<End>)], now: Timestamp) -> String {
    if runs.is_empty() {
        return "no daemon has begun anything\n".to_owned();
    }
    let rows = runs.iter().map(|(turn, claim, end)| {
        let took = match (end, claim) {
            (Some(end), _) => between(end.began, end.ended),
            (None, Some(claim)) => format!("{} so far", between(claim.at, now)),
            (None, None) => String::new(),
        };
        let outcome = end.as_ref().map_or("running", |end| end.outcome.as_str());
        let made =
            end.as_ref().and_then(|end| end.made.as_ref()).map_or_else(String::new, ToString::to_string);
        let holder = claim.as_ref().map_or_else(String::new, |claim| claim.holder.clone());
        let message = end.as_ref().and_then(|end| end.message.clone()).unwrap_or_default();
        vec![turn.to_string(), outcome.to_owned(), took, holder, made, message]
    });
    table(&["run", "outcome", "took", "at", "made", "message"], rows)
}
