//! Starts and fills throw-away clusters, for the demo and the benchmarks: `cargo run --example lab -- --help`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

#[path = "lab/mod.rs"]
mod lab;

use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::time::Instant;
use std::{fs, future, io, slice, thread};

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use lab::etcd::{Access, Etcd, EtcdOptions, Tls};
use lab::pki::Pair;
use lab::{Cluster, ClusterOptions, S3, S3Options, apiserver, cluster, fill};

/// Throw-away clusters on loopback.
#[derive(Parser)]
struct Lab {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start a cluster and keep it until SIGTERM, SIGINT or, if it is a pipe, the end of standard input.
    Up(Up),
    /// Start etcd alone, in the same way.
    Etcd(EtcdUp),
    /// Start etcd on a restored data directory and an API server with the certificates of the cluster that was in DIR.
    Apiserver {
        /// The directory of the cluster that was.
        dir: PathBuf,
        /// What was restored.
        #[arg(long)]
        data_dir: PathBuf,
    },
    /// Start an S3 server (access key `lifeboat`, secret `lifeboat-lab-secret`) with an empty bucket.
    S3 {
        /// Where its buckets and logs go.
        dir: PathBuf,
        #[arg(long, default_value = "lab")]
        bucket: String,
    },
    /// Write Kubernetes-shaped data straight into etcd.
    FillEtcd(FillEtcd),
    /// Create objects through an API server.
    FillApi {
        #[arg(long)]
        kubeconfig: PathBuf,
        #[arg(long, default_value_t = 1000)]
        objects: usize,
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Create a small believable shop through an API server.
    Shop {
        #[arg(long)]
        kubeconfig: PathBuf,
    },
    /// Make a namespace with a deployment of two pods on open nodes, and print the name of one.
    Ship {
        #[arg(long)]
        kubeconfig: PathBuf,
        #[arg(long)]
        namespace: String,
    },
    /// Make a namespace with pods that nothing owns, or let those there out again.
    Crowd {
        #[arg(long)]
        kubeconfig: PathBuf,
        #[arg(long)]
        namespace: String,
        /// So many; none lets those out that are there.
        #[arg(long)]
        pods: Option<usize>,
    },
    /// Make recovery points, one an hour, of the cluster `bench` in a directory: signed, and with payloads that open nothing.
    FillPoints {
        /// The store, or the directory that is its bucket.
        dir: PathBuf,
        /// The signing key.
        #[arg(long)]
        key: PathBuf,
        #[arg(long, default_value_t = 10_000)]
        points: u32,
    },
    /// Show what an API server has at each path: the objects as JSON, one a line, or fields of them.
    Get {
        #[arg(long)]
        kubeconfig: PathBuf,
        /// Print this field (a JSON pointer) and not everything; several are printed side by side.
        #[arg(long)]
        field: Vec<String>,
        /// An object or a list, as `/api/v1/namespaces/shop/secrets`.
        #[arg(required = true)]
        paths: Vec<String>,
    },
}

#[derive(Args)]
struct EtcdUp {
    /// Where its data, logs and pid files go.
    dir: PathBuf,
    #[arg(long, default_value_t = 1)]
    members: usize,
    /// TLS with client certificates.
    #[arg(long)]
    tls: bool,
    /// Wait for the disk, as in production.
    #[arg(long)]
    fsync: bool,
}

#[derive(Args)]
struct Up {
    #[command(flatten)]
    etcd: EtcdUp,
    /// Controller manager, scheduler and kwok as well, and a node.
    #[arg(long)]
    full: bool,
    /// Encrypt secrets at rest.
    #[arg(long)]
    encrypt_secrets: bool,
}

#[derive(Args)]
struct FillEtcd {
    #[arg(long, value_delimiter = ',', required = true)]
    endpoints: Vec<String>,
    /// About so many megabytes.
    #[arg(long, default_value_t = 512)]
    mb: u64,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[arg(long, requires_all = ["cert", "key"])]
    ca: Option<PathBuf>,
    #[arg(long)]
    cert: Option<PathBuf>,
    #[arg(long)]
    key: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> Result<()> {
    match Lab::parse().command {
        Command::Up(args) => up(args).await,
        Command::Etcd(args) => {
            let etcd = Etcd::start(&fresh(&args.dir)?, options(&args)).await?;
            ready(etcd.dir(), &etcd.access().endpoints).await
        }
        Command::S3 { dir, bucket } => {
            let dir = fresh(&dir)?;
            let server = S3::start(&dir, &dir.join("buckets"), S3Options::default()).await?;
            server.bucket(&bucket, false).await?;
            ready(&dir, &[server.endpoint()]).await
        }
        Command::Apiserver { dir, data_dir } => restored(&dir, &data_dir).await,
        Command::FillEtcd(args) => fill_etcd(args).await,
        Command::FillApi { kubeconfig, objects, seed } => {
            fill::api(&apiserver::client(&kubeconfig).await?, objects, seed).await
        }
        Command::FillPoints { dir, key, points } => fill_points(dir, &key, points),
        Command::Shop { kubeconfig } => fill::shop(&apiserver::client(&kubeconfig).await?).await,
        Command::Ship { kubeconfig, namespace } => {
            println!("{}", fill::ship(&apiserver::client(&kubeconfig).await?, &namespace).await?);
            Ok(())
        }
        Command::Crowd { kubeconfig, namespace, pods } => {
            let client = apiserver::client(&kubeconfig).await?;
            match pods {
                Some(pods) => fill::crowd(&client, &namespace, pods).await,
                None => fill::let_out(&client, &namespace).await,
            }
        }
        Command::Get { kubeconfig, field, paths } => get(&kubeconfig, &field, &paths).await,
    }
}

fn fill_points(dir: PathBuf, key: &Path, points: u32) -> Result<()> {
    let maker = fill::points::Maker::new(dir, key)?;
    let now = Timestamp::now();
    for hours in 0..points {
        maker.point("bench", now - SignedDuration::from_hours(hours.into()), |_| {})?;
    }
    println!("Made {points} recovery points");
    Ok(())
}

async fn up(args: Up) -> Result<()> {
    let Up { etcd, full, encrypt_secrets } = args;
    let options = ClusterOptions { etcd: options(&etcd), full, encrypt_secrets, ..Default::default() };
    let cluster = Cluster::start(&fresh(&etcd.dir)?, options).await?;
    if full {
        cluster.add_node("node-0").await?;
    }
    ready(cluster.etcd().dir(), &cluster.etcd().access().endpoints).await
}

async fn restored(dir: &Path, data_dir: &Path) -> Result<()> {
    let (dir, data_dir) = (dir.canonicalize()?, data_dir.canonicalize()?);
    let options = EtcdOptions { data_dir: Some(data_dir), ..Default::default() };
    let etcd = Etcd::start(&fresh(&dir.join("restored"))?, options).await?;
    let _apiserver = cluster::apiserver_on(&dir, &etcd).await?;
    ready(etcd.dir(), &etcd.access().endpoints).await
}

async fn fill_etcd(args: FillEtcd) -> Result<()> {
    let FillEtcd { endpoints, mb, seed, ca, cert, key } = args;
    let tls = ca.zip(cert).zip(key).map(|((ca, cert), key)| Tls { ca, client: Pair { cert, key } });
    let client = Access { endpoints, tls, auth: None }.client().await?;
    let start = Instant::now();
    let filled = fill::etcd(&client, mb, seed).await?;
    println!("{filled:?} in {:.1?}", start.elapsed());
    Ok(())
}

async fn get(kubeconfig: &Path, fields: &[String], paths: &[String]) -> Result<()> {
    let client = apiserver::client(kubeconfig).await?;
    for path in paths {
        let answer: Value = client.request(http::Request::get(path).body(Vec::new())?).await?;
        let objects = match &answer["items"] {
            Value::Array(items) => items.as_slice(),
            _ => slice::from_ref(&answer),
        };
        for object in objects {
            println!("{}", shown(object, fields));
        }
    }
    Ok(())
}

fn shown(object: &Value, fields: &[String]) -> String {
    let text = |field: &String| match object.pointer(field) {
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
        None => "-".to_owned(),
    };
    if fields.is_empty() {
        object.to_string()
    } else {
        fields.iter().map(text).collect::<Vec<_>>().join("  ")
    }
}

fn options(args: &EtcdUp) -> EtcdOptions {
    EtcdOptions { members: args.members, tls: args.tls, fsync: args.fsync, ..Default::default() }
}

fn fresh(dir: &Path) -> Result<PathBuf> {
    fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    Ok(dir.canonicalize()?)
}

/// Says that everything is there, in the file `endpoints` too, and waits for the end.
async fn ready(dir: &Path, endpoints: &[String]) -> Result<()> {
    let endpoints = endpoints.join(",");
    fs::write(dir.join("endpoints"), &endpoints)?;
    println!("ready {endpoints}");
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
        _ = parent_gone() => {}
    }
    Ok(())
}

/// Answers when standard input ends, if that is a pipe: a shell gives what it runs in the background an empty one.
async fn parent_gone() {
    let (done, end) = oneshot::channel();
    let stdin = fs::metadata("/dev/stdin").is_ok_and(|meta| meta.file_type().is_fifo());
    // A thread of our own: the runtime would wait for the end of a read that it has begun.
    let reader = stdin.then(|| {
        thread::spawn(move || {
            let _ = io::copy(&mut io::stdin(), &mut io::sink());
            let _ = done.send(());
        })
    });
    match reader {
        Some(_) => drop(end.await),
        None => future::pending().await,
    }
}
