//! A real kube-apiserver on an etcd, and who may speak to it.

use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value, json};

use super::etcd::Access;
use super::eventually;
use super::pki::Pki;
use super::ports::Port;
use super::process::{Server, run};
use super::proxy::Proxy;
use super::tools::tool;

/// Which kube-apiserver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Release {
    /// The current minor version.
    #[default]
    Current,
    /// The one before.
    Before,
}

/// An API server, running or not; its address stays while it is not.
pub struct ApiServer {
    dir: PathBuf,
    pki: Pki,
    port: Port,
    server: Server,
}

impl ApiServer {
    /// Prepares one, with RBAC and client certificates, that keeps its state in the etcd behind `etcd`. An API server
    /// for restored data has to get the `pki` of the first one, else service account tokens no longer hold.
    pub fn prepare(dir: &Path, pki: Pki, etcd: &Access, more: &[String]) -> Result<Self> {
        Self::prepare_release(Release::default(), dir, pki, etcd, more)
    }

    /// The same of any version.
    pub fn prepare_release(
        release: Release,
        dir: &Path,
        pki: Pki,
        etcd: &Access,
        more: &[String],
    ) -> Result<Self> {
        fs::create_dir_all(dir)?;
        let port = Port::claim()?;
        let server = pki.server("kube-apiserver")?;
        let tokens = pki.service_account()?;
        let mut args = vec![
            format!("--etcd-servers={}", etcd.endpoints.join(",")),
            format!("--secure-port={}", port.number()),
            "--bind-address=127.0.0.1".to_owned(),
            "--advertise-address=127.0.0.1".to_owned(),
            "--endpoint-reconciler-type=none".to_owned(),
            "--service-cluster-ip-range=10.0.0.0/16".to_owned(),
            "--authorization-mode=Node,RBAC".to_owned(),
            format!("--cert-dir={}", dir.display()),
            format!("--client-ca-file={}", pki.ca().display()),
            format!("--tls-cert-file={}", server.cert.display()),
            format!("--tls-private-key-file={}", server.key.display()),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            format!("--service-account-key-file={}", tokens.cert.display()),
            format!("--service-account-signing-key-file={}", tokens.key.display()),
        ];
        if let Some(tls) = &etcd.tls {
            args.push(format!("--etcd-cafile={}", tls.ca.display()));
            args.push(format!("--etcd-certfile={}", tls.client.cert.display()));
            args.push(format!("--etcd-keyfile={}", tls.client.key.display()));
        }
        args.extend_from_slice(more);
        let program = tool(match release {
            Release::Current => "kube-apiserver",
            Release::Before => "kube-apiserver-before",
        })?;
        let server = Server::new(dir, "kube-apiserver", program, args);
        let server = Self { dir: dir.to_owned(), pki, port, server };
        server.write_kubeconfig("kubeconfig", &server.url(), "admin", Some("system:masters"))?;
        Ok(server)
    }

    /// Starts it if it is not running, and waits until it is ready.
    pub async fn start(&self) -> Result<()> {
        self.server.start()?;
        self.ready().await
    }

    /// Waits until it is ready, whoever started it.
    pub async fn ready(&self) -> Result<()> {
        let client = self.client().await?;
        eventually("kube-apiserver ready", Duration::from_secs(90), async || {
            self.server.alive()?;
            Ok(client.request_text(http::Request::get("/readyz").body(Vec::new())?).await.ok().map(drop))
        })
        .await
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("https://{}", self.port)
    }

    /// Its certificates.
    pub fn pki(&self) -> &Pki {
        &self.pki
    }

    /// The administrator's kubeconfig.
    pub fn kubeconfig(&self) -> PathBuf {
        self.dir.join("kubeconfig")
    }

    /// Writes a kubeconfig for `user`, perhaps member of `group`, with a certificate of its own.
    pub fn kubeconfig_for(&self, user: &str, group: Option<&str>) -> Result<PathBuf> {
        self.write_kubeconfig(
            &format!("{}.kubeconfig", user.replace([':', '/'], "-")),
            &self.url(),
            user,
            group,
        )
    }

    /// Writes a kubeconfig for an administrator who comes through `proxy`.
    pub fn kubeconfig_via(&self, proxy: &Proxy) -> Result<PathBuf> {
        let url = format!("https://{}", proxy.address());
        self.write_kubeconfig("proxied.kubeconfig", &url, "admin", Some("system:masters"))
    }

    /// A client with all rights.
    pub async fn client(&self) -> Result<Client> {
        client(&self.kubeconfig()).await
    }

    /// Runs `kubectl` with all rights; gives what it printed.
    pub async fn kubectl(&self, args: &[&str]) -> Result<String> {
        run(&tool("kubectl")?, args, &[("KUBECONFIG", self.kubeconfig().display().to_string())]).await
    }

    fn write_kubeconfig(&self, file: &str, url: &str, user: &str, group: Option<&str>) -> Result<PathBuf> {
        let pair = self.pki.client(file, user, group)?;
        let cluster = json!({"server": url, "certificate-authority": self.pki.ca()});
        let text = config(user, cluster, json!({"client-certificate": pair.cert, "client-key": pair.key}));
        let path = self.dir.join(file);
        fs::write(&path, serde_json::to_string_pretty(&text)?)?;
        Ok(path)
    }
}

impl Deref for ApiServer {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}

/// A kubeconfig of one context, with these fields of its cluster and of its user.
pub fn config(name: &str, cluster: Value, user: Value) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "lab", "cluster": cluster}],
        "users": [{"name": name, "user": user}],
        "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": name}}],
        "current-context": "lab",
    })
}

/// A client for a kubeconfig file.
pub async fn client(kubeconfig: &Path) -> Result<Client> {
    // A second call finds it installed, which is as good.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let file = Kubeconfig::read_from(kubeconfig)?;
    let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?;
    Ok(Client::try_from(config)?)
}
