//! Pods that are shut in, evicted and deleted, on a real API server with real controllers.

use crate::{
    boat::Lifeboat,
    lab::{Cluster, ClusterOptions, eventually, fill, with_cluster},
    playbook_case::{POD, book, difference, forget, get, playbook, ship, state},
};
use anyhow::{Result, ensure};
use serde_json::{Value, json};
use std::time::Duration;

/// A pod that nobody owns and a service leads to, and a policy that reaches for what has no label.
const STOWAWAY: &str = "\
apiVersion: v1
kind: Pod
metadata: {name: stowaway, namespace: ship, labels: {app: hold, tier: low}}
spec: {containers: [{name: app, image: registry.example.com/hold, ports: [{containerPort: 80}]}], serviceAccountName: crew}
---
apiVersion: v1
kind: Service
metadata: {name: hold, namespace: ship}
spec: {selector: {app: hold}, ports: [{port: 80}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: hold, namespace: ship}
spec: {podSelector: {matchLabels: {app: hold}}, ingress: [{from: [{namespaceSelector: {}}]}], egress: [{}], policyTypes: [Ingress, Egress]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: reaching, namespace: ship}
spec: {podSelector: {matchExpressions: [{key: tier, operator: NotIn, values: [low]}]}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8}}], ports: [{port: 22}]}]}
";

async fn ready(cluster: &Cluster, pod: &str) -> Result<()> {
    cluster
        .kubectl(&["wait", "--for=condition=Ready", "pod", pod, "-n", "ship", "--timeout=60s"])
        .await
        .map(drop)
}

/// The addresses behind a service, as the endpoints controller sees them.
async fn behind(cluster: &Cluster, service: &str) -> Result<usize> {
    let selector = format!("kubernetes.io/service-name={service}");
    let slices =
        cluster.kubectl(&["get", "endpointslices", "-n", "ship", "-l", &selector, "-o", "json"]).await?;
    let slices: Value = serde_json::from_str(&slices)?;
    let all = slices["items"].as_array().into_iter().flatten();
    Ok(all.map(|it| it["endpoints"].as_array().map_or(0, Vec::len)).sum())
}

async fn begin(cluster: &Cluster) -> Result<Lifeboat> {
    let boat = ship(cluster).await?;
    fill::apply(&cluster.client().await?, STOWAWAY).await?;
    ready(cluster, "stowaway").await?;
    eventually("the pod behind its service", Duration::from_secs(30), async || {
        Ok((behind(cluster, "hold").await? == 1).then_some(()))
    })
    .await?;
    Ok(boat)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn playbook_isolates_a_pod_tells_what_stays_open_and_gives_its_labels_back() -> Result<()> {
    with_cluster(ClusterOptions::full(), async |cluster| {
        let boat = begin(cluster).await?;
        let before = state(cluster).await?;
        let steps = "    - {id: looked, action: network.exposure, args: {target: '${params.pod}'}}
    - {id: isolate, action: pod.isolate, args: {target: '${params.pod}', allowEgress: {cidrs: [10.9.0.0/16], dns: true}}}
    - id: held
      action: assert
      args:
        check: network.exposure
        target: '${params.pod}'
        expect: >-
          result.isolatedIngress && result.isolatedEgress && result.allowed.exists(w, w.policy == 'reaching')
          && !result.allowed.exists(w, w.policy == 'hold')
";
        playbook(&boat, "isolate", POD, steps)?;
        let line = "isolate.yaml -p pod=ship/stowaway";
        let plan = book(&boat, &format!("plan {line} -o json")).await.expect(0).json();
        let looked = &plan["steps"][0]["result"];
        assert_eq!(looked["policies"], json!(["hold"]));
        assert_eq!(
            looked["allowed"],
            json!([
                {"direction": "egress", "policy": "hold", "peer": "everything", "ports": "all ports"},
                {"direction": "ingress", "policy": "hold", "peer": "every pod in every namespace", "ports": "all ports"},
            ])
        );
        // Without its labels another policy reaches it: that is told before anything is done.
        let remarks = plan["steps"][1]["remarks"].to_string();
        let open = "still open: Pod ship/stowaway: from 10.0.0.0/8, TCP 22 (NetworkPolicy reaching)";
        ensure!(remarks.contains(open) && !remarks.contains("NetworkPolicy hold"), "{remarks}");

        book(&boat, &format!("run {line} --yes")).await.expect(0);
        let pod = get(cluster, "pod", "stowaway").await?;
        let labels = pod["metadata"]["labels"].as_object().unwrap();
        ensure!(labels.len() == 1 && labels.contains_key("lifeboat.dev/isolated"), "{labels:?}");
        assert_eq!(pod["metadata"]["annotations"]["lifeboat.dev/labels-before"], r#"{"app":"hold","tier":"low"}"#);
        eventually("no pod behind the service", Duration::from_secs(30), async || {
            Ok((behind(cluster, "hold").await? == 0).then_some(()))
        })
        .await?;
        let made = cluster.kubectl(&["get", "networkpolicy", "-n", "ship", "-l", "lifeboat.dev/run", "-o", "json"]).await?;
        let made: Value = serde_json::from_str(&made)?;
        let spec = &made["items"][0]["spec"];
        assert_eq!(made["items"].as_array().unwrap().len(), 1);
        assert_eq!(&spec["podSelector"]["matchLabels"], &pod["metadata"]["labels"]);
        ensure!(spec.get("ingress").is_none(), "{spec}");
        assert_eq!(spec["egress"][0], json!({"to": [{"ipBlock": {"cidr": "10.9.0.0/16"}}]}));
        assert_eq!(spec["egress"][1]["ports"], json!([{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}]));

        book(&boat, "undo latest").await.expect(0);
        assert_eq!(difference(&before, &state(cluster).await?), Vec::<String>::new());
        eventually("the pod behind its service again", Duration::from_secs(30), async || {
            Ok((behind(cluster, "hold").await? == 1).then_some(()))
        })
        .await?;

        // What no policy holds.
        let host = "apiVersion: v1\nkind: Pod\nmetadata: {name: bridge, namespace: ship}\nspec: {hostNetwork: true, containers: [{name: a, image: x}]}\n";
        fill::apply(&cluster.client().await?, host).await?;
        let ran = book(&boat, "run isolate.yaml -p pod=ship/bridge --yes").await;
        ensure!(ran.code != 0, "{ran:?}");
        ran.says("network of its node");
        ensure!(get(cluster, "pod", "bridge").await?["metadata"].get("labels").is_none());
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn playbook_evicts_and_deletes_pods_as_their_budgets_and_uids_say() -> Result<()> {
    with_cluster(ClusterOptions::full(), async |cluster| {
        let boat = begin(cluster).await?;
        let before = state(cluster).await?;
        let protect = "    - {id: keep, action: pod.protect, args: {target: '${params.pod}', annotations: {incident: INC-7}}}\n";
        playbook(&boat, "protect", POD, protect)?;
        book(&boat, "run protect.yaml -p pod=ship/stowaway --yes").await.expect(0);
        let noted = get(cluster, "pod", "stowaway").await?["metadata"]["annotations"].clone();
        let wanted = json!({"cluster-autoscaler.kubernetes.io/safe-to-evict": "false", "incident": "INC-7", "karpenter.sh/do-not-disrupt": "true"});
        assert_eq!(noted, wanted);
        book(&boat, "undo latest").await.expect(0);
        assert_eq!(difference(&before, &state(cluster).await?), Vec::<String>::new());
        forget(&boat)?;

        let budget = "apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {name: hold, namespace: ship}\nspec: {minAvailable: 1, selector: {matchLabels: {app: hold}}}\n";
        fill::apply(&cluster.client().await?, budget).await?;
        eventually("the budget to count", Duration::from_secs(30), async || {
            let seen = get(cluster, "pdb", "hold").await?["status"]["currentHealthy"] == 1;
            Ok(seen.then_some(()))
        })
        .await?;
        playbook(&boat, "evict", POD, "    - {id: evict, action: pod.evict, args: {target: '${params.pod}', gracePeriodSeconds: 1}}\n")?;
        let ran = book(&boat, "run evict.yaml -p pod=ship/stowaway --yes").await;
        ensure!(ran.code != 0, "{ran:?}");
        ran.says("disruption budget");
        get(cluster, "pod", "stowaway").await?;

        cluster.kubectl(&["delete", "pdb", "hold", "-n", "ship"]).await?;
        book(&boat, "run evict.yaml -p pod=ship/stowaway --yes").await.expect(0);
        eventually("the pod to go", Duration::from_secs(30), async || {
            Ok(get(cluster, "pod", "stowaway").await.is_err().then_some(()))
        })
        .await?;
        book(&boat, "undo latest").await.expect(3).says("was evicted");
        forget(&boat)?;

        // The one that was meant, and no other of its name.
        fill::apply(&cluster.client().await?, STOWAWAY).await.ok();
        ready(cluster, "stowaway").await?;
        playbook(&boat, "kill", POD, "    - {id: kill, action: pod.delete, args: {target: '${params.pod}', gracePeriodSeconds: 0}}\n")?;
        book(&boat, "plan kill.yaml -p pod=ship/stowaway --to plan.json").await.expect(0);
        cluster.kubectl(&["delete", "pod", "stowaway", "-n", "ship", "--force", "--grace-period=0"]).await?;
        fill::apply(&cluster.client().await?, STOWAWAY).await.ok();
        ready(cluster, "stowaway").await?;
        let uid = get(cluster, "pod", "stowaway").await?["metadata"]["uid"].clone();
        let ran = book(&boat, "run kill.yaml --plan plan.json --yes").await;
        ensure!(ran.code != 0, "{ran:?}");
        assert_eq!(get(cluster, "pod", "stowaway").await?["metadata"]["uid"], uid);
        book(&boat, "run kill.yaml -p pod=ship/stowaway --yes").await.expect(0);
        ensure!(get(cluster, "pod", "stowaway").await.is_err(), "it is still there");
        book(&boat, "undo latest").await.expect(3).says("deleted for good");
        Ok(())
    })
    .await
}
