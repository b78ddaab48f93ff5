//! What can go wrong while a database file is read.

use std::io;

use super::fault::Fault;

/// Why a database file could not be read, or does not say what was asked of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// The operating system refused to read.
    #[error("cannot read the database file at byte {offset}: {source}")]
    Read {
        /// Where the read began.
        offset: u64,
        /// What the operating system said.
        source: io::Error,
    },
    /// No valid meta page.
    #[error(
        "this is not an etcd database (bbolt) file: {reason}; if it is an artifact of a store, open it first \
         (it is compressed and encrypted there)"
    )]
    NotADatabase {
        /// What both meta pages lack.
        reason: &'static str,
    },
    /// The file is shorter than its own meta page says, or ends in the middle of something.
    #[error("the database file is cut: it has {length} bytes, {needed}; take it from its source again")]
    Truncated {
        /// Bytes that there are.
        length: u64,
        /// What there should be, in words.
        needed: String,
    },
    /// There is no SHA-256 behind the database.
    #[error(
        "the file has no SHA-256 trailer (it is a member's own database, not a snapshot that etcd sent), so there \
         is nothing to compare it with"
    )]
    NoTrailer,
    /// The database does not match the SHA-256 that etcd put behind it.
    #[error(
        "the database does not match the SHA-256 at its end (stored {stored}, computed {computed}): it was changed \
         after etcd sent it; use another recovery point"
    )]
    Trailer {
        /// What the file says, in hex.
        stored: String,
        /// What its bytes give, in hex.
        computed: String,
    },
    /// A page breaks the rules of the file format.
    #[error("page {page} of the database is damaged: {fault}; use another recovery point, or another member")]
    Damaged {
        /// Number of the page.
        page: u64,
        /// The rule that it breaks.
        fault: Fault,
    },
    /// A bucket that every etcd database has is not there.
    #[error("the database has no bucket '{name}': it is a bbolt file, but not one of etcd v3")]
    NoBucket {
        /// Name of the bucket.
        name: &'static str,
    },
    /// The pages are sound, what etcd wrote into them is not.
    #[error("bucket '{bucket}' holds something that etcd v3 would not write: {problem}")]
    Record {
        /// Name of the bucket.
        bucket: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// A hash at a revision that the file does not have yet.
    #[error(
        "revision {asked} is newer than the database, which ends at {newest}; ask for a revision up to that one"
    )]
    FutureRevision {
        /// The revision that was asked for.
        asked: i64,
        /// The newest one there is.
        newest: i64,
    },
    /// A hash that no member would answer with.
    #[error(
        "there is no hash at revision {revision} with the compact revision {asked}: revisions below the compact \
         revision are gone; ask for a revision from {asked} on"
    )]
    BelowCompaction {
        /// The revision that was asked for.
        revision: i64,
        /// The compact revision that was asked for.
        asked: i64,
    },
    /// A hash that needs revisions which a compaction has removed.
    #[error(
        "the database was compacted at revision {compacted}, so the hash for revision {revision} and compact \
         revision {asked} cannot be computed from it; compare with a hash taken from the members after the snapshot"
    )]
    Compacted {
        /// The revision that was asked for.
        revision: i64,
        /// The compact revision that was asked for.
        asked: i64,
        /// The compact revision of the file.
        compacted: i64,
    },
}

/// A result of this room.
pub type Result<T, E = SnapshotError> = std::result::Result<T, E>;

impl SnapshotError {
    pub(super) fn damaged(page: u64, fault: Fault) -> Self {
        Self::Damaged { page, fault }
    }

    pub(super) fn record(bucket: &'static str, problem: impl Into<String>) -> Self {
        Self::Record { bucket, problem: problem.into() }
    }
}
