//! One member: its command line and its process.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::EtcdOptions;
use crate::lab::pki::Pki;
use crate::lab::ports::Port;
use crate::lab::process::Process;

/// A member, running or not; its ports and its data stay while it is not.
#[derive(Debug)]
pub struct Member {
    /// `etcd-0` and so on: also the name of its log.
    pub name: String,
    /// Its data directory; the database is `member/snap/db` in it.
    pub data_dir: PathBuf,
    dir: PathBuf,
    scheme: &'static str,
    ports: Ports,
    program: PathBuf,
    args: Vec<String>,
    process: Mutex<Option<Process>>,
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

    /// Starts it if it is not running, and does not wait: see [`super::Etcd::healthy`].
    pub fn start(&self) -> Result<()> {
        let mut process = self.process();
        if process.is_none() {
            *process = Some(Process::start(&self.dir, &self.name, &self.program, &self.args)?);
        }
        Ok(())
    }

    /// Its command line, for somebody else to start it.
    pub fn command(&self) -> Vec<String> {
        std::iter::once(self.program.display().to_string()).chain(self.args.iter().cloned()).collect()
    }

    /// Whether it was started and neither stopped nor killed.
    pub fn running(&self) -> bool {
        self.process().is_some()
    }

    /// Lets it end in order.
    pub async fn stop(&self) -> Result<()> {
        let process = self.process().take();
        match process {
            Some(process) => process.stop().await,
            None => Ok(()),
        }
    }

    /// Ends it in the middle of what it does. Until the others agree on a leader, requests fail:
    /// [`super::Etcd::healthy`] waits for that.
    pub fn kill(&self) {
        self.process().take();
    }

    /// Freezes it: connections stay open, nothing answers.
    pub fn pause(&self) -> Result<()> {
        self.process().as_ref().with_context(|| format!("{} is not running", self.name))?.pause()
    }

    /// Lets it go on after [`Member::pause`].
    pub fn resume(&self) -> Result<()> {
        self.process().as_ref().with_context(|| format!("{} is not running", self.name))?.resume()
    }

    /// What the member says of itself to Prometheus and to probes, without TLS or user; alarms count as healthy.
    pub async fn probe(&self) -> Result<Option<()>> {
        if let Some(process) = self.process().as_ref() {
            process.alive()?;
        } else {
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

    fn process(&self) -> MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
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
        let mut members = Vec::new();
        for i in 0..self.options.members {
            let ports = Ports { client: Port::claim()?, peer: Port::claim()?, metrics: Port::claim()? };
            members.push(self.member(i, ports));
        }
        let cluster = initial_cluster(members.iter().map(|member| (member.name.as_str(), member.peer_url())));
        for member in &mut members {
            member.args = self.args(member, &cluster);
        }
        Ok(members)
    }

    fn member(&self, i: usize, ports: Ports) -> Member {
        let name = format!("etcd-{i}");
        let data_dir = self.options.data_dir.clone().unwrap_or_else(|| self.dir.join(format!("{name}.data")));
        Member {
            name,
            data_dir,
            dir: self.dir.to_owned(),
            scheme: self.scheme,
            ports,
            program: self.program.clone(),
            args: Vec::new(),
            process: Mutex::new(None),
        }
    }

    fn args(&self, member: &Member, cluster: &str) -> Vec<String> {
        let (client, peer) = (member.endpoint(), member.peer_url());
        let mut args = vec![
            format!("--name={}", member.name),
            format!("--data-dir={}", member.data_dir.display()),
            format!("--listen-client-urls={client}"),
            format!("--advertise-client-urls={client}"),
            format!("--listen-peer-urls={peer}"),
            format!("--initial-advertise-peer-urls={peer}"),
            format!("--initial-cluster={cluster}"),
            format!("--listen-metrics-urls=http://{}", member.ports.metrics),
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
