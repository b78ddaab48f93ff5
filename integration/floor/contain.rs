//! What playbooks are compared with: the calls that they make, made by a client that does nothing else.

use anyhow::{Context, Result, ensure};
use futures_util::{StreamExt, TryStreamExt, stream};
use http::{Method, Request};
use http_body_util::BodyExt;
use k8s_openapi::api::{core::v1::Pod, networking::v1::NetworkPolicy};
use kube::{
    Api, Client,
    api::{ListParams, WatchEvent, WatchParams},
    client::Body,
};
use serde_json::{Value, json};
use std::{collections::BTreeSet, pin::pin, process::Stdio, time::Instant};
use tokio::process::Command;

/// The label by which a policy selects the pods that it shuts in.
const ISOLATED: &str = "lifeboat.dev/isolated";
const MERGE: &str = "application/merge-patch+json";
const JSON: &str = "application/json";

struct Bare<'a> {
    client: &'a Client,
    namespace: &'a str,
}

impl Bare<'_> {
    /// One call, and its whole answer. What is not there (404) and what the kubelet does not answer are answers, too.
    async fn call(&self, method: Method, path: &str, kind: &str, body: Value) -> Result<Value> {
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string().into_bytes()) };
        let request = Request::builder().method(method).uri(path).header("content-type", kind);
        let request = request.header("accept", JSON).body(body)?;
        let answer = self.client.send(request).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        let expected = status.is_success() || status.as_u16() == 404 || path.contains("/log?");
        ensure!(expected, "{path}: {status} {}", String::from_utf8_lossy(&body));
        Ok(serde_json::from_slice(&body).unwrap_or_default())
    }

    async fn get(&self, path: &str) -> Result<Value> {
        self.call(Method::GET, path, JSON, Value::Null).await
    }

    async fn get_here(&self, group: &str, rest: &str) -> Result<Value> {
        self.get(&format!("/{group}/namespaces/{}/{rest}", self.namespace)).await
    }

    async fn patch(&self, path: &str, patch: &Value) -> Result<Value> {
        self.call(Method::PATCH, path, MERGE, patch.clone()).await
    }

    async fn post(&self, path: &str, body: Value) -> Result<Value> {
        self.call(Method::POST, path, JSON, body).await
    }

    async fn may(&self, verb: &str, group: &str, resource: &str, here: bool) -> Result<()> {
        let mut attributes = json!({"verb": verb, "group": group, "resource": resource});
        if here {
            attributes["namespace"] = self.namespace.into();
        }
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        });
        self.post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review).await.map(drop)
    }

    /// The pod, who owns it, its account and its policies, one after the other.
    async fn evidence(&self, pod: &str) -> Result<Value> {
        let found = self.get_here("api/v1", &format!("pods/{pod}")).await?;
        let owner = found["metadata"]["ownerReferences"][0]["name"].as_str().context("no owner")?;
        let set = self.get_here("apis/apps/v1", &format!("replicasets/{owner}")).await?;
        let owner = set["metadata"]["ownerReferences"][0]["name"].as_str().context("no owner")?;
        self.get_here("apis/apps/v1", &format!("deployments/{owner}")).await?;
        let account = found["spec"]["serviceAccountName"].as_str().context("no account")?;
        self.get_here("api/v1", &format!("serviceaccounts/{account}")).await?;
        Ok(found)
    }
}

fn policy(name: &str) -> Value {
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": name},
        "spec": {"podSelector": {"matchLabels": {ISOLATED: name}}, "policyTypes": ["Ingress", "Egress"]},
    })
}

fn inside(name: &str) -> Value {
    let labels = json!({"app": null, "tier": null, "pod-template-hash": null, ISOLATED: name});
    json!({"metadata": {"labels": labels, "annotations": {"lifeboat.dev/labels-before": "{}"}}})
}

fn fresh() -> String {
    format!("floor-{:x}", rand::random::<u64>())
}

/// What the runbook for a compromised pod asks and does until the pod is shut in, each call once and one after the other: what is
/// there, what the pod's identity reaches, every write of the runbook tried, every right asked for, the lock taken, the evidence
/// read, the policy made and the pod put into it. With `only`, just the last three.
pub async fn contain(client: &Client, namespace: &str, pod: &str, only: bool) -> Result<()> {
    let bare = Bare { client, namespace };
    let name = fresh();
    let rbac = "apis/rbac.authorization.k8s.io/v1";
    let pod_path = format!("/api/v1/namespaces/{namespace}/pods/{pod}");
    let policies = format!("/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies");
    let protect = json!({"metadata": {"annotations": {
        "cluster-autoscaler.kubernetes.io/safe-to-evict": "false", "karpenter.sh/do-not-disrupt": "true", "incident": "INC-7",
    }}});
    if !only {
        for path in ["/api", "/apis"] {
            bare.get(path).await?;
        }
        let whoami = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
        bare.post("/apis/authentication.k8s.io/v1/selfsubjectreviews", whoami).await?;
        for path in
            ["/version", "/api/v1/namespaces/kube-system", "/api/v1/nodes", "/apis/apps/v1/daemonsets"]
        {
            bare.get(path).await?;
        }
        let found = bare.evidence(pod).await?;
        bare.get(&policies).await?;
        for kind in ["clusterroles", "roles", "clusterrolebindings", "rolebindings"] {
            bare.get(&format!("/{rbac}/{kind}")).await?;
        }
        for kind in ["pods", "serviceaccounts", "persistentvolumeclaims", "secrets"] {
            bare.get_here("api/v1", kind).await?;
        }
        for kind in ["deployments", "statefulsets", "daemonsets"] {
            bare.get_here("apis/apps/v1", kind).await?;
        }
        for kind in ["cronjobs", "jobs"] {
            bare.get_here("apis/batch/v1", kind).await?;
        }
        let node = found["spec"]["nodeName"].as_str().context("no node")?;
        let node = format!("/api/v1/nodes/{node}");
        bare.get(&node).await?;
        let binding = format!("/{rbac}/namespaces/{namespace}/rolebindings/crew");
        for (path, patch) in [
            (&pod_path, &protect),
            (&pod_path, &inside(&name)),
            (&binding, &json!({"subjects": null})),
            (&node, &json!({"spec": {"unschedulable": true}})),
        ] {
            bare.patch(&format!("{path}?dryRun=All"), patch).await?;
        }
        bare.post(&format!("{policies}?dryRun=All"), policy(&name)).await?;
        for (group, resource, verbs, here) in [
            ("", "pods", &["get", "update"][..], true),
            ("networking.k8s.io", "networkpolicies", &["get", "create", "delete"], true),
            ("rbac.authorization.k8s.io", "rolebindings", &["get", "update"], true),
            ("", "nodes", &["get", "update"], false),
            ("apps", "replicasets", &["get"], true),
            ("apps", "deployments", &["get"], true),
            ("", "serviceaccounts", &["get"], true),
            ("", "events", &["list"], true),
            ("", "pods/log", &["get"], true),
        ] {
            for verb in verbs {
                bare.may(verb, group, resource, here).await?;
            }
        }
        let lock = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases";
        bare.get(&format!("{lock}/{name}")).await?;
        let lease = json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": name},
            "spec": {"holderIdentity": "floor", "leaseDurationSeconds": 30},
        });
        bare.post(lock, lease).await?;
    }
    bare.evidence(pod).await?;
    bare.get(&policies).await?;
    bare.get_here("api/v1", &format!("events?fieldSelector=involvedObject.name%3D{pod}")).await?;
    bare.get(&format!("{pod_path}/log?container=app&timestamps=true")).await?;
    bare.patch(&pod_path, &protect).await?;
    bare.post(&policies, policy(&name)).await?;
    bare.patch(&pod_path, &inside(&name)).await?;
    Ok(())
}

/// What is done to every pod of a namespace.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum What {
    /// They are listed.
    List,
    /// It is tried to label each.
    Try,
    /// One policy is made, and each is put into it.
    Isolate,
    /// The same, and everything is tried before.
    TryAndIsolate,
}

/// Does it, with so many requests under way at a time.
pub async fn crowd(client: &Client, namespace: &str, what: What, workers: usize) -> Result<()> {
    let bare = Bare { client, namespace };
    let pods = format!("/api/v1/namespaces/{namespace}/pods");
    let policies = format!("/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies");
    if what == What::List {
        println!("{} bytes", super::all_pages(client, &pods, 500).await?);
        return Ok(());
    }
    let all: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let found = all.list_metadata(&ListParams::default()).await?.items.into_iter();
    let names: Vec<String> = found.filter_map(|pod| pod.metadata.name).collect();
    let each = async |query: &str, patch: &Value| {
        let patches = names.iter().map(|name| format!("{pods}/{name}{query}")).collect::<Vec<_>>();
        let patches: Vec<_> = patches.iter().map(|path| bare.patch(path, patch)).collect();
        stream::iter(patches).buffer_unordered(workers).try_for_each(async |_| Ok(())).await
    };
    let name = fresh();
    if what == What::Try {
        return each("?dryRun=All", &json!({"metadata": {"labels": {"incident": "INC-7"}}})).await;
    }
    if what == What::TryAndIsolate {
        bare.post(&format!("{policies}?dryRun=All"), policy(&name)).await?;
        each("?dryRun=All", &inside(&name)).await?;
    }
    bare.post(&policies, policy(&name)).await?;
    each("", &inside(&name)).await
}

/// Starts a command and tells when, from then on, a policy stood there and so many pods had the label that it selects, as others see
/// it: in seconds since the command began, and since the policy was seen.
pub async fn until(
    client: &Client,
    namespace: &str,
    wanted: usize,
    accepted: i32,
    command: &[String],
) -> Result<()> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let policies: Api<NetworkPolicy> = Api::namespaced(client.clone(), namespace);
    let from = |version: Option<String>| version.context("a list without a version");
    let there = policies.list(&ListParams::default()).await?;
    let at = from(pods.list_metadata(&ListParams::default()).await?.metadata.resource_version)?;
    let labelled = WatchParams::default().labels(ISOLATED);
    let mut pod_events = pin!(pods.watch_metadata(&labelled, &at).await?);
    let mut policy_events =
        pin!(policies.watch(&WatchParams::default(), &from(there.metadata.resource_version)?).await?);
    let (program, args) = command.split_first().context("no command")?;
    let begin = Instant::now();
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.kill_on_drop(true).spawn()?;
    let mut ended = pin!(child.wait_with_output());
    let (mut stands, mut inside) = (None, BTreeSet::new());
    let mut output = None;
    while stands.is_none() || inside.len() < wanted {
        tokio::select! {
            event = pod_events.try_next() => match event?.context("the watch ended")? {
                WatchEvent::Added(pod) | WatchEvent::Modified(pod) => drop(inside.insert(pod.metadata.uid)),
                _ => {}
            },
            event = policy_events.try_next() => {
                if let WatchEvent::Added(_) = event?.context("the watch ended")? {
                    stands.get_or_insert_with(Instant::now);
                }
            },
            done = &mut ended, if output.is_none() => {
                let done = done?;
                ensure!(is_accepted(&done, accepted), "{}", told(&done));
                output = Some(done);
            },
            () = tokio::time::sleep(std::time::Duration::from_secs(120)) => anyhow::bail!("nobody is shut in after two minutes"),
        }
    }
    let (all, span) = (begin.elapsed(), stands.map(|at| at.elapsed()).unwrap_or_default());
    if output.is_none() {
        let done = ended.await?;
        ensure!(is_accepted(&done, accepted), "{}", told(&done));
    }
    println!("{}", json!({"all": all.as_secs_f64(), "span": span.as_secs_f64()}));
    Ok(())
}

fn is_accepted(done: &std::process::Output, accepted: i32) -> bool {
    done.status.success() || done.status.code() == Some(accepted)
}

fn told(done: &std::process::Output) -> String {
    format!("{}: {}", done.status, String::from_utf8_lossy(&done.stderr))
}
