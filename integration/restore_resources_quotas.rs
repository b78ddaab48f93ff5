//! Quotas that what is restored does not fit into: told by the plan, as the server then does.

use crate::{
    far_side::{Saved, outcomes},
    lab::{ClusterOptions, eventually, fill, with_cluster},
};
use anyhow::{Result, ensure};
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};

const CARGO: &str = r#"
{apiVersion: v1, kind: Namespace, metadata: {name: harbour}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: hold, namespace: harbour}
spec: {storageClassName: gold, accessModes: [ReadWriteOnce], resources: {requests: {storage: 2Gi}}}
---
apiVersion: v1
kind: Service
metadata: {name: quay, namespace: harbour}
spec: {type: LoadBalancer, selector: {app: quay}, ports: [{port: 80, name: a}, {port: 443, name: b}]}
---
apiVersion: v1
kind: Pod
metadata: {name: watch, namespace: harbour}
spec:
  initContainers: [{name: b, image: registry.example.com/a:1, resources: {requests: {cpu: 300m, memory: 64Mi}}}]
  containers: [{name: a, image: registry.example.com/a:1, resources: {requests: {cpu: 250m, memory: 128Mi}}}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: cranes, namespace: harbour}
spec:
  replicas: 4
  selector: {matchLabels: {app: cranes}}
  template:
    metadata: {labels: {app: cranes}}
    spec: {containers: [{name: a, image: registry.example.com/a:1, resources: {requests: {cpu: 500m, memory: 32Mi}}}]}
"#;

/// One that is too small in many ways, and one that is for other pods.
const QUOTAS: &str = r#"
{apiVersion: v1, kind: Namespace, metadata: {name: harbour}}
---
apiVersion: v1
kind: ResourceQuota
metadata: {name: room, namespace: harbour}
spec:
  hard:
    requests.cpu: "1"
    requests.memory: 120Mi
    requests.storage: 2Gi
    persistentvolumeclaims: "1"
    gold.storageclass.storage.k8s.io/requests.storage: 1536Mi
    services.loadbalancers: "1"
    services.nodeports: "1"
    pods: "5"
---
apiVersion: v1
kind: ResourceQuota
metadata: {name: effort, namespace: harbour}
spec: {hard: {pods: "0"}, scopes: [BestEffort]}
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restore_resources_quotas_are_looked_at_before() -> Result<()> {
    with_cluster(ClusterOptions::full(), async |cluster| {
        fill::apply(&cluster.client().await?, CARGO).await?;
        let saved = Saved::of(cluster).await?;
        with_cluster(ClusterOptions::full(), async |empty| {
            fill::apply(&empty.client().await?, QUOTAS).await?;
            let counted = async |cpu: &str| {
                eventually("the quotas count", Duration::from_secs(60), async || {
                    let list = empty.kubectl(&["-n", "harbour", "get", "resourcequota", "-o", "json"]).await?;
                    let list: Value = serde_json::from_str(&list)?;
                    let quotas = list["items"].as_array().unwrap();
                    let counts = |it: &Value| it["status"]["hard"] == it["spec"]["hard"] && it["status"]["used"].is_object();
                    let is_new = quotas.iter().any(|it| it["spec"]["hard"]["requests.cpu"] == cpu);
                    Ok((is_new && quotas.iter().all(counts)).then_some(()))
                })
                .await
            };
            counted("1").await?;
            let args = ["-n", "harbour", "-o", "json"];
            let findings = async || {
                let plan = saved.restore(empty, &[&args[..], &["--dry-run"]].concat()).await.json();
                let texts = plan["findings"].as_array().unwrap().iter().map(|it| {
                    assert_eq!(it["object"], "resourcequotas harbour/room", "{it}");
                    it["text"].as_str().unwrap().to_owned()
                });
                texts.collect::<Vec<_>>()
            };
            let made = |most: &str, name: &str, more: &str| {
                format!("it allows {most} {name}, 0 are there, and {more} more are to be made")
            };
            let told = findings().await;
            let mut refused = [
                made("1536Mi", "gold.storageclass.storage.k8s.io/requests.storage", "2Gi"),
                made("1", "services.nodeports", "2"),
                made("120Mi", "requests.memory", "128Mi"),
            ];
            refused.sort();
            let (mut certain, doubtful): (Vec<_>, Vec<_>) = told.into_iter().partition(|it| it.ends_with("made"));
            certain.sort();
            assert_eq!(certain, refused);
            let [cpu] = &doubtful[..] else { panic!("{doubtful:?}") };
            ensure!(cpu.starts_with("it allows 1 requests.cpu, 0 are there, and 2300m more are needed"), "{cpu}");

            // The server says the same, of just these.
            let done = outcomes(&saved.restore(empty, &args).await.expect(3).json());
            let failed: BTreeMap<&str, &str> =
                done.iter().filter(|it| it.1.0 == "failed").map(|it| (&**it.0, &*it.1.1)).collect();
            assert_eq!(
                failed.keys().copied().collect::<Vec<_>>(),
                ["persistentvolumeclaims harbour/hold", "pods harbour/watch", "services harbour/quay"],
                "{failed:#?}"
            );
            for (object, name) in [
                ("persistentvolumeclaims harbour/hold", "gold.storageclass.storage.k8s.io/requests.storage"),
                ("pods harbour/watch", "requests.memory=128Mi"),
                ("services harbour/quay", "services.nodeports=2"),
            ] {
                let why = failed[object];
                ensure!(why.contains("exceeded quota: room") && why.contains(name), "{object}: {why}");
            }
            eventually("some pods of the deployment do not come", Duration::from_secs(60), async || {
                let sets = empty.kubectl(&["-n", "harbour", "get", "replicasets", "-o", "json"]).await?;
                Ok((sets.contains("exceeded quota: room") && sets.contains("requests.cpu=500m")).then_some(()))
            })
            .await?;

            // With room for everything nothing is said, and the same command completes it.
            let hard = json!({"requests.cpu": "3", "requests.memory": "1Gi", "requests.storage": "1Ti", "services.nodeports": "2",
                "gold.storageclass.storage.k8s.io/requests.storage": "2Gi"});
            let patch = json!({"spec": {"hard": hard}}).to_string();
            empty.kubectl(&["-n", "harbour", "patch", "resourcequota", "room", "--type=merge", "-p", &patch]).await?;
            counted("3").await?;
            assert_eq!(findings().await, [""; 0]);
            let done = outcomes(&saved.restore(empty, &args).await.expect(0).json());
            assert_eq!(done.values().filter(|it| it.0 == "created").count(), 3, "{done:#?}");
            Ok(())
        })
        .await
    })
    .await
}
