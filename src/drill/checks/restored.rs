//! What became of the objects of the export when they were restored.

use super::{Check, Results, counted};
use crate::{drill::resources::Restored, object::TypeName, restore::resources::Done};
use std::{collections::BTreeMap, time::Duration};

const NAME: &str = "restored";

/// Ends the check where objects of those names are there already, and not the drill's.
pub(in crate::drill) fn occupied(names: Vec<(String, String)>, took: Duration, results: &mut Results) {
    let mut check = Check::new(NAME, "nothing of the export is in that cluster yet");
    let n = names.len() as u64;
    check.group(format!("{} of that cluster stand in the way", counted(n, "object")), n, None, names);
    results.end(check, "nothing was made", took);
}

/// Ends the check: every object was taken, or is one of those that are left out on purpose.
pub(in crate::drill) fn restored(restored: &Restored, took: Duration, results: &mut Results) {
    let expected = "every object of the export is restored, but for what a cluster makes by itself";
    let mut check = Check::new(NAME, expected);
    let mut refused: BTreeMap<(TypeName, &'static str), Vec<(String, String)>> = BTreeMap::new();
    let mut left: BTreeMap<&str, u64> = BTreeMap::new();
    let mut there = 0u64;
    for outcome in &restored.outcomes {
        let how = match outcome.outcome {
            Done::Failed => "refused by the API server",
            Done::Conflict => "something stood against it",
            Done::NotReached => "its turn did not come",
            Done::Skipped => {
                match restored.left.get(&outcome.object) {
                    Some(reason) => *left.entry(reason).or_default() += 1,
                    None => there += 1,
                }
                continue;
            }
            Done::Created | Done::Updated | Done::Recreated | Done::Unchanged => {
                there += 1;
                continue;
            }
        };
        let why = outcome.reason.clone().unwrap_or_default();
        let named = (outcome.object.to_string(), why);
        refused.entry((outcome.object.kind.clone(), how)).or_default().push(named);
    }
    for ((kind, how), names) in refused {
        let n = names.len() as u64;
        check.group(format!("{n} {kind}: {how}"), n, None, names);
    }
    for (reason, n) in &left {
        let message = format!("{} left out", counted(*n, "object"));
        check.group(message, *n, Some(reason), Vec::new());
    }
    let left: u64 = left.values().sum();
    let wrong: u64 =
        check.findings.iter().filter(|it| it.expected_because.is_none()).map(|it| it.objects).sum();
    let actual = format!(
        "{} are there, {left} are left out on purpose, {wrong} are missing",
        counted(there, "object")
    );
    results.end(check, actual, took);
}
