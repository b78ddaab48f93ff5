//! The evidence of drills, and the notes about them, on their way to another store. Neither is ever changed, so what is missing there is
//! all there is to copy.

use super::{
    AT_ONCE, Catalogue, CatalogueError, Drill, EVIDENCE, Signature, carry::put, drills::NOTES,
    points::SIGNATURE_LIMIT, prune::judge_drills,
};
use crate::{
    point::{Key, PointId},
    store::{Meta, StoreError, read_all},
};
use futures_util::{StreamExt, TryStreamExt, future, stream};
use jiff::Timestamp;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// What the copying of evidence did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CarriedDrills {
    /// Drills whose evidence was sent.
    pub evidence: Vec<PointId>,
    /// Notes that were sent.
    pub notes: usize,
    /// Evidence and notes that were left where they are, because they cannot be trusted: their keys, and why.
    pub left: Vec<(String, String)>,
}

impl CarriedDrills {
    /// How many documents were sent.
    pub fn sent(&self) -> usize {
        self.evidence.len() + self.notes
    }
}

/// No object of a drill is larger.
const LIMIT: u64 = 256 << 20;

/// Copies what `to` lacks of the drills that `from` holds, and that `prune` would not let go of again. What cannot be trusted stays.
pub async fn carry_drills(
    from: &Catalogue,
    to: &Catalogue,
    now: Timestamp,
) -> Result<CarriedDrills, CatalogueError> {
    let list = async |catalogue: &Catalogue| -> Result<Vec<Meta>, CatalogueError> {
        Ok(catalogue.store.list(&Key::drills(&catalogue.cluster)?).await?)
    };
    let (here, there) = future::try_join(list(from), list(to)).await?;
    let there: BTreeSet<Key> = there.into_iter().map(|object| object.key).collect();
    let missing: Vec<Key> = here.into_iter().map(|it| it.key).filter(|key| !there.contains(key)).collect();
    let mut carried = CarriedDrills::default();
    if missing.is_empty() {
        return Ok(carried);
    }
    let mut known: BTreeMap<PointId, Drill> = BTreeMap::new();
    for catalogue in [to, from] {
        // Where both have it, what is here decides: that is what would be sent.
        known.extend(catalogue.drills().await?.into_iter().map(|drill| (drill.id.clone(), drill)));
    }
    let judged = judge_drills(&known.values().cloned().collect::<Vec<_>>(), now);
    let mut by_drill: BTreeMap<PointId, Vec<Key>> = BTreeMap::new();
    for key in missing {
        let id: Option<PointId> = key.segments().nth(2).and_then(|id| id.parse().ok());
        if let Some(id) = id {
            by_drill.entry(id).or_default().push(key);
        }
    }
    // What goes there again is not sent, and neither is what has no evidence here.
    by_drill.retain(|id, _| judged.get(id).is_some_and(|kept| !kept.is_empty()));
    let sending = by_drill.iter().map(|(id, keys)| one(from, to, id, keys, known.get(id)));
    let sending: Vec<_> = sending.collect();
    let sent: Vec<CarriedDrills> = stream::iter(sending).buffered(AT_ONCE).try_collect().await?;
    for sent in sent {
        carried.evidence.extend(sent.evidence);
        carried.notes += sent.notes;
        carried.left.extend(sent.left);
    }
    Ok(carried)
}

/// What is missing of one drill: its evidence after all that it names, then the notes.
async fn one(
    from: &Catalogue,
    to: &Catalogue,
    id: &PointId,
    missing: &[Key],
    drill: Option<&Drill>,
) -> Result<CarriedDrills, CatalogueError> {
    let mut carried = CarriedDrills::default();
    let evidence = Key::drill(&from.cluster, id)?.join(EVIDENCE)?;
    let notes = Key::drill(&from.cluster, id)?.join(NOTES)?;
    if missing.contains(&evidence) {
        let trusted = drill.map(|drill| drill.trusted().map(drop));
        if let Some(Err(e)) = trusted {
            carried.left.push((evidence.to_string(), e.to_string()));
            return Ok(carried);
        }
        let beside = missing.iter().filter(|key| **key != evidence && !key.is_below(&notes));
        for key in beside {
            send(from, to, key, LIMIT).await?;
        }
        if send(from, to, &evidence, LIMIT).await? {
            carried.evidence.push(id.clone());
        }
    }
    for noted in from.drill_notes(id).await? {
        let key = notes.join(&format!("{}.json", noted.id))?;
        if !missing.contains(&key) {
            continue;
        }
        let doubt = match (&noted.signature, &noted.note) {
            (Signature::Bad(why), _) => Some(why.clone()),
            (_, Err(why)) => Some(why.clone()),
            _ => None,
        };
        if let Some(why) = doubt {
            carried.left.push((key.to_string(), why));
            continue;
        }
        let signature = Key::new(format!("{key}.minisig"))?;
        if missing.contains(&signature) {
            send(from, to, &signature, SIGNATURE_LIMIT).await?;
        }
        carried.notes += usize::from(send(from, to, &key, LIMIT).await?);
    }
    Ok(carried)
}

/// Copies an object as it is; `false` where it has gone meanwhile.
async fn send(from: &Catalogue, to: &Catalogue, key: &Key, limit: u64) -> Result<bool, CatalogueError> {
    match read_all(from.store.as_ref(), key, limit).await {
        Ok(bytes) => put(to, key, bytes).await.map(|()| true),
        Err(StoreError::NotFound { .. }) => Ok(false),
        Err(e) => Err(e.into()),
    }
}
