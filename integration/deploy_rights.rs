//! The rights that deploy/ gives are enough, and none of them can be spared: with each one taken away in turn, a run says what it lacks.

use crate::{
    deploy_case::{place, rendered},
    deploy_events::Home,
    export::Export,
    lab::{ClusterOptions, fill, with_cluster},
    live,
};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deploy_gives_a_backup_the_rights_that_it_needs_and_no_other() -> Result<()> {
    with_cluster(ClusterOptions::default(), async |cluster| {
        fill::shop(&cluster.client().await?).await?;
        fill::apply(&cluster.client().await?, IN_TWO_VERSIONS).await?;
        let all = rendered(&place().join("kustomize/overlays/resources"))?;
        let home = Home::of(cluster, &all, "lifeboat-backup").await?;
        let backup = async || home.run(&["backup", "--resources-only", "-o", "json"]).await;

        // With all of them everything is saved, and nothing is complained of.
        let ran = backup().await?.expect(0);
        ensure!(!ran.stderr.contains("forbidden") && !ran.stderr.contains("WARN"), "{ran:?}");
        let manifest = ran.json();
        assert_eq!(manifest["status"], "Completed");
        let export = Export::read(&home.pod.boat, &manifest).await?;
        let there = live::everything(&cluster.client().await?).await?;
        let missing: Vec<_> = there.keys().filter(|name| !export.objects.contains_key(*name)).collect();
        ensure!(missing.iter().all(|name| name.starts_with("core/events/")), "{missing:?}");
        ensure!(
            export.objects.contains_key("shop.example.com/orders/shop/order-1001"),
            "no custom resources"
        );

        let role = of_kind(&all, "ClusterRole")?;
        for (what, less) in each_less(role) {
            fill::apply_all(&cluster.client().await?, &[less]).await?;
            let ran = backup().await?;
            ensure!(ran.stderr.contains("forbidden"), "nothing is said of the lack of {what}: {ran:?}");
            // What is saved without them is whole: what lacks is how the types are stored, and the cluster's UID.
            assert_eq!(ran.code != 0, what.starts_with("list"), "{what}: {ran:?}");
        }
        fill::apply_all(&cluster.client().await?, std::slice::from_ref(role)).await?;
        backup().await?.expect(0);
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deploy_gives_events_the_rights_that_they_need_and_no_other() -> Result<()> {
    with_cluster(ClusterOptions::default(), async |cluster| {
        let all = rendered(&place().join("kustomize/overlays/resources"))?;
        let home = Home::of(cluster, &all, "lifeboat-backup").await?;
        // What fails in the same way twice is one event, which is written again.
        home.pod.boat.edit(|text| text.replace(&cluster.etcd().endpoints()[0], "http://127.0.0.1:1"))?;
        let twice = async || {
            cluster.kubectl(&["delete", "events", "--all", "-n", "lifeboat"]).await?;
            let mut said = String::new();
            for _ in 0..2 {
                said += &home.run(&["backup", "--etcd-only"]).await?.expect(1).stderr;
            }
            anyhow::Ok(said)
        };
        let said = twice().await?;
        ensure!(!said.contains("could not be written"), "{said}");
        let role = of_kind(&all, "Role")?;
        let less = each_less(role);
        let whats: Vec<&str> = less.iter().map(|(what, _)| what.as_str()).collect();
        assert_eq!(whats, ["create events", "patch events", "get cronjobs"]);
        for (what, less) in less {
            fill::apply_all(&cluster.client().await?, &[less]).await?;
            let said = twice().await?;
            ensure!(
                said.contains("could not be written") && said.contains("forbidden"),
                "nothing is said of the lack of {what}: {said}"
            );
        }
        Ok(())
    })
    .await
}

fn of_kind<'a>(objects: &'a [Value], kind: &str) -> Result<&'a Value> {
    objects.iter().find(|it| it["kind"] == kind).with_context(|| kind.to_owned())
}
