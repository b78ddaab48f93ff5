use super::MANAGER;
use crate::{
    playbook::{Equipment, Known, actions::Planning, host::OnHost, model::Playbook, op::Doing},
    point::{Digest, PointId},
    source::kube::{Cluster, Discovery},
};
use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;

/// What is to be planned.
pub struct Order<'a> {
    /// The playbook.
    pub playbook: &'a Playbook,
    /// SHA-256 of its file.
    pub sha256: Digest,
    /// The playbooks that it may call, by name.
    pub library: &'a BTreeMap<String, Playbook>,
    /// What it is told.
    pub given: BTreeMap<String, Value>,
    /// The run's id.
    pub run: PointId,
    /// Who starts it.
    pub by: String,
    /// The time of the plan.
    pub now: Timestamp,
    /// The cluster; none on a host.
    pub cluster: Option<&'a Cluster>,
    /// The host, where it runs on one.
    pub host: Option<&'a OnHost>,
    /// What it serves.
    pub kinds: &'a Discovery,
    /// What there is beside it.
    pub equipment: &'a Equipment,
    /// What was read for it.
    pub known: &'a Known,
}

impl Order<'_> {
    /// With what an action of this step is planned.
    pub(super) fn planning<'a>(&'a self, step: &'a str) -> Planning<'a> {
        Planning {
            run: self.run.as_str(),
            step,
            now: self.now,
            cluster: self.cluster,
            host: self.host,
            kinds: self.kinds,
            equipment: Some(self.equipment),
            known: Some(self.known),
        }
    }

    /// With what its ops are tried.
    pub(super) fn doing(&self) -> Doing<'_> {
        Doing {
            cluster: self.cluster,
            host: self.host,
            equipment: self.equipment,
            run: self.run.as_str(),
            manager: MANAGER,
            known: Some(self.known),
        }
    }
}
