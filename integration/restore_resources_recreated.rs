//! Objects that are deleted to be made again, where nobody lets go of what they own.

use crate::{
    far_side::Saved,
    lab::{ClusterOptions, fill, with_cluster},
    live,
};
use anyhow::{Result, ensure};

const SHIPS: &str = include_str!("kinds/ships.yaml");
const FIXED: &str = "{apiVersion: v1, kind: ConfigMap, metadata: {name: fixed, namespace: harbour}, immutable: true, data: {a: other}}";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restore_resources_recreated_without_a_garbage_collector_is_told() -> Result<()> {
    with_cluster(ClusterOptions::default(), async |cluster| {
        let client = cluster.client().await?;
        fill::apply(&client, SHIPS).await?;
        let saved = Saved::of(cluster).await?;
        let kubectl = async |line: &str| cluster.kubectl(&line.split(' ').collect::<Vec<_>>()).await;
        kubectl("delete configmap fixed -n harbour").await?;
        fill::apply(&client, FIXED).await?;

        let args = ["-n", "harbour", "--on-conflict", "recreate", "--wait", "2s"];
        let fixed = "configmaps harbour/fixed";
        let done = saved.outcomes(cluster, &args, 3).await;
        assert_eq!(done[fixed].0, "conflict", "{done:#?}");
        ensure!(done[fixed].1.contains("its finalizer `orphan` is still there"), "{:?}", done[fixed]);
        ensure!(done[fixed].1.contains("garbage collector of the target"), "{:?}", done[fixed]);
        ensure!(done.iter().all(|(name, it)| name == fixed || it.0 == "skipped"), "{done:#?}");
        let done = saved.outcomes(cluster, &args, 3).await;
        ensure!(
            done[fixed].1.contains("it waits for orphan (which the garbage collector removes)"),
            "{:?}",
            done[fixed]
        );

        // When somebody has done what it does, the same command goes on.
        kubectl("patch configmap fixed -n harbour --type=merge -p {\"metadata\":{\"finalizers\":null}}")
            .await?;
        let done = saved.outcomes(cluster, &args, 0).await;
        assert_eq!(done[fixed].0, "created");
        assert_eq!(live::everything(&client).await?["core/configmaps/harbour/fixed"]["data"]["a"], "b");
        Ok(())
    })
    .await
}
