//! Where a recovery point is brought up.

use super::super::decode::{Cursor, Decode};
use super::super::duration;
use schemars::JsonSchema;
use serde::Serialize;
use std::path::PathBuf;
use std::time::Duration;

/// Where a recovery point is brought up.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(default)]
#[non_exhaustive]
pub struct DrillStaging {
    /// etcd and kube-apiserver as processes on this host's loopback: what is used unless something else is named.
    pub controlplane: DrillControlPlane,
    /// A cluster of kind: one node in a container, with a kubelet, so that workloads come up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<DrillKindCluster>,
}

/// etcd and kube-apiserver as processes on this host's loopback.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(default)]
#[non_exhaustive]
pub struct DrillControlPlane {
    /// The etcd to use; else the one in PATH.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub etcd: Option<PathBuf>,
    /// The kube-apiserver to use; else the one in PATH.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kube_apiserver: Option<PathBuf>,
    /// Where staging gets a directory of its own. It must belong to the user who runs this, with mode 0700. Else one below the
    /// directory for temporary files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub directory: Option<PathBuf>,
    /// The EncryptionConfiguration of the source's API server, where it encrypts at rest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encryption_config: Option<PathBuf>,
    /// The source's `--service-cluster-ip-range`; else it is read from the snapshot (Kubernetes 1.33 or newer).
    #[serde(rename = "serviceClusterIPRange", skip_serializing_if = "Option::is_none")]
    pub service_cluster_ip_range: Option<String>,
    /// More arguments of the API server, such as the source's feature gates.
    pub args: Vec<String>,
    /// How long it may take until the API server is ready.
    #[serde(serialize_with = "duration::serialize")]
    #[schemars(with = "duration::Text")]
    pub ready_within: Duration,
}

/// A cluster of kind: one node in a container.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(default)]
#[non_exhaustive]
pub struct DrillKindCluster {
    /// The kind to use; else the one in PATH.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<PathBuf>,
    /// Docker or Podman, or a program that speaks as they do; else the one in PATH.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub engine: Option<PathBuf>,
    /// The node's image; else `kindest/node` of the source's version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// A configuration of kind (`kind: Cluster`) with one node: patches, feature gates, mounts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<PathBuf>,
    /// Images of this host that are loaded into the node, for the workloads that are to come up.
    pub load_images: Vec<String>,
    /// May what runs there speak to the world? Images can be pulled then, and the source can be reached.
    pub egress: bool,
    /// Where staging gets a directory of its own. It must belong to the user who runs this, with mode 0700. Else one below the
    /// directory for temporary files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub directory: Option<PathBuf>,
    /// The EncryptionConfiguration of the source's API server, where it encrypts at rest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encryption_config: Option<PathBuf>,
    /// The source's `--service-cluster-ip-range`; else it is read from the snapshot (Kubernetes 1.33 or newer).
    #[serde(rename = "serviceClusterIPRange", skip_serializing_if = "Option::is_none")]
    pub service_cluster_ip_range: Option<String>,
    /// More arguments of the API server, such as the source's feature gates.
    pub args: Vec<String>,
    /// How long each step may take: until kind has made the cluster, the API server is ready, the node is ready.
    #[serde(serialize_with = "duration::serialize")]
    #[schemars(with = "duration::Text")]
    pub ready_within: Duration,
}

impl Default for DrillControlPlane {
    fn default() -> Self {
        DrillControlPlane {
            etcd: None,
            kube_apiserver: None,
            directory: None,
            encryption_config: None,
            service_cluster_ip_range: None,
            args: Vec::new(),
            ready_within: Duration::from_secs(120),
        }
    }
}

impl Default for DrillKindCluster {
    fn default() -> Self {
        DrillKindCluster {
            kind: None,
            engine: None,
            image: None,
            config: None,
            load_images: Vec::new(),
            egress: false,
            directory: None,
            encryption_config: None,
            service_cluster_ip_range: None,
            args: Vec::new(),
            ready_within: Duration::from_secs(300),
        }
    }
}

impl Decode for DrillStaging {
    fn decode(at: &Cursor<'_>) -> Option<Self> {
        let mut fields = at.fields()?;
        fields.later(&["existing"]);
        let controlplane = fields.or("controlplane", DrillControlPlane::default());
        let kind = fields.optional::<DrillKindCluster>("kind");
        fields.finish();
        if at.entry("controlplane").is_some() && at.entry("kind").is_some() {
            return at.fail("names two places: a drill has one of `controlplane` and `kind`");
        }
        Some(DrillStaging { controlplane: controlplane?, kind: kind? })
    }
}

impl Decode for DrillControlPlane {
    fn decode(at: &Cursor<'_>) -> Option<Self> {
        let default = Self::default();
        let mut fields = at.fields()?;
        let etcd = fields.optional::<String>("etcd");
        let kube_apiserver = fields.optional::<String>("kubeApiserver");
        let directory = fields.optional::<String>("directory");
        let encryption_config = fields.optional::<String>("encryptionConfig");
        let range = fields.optional::<String>("serviceClusterIPRange");
        let args = fields.or("args", default.args);
        let ready_within = fields.or("readyWithin", default.ready_within);
        fields.finish();
        Some(DrillControlPlane {
            etcd: etcd?.map(Into::into),
            kube_apiserver: kube_apiserver?.map(Into::into),
            directory: directory?.map(Into::into),
            encryption_config: encryption_config?.map(Into::into),
            service_cluster_ip_range: range?,
            args: args?,
            ready_within: ready_within?,
        })
    }
}

impl Decode for DrillKindCluster {
    fn decode(at: &Cursor<'_>) -> Option<Self> {
        let default = Self::default();
        let mut fields = at.fields()?;
        let kind = fields.optional::<String>("kind");
        let engine = fields.optional::<String>("engine");
        let image = fields.optional("image");
        let config = fields.optional::<String>("config");
        let load_images = fields.or("loadImages", default.load_images);
        let egress = fields.or("egress", default.egress);
        let directory = fields.optional::<String>("directory");
        let encryption_config = fields.optional::<String>("encryptionConfig");
        let range = fields.optional::<String>("serviceClusterIPRange");
        let args = fields.or("args", default.args);
        let ready_within = fields.or("readyWithin", default.ready_within);
        fields.finish();
        Some(DrillKindCluster {
            kind: kind?.map(Into::into),
            engine: engine?.map(Into::into),
            image: image?,
            config: config?.map(Into::into),
            load_images: load_images?,
            egress: egress?,
            directory: directory?.map(Into::into),
            encryption_config: encryption_config?.map(Into::into),
            service_cluster_ip_range: range?,
            args: args?,
            ready_within: ready_within?,
        })
    }
}
