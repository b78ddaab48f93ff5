use crate::{catalogue::CatalogueError, source::kube::KubeError};
use thiserror::Error;

/// Why objects could not be restored.
#[derive(Debug, Error)]
pub enum ResourcesError {
    /// The recovery point.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    /// The target cluster.
    #[error(transparent)]
    Kube(#[from] KubeError),
    /// Something asked for cannot be what was meant.
    #[error("{0}")]
    Asked(String),
    /// What was read is no Kubernetes object, or cannot be rewritten as it was asked for.
    #[error("{place} cannot be restored: {reason}; nothing was changed")]
    Object {
        /// Where it lies.
        place: String,
        /// What is wrong with it.
        reason: String,
    },
    /// What is live could not be read.
    #[error("the live {what} cannot be read: {reason}; nothing was changed")]
    Live {
        /// Which objects.
        what: String,
        /// What the server says.
        reason: String,
    },
    /// The temporary file.
    #[error("no temporary file for the objects to restore: {0}; set TMPDIR to a directory with enough space")]
    Temporary(#[from] std::io::Error),
    /// A plan file.
    #[error("the plan {file} cannot be used: {reason}")]
    PlanFile {
        /// The file.
        file: String,
        /// What is wrong.
        reason: String,
    },
}
