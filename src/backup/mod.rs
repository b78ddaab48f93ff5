//! The one forward walk: a cluster's state from its sources through the pipeline into the store.
//!
//! Payloads come first, the signature next, the manifest last: a recovery point exists when its manifest does. Whatever
//! fails before that leaves nothing that a listing shows.

mod error;
mod etcd;
mod laps;
mod progress;
mod resources;
mod upload;

pub use error::BackupError;
pub use laps::Lap;
pub use progress::Progress;

use crate::{
    catalogue,
    pipeline::{Recipients, SealOptions, Signer},
    point::{
        Artifact, ArtifactKind, ClusterFacts, FormatVersion, Key, Manifest, PointId, Problem, Status, Took,
        ToolFacts, Turn, Verification,
    },
    source::{etcd::EtcdOptions, kube},
    store::{self, Store, StoreError},
};
use jiff::Timestamp;
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{RwLock, oneshot, watch},
    time::timeout,
};

/// What to save, and where to.
#[derive(Clone)]
pub struct Job {
    /// The cluster's name in the configuration.
    pub cluster: String,
    /// The name under which retention counts the recovery point; may be empty.
    pub label: String,
    /// Save etcd, reached like this.
    pub etcd: Option<EtcdOptions>,
    /// Save the API server's objects, reached and filtered like this.
    pub resources: Option<(kube::Connection, kube::Filter)>,
    /// To whom everything is encrypted.
    pub recipients: Recipients,
    /// How it is compressed.
    pub seal: SealOptions,
    /// Signs the manifest.
    pub signer: Signer,
    /// Where it goes.
    pub store: Arc<dyn Store>,
    /// Read every payload again after it was stored, and compare its digest.
    pub read_back: bool,
    /// The run of a schedule that this is: when others have given it up, it does not become a recovery point.
    pub turn: Option<Turn>,
    /// Tells when nothing is on its way into the store any more.
    pub uploads: Uploads,
}

/// The uploads of a run. Each goes on to its end by itself, also when the run was given up, unless it is cut off; it is counted until
/// then.
#[derive(Debug, Clone, Default)]
pub struct Uploads {
    underway: Arc<RwLock<()>>,
    cut: watch::Sender<bool>,
}

/// What was given up may take this long to come to an end: whoever stops a run does not wait for a slow line.
const PATIENCE: Duration = Duration::from_secs(5);

impl Uploads {
    /// Waits until none is under way any more; those that take long are cut off. Were there any?
    async fn ended(&self) -> bool {
        let slow = timeout(PATIENCE, self.underway.write()).await.is_err();
        if slow {
            self.cut.send_replace(true);
            drop(self.underway.write().await);
        }
        slow
    }
}

/// What one half of a run brought.
struct Part {
    artifacts: Vec<Artifact>,
    problems: Vec<Problem>,
    verified: Vec<Verification>,
    cluster_uid: Option<String>,
    phases: Vec<Took>,
}

/// Takes one recovery point and returns its manifest, as it was stored.
///
/// A half that fails while the other succeeds makes the point `PartiallyFailed`. When `stop` names a signal the run is
/// given up, unless its manifest is being written already.
///
/// # Errors
/// When nothing could be saved, or the run was stopped. Nothing is left in the store then.
pub async fn run(
    job: &Job,
    id: &PointId,
    began: Timestamp,
    progress: &Progress,
    stop: impl Future<Output = &'static str>,
) -> Result<Manifest, BackupError> {
    let saved = tokio::select! {
        saved = save(job, id, began, progress) => saved,
        signal = stop => Err(BackupError::Stopped { signal, id: id.clone() }),
    };
    let result = match saved {
        Ok(manifest) => commit(job, &manifest).await.map(|()| manifest),
        Err(e) => Err(e),
    };
    if let Err(e) = &result {
        let cut = job.uploads.ended().await;
        // An object that exists already is another run's, which drew the same id in the same second: what is there is
        // not ours to remove.
        if !matches!(e, BackupError::Store(StoreError::Exists { .. })) {
            if cut && let Err(e) = abort_unfinished(job.store.as_ref(), &job.cluster, id).await {
                tracing::warn!("what was sent of {id} could not be taken back: {e}");
            }
            discard(job.store.as_ref(), &job.cluster, id).await?;
        }
    }
    result
}

async fn save(
    job: &Job,
    id: &PointId,
    began: Timestamp,
    progress: &Progress,
) -> Result<Manifest, BackupError> {
    // The objects are read as they were at the snapshot's revision: what is written meanwhile is in neither.
    let (tell, moment) = oneshot::channel();
    let etcd = async move { Some(etcd::save(job, job.etcd.as_ref()?, id, progress, tell).await) };
    let resources = async { Some(resources::save(job, job.resources.as_ref()?, id, progress, moment).await) };
    let (etcd, resources) = tokio::join!(etcd, resources);

    let mut manifest = Manifest {
        format: FormatVersion::CURRENT,
        id: id.clone(),
        cluster: ClusterFacts { name: job.cluster.clone(), uid: None },
        tool: ToolFacts::current(),
        job: job.label.clone(),
        created_at: began,
        finished_at: began,
        status: Status::Completed,
        artifacts: Vec::new(),
        verified: Vec::new(),
        problems: Vec::new(),
        phases: Vec::new(),
    };
    let mut failures = Vec::new();
    for (name, half) in [("etcd", etcd), ("resources", resources)] {
        match half {
            None => {}
            Some(Ok(part)) => {
                manifest.artifacts.extend(part.artifacts);
                manifest.problems.extend(part.problems);
                manifest.verified.extend(part.verified);
                manifest.phases.extend(part.phases);
                manifest.cluster.uid = manifest.cluster.uid.or(part.cluster_uid);
            }
            // Trouble with our own store or keys is no half of a success.
            Some(Err(e)) if !e.is_of_source() => return Err(e),
            Some(Err(e)) => {
                manifest.problems.push(Problem { about: name.into(), message: e.to_string(), fatal: true });
                failures.push(e);
            }
        }
    }
    if manifest.artifacts.is_empty() {
        return Err(BackupError::of_all(failures));
    }
    manifest.problems.extend(apart(&manifest));
    if manifest.problems.iter().any(|p| p.fatal) {
        manifest.status = Status::PartiallyFailed;
    }
    manifest.finished_at = Timestamp::now();
    Ok(manifest)
}

/// What to know of two halves that are not of one revision.
fn apart(manifest: &Manifest) -> Option<Problem> {
    let snapshot = manifest.artifact(&ArtifactKind::Etcd)?.etcd.as_ref()?.revision;
    let export = &manifest.artifact(&ArtifactKind::Resources)?.resources.as_ref()?.resource_version;
    (*export != snapshot.to_string()).then(|| Problem {
        about: "resources".into(),
        message: format!(
            "they are of revision {export}, and the etcd snapshot is of revision {snapshot}: what was written in between is in one of \
             them only, and a drill will find it"
        ),
        fatal: false,
    })
}

async fn commit(job: &Job, manifest: &Manifest) -> Result<(), BackupError> {
    let bytes = manifest.to_bytes()?;
    let signature = job.signer.sign(&bytes, &catalogue::signed_comment(&job.cluster, &manifest.id))?;
    let put = async |key: Key, bytes: Vec<u8>| job.store.put(&key, store::body(bytes)).await;
    put(Key::signature(&job.cluster, &manifest.id)?, signature.into_bytes()).await?;
    if let Some(turn) = &job.turn
        && !catalogue::may_commit(job.store.as_ref(), &job.cluster, turn, &manifest.id).await?
    {
        return Err(BackupError::GivenUp { turn: turn.clone(), id: manifest.id.clone() });
    }
    put(Key::manifest(&job.cluster, &manifest.id)?, bytes).await?;
    Ok(())
}

/// Removes what a run left that did not come to its manifest. A point that has one is not touched.
async fn discard(store: &dyn Store, cluster: &str, id: &PointId) -> Result<(), BackupError> {
    if store.head(&Key::manifest(cluster, id)?).await?.is_some() {
        return Ok(());
    }
    for object in store.list(&Key::point(cluster, id)?).await? {
        store.delete(&object.key).await?;
    }
    Ok(())
}

/// Removes what uploads that were cut off have sent already. Whoever may not do that leaves it to `prune`.
async fn abort_unfinished(store: &dyn Store, cluster: &str, id: &PointId) -> Result<(), BackupError> {
    for unfinished in store.unfinished(&Key::point(cluster, id)?).await? {
        store.abort(&unfinished).await?;
    }
    Ok(())
}
