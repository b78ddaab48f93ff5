//! What the daemon knows, as a page and as JSON.

use crate::{
    cli::{failure::Failure, status},
    daemon::{Known, Page, Standing},
    report,
};
use jiff::Timestamp;
use serde_json::{Value, json};

/// The status page of the daemon of this name.
pub(super) fn page(holder: &str) -> Page {
    let (html, json) = (holder.to_owned(), holder.to_owned());
    Page {
        html: Box::new(move |known, now| report::status_page(known, &html, now)),
        policy: report::page_policy(),
        json: Box::new(move |known, now| {
            let told = told(known, &json, now).unwrap_or_else(|e| json!({"error": e.error.to_string()}));
            format!("{told:#}\n")
        }),
    }
}

/// What `lifeboat status` tells, with the daemon and its schedules. Why a configuration is refused may quote it: that is for the log.
fn told(known: &Known, holder: &str, now: Timestamp) -> Result<Value, Failure> {
    let around = known.around.as_ref();
    let store = around.map_or("", |(around, _)| around.store.as_str());
    let mut told = status::told(&known.judged(now), known.objectives, store, now)?;
    told["daemon"] = json!({
        "name": holder,
        "version": env!("CARGO_PKG_VERSION"),
        "ending": known.ending,
        "lookedAt": around.map(|(_, at)| at),
        "unseen": known.unseen.as_ref().map(|it| json!({"why": it.why, "since": it.since})),
        "unread": around.map_or(&[][..], |(around, _)| &around.unread),
        "configurationRejectedSince": known.configuration.as_ref().map(|it| it.since),
    });
    told["schedules"] = known.schedules.iter().map(schedule).collect();
    Ok(told)
}

fn schedule((name, it): (&String, &Standing)) -> Value {
    json!({
        "name": name,
        "runs": it.work.as_str(),
        "next": it.next,
        "running": it.running.as_ref().map(|(turn, since)| json!({"run": turn, "since": since})),
        "elsewhere": it.elsewhere,
        "last": it.last.as_ref().map(|(turn, end)| json!({
            "run": turn, "outcome": end.outcome, "began": end.began, "ended": end.ended, "made": end.made,
            "message": end.message,
        })),
        "succeeded": it.succeeded,
        "missed": it.missed,
        "trouble": it.trouble,
    })
}
