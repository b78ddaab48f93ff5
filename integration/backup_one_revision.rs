//! Of a cluster that is written to, snapshot and export are of one revision, so that a drill finds no difference between them.

use crate::{
    boat::Lifeboat,
    drill_case::{check, drill, failed, write},
    export::{Export, facts},
    kube_one_cut::forgetful,
    lab::{Cluster, ClusterOptions, Etcd, EtcdOptions, Fault, LabDir, Proxy, eventually, fill, with_cluster},
};
use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// Makes, changes and deletes objects until it is told to stop, and counts the rounds.
async fn busy(maps: Api<ConfigMap>, rounds: &AtomicU64, stop: &AtomicBool) -> Result<()> {
    let named = |n: u64| format!("busy-{n}");
    for n in 0.. {
        let made = serde_json::from_value(json!({"metadata": {"name": named(n)}}))?;
        maps.create(&PostParams::default(), &made).await?;
        let round = Patch::Merge(json!({"data": {"round": n.to_string()}}));
        maps.patch("busy-0", &PatchParams::default(), &round).await?;
        if n > 2 {
            maps.delete(&named(n - 2), &DeleteParams::default()).await?;
        }
        rounds.fetch_add(1, Relaxed);
        if stop.load(Relaxed) {
            break;
        }
    }
    Ok(())
}

/// The revisions of the two halves of a recovery point.
fn revisions(manifest: &Value) -> Result<[i64; 2]> {
    let artifacts = manifest["artifacts"].as_array().context("artifacts")?;
    let snapshot = artifacts.iter().find_map(|it| it["etcd"]["revision"].as_i64()).context("a snapshot")?;
    let export = facts(manifest)?["resourceVersion"].as_str().context("an export")?;
    Ok([snapshot, export.parse()?])
}

async fn maps(cluster: &Cluster) -> Result<Api<ConfigMap>> {
    Ok(Api::namespaced(cluster.client().await?, "default"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_that_is_written_to_is_saved_at_one_revision_and_passes_its_drill() -> Result<()> {
    with_cluster(ClusterOptions::default(), async |cluster| {
        fill::shop(&cluster.client().await?).await?;
        let boat = Lifeboat::init(cluster.etcd().dir(), Some(cluster.etcd()), Some(cluster)).await?;
        let (rounds, stop) = (AtomicU64::new(0), AtomicBool::new(false));
        let saves = async {
            let mut manifests = Vec::new();
            for _ in 0..3 {
                let before = rounds.load(Relaxed);
                let begun = async || Ok((rounds.load(Relaxed) > before).then_some(()));
                eventually("something is written", Duration::from_secs(60), begun).await?;
                manifests.push(boat.backup(&[]).await);
                anyhow::ensure!(rounds.load(Relaxed) > before + 3, "hardly anything was written meanwhile");
            }
            stop.store(true, Relaxed);
            anyhow::Ok(manifests)
        };
        let (wrote, manifests) = tokio::join!(busy(maps(cluster).await?, &rounds, &stop), saves);
        wrote?;
        write(&boat, "", "")?;
        for manifest in manifests? {
            let [snapshot, export] = revisions(&manifest)?;
            assert_eq!(snapshot, export, "{manifest:#}");
            assert_eq!((&manifest["status"], &manifest["problems"]), (&json!("Completed"), &json!([])));
            let there = Export::read(&boat, &manifest).await?.named("core/configmaps/default/busy-").len();
            assert!((3..=4).contains(&there), "{there} of the objects that come and go");
            let id = manifest["id"].as_str().context("id")?;
            let evidence = drill(&boat, &["--point", id]).await.json();
            assert_eq!(failed(&evidence), Vec::<String>::new(), "{evidence:#}");
            assert_eq!(check(&evidence, "objects")["outcome"], "passed");
        }
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revision_that_is_compacted_before_the_export_is_told_and_found_by_a_drill() -> Result<()> {
    with_cluster(forgetful(), async |cluster| {
        fill::shop(&cluster.client().await?).await?;
        let boat = Lifeboat::init(cluster.etcd().dir(), Some(cluster.etcd()), Some(cluster)).await?;
        let proxy = Proxy::to(&cluster.url()).await?;
        proxy.set(Fault::Stall { after: 0 });
        let kubeconfig = cluster.kubeconfig_via(&proxy)?.display().to_string();
        let args = ["backup", "--kubeconfig", &kubeconfig, "-o", "json"];
        let maps = maps(cluster).await?;
        let late = async {
            let stored = || std::fs::read_dir(boat.path("store/lab/points")).ok()?.flatten().next();
            let snapshot = async || {
                Ok(stored().is_some_and(|it| it.path().join("etcd.db.zst.age").exists()).then_some(()))
            };
            eventually("the snapshot is stored", Duration::from_secs(60), snapshot).await?;
            let made = serde_json::from_value(json!({"metadata": {"name": "late"}}))?;
            maps.create(&PostParams::default(), &made).await?;
            let newest = cluster.etcd().revision().await?.to_string();
            cluster.etcd().etcdctl(&["compact", &newest]).await?;
            proxy.set(Fault::None);
            anyhow::Ok(())
        };
        let (ran, late) = tokio::join!(boat.run(&args), late);
        late?;
        let manifest = ran.expect(0).json();
        let [snapshot, export] = revisions(&manifest)?;
        assert!(snapshot < export, "{manifest:#}");
        let problem = &manifest["problems"][0];
        assert_eq!((&manifest["status"], &problem["fatal"]), (&json!("Completed"), &json!(false)));
        assert!(problem["message"].to_string().contains("in one of them only"), "{problem}");
        assert_eq!(Export::read(&boat, &manifest).await?.named("core/configmaps/default/late").len(), 1);
        write(&boat, "", "")?;
        let evidence = drill(&boat, &[]).await.expect(4).json();
        let found = check(&evidence, "objects")["findings"].to_string();
        assert!(found.contains("1 configmaps: it is in the export and not in staging"), "{found}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_etcd_that_is_not_the_api_server_s_does_not_say_what_is_exported() -> Result<()> {
    with_cluster(ClusterOptions::default(), async |cluster| {
        fill::shop(&cluster.client().await?).await?;
        let dir = LabDir::new()?;
        let other = Etcd::start(dir.path(), EtcdOptions::default()).await?;
        while other.revision().await? < cluster.etcd().revision().await? + 50 {
            other.put("some", "thing").await?;
        }
        let boat = Lifeboat::init(dir.path(), Some(&other), Some(cluster)).await?;
        let manifest = boat.backup(&[]).await;
        let [snapshot, export] = revisions(&manifest)?;
        assert!(snapshot > export, "{manifest:#}");
        let told = manifest["problems"][0]["message"].to_string();
        assert!(
            told.contains(&format!("of revision {export}, and the etcd snapshot is of revision {snapshot}")),
            "{told}"
        );
        let (all, live) = (
            Export::read(&boat, &manifest).await?,
            cluster.kubectl(&["get", "namespaces", "-o", "name"]).await?,
        );
        assert_eq!(all.named("core/namespaces/").len(), live.lines().count());
        drop(other);
        dir.close(Ok(()))
    })
    .await
}
