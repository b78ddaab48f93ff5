//! The daemon's status page: is everything as it should be, and where not? Then what runs, what waits for somebody, and each cluster.

mod clusters;
mod schedules;

use super::{
    between,
    drill::clock,
    duration,
    page::{Page, escaped, told},
};
use crate::{
    catalogue::overview::{Judgement, Overview},
    daemon::Known,
};
use jiff::Timestamp;

pub use super::page::policy as page_policy;

/// A cluster, and what follows from what is known of it.
type Judged = (Overview, Judgement);

/// So many clusters are called by their names in a sentence.
const NAMED: usize = 3;

/// What the daemon of this name knows, as one page that needs nothing else. Why a configuration is refused may quote it: that is for
/// the log.
pub fn status_page(known: &Known, holder: &str, now: Timestamp) -> String {
    let mut all = known.judged(now);
    all.sort_by_key(|(_, it)| clusters::rank(it));
    let troubles = troubles(known, now);
    let (class, answer) = answer(known, &all, now);
    let class = if class == "good" && !troubles.is_empty() { "late" } else { class };
    let store = known.around.as_ref().map_or("the store", |(around, _)| around.store.as_str());
    let kind = format!("Recovery points in {store}, as the daemon {holder} sees them");
    let mut page = Page::live(&format!("Lifeboat: {answer}"), class, &kind, &answer, &young(known, &all));
    if !troubles.is_empty() {
        page.list(troubles.iter().map(|trouble| told(trouble)));
    }
    let looked = known.around.as_ref().map_or_else(String::new, |(_, at)| {
        format!("The store was looked at {} UTC, {} before. ", clock(*at), between(*at, now))
    });
    page.raw(&format!(
        "<p class=\"small\">Written {} UTC, and anew every minute. {}<a class=\"short\" href=\"/api/v1/status\">The same as JSON</a></p></header>\n",
        clock(now),
        escaped(&looked)
    ));
    clusters::summary(&mut page, &all, &known.cluster, now);
    schedules::schedules(&mut page, known, now);
    clusters::waiting(&mut page, &all, now);
    for (at, (facts, _)) in all.iter().enumerate() {
        clusters::cluster(&mut page, at, facts);
    }
    page.finish()
}

/// How it is altogether: a class, and the words.
fn answer(known: &Known, all: &[Judged], now: Timestamp) -> (&'static str, String) {
    match (&known.around, &known.unseen) {
        (None, None) => return ("", "Nothing is known yet: the store is being looked at".to_owned()),
        (None, Some(_)) => return ("bad", "The store cannot be looked at, and nothing is known".to_owned()),
        (Some((_, at)), Some(_)) => {
            let text = format!("The store cannot be looked at: this was so {} ago", between(*at, now));
            return ("bad", text);
        }
        (Some(_), None) => {}
    }
    let of = |which: fn(&Judgement) -> bool| all.iter().filter(|(_, it)| which(it)).count();
    let (distrusted, missed, warned) =
        (of(Judgement::distrusts), of(Judgement::missed), of(|it| !it.findings.is_empty()));
    let count = match all.len() {
        1 => "1 cluster".to_owned(),
        many => format!("{many} clusters"),
    };
    if distrusted > 0 {
        ("bad", format!("Not all is to be trusted in {distrusted} of {count}"))
    } else if missed > 0 {
        ("bad", format!("Objectives are missed in {missed} of {count}"))
    } else if known.objectives.is_empty() {
        ("late", "Nothing is judged, for there is no objective".to_owned())
    } else if warned > 0 {
        ("late", format!("Every objective is met, with warnings in {warned} of {count}"))
    } else {
        ("good", format!("Everything is as it should be in {count}"))
    }
}

/// Is every newest recovery point young enough?
fn young(known: &Known, all: &[Judged]) -> String {
    if known.around.is_none() {
        return "How old the newest recovery points are is not known".to_owned();
    }
    let Some(most) = known.objectives.rpo.map(duration) else {
        return "How old recovery points may be is not said: objectives.rpo of the configuration".to_owned();
    };
    let old: Vec<&str> =
        all.iter().filter(|(_, it)| it.rpo.missed()).map(|(facts, _)| facts.cluster.as_str()).collect();
    match old.len() {
        0 => format!("The newest recovery point of every cluster is younger than {most}"),
        many => {
            let named = old[..many.min(NAMED)].join(", ");
            let more = if many > NAMED { format!(" and {} more", many - NAMED) } else { String::new() };
            format!("No recovery point younger than {most}: {named}{more}")
        }
    }
}

/// What is in the way of the daemon itself.
fn troubles(known: &Known, now: Timestamp) -> Vec<String> {
    let mut all = Vec::new();
    if known.ending {
        all.push("The daemon is ending: nothing more is begun.".to_owned());
    }
    if let Some(unseen) = &known.unseen {
        all.push(format!("Since {} UTC the store cannot be looked at: {}", clock(unseen.since), unseen.why));
    }
    if known.unseen.is_none() && known.is_stale(now) {
        all.push("The store should have been looked at since: what follows is old.".to_owned());
    }
    if let Some(wrong) = &known.configuration {
        let since = clock(wrong.since);
        all.push(format!(
            "Since {since} UTC the configuration cannot be used as it is, and the one before stays in force. The daemon's log says why."
        ));
    }
    all.extend(known.around.iter().flat_map(|(around, _)| around.unread.clone()));
    let schedules = known.schedules.iter().filter_map(|(name, it)| Some((name, it.trouble.as_ref()?)));
    all.extend(
        schedules.map(|(name, why)| format!("The schedule {name} cannot be kept at the moment: {why}")),
    );
    all
}

#[cfg(test)]
mod tests;
