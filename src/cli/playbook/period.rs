//! The recovery points around a run, and what changed between them of who may do what.

use crate::{
    catalogue::{Catalogue, Listed, Signature},
    compare::{Asked, CompareError, Comparison, Selection, compare},
    object::TypeName,
    pipeline::Identities,
    playbook::{Doneness, Entry, OpState, State, plan::Plan},
    point::{ArtifactKind, Manifest},
    report::{self, AccessChange, AccessPeriod},
};
use jiff::Timestamp;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// No more changes are told: what is more is for `lifeboat diff --access`.
const MOST: usize = 500;

/// What changed around a run. Whatever stands in the way of telling it is told instead.
pub(super) async fn access(
    catalogue: &Catalogue,
    identities: Option<Arc<Identities>>,
    plan: &Plan,
    entries: &[Entry],
) -> AccessPeriod {
    let mut period = AccessPeriod::default();
    let begin = entries.first().map_or(plan.made_at, |entry| entry.at);
    let end = entries.last().map_or(plan.made_at, |entry| entry.at);
    let exports = match exports(catalogue, &mut period.remarks).await {
        Ok(exports) => exports,
        Err(why) => {
            period.remarks.push(format!("not told: the recovery points cannot be listed: {why}"));
            return period;
        }
    };
    let Some((before, after)) = around(exports, (begin, end), &mut period.remarks) else { return period };
    let (older, newer) = (before.id.clone(), after.id.clone());
    let Some(identities) = identities else {
        period.remarks.push(format!(
            "not told: recovery points {older} and {newer} lie around the run, and are sealed; `lifeboat playbook timeline {} -i \
             IDENTITY` opens them",
            plan.run
        ));
        return period;
    };
    let asked = [Asked::Point(Box::new(before)), Asked::Point(Box::new(after))];
    let mut selection = Selection::default();
    selection.access = true;
    let told = match compare(catalogue, &asked, identities, selection, &[], rand::random()).await {
        Ok(found) => tell(&mut period, found, &written(entries)),
        Err(e) => Err(e),
    };
    if let Err(e) = told {
        period.remarks.push(format!("not told: {older} and {newer} cannot be compared: {e}"));
    }
    period
}

/// Every recovery point that can be compared, oldest first, with the time at which its objects were as they are in it.
async fn exports(
    catalogue: &Catalogue,
    remarks: &mut Vec<String>,
) -> Result<Vec<(Timestamp, Manifest)>, String> {
    let mut found = Vec::new();
    for Listed { id, manifest, signature } in catalogue.list().await.map_err(|e| e.to_string())? {
        match (manifest, signature) {
            (_, Signature::Bad(why)) | (Err(why), _) => {
                remarks.push(format!("left out: recovery point {id}: {why}"));
            }
            (Ok(manifest), _) if manifest.artifact(&ArtifactKind::ResourcesIndex).is_some() => {
                let facts = manifest.artifact(&ArtifactKind::Resources).and_then(|it| it.resources.as_ref());
                if let Some(at) = facts.map(|facts| facts.at) {
                    found.push((at, manifest));
                }
            }
            // Without an export there is nothing to compare.
            (Ok(_), _) => {}
        }
    }
    found.sort_by_key(|it| it.0);
    Ok(found)
}

/// The newest one of before the run, and the oldest one of after it: without one the newest of those that were taken meanwhile.
fn around<T>(
    exports: Vec<(Timestamp, T)>,
    (begin, end): (Timestamp, Timestamp),
    remarks: &mut Vec<String>,
) -> Option<(T, T)> {
    let (before, since): (Vec<_>, Vec<_>) = exports.into_iter().partition(|it| it.0 <= begin);
    let (after, during): (Vec<_>, Vec<_>) = since.into_iter().partition(|it| it.0 >= end);
    let Some((_, before)) = before.into_iter().next_back() else {
        remarks.push(format!(
            "not told: no recovery point with a resource export is from before the run began ({begin:.0})"
        ));
        return None;
    };
    if let Some((_, after)) = after.into_iter().next() {
        return Some((before, after));
    }
    let again = "`lifeboat backup` takes one, and the timeline can be written again";
    let Some((at, during)) = during.into_iter().next_back() else {
        remarks.push(format!(
            "not told: no recovery point with a resource export was taken since the run began ({begin:.0}); {again}"
        ));
        return None;
    };
    remarks.push(format!(
        "no recovery point was taken since the run's last entry ({end:.0}): what changed after {at:.0} is not told; {again}"
    ));
    Some((before, during))
}

/// An object, by its type, namespace and name.
type Place = (TypeName, Option<String>, String);

/// What the run wrote, or may have written, and did not take back, with the steps that did.
fn written(entries: &[Entry]) -> BTreeMap<Place, BTreeSet<String>> {
    let state = State::of(entries);
    let mut found: BTreeMap<Place, BTreeSet<String>> = BTreeMap::new();
    for (id, step) in &state.steps {
        let stands =
            |op: &&OpState| op.standing != Doneness::NotDone && op.undone != Some(Ok(())) && !op.op.reads();
        for object in step.ops.values().filter(stands).flat_map(|op| op.op.objects()) {
            let kind = TypeName::new(&object.group, &object.resource);
            let place = (kind, object.namespace.clone(), object.name.clone());
            found.entry(place).or_default().insert(id.clone());
        }
    }
    found
}

fn tell(
    period: &mut AccessPeriod,
    found: Comparison,
    written: &BTreeMap<Place, BTreeSet<String>>,
) -> Result<(), CompareError> {
    let mut more = 0;
    found.each_change::<CompareError>(0, |change| {
        if period.changes.len() == MOST {
            more += 1;
            return Ok(());
        }
        let place = (change.kind.clone(), change.namespace.clone(), change.name.clone());
        let steps = written.get(&place).into_iter().flatten().cloned().collect();
        period.changes.push(AccessChange { steps, change });
        Ok(())
    })?;
    period.remarks.extend(report::notes(&found.notes(0)).lines().map(str::to_owned));
    if more > 0 {
        period.remarks.push(format!("{more} changes more are left out: `lifeboat diff --access` tells them"));
    }
    let mut sides = found.sides.into_iter();
    period.between = sides.next().zip(sides.next());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_points_that_lie_closest_around_a_run_are_compared() {
        let second = |at| Timestamp::from_second(at).unwrap();
        let run = (second(100), second(200));
        let chosen = |points: &[i64]| {
            let mut remarks = Vec::new();
            let points = points.iter().map(|at| (second(*at), *at)).collect();
            (around(points, run, &mut remarks), remarks.join("; "))
        };
        assert_eq!(chosen(&[10, 90, 150, 210, 300]), (Some((90, 210)), String::new()));
        assert_eq!(chosen(&[100, 200]), (Some((100, 200)), String::new()));
        let (during, said) = chosen(&[10, 150, 160]);
        assert_eq!(during, Some((10, 160)));
        assert!(said.contains("what changed after 1970-01-01T00:02:40Z is not told"), "{said}");
        for (points, wanted) in [
            (&[10, 90][..], "since the run began"),
            (&[150, 210], "from before the run began"),
            (&[], "before"),
        ] {
            let (none, said) = chosen(points);
            assert_eq!(none, None);
            assert!(said.contains(wanted), "{said}");
        }
    }
}
