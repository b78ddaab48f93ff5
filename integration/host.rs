//! The host of a control plane as kubeadm makes it: a kubelet that runs etcd and the API server from a directory of
//! manifests.

use crate::{
    boat::{Lifeboat, Ran},
    export::Name,
    lab::{ApiServer, Etcd, EtcdOptions, Kubelet, fill, pki::Pki},
    live,
};
use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{
    Api,
    api::{DeleteParams, PostParams},
};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};
use tempfile::TempDir;
use tokio::process::Child;

/// What an API server writes by itself.
const RESTLESS: &[&str] = &["coordination.k8s.io/leases/", "core/events/"];

const SWAP: [&str; 5] = ["restore", "etcd", "latest", "-i", "identity.txt"];

/// A host; a lifeboat is on it, with a recovery point.
pub struct Host {
    /// What runs them.
    pub kubelet: Kubelet,
    /// The API server, which the kubelet runs.
    pub apiserver: ApiServer,
    /// The program.
    pub boat: Lifeboat,
    /// etcd, which the kubelet runs.
    pub etcd: Etcd,
    /// What the API server served when the recovery point was taken.
    pub saved: BTreeMap<Name, Value>,
    /// What it served after that.
    pub live: BTreeMap<Name, Value>,
    dir: TempDir,
}

impl Host {
    /// Starts it, fills it, takes a recovery point, and then changes what there is.
    pub async fn start() -> Result<Self> {
        Self::start_among(1).await
    }

    /// The same with an etcd of so many members: all but the first are on other hosts.
    pub async fn start_among(members: usize) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("lifeboat-host-").tempdir()?;
        let etcd = Etcd::prepare(dir.path(), EtcdOptions { members, tls: true, ..EtcdOptions::default() })?;
        let apiserver =
            ApiServer::prepare(dir.path(), Pki::open(&dir.path().join("pki"))?, &etcd.access().of(0), &[])?;
        for other in &etcd.members()[1..] {
            other.start()?;
        }
        let boat = Lifeboat::init(dir.path(), Some(&etcd), None).await?;
        let (saved, live) = (BTreeMap::new(), BTreeMap::new());
        let manifests = dir.path().join("manifests");
        fs::create_dir(&manifests)?;
        let kubelet = Kubelet::start(&manifests, dir.path());
        let mut host = Host { kubelet, apiserver, boat, etcd, saved, live, dir };
        let (data, pki) = (host.data_dir(), host.dir().join("pki"));
        host.write("etcd", &host.etcd.member(0).command(), &[&data])?;
        host.write("kube-apiserver", &host.apiserver.command(), &[&pki])?;
        host.write("kube-scheduler", &["/bin/sleep".to_owned(), "10000".to_owned()], &[])?;
        host.apiserver.ready().await?;
        fill::api(&host.apiserver.client().await?, 60, 5).await?;
        host.put_secret("vault").await?;
        let map = serde_json::from_value(json!({"metadata": {"name": "edited"}, "data": {"text": "saved"}}))?;
        let maps = Api::<ConfigMap>::namespaced(host.apiserver.client().await?, "default");
        maps.create(&PostParams::default(), &map).await?;
        host.saved = host.serves().await?;
        host.boat.backup(&["--etcd-only"]).await;
        host.change().await?;
        host.live = host.serves().await?;
        ensure!(host.saved != host.live, "nothing was changed");
        Ok(host)
    }

    async fn put_secret(&self, name: &str) -> Result<()> {
        let secret: Secret =
            serde_json::from_value(json!({"metadata": {"name": name}, "stringData": {"of": name}}))?;
        let secrets = Api::namespaced(self.apiserver.client().await?, "default");
        secrets.create(&PostParams::default(), &secret).await?;
        Ok(())
    }

    /// Deletes, adds and replaces objects.
    async fn change(&self) -> Result<()> {
        let client = self.apiserver.client().await?;
        let secrets = Api::<Secret>::namespaced(client.clone(), "default");
        secrets.delete("vault", &DeleteParams::default()).await?;
        for name in ["later-1", "later-2"] {
            self.put_secret(name).await?;
        }
        let maps = Api::<ConfigMap>::namespaced(client, "default");
        let mut map = maps.get("edited").await?;
        map.data.get_or_insert_default().insert("text".into(), "later".into());
        maps.replace("edited", &PostParams::default(), &map).await?;
        Ok(())
    }

    /// The directory of everything.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Where the kubelet looks for manifests.
    pub fn manifests(&self) -> PathBuf {
        self.dir().join("manifests")
    }

    /// etcd's data directory.
    pub fn data_dir(&self) -> PathBuf {
        self.etcd.member(0).data_dir.clone()
    }

    /// Writes a manifest whose paths are those of the host.
    pub fn write(&self, name: &str, command: &[String], volumes: &[&Path]) -> Result<()> {
        write_manifest(&self.manifests(), name, command, volumes)
    }

    /// Every object that the API server serves, without those that it writes by itself.
    pub async fn serves(&self) -> Result<BTreeMap<Name, Value>> {
        self.apiserver.ready().await?;
        let mut all = live::everything(&self.apiserver.client().await?).await?;
        all.retain(|name, _| !RESTLESS.iter().any(|beginning| name.starts_with(beginning)));
        Ok(all)
    }

    /// Expects that just these objects are served, each as it was: uid, version, data.
    pub async fn must_serve(&self, expected: &BTreeMap<Name, Value>) -> Result<()> {
        let found = self.serves().await?;
        for (name, object) in expected {
            assert_eq!(found.get(name), Some(object), "{name}");
        }
        let new: Vec<_> = found.keys().filter(|name| !expected.contains_key(*name)).collect();
        assert!(new.is_empty(), "{new:?} should not be there");
        Ok(())
    }

    /// Expects that the files of no swap are there, and every manifest is.
    pub fn must_be_clean(&self) {
        let names = names(self.dir());
        let swap = |name: &&String| ["stopped", "before", "restored"].iter().any(|word| name.contains(word));
        let left: Vec<_> = names.iter().filter(swap).collect();
        assert!(left.is_empty(), "{left:?} were left");
        assert_eq!(names_of_pods(self), ["etcd.yaml", "kube-apiserver.yaml", "kube-scheduler.yaml"]);
        assert_eq!(self::names(&self.data_dir()), ["member"]);
    }

    /// Begins a swap.
    pub fn begin(&self, more: &[&str]) -> Result<Child> {
        let pods = format!("--static-pods={}", self.manifests().display());
        self.boat.spawn(&[&SWAP[..], &[&pods], more].concat())
    }

    /// Swaps.
    pub async fn swap(&self, more: &[&str]) -> Ran {
        let pods = format!("--static-pods={}", self.manifests().display());
        self.boat.run(&[&SWAP[..], &[&pods], more].concat()).await
    }

    /// Goes back.
    pub async fn undo(&self, more: &[&str]) -> Ran {
        let manifests = self.manifests().display().to_string();
        self.boat.run(&[&["restore", "undo", &manifests], more].concat()).await
    }
}

fn names_of_pods(host: &Host) -> Vec<String> {
    names(&host.manifests())
}

/// The names directly in a directory, sorted; none if there is no such directory.
pub fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.map(|e| e.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Writes a static pod's manifest, each of whose volumes is of the same path on the host and in the pod.
pub fn write_manifest(dir: &Path, name: &str, command: &[String], volumes: &[&Path]) -> Result<()> {
    let named = |i: usize| format!("volume-{i}");
    let mounts = volumes.iter().enumerate().map(|(i, path)| json!({"name": named(i), "mountPath": path}));
    let paths =
        volumes.iter().enumerate().map(|(i, path)| json!({"name": named(i), "hostPath": {"path": path}}));
    let (mounts, paths) = (mounts.collect::<Vec<_>>(), paths.collect::<Vec<_>>());
    let pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "kube-system", "labels": {"tier": "control-plane"}},
        "spec": {
            "hostNetwork": true,
            "containers": [{"name": name, "image": "none", "command": command, "volumeMounts": mounts}],
            "volumes": paths,
        },
    });
    // The kubelet must never see half of it.
    let hidden = dir.join(format!(".{name}"));
    fs::write(&hidden, serde_yaml::to_string(&pod)?)?;
    Ok(fs::rename(hidden, dir.join(format!("{name}.yaml")))?)
}
