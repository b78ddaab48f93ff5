//! A real etcd of one or more members.

mod access;
mod faults;
mod member;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use etcd_client::{Client, DeleteOptions, GetOptions};

use super::eventually;
use super::pki::Pki;
use super::tools::tool;
pub use access::{Access, Tls};
pub use member::Member;

/// Which line of etcd.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// The current one.
    #[default]
    V36,
    /// The one before.
    V35,
}

/// What kind of etcd to start. `EtcdOptions::default()` has one member and neither TLS nor users.
#[derive(Clone, Debug)]
pub struct EtcdOptions {
    /// How many members, commonly 1 or 3.
    pub members: usize,
    /// Which etcd.
    pub version: Version,
    /// TLS everywhere, with client certificates.
    pub tls: bool,
    /// User and password to enable authentication with; the user may do everything.
    pub auth: Option<(String, String)>,
    /// The size at which the NOSPACE alarm is raised, in bytes.
    pub quota: u64,
    /// Wait for the disk. Without, data survives the end of a process all the same, only not that of the machine.
    pub fsync: bool,
    /// The data directory of a single member, when it is not to start empty.
    pub data_dir: Option<PathBuf>,
    /// More arguments for every member.
    pub args: Vec<String>,
}

impl Default for EtcdOptions {
    fn default() -> Self {
        Self {
            members: 1,
            version: Version::default(),
            tls: false,
            auth: None,
            quota: 8 << 30,
            fsync: false,
            data_dir: None,
            args: Vec::new(),
        }
    }
}

/// An etcd cluster. Its members end with it.
#[derive(Debug)]
pub struct Etcd {
    dir: PathBuf,
    access: Access,
    members: Vec<Member>,
}

impl Etcd {
    /// Starts a new etcd under `dir` and waits until it serves.
    pub async fn start(dir: &Path, options: EtcdOptions) -> Result<Self> {
        let auth = options.auth.clone();
        let mut etcd = Self::prepare(dir, EtcdOptions { auth: None, ..options })?;
        etcd.boot().await?;
        if let Some((user, password)) = auth {
            etcd.enable_auth(&user, &password).await?;
            etcd.access.auth = Some((user, password));
        }
        Ok(etcd)
    }

    /// Decides on ports, directories and certificates and starts nothing, so that data directories can be restored
    /// for just this etcd (see [`Etcd::initial_cluster`]) before [`Etcd::boot`].
    pub fn prepare(dir: &Path, options: EtcdOptions) -> Result<Self> {
        ensure!(options.members == 1 || options.data_dir.is_none(), "one data directory, several members");
        fs::create_dir_all(dir)?;
        let program = tool(match options.version {
            Version::V36 => "etcd",
            Version::V35 => "etcd35",
        })?;
        let pki = options.tls.then(|| Pki::open(&dir.join("pki"))).transpose()?;
        let plan = member::Plan::new(dir, program, &options, pki.as_ref())?;
        let members = plan.members()?;
        let tls = pki.map(|pki| Tls::client(&pki)).transpose()?;
        let endpoints = members.iter().map(Member::endpoint).collect();
        Ok(Self { dir: dir.to_owned(), access: Access { endpoints, tls, auth: options.auth }, members })
    }

    /// Starts all members that are not running and waits until each of them serves.
    pub async fn boot(&self) -> Result<()> {
        for member in &self.members {
            member.start()?;
        }
        self.healthy().await
    }

    /// Waits until every running member serves.
    pub async fn healthy(&self) -> Result<()> {
        for member in &self.members {
            let what = format!("{} serving", member.name);
            eventually(&what, Duration::from_secs(60), async || member.probe().await).await?;
        }
        Ok(())
    }

    /// Where its directories, logs and pid files are.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Every member.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The member number `i`, from 0.
    pub fn member(&self, i: usize) -> &Member {
        &self.members[i]
    }

    /// The client URL of every member.
    pub fn endpoints(&self) -> &[String] {
        &self.access.endpoints
    }

    /// How to speak to it.
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// The authority that all its certificates come from, to issue more of them.
    pub fn pki(&self) -> Result<Pki> {
        Pki::open(&self.dir.join("pki"))
    }

    /// What `etcdutl snapshot restore --initial-cluster` needs to know: `name=peer URL,…`.
    pub fn initial_cluster(&self) -> String {
        self.initial_cluster_of(self.members.len())
    }

    /// The same of the first so many members.
    pub fn initial_cluster_of(&self, members: usize) -> String {
        let first = self.members.iter().take(members);
        member::initial_cluster(first.map(|member| (member.name.as_str(), member.peer_url())))
    }

    /// A client of the first member that runs. A client of several would meet one that is down, which the library does
    /// not go round, or one so far behind that it does not know the client's token yet.
    pub async fn client(&self) -> Result<Client> {
        let running =
            self.members.iter().position(|member| member.running()).context("no member of etcd runs")?;
        self.client_of(running).await
    }

    /// A client that speaks to member `i` alone.
    pub async fn client_of(&self, i: usize) -> Result<Client> {
        self.access.of(i).client().await
    }

    /// Runs `etcdctl` with the endpoints, certificates and user that it needs; gives what it printed.
    pub async fn etcdctl(&self, args: &[&str]) -> Result<String> {
        self.access.etcdctl(args).await
    }

    /// Writes one key.
    pub async fn put(&self, key: &str, value: &str) -> Result<()> {
        self.client().await?.put(key, value, None).await?;
        Ok(())
    }

    /// Reads one key.
    pub async fn get(&self, key: &str) -> Result<Option<String>> {
        let answer = self.client().await?.get(key, None).await?;
        Ok(answer.kvs().first().map(|kv| String::from_utf8_lossy(kv.value()).into_owned()))
    }

    /// Removes every key that begins with `prefix`, and says how many there were.
    pub async fn delete_prefix(&self, prefix: &str) -> Result<i64> {
        let options = DeleteOptions::new().with_prefix();
        Ok(self.client().await?.delete(prefix, Some(options)).await?.deleted())
    }

    /// The newest revision.
    pub async fn revision(&self) -> Result<i64> {
        let answer = self.client().await?.get("x", Some(GetOptions::new().with_count_only())).await?;
        Ok(answer.header().context("etcd answered without a header")?.revision())
    }

    async fn enable_auth(&self, user: &str, password: &str) -> Result<()> {
        let mut client = self.client().await?;
        client.role_add("root").await?;
        // etcd wants a user of this name before it enables authentication.
        for name in if user == "root" { vec!["root"] } else { vec!["root", user] } {
            client.user_add(name, password, None).await?;
            client.user_grant_role(name, "root").await?;
        }
        client.auth_enable().await?;
        Ok(())
    }
}
