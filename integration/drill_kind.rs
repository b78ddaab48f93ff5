//! Drills in a cluster of kind: workloads of the source come up in it, and nothing of it reaches the world.

use crate::{
    boat::{Lifeboat, Ran},
    drill_case::{Door, RUN, check, failed, nothing_left},
    kind_cluster::said,
    lab::{Cluster, ClusterOptions, eventually, fill},
};
use anyhow::{Context, Result, ensure};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};
use tempfile::TempDir;
use tokio::sync::OnceCell;

/// A node is made of a whole system, beside other tests that make one.
const LIMIT: Duration = Duration::from_secs(300);

/// A copy of a recovery point of a harbour that is gone, to drill in kind.
pub struct Harbour {
    /// The program, in a directory with the store and the keys.
    pub boat: Lifeboat,
    /// The node's image.
    pub image: String,
    _dir: TempDir,
}

/// What nodes of the lab are made with.
pub fn place() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("integration/kind")
}

/// A fresh copy.
pub async fn harbour() -> Result<Harbour> {
    static ORIGINAL: OnceCell<TempDir> = OnceCell::const_new();
    let original = ORIGINAL.get_or_try_init(take).await?;
    let dir = tempfile::Builder::new().prefix("lifeboat-harbour-").tempdir()?;
    let copied = Command::new("cp").arg("-a").arg(original.path().join("boat")).arg(dir.path()).status()?;
    ensure!(copied.success(), "cp: {copied}");
    Harbour::new(Lifeboat::at(dir.path().join("boat")).await?, dir)
}

async fn take() -> Result<TempDir> {
    let dir = tempfile::Builder::new().prefix("lifeboat-harbour-").tempdir()?;
    let cluster = Cluster::start(dir.path(), ClusterOptions::default()).await?;
    fill::apply(&cluster.client().await?, &fs::read_to_string(place().join("harbour.yaml"))?).await?;
    let boat = Lifeboat::init(dir.path(), Some(cluster.etcd()), Some(&cluster)).await?;
    boat.backup(&[]).await;
    boat.edit(|text| text.replace(&cluster.etcd().endpoints()[0], "http://127.0.0.1:1"))?;
    Ok(dir)
}

impl Harbour {
    /// Another one, of a boat in this directory.
    pub fn new(boat: Lifeboat, dir: TempDir) -> Result<Self> {
        let image = said(&place().join("node-image").display().to_string(), &["--tag"])?;
        Ok(Harbour { boat, image, _dir: dir })
    }

    /// Writes the drill's file; `staging` are further fields of kind's.
    pub fn write(&self, staging: &str, more: &str) -> Result<()> {
        let (image, config) = (&self.image, place().join("cluster.yaml"));
        let text = format!(
            "apiVersion: lifeboat.dev/v1\nkind: Drill\nname: rehearsal\n\
             staging: {{kind: {{directory: staging, image: '{image}', config: '{}', {staging}}}}}\n{more}\n",
            config.display()
        );
        Ok(fs::write(self.boat.path("drill.yaml"), text)?)
    }

    /// Runs the drill, and sees that nothing is left of it.
    pub async fn drill(&self) -> Result<Ran> {
        let ran = self.boat.run_within(LIMIT, &RUN).await;
        self.nothing_left()?;
        Ok(ran)
    }

    /// The drill that is under way, once this engine has made its container.
    pub async fn begun(&self, engine: &str) -> Result<String> {
        let base = self.boat.path("staging");
        eventually("the container", Duration::from_secs(60), async || {
            for entry in fs::read_dir(&base).into_iter().flatten().flatten() {
                let id = entry.file_name().to_string_lossy().into_owned();
                // The network, and the node.
                if made_by(engine, &id)?.len() == 2 {
                    return Ok(Some(id));
                }
            }
            Ok(None)
        })
        .await
    }

    /// No process, no file, no container and no network of this boat's drills is there.
    pub fn nothing_left(&self) -> Result<()> {
        nothing_left(&self.boat);
        for id in fs::read_dir(self.boat.path("store/lab/drills")).into_iter().flatten().flatten() {
            assert_eq!(made_for(&id.file_name().to_string_lossy())?, Vec::<String>::new());
        }
        Ok(())
    }
}

/// The containers and networks of a drill.
pub fn made_for(drill: &str) -> Result<Vec<String>> {
    made_by("docker", drill)
}

/// The same of another engine.
pub fn made_by(engine: &str, drill: &str) -> Result<Vec<String>> {
    let cluster = format!("lifeboat-{}", drill.to_lowercase());
    let label = format!("label=io.x-k8s.kind.cluster={cluster}");
    let containers = said(engine, &["ps", "--all", "--quiet", "--filter", &label])?;
    let networks = said(engine, &["network", "ls", "--quiet", "--filter", &format!("name={cluster}")])?;
    let volumes = said(engine, &["volume", "ls", "--format", "{{.Name}} {{.Labels}}"])?;
    let volumes = volumes.lines().filter(|line| line.contains(&cluster));
    Ok(containers.lines().chain(networks.lines()).chain(volumes).map(str::to_owned).collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kind_brings_back_service_and_lets_nothing_out() -> Result<()> {
    let harbour = harbour().await?;
    let door = Door::open("0.0.0.0")?;
    let port = door.port;
    // From the node, and from a pod's address in it, towards the engine's host.
    let knock = format!(
        "#!/bin/sh\nid=$(basename $(dirname $KUBECONFIG) | tr A-Z a-z)\n\
         docker exec lifeboat-$id-control-plane sh -c 'gateway=$(ip route | sed -n \"s/^default via \\([^ ]*\\).*/\\1/p\"); \
         test -n \"$gateway\" || exit 5; timeout 5 bash -c \"</dev/tcp/$gateway/{port}\" && exit 9; \
         pid=$(pgrep -f \"serve :8080\" | head -n 1); test -n \"$pid\" || exit 8; \
         timeout 5 nsenter -t $pid -n bash -c \"</dev/tcp/$gateway/{port}\" && exit 7; getent hosts example.com && exit 6; exit 0'\n"
    );
    fs::write(harbour.boat.path("knock.sh"), knock)?;
    let all = "kubectl get -n harbour -o json deploy,sts,ds,rs,cronjob,svc,pods | jq -e '[.items[] | select(\n\
        (.kind == \"Deployment\" and .metadata.name != \"store\" and .spec.replicas != 0) or\n\
        (.kind == \"StatefulSet\" and .spec.replicas != 1) or\n\
        (.kind == \"DaemonSet\" and .status.desiredNumberScheduled != 0) or\n\
        (.kind == \"CronJob\" and .spec.suspend != true) or\n\
        (.kind == \"Service\" and (.spec.type != \"ClusterIP\" or .metadata.annotations != null)) or\n\
        (.kind == \"Pod\" and (.metadata.labels.app | IN(\"store\", \"ledger\") | not)))] == []' &&\n\
        test \"$(kubectl get nodes -o name | wc -l)\" = 1\n";
    fs::write(harbour.boat.path("disarmed.sh"), all)?;
    harbour.write(
        "readyWithin: 4m",
        "objectives: {rto: 10m, phases: {workloads-ready: 5m, service: 2m}}\nchecks:\n\
         - {name: store-is-up, workload: {kind: deployment, namespace: harbour, name: store, readyWithin: 3m}}\n\
         - {name: ledger-is-up, workload: {namespace: harbour, labels: app=ledger}}\n\
         - {name: it-sells, http: {namespace: harbour, labels: app=store, port: 8080, contains: bread}}\n\
         - {name: disarmed, command: {argv: [sh, disarmed.sh], timeout: 30s}}\n\
         - {name: closed, command: {argv: [sh, knock.sh], timeout: 60s}}",
    )?;
    let evidence = harbour.drill().await?.expect(0).json();
    assert_eq!(
        (evidence["verdict"].as_str(), failed(&evidence)),
        (Some("passed"), Vec::new()),
        "{evidence:#}"
    );
    assert_eq!(check(&evidence, "store-is-up")["actual"], "1 of 1 workload ready");
    assert_eq!(check(&evidence, "it-sells")["actual"], "it answered with status 200");
    let phases: Vec<&str> =
        evidence["phases"].as_array().unwrap().iter().map(|it| it["phase"].as_str().unwrap()).collect();
    assert_eq!(
        phases,
        [
            "pick",
            "fetch",
            "open",
            "provision",
            "restore",
            "api-ready",
            "checks",
            "workloads-ready",
            "service",
            "tear-down"
        ]
    );
    let took = |name: &str| -> u64 {
        let phases = evidence["phases"].as_array().unwrap().iter();
        phases.filter(|it| it["phase"] == name).map(|it| it["tookMs"].as_u64().unwrap()).sum()
    };
    let rto = evidence["rto"]["measuredMs"].as_u64().unwrap();
    assert!(rto > took("provision") + took("workloads-ready") && rto < 600_000, "{rto}");
    let programs = evidence["staging"]["programs"].to_string();
    assert!(programs.contains("node image") && programs.contains(&harbour.image), "{programs}");
    assert!(evidence["isolation"].to_string().contains("scaled to nothing"), "{evidence:#}");
    // A container that no drill made does reach the door: else its silence would prove nothing.
    assert_eq!(door.knocks(), 0, "staging has called out");
    let call = format!(
        "timeout 5 bash -c \"</dev/tcp/$(ip route | sed -n 's/^default via \\([^ ]*\\).*/\\1/p')/{port}\""
    );
    said("docker", &["run", "--rm", "--entrypoint", "bash", &harbour.image, "-c", &call])?;
    assert_eq!(door.knocks(), 1);
    let verified = ["drill", "verify", "latest", "-i", "identity.txt"];
    let verified = harbour.boat.run(&verified).await.expect(0).stdout;
    assert!(verified.contains("they open"), "{verified}");
    let stored = harbour.boat.path("store/lab/drills").join(evidence["id"].as_str().context("an id")?);
    let (document, key) = (stored.join("evidence.json"), harbour.boat.path("signing.pub"));
    let verify = ["-Vm", &document.display().to_string(), "-p", &key.display().to_string()];
    assert!(said("minisign", &verify)?.contains("lifeboat lab drills"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kind_brings_back_service_out_of_the_export() -> Result<()> {
    let harbour = harbour().await?;
    harbour.write(
        "",
        "restore: [resources]\nobjectives: {rto: 10m}\nchecks:\n\
         - {name: store-is-up, workload: {kind: deployment, namespace: harbour, name: store, readyWithin: 3m}}\n\
         - {name: it-sells, http: {namespace: harbour, labels: app=store, port: 8080, contains: bread}}\n\
         - {name: it-knows-the-pin, exec: {namespace: harbour, labels: app=store, container: store, argv: [workload, env, pin, not-a-secret-pin]}}\n\
         - {name: it-knows-no-other, severity: warning, exec: {namespace: harbour, labels: app=store, argv: [workload, env, pin, wrong]}}\n\
         - {name: no-such, severity: warning, exec: {namespace: harbour, labels: app=store, argv: [/nowhere]}}",
    )?;
    let evidence = harbour.drill().await?.expect(0).json();
    assert_eq!(check(&evidence, "it-knows-the-pin")["actual"], "it ended with 0");
    assert_eq!(check(&evidence, "it-knows-no-other")["actual"], "it ended with 3");
    assert_eq!(check(&evidence, "no-such")["actual"], "it could not be started");
    assert_eq!(
        (evidence["verdict"].as_str(), failed(&evidence)),
        (Some("passed"), vec!["it-knows-no-other".to_owned(), "no-such".to_owned()]),
        "{evidence:#}"
    );
    assert_eq!(check(&evidence, "restored")["outcome"], "passed");
    assert_eq!(check(&evidence, "it-sells")["actual"], "it answered with status 200");
    assert!(evidence["isolation"].to_string().contains("scaled to nothing"), "{evidence:#}");
    // Its snapshot comes after it into the same node.
    harbour.write("", "restore: [etcd, resources]")?;
    let evidence = harbour.drill().await?.expect(0).json();
    for name in ["restored", "agreement", "identity", "objects"] {
        assert_eq!(check(&evidence, name)["outcome"], "passed", "{evidence:#}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kind_reads_what_was_encrypted_at_rest_with_the_keys_and_tells_which_are_missing() -> Result<()> {
    let dir = tempfile::Builder::new().prefix("lifeboat-harbour-").tempdir()?;
    let cluster =
        Cluster::start(dir.path(), ClusterOptions { encrypt_secrets: true, ..ClusterOptions::default() })
            .await?;
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: till, namespace: default}\nstringData: {pin: '1234'}\n";
    fill::apply(&cluster.client().await?, secret).await?;
    let boat = Lifeboat::init(dir.path(), Some(cluster.etcd()), Some(&cluster)).await?;
    boat.backup(&[]).await;
    let keys = dir.path().join("encryption.json");
    fs::copy(&keys, boat.path("keys.json"))?;
    drop(cluster);
    let harbour = Harbour::new(boat, dir)?;
    harbour.write("encryptionConfig: keys.json", "")?;
    let evidence = harbour.drill().await?.expect(0).json();
    assert_eq!(check(&evidence, "secrets")["outcome"], "passed");
    harbour.write("", "")?;
    let evidence = harbour.drill().await?.expect(4).json();
    let found = check(&evidence, "secrets")["findings"].to_string();
    assert!(found.contains("aescbc") || found.contains("secretbox") || found.contains("aesgcm"), "{found}");
    Ok(())
}
