//! An export is one cut through the cluster's history, whatever is written, or compacted, while it is read.

use crate::{
    boat::Lifeboat,
    export::{Export, Name, facts, stored},
    lab::{Cluster, ClusterOptions, Fault, Proxy, eventually, fill, with_cluster},
};
use anyhow::{Context, Result};
use kube::Client;
use serde_json::{Value, json};
use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};

const STRETCH: u64 = 128 << 10;

/// A lifeboat that reads through a proxy, page by page, and the arguments of its backup.
struct Slow {
    boat: Lifeboat,
    proxy: Proxy,
    kubeconfig: String,
}

impl Slow {
    async fn on(cluster: &Cluster) -> Result<Self> {
        fill::api(&cluster.client().await?, 320, 1).await?;
        let boat = Lifeboat::init(cluster.etcd().dir(), None, Some(cluster)).await?;
        boat.edit(|text| {
            text.replacen("\nkubernetes:\n", "\nkubernetes:\n  pageSize: 15\n  concurrency: 2\n", 1)
        })?;
        let proxy = Proxy::to(&cluster.url()).await?;
        let kubeconfig = cluster.kubeconfig_via(&proxy)?.display().to_string();
        Ok(Self { boat, proxy, kubeconfig })
    }

    fn args(&self) -> [&str; 6] {
        ["backup", "--resources-only", "--kubeconfig", &self.kubeconfig, "-o", "json"]
    }

    /// Lets the export read a stretch further, and returns when it waits for more.
    async fn stretch(&self) -> Result<()> {
        let end = self.proxy.to_clients() + STRETCH;
        self.proxy.set(Fault::Stall { after: STRETCH });
        let stalled = async || Ok((self.proxy.to_clients() >= end).then_some(()));
        eventually("a stretch of the export", Duration::from_secs(60), stalled).await
    }
}

/// Creates one object of a namespace and gives its revision.
async fn create(client: &Client, resource: &str, name: &str) -> Result<u64> {
    let body = json!({"metadata": {"name": name}}).to_string().into_bytes();
    let request = http::Request::post(format!("/api/v1/namespaces/default/{resource}"));
    let request = request.header("Content-Type", "application/json").body(body)?;
    revision(&client.request::<Value>(request).await?)
}

fn revision(object: &Value) -> Result<u64> {
    let revision = object["metadata"]["resourceVersion"].as_str().context("no resourceVersion")?;
    Ok(revision.parse()?)
}

/// Types in the order in which they are read: a smear would have a late `b` without its `a`.
const CHAIN: [&str; 3] = ["configmaps", "secrets", "serviceaccounts"];

/// Writes a, b, c and again until it is told to stop; gives the revision of each.
async fn write(client: Client, written: &AtomicUsize, stop: &AtomicBool) -> Result<Vec<(Name, u64)>> {
    let mut all = Vec::new();
    for n in 0.. {
        for resource in CHAIN {
            let name = format!("chain-{n}");
            let revision = create(&client, resource, &name).await?;
            all.push((format!("core/{resource}/default/{name}"), revision));
            written.fetch_add(1, Ordering::Relaxed);
        }
        if stop.load(Ordering::Relaxed) {
            break;
        }
    }
    Ok(all)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_written_meanwhile_is_in_it_up_to_one_revision() -> Result<()> {
    with_cluster(ClusterOptions::default(), async |cluster| {
        let slow = Slow::on(cluster).await?;
        let (written, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
        let more = async || {
            let enough = written.load(Ordering::Relaxed) + 12;
            let grown = async || Ok((written.load(Ordering::Relaxed) >= enough).then_some(()));
            eventually("the writer's next objects", Duration::from_secs(60), grown).await
        };
        let export = async {
            more().await?;
            let args = slow.args();
            let stretches = async {
                for _ in 0..4 {
                    slow.stretch().await?;
                    more().await?;
                }
                slow.proxy.set(Fault::None);
                anyhow::Ok(())
            };
            let (ran, stretches) = tokio::join!(slow.boat.run(&args), stretches);
            stop.store(true, Ordering::Relaxed);
            stretches.map(|()| ran)
        };
        let (all, ran) = tokio::join!(write(cluster.client().await?, &written, &stop), export);
        let (all, manifest) = (all?, ran?.expect(0).json());

        let export = Export::read(&slow.boat, &manifest).await?;
        let cut: u64 = export.facts["resourceVersion"].as_str().unwrap().parse()?;
        assert!(
            all.first().unwrap().1 <= cut && cut < all.last().unwrap().1,
            "nothing was written meanwhile"
        );
        for (name, object) in &export.objects {
            let computed = name.starts_with("core/componentstatuses/");
            assert!(computed || revision(object)? <= cut, "{name} is newer than {cut}");
        }
        for (name, revision) in &all {
            assert_eq!(
                export.objects.contains_key(name),
                *revision <= cut,
                "{name} of {revision}, cut at {cut}"
            );
        }
        assert_eq!(export.facts["restarts"], 0);
        slow.boat.verify_all().await;
        Ok(())
    })
    .await
}

/// The API server answers from its own memory what etcd does not know any more; not every one can.
pub fn forgetful() -> ClusterOptions {
    let args = vec!["--feature-gates=ListFromCacheSnapshot=false".to_owned()];
    ClusterOptions { args, ..ClusterOptions::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compaction_begins_it_again_until_it_gives_up() -> Result<()> {
    with_cluster(forgetful(), async |cluster| {
        let (slow, client) = (Slow::on(cluster).await?, cluster.client().await?);
        let compact = async |name: &str| {
            create(&client, "configmaps", name).await?;
            let newest = cluster.etcd().revision().await?.to_string();
            cluster.etcd().etcdctl(&["compact", &newest]).await
        };

        let args = slow.args();
        let once = async {
            for _ in 0..2 {
                slow.stretch().await?;
            }
            compact("late").await?;
            slow.proxy.set(Fault::None);
            anyhow::Ok(())
        };
        let (ran, once) = tokio::join!(slow.boat.run(&args), once);
        once?;
        let manifest = ran.expect(0).says("the export's revision was compacted away").json();
        assert_eq!((&manifest["status"], &facts(&manifest)?["restarts"]), (&json!("Completed"), &json!(1)));
        let export = Export::read(&slow.boat, &manifest).await?;
        assert!(export.objects.contains_key("core/configmaps/default/late"), "it is of the old revision");
        assert_eq!(export.named("core/configmaps/fill-").len(), 160);
        slow.boat.verify_all().await;

        let before = stored(&slow.boat);
        let again_and_again = async {
            for n in 0.. {
                for _ in 0..2 {
                    slow.stretch().await?;
                }
                compact(&format!("later-{n}")).await?;
            }
            anyhow::Ok(())
        };
        tokio::select! {
            ran = slow.boat.run(&args) => {
                ran.expect(1).says("was compacted before the export was done, and so were 5 before it");
            }
            broken = again_and_again => broken?,
        }
        assert_eq!(stored(&slow.boat), before);
        Ok(())
    })
    .await
}
