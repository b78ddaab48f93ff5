//! How to speak to an etcd, as a client library and as `etcdctl` want it.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use etcd_client::{Certificate, Client, ConnectOptions, Identity, TlsOptions};

use crate::lab::pki::{Pair, Pki};
use crate::lab::process::run;
use crate::lab::tools::tool;

/// Endpoints and credentials.
#[derive(Clone, Debug)]
pub struct Access {
    /// Client URLs.
    pub endpoints: Vec<String>,
    /// Certificates, if they are wanted.
    pub tls: Option<Tls>,
    /// User and password, if authentication is on.
    pub auth: Option<(String, String)>,
}

/// PEM files of a client.
#[derive(Clone, Debug)]
pub struct Tls {
    /// The authority that signed the server's certificate.
    pub ca: PathBuf,
    /// The client's certificate and key.
    pub client: Pair,
}

impl Tls {
    /// A client's files, signed by `pki`.
    pub fn client(pki: &Pki) -> Result<Self> {
        Ok(Self { ca: pki.ca(), client: pki.client("etcd-client", "root", None)? })
    }
}

impl Access {
    /// The same for one endpoint alone.
    pub fn of(&self, i: usize) -> Self {
        Self { endpoints: vec![self.endpoints[i].clone()], ..self.clone() }
    }

    /// A client.
    pub async fn client(&self) -> Result<Client> {
        let mut options = ConnectOptions::new().with_connect_timeout(Duration::from_secs(5));
        if let Some(tls) = &self.tls {
            let identity = Identity::from_pem(fs::read(&tls.client.cert)?, fs::read(&tls.client.key)?);
            let ca = Certificate::from_pem(fs::read(&tls.ca)?);
            options = options.with_tls(TlsOptions::new().ca_certificate(ca).identity(identity));
        }
        if let Some((user, password)) = &self.auth {
            options = options.with_user(user, password);
        }
        Ok(Client::connect(&self.endpoints, Some(options)).await?)
    }

    /// Runs `etcdctl`; gives what it printed.
    pub async fn etcdctl(&self, args: &[&str]) -> Result<String> {
        let mut env = vec![("ETCDCTL_ENDPOINTS", self.endpoints.join(","))];
        if let Some(tls) = &self.tls {
            env.push(("ETCDCTL_CACERT", tls.ca.display().to_string()));
            env.push(("ETCDCTL_CERT", tls.client.cert.display().to_string()));
            env.push(("ETCDCTL_KEY", tls.client.key.display().to_string()));
        }
        if let Some((user, password)) = &self.auth {
            env.push(("ETCDCTL_USER", format!("{user}:{password}")));
        }
        run(&tool("etcdctl")?, args, &env).await
    }
}
