//! The newest run of a schedule, as the store shows it.

use crate::{
    catalogue::{Catalogue, CatalogueError, Shown},
    point::{End, Failing, Turn, TurnOutcome},
};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;

/// A run from so far in the future was begun by a clock that was wrong.
const AHEAD: SignedDuration = SignedDuration::from_mins(5);

/// The newest run of a schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Newest {
    /// Which.
    pub turn: Turn,
    /// How and when it ended; none while it runs.
    pub ended: Option<(TurnOutcome, Timestamp)>,
    /// The number of its newest sign of life.
    pub alive: u64,
}

/// What the store shows of a schedule.
pub(super) struct Looked {
    /// Its newest run.
    pub newest: Option<Newest>,
    /// How that ended, if it did.
    pub end: Option<End>,
    /// How long the schedule has been failing, by the newest run that ended.
    pub failing: Option<Failing>,
    /// All of its runs, but for those from the future.
    pub turns: BTreeMap<Turn, Shown>,
}

/// Looks at a schedule: one listing, and one small object.
///
/// # Errors
/// When the store does not answer.
pub(super) async fn look(
    catalogue: &Catalogue,
    schedule: &str,
    now: Timestamp,
) -> Result<Looked, CatalogueError> {
    let mut turns = catalogue.turns(schedule).await?;
    let horizon = now.checked_add(AHEAD).unwrap_or(now);
    let before = turns.len();
    turns.retain(|turn, _| turn.due <= horizon);
    if turns.len() < before {
        tracing::warn!(
            "{} run(s) of the schedule {schedule} are from the future: the clock of whoever began them was wrong, and they do not count",
            before - turns.len()
        );
    }
    let Some((turn, shown)) = turns.last_key_value() else {
        return Ok(Looked { newest: None, end: None, failing: None, turns });
    };
    let last = match turns.iter().rev().find(|(_, shown)| shown.ended) {
        Some((turn, _)) => Some(catalogue.end_of(turn).await?),
        None => None,
    };
    let failing = last.as_ref().and_then(|end| end.failing);
    let end = last.filter(|_| shown.ended);
    let ended = end.as_ref().map(|end| (end.outcome, end.ended));
    let newest = Some(Newest { turn: turn.clone(), ended, alive: shown.alive });
    Ok(Looked { newest, end, failing, turns })
}
