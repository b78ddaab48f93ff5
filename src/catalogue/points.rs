use super::{AT_ONCE, CatalogueError, signed_comment};
use crate::{
    pipeline::{PipelineError, Verifier},
    point::{Artifact, Digest, Key, Manifest, PointId},
    store::{Body, Store, StoreError, Through, read_all},
};
use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use std::sync::Arc;

/// A manifest of a hundred thousand types would still be smaller.
const MANIFEST_LIMIT: u64 = 16 << 20;
pub(super) const SIGNATURE_LIMIT: u64 = 4 << 10;
/// So many signatures are checked one after another, while the next ones are fetched.
const TOGETHER: usize = 64;
/// So many times so many may wait for a processor.
const CHUNKS: usize = 4;

/// The recovery points of one cluster in one store.
#[derive(Clone)]
pub struct Catalogue {
    pub(super) store: Arc<dyn Store>,
    pub(super) cluster: String,
    verifier: Option<Verifier>,
}

/// What is known of a manifest's signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signature {
    /// It is the expected key's.
    Holds,
    /// No public key is at hand.
    NotChecked,
    /// It does not hold, or is missing.
    Bad(String),
}

impl Signature {
    /// What a check says of a signature's file, if there is one to check.
    pub(super) fn of(
        file: Result<Vec<u8>, &str>,
        check: impl FnOnce(&[u8]) -> Result<(), PipelineError>,
    ) -> Self {
        match file.map(|file| check(&file)) {
            Ok(Ok(())) => Signature::Holds,
            Ok(Err(e)) => Signature::Bad(e.to_string()),
            Err(why) => Signature::Bad(why.into()),
        }
    }
}

/// A recovery point as the store shows it.
#[derive(Debug, Clone)]
pub struct Listed {
    /// Its id.
    pub id: PointId,
    /// Its manifest, or why it cannot be read.
    pub manifest: Result<Manifest, String>,
    /// Its signature.
    pub signature: Signature,
}

impl Listed {
    /// When its run began. Of points of one second the ids do not tell which is older.
    pub fn begun(&self) -> Option<Timestamp> {
        self.manifest.as_ref().map_or_else(|_| self.id.time(), |manifest| Some(manifest.created_at))
    }
}

/// A signature's file, or what is wrong with it.
pub(super) type SignatureFile = Result<Vec<u8>, &'static str>;

/// What the store has of a recovery point: its manifest's bytes and its signature, or why the first cannot be read.
struct Fetched {
    id: PointId,
    manifest: Result<(Vec<u8>, SignatureFile), String>,
}

/// A recovery point to work with: its manifest was read, and its signature did not fail.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// Its manifest.
    pub manifest: Manifest,
    /// Its signature, which holds or was not checked.
    pub signature: Signature,
}

impl Catalogue {
    /// The catalogue of `cluster` in `store`; signatures are checked with `verifier` where there is one.
    pub fn new(store: Arc<dyn Store>, cluster: &str, verifier: Option<Verifier>) -> Self {
        Catalogue { store, cluster: cluster.to_owned(), verifier }
    }

    /// Whether signatures are checked.
    pub fn checks_signatures(&self) -> bool {
        self.verifier.is_some()
    }

    pub(super) fn verifier(&self) -> Option<&Verifier> {
        self.verifier.as_ref()
    }

    /// The same catalogue, whose store's bodies pass through `outward` when they are read.
    pub(super) fn read_through(&self, outward: impl Fn(Body) -> Body + Send + Sync + 'static) -> Self {
        let store = Arc::new(Through::new(self.store.clone(), |body| body, outward));
        Catalogue { store, ..self.clone() }
    }

    /// The URL of the store.
    pub fn store_url(&self) -> &str {
        self.store.url()
    }

    /// The clusters that a store holds something of.
    pub async fn clusters(store: &dyn Store) -> Result<Vec<String>, CatalogueError> {
        Ok(store.children(None).await?)
    }

    /// The ids of all recovery points, oldest first, those that never came to their manifest among them.
    pub async fn ids(&self) -> Result<Vec<PointId>, CatalogueError> {
        let names = self.store.children(Some(&Key::points(&self.cluster)?)).await?;
        Ok(names.iter().filter_map(|n| n.parse().ok()).collect())
    }

    /// The recovery points, oldest first. What has no manifest is none.
    pub async fn list(&self) -> Result<Vec<Listed>, CatalogueError> {
        Ok(self.list_digested().await?.into_iter().map(|(point, _)| point).collect())
    }

    /// The same, each with the SHA-256 of its manifest where that can be read.
    pub(super) async fn list_digested(&self) -> Result<Vec<(Listed, Option<Digest>)>, CatalogueError> {
        let reads = self.ids().await?.into_iter().map(|id| self.fetch(id));
        // A signature takes as long to check as to fetch: the thread that speaks to the store goes on meanwhile. Changing
        // threads takes its time too, and so many go together.
        let judged = stream::iter(reads).buffered(AT_ONCE).chunks(TOGETHER).map(|fetched| async {
            let own = self.clone();
            let judge = move || {
                let fetched = fetched.into_iter().filter_map(Result::transpose);
                fetched.map(|fetched| Ok(own.look(fetched?))).collect::<Result<Vec<_>, _>>()
            };
            tokio::task::spawn_blocking(judge).await.unwrap_or(Err(CatalogueError::Stopped))
        });
        let found: Vec<Vec<_>> = judged.buffered(CHUNKS).try_collect().await?;
        let mut found: Vec<_> = found.into_iter().flatten().collect();
        // The store lists by name, and of points of one second the names do not tell which is older.
        found.sort_by_cached_key(|(point, _)| (point.id.time(), point.begun()));
        Ok(found)
    }

    /// One recovery point as the store shows it; none where there is no manifest.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn point(&self, id: &PointId) -> Result<Option<Listed>, CatalogueError> {
        Ok(self.fetch(id.clone()).await?.map(|fetched| self.look(fetched).0))
    }

    /// The name of the cluster.
    pub fn cluster(&self) -> &str {
        &self.cluster
    }

    /// A manifest and its signature's file, if there is a manifest.
    async fn fetch(&self, id: PointId) -> Result<Option<Fetched>, CatalogueError> {
        let manifest = match self.manifest_bytes(&id).await {
            Ok(None) => return Ok(None),
            // One that cannot be read must not hide the others.
            Err(e) => Err(e.to_string()),
            Ok(Some(bytes)) => {
                let signature = self.signature_at(&Key::signature(&self.cluster, &id)?).await?;
                Ok((bytes, signature))
            }
        };
        Ok(Some(Fetched { id, manifest }))
    }

    fn look(&self, Fetched { id, manifest }: Fetched) -> (Listed, Option<Digest>) {
        match manifest {
            Err(why) => (Listed { id, manifest: Err(why), signature: Signature::NotChecked }, None),
            Ok((bytes, signature)) => {
                let signature = self.judge(&id, &bytes, signature);
                let manifest = self.parse(&id, &bytes).map_err(|e| e.to_string());
                (Listed { id, manifest, signature }, Some(Sha256::digest(&bytes).into()))
            }
        }
    }

    pub(super) async fn manifest_bytes(&self, id: &PointId) -> Result<Option<Vec<u8>>, CatalogueError> {
        match read_all(self.store.as_ref(), &Key::manifest(&self.cluster, id)?, MANIFEST_LIMIT).await {
            Err(StoreError::NotFound { .. }) => Ok(None),
            other => Ok(Some(other?)),
        }
    }

    pub(super) fn parse(&self, id: &PointId, bytes: &[u8]) -> Result<Manifest, CatalogueError> {
        let manifest = Manifest::parse(bytes)?;
        let refused = |reason: String| CatalogueError::NotTrusted { id: id.to_string(), reason };
        if manifest.id != *id {
            return Err(refused(format!("its manifest says that it is {}", manifest.id)));
        }
        if manifest.cluster.name != self.cluster {
            return Err(refused(format!(
                "its manifest says that it is of cluster `{}`",
                manifest.cluster.name
            )));
        }
        for artifact in &manifest.artifacts {
            self.artifact_key(id, artifact)?;
        }
        Ok(manifest)
    }

    /// Where an artifact is: always directly below its recovery point, whatever the manifest says.
    pub(super) fn artifact_key(&self, id: &PointId, artifact: &Artifact) -> Result<Key, CatalogueError> {
        if artifact.key.contains('/') {
            let reason = format!("its manifest names {:?}, which is not a file of its own", artifact.key);
            return Err(CatalogueError::NotTrusted { id: id.to_string(), reason });
        }
        Ok(Key::point(&self.cluster, id)?.join(&artifact.key)?)
    }

    pub(super) async fn check_signature(
        &self,
        id: &PointId,
        bytes: &[u8],
    ) -> Result<Signature, CatalogueError> {
        let signature = self.signature_at(&Key::signature(&self.cluster, id)?).await?;
        Ok(self.judge(id, bytes, signature))
    }

    pub(super) async fn signature_at(&self, key: &Key) -> Result<SignatureFile, StoreError> {
        match read_all(self.store.as_ref(), key, SIGNATURE_LIMIT).await {
            Err(StoreError::NotFound { .. }) => Ok(Err("its signature is missing")),
            Err(StoreError::TooLarge { .. }) => Ok(Err("its signature is too large")),
            other => other.map(Ok),
        }
    }

    fn judge(&self, id: &PointId, bytes: &[u8], signature: Result<Vec<u8>, &str>) -> Signature {
        let Some(verifier) = &self.verifier else {
            return signature.map_or_else(|why| Signature::Bad(why.into()), |_| Signature::NotChecked);
        };
        Signature::of(signature, |signature| {
            verifier.verify(bytes, signature, &signed_comment(&self.cluster, id))
        })
    }

    /// The id that `wanted` means: `latest`, an id, or the beginning of one.
    pub async fn resolve(&self, wanted: &str) -> Result<PointId, CatalogueError> {
        let mut candidates = Vec::new();
        if wanted == "latest" {
            candidates.extend(self.latest().await?);
        } else {
            for id in self.ids().await?.into_iter().rev().filter(|id| id.as_str().starts_with(wanted)) {
                if self.has_manifest(&id).await? {
                    candidates.push(id);
                }
            }
        }
        match candidates.as_slice() {
            [id] => Ok(id.clone()),
            [] => Err(self.nothing(wanted).await?),
            several => {
                let candidates: Vec<&str> = several.iter().map(PointId::as_str).collect();
                Err(CatalogueError::Ambiguous {
                    wanted: wanted.to_owned(),
                    candidates: candidates.join(", "),
                })
            }
        }
    }

    /// The newest recovery point. Of those of one second the ids do not tell which it is: their manifests do.
    async fn latest(&self) -> Result<Option<PointId>, CatalogueError> {
        let mut newest: Vec<PointId> = Vec::new();
        for id in self.ids().await?.into_iter().rev() {
            if newest.first().is_some_and(|other| other.time() != id.time()) {
                break;
            }
            if self.has_manifest(&id).await? {
                newest.push(id);
            }
        }
        if newest.len() < 2 {
            return Ok(newest.pop());
        }
        let mut dated = Vec::new();
        for id in newest {
            let manifest = self.point(&id).await?.and_then(|point| point.manifest.ok());
            dated.push((manifest.map(|m| (m.created_at, m.finished_at)), id));
        }
        Ok(dated.into_iter().max().map(|(_, id)| id))
    }

    async fn has_manifest(&self, id: &PointId) -> Result<bool, CatalogueError> {
        Ok(self.store.head(&Key::manifest(&self.cluster, id)?).await?.is_some())
    }

    async fn nothing(&self, wanted: &str) -> Result<CatalogueError, CatalogueError> {
        let (store, cluster) = (self.store.url().to_owned(), self.cluster.clone());
        if !self.list().await?.is_empty() {
            return Ok(CatalogueError::NotFound { wanted: wanted.to_owned(), cluster, store });
        }
        let others: Vec<String> =
            Catalogue::clusters(self.store.as_ref()).await?.into_iter().filter(|c| *c != cluster).collect();
        let hint = match others.is_empty() {
            true => String::new(),
            false => format!("; it holds some of: {}", others.join(", ")),
        };
        Ok(CatalogueError::Empty { store, cluster, hint })
    }

    /// Reads a recovery point's manifest.
    ///
    /// # Errors
    /// When it cannot be read, or its signature does not hold.
    pub async fn load(&self, id: &PointId) -> Result<Loaded, CatalogueError> {
        Ok(self.load_bytes(id).await?.0)
    }

    /// The same, and the manifest's bytes as they were read and checked.
    pub(super) async fn load_bytes(&self, id: &PointId) -> Result<(Loaded, Vec<u8>), CatalogueError> {
        let missing = || CatalogueError::NotFound {
            wanted: id.to_string(),
            cluster: self.cluster.clone(),
            store: self.store.url().to_owned(),
        };
        let bytes = self.manifest_bytes(id).await?.ok_or_else(missing)?;
        match self.check_signature(id, &bytes).await? {
            Signature::Bad(reason) => Err(CatalogueError::NotTrusted { id: id.to_string(), reason }),
            signature => Ok((Loaded { manifest: self.parse(id, &bytes)?, signature }, bytes)),
        }
    }
}

#[cfg(test)]
#[path = "points_tests.rs"]
mod tests;
