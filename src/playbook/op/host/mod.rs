//! What is done on a host, with no API server: each op can be looked for after a crash, by where files lie and what was written
//! beside them.

mod manifest;
mod restore;
mod status;

pub use restore::EtcdRestore;
pub use status::EtcdPlace;

use super::{Doing, OpError, Outcome, Probe, Tried};
use crate::{
    playbook::host::OnHost,
    point::Digest,
    restore::static_pods::{self, SwapError},
};
use futures_util::future::BoxFuture;
use manifest::Moved;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{
    fmt,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// Something that is done on a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "does", rename_all = "kebab-case")]
pub enum HostOp {
    /// Moves a static pod's manifest out of the kubelet's sight, or back into it.
    Move {
        /// Where it lies.
        from: PathBuf,
        /// Where it is to lie.
        to: PathBuf,
        /// What is in it.
        sha256: Digest,
    },
    /// Waits until static pods are gone.
    Gone {
        /// Where the kubelet looks for manifests.
        manifests: PathBuf,
        /// Their manifests.
        pods: Vec<String>,
        /// How long it may take, in milliseconds.
        within_ms: u64,
    },
    /// Waits until static pods are ready.
    Ready {
        /// Where the kubelet looks for manifests.
        manifests: PathBuf,
        /// Their manifests.
        pods: Vec<String>,
        /// How long it may take, in milliseconds.
        within_ms: u64,
    },
    /// Looks at the members of etcd.
    Status(EtcdPlace),
    /// Keeps etcd's data in one file.
    Archive {
        /// The data.
        data_dir: PathBuf,
        /// The file.
        to: PathBuf,
    },
    /// Puts a recovery point in the place of etcd's data.
    Restore(EtcdRestore),
}

fn failed(e: SwapError) -> OpError {
    OpError::Failed(e.to_string())
}

fn on_host<'a>(with: &Doing<'a>) -> Result<&'a OnHost, OpError> {
    with.host.ok_or_else(|| OpError::NotUndoable("it acts on a host, and this run does not".to_owned()))
}

impl HostOp {
    /// Does it change nothing?
    pub fn reads(&self) -> bool {
        !matches!(self, HostOp::Move { .. } | HostOp::Restore(_))
    }

    /// Does it go back by itself when it is told to stop? In its middle servers are stopped and data is between two places: it is never
    /// just dropped there.
    pub fn goes_back(&self) -> bool {
        matches!(self, HostOp::Restore(_))
    }

    /// Does it open a recovery point?
    pub fn opens(&self) -> bool {
        matches!(self, HostOp::Restore(_))
    }

    fn moved(&self) -> Option<Moved<'_>> {
        match self {
            HostOp::Move { from, to, sha256 } => Some(Moved { from, to, sha256 }),
            _ => None,
        }
    }

    pub(super) fn try_out(&self) -> Tried {
        self.moved().map_or(Tried::NotNeeded, |it| it.try_out())
    }

    pub(super) async fn probe(&self, with: &Doing<'_>) -> Result<Probe, OpError> {
        match self {
            HostOp::Restore(it) => it.probe(with),
            HostOp::Archive { to, .. } if to.exists() => {
                let (sha256, bytes) = static_pods::digest_of(to).map_err(failed)?;
                let said = Some(format!("{}: {bytes} bytes, SHA-256 {sha256}", to.display()));
                Ok(Probe::Done(Outcome { said, ..Outcome::default() }))
            }
            _ => self.moved().map_or(Ok(Probe::NotDone), |it| it.probe()),
        }
    }

    /// Does it. When `stop` tells why it has to, what cannot stay half done is taken back.
    ///
    /// # Errors
    /// When files do not lie as they did when it was planned, or it does not come about in time.
    pub async fn carry_out(
        &self,
        with: &Doing<'_>,
        stop: BoxFuture<'_, &'static str>,
    ) -> Result<(Outcome, Option<Value>), OpError> {
        let plain = |said: Option<String>| (Outcome { said, ..Outcome::default() }, None);
        match self {
            HostOp::Move { .. } => {
                self.moved().map_or(Ok(()), |it| it.carry_out())?;
                Ok(plain(None))
            }
            HostOp::Gone { manifests, pods, within_ms } => {
                let gone = static_pods::gone(manifests, pods, Duration::from_millis(*within_ms));
                gone.await.map(|by| plain(Some(by))).map_err(failed)
            }
            HostOp::Ready { manifests, pods, within_ms } => {
                let ready = static_pods::ready(manifests, pods, Duration::from_millis(*within_ms));
                ready.await.map(|()| plain(None)).map_err(failed)
            }
            HostOp::Status(place) => {
                let found = place.look(on_host(with)?).await.map_err(OpError::Failed)?;
                Ok((Outcome { said: Some(status::in_words(&found)), ..Outcome::default() }, Some(found)))
            }
            HostOp::Archive { data_dir, to } => {
                let (from, file) = (data_dir.clone(), to.clone());
                let over = Over::default();
                let given_up = over.0.clone();
                let made =
                    tokio::task::spawn_blocking(move || static_pods::archive(&from, &file, &given_up)).await;
                let made = made.map_err(|e| OpError::Failed(e.to_string()))?.map_err(failed)?;
                let (path, sha256) = (made.path.display().to_string(), made.sha256);
                let said = Some(format!("{path}: {} bytes, SHA-256 {sha256}", made.bytes));
                let value = json!({"path": path, "bytes": made.bytes, "sha256": sha256, "files": made.files});
                Ok((Outcome { said, ..Outcome::default() }, Some(value)))
            }
            HostOp::Restore(it) => it.carry_out(with, stop).await,
        }
    }

    pub(super) async fn take_back(&self, with: &Doing<'_>) -> Result<Outcome, OpError> {
        match self {
            HostOp::Restore(it) => it.take_back(with).await,
            _ => self.moved().map_or(Ok(Outcome::default()), |it| it.take_back()),
        }
    }
}

/// Whoever does not wait for an archive any more gives it up: it must not appear later, made while data is moved.
#[derive(Default)]
struct Over(Arc<AtomicBool>);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl fmt::Display for HostOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HostOp::Move { from, to, .. } => write!(f, "move {} to {}", from.display(), to.display()),
            HostOp::Gone { pods, .. } => write!(f, "wait for the end of {}", pods.join(", ")),
            HostOp::Ready { pods, .. } => write!(f, "wait for {} to be ready", pods.join(", ")),
            HostOp::Status(place) => write!(f, "look at the members of etcd at {place}"),
            HostOp::Archive { data_dir, to } => {
                write!(f, "keep {} in {}", data_dir.display(), to.display())
            }
            HostOp::Restore(it) => it.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Op, Outcome};
    use super::*;
    use crate::playbook::Equipment;
    use std::fs;

    fn with() -> Doing<'static> {
        Doing {
            cluster: None,
            host: None,
            equipment: Equipment::nowhere(),
            run: "20261128T190000Z-aaaa",
            manager: "test",
            known: None,
        }
    }

    #[tokio::test]
    async fn a_manifest_is_looked_for_where_it_lies_and_taken_back_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("m/etcd.yaml"), dir.path().join("m.stopped/etcd.yaml"));
        fs::create_dir(dir.path().join("m")).unwrap();
        fs::write(&from, "kind: Pod\n").unwrap();
        let sha256 = static_pods::digest_of(&from).unwrap().0;
        let op = HostOp::Move { from: from.clone(), to: to.clone(), sha256 };
        let stop = || -> BoxFuture<'static, &'static str> { Box::pin(std::future::pending()) };
        assert_eq!(op.probe(&with()).await.unwrap(), Probe::NotDone);
        assert_eq!(op.try_out(), Tried::NotNeeded);
        op.carry_out(&with(), stop()).await.unwrap();
        assert_eq!(op.probe(&with()).await.unwrap(), Probe::Done(Outcome::default()));
        // What was not done before is not done twice.
        assert!(op.carry_out(&with(), stop()).await.is_err());
        op.take_back(&with()).await.unwrap();
        assert_eq!(fs::read_to_string(&from).unwrap(), "kind: Pod\n");
        assert!(op.take_back(&with()).await.unwrap().said.unwrap().contains("already"));
        // Somebody edits it, or puts another one in its place.
        fs::write(&from, "kind: Pod # other\n").unwrap();
        assert!(matches!(op.probe(&with()).await.unwrap(), Probe::Other(_)));
        assert!(matches!(op.try_out(), Tried::Refused { .. }));
        assert!(matches!(op.carry_out(&with(), stop()).await, Err(OpError::Changed { .. })));
        fs::create_dir(dir.path().join("m.stopped")).unwrap();
        fs::write(&to, "kind: Pod\n").unwrap();
        let Err(OpError::Changed { how, .. }) = op.take_back(&with()).await else { panic!("both") };
        assert!(how.contains("both places"), "{how}");
        fs::remove_file(&from).unwrap();
        fs::remove_file(&to).unwrap();
        assert!(matches!(op.take_back(&with()).await, Err(OpError::Gone(_))));
    }

    #[test]
    fn ops_are_read_back_as_they_were_written() {
        let sha256 = Digest::from([7; 32]);
        let restore = EtcdRestore {
            point: "20261128T190000Z-aaaa".into(),
            manifests: "/m".into(),
            force_new_cluster: true,
            bump_revision: 5,
            mark_compacted: true,
            within_ms: 1,
        };
        let place = EtcdPlace::At { endpoints: vec!["http://a".into()], ca: None, cert: None, key: None };
        for op in [
            HostOp::Move { from: "/a".into(), to: "/b".into(), sha256 },
            HostOp::Gone { manifests: "/m".into(), pods: vec!["a".into()], within_ms: 3 },
            HostOp::Ready { manifests: "/m".into(), pods: vec!["a".into()], within_ms: 3 },
            HostOp::Status(place),
            HostOp::Status(EtcdPlace::Configured),
            HostOp::Archive { data_dir: "/d".into(), to: "/t".into() },
            HostOp::Restore(restore),
        ] {
            let op = Op::Host(op);
            let text = serde_json::to_string(&op).unwrap();
            assert_eq!(serde_json::from_str::<Op>(&text).unwrap(), op, "{text}");
            assert!(
                op.touches().is_none() && op.rights() == (Vec::new(), Vec::new()) && op.stays().is_none()
            );
        }
    }
}
