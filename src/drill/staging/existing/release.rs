//! The workloads that checks ask for get back what makes them run; their namespaces are closed before.

use super::{
    super::{StagingError, WORKLOADS, Workload},
    sweep::selector,
    terms::{Guest, LABEL},
};
use crate::source::kube::{Cluster, Discovery, LiveObject, Refusal, ResourceType, Writing};
use bytes::Bytes;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// A controller may write a workload at the same time; then it is read again.
const TRIES: usize = 5;

/// Lets workloads run.
pub(super) struct Release<'a> {
    pub(super) cluster: &'a Cluster,
    /// What it serves.
    pub(super) kinds: &'a Discovery,
    pub(super) drill: &'a str,
    pub(super) guest: &'a Guest,
    /// May they speak to the world?
    pub(super) egress: bool,
}

impl Release<'_> {
    /// Lets those run that are meant, of those that carry the drill's label, and tells how many these are.
    pub(super) async fn run(&self, kept: &[Workload]) -> Result<usize, StagingError> {
        let mut chosen: Vec<(&ResourceType, LiveObject)> = Vec::new();
        for resource in WORKLOADS {
            let Some(kind) = self.kinds.find("apps", resource) else { continue };
            let refused =
                |refusal: Refusal| StagingError::Refused(format!("{resource} cannot be listed: {refusal}"));
            let mut list = self.cluster.live(kind, None).labelled(&selector(self.drill));
            while let Some(page) = list.next().await.map_err(refused)? {
                chosen.extend(page.into_iter().filter(|it| meant(resource, it, kept)).map(|it| (kind, it)));
            }
        }
        let namespaces: BTreeSet<&str> =
            chosen.iter().filter_map(|(_, object)| object.namespace.as_deref()).collect();
        if !self.egress {
            for namespace in namespaces {
                self.close(namespace).await?;
            }
        }
        for (kind, object) in &chosen {
            self.let_run(kind, object).await.map_err(|why| {
                StagingError::Refused(format!("one of the {} cannot be let run: {why}", kind.resource))
            })?;
        }
        Ok(chosen.len())
    }

    fn writing(&self) -> Writing {
        Writing { manager: format!("lifeboat-drill-{}", self.drill), dry_run: false, strict: false }
    }

    /// Nothing leaves the namespace but for pods of the drill and the servers that tell addresses.
    async fn close(&self, namespace: &str) -> Result<(), StagingError> {
        let group = "networking.k8s.io";
        let Some(kind) = self.kinds.find(group, "networkpolicies") else {
            return Err(StagingError::Refused(
                "the cluster knows no network policies, so that no workload is let run: allow it by staging.existing.egress".to_owned(),
            ));
        };
        let name = format!("lifeboat-drill-{}", self.drill.to_lowercase());
        let ports = json!([{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]);
        let resolvers =
            json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}});
        let policy = json!({
            "apiVersion": format!("{group}/v1"),
            "kind": "NetworkPolicy",
            "metadata": {"name": name, "labels": {LABEL: self.drill}},
            "spec": {
                "podSelector": {},
                "policyTypes": ["Egress"],
                "egress": [
                    {"to": [{"namespaceSelector": {"matchLabels": {LABEL: self.drill}}}]},
                    {"to": [resolvers], "ports": ports},
                ],
            },
        });
        let json = Bytes::from(policy.to_string());
        let made = self.cluster.create(kind, Some(namespace), &json, &self.writing()).await;
        match made {
            Err(refusal) if !refusal.exists() => Err(StagingError::Refused(format!(
                "no network policy can be made, so that no workload is let run: {refusal}"
            ))),
            _ => Ok(()),
        }
    }

    async fn let_run(&self, kind: &ResourceType, object: &LiveObject) -> Result<(), String> {
        let namespace = object.namespace.as_deref();
        for again in (0..TRIES).rev() {
            let live = self.cluster.read(kind, namespace, &object.name).await.map_err(|e| e.to_string())?;
            let live = live.filter(|live| live.uid == object.uid).ok_or("it is gone")?;
            let mut json: Value = serde_json::from_slice(&live.json).map_err(|e| e.to_string())?;
            if !self.guest.drive(&kind.resource, &mut json) {
                return Err("what made it run in the source is not known".to_owned());
            }
            let json = Bytes::from(json.to_string());
            match self.cluster.replace(kind, namespace, &object.name, &json, &self.writing()).await {
                Err(refusal) if refusal.conflicts() && again > 0 => {}
                done => return done.map(drop).map_err(|e| e.to_string()),
            }
        }
        Ok(())
    }
}

/// Is this workload one of those that are to run?
fn meant(resource: &str, object: &LiveObject, kept: &[Workload]) -> bool {
    let json: Value = serde_json::from_slice(&object.json).unwrap_or_default();
    kept.iter().any(|kept| kept.is(resource, &json))
}
