//! Records of verifications from which nothing follows any more, of recovery points that stay.

use super::{
    super::{AT_ONCE, Catalogue, CatalogueError},
    Done, Planned, PruneOptions, Spared,
    apply::{delete, same},
    plan::is_locked,
    remains::is_old,
};
use crate::{
    point::{Family, Key, PointId},
    store::{Meta, Protection},
};
use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Records of one recovery point that go although it stays.
#[derive(Debug, Clone, Serialize)]
pub struct Thinned {
    /// The recovery point.
    pub id: PointId,
    /// How many records.
    pub count: usize,
    /// Their bytes, and those of their signatures.
    pub bytes: u64,
    #[serde(skip)]
    manifest: Meta,
    /// Each with its signature.
    #[serde(skip)]
    records: Vec<(Meta, Meta)>,
}

/// Which of the superseded records go: old ones that nothing locks, of recovery points that stay, can be judged and are not
/// held. What is held stays as it is, with all that is known of it.
pub(super) async fn thinned(
    catalogue: &Catalogue,
    points: &[Planned],
    superseded: &BTreeMap<PointId, BTreeSet<PointId>>,
    (before, protection, options): (Option<Timestamp>, Protection, &PruneOptions),
) -> Result<Vec<Thinned>, CatalogueError> {
    let mut found = Vec::new();
    for point in points.iter().filter(|point| point.judgement.stays() && !point.judgement.is_apart()) {
        let id = &point.judgement.id;
        let Some(superseded) = superseded.get(id) else { continue };
        let manifest = Key::manifest(&catalogue.cluster, id)?;
        let Some(manifest) = point.objects.iter().find(|object| object.key == manifest) else { continue };
        let there: BTreeMap<&Key, &Meta> = point.records.iter().map(|meta| (&meta.key, meta)).collect();
        let mut pairs = Vec::new();
        for record in superseded {
            let key = Key::record(&catalogue.cluster, Family::Verifications, id, record)?;
            let signature = Key::record_signature(&catalogue.cluster, Family::Verifications, id, record)?;
            if let (Some(record), Some(signature)) = (there.get(&key), there.get(&signature)) {
                pairs.push([(*record).clone(), (*signature).clone()]);
            }
        }
        pairs.retain(|pair| is_old(pair, before));
        let asked = pairs.into_iter().map(|pair| async move {
            let locked = is_locked(catalogue, protection, &pair, options).await?;
            Ok::<_, CatalogueError>((!locked).then(|| pair.into()))
        });
        let asked: Vec<_> = asked.collect();
        let free: Vec<Option<(Meta, Meta)>> = stream::iter(asked).buffered(AT_ONCE).try_collect().await?;
        let records: Vec<(Meta, Meta)> = free.into_iter().flatten().collect();
        if !records.is_empty() {
            let bytes = records.iter().map(|(record, signature)| record.bytes + signature.bytes).sum();
            let (id, manifest) = (id.clone(), manifest.clone());
            found.push(Thinned { id, count: records.len(), bytes, manifest, records });
        }
    }
    Ok(found)
}

/// Removes the records, each before its signature: one without a signature would be a reason for doubt.
pub(super) async fn apply(
    catalogue: &Catalogue,
    batch: &[Thinned],
    done: &mut Done,
) -> Result<(), CatalogueError> {
    let looks = batch.iter().map(|point| async move {
        let there = catalogue.store.head(&point.manifest.key).await?;
        Ok::<_, CatalogueError>((point, there.is_some_and(|there| same(&there, &point.manifest))))
    });
    let looks: Vec<_> = looks.collect();
    let looked: Vec<_> = stream::iter(looks).buffered(AT_ONCE).try_collect().await?;
    let mut pairs = Vec::new();
    for (point, unchanged) in looked {
        if unchanged {
            pairs.extend(&point.records);
        } else {
            let reason = "its manifest is another one than when this was planned".to_owned();
            done.spared.push(Spared { id: point.id.clone(), reason });
        }
    }
    let records: Vec<&Meta> = pairs.iter().map(|(record, _)| record).collect();
    let refused = delete(catalogue, &records, done).await;
    pairs.retain(|(record, _)| !refused.contains(&record.key));
    done.thinned += pairs.len();
    let signatures: Vec<&Meta> = pairs.iter().map(|(_, signature)| signature).collect();
    delete(catalogue, &signatures, done).await;
    Ok(())
}
