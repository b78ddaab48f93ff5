//! Workloads and nodes: started again, rolled back, closed, tainted, emptied; and what is ready.

use crate::{
    lab::{ClusterOptions, eventually, fill, with_cluster},
    playbook_case::{book, difference, forget, get, playbook, ship, state},
};
use anyhow::{Result, ensure};
use serde_json::{Value, json};
use std::time::Duration;

const DECK: &str = "{kind: Deployment, namespace: ship, name: deck}";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn playbook_restarts_workloads_and_rolls_them_back() -> Result<()> {
    with_cluster(ClusterOptions::full(), async |cluster| {
        let boat = ship(cluster).await?;
        let rolled = async || cluster.kubectl(&["rollout", "status", "deployment", "deck", "-n", "ship", "--timeout=60s"]).await;
        let images = async || {
            let line = ["get", "pods", "-n", "ship", "-l", "app=deck", "-o", "jsonpath={.items[*].spec.containers[*].image}"];
            let found = cluster.kubectl(&line).await?;
            let mut found: Vec<String> = found.split(' ').map(str::to_owned).collect();
            found.dedup();
            anyhow::Ok(found)
        };
        let template = async || anyhow::Ok(get(cluster, "deployment", "deck").await?["spec"]["template"].clone());
        let first = template().await?;
        cluster.kubectl(&["set", "image", "deployment/deck", "-n", "ship", "app=registry.example.com/deck:bad"]).await?;
        rolled().await?;
        let bad = template().await?;

        playbook(&boat, "back", "", &format!("    - {{id: back, action: workload.rollback, args: {{target: {DECK}, wait: true, within: 60s}}}}\n"))?;
        book(&boat, "run back.yaml --yes").await.expect(0);
        assert_eq!(template().await?, first);
        // The step was over when every pod was of the old template; those that are on their way out may be there a moment longer.
        eventually("pods of the old image only", Duration::from_secs(30), async || {
            Ok((images().await? == ["registry.example.com/deck"]).then_some(()))
        })
        .await?;
        book(&boat, "undo latest").await.expect(0);
        assert_eq!(template().await?, bad);
        rolled().await?;
        forget(&boat)?;
        for (revision, why) in [("99", "revision 99"), ("4", "already")] {
            playbook(&boat, "none", "", &format!("    - {{id: back, action: workload.rollback, args: {{target: {DECK}, revision: {revision}}}}}\n"))?;
            let ran = book(&boat, "run none.yaml --yes").await;
            ensure!(ran.code != 0 && ran.stderr.contains(why), "{why}: {ran:?}");
        }
        assert_eq!(template().await?, bad);

        let uids = async || cluster.kubectl(&["get", "pods", "-n", "ship", "-l", "app=deck", "-o", "jsonpath={.items[*].metadata.uid}"]).await;
        let had = uids().await?;
        playbook(&boat, "restart", "", &format!("    - {{id: again, action: workload.restart, args: {{target: {DECK}, wait: true, within: 60s}}}}\n    - {{id: ready, action: check.ready, args: {{namespace: ship, within: 60s}}}}\n"))?;
        book(&boat, "run restart.yaml --yes").await.expect(0);
        eventually("other pods", Duration::from_secs(30), async || {
            let now = uids().await?;
            Ok((now.split(' ').count() == 2 && now.split(' ').all(|uid| !had.contains(uid))).then_some(()))
        })
        .await?;
        ensure!(template().await?["metadata"]["annotations"]["kubectl.kubernetes.io/restartedAt"].is_string());
        book(&boat, "undo latest").await.expect(0);
        assert_eq!(template().await?, bad);
        forget(&boat)?;

        // What is not ready is told, and by its name.
        let late = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: late, namespace: ship}\nspec: {accessModes: [ReadWriteOnce], storageClassName: none, resources: {requests: {storage: 1Gi}}}\n";
        fill::apply(&cluster.client().await?, late).await?;
        playbook(&boat, "ready", "", "    - {id: ready, action: check.ready, args: {namespace: ship, within: 1s}}\n")?;
        let ran = book(&boat, "run ready.yaml --yes").await.expect(1);
        ran.says("PersistentVolumeClaim ship/late");
        Ok(())
    })
    .await
}

/// A pod of each sort on a node of their own.
const CARGO: &str = "\
apiVersion: v1
kind: Pod
metadata: {name: plain, namespace: ship, labels: {app: plain}}
spec: {nodeName: node-1, containers: [{name: a, image: x}], volumes: [{name: scratch, emptyDir: {}}]}
---
apiVersion: v1
kind: Pod
metadata: {name: suspect, namespace: ship, labels: {app: suspect}}
spec: {nodeName: node-1, containers: [{name: a, image: x}]}
---
apiVersion: v1
kind: Pod
metadata: {name: budgeted, namespace: ship, labels: {app: budgeted}}
spec: {nodeName: node-1, containers: [{name: a, image: x}]}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: budgeted, namespace: ship}
spec: {minAvailable: 1, selector: {matchLabels: {app: budgeted}}}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: pump, namespace: ship}
spec:
  selector: {matchLabels: {app: pump}}
  template: {metadata: {labels: {app: pump}}, spec: {containers: [{name: a, image: x}]}}
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn playbook_closes_taints_and_empties_a_node_as_budgets_allow() -> Result<()> {
    with_cluster(ClusterOptions::full(), async |cluster| {
        let boat = ship(cluster).await?;
        cluster.add_node("node-1").await?;
        fill::apply(&cluster.client().await?, CARGO).await?;
        for pod in ["plain", "suspect", "budgeted"] {
            cluster.kubectl(&["wait", "--for=condition=Ready", "pod", pod, "-n", "ship", "--timeout=60s"]).await?;
        }
        cluster.kubectl(&["rollout", "status", "daemonset", "pump", "-n", "ship", "--timeout=60s"]).await?;
        let spec = async || anyhow::Ok(get(cluster, "node", "node-1").await?["spec"].clone());
        let before = spec().await?;

        let close = "    - {id: cordon, action: node.cordon, args: {node: node-1, protectFromScaleDown: true}}
    - {id: taint, action: node.taint, args: {node: node-1, key: incident, value: '7', effect: NoSchedule}}
";
        playbook(&boat, "close", "", close)?;
        book(&boat, "run close.yaml --yes").await.expect(0);
        let node = get(cluster, "node", "node-1").await?;
        assert_eq!(node["spec"]["unschedulable"], true);
        assert_eq!(node["metadata"]["annotations"]["cluster-autoscaler.kubernetes.io/scale-down-disabled"], "true");
        let incident = json!({"key": "incident", "value": "7", "effect": "NoSchedule"});
        ensure!(node["spec"]["taints"].as_array().unwrap().contains(&incident), "{node:#}");
        // A controller writes its own taint beside it: that is nobody's business.
        eventually("the taint of a closed node", Duration::from_secs(30), async || {
            Ok(spec().await?["taints"].as_array().is_some_and(|it| it.len() == 2).then_some(()))
        })
        .await?;
        book(&boat, "undo latest").await.expect(0);
        eventually("the node as it was", Duration::from_secs(30), async || Ok((spec().await? == before).then_some(()))).await?;
        forget(&boat)?;

        eventually("the budget to count", Duration::from_secs(30), async || {
            Ok((get(cluster, "pdb", "budgeted").await?["status"]["currentHealthy"] == 1).then_some(()))
        })
        .await?;
        let drain = |wait: &str| {
            format!("    - {{id: cordon, action: node.cordon, args: {{node: node-1}}}}
    - {{id: drain, action: node.drain, args: {{node: node-1, exclude: [{{kind: Pod, namespace: ship, name: suspect}}], gracePeriodSeconds: 1, maxWait: {wait}}}}}\n")
        };
        playbook(&boat, "drain", "", &drain("2s"))?;
        let plan = book(&boat, "plan drain.yaml -o json").await.expect(0).json();
        let remarks = plan["steps"][1]["remarks"].to_string();
        for wanted in ["has in scratch is lost", "Pod ship/suspect stays: it is to stay", "its DaemonSet would place it there again"] {
            ensure!(remarks.contains(wanted), "{wanted}: {remarks}");
        }
        // The budget holds one pod, and the step says so.
        book(&boat, "run drain.yaml --yes").await.expect(1).says("disruption budget");
        get(cluster, "pod", "budgeted").await?;
        forget(&boat)?;

        playbook(&boat, "drain", "", &drain("60s"))?;
        cluster.kubectl(&["uncordon", "node-1"]).await?;
        let (ran, freed) = tokio::join!(book(&boat, "run drain.yaml --yes"), async {
            // It is patient: the budget goes while it waits.
            tokio::time::sleep(Duration::from_secs(4)).await;
            cluster.kubectl(&["delete", "pdb", "budgeted", "-n", "ship"]).await
        });
        freed?;
        ran.expect(0);
        let left = cluster.kubectl(&["get", "pods", "-n", "ship", "--field-selector=spec.nodeName=node-1", "-o", "json"]).await?;
        let left: Value = serde_json::from_str(&left)?;
        let mut left: Vec<&str> =
            left["items"].as_array().unwrap().iter().map(|it| it["metadata"]["labels"]["app"].as_str().unwrap()).collect();
        left.sort_unstable();
        assert_eq!(left, ["pump", "suspect"]);
        forget(&boat)?;

        playbook(&boat, "gone", "", "    - {id: gone, action: node.delete, args: {node: node-1}}\n")?;
        book(&boat, "run gone.yaml --yes").await.expect(0);
        ensure!(get(cluster, "node", "node-1").await.is_err(), "the node is still there");
        book(&boat, "undo latest").await.expect(3).says("deleted for good");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn playbook_tells_what_holds_a_namespace_and_keeps_evidence_of_it() -> Result<()> {
    with_cluster(ClusterOptions::full(), async |cluster| {
        let boat = ship(cluster).await?;
        let name = crate::playbook_case::pod(cluster).await?;
        let stuck = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: anchor, namespace: ship, finalizers: [example.com/chain]}\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: chart, namespace: ship}\nstringData: {course: north-by-north-west}\n";
        fill::apply(&cluster.client().await?, stuck).await?;
        let steps = format!("    - id: manifests
      action: evidence.manifest
      args: {{targets: [{{kind: Pod, namespace: ship, name: {name}}}, {{kind: Secret, namespace: ship, name: chart}}], owners: true, serviceAccount: true, networkPolicies: true}}
    - {{id: events, action: evidence.events, args: {{target: {{kind: Pod, namespace: ship, name: {name}}}}}}}
");
        playbook(&boat, "keep", "", &steps)?;
        let before = state(cluster).await?;
        book(&boat, "run keep.yaml --yes").await.expect(0);
        assert_eq!(difference(&before, &state(cluster).await?), Vec::<String>::new());
        let kept: Vec<String> = crate::playbook_case::journal(&boat)?
            .iter()
            .filter(|it| it["what"] == "kept")
            .map(|it| it["name"].as_str().unwrap_or_default().to_owned())
            .collect();
        for wanted in ["pods", "replicasets", "deployments.deck", "serviceaccounts.crew", "networkpolicies.all-aboard", "secrets.chart", "events"] {
            ensure!(kept.iter().any(|it| it.contains(wanted)), "{wanted} is not in {kept:?}");
        }
        forget(&boat)?;

        cluster.kubectl(&["delete", "namespace", "ship", "--wait=false"]).await?;
        eventually("the namespace to be stuck", Duration::from_secs(60), async || {
            let status = get(cluster, "namespace", "ship").await?["status"].to_string();
            Ok(status.contains("SomeFinalizersRemain").then_some(()))
        })
        .await?;
        playbook(&boat, "why", "", "    - {id: why, action: namespace.diagnose, args: {namespace: ship}}\n")?;
        let plan = book(&boat, "plan why.yaml -o json").await.expect(0).json();
        let why = &plan["steps"][0]["result"];
        assert_eq!(why["phase"], "Terminating");
        let held: Vec<&str> = why["held"].as_array().unwrap().iter().filter_map(|it| it["name"].as_str()).collect();
        ensure!(held.contains(&"anchor"), "{why:#}");
        ensure!(why["conditions"].to_string().contains("example.com/chain"), "{why:#}");
        Ok(())
    })
    .await
}
