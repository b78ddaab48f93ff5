//! Which ways are open to a pod.

use super::{ActionError, Class, Live, Plain, Planned, Planning, Target};
use crate::object::{Exposure, exposure};
use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// Policies of network plugins, and of the cluster's administrators, whose rules are not evaluated here.
const FOREIGN: &[(&str, &str)] = &[
    ("cilium.io", "ciliumnetworkpolicies"),
    ("cilium.io", "ciliumclusterwidenetworkpolicies"),
    ("crd.projectcalico.org", "networkpolicies"),
    ("crd.projectcalico.org", "globalnetworkpolicies"),
    ("projectcalico.org", "networkpolicies"),
    ("projectcalico.org", "globalnetworkpolicies"),
    ("crd.antrea.io", "networkpolicies"),
    ("crd.antrea.io", "clusternetworkpolicies"),
    ("policy.networking.k8s.io", "adminnetworkpolicies"),
    ("policy.networking.k8s.io", "baselineadminnetworkpolicies"),
    ("policy.networking.k8s.io", "clusternetworkpolicies"),
];

/// Tells which ways are open to a pod.
pub(super) struct NetworkExposure;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ExposureArgs {
    /// The pod.
    target: Target,
}

#[async_trait]
impl Plain for NetworkExposure {
    type Args = ExposureArgs;
    const NAME: &'static str = "network.exposure";
    const CLASS: Class = Class::Read;
    const ABOUT: &'static str =
        "Tells who may still reach a pod and what it may reach, by all NetworkPolicies that select it.";

    async fn plan(with: &Planning<'_>, args: ExposureArgs) -> Result<Planned, ActionError> {
        let pod = with.find(&args.target).await?;
        if !pod.object.is("", "pods") {
            return Err(ActionError::Arguments(format!("{} is no pod", pod.object)));
        }
        let namespace = pod.object.namespace.as_deref().unwrap_or_default();
        let (mut found, not_evaluated) =
            Policies::of(with, namespace).await?.look(&pod.json["metadata"]["labels"]);
        let mut remarks = Vec::new();
        if on_host_network(&pod) {
            found = Exposure::open();
            remarks.push(format!(
                "{} is in the network of its node, where no NetworkPolicy holds it",
                pod.object
            ));
        }
        if !not_evaluated.is_empty() {
            remarks.push(format!("these say more, and are not evaluated: {}", not_evaluated.join(", ")));
        }
        let mut result = json!(found);
        result["notEvaluated"] = not_evaluated.into();
        Ok(Planned { result: Some(result.into()), remarks, ops: Vec::new() })
    }
}

/// Is it in the network of its node?
pub(super) fn on_host_network(pod: &Live) -> bool {
    pod.json["spec"]["hostNetwork"] == true
}

/// The policies that count for the pods of a namespace.
pub(super) struct Policies {
    known: Vec<Arc<Value>>,
    not_evaluated: Vec<String>,
}

impl Policies {
    /// Reads them.
    ///
    /// # Errors
    /// When the server does not list the NetworkPolicies.
    pub(super) async fn of(with: &Planning<'_>, namespace: &str) -> Result<Self, ActionError> {
        let kind = with.built_in("networking.k8s.io", "networkpolicies")?;
        let known =
            with.list(kind, Some(namespace), None, None).await?.into_iter().map(|it| it.json).collect();
        let mut not_evaluated = Vec::new();
        for (group, resource) in FOREIGN {
            let Some(kind) = with.kinds.find(group, resource) else { continue };
            let place = kind.namespaced.then_some(namespace);
            match with.list(kind, place, None, None).await {
                Ok(all) => not_evaluated.extend(all.iter().map(|it| it.object.to_string())),
                Err(e) => not_evaluated.push(format!("{resource}.{group} ({e})")),
            }
        }
        not_evaluated.sort();
        Ok(Policies { known, not_evaluated })
    }

    /// What they leave open to a pod with these labels, and which of them were not evaluated.
    pub(super) fn look(&self, labels: &Value) -> (Exposure, Vec<String>) {
        (exposure(labels, self.known.iter().map(AsRef::as_ref)), self.not_evaluated.clone())
    }
}
