//! Reading a side: its index, and then only the objects that differ.

use super::{
    CompareError,
    bodies::Bodies,
    index::Index,
    select::Selection,
    side::{Coverage, Live, Side, facts},
};
use crate::{
    catalogue::{Catalogue, CatalogueError},
    object::{Identity, access},
    pipeline::Identities,
    point::{ArtifactKind, Digest, Manifest, ResourceFacts},
    source::kube::{Cluster, Event, Export, ExportedObject},
};
use sha2::{Digest as _, Sha256};
use std::{
    collections::{BTreeMap, HashMap},
    io,
    sync::{Arc, Mutex, PoisonError},
};

/// Where to read from, with which keys, and what.
pub(super) struct Reader<'a> {
    pub(super) catalogue: &'a Catalogue,
    pub(super) identities: Arc<Identities>,
    pub(super) selection: Arc<Selection>,
}

/// What several threads fill in turn.
pub(super) type Shared<T> = Arc<Mutex<T>>;

pub(super) fn locked<T: ?Sized>(shared: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Reader<'_> {
    /// The index of a recovery point.
    pub(super) async fn index(&self, manifest: &Manifest) -> Result<Index, CompareError> {
        let index = Shared::<Index>::default();
        let (filled, selection) = (index.clone(), self.selection.clone());
        let add = move |line| locked(&filled).add_line(line, &selection);
        self.catalogue.each_line(manifest, self.identities.clone(), add).await?;
        let index = std::mem::take(&mut *locked(&index));
        match index.wrong {
            Some(reason) => Err(damaged(manifest, ArtifactKind::ResourcesIndex, reason)),
            None => Ok(index),
        }
    }

    /// Takes these objects out of a recovery point's archive. Without any the archive is left alone.
    pub(super) async fn bodies(
        &self,
        manifest: &Manifest,
        wanted: HashMap<Identity, Digest>,
        bodies: &Shared<Bodies>,
    ) -> Result<(), CompareError> {
        if wanted.is_empty() {
            return Ok(());
        }
        struct Taking {
            wanted: HashMap<Identity, Digest>,
            wrong: Option<String>,
            failed: Option<io::Error>,
        }
        let taking = Arc::new(Mutex::new(Taking { wanted, wrong: None, failed: None }));
        let (shared, kept, selection) = (taking.clone(), bodies.clone(), self.selection.clone());
        let take = move |path: &str, place, json: &[u8]| {
            let mut taking = locked(&shared);
            let (object, _) = Identity::of_place(place);
            let Some(digest) = taking.wanted.remove(&object) else { return };
            if digest != Digest::from(Sha256::digest(json)) {
                taking.wrong.get_or_insert(format!("{path} is not the object that the index names"));
                return;
            }
            match locked(&kept).keep(&object.kind, status(&selection, &object), digest, json) {
                Ok(()) => {}
                Err(e) if matches!(e.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof) => {
                    taking.wrong.get_or_insert(format!("{path} is not an object: {e}"));
                }
                Err(e) => {
                    taking.failed.get_or_insert(e);
                }
            }
        };
        self.catalogue.each_object(manifest, self.identities.clone(), take).await?;
        let mut taking = locked(&taking);
        if let Some(e) = taking.failed.take() {
            return Err(CompareError::Temporary(e));
        }
        let missing = |object: &Identity| format!("the index names {object}, which is not in the archive");
        match taking.wrong.take().or_else(|| taking.wanted.keys().next().map(missing)) {
            Some(reason) => Err(damaged(manifest, ArtifactKind::Resources, reason)),
            None => Ok(()),
        }
    }

    /// Exports the live cluster as a backup does, and keeps of it what differs from the side before.
    pub(super) async fn live(
        &self,
        how: &Live,
        before: (&Manifest, &Index),
        bodies: &Shared<Bodies>,
    ) -> Result<(Side, Index), CompareError> {
        let cluster = Cluster::connect(&how.connection).await?;
        let live = cluster.facts().await?;
        let mut filter = how.filter.clone();
        if filter.include.is_empty() {
            for pattern in self.selection.live_types() {
                filter.include.push(pattern.parse()?);
            }
        }
        for pattern in self.selection.idle_live_types() {
            filter.exclude.push(pattern.parse()?);
        }
        for kind in facts(before.0).into_iter().flat_map(Coverage::left_out) {
            let group = if kind.group.is_empty() { "core" } else { &kind.group };
            filter.exclude.push(format!("{}.{group}", kind.resource).parse()?);
        }
        let mut export = cluster.export(filter, None).await?;
        let mut index = Index::default();
        self.pump(&mut export, how, (before.1, &mut index), bodies).await?;
        let facts: ResourceFacts = export.finish()?;
        let side = Side {
            point: None,
            live: Some(cluster.server().to_owned()),
            at: facts.at,
            cluster_uid: live.uid,
            narrowed: facts.narrowed.clone(),
            coverage: Coverage::new(&facts),
            resources: facts,
        };
        Ok((side, index))
    }

    async fn pump(
        &self,
        export: &mut Export,
        how: &Live,
        (before, index): (&Index, &mut Index),
        bodies: &Shared<Bodies>,
    ) -> Result<(), CompareError> {
        while let Some(event) = export.next().await {
            let object = match event? {
                Event::Object(object) => object,
                Event::Restart => {
                    index.clear();
                    how.observer.iter().for_each(|it| locked(it).restart());
                    continue;
                }
            };
            how.observer.iter().for_each(|it| locked(it).object(&object));
            let Some((identity, version)) = Identity::of_path(&object.path) else { continue };
            if !self.selection.reads(&identity) {
                continue;
            }
            let digest = digest(&object);
            let was = before.entries.get(&identity);
            let differs = was.is_none_or(|was| was.sha256 != digest);
            // What came is told by its place; what it allows only by what is in it.
            if self.selection.access && (differs || access::is_rbac(&identity.kind))
                || differs && was.is_some()
            {
                let status = status(&self.selection, &identity);
                locked(bodies).keep(&identity.kind, status, digest, &object.to_vec())?;
            }
            index.add(identity, &version, &object.uid, digest);
        }
        Ok(())
    }
}

/// Is the status of an object compared?
fn status(selection: &Selection, object: &Identity) -> bool {
    selection.status || selection.access && access::status_counts(&object.kind)
}

fn digest(object: &ExportedObject) -> Digest {
    let all = object.json.iter().fold(Sha256::new(), |sum, piece| sum.chain_update(piece));
    all.finalize().into()
}

fn damaged(manifest: &Manifest, kind: ArtifactKind, reason: String) -> CompareError {
    let (id, artifact) = (manifest.id.to_string(), kind.to_string());
    CompareError::Catalogue(CatalogueError::Damaged { id, artifact, reason })
}

/// Which objects of which side are needed, by digest, those that are known already left out.
pub(super) fn wanted<'a>(
    needs: impl Iterator<Item = (&'a Identity, &'a Digest)>,
    bodies: &Bodies,
) -> HashMap<Identity, Digest> {
    let new: BTreeMap<&Identity, &Digest> = needs.filter(|(_, digest)| !bodies.has(digest)).collect();
    new.into_iter().map(|(object, digest)| (object.clone(), *digest)).collect()
}
