//! The strongest test of the program: a whole cluster is saved, destroyed, and brought back with the key alone.

use crate::{
    boat::Lifeboat,
    export::{Export, Name},
    lab::{ApiServer, Cluster, ClusterOptions, Etcd, EtcdOptions, fill, with_cluster},
    live,
};
use anyhow::{Result, ensure};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What a cluster at rest goes on writing: heartbeats, and news of them.
const RESTLESS: &[&str] = &["coordination.k8s.io/leases/", "core/nodes/", "core/events/"];

type Objects = BTreeMap<Name, Value>;

fn restless(name: &str) -> bool {
    RESTLESS.iter().any(|beginning| name.starts_with(beginning))
}

fn version(object: &Value) -> (&Value, &Value) {
    (&object["metadata"]["uid"], &object["metadata"]["resourceVersion"])
}

/// An object that was changed or removed, and should not have been.
fn moved<'a>(before: &'a Objects, after: &Objects) -> Option<&'a Name> {
    let still = |name, object| after.get(name).is_some_and(|later| version(later) == version(object));
    before.iter().find(|(name, object)| !restless(name) && !still(*name, object)).map(|(name, _)| name)
}

/// Compares an export with what the server had before and after it.
async fn assert_exact(export: &Export, before: &Objects, after: &Objects, server: &ApiServer) -> Result<()> {
    for (name, object) in before {
        let unchanged = after.get(name).is_some_and(|later| version(later) == version(object));
        ensure!(export.objects.contains_key(name) || !unchanged, "{name} is missing");
    }
    for name in export.objects.keys() {
        let computed = name.starts_with("core/componentstatuses/");
        ensure!(computed || before.contains_key(name) || after.contains_key(name), "{name} was never there");
    }
    let alone = live::each(&server.client().await?, export.objects.iter()).await?;
    assert_same(export, &alone)
}

/// Each object of the export is as it is there, field by field; restless ones if they are of the same version.
fn assert_same(export: &Export, there: &Objects) -> Result<()> {
    let mut compared = 0;
    for (name, object) in &export.objects {
        match there.get(name) {
            Some(other) if restless(name) && version(other) != version(object) => {}
            None if restless(name) => {}
            found => {
                assert_eq!(found, Some(object), "{name}");
                compared += 1;
            }
        }
    }
    ensure!(compared > 100, "only {compared} objects were compared");
    Ok(())
}

/// Restores every member with the key alone, and starts an API server on them.
async fn bring_back(boat: &Lifeboat, cluster: &Cluster, options: EtcdOptions) -> Result<(Etcd, ApiServer)> {
    cluster.kill();
    cluster.etcd().members().iter().for_each(|member| member.kill());
    let again = Etcd::prepare(&cluster.etcd().dir().join("again"), options)?;
    for member in again.members() {
        let (data_dir, peer) = (member.data_dir.display().to_string(), member.peer_url());
        let restore = ["restore", "etcd", "latest", "-i", "identity.txt", "--data-dir", &data_dir];
        let place = ["--name", &member.name, "--initial-cluster", &again.initial_cluster()];
        let peer = ["--initial-advertise-peer-urls", &peer];
        boat.run(&[&restore[..], &place, &peer].concat()).await.expect(0);
    }
    again.boot().await?;
    let server = cluster.apiserver_on(&again).await?;
    Ok((again, server))
}

async fn round_trip(options: ClusterOptions) -> Result<()> {
    let (full, encrypted, again) = (options.full, options.encrypt_secrets, options.etcd.clone());
    with_cluster(options, async |cluster| {
        let client = cluster.client().await?;
        if full {
            cluster.add_node("node-0").await?;
        }
        fill::shop(&client).await?;
        fill::api(&client, 120, 3).await?;
        if full {
            for deployment in ["shop/storefront", "payments/ledger", "monitoring/watchman"] {
                let (namespace, name) = deployment.split_once('/').unwrap_or_default();
                let ready = ["rollout", "status", "deployment", name, "-n", namespace, "--timeout=60s"];
                cluster.kubectl(&ready).await?;
            }
        }

        let boat = Lifeboat::init(cluster.etcd().dir(), Some(cluster.etcd()), Some(cluster)).await?;
        // The controllers of a busy machine take their time until they rest.
        let mut tries = 0;
        let (before, manifest, after) = loop {
            let before = live::everything(&client).await?;
            let manifest = boat.backup(&["--read-back"]).await;
            let after = live::everything(&client).await?;
            tries += 1;
            match moved(&before, &after) {
                Some(name) => ensure!(tries < 10, "{name} changed in a cluster at rest"),
                None => break (before, manifest, after),
            }
        };
        assert_eq!(manifest["status"], "Completed");
        let kinds: Vec<_> = manifest["artifacts"].as_array().unwrap().iter().map(|a| &a["kind"]).collect();
        assert_eq!(kinds, ["etcd", "resources", "resources-index"]);
        assert_eq!(
            manifest["cluster"]["uid"],
            before["core/namespaces/_cluster/kube-system"]["metadata"]["uid"]
        );
        let export = Export::read(&boat, &manifest).await?;
        assert_exact(&export, &before, &after, cluster).await?;
        let secret = &export.objects["core/secrets/shop/storefront-session"];
        // base64 of `not-a-secret-session-key`
        assert_eq!(secret["data"], json!({"key": "bm90LWEtc2VjcmV0LXNlc3Npb24ta2V5"}));
        boat.verify_all().await;
        assert_kept_as(&boat, encrypted).await;

        let (_etcd, server) = bring_back(&boat, cluster, again).await?;
        let restored = live::each(&server.client().await?, export.objects.iter()).await?;
        assert_same(&export, &restored)?;
        let get =
            ["get", "secret", "card-processor", "-n", "payments", "-o", "json", "--show-managed-fields"];
        let secret: Value = serde_json::from_str(&server.kubectl(&get).await?)?;
        assert_eq!(secret, export.objects["core/secrets/payments/card-processor"]);
        Ok(())
    })
    .await
}

/// How the snapshot shows a secret: its fields by name, or who can decrypt it.
async fn assert_kept_as(boat: &Lifeboat, encrypted: bool) {
    let key = "/registry/secrets/shop/storefront-session";
    let inspect = ["inspect", "latest", "-i", "identity.txt", "-o", "json", "--show-secrets", "--key", key];
    let shown = boat.run(&inspect).await.expect(0).stdout;
    if encrypted {
        assert!(shown.contains("secretbox") && shown.contains("\"lab\""), "{shown}");
    }
    assert_eq!(shown.contains("bm90LWEtc2VjcmV0LXNlc3Npb24ta2V5"), !encrypted, "{shown}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_of_three_members_comes_back_equal() -> Result<()> {
    let etcd = EtcdOptions { members: 3, tls: true, ..EtcdOptions::default() };
    round_trip(ClusterOptions { etcd, ..ClusterOptions::full() }).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_encrypted_at_rest_come_back_equal() -> Result<()> {
    round_trip(ClusterOptions { encrypt_secrets: true, ..ClusterOptions::default() }).await
}
