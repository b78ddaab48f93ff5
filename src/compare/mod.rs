//! What changed between two recovery points, or a point and the live cluster, and in which points an object is.
//!
//! ```text
//!   A.index ─┐                       ┌─ A's archive, only if something differs ─┐
//!            ├─▶ steps (what differs)┤                                          ├─▶ bodies ─▶ changes, one at a time
//!   B.index ─┘                       └─ B's archive, or the live export ────────┘
//! ```
//!
//! What is held in memory is bounded by the indexes: two of them at a time, and the places of what differs. Objects are read
//! only where their digests differ, each once however many points it is in, and without the values of Secrets.

mod bodies;
mod change;
mod error;
mod find;
mod index;
mod locate;
mod read;
mod runs;
mod select;
mod side;
mod step;

pub use change::{Became, Change, Summary};
pub use error::CompareError;
pub use find::{Find, Found, FoundObject, NotSearched, find};
pub use locate::{Named, locate};
pub use runs::{Run, State};
pub use select::Selection;
pub use side::{Asked, Live, Observer, Side};
pub use step::NotCompared;

use crate::{
    catalogue::Catalogue,
    object::{TypeName, Veil},
    pipeline::Identities,
    point::Manifest,
};
use bodies::Bodies;
use futures_util::{StreamExt, stream};
use index::Index;
use read::{Reader, Shared, locked, wanted};
use serde::Serialize;
use side::facts;
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};
use step::Step;

/// Indexes that are read at once: the next one while one is compared.
const AHEAD: usize = 2;

/// Two sides or more, compared each with the next.
pub struct Comparison {
    /// The sides, oldest first.
    pub sides: Vec<Side>,
    steps: Vec<Step>,
    bodies: Shared<Bodies>,
    selection: Arc<Selection>,
}

/// What there is to know of a step beside its changes.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Notes {
    /// Types that one of the sides does not hold, or not all of it: nothing of them is said to be removed or added.
    pub not_compared: Vec<NotCompared>,
    /// Types that are read in another version of their API, which is no change of the objects.
    pub versions: Vec<String>,
    /// Both sides are of the same cluster, as far as can be told.
    pub same_cluster: bool,
    /// Both sides were exported with the same namespaces and labels: else what the one left out looks added or removed.
    pub same_scope: bool,
}

/// Compares each side with the next. `key` is random: with it the values of Secrets are digested.
///
/// # Errors
/// When a side cannot be read, or is not what was saved; when a name of a type fits none.
pub async fn compare(
    catalogue: &Catalogue,
    asked: &[Asked],
    identities: Arc<Identities>,
    selection: Selection,
    types: &[String],
    key: [u8; 32],
) -> Result<Comparison, CompareError> {
    check(catalogue, asked).await?;
    let selection = Arc::new(selection.of_types(types, &known(asked))?);
    let reader = Reader { catalogue, identities, selection: selection.clone() };
    let bodies = Arc::new(Mutex::new(Bodies::new(Veil::new(key))));
    let points = asked.iter().filter_map(|side| match side {
        Asked::Point(manifest) => Some(reader.index(manifest)),
        Asked::Live(_) => None,
    });
    let mut indexes = stream::iter(points.collect::<Vec<_>>()).buffered(AHEAD);
    let mut sides: Vec<Side> = Vec::new();
    let mut steps = Vec::new();
    let mut last: Option<(&Manifest, Index)> = None;
    for side in asked {
        let (side, index) = match (side, &last) {
            (Asked::Point(manifest), _) => {
                let facts = facts(manifest).ok_or_else(|| no_export(manifest, String::new()))?;
                let index = indexes.next().await.transpose()?.unwrap_or_default();
                (Side::of_point(manifest, facts), index)
            }
            (Asked::Live(how), Some((manifest, index))) => {
                reader.live(how, (manifest, index), &bodies).await?
            }
            (Asked::Live(_), None) => {
                return Err(CompareError::Asked(
                    "the live cluster is compared with a recovery point: name one before it".into(),
                ));
            }
        };
        if let (Some(before), Some((_, was))) = (sides.last(), &last) {
            steps.push(Step::between([before, &side], [was, &index], &selection));
        }
        sides.push(side);
        last = match asked.get(sides.len() - 1) {
            Some(Asked::Point(manifest)) => Some((manifest, index)),
            _ => None,
        };
    }
    let types: Vec<&TypeName> = sides.iter().flat_map(|side| side.coverage.types()).collect();
    if let Some(name) = selection.idle_type(&types) {
        return Err(CompareError::UnknownType { name: name.to_owned() });
    }
    for (at, side) in asked.iter().enumerate() {
        let Asked::Point(manifest) = side else { continue };
        let before = at.checked_sub(1).and_then(|at| steps.get(at));
        let needs = before.into_iter().flat_map(|step| step.needs(true, selection.access));
        let needs =
            needs.chain(steps.get(at).into_iter().flat_map(|step| step.needs(false, selection.access)));
        let wanted = wanted(needs, &locked(&bodies));
        reader.bodies(manifest, wanted, &bodies).await?;
    }
    Ok(Comparison { sides, steps, bodies, selection })
}

impl Comparison {
    /// How many steps there are: one less than sides.
    pub fn steps(&self) -> usize {
        self.steps.len()
    }

    /// What there is to know of a step beside its changes.
    pub fn notes(&self, step: usize) -> Notes {
        let uid = |at: usize| self.sides.get(at).and_then(|side| side.cluster_uid.as_deref());
        let uids = [uid(step), uid(step + 1)];
        let narrowed = |at: usize| self.sides.get(at).and_then(|side| side.narrowed.as_ref());
        let same_scope = narrowed(step) == narrowed(step + 1);
        let step = self.steps.get(step);
        let versions = step.into_iter().flat_map(|step| &step.versions);
        Notes {
            not_compared: step.map(|step| step.not_compared.clone()).unwrap_or_default(),
            versions: versions.map(|(kind, was, is)| format!("{kind}: {was} -> {is}")).collect(),
            same_scope,
            same_cluster: uids.contains(&None) || uids[0] == uids[1],
        }
    }
}

/// Refuses what cannot be compared before anything is read.
async fn check(catalogue: &Catalogue, asked: &[Asked]) -> Result<(), CompareError> {
    if asked.len() < 2 {
        return Err(CompareError::Asked(
            "a comparison takes two recovery points at least, or one and `live`".into(),
        ));
    }
    if asked[..asked.len() - 1].iter().any(|side| matches!(side, Asked::Live(_))) {
        return Err(CompareError::Asked("`live` is newer than any recovery point: name it last".into()));
    }
    for side in asked {
        let Asked::Point(manifest) = side else { continue };
        if facts(manifest).is_none() {
            let listed = catalogue.list().await?;
            let with: Vec<String> = listed
                .iter()
                .filter(|it| it.manifest.as_ref().is_ok_and(|manifest| facts(manifest).is_some()))
                .map(|it| it.id.to_string())
                .collect();
            let newest = with.iter().rev().take(5).rev().cloned().collect::<Vec<_>>().join(", ");
            let having = match with.len() {
                0 => "none of the others does either: `lifeboat backup` makes one where the API server can be reached".into(),
                1..=5 => format!("these do: {newest}"),
                n => format!("{n} others do, the newest are {newest}"),
            };
            return Err(no_export(manifest, having));
        }
    }
    Ok(())
}

fn no_export(manifest: &Manifest, having: String) -> CompareError {
    CompareError::NoExport { id: manifest.id.to_string(), having }
}

/// The types that the recovery points know of.
fn known(asked: &[Asked]) -> Vec<TypeName> {
    let manifests = asked.iter().filter_map(|side| match side {
        Asked::Point(manifest) => facts(manifest),
        Asked::Live(_) => None,
    });
    let types = manifests.flat_map(|facts| facts.counts.keys().chain(facts.excluded.keys()));
    let types: BTreeSet<TypeName> =
        types.filter_map(|label| TypeName::of_label(label)).map(|(kind, _)| kind).collect();
    types.into_iter().collect()
}
