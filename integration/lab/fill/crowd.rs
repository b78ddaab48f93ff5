//! Pods that something may have happened to.

use std::time::Duration;

use anyhow::{Context, Result};
use futures_util::{StreamExt, TryStreamExt, stream};
use http::Request;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::{Api, Client};
use serde_json::{Value, json};

use super::super::eventually;
use super::{api::create, apply};

const AT_ONCE: usize = 24;

/// A namespace with an account that has rights, and a policy that lets everybody in.
const HOME: &str = "\
apiVersion: v1
kind: Namespace
metadata: {name: NAME}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: crew, namespace: NAME}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: stowage, namespace: NAME}
rules: [{apiGroups: [''], resources: [secrets], verbs: [get, list]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: crew, namespace: NAME}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: stowage}
subjects: [{kind: ServiceAccount, name: crew, namespace: NAME}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: all-aboard, namespace: NAME}
spec: {podSelector: {matchLabels: {app: deck}}, ingress: [{}], policyTypes: [Ingress]}
";

const DECK: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: deck, namespace: NAME}
spec:
  replicas: 2
  selector: {matchLabels: {app: deck}}
  template:
    metadata: {labels: {app: deck}}
    spec: {serviceAccountName: crew, containers: [{name: app, image: registry.example.com/deck}]}
---
apiVersion: v1
kind: Service
metadata: {name: deck, namespace: NAME}
spec: {selector: {app: deck}, ports: [{port: 80}]}
";

/// A ship with a crew: a deployment behind a service, a policy that lets everybody in, an account with rights.
pub fn ship_of(namespace: &str) -> String {
    [HOME, "---\n", DECK].concat().replace("NAME", namespace)
}

/// Makes a namespace with a deployment of two pods, on nodes that take pods. Gives the name of one that runs.
pub async fn ship(client: &Client, namespace: &str) -> Result<String> {
    let nodes: Api<Node> = Api::all(client.clone());
    let open = json!({"spec": {"unschedulable": null}});
    for node in nodes.list(&ListParams::default()).await? {
        let name = node.metadata.name.context("a node without a name")?;
        nodes.patch(&name, &PatchParams::default(), &Patch::Merge(&open)).await?;
    }
    apply(client, &ship_of(namespace)).await?;
    let mut running = running(client, namespace, 2).await?;
    running.pop().context("no pod")
}

/// Makes a namespace with so many pods that nothing owns, and waits until they run.
pub async fn crowd(client: &Client, namespace: &str, pods: usize) -> Result<()> {
    apply(client, &HOME.replace("NAME", namespace)).await?;
    let pod = |at: usize| {
        let body = json!({
            "metadata": {"name": format!("deck-{at}"), "labels": {"app": "deck", "tier": "web"}},
            "spec": {
                "nodeName": "node-0", "serviceAccountName": "crew",
                "containers": [{
                    "name": "app", "image": "registry.example.com/deck", "env": [{"name": "MODE", "value": "live"}],
                    "resources": {"requests": {"cpu": "1m", "memory": "1Mi"}},
                }],
            },
        });
        (format!("/api/v1/namespaces/{namespace}/pods"), body)
    };
    create(client, (0..pods).map(pod)).await?;
    running(client, namespace, pods).await.map(drop)
}

async fn running(client: &Client, namespace: &str, wanted: usize) -> Result<Vec<String>> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    eventually("running pods", Duration::from_secs(180), async || {
        let found = pods.list(&ListParams::default().fields("status.phase=Running")).await?;
        let names = found.items.into_iter().filter_map(|pod| pod.metadata.name);
        let names: Vec<String> = names.collect();
        Ok((names.len() >= wanted).then_some(names))
    })
    .await
}

/// Lets every pod of a namespace out again: it has the labels that it had, and no policy but the first one is there.
pub async fn let_out(client: &Client, namespace: &str) -> Result<()> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let labels = json!({"app": "deck", "tier": "web", "lifeboat.dev/isolated": null, "incident": null});
    let patch = json!({"metadata": {"labels": labels, "annotations": {"lifeboat.dev/labels-before": null}}});
    let found = pods.list(&ListParams::default()).await?.items.into_iter();
    let names: Vec<String> = found.filter_map(|pod| pod.metadata.name).collect();
    stream::iter(&names)
        .map(async |name| pods.patch(name, &PatchParams::default(), &Patch::Merge(&patch)).await)
        .buffer_unordered(AT_ONCE)
        .try_for_each(async |_| Ok(()))
        .await?;
    let path = format!("/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies");
    let policies: Value = client.request(Request::get(&path).body(Vec::new())?).await?;
    for policy in policies["items"].as_array().into_iter().flatten() {
        let name = policy["metadata"]["name"].as_str().unwrap_or_default();
        if name != "all-aboard" {
            let options = serde_json::to_vec(&DeleteParams::default())?;
            let request = Request::delete(format!("{path}/{name}")).body(options)?;
            client.request::<Value>(request).await?;
        }
    }
    Ok(())
}
