//! What a drill has in a cluster that is not its own, written down before anything is made there: whoever finds the record can take it
//! away.

use super::{
    super::{StagingError, home::at},
    sweep::{Sweep, selector},
};
use crate::{
    point::Removed,
    source::kube::{Cluster, Connection},
};
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

/// Where a staging remembers its cluster.
const RECORD: &str = "existing.json";
/// The kubeconfig of that cluster alone.
pub(super) const KUBECONFIG: &str = "kubeconfig";
/// Requests per second: the cluster is somebody's.
const QPS: u32 = 100;

/// The cluster of a staging.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Record {
    /// The value of the label of what the drill makes.
    pub(super) drill: String,
    /// The address of its API server.
    pub(super) server: String,
    /// The UID of its namespace `kube-system`.
    pub(super) uid: String,
    /// How long it may take until everything is gone.
    pub(super) within_seconds: u64,
}

/// How the cluster of a staging is reached.
pub(super) fn connection(staging: &Path) -> Connection {
    Connection {
        kubeconfig: Some(staging.join(KUBECONFIG)),
        qps: QPS,
        timeout: Duration::from_secs(60),
        ..Connection::default()
    }
}

impl Record {
    /// Writes it down, for good.
    pub(super) fn keep(&self, staging: &Path) -> Result<(), StagingError> {
        let path = staging.join(RECORD);
        let text = serde_json::to_vec(self).unwrap_or_default();
        let file = File::options().write(true).create_new(true).mode(0o600).open(&path);
        file.and_then(|mut file| file.write_all(&text).and_then(|()| file.sync_all())).map_err(at(&path))?;
        let directory = File::open(staging).and_then(|directory| directory.sync_all());
        directory.map_err(at(staging))
    }

    /// Of a staging; none where no other cluster was used.
    fn read(staging: &Path) -> Option<Result<Self, String>> {
        let path: PathBuf = staging.join(RECORD);
        let text = match fs::read(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return None,
            read => read.map_err(|e| e.to_string()),
        };
        let read = text.and_then(|text| serde_json::from_slice(&text).map_err(|e| e.to_string()));
        Some(read.map_err(|e| format!("{} cannot be read: {e}", path.display())))
    }

    fn told(&self) -> String {
        format!("everything with the label {} in the cluster at {}", selector(&self.drill), self.server)
    }

    /// Takes everything away that carries the drill's label, and tells how many objects those were and how many types were looked at.
    async fn sweep(&self, staging: &Path) -> Result<String, String> {
        let cluster = Cluster::connect(&connection(staging)).await.map_err(|e| e.to_string())?;
        let facts = cluster.facts().await.map_err(|e| e.to_string())?;
        if facts.uid.as_deref() != Some(&self.uid) {
            return Err(format!(
                "another cluster answers there now (its namespace kube-system has not the UID {}), and nothing of it was touched",
                self.uid
            ));
        }
        Sweep { cluster: &cluster, drill: &self.drill, within: Duration::from_secs(self.within_seconds) }
            .run()
            .await
    }
}

/// What a staging of this kind has left, in words.
pub(in crate::drill::staging) fn left(staging: &Path) -> Option<String> {
    Record::read(staging).map(|read| read.map_or_else(|why| why, |record| record.told()))
}

/// Takes away what a staging of this kind has left.
pub(in crate::drill::staging) async fn remove_left(staging: &Path) -> Vec<Removed> {
    let record = match Record::read(staging) {
        None => return Vec::new(),
        Some(Ok(record)) => record,
        Some(Err(proof)) => {
            let what = "what the drill made in another cluster".to_owned();
            return vec![Removed { what, gone: false, proof }];
        }
    };
    let swept = record.sweep(staging).await;
    let (gone, proof) = match swept {
        Ok(proof) => (true, proof),
        Err(why) => (false, why),
    };
    vec![Removed { what: record.told(), gone, proof }]
}
