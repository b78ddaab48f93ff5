use super::*;
use crate::{
    playbook::{
        Equipment,
        actions::{self, Action},
    },
    source::kube::Discovery,
};
use jiff::Timestamp;
use serde_json::{Value, json};

/// A host with a control plane of static pods in a directory.
struct Fixture {
    dir: tempfile::TempDir,
    kinds: Discovery,
}

impl Fixture {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("m")).unwrap();
        Fixture { dir, kinds: Discovery::default() }
    }

    fn put(&self, name: &str) {
        fs::write(self.dir.path().join(name), name).unwrap();
    }

    async fn plan(&self, name: &str, mut args: Value) -> Result<Planned, String> {
        args["manifests"] = json!(self.dir.path().join("m"));
        let host = OnHost { name: "cp1".into(), etcdutl: "etcdutl".into(), etcd: None };
        let with = Planning {
            run: "20261128T190000Z-aaaa",
            step: "s",
            now: Timestamp::UNIX_EPOCH,
            cluster: None,
            host: Some(&host),
            kinds: &self.kinds,
            equipment: Some(Equipment::nowhere()),
            known: None,
        };
        actions::find(name).unwrap().plan(&with, args).await.map_err(|e| e.to_string())
    }
}

fn said(planned: &Planned, dir: &Path) -> Vec<String> {
    let dir = format!("{}/", fs::canonicalize(dir).unwrap().display());
    planned.ops.iter().map(|op| op.to_string().replace(&dir, "")).collect()
}

#[tokio::test]
async fn who_uses_etcd_is_stopped_before_it_and_started_after_it() {
    let it = Fixture::new();
    for name in ["m/etcd.yaml", "m/kube-apiserver.yaml", "m/kube-scheduler.yaml", "m/other.yaml"] {
        it.put(name);
    }
    let planned = it.plan("staticPod.stop", json!({})).await.unwrap();
    assert_eq!(
        said(&planned, it.dir.path()),
        [
            "move m/kube-scheduler.yaml to m.stopped/kube-scheduler.yaml",
            "move m/kube-apiserver.yaml to m.stopped/kube-apiserver.yaml",
            "wait for the end of kube-scheduler.yaml, kube-apiserver.yaml",
            "move m/etcd.yaml to m.stopped/etcd.yaml",
            "wait for the end of etcd.yaml",
        ]
    );
    // A step before is going to stop them.
    let planned = it.plan("staticPod.start", json!({"pods": ["etcd"], "ready": true})).await.unwrap();
    assert_eq!(
        said(&planned, it.dir.path()),
        ["move m.stopped/etcd.yaml to m/etcd.yaml", "wait for etcd.yaml to be ready"]
    );
    assert!(planned.remarks[0].contains("a step before has to stop it"));
    fs::create_dir(it.dir.path().join("m.stopped")).unwrap();
    fs::rename(it.dir.path().join("m/etcd.yaml"), it.dir.path().join("m.stopped/etcd.yaml")).unwrap();
    let planned = it.plan("staticPod.start", json!({})).await.unwrap();
    assert_eq!(said(&planned, it.dir.path()), ["move m.stopped/etcd.yaml to m/etcd.yaml"]);
    let planned = it.plan("staticPod.stop", json!({"pods": ["etcd", "other"]})).await.unwrap();
    assert_eq!(planned.remarks, ["etcd.yaml is stopped already"]);
    assert_eq!(planned.ops.len(), 2);
    it.put("m/etcd.yaml");
    assert!(it.plan("staticPod.stop", json!({})).await.unwrap_err().contains("both there"));
}

#[tokio::test]
async fn names_lead_nowhere_else() {
    let it = Fixture::new();
    for name in ["../etcd", "a/b", "", ".hidden", "a b", "ä"] {
        let error = it.plan("staticPod.stop", json!({"pods": [name]})).await.unwrap_err();
        assert!(error.contains("no name of a manifest"), "{name}: {error}");
    }
    assert!(it.plan("staticPod.stop", json!({"pods": ["none"]})).await.unwrap_err().contains("there is no"));
    assert!(
        it.plan("staticPod.stop", json!({})).await.unwrap_err().contains("static pod of a control plane")
    );
    fs::create_dir_all(it.dir.path().join("data/member")).unwrap();
    let data = it.dir.path().join("data");
    for (to, wanted) in [("kept", "no absolute path"), ("/a/../b", "no absolute path")] {
        let error = it.plan("etcd.archive", json!({"to": to, "dataDir": data})).await.unwrap_err();
        assert!(error.contains(wanted), "{error}");
    }
    let inside = it.plan("etcd.archive", json!({"to": data.join("x"), "dataDir": data})).await.unwrap_err();
    assert!(inside.contains("to be kept"), "{inside}");
    let planned = it.plan("etcd.archive", json!({"to": "/kept", "dataDir": data})).await.unwrap();
    let text = planned.ops[0].to_string();
    assert!(text.contains("in /kept/lifeboat-20261128t190000z-aaaa-"), "{text}");
}

#[tokio::test]
async fn what_acts_on_a_host_does_nothing_elsewhere() {
    let it = Fixture::new();
    let with = Planning {
        run: "r",
        step: "s",
        now: Timestamp::UNIX_EPOCH,
        cluster: None,
        host: None,
        kinds: &it.kinds,
        equipment: None,
        known: None,
    };
    for action in [&Stop as &dyn Action, &Start, &Status] {
        assert!(action.on_host());
        let error = action.plan(&with, json!({})).await.unwrap_err().to_string();
        assert!(error.contains("acts on a host"), "{error}");
    }
}
