use super::{
    Catalogue, CatalogueError, History, Loaded, Survey,
    points::SIGNATURE_LIMIT,
    retention::{Candidate, Policy, dropped, judge},
};
use crate::{
    point::{Artifact, Digest, Key, PointId},
    store::{self, Body, StoreError},
};
use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    io,
};

/// What the copying of one recovery point did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Copied {
    /// The recovery point.
    pub id: PointId,
    /// Bytes that were sent.
    pub bytes: u64,
    /// Objects that were there already and are whole: of an earlier try, or all of them.
    pub already: usize,
    /// Objects that were sent.
    pub sent: usize,
}

impl Copied {
    fn count(&mut self, bytes: u64) {
        self.bytes += bytes;
        self.sent += 1;
    }
}

/// The recovery points that `from` holds and `to` does not, oldest first. Both are listed once, and nothing is read.
pub async fn owed(from: &Catalogue, to: &Catalogue) -> Result<Vec<PointId>, CatalogueError> {
    let there: BTreeSet<PointId> = committed(to).await?.into_iter().collect();
    Ok(committed(from).await?.into_iter().filter(|id| !there.contains(id)).collect())
}

/// The same without those that the retention of `to` would let go of again, were they there: what `prune` dropped does not
/// come back. What both stores hold is judged together. For that, manifests and records of both are read.
pub async fn owed_and_kept(
    from: &Catalogue,
    to: &Catalogue,
    policy: &Policy,
    now: Timestamp,
) -> Result<Vec<PointId>, CatalogueError> {
    let owed = owed(from, to).await?;
    if owed.is_empty() {
        return Ok(owed);
    }
    let mut candidates: BTreeMap<PointId, Candidate> = BTreeMap::new();
    for catalogue in [to, from] {
        let Survey { points: listed, standings, .. } = catalogue.survey(History::Whole).await?;
        for point in &listed {
            let candidate = Candidate::of(point, standings.get(&point.id));
            match candidates.entry(point.id.clone()) {
                Entry::Vacant(entry) => drop(entry.insert(candidate)),
                Entry::Occupied(mut entry) => {
                    // What is recorded in either store counts.
                    let known = entry.get_mut();
                    known.held = known.held.take().or(candidate.held);
                    known.tags.extend(candidate.tags);
                    known.verified = known.verified.max(candidate.verified);
                    known.verified_deep = known.verified_deep.max(candidate.verified_deep);
                }
            }
        }
    }
    let candidates: Vec<Candidate> = candidates.into_values().collect();
    let gone = dropped(&judge(policy, &candidates, now));
    Ok(owed.into_iter().filter(|id| !gone.contains(id)).collect())
}

/// The recovery points that have a manifest.
pub(super) async fn committed(catalogue: &Catalogue) -> Result<Vec<PointId>, CatalogueError> {
    let objects = catalogue.store.list(&Key::points(&catalogue.cluster)?).await?;
    let ids = objects.iter().filter_map(|object| {
        let id: PointId = object.key.segments().nth(2)?.parse().ok()?;
        (Key::manifest(&catalogue.cluster, &id).ok()? == object.key).then_some(id)
    });
    let mut ids: Vec<PointId> = ids.collect();
    ids.sort();
    Ok(ids)
}

/// Copies a recovery point: payloads first, the manifest last, as it was written. Payloads are compared with the
/// manifest on their way, and with those that an earlier try left there.
///
/// # Errors
/// When the point is damaged or not to be trusted here, when another object stands in its place there, and when a store
/// fails. The point is then not listed there.
pub async fn copy(from: &Catalogue, to: &Catalogue, id: &PointId) -> Result<Copied, CatalogueError> {
    let (Loaded { manifest, .. }, manifest_bytes) = from.load_bytes(id).await?;
    let signature = Key::signature(&from.cluster, id)?;
    let signature_bytes = store::read_all(from.store.as_ref(), &signature, SIGNATURE_LIMIT).await?;
    // The manifest last: with it the point is there.
    let small = [(signature, signature_bytes), (Key::manifest(&from.cluster, id)?, manifest_bytes)];
    let mut copied = Copied { id: id.clone(), bytes: 0, already: 0, sent: 0 };
    let mut found = Vec::new();
    for artifact in &manifest.artifacts {
        let key = from.artifact_key(id, artifact)?;
        match to.store.head(&key).await? {
            Some(_) => {
                same(to, &key, artifact.stored_sha256).await?;
                found.push((key, artifact));
            }
            None => {
                payload(from, to, &key, artifact).await?;
                copied.count(artifact.stored_bytes);
            }
        }
    }
    // What an earlier try left long ago may just have been pruned as its remains.
    for (key, artifact) in &found {
        if to.store.head(key).await?.is_none() {
            payload(from, to, key, artifact).await?;
            copied.count(artifact.stored_bytes);
        } else {
            copied.already += 1;
        }
    }
    for (key, bytes) in small {
        let (digest, length) = (Sha256::digest(&bytes).into(), bytes.len() as u64);
        match to.store.put(&key, store::body(bytes)).await {
            Ok(_) => copied.count(length),
            Err(StoreError::Exists { .. }) => {
                same(to, &key, digest).await?;
                copied.already += 1;
            }
            Err(e) => return Err(e.into()),
        }
    }
    for (key, _) in &found {
        if to.store.head(key).await?.is_none() {
            to.store.delete(&Key::manifest(&from.cluster, id)?).await?;
            let (key, store) = (key.to_string(), to.store.url().to_owned());
            return Err(StoreError::NotFound { key, store }.into());
        }
    }
    Ok(copied)
}

async fn payload(
    from: &Catalogue,
    to: &Catalogue,
    key: &Key,
    artifact: &Artifact,
) -> Result<(), CatalogueError> {
    let object = from.store.get(key, None).await?;
    let stored = to.store.put(key, checked(object.body, artifact)).await;
    match stored {
        Ok(_) => Ok(()),
        // Another copy of the same point was faster.
        Err(StoreError::Exists { .. }) => same(to, key, artifact.stored_sha256).await,
        Err(StoreError::Body(e)) if e.kind() == io::ErrorKind::InvalidData => Err(CatalogueError::Damaged {
            id: key.segments().nth(2).unwrap_or_default().to_owned(),
            artifact: artifact.kind.to_string(),
            reason: e.to_string(),
        }),
        Err(e) => Err(e.into()),
    }
}

/// The body; when it has passed and was not what the manifest says, it ends with an error, so that nothing comes of it.
fn checked(body: Body, artifact: &Artifact) -> Body {
    let (wanted, length) = (artifact.stored_sha256, artifact.stored_bytes);
    let state = Some((body, Sha256::new(), 0u64));
    Box::pin(stream::unfold(state, move |state| async move {
        let (mut body, mut digest, mut bytes) = state?;
        let damaged = |reason: String| Some((Err(io::Error::new(io::ErrorKind::InvalidData, reason)), None));
        match body.next().await {
            Some(Ok(chunk)) => {
                digest.update(&chunk);
                bytes += chunk.len() as u64;
                Some((Ok(chunk), Some((body, digest, bytes))))
            }
            Some(Err(e)) => Some((Err(e), None)),
            None if bytes != length => {
                damaged(format!("{bytes} bytes are stored, the manifest says {length}"))
            }
            None if Digest::from(digest.finalize()) != wanted => {
                damaged("the SHA-256 of the stored bytes differs from the manifest's".to_owned())
            }
            None => None,
        }
    }))
}

/// An object that stands there already has to be the one that would be sent.
async fn same(to: &Catalogue, key: &Key, wanted: Digest) -> Result<(), CatalogueError> {
    if store::sha256(to.store.as_ref(), key).await? == wanted {
        return Ok(());
    }
    Err(CatalogueError::Other { key: key.to_string(), store: to.store.url().to_owned() })
}
