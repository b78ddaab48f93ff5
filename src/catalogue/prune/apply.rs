use super::{
    super::{AT_ONCE, Catalogue, CatalogueError},
    Plan, Planned, Remains, bytes, evidence,
    remains::{by_point, is_old},
    thin,
};
use crate::{
    point::{Family, Key, PointId},
    store::{Meta, StoreError},
};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use std::collections::BTreeSet;

/// Recovery points whose holds are looked at together, and whose manifests go together.
const BATCH: usize = 500;

/// What was carried out of a plan.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Done {
    /// Recovery points that are gone.
    pub deleted: Vec<PointId>,
    /// Recovery points that had gone already: another run was at it.
    pub gone_before: Vec<PointId>,
    /// Recovery points and remains that were left after all.
    pub spared: Vec<Spared>,
    /// Recovery points of which remains were removed.
    pub orphans: Vec<PointId>,
    /// Drills whose evidence is gone, with all that belonged to it.
    pub drills: Vec<PointId>,
    /// Superseded records of verifications that are gone.
    pub thinned: usize,
    /// Objects that were never written to their end, and are gone.
    pub unfinished: usize,
    /// Bytes that were freed.
    pub bytes: u64,
    /// What could not be deleted.
    pub failed: Vec<NotDeleted>,
}

/// What was left after all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Spared {
    /// The recovery point.
    pub id: PointId,
    /// Why.
    pub reason: String,
}

/// An object that could not be deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NotDeleted {
    /// The object.
    pub object: String,
    /// Why.
    pub error: String,
}

/// Carries out a plan, and no more than that: what has changed since it was made stays.
///
/// # Errors
/// When the store does not answer a question. What it refuses to delete is named in what comes back, and the rest goes on.
pub async fn apply(catalogue: &Catalogue, plan: &Plan) -> Result<Done, CatalogueError> {
    let mut done = Done::default();
    let going: Vec<&Planned> = plan.going().collect();
    for batch in going.chunks(BATCH) {
        points(catalogue, batch, &mut done).await?;
    }
    for batch in plan.orphans.chunks(BATCH) {
        orphans(catalogue, batch, plan, &mut done).await?;
    }
    let records: Vec<&Meta> = plan.records.iter().flat_map(|r| &r.objects).collect();
    delete(catalogue, &records, &mut done).await;
    for batch in plan.thinned.chunks(BATCH) {
        thin::apply(catalogue, batch, &mut done).await?;
    }
    evidence::apply(catalogue, (&plan.drills, &plan.drill_remains), &mut done).await?;
    let aborts = plan.unfinished.iter().map(|left| async move {
        let result = catalogue.store.abort(left).await;
        (left, result)
    });
    let aborts: Vec<_> = aborts.collect();
    let mut aborts = stream::iter(aborts).buffered(AT_ONCE);
    while let Some((left, result)) = aborts.next().await {
        match result {
            Ok(()) => {
                // A directory that is merely empty is not worth a word.
                done.unfinished += usize::from(!left.id.is_empty());
                done.bytes += left.bytes;
            }
            Err(e) => done.failed.push(NotDeleted { object: left.at.to_string(), error: e.to_string() }),
        }
    }
    Ok(done)
}

async fn points(catalogue: &Catalogue, batch: &[&Planned], done: &mut Done) -> Result<(), CatalogueError> {
    let held = held_meanwhile(catalogue, batch).await?;
    let looks = batch.iter().filter(|p| !held.contains(&p.judgement.id)).map(|point| async move {
        let manifest = Key::manifest(&catalogue.cluster, &point.judgement.id)?;
        let there = catalogue.store.head(&manifest).await?;
        Ok::<_, CatalogueError>((*point, manifest, there))
    });
    let looks: Vec<_> = looks.collect();
    let looked: Vec<_> = stream::iter(looks).buffered(AT_ONCE).try_collect().await?;
    for id in &held {
        let reason = "it has been held since this was planned".to_owned();
        done.spared.push(Spared { id: id.clone(), reason });
    }
    let mut first = Vec::new();
    for (point, manifest, there) in looked {
        let id = point.judgement.id.clone();
        match (there, point.objects.iter().find(|o| o.key == manifest)) {
            (None, _) => done.gone_before.push(id),
            (Some(there), Some(planned)) if same(&there, planned) => first.push((point, planned)),
            _ => {
                let reason = "its manifest is another one than when this was planned".to_owned();
                done.spared.push(Spared { id, reason });
            }
        }
    }
    let manifests: Vec<&Meta> = first.iter().map(|(_, manifest)| *manifest).collect();
    let refused = delete(catalogue, &manifests, done).await;
    // Whose manifest is still there stays whole.
    first.retain(|(_, manifest)| !refused.contains(&manifest.key));
    done.deleted.extend(first.iter().map(|(point, _)| point.judgement.id.clone()));
    let rest = first.iter().flat_map(|(p, manifest)| p.objects.iter().filter(|o| o.key != manifest.key));
    delete(catalogue, &rest.collect::<Vec<_>>(), done).await;
    let records: Vec<&Meta> = first.iter().flat_map(|(p, _)| &p.records).collect();
    delete(catalogue, &records, done).await;
    Ok(())
}

/// The same object, as far as a look tells. A listing may tell its time more exactly than a look does, or rounded.
pub(super) fn same(there: &Meta, planned: &Meta) -> bool {
    let near = match (there.modified, planned.modified) {
        (Some(one), Some(other)) => one.as_second().abs_diff(other.as_second()) <= 1,
        _ => true,
    };
    there.bytes == planned.bytes && near
}

/// Those of which a hold was recorded since the plan was made.
async fn held_meanwhile(
    catalogue: &Catalogue,
    batch: &[&Planned],
) -> Result<BTreeSet<PointId>, CatalogueError> {
    let prefix = Key::records(&catalogue.cluster, Family::Holds)?;
    let there = by_point(catalogue.store.list(&prefix).await?);
    let mut held = BTreeSet::new();
    for point in batch {
        let id = &point.judgement.id;
        let known = |record: &Meta| point.records.iter().any(|known| known.key == record.key);
        let news = there.get(id).is_some_and(|records| !records.iter().all(known));
        if news && catalogue.standing(id).await?.held.is_some() {
            held.insert(id.clone());
        }
    }
    Ok(held)
}

/// Removes remains, each after one more look whether somebody has come back to them.
async fn orphans(
    catalogue: &Catalogue,
    batch: &[Remains],
    plan: &Plan,
    done: &mut Done,
) -> Result<(), CatalogueError> {
    let looks = batch.iter().map(|orphan| async move {
        let there = catalogue.store.list(&Key::point(&catalogue.cluster, &orphan.id)?).await?;
        Ok::<_, CatalogueError>((orphan, Key::manifest(&catalogue.cluster, &orphan.id)?, there))
    });
    let looks: Vec<_> = looks.collect();
    let looked: Vec<_> = stream::iter(looks).buffered(AT_ONCE).try_collect().await?;
    let mut left = Vec::new();
    for (orphan, manifest, there) in looked {
        if there.is_empty() {
            continue;
        }
        if there.iter().any(|o| o.key == manifest) || !is_old(&there, plan.before) {
            let reason = "somebody has written to these remains since this was planned".to_owned();
            done.spared.push(Spared { id: orphan.id.clone(), reason });
            continue;
        }
        left.push((orphan, there));
    }
    let objects: Vec<&Meta> = left.iter().flat_map(|(_, there)| there).collect();
    let refused = delete(catalogue, &objects, done).await;
    let whole = left.iter().filter(|(_, there)| !there.iter().any(|o| refused.contains(&o.key)));
    done.orphans.extend(whole.map(|(orphan, _)| orphan.id.clone()));
    Ok(())
}

/// Deletes objects, and returns those that are still there.
pub(super) async fn delete(catalogue: &Catalogue, objects: &[&Meta], done: &mut Done) -> BTreeSet<Key> {
    if objects.is_empty() {
        return BTreeSet::new();
    }
    let keys: Vec<Key> = objects.iter().map(|object| object.key.clone()).collect();
    let failed = catalogue.store.delete_many(&keys).await;
    let refused: BTreeSet<Key> = failed.iter().map(|(key, _)| key.clone()).collect();
    let told = |(key, e): (Key, StoreError)| NotDeleted { object: key.to_string(), error: e.to_string() };
    done.failed.extend(failed.into_iter().map(told));
    let gone: Vec<Meta> =
        objects.iter().filter(|o| !refused.contains(&o.key)).map(|o| (*o).clone()).collect();
    done.bytes = done.bytes.saturating_add(bytes(&gone));
    tracing::info!("{} objects deleted", gone.len());
    refused
}
