//! The rights that deploy/ gives are enough, and none of them can be spared: with each one taken away in turn, a run says what it lacks.

use crate::{
    boat::{Lifeboat, Ran},
    deploy_case::{place, rendered},
    export::Export,
    kube_credentials::altered,
    lab::{Cluster, ClusterOptions, fill, with_cluster},
    live,
};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::fs;

const OF_RIGHTS: [&str; 6] =
    ["Namespace", "ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"];

/// Which version it is stored in, only its definition tells.
const IN_TWO_VERSIONS: &str = "\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: berths.shop.example.com}
spec:
  group: shop.example.com
  scope: Namespaced
  names: {kind: Berth, plural: berths, singular: berth}
  versions:
    - {name: v1, served: true, storage: true, schema: &any {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}
    - {name: v2, served: true, storage: false, schema: *any}
";

/// Applies objects as an administrator.
async fn apply(cluster: &Cluster, objects: &[Value]) -> Result<()> {
    let file = cluster.etcd().dir().join("applied.json");
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
    fs::write(&file, list.to_string())?;
    cluster.kubectl(&["apply", "-f", &file.display().to_string()]).await.map(drop)
}

/// A kubeconfig with nothing but a token of this account.
async fn as_account(cluster: &Cluster, account: &str) -> Result<String> {
    let token = cluster.kubectl(&["create", "token", account, "-n", "lifeboat"]).await?;
    altered(cluster, &format!("{account}-kubeconfig"), |config| {
        config["users"][0]["user"] = json!({"token": token.trim()});
    })
}

/// The same role with one verb for one resource less, for each of them, and what that is.
fn each_less(role: &Value) -> Vec<(String, Value)> {
    let rules = role["rules"].as_array().cloned().unwrap_or_default();
    let words = |rule: &Value, field: &str| rule[field].as_array().cloned().unwrap_or_default();
    let mut all = Vec::new();
    for (at, rule) in rules.iter().enumerate() {
        for verb in words(rule, "verbs") {
            for resource in words(rule, "resources") {
                let without = |mut rule: Value, field: &str, word: &Value| {
                    rule[field] = words(&rule, field).into_iter().filter(|it| it != word).collect();
                    rule
                };
                // The others of its verbs for this resource, and all of them for the other resources.
                let mut verbs = without(rule.clone(), "verbs", &verb);
                verbs["resources"] = json!([resource]);
                let others = without(rule.clone(), "resources", &resource);
                let kept = |it: &Value| !words(it, "verbs").is_empty() && !words(it, "resources").is_empty();
                let mut less = role.clone();
                let rest = rules.iter().enumerate().filter(|(other, _)| *other != at);
                less["rules"] = rest
                    .map(|(_, rule)| rule.clone())
                    .chain([verbs, others].into_iter().filter(kept))
                    .collect();
                let word = |it: &Value| it.as_str().unwrap_or_default().to_owned();
                all.push((format!("{} {}", word(&verb), word(&resource)), less));
            }
        }
    }
    all
}

async fn backup(boat: &Lifeboat, kubeconfig: &str) -> Ran {
    boat.run(&["backup", "--resources-only", "--kubeconfig", kubeconfig, "-o", "json"]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deploy_gives_a_backup_the_rights_that_it_needs_and_no_other() -> Result<()> {
    with_cluster(ClusterOptions::default(), async |cluster| {
        fill::shop(&cluster.client().await?).await?;
        fill::apply(&cluster.client().await?, IN_TWO_VERSIONS).await?;
        let all = rendered(&place().join("kustomize/overlays/resources"))?;
        let of_rights = |it: &Value| it["kind"].as_str().is_some_and(|kind| OF_RIGHTS.contains(&kind));
        let rights: Vec<Value> = all.into_iter().filter(of_rights).collect();
        apply(cluster, &rights).await?;
        let boat = Lifeboat::init(cluster.etcd().dir(), None, None).await?;
        let kubeconfig = as_account(cluster, "lifeboat-backup").await?;

        // With all of them everything is saved, and nothing is complained of.
        let ran = backup(&boat, &kubeconfig).await.expect(0);
        ensure!(!ran.stderr.contains("forbidden") && !ran.stderr.contains("WARN"), "{ran:?}");
        let manifest = ran.json();
        assert_eq!(manifest["status"], "Completed");
        let export = Export::read(&boat, &manifest).await?;
        let there = live::everything(&cluster.client().await?).await?;
        let missing: Vec<_> = there.keys().filter(|name| !export.objects.contains_key(*name)).collect();
        ensure!(missing.iter().all(|name| name.starts_with("core/events/")), "{missing:?}");
        ensure!(
            export.objects.contains_key("shop.example.com/orders/shop/order-1001"),
            "no custom resources"
        );

        let roles = rights.iter().filter(|it| it["kind"].as_str().is_some_and(|kind| kind.ends_with("Role")));
        for role in roles {
            let less = each_less(role);
            ensure!(!less.is_empty(), "{role}");
            for (what, less) in less {
                apply(cluster, &[less]).await?;
                let ran = backup(&boat, &kubeconfig).await;
                ensure!(ran.stderr.contains("forbidden"), "nothing is said of the lack of {what}: {ran:?}");
                // What is saved without them is whole: what lacks is how the types are stored, and the cluster's UID.
                assert_eq!(ran.code != 0, what.starts_with("list"), "{what}: {ran:?}");
                apply(cluster, std::slice::from_ref(role)).await?;
            }
        }
        backup(&boat, &kubeconfig).await.expect(0);
        Ok(())
    })
    .await
    .context("rights")
}
