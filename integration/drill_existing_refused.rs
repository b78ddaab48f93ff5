//! Clusters that no drill may use, and what is in the way in one that it may: nothing is made there.

use crate::{
    drill_existing_case::{Site, site, uid},
    lab::fill,
};
use anyhow::Result;
use serde_json::Value;
use std::fs;

/// Runs a drill that must be refused, and gives its evidence.
async fn refused(site: &Site, why: &str) -> Value {
    let evidence = site.drill().await.expect(1).json();
    assert_eq!(evidence["verdict"], "failed", "{evidence:#}");
    let reasons = evidence["reasons"].to_string();
    assert!(reasons.contains(why), "{why}: {reasons}");
    evidence
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_a_named_cluster_that_is_not_the_source_and_holds_nothing_of_it_is_used() -> Result<()> {
    let site = site().await?;
    let kubeconfig = site.cluster.kubeconfig().display().to_string();
    let before = site.all().await?;
    let known = fs::read_to_string(site.boat.path("lifeboat.yaml"))?;
    let own = uid(&site.cluster).await?;
    let with = |from: &str, to: &str| {
        let text = known.replace(from, to);
        assert_ne!(text, known, "{from}");
        fs::write(site.boat.path("lifeboat.yaml"), text)
    };

    site.write("", "restore: [etcd]")?;
    site.boat
        .run(&["drill", "run", "drill.yaml", "-i", "identity.txt"])
        .await
        .expect(2)
        .says("drill.yaml:5:11: restore[0]: cannot be restored");
    site.write("", "")?;

    with("{context: lab, uid", "{context: other, uid")?;
    refused(&site, "`lab` is not among the clusters that drills may use").await;
    with(&own, "00000000-0000-0000-0000-000000000000")?;
    refused(&site, "only for the cluster with UID 00000000-0000-0000-0000-000000000000").await;
    with(&site.cluster.url(), "https://192.0.2.1:6443")?;
    refused(&site, "and address https://192.0.2.1:6443").await;

    // The cluster that the configuration saves, by its UID, and by its address where it does not tell that.
    let line = known.lines().find(|line| line.starts_with("  kubeconfig: ")).unwrap();
    with(line, &format!("  kubeconfig: '{kubeconfig}'"))?;
    refused(&site, "has the same UID").await;
    let nobody = site.cluster.kubeconfig_for("nobody", None)?;
    with(line, &format!("  kubeconfig: '{}'", nobody.display()))?;
    refused(&site, "is the address of the API server that the configuration saves").await;
    fs::write(site.boat.path("lifeboat.yaml"), &known)?;

    site.write_for(&nobody.display().to_string(), "", "")?;
    refused(&site, "may not be read, so that it cannot be told from the source").await;
    site.write_for("/nowhere", "", "")?;
    refused(&site, "/nowhere").await;
    site.same(&before, &site.all().await?);

    // A namespace of the same name, with something of somebody's.
    let theirs = "{apiVersion: v1, kind: Namespace, metadata: {name: quay}}\n---\n\
                  {apiVersion: v1, kind: ConfigMap, metadata: {name: tides, namespace: quay}, data: {high: mine}}\n";
    fill::apply(&site.cluster.client().await?, theirs).await?;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    let before = site.all().await?;
    site.write("", "")?;
    let evidence = refused(&site, "2 objects of the export are in that cluster already").await;
    assert!(!evidence.to_string().contains("tides"), "{evidence:#}");
    site.same(&before, &site.all().await?);
    let told = site.boat.run(&["drill", "run", "drill.yaml", "-i", "identity.txt"]).await.expect(1).stdout;
    assert!(told.contains("configmaps quay/tides") && told.contains("namespaces quay"), "{told}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_cluster_that_was_saved_is_refused_by_its_uid() -> Result<()> {
    let site = site().await?;
    // The cluster of others is saved as well, under another name for its address.
    site.boat.edit(|text| {
        let line = text.lines().find(|line| line.starts_with("  kubeconfig: ")).unwrap().to_owned();
        text.replace(&line, &format!("  kubeconfig: '{}'", site.cluster.kubeconfig().display()))
    })?;
    site.boat.run(&["backup", "--resources-only"]).await.expect(0);
    site.boat.edit(|text| {
        let line = text.lines().find(|line| line.starts_with("  kubeconfig: ")).unwrap().to_owned();
        text.replace(&line, "  kubeconfig: /nowhere")
    })?;
    site.write("", "")?;
    let before = site.all().await?;
    refused(&site, "is the one that was saved").await;
    site.same(&before, &site.all().await?);
    Ok(())
}
