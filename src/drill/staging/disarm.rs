//! What was restored is disarmed before any controller starts: of all that would act on its own, only what a check needs runs.
//!
//! Which objects make a cluster act on the world, and by which field that is held back, is the Kubernetes API reference's.

use super::{
    StagingError, Workload,
    fate::{Fate, fate},
};
use crate::{
    point::Isolation,
    source::kube::{Cluster, Discovery, LiveObject, Refusal, ResourceType, Writing},
};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};
use tokio::time::{Instant, sleep};

/// So many writes are under way at a time.
const AT_A_TIME: usize = 16;
/// What is disarmed.
pub(super) const TYPES: [(&str, &str); 12] = [
    ("batch", "cronjobs"),
    ("batch", "jobs"),
    ("apps", "deployments"),
    ("apps", "statefulsets"),
    ("apps", "daemonsets"),
    ("apps", "replicasets"),
    ("", "replicationcontrollers"),
    ("", "services"),
    ("networking.k8s.io", "ingresses"),
    ("coordination.k8s.io", "leases"),
    ("", "pods"),
    ("", "nodes"),
];

/// Disarms a staging.
pub(super) struct Disarm<'a> {
    pub(super) cluster: &'a Cluster,
    /// What it serves.
    pub(super) kinds: &'a Discovery,
    /// The drill.
    pub(super) mark: &'a str,
    /// The workloads that run all the same.
    pub(super) kept: &'a [Workload],
}

/// How many objects were disarmed, by type.
#[derive(Debug, Default)]
pub(super) struct Disarmed {
    changed: BTreeMap<&'static str, usize>,
    kept: usize,
}

impl Disarm<'_> {
    /// Disarms everything, or fails.
    pub(super) async fn run(&self) -> Result<Disarmed, StagingError> {
        let mut disarmed = Disarmed::default();
        for (group, resource) in TYPES {
            let Some(kind) = self.kinds.find(group, resource) else { continue };
            let refused = |refusal: Refusal| {
                let text = format!("{resource} cannot be disarmed, so no controller is started: {refusal}");
                StagingError::Refused(text)
            };
            let mut list = self.cluster.live(kind, None);
            while let Some(page) = list.next().await.map_err(refused)? {
                let mut writes = Vec::new();
                for object in page {
                    let Ok(json) = serde_json::from_slice::<Value>(&object.json) else { continue };
                    let kept = self.kept.iter().any(|kept| kept.is(resource, &json));
                    disarmed.kept += usize::from(kept);
                    match fate(resource, json, kept, self.mark) {
                        Fate::Left => {}
                        fate => writes.push(self.carry_out(kind, object, fate)),
                    }
                }
                *disarmed.changed.entry(resource).or_default() += writes.len();
                let mut results = stream::iter(writes).buffer_unordered(AT_A_TIME);
                while let Some(result) = results.next().await {
                    result.map_err(refused)?;
                }
            }
        }
        Ok(disarmed)
    }

    /// kubeadm gives its API server's user a role by a binding that the source's data need not hold. Without it nobody reaches
    /// a pod of the new node: no logs, no port.
    pub(super) async fn let_the_server_reach_kubelets(&self) -> Result<(), StagingError> {
        let group = "rbac.authorization.k8s.io";
        let Some(kind) = self.kinds.find(group, "clusterrolebindings") else { return Ok(()) };
        let binding = json!({
            "apiVersion": format!("{group}/v1"),
            "kind": "ClusterRoleBinding",
            "metadata": {"name": format!("lifeboat-drill-{}", self.mark.to_lowercase())},
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "system:kubelet-api-admin"},
            "subjects": [{"apiGroup": group, "kind": "User", "name": "kube-apiserver-kubelet-client"}],
        });
        let how = self.writing();
        let made = self.cluster.create(kind, None, &Bytes::from(binding.to_string()), &how).await;
        made.map(drop)
            .map_err(|refusal| StagingError::Refused(format!("kubelets cannot be reached: {refusal}")))
    }

    fn writing(&self) -> Writing {
        Writing { manager: "lifeboat-drill".into(), dry_run: false, strict: false }
    }

    async fn carry_out(&self, kind: &ResourceType, object: LiveObject, fate: Fate) -> Result<(), Refusal> {
        let namespace = object.namespace.as_deref();
        let done = match fate {
            Fate::Left => Ok(()),
            Fate::Deleted => self.cluster.delete_at_once(kind, namespace, &object.name, &object.uid).await,
            Fate::Changed(json) => {
                let how = self.writing();
                let json = Bytes::from(json.to_string());
                self.cluster.replace(kind, namespace, &object.name, &json, &how).await.map(drop)
            }
        };
        done.or_else(|refusal| if refusal.missing() { Ok(()) } else { Err(refusal) })
    }

    /// Waits until the staging's own node is ready; else says why it is not.
    pub(super) async fn until_node_is_ready(&self, name: &str, end: Instant) -> Result<(), String> {
        let nodes = self.kinds.find("", "nodes").ok_or("the API server serves no nodes")?;
        let mut why = "it has not registered".to_owned();
        while Instant::now() < end {
            match self.cluster.read(nodes, None, name).await {
                Err(refusal) => why = refusal.to_string(),
                Ok(None) => {}
                Ok(Some(node)) => match not_ready(&node.json) {
                    None => return Ok(()),
                    Some(reason) => why = reason,
                },
            }
            sleep(Duration::from_millis(200)).await;
        }
        Err(why)
    }
}

/// Why a node is not ready; nothing when it is.
fn not_ready(json: &[u8]) -> Option<String> {
    let node: Value = serde_json::from_slice(json).unwrap_or_default();
    let conditions = node["status"]["conditions"].as_array();
    let ready = conditions.into_iter().flatten().find(|condition| condition["type"] == "Ready");
    match ready {
        Some(condition) if condition["status"] == "True" => None,
        Some(condition) => Some(condition["message"].as_str().unwrap_or_default().to_owned()),
        None => Some("it has not said whether it is".to_owned()),
    }
}

impl Disarmed {
    /// For the evidence.
    pub(super) fn isolation(&self) -> Vec<Isolation> {
        let n = |resources: &[&str]| -> usize {
            resources.iter().filter_map(|resource| self.changed.get(resource)).sum()
        };
        let controllers =
            n(&["deployments", "statefulsets", "daemonsets", "replicasets", "replicationcontrollers"]);
        vec![
            Isolation::new(
                "controllers of the source act from staging",
                format!(
                    "before any controller was started, {controllers} workloads were scaled to nothing or kept from every node, {} jobs \
                     and cron jobs suspended, {} pods and {} nodes deleted; {} workloads, which checks ask for, run on staging's \
                     own node with the images that it has",
                    n(&["cronjobs", "jobs"]),
                    n(&["pods"]),
                    n(&["nodes"]),
                    self.kept,
                ),
            ),
            Isolation::new(
                "balancers and names in DNS move to staging",
                format!(
                    "{} services and ingresses lost their type LoadBalancer and the annotations of external-dns",
                    n(&["services", "ingresses"])
                ),
            ),
        ]
    }
}
