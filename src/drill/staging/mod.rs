//! Where a recovery point is brought up: made for one drill, and taken away after it.
//!
//! Whatever a staging makes carries a mark by which it is found again, so that what a drill that was killed has left can be
//! taken away: by the next drill, and by `lifeboat drill cleanup`.

use crate::{
    catalogue::Catalogue,
    pipeline::Identities,
    point::{Isolation, Manifest, Program, Removed},
    restore::resources::Terms,
    source::kube::Connection,
};
use async_trait::async_trait;
use std::sync::Arc;

mod controlplane;
mod data;
mod disarm;
mod error;
mod existing;
mod fate;
mod home;
mod kind;
mod leftovers;
mod options;
mod process;
mod ready;
mod service_range;
mod workload;

pub use controlplane::{ControlPlane, ControlPlaneOptions};
pub use error::StagingError;
pub use existing::{Allowed, Existing, ExistingOptions};
pub use home::usual_base;
pub use kind::{Kind, KindOptions};
pub use leftovers::{Leftover, clean_up, leftovers};
pub use options::ServerOptions;
pub(in crate::drill) use workload::WORKLOADS;
pub use workload::Workload;

/// What has to be heeded in a cluster that others use too.
#[derive(Debug, Clone)]
pub struct Guarded {
    /// What the drill makes carries this label, `name=value`: nothing else is the drill's.
    pub label: String,
    /// What may be made, and as what.
    pub terms: Arc<dyn Terms>,
}

/// A staging cluster, from nothing until nothing is left of it. The calls come in this order; [`Staging::tear_down`] may come
/// after any of them, and comes always. Data is put under it once more where both are restored.
#[async_trait]
pub trait Staging: Send {
    /// `controlplane`, `kind` or `existing`.
    fn provider(&self) -> &'static str;

    /// What it is called, so that it can be found.
    fn name(&self) -> &str;

    /// What keeps it apart from the source and from the world.
    fn isolation(&self) -> Vec<Isolation>;

    /// The programs that it is made of; known once it is provisioned.
    fn programs(&self) -> Vec<Program>;

    /// Makes what the data is restored into.
    ///
    /// # Errors
    /// When a program is missing or does not fit, or there is no room.
    async fn provision(&mut self, manifest: &Manifest) -> Result<(), StagingError>;

    /// Stops what runs in it, and takes its data away: what is started then is an empty cluster.
    ///
    /// # Errors
    /// When something does not stop, or cannot be taken away.
    async fn empty(&mut self) -> Result<(), StagingError>;

    /// Stops what runs in it, and puts the recovery point's etcd snapshot under it.
    ///
    /// # Errors
    /// When the snapshot does not open, is not what was saved, or is refused.
    async fn restore_etcd(
        &mut self,
        catalogue: &Catalogue,
        manifest: &Manifest,
        identities: Arc<Identities>,
    ) -> Result<(), StagingError>;

    /// Starts it, waits until its API server is ready, and tells how that is reached.
    ///
    /// # Errors
    /// When it does not come up, with the last words of what did not.
    async fn start(&mut self) -> Result<Connection, StagingError>;

    /// What has to be heeded, where the cluster is not the drill's own; known once it is provisioned.
    fn guarded(&self) -> Option<Guarded> {
        None
    }

    /// Can workloads run in it?
    fn runs_workloads(&self) -> bool {
        false
    }

    /// Disarms what was restored, and then starts controllers and a node: of all workloads only these run.
    ///
    /// # Errors
    /// When something cannot be disarmed, before anything runs; when the node does not become ready; when nothing runs in
    /// this kind of staging.
    async fn release(&mut self, kept: &[Workload]) -> Result<(), StagingError> {
        let n = kept.len();
        Err(StagingError::Refused(format!(
            "no workload runs in this staging, and {n} were asked for: use `kind` or `existing`"
        )))
    }

    /// What has gone wrong in it since it was started, if anything has: a server that has ended, a disk that is full.
    async fn trouble(&mut self) -> Option<StagingError> {
        None
    }

    /// Takes everything away that it has made, and looks whether it is gone. It never fails: what is left is told.
    async fn tear_down(&mut self) -> Vec<Removed>;
}
