use crate::restore::etcd::RestoreError;
use std::{io, path::PathBuf, time::Duration};
use thiserror::Error;

/// Why a swap of static pods did not come about.
#[derive(Debug, Error)]
pub enum SwapError {
    /// The data directory could not be made.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// A static pod's manifest is not what is expected.
    #[error("{path}: {reason}")]
    Manifest {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// One host cannot stop the API servers of the others.
    #[error(
        "etcd has several members ({members}, by {seen}), and from one host the API servers of the others cannot be \
         stopped"
    )]
    SeveralMembers {
        /// Their names.
        members: String,
        /// What says so.
        seen: String,
    },
    /// Files lie in a way that a swap cannot do with.
    #[error("{0}: nothing was touched")]
    Refused(String),
    /// An earlier swap has not come to its end.
    #[error("{journal} tells of a swap that was not brought to its end")]
    Unfinished {
        /// The journal.
        journal: PathBuf,
        /// The manifests' directory.
        manifests: PathBuf,
    },
    /// Another one is at work.
    #[error("another swap of static pods is at work ({0} is locked): wait for its end")]
    Busy(PathBuf),
    /// Something did not happen in time.
    #[error("{what} within {} s: {last}", within.as_secs_f32())]
    NotWithin {
        /// What.
        what: String,
        /// The time that was given.
        within: Duration,
        /// What was seen last.
        last: String,
    },
    /// It was told to stop.
    #[error("stopped by {0}")]
    Stopped(&'static str),
    /// Everything is as it was before.
    #[error("{cause}. Undone, everything is as it was before{}", listed(undone))]
    Undone {
        /// Why.
        cause: Box<SwapError>,
        /// What was done for it.
        undone: Vec<String>,
    },
    /// The way back is blocked.
    #[error("{cause}. It could not be undone: {reason}")]
    NotUndone {
        /// Why the way back was gone.
        cause: Box<SwapError>,
        /// What blocks it.
        reason: Box<SwapError>,
        /// The manifests' directory.
        manifests: PathBuf,
    },
    /// The way back cannot be gone.
    #[error("{0}")]
    NoWayBack(String),
    /// The journal is damaged.
    #[error(
        "{path} cannot be read ({reason}): it is a journal of lines in JSON, whose first one names every path"
    )]
    Journal {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file or directory.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl SwapError {
    /// For `map_err` where a path is at hand.
    pub(super) fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        move |source| SwapError::Io { path: path.into(), source }
    }
}

fn listed(steps: &[String]) -> String {
    steps.iter().map(|step| format!("\n  {step}")).collect()
}
