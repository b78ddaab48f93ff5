use crate::{catalogue::CatalogueError, snapshot::SnapshotError};
use std::{io, path::PathBuf};
use thiserror::Error;

/// Why etcd's data directory did not come about.
#[derive(Debug, Error)]
pub enum RestoreError {
    /// The recovery point.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    /// There is no `etcdutl`.
    #[error("`{program}` cannot be run ({reason}): restoring needs etcdutl of etcd {wanted} or newer. {HOW}")]
    NoEtcdutl {
        /// What was tried.
        program: String,
        /// Why it does not run.
        reason: String,
        /// The version that is needed.
        wanted: String,
    },
    /// It is older than the etcd that was saved, or cannot do what is asked of it.
    #[error("`{program}` is {found}, and this needs {wanted} or newer ({why}). {HOW}")]
    EtcdutlTooOld {
        /// The program.
        program: String,
        /// Its version.
        found: String,
        /// The version that is needed.
        wanted: String,
        /// What for.
        why: &'static str,
    },
    /// The data directory is in use.
    #[error(
        "the data directory {0} is not empty: nothing was touched. Stop etcd, move it away (keep it!), and try again"
    )]
    NotEmpty(PathBuf),
    /// Another restore is at work there.
    #[error("another restore is at work in {0}: wait for its end")]
    Busy(PathBuf),
    /// There is not enough room.
    #[error("{path} has {free} bytes free, and restoring needs about {needed}: free some space first")]
    NoSpace {
        /// The data directory.
        path: PathBuf,
        /// Bytes that are free.
        free: u64,
        /// Bytes that are needed.
        needed: u64,
    },
    /// The options contradict each other.
    #[error("{0}")]
    Options(String),
    /// `etcdutl` failed.
    #[error("etcdutl failed ({status}), and nothing was left behind:\n{said}")]
    Failed {
        /// How it ended.
        status: String,
        /// The end of what it printed.
        said: String,
    },
    /// What came out is not what was expected.
    #[error("the restored database is not right ({reason}): it was removed again")]
    Wrong {
        /// What is wrong with it.
        reason: String,
    },
    /// The restored database cannot be read.
    #[error("the restored database cannot be read: {0}")]
    Database(#[from] SnapshotError),
    /// A file or directory.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

const HOW: &str = "It comes with etcd's releases (github.com/etcd-io/etcd/releases) and, on kubeadm hosts, inside the etcd \
                   image; with Go: `go install go.etcd.io/etcd/etcdutl/v3@latest`. Put it into PATH, or name it \
                   under restore.etcdutl";
