//! What belongs to the one who carries a playbook out, and must stay out of its reach; and what the cluster is.

use crate::{
    playbook::actions::{Live, Planning},
    source::kube::{Cluster, Facts},
};
use serde_json::{Value, json};

/// Daemon sets of network plugins that enforce NetworkPolicies, by the beginning of their names.
const ENFORCERS: [&str; 8] = [
    "calico-node",
    "cilium",
    "antrea-agent",
    "kube-router",
    "weave-net",
    "canal",
    "ovnkube-node",
    "aws-node",
];

/// Who carries it out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Own {
    /// The user's name, as the API server knows it.
    pub name: String,
    /// The namespace and the name of the service account, if it is one.
    pub account: Option<(String, String)>,
    /// The pod that the token is bound to.
    pub pod: Option<String>,
    /// That pod's node.
    pub node: Option<String>,
}

impl Own {
    /// On a host: nobody of the cluster.
    pub(super) fn on_host() -> Self {
        Own { name: "whoever runs it on the host".to_owned(), ..Own::default() }
    }

    pub(super) async fn look(cluster: &Cluster) -> Result<Self, String> {
        let user =
            cluster.whoami().await.map_err(|e| format!("the API server does not tell who we are: {e}"))?;
        let name = user["username"].as_str().unwrap_or_default().to_owned();
        let account = name.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split_once(':'));
        let extra = |key: &str| user["extra"][key][0].as_str().map(str::to_owned);
        Ok(Own {
            account: account.map(|(namespace, name)| (namespace.to_owned(), name.to_owned())),
            pod: extra("authentication.kubernetes.io/pod-name"),
            node: extra("authentication.kubernetes.io/node-name"),
            name,
        })
    }

    /// What expressions know of the cluster.
    pub async fn cluster_facts(&self, with: &Planning<'_>, facts: &Facts) -> Value {
        let mut about = json!({"version": facts.version, "uid": facts.uid, "networkPolicyEnforced": false});
        if let Ok(cluster) = with.cluster() {
            about["server"] = cluster.server().into();
        }
        let (nodes, sets) = tokio::join!(all(with, "", "nodes"), all(with, "apps", "daemonsets"));
        if let Some(nodes) = nodes {
            let schedulable = nodes.iter().filter(|node| node.json["spec"]["unschedulable"] != true);
            about["schedulableNodes"] = schedulable.count().into();
            about["nodes"] = nodes.len().into();
        }
        if let Some(sets) = sets {
            let enforces = |name: &str| ENFORCERS.iter().any(|known| name.starts_with(known));
            about["networkPolicyEnforced"] = sets.iter().any(|set| enforces(&set.object.name)).into();
        }
        about
    }
}

/// Every object of a type, if they can be listed.
async fn all(with: &Planning<'_>, group: &str, resource: &str) -> Option<Vec<Live>> {
    let kind = with.built_in(group, resource).ok()?;
    with.list(kind, None, None, None).await.ok()
}
