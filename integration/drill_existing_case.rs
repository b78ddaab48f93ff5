//! A recovery point of a quay that is gone, and a cluster of others to drill it in.

use crate::{
    boat::{Lifeboat, Ran},
    drill_case::{RUN, nothing_left},
    export::Name,
    lab::{Cluster, ClusterOptions, LabDir, at_rest, fill},
    live::everything,
};
use anyhow::{Result, ensure};
use serde_json::Value;
use std::{collections::BTreeMap, fs, process::Command, time::Duration};
use tempfile::TempDir;
use tokio::sync::OnceCell;

/// Namespaces take their time to go.
const LIMIT: Duration = Duration::from_secs(240);
/// The label of everything that a drill makes.
pub const LABEL: &str = "lifeboat.dev/drill";

/// What others have in the staging cluster.
const THEIRS: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: theirs}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: plans, namespace: theirs, labels: {lifeboat.dev/drill: somebody-elses}}
data: {a: b}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: site, namespace: theirs}
spec:
  replicas: 1
  selector: {matchLabels: {app: site}}
  template:
    metadata: {labels: {app: site}}
    spec: {containers: [{name: site, image: 'registry.example.com/site:1'}]}
---
apiVersion: v1
kind: Service
metadata: {name: site, namespace: theirs}
spec: {selector: {app: site}, ports: [{port: 80}]}
";

/// A cluster of others, and a copy of the recovery point.
pub struct Site {
    /// The program, in a directory with the store and the keys.
    pub boat: Lifeboat,
    /// The cluster of others, whose controllers run.
    pub cluster: Cluster,
    _lab: LabDir,
    _dir: TempDir,
}

async fn take() -> Result<TempDir> {
    let dir = tempfile::Builder::new().prefix("lifeboat-quay-").tempdir()?;
    let cluster = Cluster::start(dir.path(), ClusterOptions::default()).await?;
    fill::apply(&cluster.client().await?, include_str!("fixtures/quay.yaml")).await?;
    let boat = Lifeboat::init(dir.path(), Some(cluster.etcd()), Some(&cluster)).await?;
    boat.backup(&[]).await;
    boat.edit(|text| text.replace(&cluster.etcd().endpoints()[0], "http://127.0.0.1:1"))?;
    Ok(dir)
}

/// The UID of a cluster.
pub async fn uid(cluster: &Cluster) -> Result<String> {
    cluster.kubectl(&["get", "namespace", "kube-system", "-o", "jsonpath={.metadata.uid}"]).await
}

/// A fresh cluster of others, and a fresh copy.
pub async fn site() -> Result<Site> {
    static ORIGINAL: OnceCell<TempDir> = OnceCell::const_new();
    let original = ORIGINAL.get_or_try_init(take).await?;
    let dir = tempfile::Builder::new().prefix("lifeboat-quay-").tempdir()?;
    let copied = Command::new("cp").arg("-a").arg(original.path().join("boat")).arg(dir.path()).status()?;
    ensure!(copied.success(), "cp: {copied}");
    let lab = LabDir::new()?;
    let cluster = Cluster::start(lab.path(), ClusterOptions::full()).await?;
    cluster.add_node("deck").await?;
    fill::apply(&cluster.client().await?, THEIRS).await?;
    cluster.kubectl(&["-n", "theirs", "rollout", "status", "deployment/site", "--timeout=60s"]).await?;
    let boat = Lifeboat::at(dir.path().join("boat")).await?;
    let site = Site { boat, cluster, _lab: lab, _dir: dir };
    let uid = uid(&site.cluster).await?;
    let allowed = format!("{{context: lab, uid: {uid}, server: '{}'}}", site.cluster.url());
    site.boat.edit(|text| format!("{text}\ndrills: {{existing: [{allowed}]}}\n"))?;
    at_rest(Duration::from_secs(2), async || site.all().await).await?;
    Ok(site)
}

impl Site {
    /// Writes the drill's file; `staging` are further fields of the existing cluster's.
    pub fn write(&self, staging: &str, more: &str) -> Result<()> {
        self.write_for(&self.cluster.kubeconfig().display().to_string(), staging, more)
    }

    /// The same with another kubeconfig.
    pub fn write_for(&self, kubeconfig: &str, staging: &str, more: &str) -> Result<()> {
        let text = format!(
            "apiVersion: lifeboat.dev/v1\nkind: Drill\nname: rehearsal\n\
             staging: {{existing: {{kubeconfig: '{kubeconfig}', context: lab, directory: staging, goneWithin: 2m, {staging}}}}}\n{more}\n"
        );
        Ok(fs::write(self.boat.path("drill.yaml"), text)?)
    }

    /// Runs the drill to its end.
    pub async fn drill(&self) -> Ran {
        self.boat.run_within(LIMIT, &RUN).await
    }

    /// Everything that is in the cluster but what changes by itself: news, locks, and the heartbeats of nodes.
    pub async fn all(&self) -> Result<BTreeMap<Name, Value>> {
        let mut all = everything(&self.cluster.client().await?).await?;
        all.retain(|name, _| {
            let restless = ["core/events/", "coordination.k8s.io/leases/", "core/nodes/"];
            !restless.iter().any(|prefix| name.starts_with(prefix))
        });
        Ok(all)
    }

    /// Sees that the cluster is as it was, to the last resourceVersion, and that nothing is left on this host.
    #[track_caller]
    pub fn same(&self, before: &BTreeMap<Name, Value>, after: &BTreeMap<Name, Value>) {
        nothing_left(&self.boat);
        let gone: Vec<_> = before.keys().filter(|name| !after.contains_key(*name)).collect();
        let new: Vec<_> = after.keys().filter(|name| !before.contains_key(*name)).collect();
        assert!(gone.is_empty() && new.is_empty(), "gone: {gone:?}\nnew: {new:?}");
        for (name, object) in before {
            assert_eq!(object, &after[name], "{name}");
        }
    }
}
