use super::{ObjectRef, change::attempt};
use crate::source::kube::Attempt;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;

/// Tests something, once everything before has been done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ask {
    /// The action that looks, such as `network.exposure`.
    pub check: String,
    /// What it is told.
    pub args: Value,
    /// What must be true of its `result`, in CEL.
    pub expect: String,
    /// How long it is asked again while it is not true, in milliseconds.
    #[serde(default)]
    pub within_ms: u64,
}

impl fmt::Display for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "test that of {} holds: {}", self.check, self.expect)
    }
}

/// Something that is neither in the cluster's API nor in the store: after a crash nobody can tell whether it was done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "call", rename_all = "kebab-case")]
pub enum Outside {
    /// A command in a container, and what it prints is kept.
    Exec {
        /// The pod.
        pod: ObjectRef,
        /// The container; none for the pod's first.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        container: Option<String>,
        /// The program and its arguments.
        argv: Vec<String>,
        /// How long it may take, in milliseconds.
        within_ms: u64,
    },
    /// The kubelet writes a checkpoint of a container, memory and all, to the disk of its node.
    Checkpoint {
        /// The pod.
        pod: ObjectRef,
        /// The node.
        node: String,
        /// The container.
        container: String,
        /// How long it may take, in milliseconds.
        within_ms: u64,
    },
}

impl Outside {
    pub(super) fn rights(&self) -> Vec<Attempt> {
        match self {
            Outside::Exec { pod, .. } => vec![attempt(pod, "create", Some("exec".to_owned()))],
            Outside::Checkpoint { node, .. } => vec![Attempt {
                verb: "create".to_owned(),
                group: String::new(),
                resource: "nodes".to_owned(),
                subresource: Some("proxy".to_owned()),
                namespace: None,
                name: Some(node.clone()),
            }],
        }
    }
}

impl fmt::Display for Outside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outside::Exec { pod, argv, .. } => write!(f, "run `{}` in {pod}", argv.join(" ")),
            Outside::Checkpoint { pod, node, container, .. } => {
                write!(f, "write a checkpoint of container {container} of {pod} to the disk of node {node}")
            }
        }
    }
}
