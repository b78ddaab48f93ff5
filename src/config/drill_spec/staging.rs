//! Where a recovery point is brought up.

use super::super::decode::{Cursor, Decode};
use super::super::duration;
use super::super::fields::Fields;
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
    /// A cluster that is there already. The configuration has to name it, too, in `drills.existing`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub existing: Option<DrillExisting>,
}

/// The API server of a staging cluster, wherever that runs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(default)]
#[non_exhaustive]
pub struct DrillServer {
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
    /// How long each step may take: until the cluster is made, the API server is ready, the node is ready. Else two minutes on
    /// loopback, and five in kind.
    #[serde(serialize_with = "duration::serialize_optional", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<duration::Text>")]
    pub ready_within: Option<Duration>,
}

/// etcd and kube-apiserver as processes on this host's loopback.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
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
    /// What its API server is told.
    #[serde(flatten)]
    pub server: DrillServer,
}

/// A cluster of kind: one node in a container.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
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
    /// What its API server is told.
    #[serde(flatten)]
    pub server: DrillServer,
}

/// A cluster that is there already, and that others use too. The export is restored beside what is there, made harmless, and everything
/// that was made is deleted afterwards.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct DrillExisting {
    /// The kubeconfig.
    pub kubeconfig: PathBuf,
    /// The context in it; one that `drills.existing` of the configuration names.
    pub context: String,
    /// May workloads that checks name speak to others than each other? Else a network policy closes their namespaces.
    #[schemars(default)]
    pub egress: bool,
    /// Where the drill keeps its record and the cluster's kubeconfig as long as it lasts; with mode 0700. Else as `drills.directory` of
    /// the configuration says, else one below the directory for temporary files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub directory: Option<PathBuf>,
    /// How long it may take until everything that was made is gone again; five minutes unless something else is said.
    #[serde(serialize_with = "duration::serialize_optional", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<duration::Text>")]
    pub gone_within: Option<Duration>,
}

impl DrillStaging {
    /// Where it makes a directory of its own, if the file says so.
    pub fn directory(&self) -> Option<&PathBuf> {
        match &self.existing {
            Some(existing) => existing.directory.as_ref(),
            None => self.server().directory.as_ref(),
        }
    }

    /// Can workloads come up in it?
    pub fn runs_workloads(&self) -> bool {
        self.kind.is_some() || self.existing.is_some()
    }

    /// What the API server is told, of the place that is used.
    pub fn server(&self) -> &DrillServer {
        self.kind.as_ref().map_or(&self.controlplane.server, |kind| &kind.server)
    }
}

impl Decode for DrillStaging {
    fn decode(at: &Cursor<'_>) -> Option<Self> {
        let mut fields = at.fields()?;
        let controlplane = fields.or("controlplane", DrillControlPlane::default());
        let kind = fields.optional::<DrillKindCluster>("kind");
        let existing = fields.optional::<DrillExisting>("existing");
        fields.finish();
        if ["controlplane", "kind", "existing"].iter().filter(|name| at.entry(name).is_some()).count() > 1 {
            return at.fail("names several places: a drill has one of `controlplane`, `kind` and `existing`");
        }
        Some(DrillStaging { controlplane: controlplane?, kind: kind?, existing: existing? })
    }
}

fn path(fields: &mut Fields<'_>, name: &'static str) -> Option<Option<PathBuf>> {
    fields.optional::<String>(name).map(|path| path.map(Into::into))
}

impl DrillServer {
    /// Reads its fields among those of the place where it runs.
    fn among(fields: &mut Fields<'_>) -> Option<Self> {
        let (directory, encryption_config) = (path(fields, "directory"), path(fields, "encryptionConfig"));
        let range = fields.optional::<String>("serviceClusterIPRange");
        let args = fields.or("args", Vec::new());
        let ready_within = fields.optional("readyWithin");
        Some(DrillServer {
            directory: directory?,
            encryption_config: encryption_config?,
            service_cluster_ip_range: range?,
            args: args?,
            ready_within: ready_within?,
        })
    }
}

impl Decode for DrillControlPlane {
    fn decode(at: &Cursor<'_>) -> Option<Self> {
        let mut fields = at.fields()?;
        let (etcd, kube_apiserver) = (path(&mut fields, "etcd"), path(&mut fields, "kubeApiserver"));
        let server = DrillServer::among(&mut fields);
        fields.finish();
        Some(DrillControlPlane { etcd: etcd?, kube_apiserver: kube_apiserver?, server: server? })
    }
}

impl Decode for DrillKindCluster {
    fn decode(at: &Cursor<'_>) -> Option<Self> {
        let mut fields = at.fields()?;
        let (kind, engine) = (path(&mut fields, "kind"), path(&mut fields, "engine"));
        let (image, config) = (fields.optional("image"), path(&mut fields, "config"));
        let load_images = fields.or("loadImages", Vec::new());
        let egress = fields.or("egress", false);
        let server = DrillServer::among(&mut fields);
        fields.finish();
        Some(DrillKindCluster {
            kind: kind?,
            engine: engine?,
            image: image?,
            config: config?,
            load_images: load_images?,
            egress: egress?,
            server: server?,
        })
    }
}

impl Decode for DrillExisting {
    fn decode(at: &Cursor<'_>) -> Option<Self> {
        let mut fields = at.fields()?;
        let kubeconfig =
            fields.required::<String>("kubeconfig", "write the file by which the cluster is reached");
        let context =
            fields.required("context", "write the context in the kubeconfig, which is never guessed");
        let egress = fields.or("egress", false);
        let directory = path(&mut fields, "directory");
        let gone_within = fields.optional("goneWithin");
        fields.finish();
        Some(DrillExisting {
            kubeconfig: kubeconfig?.into(),
            context: context?,
            egress: egress?,
            directory: directory?,
            gone_within: gone_within?,
        })
    }
}
