//! A real S3 server (versitygw) whose buckets are directories.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::{Client, Config};
use tokio::net::TcpStream;

use super::eventually;
use super::pki::Pair;
use super::ports::Port;
use super::process::Process;
use super::tools;

/// The key of the server's one account.
pub const ACCESS_KEY: &str = "lifeboat";
/// And its secret.
pub const SECRET_KEY: &str = "lifeboat-lab-secret";
/// Where it says that it is.
pub const REGION: &str = "us-east-1";

/// How the server is to be.
#[derive(Debug, Default)]
pub struct S3Options {
    /// Where old versions go, outside of the root. Without it there are neither versions nor locks.
    pub versions: Option<PathBuf>,
    /// Its certificate.
    pub tls: Option<Pair>,
}

/// An S3 server. Each directory below its root is a bucket, each file in it an object.
#[derive(Debug)]
pub struct S3 {
    root: PathBuf,
    scheme: &'static str,
    port: Port,
    process: Process,
}

impl S3 {
    /// Starts a server for the buckets in `root`. Logs go to `dir`.
    pub async fn start(dir: &Path, root: &Path, options: S3Options) -> Result<Self> {
        let port = Port::claim()?;
        fs::create_dir_all(root)?;
        let mut args =
            ["--port", &port.to_string(), "--access", ACCESS_KEY, "--secret", SECRET_KEY, "--region", REGION]
                .map(str::to_owned)
                .to_vec();
        args.extend(["--keep-alive".into(), "--quiet".into()]);
        if let Some(tls) = &options.tls {
            args.extend(["--cert".into(), tls.cert.display().to_string()]);
            args.extend(["--key".into(), tls.key.display().to_string()]);
        }
        args.push("posix".into());
        if let Some(versions) = &options.versions {
            fs::create_dir_all(versions)?;
            args.extend(["--versioning-dir".into(), versions.display().to_string()]);
        }
        args.push(root.display().to_string());
        let process = Process::start(dir, "versitygw", &tools::tool("versitygw")?, args)?;
        let address = port.to_string();
        eventually("the S3 server", Duration::from_secs(20), async || {
            process.alive()?;
            Ok(TcpStream::connect(&address).await.is_ok().then_some(()))
        })
        .await?;
        let scheme = if options.tls.is_some() { "https" } else { "http" };
        Ok(S3 { root: root.to_owned(), scheme, port, process })
    }

    /// Freezes it: connections stay open, nothing answers.
    pub fn pause(&self) -> Result<()> {
        self.process.pause()
    }

    /// Lets it go on.
    pub fn resume(&self) -> Result<()> {
        self.process.resume()
    }

    /// Its URL.
    pub fn endpoint(&self) -> String {
        format!("{}://{}", self.scheme, self.port)
    }

    /// A client of its own, that knows nothing of Lifeboat.
    pub fn client(&self) -> Client {
        client(&self.endpoint())
    }

    /// Makes a bucket, with Object Lock (and so with versions) if asked for.
    pub async fn bucket(&self, name: &str, lock: bool) -> Result<()> {
        let request = self.client().create_bucket().bucket(name).object_lock_enabled_for_bucket(lock);
        request.send().await.with_context(|| format!("cannot make the bucket {name}"))?;
        Ok(())
    }

    /// Where the objects of a bucket lie as files.
    pub fn files(&self, bucket: &str) -> PathBuf {
        self.root.join(bucket)
    }
}

/// A client of the server's account at any endpoint: the server's own, or a proxy's before it.
pub fn client(endpoint: &str) -> Client {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .credentials_provider(Credentials::new(ACCESS_KEY, SECRET_KEY, None, None, "lab"))
        .endpoint_url(endpoint)
        .force_path_style(true)
        .build();
    Client::from_conf(config)
}
