use crate::{pipeline::PipelineError, point::PointError, store::StoreError};
use thiserror::Error;

/// What can go wrong with a catalogue.
#[derive(Debug, Error)]
pub enum CatalogueError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A name that cannot be one, or a manifest that cannot be read.
    #[error(transparent)]
    Point(#[from] PointError),
    /// An artifact that cannot be opened.
    #[error("{artifact} of {id}: {source}")]
    Artifact {
        /// The recovery point.
        id: PointIdText,
        /// The artifact's kind.
        artifact: String,
        /// Why.
        source: PipelineError,
    },
    /// Nothing of this cluster is in the store.
    #[error("{store} holds no recovery point of `{cluster}`{hint}")]
    Empty {
        /// The store's URL.
        store: String,
        /// The cluster's name.
        cluster: String,
        /// What it holds instead.
        hint: String,
    },
    /// No recovery point has that id.
    #[error(
        "no recovery point of `{cluster}` in {store} begins with `{wanted}`: `lifeboat list` shows what is there"
    )]
    NotFound {
        /// What was asked for.
        wanted: String,
        /// The cluster's name.
        cluster: String,
        /// The store's URL.
        store: String,
    },
    /// Several have.
    #[error("`{wanted}` is the beginning of several recovery points: {candidates}")]
    Ambiguous {
        /// What was asked for.
        wanted: String,
        /// Their ids.
        candidates: String,
    },
    /// The signature does not hold.
    #[error("{id} is not to be trusted: {reason}")]
    NotTrusted {
        /// The recovery point.
        id: PointIdText,
        /// Why.
        reason: String,
    },
    /// The point holds no artifact of that kind.
    #[error("{id} holds no {kind}; it holds: {present}")]
    NoArtifact {
        /// The recovery point.
        id: PointIdText,
        /// What was asked for.
        kind: String,
        /// What there is.
        present: String,
    },
    /// What came out is not what went in.
    #[error(
        "the {artifact} of {id} is damaged: {reason}; nothing was used of it; try another recovery point, or a copy"
    )]
    Damaged {
        /// The recovery point.
        id: PointIdText,
        /// The artifact's kind.
        artifact: String,
        /// What differs.
        reason: String,
    },
    /// Something else stands where a copy has to go.
    #[error(
        "{key} in {store} is another object than the one to be copied, and nothing is overwritten: `lifeboat verify` tells which \
         of the two is whole; remove the other one by hand"
    )]
    Other {
        /// The object.
        key: String,
        /// The store's URL.
        store: String,
    },
    /// A temporary file.
    #[error("no temporary file for the plaintext: {0}; set TMPDIR to a directory with enough space")]
    Temporary(std::io::Error),
}

/// A recovery point's id, as text.
pub type PointIdText = String;
