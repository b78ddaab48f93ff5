//! Volumes and their claims: a claim that is restored is another one, and gets its volume all the same.

use crate::{
    far_side::Saved,
    lab::{Cluster, ClusterOptions, eventually, fill, with_cluster},
};
use anyhow::{Context, Result, ensure};
use std::time::Duration;

const BARGE: &str = r#"
{apiVersion: v1, kind: Namespace, metadata: {name: harbour}}
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: barge}
spec:
  capacity: {storage: 1Gi}
  accessModes: [ReadWriteOnce]
  persistentVolumeReclaimPolicy: Retain
  hostPath: {path: /nowhere}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: hold, namespace: harbour}
spec: {storageClassName: "", volumeName: barge, accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
"#;

async fn kubectl(cluster: &Cluster, line: &str) -> Result<String> {
    cluster.kubectl(&line.split(' ').collect::<Vec<_>>()).await
}

async fn is_in_phase(cluster: &Cluster, object: &str, phase: &str) -> Result<()> {
    eventually(phase, Duration::from_secs(60), async || {
        let now = kubectl(cluster, &format!("get {object} -n harbour -o jsonpath={{.status.phase}}")).await?;
        Ok((now == phase).then_some(()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restore_resources_volumes_are_bound_again() -> Result<()> {
    with_cluster(ClusterOptions::full(), async |cluster| {
        fill::apply(&cluster.client().await?, BARGE).await?;
        is_in_phase(cluster, "pvc/hold", "Bound").await?;
        let saved = Saved::of(cluster).await?;

        // In another cluster the volume waits for the claim of that name, whatever its UID.
        with_cluster(ClusterOptions::full(), async |empty| {
            let done = saved.outcomes(empty, &["-n", "harbour"], 0).await;
            assert_eq!(done["persistentvolumes barge"].0, "created");
            is_in_phase(empty, "pvc/hold", "Bound").await?;
            is_in_phase(empty, "pv/barge", "Bound").await
        })
        .await?;

        // In the old one it is left from the claim that is gone.
        kubectl(cluster, "delete pvc hold -n harbour").await?;
        is_in_phase(cluster, "pv/barge", "Released").await?;
        let plan = saved.restore(cluster, &["-n", "harbour", "--dry-run"]).await.expect(0).stdout;
        let line =
            plan.lines().find(|line| line.contains("persistentvolumes barge: ")).context(plan.clone())?;
        ensure!(
            line.contains("it is Released, and belongs to the claim harbour/hold that is gone"),
            "{line}"
        );
        let json = saved.restore(cluster, &["-n", "harbour", "-o", "json"]).await.expect(0).json();
        let finding = json["findings"][0]["text"].as_str().context("no finding")?;
        ensure!(line.contains(finding), "{line}\n{finding}");

        // So it is, and what was said helps.
        is_in_phase(cluster, "pvc/hold", "Pending").await?;
        let (_, command) = finding.split_once("kubectl ").context("no command")?;
        let (words, patch) = command.split_once(" -p ").context("no patch")?;
        let words = words.split(' ').chain(["-p", patch.trim_matches('\'')]);
        cluster.kubectl(&words.collect::<Vec<_>>()).await?;
        is_in_phase(cluster, "pvc/hold", "Bound").await?;
        is_in_phase(cluster, "pv/barge", "Bound").await?;
        let plan = saved.restore(cluster, &["-n", "harbour", "--dry-run"]).await.expect(0).stdout;
        ensure!(!plan.contains("persistentvolumes barge: "), "{plan}");
        Ok(())
    })
    .await
}
