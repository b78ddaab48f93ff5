//! A whole control plane on loopback: etcd, kube-apiserver and, if wanted, who acts on what is in it.

use std::fs;
use std::ops::Deref;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::{Node, ServiceAccount};
use kube::Api;
use kube::api::PostParams;

use super::apiserver::{ApiServer, Release};
use super::etcd::{Etcd, EtcdOptions};
use super::eventually;
use super::pki::Pki;
use super::ports::Port;
use super::process::Process;
use super::tools::tool;

/// What kind of cluster to start. `ClusterOptions::default()` is etcd and the API server: nothing acts on objects.
#[derive(Clone, Debug, Default)]
pub struct ClusterOptions {
    /// Its etcd, without authentication, which the API server cannot do.
    pub etcd: EtcdOptions,
    /// Which API server. The others are of the current version, which may not be newer than the API server's.
    pub release: Release,
    /// Controller manager, scheduler and kwok, so that deployments become ready on nodes that do not exist.
    pub full: bool,
    /// Secrets are encrypted at rest.
    pub encrypt_secrets: bool,
    /// More arguments for the API server.
    pub args: Vec<String>,
}

impl ClusterOptions {
    /// With everything that makes a deployment become ready.
    pub fn full() -> Self {
        Self { full: true, ..Self::default() }
    }
}

/// A cluster; what its API server can do, it can.
pub struct Cluster {
    // Dropped in this order: who speaks to the API server, the API server, etcd.
    controllers: Vec<Process>,
    apiserver: ApiServer,
    etcd: Etcd,
}

impl Cluster {
    /// Starts one under `dir` and waits until it is ready.
    pub async fn start(dir: &Path, options: ClusterOptions) -> Result<Self> {
        ensure!(options.etcd.auth.is_none(), "kube-apiserver knows certificates, no etcd users");
        ensure!(
            !options.full || options.release == Release::Current,
            "controllers newer than the API server"
        );
        let etcd = Etcd::start(dir, options.etcd).await?;
        let mut args = options.args;
        if options.encrypt_secrets {
            args.push(encryption(dir)?);
        }
        let pki = Pki::open(&dir.join("pki"))?;
        let apiserver = ApiServer::prepare_release(options.release, dir, pki, etcd.access(), &args)?;
        apiserver.start().await?;
        let mut cluster = Self { controllers: Vec::new(), apiserver, etcd };
        if options.full {
            cluster.controllers = controllers(dir, &cluster.apiserver)?;
            cluster.controlled().await?;
        }
        Ok(cluster)
    }

    /// Waits for the first thing that controllers do and that pods need.
    async fn controlled(&self) -> Result<()> {
        let accounts: Api<ServiceAccount> = Api::default_namespaced(self.client().await?);
        eventually("the default service account", Duration::from_secs(60), async || {
            self.controllers.iter().try_for_each(Process::alive)?;
            Ok(accounts.get_opt("default").await?)
        })
        .await?;
        Ok(())
    }

    /// Its etcd.
    pub fn etcd(&self) -> &Etcd {
        &self.etcd
    }

    /// Its API server.
    pub fn apiserver(&self) -> &ApiServer {
        &self.apiserver
    }

    /// Starts another API server, with its own address and kubeconfig, on an etcd with data restored from this cluster.
    pub async fn apiserver_on(&self, etcd: &Etcd) -> Result<ApiServer> {
        apiserver_on(self.etcd.dir(), etcd).await
    }

    /// Adds a node that does not exist; kwok plays its kubelet and makes it ready.
    pub async fn add_node(&self, name: &str) -> Result<()> {
        let node: Node = serde_json::from_value(serde_json::json!({
            "metadata": {"name": name, "labels": {"type": "kwok", "kubernetes.io/hostname": name}},
        }))?;
        Api::all(self.client().await?).create(&PostParams::default(), &node).await?;
        Ok(())
    }
}

impl Deref for Cluster {
    type Target = ApiServer;

    fn deref(&self) -> &ApiServer {
        &self.apiserver
    }
}

/// Starts an API server in `etcd`'s directory with the certificates, and the encryption at rest, of the cluster in `dir`.
pub async fn apiserver_on(dir: &Path, etcd: &Etcd) -> Result<ApiServer> {
    let mut args = Vec::new();
    if dir.join(ENCRYPTION).exists() {
        args.push(encryption(dir)?);
    }
    let apiserver = ApiServer::prepare(etcd.dir(), Pki::open(&dir.join("pki"))?, etcd.access(), &args)?;
    apiserver.start().await?;
    Ok(apiserver)
}

const ENCRYPTION: &str = "encryption.json";

/// Writes the API server's encryption configuration and gives the argument that names it.
fn encryption(dir: &Path) -> Result<String> {
    let path = dir.join(ENCRYPTION);
    if !path.exists() {
        let key =
            serde_json::json!({"name": "lab", "secret": "bGFiLWxhYi1sYWItbGFiLWxhYi1sYWItbGFiLWxhYi0="});
        let text = serde_json::json!({
            "apiVersion": "apiserver.config.k8s.io/v1",
            "kind": "EncryptionConfiguration",
            "resources": [{"resources": ["secrets"], "providers": [{"secretbox": {"keys": [key]}}, {"identity": {}}]}],
        });
        fs::write(&path, serde_json::to_string_pretty(&text)?)?;
    }
    Ok(format!("--encryption-provider-config={}", path.display()))
}

fn controllers(dir: &Path, apiserver: &ApiServer) -> Result<Vec<Process>> {
    let kubeconfig = format!("--kubeconfig={}", apiserver.kubeconfig().display());
    let common = |port: &Port| {
        let port = format!("--secure-port={}", port.number());
        [kubeconfig.clone(), port, "--leader-elect=false".to_owned(), "--bind-address=127.0.0.1".to_owned()]
    };
    let start = |name: &str, args: Vec<String>| Process::start(dir, name, &tool(name)?, args);

    let mut manager = common(&Port::claim()?).to_vec();
    let tokens = apiserver.pki().service_account()?;
    manager.push(format!("--service-account-private-key-file={}", tokens.key.display()));
    manager.push(format!("--root-ca-file={}", apiserver.pki().ca().display()));
    manager.push("--use-service-account-credentials".to_owned());

    let mut kwok = vec![kubeconfig.clone(), "--manage-all-nodes=true".to_owned()];
    kwok.push("--node-lease-duration-seconds=40".to_owned());
    for stage in fs::read_dir(tool("kwok")?.with_file_name("stages"))? {
        kwok.push(format!("--config={}", stage?.path().display()));
    }
    Ok(vec![
        start("kube-controller-manager", manager)?,
        start("kube-scheduler", common(&Port::claim()?).to_vec())?,
        start("kwok", kwok)?,
    ])
}
