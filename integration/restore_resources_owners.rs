//! Owner references hold UIDs, which are others after a restore; the garbage collector deletes what names none that is there.

use crate::{
    far_side::Saved,
    lab::{ClusterOptions, eventually, fill, with_cluster},
    live,
};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};

/// Two types, the second of them without namespaces.
const TYPES: &str = r#"
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: apps.own.example.com}
spec:
  group: own.example.com
  scope: Namespaced
  names: {plural: apps, kind: App}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: sites.own.example.com}
spec:
  group: own.example.com
  scope: Cluster
  names: {plural: sites, kind: Site}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]
---
{apiVersion: v1, kind: Namespace, metadata: {name: own}}
"#;

/// Objects in the order in which they are made: type, name, and the names of their owners.
const FAMILY: &[(&str, &str, &[&str])] = &[
    ("Site", "site", &[]),
    ("App", "root", &["site"]),
    ("App", "child", &["root"]),
    ("App", "grandchild", &["child"]),
    ("ConfigMap", "leaf", &["grandchild"]),
    // Owned by what comes in a later rank, by one of the same rank, by two, by a root without a namespace.
    ("Secret", "password", &["root"]),
    ("ConfigMap", "first", &[]),
    ("ConfigMap", "second", &["first"]),
    ("ConfigMap", "both", &["root", "first"]),
    ("Role", "of-site", &["site"]),
    ("ServiceAccount", "robot", &["child"]),
    ("Deployment", "engine", &["child"]),
    ("Secret", "engine-key", &["engine"]),
];

fn version(kind: &str) -> &'static str {
    match kind {
        "Site" | "App" => "own.example.com/v1",
        "Role" => "rbac.authorization.k8s.io/v1",
        "Deployment" => "apps/v1",
        _ => "v1",
    }
}

fn member(kind: &str, name: &str, owners: &[Value]) -> Value {
    let mut object = json!({"apiVersion": version(kind), "kind": kind,
        "metadata": {"name": name, "labels": {"family": "yes"}, "ownerReferences": owners}});
    if kind != "Site" {
        object["metadata"]["namespace"] = "own".into();
    }
    if kind == "Deployment" {
        object["spec"] = json!({"replicas": 0, "selector": {"matchLabels": {"app": name}}, "template": {
            "metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "a", "image": "registry.example.com/a:1"}]}}});
    }
    object
}

fn reference(owner: &Value) -> Value {
    let metadata = &owner["metadata"];
    json!({"apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": metadata["name"], "uid": metadata["uid"],
        "controller": false, "blockOwnerDeletion": true})
}

type Family = BTreeMap<String, Value>;

/// The members that are there, by kind and name.
async fn family(client: &kube::Client) -> Result<Family> {
    let all = live::everything(client).await?.into_iter();
    let all = all.filter(|(_, it)| it["metadata"]["labels"]["family"] == "yes");
    Ok(all.map(|(name, it)| (name.rsplit('/').next().unwrap_or_default().to_owned(), it)).collect())
}

/// Each owner that is named is there, with that UID; gives how many are named.
fn check(family: &Family) -> usize {
    let mut named = 0;
    for (name, object) in family {
        for owner in object["metadata"]["ownerReferences"].as_array().into_iter().flatten() {
            let there = &family[owner["name"].as_str().unwrap()];
            assert_eq!(reference(there), *owner, "{name}");
            named += 1;
        }
    }
    named
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restore_resources_owners_are_the_new_ones() -> Result<()> {
    with_cluster(ClusterOptions::default(), async |cluster| {
        let client = cluster.client().await?;
        fill::apply(&client, TYPES).await?;
        for (kind, name, owners) in FAMILY {
            let known = family(&client).await?;
            let owners: Vec<Value> = owners.iter().map(|it| reference(&known[*it])).collect();
            fill::apply(&client, &member(kind, name, &owners).to_string()).await?;
        }
        // The owner of one was never saved.
        let gone = json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "b5d4c1f0-0000-4000-8000-000000000000"});
        fill::apply(&client, &member("ConfigMap", "orphan", &[gone]).to_string()).await?;
        let saved = Saved::of(cluster).await?;

        with_cluster(ClusterOptions::full(), async |full| {
            let client = full.client().await?;
            // Owners are made before what they own, though they come in a later rank.
            let done = saved.outcomes(full, &[], 0).await;
            let lacking: Vec<_> = done.iter().filter(|(_, (it, _))| it != "created" && it != "skipped").collect();
            ensure!(lacking.is_empty(), "{lacking:?}");
            settle(&client).await?;
            let restored = family(&client).await?;
            assert_eq!(restored.len(), FAMILY.len() + 1, "{:?}", restored.keys());
            let owners: usize = FAMILY.iter().map(|(.., owners)| owners.len()).sum();
            assert_eq!(check(&restored), owners);
            ensure!(restored["orphan"]["metadata"].get("ownerReferences").is_none());
            let again = saved.outcomes(full, &["--on-conflict", "update"], 0).await;
            let written: Vec<_> = again.iter().filter(|(_, (it, _))| it != "skipped").collect();
            ensure!(written.is_empty(), "{written:?}");

            // One that is owned comes back alone: its owner is the one that is there.
            full.kubectl(&["-n", "own", "delete", "secret", "password"]).await?;
            let args = ["--kinds", "secrets", "-n", "own"];
            assert_eq!(saved.outcomes(full, &args, 0).await["secrets own/password"].0, "created");
            assert_eq!(check(&family(&client).await?), owners);

            // And where the owner is not restored, the reference is left out, and that is said.
            full.kubectl(&["-n", "own", "delete", "configmaps,secrets", "-l", "family=yes"]).await?;
            full.kubectl(&["-n", "own", "delete", "apps", "--all", "--cascade=orphan"]).await?;
            let ran = saved.restore(full, &["--kinds", "secrets,configmaps", "-n", "own"]).await.expect(0);
            let note = "its owner App root is not there: the reference is left out";
            ensure!(ran.stdout.contains(note), "{}", ran.stdout);
            settle(&client).await?;
            let alone = family(&client).await?;
            for name in ["leaf", "password", "first", "second", "both", "orphan", "engine-key"] {
                alone.get(name).with_context(|| format!("{name} was collected"))?;
            }
            let names = |name: &str| alone[name]["metadata"]["ownerReferences"].as_array().map_or(0, Vec::len);
            assert_eq!((names("leaf"), names("password"), names("both"), names("second")), (0, 0, 1, 1));
            assert_eq!(names("engine-key"), 1);
            Ok(())
        })
        .await
    })
    .await
}

/// Waits until the garbage collector has seen what there is: it then deletes what is made to be deleted.
async fn settle(client: &kube::Client) -> Result<()> {
    for kind in ["ConfigMap", "Secret"] {
        let gone = json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "none", "uid": "b5d4c1f0-0000-4000-8000-000000000001"});
        let mut bait = member(kind, "bait", &[gone]);
        bait["metadata"]["labels"] = json!({"bait": "yes"});
        fill::apply(client, &bait.to_string()).await?;
        let path = format!("/api/v1/namespaces/own/{}s/bait", kind.to_lowercase());
        eventually("the garbage collector has come", Duration::from_secs(90), async || {
            let answer = client.request::<Value>(http::Request::get(&path).body(Vec::new())?).await;
            Ok(answer.is_err().then_some(()))
        })
        .await?;
    }
    Ok(())
}
