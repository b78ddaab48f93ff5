//! The steps of a lost quorum on the node of a real cluster, whose kubelet runs the control plane.

use crate::kind_cluster::{KindCluster, said};
use anyhow::{Context, Result, ensure};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// A control plane of a node takes so long to come up at most.
const UP: Duration = Duration::from_secs(180);

/// The node of a cluster of kind, with the program on it.
struct Node {
    cluster: KindCluster,
    _dir: tempfile::TempDir,
}

impl Node {
    fn start() -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("lifeboat-node-").tempdir()?;
        let node = Node { cluster: KindCluster::create("host", dir.path(), "0s")?, _dir: dir };
        for (program, name) in [
            (env!("CARGO_BIN_EXE_lifeboat").to_owned(), "lifeboat"),
            (crate::lab::tools::tool("etcdutl")?.display().to_string(), "etcdutl"),
            (crate::lab::tools::tool("node-crictl")?.display().to_string(), "crictl"),
        ] {
            said("docker", &["cp", &program, &format!("{}:/usr/local/bin/{name}", node.name())])?;
        }
        Ok(node)
    }

    fn name(&self) -> String {
        self.cluster.node()
    }

    /// What a command prints on the node, in the boat's directory.
    fn on(&self, words: &[&str]) -> Result<String> {
        let name = self.name();
        said("docker", &[&["exec", "-w", "/root/boat", &name][..], words].concat())
    }

    fn kubectl(&self, words: &[&str]) -> Result<String> {
        self.on(&[
            &["kubectl", "--kubeconfig", "/etc/kubernetes/admin.conf", "--request-timeout=10s"][..],
            words,
        ]
        .concat())
    }

    /// Waits until just these of the two maps are there.
    async fn must_have(&self, wanted: &str) -> Result<()> {
        let end = Instant::now() + UP;
        loop {
            let maps = self.kubectl(&[
                "get",
                "configmaps",
                "-l",
                "test",
                "-o",
                "jsonpath={.items[*].metadata.name}",
            ]);
            match maps {
                Ok(found) if found == wanted => return Ok(()),
                found if Instant::now() > end => anyhow::bail!("{wanted} is wanted: {found:?}"),
                _ => sleep(Duration::from_secs(1)).await,
            }
        }
    }

    fn map(&self, name: &str) -> Result<()> {
        self.kubectl(&["create", "configmap", name])?;
        self.kubectl(&["label", "configmap", name, "test=yes"]).map(drop)
    }
}

const PLAYBOOK: &str = "\
apiVersion: lifeboat.dev/v1
kind: Playbook
metadata: {name: lost}
spec:
  description: A test.
  runsOn: host
  params: [{name: point, type: pointRef, default: latest}]
  concurrency: {key: control-plane, policy: Forbid}
  steps:
    - {id: look, action: etcd.status, register: seen}
    - {id: stop, action: staticPod.stop}
    - {id: archive, action: etcd.archive, args: {to: /root/archives}}
    - {id: restore, action: etcd.restore, args: {point: '${params.point.id}', forceNewCluster: true}}
    - {id: alone, action: assert, args: {check: etcd.status, expect: 'result.quorum && result.members.size() == 1'}, retry: {limit: 5}}
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kind_playbook_on_host_brings_a_control_plane_back_under_a_real_kubelet() -> Result<()> {
    let node = Node::start()?;
    let name = node.name();
    said("docker", &["exec", &name, "mkdir", "-p", "/root/boat"])?;
    let pki = "/etc/kubernetes/pki/etcd";
    let (ca, cert, key) = (
        format!("{pki}/ca.crt"),
        format!("{pki}/healthcheck-client.crt"),
        format!("{pki}/healthcheck-client.key"),
    );
    let init = ["lifeboat", "init", ".", "--cluster", "lab", "--etcd-endpoints", "https://127.0.0.1:2379"];
    node.on(&[&init[..], &["--etcd-ca", &ca, "--etcd-cert", &cert, "--etcd-key", &key]].concat())?;
    node.map("saved")?;
    node.on(&["lifeboat", "backup", "--etcd-only"])?;
    node.map("later")?;
    node.must_have("later saved").await?;
    node.on(&["sh", "-c", &format!("cat > lost.yaml <<'END'\n{PLAYBOOK}END")])?;
    let manifests = || node.on(&["sh", "-c", "cd /etc/kubernetes/manifests && sha256sum *"]);
    let before = manifests()?;

    // It dies when etcd is stopped and nothing is restored yet, and once more while that is done.
    let die = "lifeboat playbook run lost.yaml --yes -i identity.txt >out 2>&1 & pid=$!; \
               until grep -q '\"what\":\"intent\".*\"does\":\"archive\"' journal/*/journal.jsonl 2>/dev/null; do sleep 0.05; \
               kill -0 $pid || { cat out; exit 1; }; done; kill -9 $pid";
    node.on(&["sh", "-c", die]).context("run")?;
    let out = node.on(&["cat", "out"])?;
    ensure!(out.contains("no container of them runs"), "the runtime was asked, not only the ports: {out}");
    ensure!(node.kubectl(&["get", "configmaps"]).is_err(), "the API server is stopped");
    let die = "lifeboat playbook resume latest -i identity.txt >out 2>&1 & pid=$!; \
               until test -d /var/lib/etcd/before-* || ls -d /var/lib/etcd.before-* 2>/dev/null; do sleep 0.05; \
               kill -0 $pid || { cat out; exit 1; }; done; kill -9 $pid";
    node.on(&["sh", "-c", die]).context("resume")?;
    let ran = node.on(&["lifeboat", "playbook", "resume", "latest", "-i", "identity.txt"])?;
    ensure!(ran.contains("COMPLETED"), "{ran}");
    node.must_have("saved").await?;
    assert_eq!(manifests()?, before);
    let kept = node.on(&["sh", "-c", "ls /root/archives | wc -l"])?;
    assert_eq!(kept, "1");

    node.on(&["lifeboat", "playbook", "undo", "latest"])?;
    node.must_have("later saved").await?;
    assert_eq!(manifests()?, before);
    Ok(())
}
