//! Restores that are killed, stopped, left alone by the API server, or not alone: the same command goes on.

use crate::{
    boat::{Lifeboat, Ran},
    export::{Export, Name},
    http_front::{Answer, Front},
    lab::{Cluster, ClusterOptions, eventually, fill, with_cluster},
    live,
    restore_resources::RESTORE,
    restored::{assert_restored, versions},
};
use anyhow::{Context, Result, ensure};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use tokio::process::Child;

const OBJECTS: usize = 600;

/// A recovery point, and the cluster that it is restored into.
struct Target<'a> {
    boat: &'a Lifeboat,
    cluster: &'a Cluster,
    kubeconfig: String,
}

impl<'a> Target<'a> {
    fn new(boat: &'a Lifeboat, cluster: &'a Cluster) -> Self {
        Target { boat, cluster, kubeconfig: cluster.kubeconfig().display().to_string() }
    }

    fn args<'b>(&'b self, more: &[&'b str]) -> Vec<&'b str> {
        [&RESTORE[..], &["--kubeconfig", &self.kubeconfig], more].concat()
    }

    async fn run(&self, more: &[&str]) -> Ran {
        self.boat.run(&self.args(more)).await
    }

    /// UID and version of each object that was filled in, of all types but namespaces.
    async fn filled(&self) -> Result<BTreeMap<Name, (String, String)>> {
        let mut all = versions(&live::everything(&self.cluster.client().await?).await?);
        all.retain(|name, _| name.contains("/filled-"));
        Ok(all)
    }

    /// A slow restore of which more than so many objects are there.
    async fn at_work(&self, objects: usize) -> Result<Child> {
        let child = self.boat.spawn(&self.args(&["--qps", "25"]))?;
        eventually("objects", Duration::from_secs(90), async || {
            Ok((self.filled().await?.len() > objects).then_some(()))
        })
        .await?;
        Ok(child)
    }

    async fn empty(&self) -> Result<()> {
        let types = "configmap,secret,service,deployment";
        let fill = "-lapp.kubernetes.io/part-of=fill";
        self.cluster.kubectl(&["delete", types, "-A", fill, "--wait=false"]).await?;
        ensure!(self.filled().await?.is_empty());
        Ok(())
    }
}

fn signal(child: &Child, signal: Signal) -> Result<()> {
    let pid = child.id().and_then(|id| Pid::from_raw(id as i32)).context("it has ended")?;
    Ok(kill_process(pid, signal)?)
}

/// How many objects had this outcome, as the last line says.
fn told(ran: &Ran, outcome: &str) -> usize {
    let line =
        ran.stdout.lines().rfind(|line| line.contains(" in ") && line.contains(outcome)).unwrap_or_default();
    let count = line
        .split(", ")
        .find_map(|part| part.strip_suffix(outcome).or_else(|| part.split_once(outcome).map(|it| it.0)));
    count.and_then(|count| count.trim().parse().ok()).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restore_resources_killed_at_any_instant_goes_on() -> Result<()> {
    with_cluster(ClusterOptions::default(), async |cluster| {
        fill::api(&cluster.client().await?, OBJECTS, 5).await?;
        let boat = Lifeboat::init(cluster.etcd().dir(), Some(cluster.etcd()), Some(cluster)).await?;
        let manifest = boat.backup(&["--resources-only"]).await;
        let export = Export::read(&boat, &manifest).await?;
        with_cluster(ClusterOptions::default(), async |empty| {
            let target = Target::new(&boat, empty);
            // Killed: what is there stays as it is, and more comes.
            let mut rng = StdRng::seed_from_u64(7);
            let mut before = BTreeMap::new();
            for round in 0..10 {
                let mut child = target.at_work(before.len() + rng.random_range(1..15)).await?;
                signal(&child, Signal::KILL)?;
                child.wait().await?;
                let now = target.filled().await?;
                for (name, version) in &before {
                    assert_eq!(now.get(name), Some(version), "{name} was written twice");
                }
                ensure!(now.len() < OBJECTS, "nothing is left for round {round}");
                before = now;
            }
            let last = target.run(&[]).await.expect(0);
            assert_eq!(told(&last, "created"), OBJECTS - before.len(), "{}", last.stdout);
            let whole = target.filled().await?;
            assert!(before.iter().all(|(name, version)| whole.get(name) == Some(version)));
            let alone = live::each(&empty.client().await?, export.objects.iter()).await?;
            ensure!(assert_restored(&export, &alone, |_| true) > OBJECTS);
            target.run(&[]).await.expect(0);
            assert_eq!(target.filled().await?, whole);

            // Told to stop: what is under way ends, and the rest is counted.
            target.empty().await?;
            let child = target.at_work(20).await?;
            signal(&child, Signal::TERM)?;
            let ran = Ran::from(child.wait_with_output().await?).expect(1);
            let made = told(&ran, "created");
            assert_eq!(target.filled().await?.len(), made, "{}", ran.stdout);
            assert_eq!(told(&ran, "not reached"), OBJECTS - made, "{}", ran.stdout);
            assert!(ran.stdout.contains("the same command continues it"), "{}", ran.stdout);

            // The API server dies: nobody waits for it for ever.
            let child = target.at_work(made + 20).await?;
            empty.kill();
            let ran = tokio::time::timeout(Duration::from_secs(100), child.wait_with_output()).await;
            let ran = Ran::from(ran.context("it still waits")??).expect(1);
            assert!(ran.stdout.contains("connection") && told(&ran, "not reached") > 0, "{}", ran.stdout);
            ensure!(ran.stdout.lines().count() < 80, "too much is said:\n{}", ran.stdout);
            target.run(&[]).await.expect(1);
            empty.apiserver().start().await?;
            target.run(&[]).await.expect(0);
            assert_eq!(target.filled().await?.len(), OBJECTS);

            // Two at once do what one does.
            target.empty().await?;
            let (one, two) = tokio::join!(target.run(&[]), target.run(&[]));
            let (one, two) = (one.expect(0), two.expect(0));
            assert_eq!(
                told(&one, "created") + told(&two, "created"),
                OBJECTS,
                "{}\n{}",
                one.stdout,
                two.stdout
            );
            let alone = live::each(&empty.client().await?, export.objects.iter()).await?;
            assert_restored(&export, &alone, |_| true);
            Ok(())
        })
        .await
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restore_resources_killed_connections_and_busy_servers_are_waited_out() -> Result<()> {
    with_cluster(ClusterOptions::full(), async |cluster| {
        let client = cluster.client().await?;
        fill::shop(&client).await?;
        let boat = Lifeboat::init(cluster.etcd().dir(), Some(cluster.etcd()), Some(cluster)).await?;
        let manifest = boat.backup(&["--resources-only"]).await;
        let export = Export::read(&boat, &manifest).await?;
        let kubectl = async |line: &str| cluster.kubectl(&line.split(' ').collect::<Vec<_>>()).await;
        kubectl("delete configmap,secret,deployment,order,rolebinding --all -n shop").await?;
        kubectl("patch configmap ledger -n payments -p {\"data\":{\"mode\":\"test\"}}").await?;
        kubectl("patch configmap alert-rules -n monitoring -p {\"data\":{\"more\":\"1\"}}").await?;
        fill_immutable(&boat, &export, cluster).await?;

        // The first answer to every write is lost; the second attempt is told to wait a second; the third one is heard.
        let seen: Arc<Mutex<HashMap<String, Vec<Instant>>>> = Arc::default();
        let log = seen.clone();
        let lost: Mutex<HashSet<String>> = Mutex::default();
        let front = Front::start(client.clone(), move |path| {
            let Some((method, _)) = path.split_once(' ').filter(|_| !path.contains("dryRun")) else {
                return Answer::Real;
            };
            // Of a collection all objects are made through one path: each lost answer is somebody's.
            let mut log = log.lock().unwrap();
            let times = log.entry(path.to_owned()).or_default();
            times.push(Instant::now());
            match (lost.lock().unwrap().insert(path.to_owned()), times.len()) {
                (true, _) => Answer::Lost,
                (_, 2) if method == "PUT" => Answer::Status(429, Some(1), "too many"),
                _ => Answer::Real,
            }
        })
        .await?;
        let kubeconfig = front.kubeconfig(boat.dir())?.display().to_string();
        let args =
            ["--kubeconfig", &kubeconfig, "--on-conflict", "recreate", "--concurrency", "1", "-o", "json"];
        let ran = boat.run(&[&RESTORE[..], &args].concat()).await.expect(0).json();
        let bad = |it: &&Value| {
            !["created", "updated", "recreated", "unchanged", "skipped"]
                .contains(&it["outcome"].as_str().unwrap_or_default())
        };
        assert!(ran["objects"].as_array().context("no objects")?.iter().find(bad).is_none(), "{ran:#}");
        assert_eq!((&ran["tally"]["updated"], &ran["tally"]["recreated"]), (&2.into(), &1.into()), "{ran:#}");
        let alone = live::each(&client, export.objects.iter()).await?;
        assert_restored(&export, &alone, |_| true);

        let seen = seen.lock().unwrap();
        let puts = seen.iter().filter(|(path, _)| path.starts_with("PUT") && path.contains("configmaps"));
        let puts: Vec<&Vec<Instant>> = puts.map(|(_, times)| times).collect();
        assert_eq!(puts.len(), 2);
        for times in puts {
            assert!(times.len() > 2 && times[2] - times[1] >= Duration::from_secs(1), "{times:?}");
        }
        Ok(())
    })
    .await
}

/// Makes a Deployment that cannot be changed into the one that was saved.
async fn fill_immutable(boat: &Lifeboat, export: &Export, cluster: &Cluster) -> Result<()> {
    let saved = crate::restored::as_given(&export.objects["apps/deployments/payments/ledger"]).to_string();
    let file = boat.path("otherwise.json");
    std::fs::write(&file, saved.replace("\"app\":\"ledger\"", "\"app\":\"legder\""))?;
    cluster.kubectl(&["replace", "--force", "-f", &file.display().to_string()]).await?;
    Ok(())
}
