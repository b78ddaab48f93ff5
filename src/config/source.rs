//! The sections about what is saved: etcd, the API server, and the choice of objects.

use super::duration;
use super::pattern::{LabelSelector, NamespaceGlob, ResourcePattern};
use super::secret::SecretRef;
use super::values::{Endpoint, ServerName};
use schemars::JsonSchema;
use serde::Serialize;
use std::path::PathBuf;
use std::time::Duration;

/// How to reach etcd.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct Etcd {
    /// The members, as `https://host:port`. Name them all: a snapshot is taken from a healthy one.
    #[schemars(length(min = 1))]
    pub endpoints: Vec<Endpoint>,
    /// Certificates. Without them, `https` trusts the system's certificate authorities.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<EtcdTls>,
    /// User and password, if etcd asks for them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<EtcdAuth>,
    /// How long a snapshot may bring no bytes before another member is tried.
    #[serde(serialize_with = "duration::serialize")]
    #[schemars(with = "duration::Text", default = "idle_timeout")]
    pub idle_timeout: Duration,
    /// How long a connection may take.
    #[serde(serialize_with = "duration::serialize")]
    #[schemars(with = "duration::Text", default = "connect_timeout")]
    pub connect_timeout: Duration,
    /// How long one request (but not the snapshot) may take.
    #[serde(serialize_with = "duration::serialize")]
    #[schemars(with = "duration::Text", default = "request_timeout")]
    pub request_timeout: Duration,
}

pub(super) fn idle_timeout() -> Duration {
    Duration::from_secs(60)
}

pub(super) fn connect_timeout() -> Duration {
    Duration::from_secs(5)
}

pub(super) fn request_timeout() -> Duration {
    Duration::from_secs(30)
}

/// Certificates for etcd. The files are read again for every connection, so that renewed ones are used.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("dependentRequired" = {"cert": ["key"], "key": ["cert"]}))]
#[non_exhaustive]
pub struct EtcdTls {
    /// The authority that signed etcd's certificates (PEM). Without it, the system's authorities are trusted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// The client certificate (PEM).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cert: Option<PathBuf>,
    /// The client certificate's key (PEM).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<PathBuf>,
    /// The name that etcd's certificate must bear, if it is not the endpoint's host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_name: Option<ServerName>,
}

/// User and password for etcd.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct EtcdAuth {
    /// The user's name.
    pub username: String,
    /// Where the password is.
    pub password: SecretRef,
}

/// How to reach the API server. If nothing is said: `$KUBECONFIG`, `~/.kube/config`, or the pod's service account.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(default)]
#[non_exhaustive]
pub struct Kubernetes {
    /// A kubeconfig file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kubeconfig: Option<PathBuf>,
    /// The context in the kubeconfig; its current one if nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    /// Use the pod's service account, and nothing else.
    pub in_cluster: bool,
    /// Most requests a second.
    #[schemars(range(min = 1, max = 10_000))]
    pub qps: u32,
    /// Requests that are under way at once.
    #[schemars(range(min = 1, max = 64))]
    pub concurrency: u32,
    /// Objects that one request asks for.
    #[schemars(range(min = 1, max = 10_000))]
    pub page_size: u32,
    /// How long one request may take.
    #[serde(serialize_with = "duration::serialize")]
    #[schemars(with = "duration::Text")]
    pub timeout: Duration,
}

impl Default for Kubernetes {
    fn default() -> Self {
        let timeout = Duration::from_secs(60);
        Self {
            kubeconfig: None,
            context: None,
            in_cluster: false,
            qps: 200,
            concurrency: 4,
            page_size: 500,
            timeout,
        }
    }
}

/// Which objects are exported. What is excluded is left out even if it is included too.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(default)]
#[non_exhaustive]
pub struct Resources {
    /// Only these resources; all of them if empty.
    pub include: Vec<ResourcePattern>,
    /// Not these resources.
    pub exclude: Vec<ResourcePattern>,
    /// Only namespaces that fit one of these; all if empty. Objects without a namespace are not concerned.
    pub include_namespaces: Vec<NamespaceGlob>,
    /// Not namespaces that fit one of these.
    pub exclude_namespaces: Vec<NamespaceGlob>,
    /// Only objects with fitting labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label_selector: Option<LabelSelector>,
    /// Leave out `metadata.managedFields`: smaller exports, without the record of who set which field.
    pub drop_managed_fields: bool,
}
