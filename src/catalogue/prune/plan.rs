use super::{
    super::{
        AT_ONCE, Catalogue, CatalogueError, History, Survey,
        retention::{Candidate, dropped, judge},
    },
    Plan, Planned, PruneOptions, bytes, evidence,
    guard::{refusals, too_much_evidence},
    remains::{by_point, is_given_up, is_of, is_old, remains, threshold},
    thin::thinned,
};
use crate::{
    point::{Family, Key, PointId},
    store::{Lasting, Meta, Protection},
};
use futures_util::{StreamExt, TryStreamExt, stream};
use std::collections::{BTreeMap, BTreeSet};

/// Looks at everything that the store holds of the cluster, and at nothing else, and decides what goes.
///
/// # Errors
/// When the store does not answer. A point that cannot be read stays, and is no error.
pub async fn plan(catalogue: &Catalogue, options: &PruneOptions) -> Result<Plan, CatalogueError> {
    let (store, cluster) = (catalogue.store.as_ref(), catalogue.cluster.as_str());
    // Objects before manifests: what comes between the two is not in this plan.
    let mut objects = by_point(store.list(&Key::points(cluster)?).await?);
    let mut records: BTreeMap<PointId, Vec<Meta>> = BTreeMap::new();
    for family in Family::ALL {
        for (id, found) in by_point(store.list(&Key::records(cluster, family)?).await?) {
            records.entry(id).or_default().extend(found);
        }
    }
    let of_drills = by_point(store.list(&Key::drills(cluster)?).await?);
    let mut remarks = Vec::new();
    let unfinished = store.unfinished(&Key::new(cluster)?).await.unwrap_or_else(|e| {
        remarks.push(format!("unfinished uploads are left alone: {e}"));
        Vec::new()
    });
    let Survey { points: listed, standings, superseded } = catalogue.survey(History::Whole).await?;
    let points: BTreeSet<&PointId> = listed.iter().map(|point| &point.id).collect();
    let mut candidates = Vec::new();
    for point in &listed {
        let mut candidate = Candidate::of(point, standings.get(&point.id));
        let manifest = Key::manifest(cluster, &point.id)?;
        if !objects.get(&point.id).is_some_and(|o| o.iter().any(|o| o.key == manifest)) {
            candidate.not_understood = Some("it came while this was being planned".to_owned());
        }
        candidates.push(candidate);
    }

    let seen = objects
        .values()
        .chain(records.values())
        .chain(of_drills.values())
        .flatten()
        .map(|o| o.modified.as_ref());
    let seen = seen.chain(unfinished.iter().map(|u| u.alive.as_ref()));
    let before = threshold(seen, options.now, options.grace);
    let protection = store.protection().await.unwrap_or(Protection { versions: false, locks: true });
    if protection.versions {
        remarks.push(
            "the bucket keeps what is deleted as noncurrent versions: they take their room until a lifecycle rule \
             (NoncurrentVersionExpiration) removes them, see \"Retention\" in the README"
                .to_owned(),
        );
    }
    if protection.locks {
        let gone = dropped(&judge(&options.policy, &candidates, options.now));
        let there = &objects;
        let asked = gone.iter().map(|id| async move {
            let own = there.get(id).map(Vec::as_slice).unwrap_or_default();
            Ok::<_, CatalogueError>((id, lock(catalogue, own).await?))
        });
        let asked: Vec<_> = asked.collect();
        let locks: BTreeMap<_, _> = stream::iter(asked).buffered(AT_ONCE).try_collect().await?;
        for candidate in &mut candidates {
            candidate.lock = locks.get(&candidate.id).copied().flatten();
        }
    }
    let unclear = candidates.iter().filter(|c| c.not_understood.is_some()).count();
    if unclear > 0 {
        remarks.push(format!(
            "{unclear} recovery points cannot be read or are not to be trusted: they stay, and none of them is counted; \
             `lifeboat verify` says what is wrong with them"
        ));
    }
    let judged = judge(&options.policy, &candidates, options.now);
    let mut refusals = refusals(&candidates, &judged, options.max_delete, options.now);
    if options.despite_clock {
        refusals.retain(|r| !matches!(r, super::Refusal::Clock { .. }));
    }

    let mut planned = Vec::new();
    for (candidate, judgement) in candidates.into_iter().zip(judged) {
        let own = objects.remove(&candidate.id).unwrap_or_default();
        planned.push(Planned {
            judgement,
            created_at: candidate.created_at,
            counted_with: candidate.group,
            bytes: bytes(&own),
            objects: own,
            records: records.remove(&candidate.id).unwrap_or_default(),
        });
    }
    let thinned = thinned(catalogue, &planned, &superseded, (before, protection, options)).await?;
    // What is left of both belongs to no point.
    let (mut orphans, mut lone_records, mut waiting) = (Vec::new(), Vec::new(), 0);
    for (id, own) in objects.iter().filter(|(id, _)| !points.contains(id)) {
        let (point, manifest) = (Key::point(cluster, id)?, Key::manifest(cluster, id)?);
        // One that had its manifest a moment ago is another run's to remove.
        let busy = unfinished.iter().any(|u| is_of(u, &point) && !is_given_up(u, before))
            || own.iter().any(|o| o.key == manifest);
        if busy || !is_old(own, before) || is_locked(catalogue, protection, own, options).await? {
            waiting += 1;
        } else {
            orphans.push(remains(id, own.clone()));
        }
    }
    for (id, own) in records.into_iter().filter(|(id, _)| !objects.contains_key(id)) {
        if is_old(&own, before) && !is_locked(catalogue, protection, &own, options).await? {
            lone_records.push(remains(&id, own));
        } else {
            waiting += 1;
        }
    }
    let (drills, drill_remains, young) =
        evidence::plan(catalogue, of_drills, (before, protection, options)).await?;
    waiting += young;
    refusals.extend(too_much_evidence(&drills, options.max_delete));
    let (given_up, alive): (Vec<_>, Vec<_>) = unfinished.into_iter().partition(|u| is_given_up(u, before));
    waiting += alive.iter().filter(|u| u.bytes > 0 || !u.id.is_empty()).count();
    Ok(Plan {
        store: store.url().to_owned(),
        cluster: cluster.to_owned(),
        made_at: options.now,
        points: planned,
        orphans,
        records: lone_records,
        thinned,
        drills,
        drill_remains,
        unfinished: given_up,
        waiting,
        refusals,
        remarks,
        before,
    })
}

pub(super) async fn is_locked(
    catalogue: &Catalogue,
    protection: Protection,
    objects: &[Meta],
    options: &PruneOptions,
) -> Result<bool, CatalogueError> {
    let found = if protection.locks { lock(catalogue, objects).await? } else { None };
    Ok(match found {
        None => false,
        Some(Lasting::LegalHold) => true,
        Some(Lasting::Until(until)) => until > options.now,
    })
}

/// The lock that lasts longest among those on some objects.
pub(super) async fn lock(catalogue: &Catalogue, objects: &[Meta]) -> Result<Option<Lasting>, CatalogueError> {
    let mut found = None;
    for object in objects {
        found = match (found, catalogue.store.locked(&object.key).await?) {
            (Some(Lasting::Until(one)), Some(Lasting::Until(other))) => Some(Lasting::Until(one.max(other))),
            (Some(Lasting::LegalHold), _) | (_, Some(Lasting::LegalHold)) => {
                return Ok(Some(Lasting::LegalHold));
            }
            (one, other) => one.or(other),
        };
    }
    Ok(found)
}
