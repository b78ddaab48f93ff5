//! A control plane on loopback: etcd and kube-apiserver as child processes in a private directory. It needs no privileges and
//! no containers, so it runs inside the cluster as a pod and on any machine that has the two programs.
//!
//! There is no controller, no scheduler and no kubelet: nothing acts on what was restored.

mod arguments;
mod pki;
mod programs;

use super::{
    ServerOptions, Staging, StagingError,
    home::Home,
    leftovers::directory,
    process::{self, Server},
    ready::{self, CANNOT_DECRYPT},
    service_range,
};
use crate::{
    catalogue::Catalogue,
    pipeline::Identities,
    point::{ArtifactKind, Isolation, Manifest, Program, Removed},
    restore::etcd::{Membership, Version},
    source::kube::Connection,
};
use arguments::{Api, MEMBER, Ports, TOKEN};
use async_trait::async_trait;
use pki::Pki;
use std::{
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::time::{Instant, sleep};

/// Somebody else may take a port between our look and the server's start; then others are tried.
const TRIES: usize = 4;
/// How often a server is asked whether it is ready.
const ASK_EVERY: Duration = Duration::from_millis(50);

/// What a control plane is made of.
#[derive(Debug, Clone)]
pub struct ControlPlaneOptions {
    /// What its API server is told.
    pub server: ServerOptions,
    /// The etcd to use; else the one in `PATH`.
    pub etcd: Option<PathBuf>,
    /// The kube-apiserver to use; else the one in `PATH`.
    pub kube_apiserver: Option<PathBuf>,
}

/// A control plane of its own for one drill.
#[derive(Debug)]
pub struct ControlPlane {
    options: ControlPlaneOptions,
    made: Option<Made>,
    programs: Vec<Program>,
    service_range: String,
    etcd: Option<Server>,
    api: Option<Server>,
}

/// What there is once it is provisioned.
#[derive(Debug)]
struct Made {
    home: Home,
    pki: Pki,
    etcd: PathBuf,
    api: PathBuf,
    egress: PathBuf,
}

impl ControlPlane {
    /// How long it may take until it is ready, if nobody says.
    pub const READY_WITHIN: Duration = Duration::from_secs(120);

    /// Nothing is made yet.
    pub fn new(options: ControlPlaneOptions) -> Self {
        let service_range = options.server.service_cluster_ip_range.clone();
        let service_range = service_range.unwrap_or_else(|| service_range::USUAL.to_owned());
        ControlPlane { options, made: None, programs: Vec::new(), service_range, etcd: None, api: None }
    }

    fn made(&self) -> Result<&Made, StagingError> {
        self.made
            .as_ref()
            .ok_or_else(|| StagingError::Refused("staging is used before it is provisioned".into()))
    }

    /// Starts both servers; etcd first, for which the other one waits by itself.
    async fn launch(&mut self, end: Instant) -> Result<Connection, StagingError> {
        let ports = free_ports()?;
        let made = self.made()?;
        let kubeconfig = made.home.path().join("kubeconfig");
        let _ = std::fs::remove_file(&kubeconfig);
        made.home.write("kubeconfig", &arguments::kubeconfig(ports, &made.pki))?;
        let etcd = arguments::etcd(&data(made.home.path()), ports, &made.pki);
        let api = arguments::api(&Api {
            ports,
            pki: &made.pki,
            directory: made.home.path(),
            egress: &made.egress,
            encryption: self.options.server.encryption_config.as_deref(),
            service_range: &self.service_range,
            more: &self.options.server.args,
        });
        let etcd = Server::start("etcd", &made.etcd, &etcd, made.home.path())?;
        let api = Server::start("kube-apiserver", &made.api, &api, made.home.path())?;
        let (etcd, api) = (self.etcd.insert(etcd), self.api.insert(api));
        let connection = ready::connection(kubeconfig);
        let mut last = String::new();
        while Instant::now() < end {
            etcd.alive()?;
            api.alive()?;
            match ready::serves(&connection, async { api.has_said(CANNOT_DECRYPT) }).await {
                Ok(()) => return Ok(connection),
                Err(why) => last = why,
            }
            sleep(ASK_EVERY).await;
        }
        let within = self.options.server.ready_within.as_secs();
        Err(api.not_ready(&format!("is not ready after {within} s ({last})")))
    }

    async fn stop(&mut self) -> Vec<Removed> {
        let mut removed = Vec::new();
        for server in [self.api.take(), self.etcd.take()].into_iter().flatten() {
            removed.push(server.kill().await);
        }
        removed
    }
}

fn data(home: &Path) -> PathBuf {
    home.join("data")
}

/// Three ports on which nobody listens.
fn free_ports() -> Result<Ports, StagingError> {
    let bound = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let listeners = [bound(), bound(), bound()];
    let mut ports = listeners.iter().map(|listener| match listener {
        Ok(listener) => listener.local_addr().map(|address| address.port()),
        Err(e) => Err(std::io::Error::new(e.kind(), e.to_string())),
    });
    let mut port = || match ports.next() {
        Some(Ok(port)) => Ok(port),
        other => {
            let why = other.and_then(Result::err).map(|e| e.to_string()).unwrap_or_default();
            Err(StagingError::Refused(format!("there is no free port on loopback: {why}")))
        }
    };
    Ok(Ports { etcd: port()?, peers: port()?, api: port()? })
}

#[async_trait]
impl Staging for ControlPlane {
    fn provider(&self) -> &'static str {
        "controlplane"
    }

    fn name(&self) -> &str {
        &self.options.server.name
    }

    fn isolation(&self) -> Vec<Isolation> {
        vec![
            Isolation::new(
                "controllers of the source act from staging: balancers, volumes, DNS, pods",
                "there is no controller manager, no scheduler and no kubelet: nothing acts on the objects, and no image is pulled",
            ),
            Isolation::new(
                "the API server calls webhooks or aggregated APIs of the source",
                "the admission plugins for webhooks are off, and its egress to cluster and control plane leads to a socket on which nobody \
                 listens",
            ),
            Isolation::new(
                "somebody reaches staging",
                "all servers listen on 127.0.0.1 alone, and ask for a certificate of staging's own authority",
            ),
            Isolation::new(
                "tokens of the source hold in staging, or staging's in the source",
                "service account tokens are signed and checked with a key that was made for this drill",
            ),
            Isolation::new(
                "credentials of this host are used",
                "the servers got an empty environment: no cloud credentials, no proxies, no kubeconfig",
            ),
            Isolation::new(
                "restored Secrets stay behind",
                "they lay in a directory of mode 0700, which was removed: see the clean-up",
            ),
        ]
    }

    fn programs(&self) -> Vec<Program> {
        self.programs.clone()
    }

    async fn provision(&mut self, manifest: &Manifest) -> Result<(), StagingError> {
        let options = &self.options;
        let etcd = programs::find("etcd", options.etcd.as_deref(), "staging.controlplane.etcd");
        let named = options.kube_apiserver.as_deref();
        let api = programs::find("kube-apiserver", named, "staging.controlplane.kubeApiserver");
        let (etcd, api) = futures_util::future::try_join(etcd, api).await?;
        self.programs = vec![etcd.facts.clone(), api.facts.clone()];
        let facts = manifest.artifact(&ArtifactKind::Etcd).and_then(|artifact| artifact.etcd.as_ref());
        let source = facts.and_then(|facts| Version::parse(&facts.version));
        if let (Some(source), Some(found)) = (source, Version::parse(&etcd.facts.version))
            && found < source
        {
            return Err(StagingError::Program {
                program: "etcd".to_owned(),
                reason: format!("{} has version {found}, and the source's was {source}", etcd.path.display()),
                help:
                    "an older etcd does not read what a newer one wrote: install that version or a newer one"
                        .to_owned(),
            });
        }
        if let Some(config) = &options.server.encryption_config {
            // The API server would end over it, long after.
            std::fs::File::open(config).map_err(super::home::at(config))?;
        }
        let home = Home::make(&options.server.base, &options.server.name)?;
        let pki = Pki::make(&home);
        let egress = home.write("egress.json", &arguments::egress(&home.path().join("nowhere.sock")));
        // What is made has to be known before anything can fail: it is taken away by what is known.
        match (pki, egress) {
            (Ok(pki), Ok(egress)) => {
                self.made = Some(Made { home, pki, etcd: etcd.path, api: api.path, egress });
                Ok(())
            }
            (Err(e), _) | (_, Err(e)) => {
                let _ = home.remove();
                Err(e)
            }
        }
    }

    async fn empty(&mut self) -> Result<(), StagingError> {
        self.stop().await;
        let data = data(self.made()?.home.path());
        match std::fs::remove_dir_all(&data) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(super::home::at(&data)(e)),
            _ => Ok(()),
        }
    }

    async fn restore_etcd(
        &mut self,
        catalogue: &Catalogue,
        manifest: &Manifest,
        identities: Arc<Identities>,
    ) -> Result<(), StagingError> {
        self.empty().await?;
        let data_dir = data(self.made()?.home.path());
        // Its peers' address is told anew when it starts.
        let peer = Ports { etcd: 0, peers: 2380, api: 0 }.peer_url();
        let membership = Membership {
            name: MEMBER.to_owned(),
            initial_cluster: format!("{MEMBER}={peer}"),
            initial_advertise_peer_urls: peer,
            initial_cluster_token: TOKEN.to_owned(),
        };
        let (what, to) = ((catalogue, manifest, identities), (data_dir, membership));
        let known = self.options.server.service_cluster_ip_range.as_deref();
        if let Some(range) = super::data::restore(what, to, &self.options.server.etcdutl, known).await? {
            self.service_range = range;
        }
        Ok(())
    }

    async fn start(&mut self) -> Result<Connection, StagingError> {
        let end = Instant::now() + self.options.server.ready_within;
        let mut tries = 1;
        loop {
            match self.launch(end).await {
                Err(StagingError::NotReady { said, .. })
                    if said.contains("address already in use") && tries < TRIES =>
                {
                    tries += 1;
                    self.stop().await;
                }
                other => return other,
            }
        }
    }

    async fn trouble(&mut self) -> Option<StagingError> {
        let servers = [self.etcd.as_mut(), self.api.as_mut()].into_iter().flatten();
        let ended = servers.filter_map(|server| server.alive().err()).next();
        ended.or_else(|| self.etcd.as_ref().and_then(Server::out_of_room))
    }

    async fn tear_down(&mut self) -> Vec<Removed> {
        let mut removed = self.stop().await;
        let Some(made) = self.made.take() else { return removed };
        // What a drill that was stopped in the middle of its restore still had at work.
        removed.extend(process::kill_all(made.home.path()).await);
        removed.push(directory(made.home.path(), made.home.remove()));
        removed
    }
}

impl Drop for ControlPlane {
    /// Only after a panic is there still anything: the servers die with their handles, and the directory goes here.
    fn drop(&mut self) {
        (self.api, self.etcd) = (None, None);
        if let Some(made) = self.made.take() {
            let _ = made.home.remove();
        }
    }
}
