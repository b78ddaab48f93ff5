use std::{error::Error, path::PathBuf, time::Duration};
use thiserror::Error;

/// What can go wrong with etcd.
#[derive(Debug, Error)]
pub enum EtcdError {
    /// No endpoint is configured.
    #[error("no etcd endpoint is configured: put the members' client URLs under etcd.endpoints")]
    NoEndpoint,
    /// A file of the TLS settings cannot be used.
    #[error("the etcd {role} {path} cannot be used: {reason}")]
    TlsFile {
        /// CA, client certificate or client key.
        role: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A member cannot be reached, or refuses us.
    #[error("etcd at {endpoint}: {reason}")]
    Unreachable {
        /// The client URL.
        endpoint: String,
        /// Why, and what to do.
        reason: String,
    },
    /// Not one member answered.
    #[error("no etcd member answers:{}", list(.0))]
    AllDown(Vec<String>),
    /// The endpoints belong to different clusters.
    #[error("the etcd endpoints belong to different clusters:{}; etcd.endpoints must name the members of one", list(.0))]
    SeveralClusters(Vec<String>),
    /// A member has raised the CORRUPT alarm.
    #[error(
        "etcd has found corruption (alarm CORRUPT) on {members}: no snapshot is taken of it; \
         see `etcdctl alarm list`, replace that member, then back up again"
    )]
    Corrupt {
        /// Names of the members.
        members: String,
    },
    /// The members do not hold the same data.
    #[error(
        "the etcd members do not hold the same data at revision {revision}:{}; no snapshot is taken, since it is not \
         known which is right; see `etcdctl endpoint hashkv --cluster`, replace the member that is wrong, then back up again",
        list(.groups)
    )]
    Differ {
        /// The revision at which they were compared.
        revision: i64,
        /// Each hash and the members that hold it.
        groups: Vec<String>,
    },
    /// No member can be streamed from.
    #[error("no etcd member can be streamed from:{}", list(.0))]
    NoCandidate(Vec<String>),
    /// A snapshot was begun, on every member that can give one, and never came to its end.
    #[error("no attempt at an etcd snapshot succeeded:{}", list(.0))]
    NoSnapshot(Vec<String>),
    /// Nothing came for a while.
    #[error("{member} sent nothing for {} s in the middle of the snapshot", .after.as_secs())]
    Idle {
        /// The member.
        member: String,
        /// For how long.
        after: Duration,
    },
    /// The stream broke off.
    #[error("the snapshot stream of {member} broke off after {bytes} bytes: {reason}")]
    Broken {
        /// The member.
        member: String,
        /// Bytes that had come.
        bytes: u64,
        /// Why.
        reason: String,
    },
    /// The stream is not a whole snapshot.
    #[error("the snapshot of {member} is not whole: {reason}")]
    NotWhole {
        /// The member.
        member: String,
        /// What is wrong with it.
        reason: String,
    },
}

fn list(lines: &[String]) -> String {
    lines.iter().map(|l| format!("\n  - {l}")).collect()
}

/// An error with all its causes, each said once.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let said = cause.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        next = cause.source();
    }
    text
}
