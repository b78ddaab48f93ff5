//! What a drill's file asks of staging.

use super::super::duration;
use super::super::pattern::LabelSelector;
use super::super::restore_spec::{AnyValue, KindName, Pointer};
use super::super::values::ClusterName;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use std::{collections::BTreeMap, path::PathBuf, time::Duration};

/// How much a check counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DrillWeight {
    /// The drill fails with it.
    Error,
    /// It is told, and the drill does not fail.
    Warning,
    /// It is left out.
    Off,
}

/// One more check: exactly one of `count`, `object`, `cel`, `workload`, `http`, `exec`, `command` and `playbook`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct DrillCheck {
    /// Its name, which no other check has.
    pub name: ClusterName,
    /// How much it counts; `error` unless something else is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity: Option<DrillWeight>,
    /// How many objects there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<DrillCount>,
    /// What is in one object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<DrillObject>,
    /// What is true of objects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cel: Option<DrillCel>,
    /// Workloads that come up in staging; needs `kind`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workload: Option<DrillWorkload>,
    /// What a pod of such a workload answers; needs `kind`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<DrillProbe>,
    /// A command in a pod of such a workload; needs `kind`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exec: Option<DrillExec>,
    /// A command on this host, which reaches staging by `KUBECONFIG`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<DrillRun>,
    /// A playbook that is carried out in staging, and taken back; not in an existing cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub playbook: Option<DrillRehearsal>,
}

/// Workloads that come up. Of all that were restored, only those that some check names run in staging, on its one node and with
/// the images that it has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct DrillWorkload {
    /// `deployments`, `statefulsets` or `daemonsets`; else all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Where they are.
    pub namespace: String,
    /// Only the one that is called so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Only with fitting labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<LabelSelector>,
    /// How long it may take until they are ready.
    #[serde(serialize_with = "duration::serialize")]
    #[schemars(default, with = "duration::Text")]
    pub ready_within: Duration,
}

/// What a pod answers over HTTP. It is reached as by `kubectl port-forward`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct DrillProbe {
    /// Where the pod is.
    pub namespace: String,
    /// Pods with fitting labels: of those that are ready one is asked.
    pub labels: LabelSelector,
    /// The port on which it listens.
    pub port: u16,
    /// What is asked for; `/` unless something else is said.
    #[schemars(default)]
    pub path: String,
    /// The status that is right; 200 unless something else is said.
    #[schemars(default)]
    pub status: u16,
    /// What the answer has to contain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contains: Option<String>,
    /// How long it may take until the answer is right.
    #[serde(serialize_with = "duration::serialize")]
    #[schemars(default, with = "duration::Text")]
    pub within: Duration,
}

/// A command in a pod that is ready, as `kubectl exec` runs it. It has to end with 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct DrillExec {
    /// Where the pod is.
    pub namespace: String,
    /// Pods with fitting labels: it runs in one of those that are ready, once.
    pub labels: LabelSelector,
    /// In which container; else in the pod's first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// The program and its arguments; no shell is between.
    #[schemars(length(min = 1))]
    pub argv: Vec<String>,
    /// How long it may take.
    #[serde(serialize_with = "duration::serialize")]
    #[schemars(default, with = "duration::Text")]
    pub timeout: Duration,
}

/// How many objects there are.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct DrillCount {
    /// The type, as kubectl takes it.
    #[schemars(with = "KindName")]
    pub kind: String,
    /// Only in this namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Only with fitting labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<LabelSelector>,
    /// No fewer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_least: Option<u32>,
    /// No more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_most: Option<u32>,
    /// As many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exactly: Option<u32>,
}

/// What is in one object.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct DrillObject {
    /// The type, as kubectl takes it.
    #[schemars(with = "KindName")]
    pub kind: String,
    /// Its namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// The field: a JSON pointer (RFC 6901).
    #[schemars(with = "Pointer")]
    pub path: String,
    /// What it holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "AnyValue")]
    pub equals: Option<Value>,
    /// That it is there, or that it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exists: Option<bool>,
}

/// What is true of objects: exactly one of `each` and `list`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct DrillCel {
    /// The type, as kubectl takes it.
    #[schemars(with = "KindName")]
    pub kind: String,
    /// Only in this namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Only with fitting labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<LabelSelector>,
    /// An expression in CEL that is true of every `object`. Where there is no object it does not hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub each: Option<String>,
    /// An expression in CEL that is true of all `objects` together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub list: Option<String>,
}

/// A command on this host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct DrillRun {
    /// The program and its arguments; no shell is between.
    #[schemars(length(min = 1))]
    pub argv: Vec<String>,
    /// How long it may take.
    #[serde(serialize_with = "duration::serialize")]
    #[schemars(default, with = "duration::Text")]
    pub timeout: Duration,
}

/// A playbook that is rehearsed: planned in staging, carried out, and taken back. Nobody is asked meanwhile; what is collected is
/// not kept; what needs pods that run is left out where none do. It comes after every other check.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct DrillRehearsal {
    /// The playbook's file.
    #[schemars(with = "String")]
    pub file: PathBuf,
    /// What it is told.
    #[schemars(default, with = "BTreeMap<String, AnyValue>")]
    pub params: BTreeMap<String, Value>,
    /// How long that may take, taking back included.
    #[serde(serialize_with = "duration::serialize")]
    #[schemars(default, with = "duration::Text")]
    pub within: Duration,
}

/// What a check tests.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum DrillTest<'a> {
    /// How many objects there are.
    Count(&'a DrillCount),
    /// What is in one.
    Object(&'a DrillObject),
    /// What is true of objects.
    Cel(&'a DrillCel),
    /// Workloads that come up.
    Workload(&'a DrillWorkload),
    /// What a pod answers.
    Http(&'a DrillProbe),
    /// A command in a pod.
    Exec(&'a DrillExec),
    /// A command.
    Command(&'a DrillRun),
    /// A playbook.
    Playbook(&'a DrillRehearsal),
}

impl DrillCheck {
    /// What it tests.
    pub fn test(&self) -> Option<DrillTest<'_>> {
        let count = self.count.as_ref().map(DrillTest::Count);
        let object = self.object.as_ref().map(DrillTest::Object);
        let cel = self.cel.as_ref().map(DrillTest::Cel);
        let workload = self.workload.as_ref().map(DrillTest::Workload);
        let http = self.http.as_ref().map(DrillTest::Http);
        let exec = self.exec.as_ref().map(DrillTest::Exec);
        count
            .or(object)
            .or(cel)
            .or(workload)
            .or(http)
            .or(exec)
            .or(self.command.as_ref().map(DrillTest::Command))
            .or(self.playbook.as_ref().map(DrillTest::Playbook))
    }
}
