//! A recovery point of the first version of the format: every later program restores it.

use crate::{
    boat::{Lifeboat, Ran},
    export::Export,
    lab::{ClusterOptions, fill, with_cluster},
    live,
    restored::assert_restored,
};
use anyhow::{Result, ensure};
use serde_json::Value;
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

/// What is in it.
const OBJECTS: &str = "
{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {team: storefront}}}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: orders.shop.example.com}
spec:
  group: shop.example.com
  scope: Namespaced
  names: {plural: orders, singular: order, kind: Order}
  versions:
    - name: v1
      served: true
      storage: true
      schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: storefront, namespace: shop}, data: {currency: EUR}}
---
{apiVersion: v1, kind: Secret, metadata: {name: session, namespace: shop}, stringData: {key: not-a-secret}}
---
apiVersion: v1
kind: Service
metadata: {name: storefront, namespace: shop}
spec: {selector: {app: storefront}, ports: [{port: 80}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: storefront, namespace: shop}
spec:
  replicas: 2
  selector: {matchLabels: {app: storefront}}
  template:
    metadata: {labels: {app: storefront}}
    spec: {containers: [{name: storefront, image: registry.example.com/shop/storefront:2.4.1}]}
---
{apiVersion: shop.example.com/v1, kind: Order, metadata: {name: order-1, namespace: shop}, spec: {total: 42.00 EUR}}
";

fn place() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("integration/fixtures/point-v1")
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let copied = Command::new("cp").arg("-r").arg(from).arg(to).status()?;
    ensure!(copied.success(), "cp: {copied}");
    Ok(())
}

/// Makes the fixture where there is none: once for each version of the format.
#[tokio::test]
#[ignore = "it writes into the source tree"]
async fn restore_resources_fixture_is_made() -> Result<()> {
    ensure!(!place().join("store").exists(), "it is there, and stays as it is");
    with_cluster(ClusterOptions::default(), async |cluster| {
        fill::apply(&cluster.client().await?, OBJECTS).await?;
        let boat = Lifeboat::init(cluster.etcd().dir(), None, Some(cluster)).await?;
        let types = "resources: {include: [namespaces, customresourcedefinitions, configmaps, secrets, services, deployments.apps, orders.shop.example.com]";
        boat.edit(|text| {
            let text: Vec<&str> = text.lines().filter(|line| !line.starts_with("resources:")).collect();
            format!("{}\n{types}, includeNamespaces: [shop]}}\n", text.join("\n"))
        })?;
        boat.backup(&[]).await;
        fs::create_dir_all(place())?;
        for name in ["store", "identity.txt", "signing.pub"] {
            copy(&boat.path(name), &place().join(name))?;
        }
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restore_resources_fixture_restores_without_a_configuration() -> Result<()> {
    with_cluster(ClusterOptions::default(), async |cluster| {
        let dir = tempfile::tempdir()?;
        copy(&place(), &dir.path().join("boat"))?;
        let boat = Lifeboat::at(dir.path().join("boat")).await?;
        // A checkout makes it readable for all.
        fs::set_permissions(boat.path("identity.txt"), fs::Permissions::from_mode(0o600))?;
        let store = format!("file://{}", boat.path("store").display());
        let kubeconfig = cluster.kubeconfig().display().to_string();
        let run = async |args: &str| -> Ran {
            let args: Vec<&str> = args.split(' ').collect();
            boat.run(&[&args[..], &["--store", &store, "--public-key", "signing.pub"]].concat()).await
        };
        run("verify --all --deep -i identity.txt").await.expect(0);
        let found = run("find orders/order-1 -i identity.txt -o json").await.expect(0).json();
        assert!(found["objects"][0]["runs"][0]["points"][0].is_string(), "{found:#}");
        let got = run("get latest secret session -n shop -i identity.txt -o json").await.expect(0).json();
        assert_eq!(got["data"]["key"], "bm90LWEtc2VjcmV0");

        let manifest: Value = run("show latest -o json").await.expect(0).json();
        let export = Export::read(&boat, &manifest).await?;
        let restore = format!("restore resources latest -i identity.txt --kubeconfig {kubeconfig}");
        run(&restore).await.expect(0);
        let client = cluster.client().await?;
        let alone = live::each(&client, export.objects.iter()).await?;
        ensure!(assert_restored(&export, &alone, |_| true) >= 7);
        run(&format!("{restore} --dry-run --on-conflict fail")).await.expect(0);
        Ok(())
    })
    .await
}
