//! The chart of deploy/helm in a cluster of kind, as deploy/README.md says: a release that saves the cluster, changes, and goes.

use crate::{
    deploy_case::{Deployed, STORE, block, replaced},
    deploy_kind::{kinds, newest, points},
    lab::{apiserver, eventually},
    live,
};
use anyhow::{Context, Result, ensure};
use serde_json::json;
use std::{collections::BTreeSet, fs, time::Duration};

/// The Secrets that its user made, and what Kubernetes puts into each namespace.
const LEFT: [&str; 5] = [
    "core/configmaps/lifeboat/kube-root-ca.crt",
    "core/secrets/lifeboat/lifeboat-signing",
    "core/secrets/lifeboat/lifeboat-store",
    "core/secrets/lifeboat/lifeboat-store-prune",
    "core/serviceaccounts/lifeboat/default",
];

/// A backup is completed, an upgrade takes effect, and what is left then is the user's: Secrets, and recovery points.
pub async fn a_release_saves_and_goes(deployed: &Deployed) -> Result<()> {
    deployed.choose("resources")?;
    let (name, tag) = deployed.image.name().split_once(':').context("a tag")?;
    let image = format!("repository: {name}, tag: {tag}");
    let mine = replaced(
        block("yaml", "variant: ")?,
        &[("control-plane", "resources"), ("repository: registry.example.com/lifeboat, tag: 0.1.0", &image)],
    )?;
    // Whatever the hour is.
    let quiet = "\nbackup: {suspend: true}\nverify: {suspend: true}\nprune: {suspend: true}\n";
    let patch = deployed.here(block("yaml", STORE)?)?;
    let (_, rule) = patch.split_once("value: ").context("no rule")?;
    let network = format!("networkPolicy: {{store: {}}}\n", rule.trim());
    fs::write(deployed.desk.join("values.yaml"), mine + quiet + &network)?;
    let (_, complaints) = deployed.shell(&block("sh helm", "helm install")?)?;
    let secrets = block("sh setup", "kubectl")?.replacen("kubectl apply -k .\n", "", 1);
    assert_eq!(complaints + &deployed.shell(&secrets)?.1, "");

    deployed.start("lifeboat-backup", "by-helm").await?.completed();
    let manifest = newest(deployed).await?;
    assert_eq!(
        (kinds(&manifest), &manifest["status"]),
        (vec!["resources", "resources-index"], &json!("Completed"))
    );

    let args = "\nbackup: {suspend: true, args: [backup, --resources-only, --job, upgraded]}\n";
    let values = fs::read_to_string(deployed.desk.join("values.yaml"))?;
    let values = replaced(values, &[("\nbackup: {suspend: true}\n", args)])?;
    fs::write(deployed.desk.join("values.yaml"), values)?;
    assert_eq!(deployed.shell(&block("sh helm-upgrade", "helm upgrade")?)?.1, "");
    deployed.start("lifeboat-backup", "upgraded").await?.completed();
    assert_eq!(newest(deployed).await?["job"], "upgraded");

    let saved = points(deployed).await?;
    ensure!(saved.len() == 2, "{saved:?}");
    assert_eq!(deployed.shell("helm uninstall lifeboat -n lifeboat")?.1, "");
    let client = apiserver::client(deployed.cluster.kubeconfig()).await?;
    let mut left = BTreeSet::new();
    let gone = eventually("what is its user's alone", Duration::from_secs(90), async || {
        let ours = |name: &String| name.contains("/lifeboat/") || name.ends_with("/lifeboat-backup");
        left = live::everything(&client).await?.into_keys().filter(ours).collect();
        left.retain(|name| !name.starts_with("core/events/"));
        Ok((left == LEFT.map(str::to_owned).into()).then_some(()))
    })
    .await;
    gone.with_context(|| format!("{left:?}"))?;
    assert_eq!(points(deployed).await?, saved);
    deployed.shell("kubectl delete namespace lifeboat").map(drop)
}
