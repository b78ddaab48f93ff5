//! Records on their way to another store. They are never changed, so what is missing there is all there is to copy.

use super::{AT_ONCE, Catalogue, CatalogueError, Doubt, copy::committed, ledger::Names, verified::RECENT};
use crate::{
    point::{Facts, Family, HoldFacts, Key, PointId, TagFacts, VerificationFacts},
    store::{self, StoreError, read_all},
};
use futures_util::{StreamExt, TryStreamExt, future, stream};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// What the copying of records did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Carried {
    /// Records that were sent.
    pub sent: usize,
    /// Records that were left where they are, because they cannot be trusted.
    pub left: Vec<Doubt>,
    /// The recovery points that were ever held, and whether a hold or a release was sent now: for [`Catalogue::settle`].
    #[serde(skip)]
    pub holds: BTreeMap<PointId, bool>,
}

/// Copies the records that `to` lacks, of the recovery points that it holds and of those in `coming`. What cannot be trusted
/// stays, but for holds: they count anyhow.
pub async fn carry(from: &Catalogue, to: &Catalogue, coming: &[PointId]) -> Result<Carried, CatalogueError> {
    let mut wanted: BTreeSet<PointId> = committed(to).await?.into_iter().collect();
    wanted.extend(coming.iter().cloned());
    let (here, there) = future::try_join(from.record_names(), to.record_names()).await?;
    let mut missing = Vec::new();
    for (point, families) in here.iter().filter(|(point, _)| wanted.contains(point)) {
        for (family, ids) in families {
            let known = there.get(point).and_then(|families| families.get(family));
            let lacks = |id: &&PointId| known.is_none_or(|known| known.binary_search(id).is_err());
            missing.extend(ids.iter().filter(lacks).map(|id| (*family, point.clone(), id.clone())));
        }
    }
    let ever = here
        .iter()
        .chain(&there)
        .filter(|(id, families)| wanted.contains(id) && families.contains_key(&Family::Holds));
    let mut holds: BTreeMap<PointId, bool> = ever.map(|(id, _)| (id.clone(), false)).collect();
    holds.extend(
        missing.iter().filter(|(family, ..)| *family == Family::Holds).map(|(_, id, _)| (id.clone(), true)),
    );
    let gone = thinned(from, &here, &missing).await?;
    missing.retain(|(family, point, id)| {
        *family != Family::Verifications || gone.get(point).is_none_or(|gone| !gone.contains(id))
    });
    let sending = missing.into_iter().map(|(family, point, id)| async move {
        match family {
            Family::Holds => one::<HoldFacts>(from, to, &point, &id).await,
            Family::Tags => one::<TagFacts>(from, to, &point, &id).await,
            Family::Verifications => one::<VerificationFacts>(from, to, &point, &id).await,
        }
    });
    let sent: Vec<Result<bool, Doubt>> = stream::iter(sending).buffered(AT_ONCE).try_collect().await?;
    let mut carried = Carried { holds, ..Carried::default() };
    for outcome in sent {
        match outcome {
            Ok(sent) => carried.sent += usize::from(sent),
            Err(doubt) => carried.left.push(doubt),
        }
    }
    Ok(carried)
}

/// Of the verifications that are missing there, those that `prune` would remove here: it may have removed them there.
async fn thinned(
    from: &Catalogue,
    here: &BTreeMap<PointId, Names>,
    missing: &[(Family, PointId, PointId)],
) -> Result<BTreeMap<PointId, BTreeSet<PointId>>, CatalogueError> {
    // The newest are never superseded, and mostly it is they that are missing.
    let old = |point: &PointId, id: &PointId| {
        let names = here.get(point).and_then(|names| names.get(&Family::Verifications));
        names.is_some_and(|ids| !ids.iter().rev().take(RECENT).any(|recent| recent == id))
    };
    let lacking =
        missing.iter().filter(|(family, point, id)| *family == Family::Verifications && old(point, id));
    let points: BTreeSet<&PointId> = lacking.map(|(_, point, _)| point).collect();
    let mut gone = BTreeMap::new();
    for point in points {
        let Some(names) = here.get(point) else { continue };
        gone.insert(point.clone(), from.superseded(point, names).await?);
    }
    Ok(gone)
}

/// Copies a record and its signature as they are; `false` where it has gone meanwhile.
async fn one<T: Facts>(
    from: &Catalogue,
    to: &Catalogue,
    point: &PointId,
    id: &PointId,
) -> Result<Result<bool, Doubt>, CatalogueError> {
    let Some(recorded) = from.read_record::<T>(point, id).await? else { return Ok(Ok(false)) };
    if let Some(doubt) = recorded.doubt().filter(|_| T::FAMILY != Family::Holds) {
        return Ok(Err(doubt));
    }
    let key = Key::record_signature(&from.cluster, T::FAMILY, point, id)?;
    match read_all(from.store.as_ref(), &key, super::points::SIGNATURE_LIMIT).await {
        Ok(bytes) => put(to, &key, bytes).await?,
        Err(StoreError::NotFound { .. }) => {}
        Err(e) => return Err(e.into()),
    }
    let key = Key::record(&from.cluster, T::FAMILY, point, id)?;
    put(to, &key, read_all(from.store.as_ref(), &key, super::ledger::RECORD_LIMIT).await?).await?;
    Ok(Ok(true))
}

pub(super) async fn put(to: &Catalogue, key: &Key, bytes: Vec<u8>) -> Result<(), CatalogueError> {
    match to.store.put(key, store::body(bytes)).await {
        // Another copy was faster, or an earlier one ended here.
        Ok(_) | Err(StoreError::Exists { .. }) => Ok(()),
        Err(e) => Err(e.into()),
    }
}
