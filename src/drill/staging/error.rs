use crate::{restore::etcd::RestoreError, source::kube::KubeError};
use std::path::PathBuf;
use thiserror::Error;

/// Below that much nothing goes on.
const NOTHING: u64 = 1 << 20;

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
    /// No space is left.
    #[error("the disk is full in {place}: {reason}; {help}")]
    Full {
        /// Where.
        place: String,
        /// How that is known.
        reason: String,
        /// Where there could be more.
        help: &'static str,
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

/// Do these words of a program, in whatever it calls it, say that the disk is full?
pub(super) fn says_full(words: &str) -> bool {
    let words = words.to_lowercase();
    ["no space left on device", "disk quota exceeded"].iter().any(|it| words.contains(it))
}

/// Is nothing left where so many bytes are free? Who finds that has often no place to say it.
pub(super) fn is_full(free: u64) -> bool {
    free < NOTHING
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_known_by_its_words() {
        for words in [
            "write /var/lib/etcd/member/snap/db: no space left on device",
            "No space left on device (os error 28)",
            "cp: write: Disk quota exceeded",
        ] {
            assert!(says_full(words), "{words}");
        }
        assert!(!says_full("device or resource busy") && !says_full(""));
        assert!(is_full(4096) && !is_full(64 << 20));
    }
}
