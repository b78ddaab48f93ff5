//! `lifeboat restore resources`: a cluster into an empty one, and a namespace that was deleted.

use crate::{
    boat::Lifeboat,
    export::Export,
    lab::{Cluster, ClusterOptions, fill, with_cluster},
    live,
    restored::{assert_restored, versions},
};
use anyhow::{Result, ensure};
use serde_json::Value;

pub const RESTORE: [&str; 5] = ["restore", "resources", "latest", "-i", "identity.txt"];

async fn kubectl(cluster: &Cluster, line: &str) -> Result<String> {
    cluster.kubectl(&line.split(' ').collect::<Vec<_>>()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restore_resources_brings_a_cluster_into_an_empty_one() -> Result<()> {
    with_cluster(ClusterOptions::full(), async |cluster| {
        let client = cluster.client().await?;
        cluster.add_node("node-0").await?;
        fill::shop(&client).await?;
        fill::api(&client, 200, 5).await?;
        let ready = "rollout status deployment storefront -n shop --timeout=60s";
        kubectl(cluster, ready).await?;
        let boat = Lifeboat::init(cluster.etcd().dir(), Some(cluster.etcd()), Some(cluster)).await?;
        let manifest = boat.backup(&["--resources-only"]).await;
        let export = Export::read(&boat, &manifest).await?;
        with_cluster(ClusterOptions::default(), async |empty| {
            let kubeconfig = empty.apiserver().kubeconfig().display().to_string();
            let restore = [&RESTORE[..], &["--kubeconfig", &kubeconfig]].concat();
            let plan =
                boat.run(&[&restore[..], &["--dry-run", "-o", "json"]].concat()).await.expect(0).json();
            ensure!(
                !live::everything(&empty.client().await?)
                    .await?
                    .contains_key("core/namespaces/_cluster/shop")
            );
            let wanted =
                plan["objects"].as_array().unwrap().iter().filter(|it| it["action"] == "create").count();

            let result = boat.path("result.jsonl").display().to_string();
            let ran = boat.run(&[&restore[..], &["--result", &result]].concat()).await.expect(0);
            ensure!(ran.stdout.contains(&format!("{wanted} created")), "{}", ran.stdout);
            let lines = std::fs::read_to_string(&result)?;
            let outcomes: Vec<Value> = lines.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
            assert_eq!(outcomes.len(), export.objects.len());
            assert_eq!(outcomes.iter().filter(|it| it["outcome"] == "created").count(), wanted);

            let restored = live::everything(&empty.client().await?).await?;
            let alone = live::each(&empty.client().await?, export.objects.iter()).await?;
            let compared = assert_restored(&export, &alone, |_| true);
            ensure!(compared > 300, "only {compared} objects were compared");

            let again = boat.run(&[&restore[..], &["-o", "json"]].concat()).await.expect(0).json();
            assert_eq!(again["tally"], serde_json::json!({"skipped": export.objects.len()}));
            assert_eq!(versions(&live::everything(&empty.client().await?).await?), versions(&restored));
            Ok(())
        })
        .await
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restore_resources_brings_back_a_deleted_namespace() -> Result<()> {
    with_cluster(ClusterOptions::full(), async |cluster| {
        let client = cluster.client().await?;
        cluster.add_node("node-0").await?;
        fill::shop(&client).await?;
        let ready = "rollout status deployment storefront -n shop --timeout=60s";
        kubectl(cluster, ready).await?;
        let boat = Lifeboat::init(cluster.etcd().dir(), Some(cluster.etcd()), Some(cluster)).await?;
        let manifest = boat.backup(&["--resources-only"]).await;
        let export = Export::read(&boat, &manifest).await?;
        let elsewhere = versions(&live::everything(&client).await?);

        // It is still being deleted when the restore begins, which waits for that.
        kubectl(cluster, "delete namespace shop --wait=false").await?;
        boat.run(&[&RESTORE[..], &["-n", "shop"]].concat()).await.expect(0);
        kubectl(cluster, ready).await?;
        let is_shop = |name: &str| name.contains("/shop/") || name.ends_with("/_cluster/shop");
        let restored = live::everything(&client).await?;
        let alone = live::each(&client, export.objects.iter()).await?;
        let compared = assert_restored(&export, &alone, is_shop);
        ensure!(compared >= 13, "only {compared} objects were compared");
        let owned = |kind: &str| restored.keys().filter(|name| name.starts_with(kind)).count();
        assert_eq!((owned("apps/replicasets/shop/"), owned("core/pods/shop/")), (1, 3));
        // Nothing else was touched.
        let now = versions(&live::everything(&client).await?);
        for (name, version) in elsewhere.iter().filter(|(name, _)| !is_shop(name)) {
            assert_eq!(now.get(name), Some(version), "{name}");
        }
        Ok(())
    })
    .await
}
