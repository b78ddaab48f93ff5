use crate::{catalogue::CatalogueError, object::BadPattern, source::kube::KubeError};
use thiserror::Error;

/// Why recovery points could not be compared or searched.
#[derive(Debug, Error)]
pub enum CompareError {
    /// A recovery point or one of its artifacts.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    /// The live cluster.
    #[error(transparent)]
    Kube(#[from] KubeError),
    /// The point was taken without the API server's objects.
    #[error("{id} holds no resource export, and only exports can be compared; {having}")]
    NoExport {
        /// The recovery point.
        id: String,
        /// Which points have one.
        having: String,
    },
    /// Nothing to search in.
    #[error(
        "none of the {points} recovery points that were asked for holds a resource export: `lifeboat backup` makes one where the \
             API server can be reached"
    )]
    NoExports {
        /// How many there are.
        points: usize,
    },
    /// No type has that name.
    #[error("no type is called `{name}` in these recovery points: `lifeboat show ID` lists the types of one")]
    UnknownType {
        /// What was asked for.
        name: String,
    },
    /// Types of several groups have that name.
    #[error("`{name}` may be any of {candidates}: write one of these")]
    Ambiguous {
        /// What was asked for.
        name: String,
        /// Which types it may be.
        candidates: String,
    },
    /// A recovery point does not hold the object.
    #[error("{id} holds no {object}; {there}")]
    NoObject {
        /// The recovery point.
        id: String,
        /// The object.
        object: String,
        /// What there is instead.
        there: String,
    },
    /// A namespace or a type that cannot be meant.
    #[error(transparent)]
    Pattern(#[from] BadPattern),
    /// Something cannot be what was meant.
    #[error("{0}")]
    Asked(String),
    /// A temporary file.
    #[error(
        "no temporary file for the objects that differ: {0}; set TMPDIR to a directory with enough space"
    )]
    Temporary(#[from] std::io::Error),
}
