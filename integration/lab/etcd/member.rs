//! One member: its command line and its process.

use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::EtcdOptions;
use crate::lab::pki::Pki;
use crate::lab::ports::Port;
use crate::lab::process::Server;

/// A member, running or not; its ports and its data stay while it is not.
#[derive(Debug)]
pub struct Member {
    /// `etcd-0` and so on: also the name of its log.
    pub name: String,
    /// Its data directory; the database is `member/snap/db` in it.
    pub data_dir: PathBuf,
    scheme: &'static str,
    ports: Ports,
    server: Server,
}

#[derive(Debug)]
struct Ports {
    client: Port,
    peer: Port,
    metrics: Port,
}

impl Member {
    /// The URL for clients.
    pub fn endpoint(&self) -> String {
        format!("{}://{}", self.scheme, self.ports.client)
    }

    /// The URL for other members.
    pub fn peer_url(&self) -> String {
        format!("{}://{}", self.scheme, self.ports.peer)
    }

    /// The database file.
    pub fn database(&self) -> PathBuf {
        self.data_dir.join("member/snap/db")
    }

    /// What the member says of itself to Prometheus and to probes, without TLS or user; alarms count as healthy.
    pub async fn probe(&self) -> Result<Option<()>> {
        self.alive()?;
        if !self.running() {
            return Ok(Some(()));
        }
        let answer =
            timeout(Duration::from_secs(2), self.ask("/health?exclude=NOSPACE&exclude=CORRUPT")).await;
        Ok(answer.ok().and_then(Result::ok).filter(|answer| answer.contains(" 200 ")).map(drop))
    }

    /// Its metrics, in Prometheus' text format with the HTTP headers before them.
    pub async fn metrics(&self) -> Result<String> {
        self.ask("/metrics").await
    }

    async fn ask(&self, path: &str) -> Result<String> {
        let mut stream = TcpStream::connect(self.ports.metrics.to_string()).await?;
        stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    }
}

/// Until the others agree on a leader after [`Server::kill`], requests fail: [`super::Etcd::healthy`] waits for that.
impl Deref for Member {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}

/// What the members have in common.
pub(super) struct Plan<'a> {
    dir: &'a Path,
    program: PathBuf,
    options: &'a EtcdOptions,
    scheme: &'static str,
    tls: Vec<String>,
}

impl<'a> Plan<'a> {
    pub(super) fn new(
        dir: &'a Path,
        program: PathBuf,
        options: &'a EtcdOptions,
        pki: Option<&Pki>,
    ) -> Result<Self> {
        let mut tls = Vec::new();
        if let Some(pki) = pki {
            let (ca, server) = (pki.ca(), pki.server("etcd-server")?);
            for peer in ["", "peer-"] {
                tls.push(format!("--{peer}cert-file={}", server.cert.display()));
                tls.push(format!("--{peer}key-file={}", server.key.display()));
                tls.push(format!("--{peer}trusted-ca-file={}", ca.display()));
                tls.push(format!("--{peer}client-cert-auth"));
            }
        }
        let scheme = if pki.is_some() { "https" } else { "http" };
        Ok(Self { dir, program, options, scheme, tls })
    }

    pub(super) fn members(&self) -> Result<Vec<Member>> {
        let mut claimed = Vec::new();
        for i in 0..self.options.members {
            let ports = Ports { client: Port::claim()?, peer: Port::claim()?, metrics: Port::claim()? };
            claimed.push((format!("etcd-{i}"), ports));
        }
        let url = |ports: &Ports| format!("{}://{}", self.scheme, ports.peer);
        let cluster = initial_cluster(claimed.iter().map(|(name, ports)| (name.as_str(), url(ports))));
        Ok(claimed.into_iter().map(|(name, ports)| self.member(name, ports, &cluster)).collect())
    }

    fn member(&self, name: String, ports: Ports, cluster: &str) -> Member {
        let data_dir = self.options.data_dir.clone().unwrap_or_else(|| self.dir.join(format!("{name}.data")));
        let args = self.args(&name, &data_dir, &ports, cluster);
        let server = Server::new(self.dir, &name, self.program.clone(), args);
        Member { name, data_dir, scheme: self.scheme, ports, server }
    }

    fn args(&self, name: &str, data_dir: &Path, ports: &Ports, cluster: &str) -> Vec<String> {
        let (client, peer) =
            (format!("{}://{}", self.scheme, ports.client), format!("{}://{}", self.scheme, ports.peer));
        let mut args = vec![
            format!("--name={name}"),
            format!("--data-dir={}", data_dir.display()),
            format!("--listen-client-urls={client}"),
            format!("--advertise-client-urls={client}"),
            format!("--listen-peer-urls={peer}"),
            format!("--initial-advertise-peer-urls={peer}"),
            format!("--initial-cluster={cluster}"),
            format!("--listen-metrics-urls=http://{}", ports.metrics),
            format!("--quota-backend-bytes={}", self.options.quota),
            "--log-level=warn".to_owned(),
        ];
        args.extend((!self.options.fsync).then(|| "--unsafe-no-fsync".to_owned()));
        args.extend(self.tls.iter().cloned());
        args.extend(self.options.args.iter().cloned());
        args
    }
}

/// `name=URL` of every member, as etcd wants it.
pub(super) fn initial_cluster<'a>(members: impl Iterator<Item = (&'a str, String)>) -> String {
    members.map(|(name, url)| format!("{name}={url}")).collect::<Vec<_>>().join(",")
}

/// The bytes of a member's database file, changed in place; only sensible while the member is stopped.
pub(super) fn edit_database(member: &Member, edit: impl FnOnce(&mut Vec<u8>)) -> Result<()> {
    let mut bytes = fs::read(member.database())?;
    edit(&mut bytes);
    Ok(fs::write(member.database(), bytes)?)
}
