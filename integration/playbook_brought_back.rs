//! Steps that bring objects back: what they make is what was saved, and what they take back is what they made.

use crate::{
    boat::Lifeboat,
    lab::{Cluster, ClusterOptions, eventually, fill, with_cluster},
    playbook_case::{book, difference, forget, journal, playbook, ship, state},
    playbook_crash::{At, killed_at},
};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::time::Duration;

const CARGO: &str = "\
apiVersion: v1
kind: ConfigMap
metadata: {name: manifest, namespace: ship, labels: {deck: lower}}
data: {crates: '412'}
---
apiVersion: v1
kind: Secret
metadata: {name: keys, namespace: ship}
stringData: {hatch: hush-hatch-code}
";
const HUSH: &str = "hush-hatch-code";
/// The same as in a Secret's `data`.
const HUSHED: &str = "aHVzaC1oYXRjaC1jb2Rl";

const BACK: &str = "    - {id: back, phase: recovery, action: restore.resources, args: {point: latest, namespaces: [ship]}, register: back}
    - {id: many, when: 'vars.back.made.exists(it, it.kind == \"Deployment\")', action: wait, args: {for: 1ms}}
";

/// What was saved and must be there again: everything of these that nobody but their makers set.
async fn cargo(cluster: &Cluster) -> Result<Vec<Value>> {
    let mut all = Vec::new();
    for (kind, name, fields) in [
        ("deployment", "deck", &["spec"][..]),
        ("configmap", "manifest", &["data"]),
        ("secret", "keys", &["data", "type"]),
        ("serviceaccount", "crew", &[]),
        ("role", "stowage", &["rules"]),
        ("rolebinding", "crew", &["roleRef", "subjects"]),
        ("networkpolicy", "all-aboard", &["spec"]),
        ("service", "deck", &["spec"]),
    ] {
        let text = cluster.kubectl(&["get", kind, name, "-n", "ship", "-o", "json"]).await?;
        let mut object: Value = serde_json::from_str(&text)?;
        let mut kept = json!({"kind": object["kind"], "labels": object["metadata"]["labels"]});
        if let Some(spec) = object["spec"].as_object_mut() {
            for name in ["clusterIP", "clusterIPs"] {
                spec.remove(name);
            }
        }
        for field in fields {
            ensure!(!object[*field].is_null(), "{kind} has no {field}");
            kept[*field] = object[*field].clone();
        }
        all.push(kept);
    }
    Ok(all)
}

async fn is_there(cluster: &Cluster, words: &str) -> bool {
    let words: Vec<&str> = words.split(' ').collect();
    cluster.kubectl(&[&["get"], &words[..]].concat()).await.is_ok()
}

async fn gone(cluster: &Cluster) -> Result<()> {
    eventually("the namespace is gone", Duration::from_secs(60), async || {
        Ok((!is_there(cluster, "namespace ship").await).then_some(()))
    })
    .await
}

/// The ship with its cargo, saved; and then it sinks.
async fn sunk(cluster: &Cluster) -> Result<(Lifeboat, Vec<Value>)> {
    let boat = ship(cluster).await?;
    fill::apply(&cluster.client().await?, CARGO).await?;
    let saved = cargo(cluster).await?;
    boat.backup(&["--resources-only"]).await;
    cluster.kubectl(&["delete", "namespace", "ship", "--wait=false"]).await?;
    gone(cluster).await?;
    playbook(&boat, "back", "", BACK)?;
    Ok((boat, saved))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn playbook_makes_a_namespace_again_and_takes_away_just_what_it_made() -> Result<()> {
    with_cluster(ClusterOptions::full(), async |cluster| {
        let (boat, saved) = sunk(cluster).await?;
        let before = state(cluster).await?;

        // The plan names what is missing, changes nothing, and holds nothing secret. Without a key there is none.
        let refused = book(&boat, "plan back.yaml").await.expect(6);
        ensure!(refused.stdout.contains("without an identity"), "{refused:?}");
        let shown = book(&boat, "plan back.yaml -i identity.txt").await.expect(0).stdout;
        ensure!(
            shown.contains("make Deployment ship/deck") && shown.contains("make Namespace ship"),
            "{shown}"
        );
        let plan =
            book(&boat, "plan back.yaml -i identity.txt --to plan.json -o json").await.expect(0).stdout;
        ensure!(!plan.contains(HUSH) && !plan.contains(HUSHED), "the plan holds a secret");
        assert_eq!(difference(&before, &state(cluster).await?), Vec::<String>::new());

        book(&boat, "run --plan plan.json back.yaml -i identity.txt").await.expect(0).says("COMPLETED");
        assert_eq!(cargo(cluster).await?, saved);
        let entries = journal(&boat)?;
        let written = serde_json::to_string(&entries)?;
        ensure!(!written.contains(HUSH) && !written.contains(HUSHED), "the journal holds a secret");
        let many = entries.iter().rfind(|it| it["what"] == "step-ended" && it["step"] == "many");
        assert_eq!(many.context("the second step")?["end"]["how"], "done");
        cluster.kubectl(&["rollout", "status", "deployment", "deck", "-n", "ship", "--timeout=60s"]).await?;

        // Somebody works on with one of them, and puts something of his own beside.
        cluster
            .kubectl(&["patch", "configmap", "manifest", "-n", "ship", "-p", r#"{"data":{"crates":"413"}}"#])
            .await?;
        cluster.kubectl(&["label", "secret", "keys", "-n", "ship", "mine=yes"]).await?;
        let ran = book(&boat, "undo latest").await.expect(3);
        ensure!(
            ran.stderr.contains("ConfigMap ship/manifest") && ran.stderr.contains("Namespace ship"),
            "{ran:?}"
        );
        for object in [
            "deployment deck",
            "service deck",
            "role stowage",
            "rolebinding crew",
            "networkpolicy all-aboard",
        ] {
            ensure!(!is_there(cluster, &format!("{object} -n ship")).await, "{object} was made by it");
        }
        let crates = cluster
            .kubectl(&["get", "configmap", "manifest", "-n", "ship", "-o", "jsonpath={.data.crates}"])
            .await?;
        assert_eq!(crates, "413");
        ensure!(is_there(cluster, "secret keys -n ship").await, "somebody has labelled it");

        // Only what is missing is made: what is there is somebody's.
        forget(&boat)?;
        book(&boat, "run back.yaml -i identity.txt --yes").await.expect(0);
        let text = cluster.kubectl(&["get", "deployment", "deck", "-n", "ship", "-o", "json"]).await?;
        assert_eq!(serde_json::from_str::<Value>(&text)?["spec"], saved[0]["spec"]);
        let crates = cluster
            .kubectl(&["get", "configmap", "manifest", "-n", "ship", "-o", "jsonpath={.data.crates}"])
            .await?;
        assert_eq!(crates, "413", "it was there, and stays as it is");
        book(&boat, "undo latest").await.expect(0);
        ensure!(
            is_there(cluster, "configmap manifest -n ship").await,
            "the namespace is not of the second run"
        );
        ensure!(!is_there(cluster, "deployment deck -n ship").await, "the deployment is");

        // What a playbook protects stays out of reach.
        let guards = "  guards: {protectedNamespaces: [ship]}\n";
        playbook(&boat, "kept", guards, BACK)?;
        let ran = book(&boat, "plan kept.yaml -i identity.txt").await.expect(6);
        ensure!(ran.stdout.contains("protected namespace ship"), "{ran:?}");
        Ok(())
    })
    .await
}

/// Runs the playbook behind a front that lets so many writes through, and kills it then.
async fn killed(boat: &Lifeboat, cluster: &Cluster, through: usize) -> Result<()> {
    let ended = killed_at(boat, cluster, "run back.yaml --yes -i identity.txt", (through, At::After)).await?;
    ensure!(ended.is_none(), "it came to its end: {ended:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn playbook_that_is_killed_while_it_brings_objects_back_goes_on_or_goes_back() -> Result<()> {
    with_cluster(ClusterOptions::full(), async |cluster| {
        let (boat, saved) = sunk(cluster).await?;
        for through in [0, 1, 4] {
            killed(&boat, cluster, through).await?;
            ensure!(is_there(cluster, "namespace ship").await, "something was made");
            ensure!(!is_there(cluster, "deployment deck -n ship").await, "and not everything");
            book(&boat, "resume latest -i identity.txt").await.expect(0).says("COMPLETED");
            assert_eq!(cargo(cluster).await?, saved, "{through}");
            book(&boat, "undo latest").await.expect(0);
            gone(cluster).await?;
            forget(&boat)?;

            // The same, and nobody goes on: what was made before it died is known all the same.
            killed(&boat, cluster, through).await?;
            book(&boat, "undo latest").await.expect(0);
            gone(cluster).await?;
            forget(&boat)?;
        }
        Ok(())
    })
    .await
}

const BESIDE: &str = "    - {id: beside, phase: evidence, action: restore.sandbox, args: {point: latest, namespace: ship, as: ship-then}, register: beside}
    - {id: note, when: 'vars.beside.namespace == \"ship-then\"', action: wait, args: {for: 1ms}}
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn playbook_makes_a_namespace_beside_the_real_one_in_which_nothing_runs() -> Result<()> {
    with_cluster(ClusterOptions::full(), async |cluster| {
        let boat = ship(cluster).await?;
        fill::apply(&cluster.client().await?, CARGO).await?;
        boat.backup(&["--resources-only"]).await;
        cluster
            .kubectl(&["patch", "configmap", "manifest", "-n", "ship", "-p", r#"{"data":{"crates":"9"}}"#])
            .await?;
        let before = state(cluster).await?;
        playbook(&boat, "beside", "", BESIDE)?;
        book(&boat, "run beside.yaml -i identity.txt --yes").await.expect(0).says("COMPLETED");
        let then = async |kind: &str, name: &str, path: &str| {
            cluster
                .kubectl(&["get", kind, name, "-n", "ship-then", "-o", &format!("jsonpath={{{path}}}")])
                .await
        };
        assert_eq!(then("configmap", "manifest", ".data.crates").await?, "412");
        assert_eq!(then("secret", "keys", ".data.hatch").await?, HUSHED);
        assert_eq!(then("deployment", "deck", ".spec.replicas").await?, "0");
        ensure!(then("service", "deck", ".spec").await.is_err(), "nobody is to be led there");
        let ours = |name: &String| name.contains("/ship/");
        let changed: Vec<String> =
            difference(&before, &state(cluster).await?).into_iter().filter(ours).collect();
        assert_eq!(changed, Vec::<String>::new(), "the real one is not touched");

        book(&boat, "undo latest").await.expect(0);
        eventually("it is gone", Duration::from_secs(60), async || {
            Ok((!is_there(cluster, "namespace ship-then").await).then_some(()))
        })
        .await?;
        assert_eq!(difference(&before, &state(cluster).await?), Vec::<String>::new());
        Ok(())
    })
    .await
}
