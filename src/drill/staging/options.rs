//! What the API server of a staging cluster is told, wherever that runs.

use std::{path::PathBuf, time::Duration};

/// A staging cluster of its own for one drill.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// In which directory it makes its own.
    pub base: PathBuf,
    /// What its own is called: the drill's id.
    pub name: String,
    /// The etcdutl to use.
    pub etcdutl: PathBuf,
    /// The source's EncryptionConfiguration, where it encrypts at rest.
    pub encryption_config: Option<PathBuf>,
    /// The addresses of services; else they are read from the snapshot.
    pub service_cluster_ip_range: Option<String>,
    /// More arguments of the API server.
    pub args: Vec<String>,
    /// How long each of its steps may take, such as until the API server is ready.
    pub ready_within: Duration,
}
