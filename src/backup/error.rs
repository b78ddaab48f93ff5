use crate::{
    catalogue::CatalogueError,
    pipeline::PipelineError,
    point::{PointError, PointId, Turn},
    source::{etcd::EtcdError, kube::KubeError},
    store::StoreError,
};
use thiserror::Error;

/// Why no recovery point came about.
#[derive(Debug, Error)]
pub enum BackupError {
    /// etcd.
    #[error(transparent)]
    Etcd(#[from] EtcdError),
    /// The API server.
    #[error(transparent)]
    Kube(#[from] KubeError),
    /// Compression, encryption or signature.
    #[error(transparent)]
    Pipeline(#[from] PipelineError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A name that cannot be one.
    #[error(transparent)]
    Point(#[from] PointError),
    /// It cannot be told whether the run was given up.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    /// Others have given the run up, and begun it again.
    #[error(
        "the run {turn} was given up by another daemon while this one was at it: there is no recovery point {id}, and nothing was \
         left behind"
    )]
    GivenUp {
        /// The run.
        turn: Turn,
        /// The recovery point that it would have been.
        id: PointId,
    },
    /// The store has something else than what was sent to it.
    #[error("{key} was stored wrongly: {reason}; nothing was kept")]
    StoredWrongly {
        /// The object.
        key: String,
        /// What differs.
        reason: String,
    },
    /// Both halves failed.
    #[error("neither etcd nor the API server could be saved:\n  - {0}\n  - {1}")]
    Both(Box<BackupError>, Box<BackupError>),
    /// It was told to stop.
    #[error("stopped by {signal}: there is no recovery point {id}, and nothing was left behind")]
    Stopped {
        /// The signal.
        signal: &'static str,
        /// The recovery point that it would have been.
        id: PointId,
    },
    /// Neither was asked for.
    #[error(
        "there is nothing to save: etcd is not configured (etcd.endpoints), and the API server's objects are not asked for"
    )]
    Nothing,
}

impl BackupError {
    /// The source is at fault, so that the other half of the run is worth keeping.
    pub(super) fn is_of_source(&self) -> bool {
        matches!(self, BackupError::Etcd(_) | BackupError::Kube(_))
    }

    pub(super) fn of_all(failures: Vec<BackupError>) -> Self {
        let mut failures = failures.into_iter();
        match (failures.next(), failures.next()) {
            (Some(a), Some(b)) => BackupError::Both(Box::new(a), Box::new(b)),
            (Some(a), None) => a,
            (None, _) => BackupError::Nothing,
        }
    }
}
