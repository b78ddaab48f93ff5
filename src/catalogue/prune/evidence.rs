//! The evidence of drills: how long it is kept stands in it, and was signed with it.

use super::{
    super::{AT_ONCE, Catalogue, CatalogueError, Drill, EVIDENCE},
    Done, PruneOptions, Remains, Spared,
    apply::{delete, same},
    bytes,
    plan::{is_locked, lock},
    remains::{is_old, remains},
};
use crate::{
    point::{DrillVerdict, Key, PointId},
    store::{Lasting, Meta, Protection},
};
use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use serde::Serialize;
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// Why the evidence of a drill is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "rule")]
pub enum DrillKept {
    /// It does not say how long it is kept.
    NothingSaid,
    /// Its time is not over.
    Until {
        /// When it is.
        at: Timestamp,
    },
    /// It is one of the newest drills of its name.
    Last {
        /// Its place among them, from 1.
        place: u32,
        /// How many it says are kept.
        of: u32,
    },
    /// It is the newest drill of its name.
    Newest,
    /// It cannot be read, or is not to be trusted.
    NotUnderstood {
        /// Why.
        why: String,
    },
    /// The store does not let go of it.
    Locked {
        /// Until when; without a time for as long as a legal hold is on it.
        until: Option<Timestamp>,
    },
}

impl fmt::Display for DrillKept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DrillKept::NothingSaid => f.write_str("it does not say how long it is kept"),
            DrillKept::Until { at } => write!(f, "kept until {}", at.strftime("%Y-%m-%d %H:%M UTC")),
            DrillKept::Last { place, of } => write!(f, "number {place} of the last {of} of its name"),
            DrillKept::Newest => f.write_str("the newest of its name"),
            DrillKept::NotUnderstood { why } => write!(f, "not to be trusted: {why}"),
            DrillKept::Locked { until: Some(until) } => write!(f, "locked until {until}"),
            DrillKept::Locked { until: None } => f.write_str("under legal hold"),
        }
    }
}

/// A drill in a plan.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedDrill {
    /// Its id.
    pub id: PointId,
    /// Its name, if it can be read.
    pub name: Option<String>,
    /// How it ended, if that can be read.
    pub verdict: Option<DrillVerdict>,
    /// Every reason for which its evidence is kept; without one it goes.
    pub kept: Vec<DrillKept>,
    /// When the time was over for which it was to be kept, for one that goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub over_since: Option<Timestamp>,
    /// The bytes of all its objects.
    pub bytes: u64,
    #[serde(skip)]
    objects: Vec<Meta>,
}

impl PlannedDrill {
    /// Whether it stays.
    pub fn stays(&self) -> bool {
        !self.kept.is_empty()
    }
}

/// Which drills stay, and why: a pure function of their evidence and a clock. What is not to be trusted stays, and is not counted.
pub(in crate::catalogue) fn judge(drills: &[Drill], now: Timestamp) -> BTreeMap<PointId, Vec<DrillKept>> {
    let mut names: BTreeMap<&str, Vec<_>> = BTreeMap::new();
    let mut all = BTreeMap::new();
    for drill in drills {
        match drill.trusted() {
            Ok(evidence) => names.entry(&evidence.plan.name).or_default().push(evidence),
            Err(e) => {
                all.insert(drill.id.clone(), vec![DrillKept::NotUnderstood { why: e.to_string() }]);
            }
        }
    }
    for mut of_name in names.into_values() {
        of_name.sort_by_key(|evidence| Reverse((evidence.began, &evidence.id)));
        for (evidence, place) in of_name.into_iter().zip(1u32..) {
            let mut kept = Vec::new();
            if place == 1 {
                kept.push(DrillKept::Newest);
            }
            match &evidence.retain {
                None => kept.push(DrillKept::NothingSaid),
                Some(retain) => {
                    kept.extend(retain.until.filter(|until| *until > now).map(|at| DrillKept::Until { at }));
                    let last = retain.last.filter(|of| place <= *of);
                    kept.extend(last.map(|of| DrillKept::Last { place, of }));
                }
            }
            all.insert(evidence.id.clone(), kept);
        }
    }
    all
}

/// Looks at all drills, and decides whose evidence goes; and what drills that were killed left without evidence, long ago. The objects
/// were listed before: what comes between the two is not in this plan.
pub(super) async fn plan(
    catalogue: &Catalogue,
    mut objects: BTreeMap<PointId, Vec<Meta>>,
    (before, protection, options): (Option<Timestamp>, Protection, &PruneOptions),
) -> Result<(Vec<PlannedDrill>, Vec<Remains>, usize), CatalogueError> {
    let drills = catalogue.drills().await?;
    let mut judged = judge(&drills, options.now);
    let mut planned = Vec::new();
    for drill in drills {
        let own = objects.remove(&drill.id).unwrap_or_default();
        let mut kept = judged.remove(&drill.id).unwrap_or_default();
        let evidence = Key::drill(&catalogue.cluster, &drill.id)?.join(EVIDENCE)?;
        if kept.is_empty() && !own.iter().any(|object| object.key == evidence) {
            kept.push(DrillKept::NotUnderstood { why: "it came while this was being planned".to_owned() });
        }
        if kept.is_empty() && protection.locks {
            let until = match lock(catalogue, &own).await? {
                Some(Lasting::Until(until)) if until > options.now => Some(Some(until)),
                Some(Lasting::LegalHold) => Some(None),
                _ => None,
            };
            kept.extend(until.map(|until| DrillKept::Locked { until }));
        }
        let read = drill.evidence.as_ref().ok();
        planned.push(PlannedDrill {
            id: drill.id,
            name: read.map(|evidence| evidence.plan.name.clone()),
            verdict: read.map(|evidence| evidence.verdict),
            over_since: read.and_then(|it| it.retain.as_ref()?.until).filter(|_| kept.is_empty()),
            kept,
            bytes: bytes(&own),
            objects: own,
        });
    }
    let (mut left, mut waiting) = (Vec::new(), 0);
    for (id, own) in objects {
        if is_old(&own, before) && !is_locked(catalogue, protection, &own, options).await? {
            left.push(remains(&id, own));
        } else {
            waiting += 1;
        }
    }
    Ok((planned, left, waiting))
}

/// Removes the evidence that goes, each drill's before all else of it: what is killed in the middle leaves remains, and no drill whose
/// evidence lacks something.
pub(super) async fn apply(
    catalogue: &Catalogue,
    (planned, left): (&[PlannedDrill], &[Remains]),
    done: &mut Done,
) -> Result<(), CatalogueError> {
    let going: Vec<&PlannedDrill> = planned.iter().filter(|drill| !drill.stays()).collect();
    let looks = going.into_iter().map(|drill| async move {
        let key = Key::drill(&catalogue.cluster, &drill.id)?.join(EVIDENCE)?;
        let there = catalogue.store.head(&key).await?;
        Ok::<_, CatalogueError>((drill, drill.objects.iter().find(|it| it.key == key), there))
    });
    let looks: Vec<_> = looks.collect();
    let looked: Vec<_> = stream::iter(looks).buffered(AT_ONCE).try_collect().await?;
    let mut first = Vec::new();
    for (drill, evidence, there) in looked {
        match (evidence, there) {
            (_, None) => {}
            (Some(evidence), Some(there)) if same(&there, evidence) => first.push((drill, evidence)),
            _ => {
                let reason = "its evidence is another one than when this was planned".to_owned();
                done.spared.push(Spared { id: drill.id.clone(), reason });
            }
        }
    }
    let evidence: Vec<&Meta> = first.iter().map(|(_, evidence)| *evidence).collect();
    let refused: BTreeSet<Key> = delete(catalogue, &evidence, done).await;
    first.retain(|(_, evidence)| !refused.contains(&evidence.key));
    done.drills.extend(first.iter().map(|(drill, _)| drill.id.clone()));
    let rest = first.iter().flat_map(|(drill, it)| drill.objects.iter().filter(|o| o.key != it.key));
    delete(catalogue, &rest.collect::<Vec<_>>(), done).await;
    let left: Vec<&Meta> = left.iter().flat_map(|left| &left.objects).collect();
    delete(catalogue, &left, done).await;
    Ok(())
}

#[cfg(test)]
#[path = "evidence_tests.rs"]
mod tests;
