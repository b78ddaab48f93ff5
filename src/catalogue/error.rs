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
    /// No drill has that id.
    #[error(
        "{store} holds no drill of `{cluster}` that begins with `{wanted}`: `lifeboat drill list` shows what is there"
    )]
    NoDrill {
        /// What was asked for.
        wanted: String,
        /// The cluster's name.
        cluster: String,
        /// The store's URL.
        store: String,
    },
    /// No run of a playbook has that id.
    #[error(
        "{store} holds no run of a playbook of `{cluster}` that begins with `{wanted}`: `lifeboat playbook status` shows what is \
         there"
    )]
    NoRun {
        /// What was asked for.
        wanted: String,
        /// The cluster's name.
        cluster: String,
        /// The store's URL.
        store: String,
    },
    /// The evidence of a drill cannot be used.
    #[error("the evidence of drill {id} is not to be trusted: {reason}")]
    Evidence {
        /// The drill.
        id: PointIdText,
        /// Why.
        reason: String,
    },
    /// The details of a drill cannot be sealed or opened.
    #[error("the details of drill {id}: {source}")]
    Details {
        /// The drill.
        id: PointIdText,
        /// Why.
        source: PipelineError,
    },
    /// Several have.
    #[error("`{wanted}` may be any of several: {candidates}; say which")]
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
    /// A check did not come to its end: the program is stopping, or has a fault.
    #[error("the checking of signatures was stopped before its end: run this again")]
    Stopped,
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
    /// A record that nobody would believe.
    #[error(
        "records of {family} have to be signed where signatures are checked, and there is no signing key here: configure \
         signing.secretKey, or do this where backups are taken"
    )]
    Unsigned {
        /// The records' family.
        family: &'static str,
    },
    /// The same, for a key that is another than the one that is checked with.
    #[error(
        "the signing key is not the one that signatures are checked with here: nobody would believe what it signs; leave \
         --public-key out, or use the configuration that it belongs to"
    )]
    OtherKey,
    /// A reason that is none.
    #[error("this reason cannot be recorded: {0}; write one sentence that will be understood in a year")]
    Reason(&'static str),
    /// Signing a record failed.
    #[error(transparent)]
    Signing(PipelineError),
    /// A legal hold was not set.
    #[error(
        "the hold is recorded and stands, but not every object has the store's legal hold: {0}; when that is mended, hold it \
         again"
    )]
    NotLocked(StoreError),
    /// A legal hold was not lifted.
    #[error(
        "it is not released, and some objects are still under the store's legal hold: {0}; when that is mended, release it \
         again"
    )]
    NotUnlocked(StoreError),
    /// A temporary file.
    #[error("no temporary file for the plaintext: {0}; set TMPDIR to a directory with enough space")]
    Temporary(std::io::Error),
}

/// A recovery point's id, as text.
pub type PointIdText = String;
