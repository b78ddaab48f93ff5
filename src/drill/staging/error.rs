use crate::{restore::etcd::RestoreError, source::kube::KubeError};
use std::path::PathBuf;
use thiserror::Error;

/// Why a staging cluster did not come up.
#[derive(Debug, Error)]
pub enum StagingError {
    /// A program that it is made of.
    #[error("{program}: {reason}; {help}")]
    Program {
        /// Its name.
        program: String,
        /// What is wrong with it.
        reason: String,
        /// How to get it.
        help: String,
    },
    /// The snapshot did not become a data directory.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// Its API server.
    #[error("staging: {0}")]
    Kube(#[from] KubeError),
    /// A server that ended, or was not ready in time.
    #[error("{server} {reason}; its last words: {said}")]
    NotReady {
        /// Which.
        server: String,
        /// What became of it.
        reason: String,
        /// The end of what it wrote.
        said: String,
    },
    /// A file or a directory.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It must not be used for a drill.
    #[error("{0}")]
    Refused(String),
}
