//! What runs by itself: now, next, and how it ended last.

use super::super::{
    between,
    drill::clock,
    page::{Page, short, words},
};
use crate::{
    daemon::{Known, Standing},
    point::TurnOutcome,
};
use jiff::Timestamp;

pub(super) fn schedules(page: &mut Page, known: &Known, now: Timestamp) {
    page.section("Schedules");
    if known.schedules.is_empty() {
        page.raw("<p>Nothing is known of any schedule yet.</p>");
    } else {
        let rows = known.schedules.iter().map(|(name, it)| {
            let succeeded = it.succeeded.map(|at| format!("{} ago", between(at, now)));
            vec![
                name.clone(),
                it.work.as_str().to_owned(),
                coming(it, now),
                last(it, now),
                succeeded.unwrap_or_else(|| "none known".to_owned()),
            ]
        });
        let columns = [
            words("Schedule"),
            short("Runs"),
            words("Now and next (UTC)"),
            words("Last run"),
            short("Last success"),
        ];
        page.table("What runs by itself", &columns, rows);
    }
    page.end();
}

fn coming(it: &Standing, now: Timestamp) -> String {
    match (&it.running, &it.elsewhere, it.next) {
        (Some((_, since)), ..) => format!("RUNS since {} ({})", clock(*since), between(*since, now)),
        (None, Some(turn), _) => format!("RUNS at another daemon; it was due {}", clock(turn.due)),
        (None, None, Some(next)) if next <= now => "it begins now".to_owned(),
        (None, None, Some(next)) => format!("in {}, {}", between(now, next), clock(next)),
        (None, None, None) => "nothing is planned".to_owned(),
    }
}

fn last(it: &Standing, now: Timestamp) -> String {
    let mut text = match &it.last {
        None => "none known".to_owned(),
        Some((_, end)) => {
            let (took, ago) = (between(end.began, end.ended), between(end.ended, now));
            let message = end.message.as_ref().map(|it| format!(": {it}")).unwrap_or_default();
            match end.outcome {
                TurnOutcome::Completed => format!("completed {ago} ago, in {took}"),
                outcome => format!("{} {ago} ago, after {took}{message}", outcome.as_str().to_uppercase()),
            }
        }
    };
    if it.missed > 0 {
        text += &format!("; {} missed, as far as was seen", it.missed);
    }
    text
}
