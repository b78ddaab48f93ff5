//! What the benchmarks compare with, where no other program does just that: `cargo run --example floor -- --help`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

#[path = "floor/contain.rs"]
mod contain;

use anyhow::{Context, Result};
use aws_config::BehaviorVersion;
use clap::Parser;
use futures_util::{StreamExt, TryStreamExt, stream};
use http::Request;
use http_body_util::BodyExt;
use kube::{
    Client, Config,
    client::Body,
    config::{KubeConfigOptions, Kubeconfig},
};
use lifeboat::{
    pipeline::{Recipients, SealOptions, seal},
    source::kube::{Cluster, Connection, Filter},
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{
    fs::File,
    io::{BufRead, BufReader, BufWriter, Read, Write},
    path::PathBuf,
};

/// The least that a piece of work can cost.
#[derive(Parser)]
enum Floor {
    /// Fetch every page of every type of a cluster, in parallel, and throw it away.
    Fetch {
        #[arg(long)]
        kubeconfig: PathBuf,
        #[arg(long, default_value_t = 4)]
        workers: usize,
        #[arg(long, default_value_t = 500)]
        page: u32,
    },
    /// Seal a file with the program's own pipeline and throw the result away.
    Seal {
        file: PathBuf,
        #[arg(long)]
        recipient: String,
        #[arg(long, default_value_t = 1)]
        level: i32,
    },
    /// Write what `lab fill-api` made, each object with where it is created, a line each.
    Dump {
        #[arg(long)]
        kubeconfig: PathBuf,
        to: PathBuf,
    },
    /// Create what was dumped, in parallel and with no look at the answers but for success.
    Create {
        #[arg(long)]
        kubeconfig: PathBuf,
        from: PathBuf,
        #[arg(long, default_value_t = 32)]
        workers: usize,
    },
    /// List the same types and throw them away.
    Look {
        #[arg(long)]
        kubeconfig: PathBuf,
    },
    /// Make the calls of the runbook for a compromised pod until the pod is shut in, one after the other.
    Contain {
        #[arg(long)]
        kubeconfig: PathBuf,
        #[arg(long)]
        namespace: String,
        #[arg(long)]
        pod: String,
        /// Ask and try nothing before: read the evidence, and act.
        #[arg(long)]
        only: bool,
    },
    /// Do something to every pod of a namespace, in parallel.
    Crowd {
        #[arg(long)]
        kubeconfig: PathBuf,
        #[arg(long)]
        namespace: String,
        what: contain::What,
        /// As many as a playbook has under way.
        #[arg(long, default_value_t = 16)]
        workers: usize,
    },
    /// Start a command and tell when its pods were shut in, as a watch sees it.
    Until {
        #[arg(long)]
        kubeconfig: PathBuf,
        #[arg(long)]
        namespace: String,
        #[arg(long, default_value_t = 1)]
        pods: usize,
        /// An exit code that is as good as 0.
        #[arg(long, default_value_t = 0)]
        accept: i32,
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
    /// List a bucket and get every manifest, in parallel, and throw them away.
    List {
        #[arg(long)]
        endpoint: String,
        #[arg(long)]
        bucket: String,
        #[arg(long, default_value_t = 32)]
        workers: usize,
    },
}

#[tokio::main]
async fn main() -> Result<()> {
    // A second call finds it installed, which is as good.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    match Floor::parse() {
        Floor::Fetch { kubeconfig, workers, page } => fetch(kubeconfig, workers, page).await,
        Floor::Dump { kubeconfig, to } => dump(&client(kubeconfig).await?, to).await,
        Floor::Create { kubeconfig, from, workers } => {
            create(&client(kubeconfig).await?, from, workers).await
        }
        Floor::Look { kubeconfig } => look(&client(kubeconfig).await?).await,
        Floor::Seal { file, recipient, level } => seal_file(file, &recipient, level).await,
        Floor::Contain { kubeconfig, namespace, pod, only } => {
            contain::contain(&client(kubeconfig).await?, &namespace, &pod, only).await
        }
        Floor::Crowd { kubeconfig, namespace, what, workers } => {
            contain::crowd(&client(kubeconfig).await?, &namespace, what, workers).await
        }
        Floor::Until { kubeconfig, namespace, pods, accept, command } => {
            contain::until(&client(kubeconfig).await?, &namespace, pods, accept, &command).await
        }
        Floor::List { endpoint, bucket, workers } => list(endpoint, &bucket, workers).await,
    }
}

async fn client(kubeconfig: PathBuf) -> Result<Client> {
    let file = Kubeconfig::read_from(kubeconfig)?;
    let mut config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?;
    config.disable_compression = true;
    Ok(Client::try_from(config)?)
}

const FILLED: [&str; 5] = [
    "/api/v1/namespaces",
    "/api/v1/configmaps",
    "/api/v1/secrets",
    "/apis/apps/v1/deployments",
    "/api/v1/services",
];

async fn look(client: &Client) -> Result<()> {
    let lists = FILLED.map(|path| all_pages(client, path, 500));
    let bytes: u64 = stream::iter(lists).buffer_unordered(4).try_fold(0, async |a, b| Ok(a + b)).await?;
    println!("{bytes} bytes");
    Ok(())
}

async fn dump(client: &Client, to: PathBuf) -> Result<()> {
    let mut out = BufWriter::new(File::create(to)?);
    for path in FILLED {
        let list: Value = client.request(Request::get(path).body(Vec::new())?).await?;
        for item in list["items"].as_array().context("no list")? {
            let (metadata, of) = (&item["metadata"], |field: &str| item["metadata"][field].as_str());
            let place = of("namespace").or(of("name")).unwrap_or_default();
            if !place.starts_with("fill-") {
                continue;
            }
            let (root, plural) = path.rsplit_once('/').context("no path")?;
            let path = match of("namespace") {
                Some(namespace) => format!("{root}/namespaces/{namespace}/{plural}"),
                None => path.to_owned(),
            };
            let mut body = item.clone();
            body["metadata"] = json!({"name": metadata["name"], "labels": metadata["labels"]});
            let fields = body.as_object_mut().context("no object")?;
            fields.remove("status");
            if let Some(Value::Object(spec)) = fields.get_mut("spec") {
                spec.retain(|name, _| !name.starts_with("clusterIP"));
            }
            writeln!(out, "{}", json!({"path": path, "body": body.to_string()}))?;
        }
    }
    Ok(out.flush()?)
}

#[derive(Deserialize)]
struct Line {
    path: String,
    body: String,
}

async fn create(client: &Client, from: PathBuf, workers: usize) -> Result<()> {
    let lines = BufReader::new(File::open(from)?).lines();
    let lines =
        lines.map(|line| anyhow::Ok(serde_json::from_str::<Line>(&line?)?)).collect::<Result<Vec<_>>>()?;
    let (first, rest): (Vec<_>, Vec<_>) = lines.into_iter().partition(|line| line.path == FILLED[0]);
    for lines in [first, rest] {
        let posts = stream::iter(lines).map(async |line| {
            let request = Request::post(&line.path).header("Content-Type", "application/json");
            let answer = client.send(request.body(Body::from(line.body.into_bytes()))?).await?;
            anyhow::ensure!(answer.status().is_success(), "{}: {}", line.path, answer.status());
            answer.into_body().collect().await?;
            anyhow::Ok(())
        });
        posts.buffer_unordered(workers).try_collect::<()>().await?;
    }
    Ok(())
}

async fn fetch(kubeconfig: PathBuf, workers: usize, page: u32) -> Result<()> {
    let connection = Connection { kubeconfig: Some(kubeconfig.clone()), ..Connection::default() };
    let types = Cluster::connect(&connection).await?.discover(&Filter::default()).await?.types;
    let client = client(kubeconfig).await?;
    let lists = types.into_iter().map(|t| {
        let group = if t.group.is_empty() { "api".to_owned() } else { format!("apis/{}", t.group) };
        let path = format!("/{group}/{}/{}", t.version, t.resource);
        let client = client.clone();
        async move { all_pages(&client, &path, page).await.with_context(|| path) }
    });
    let bytes: u64 =
        stream::iter(lists).buffer_unordered(workers).try_fold(0, async |a, b| Ok(a + b)).await?;
    println!("{bytes} bytes");
    Ok(())
}

#[derive(Deserialize)]
struct Page {
    metadata: Continue,
}

#[derive(Deserialize)]
struct Continue {
    #[serde(default, rename = "continue")]
    token: String,
}

async fn all_pages(client: &Client, path: &str, limit: u32) -> Result<u64> {
    let mut bytes = 0;
    let mut token = String::new();
    loop {
        let from = if token.is_empty() { String::new() } else { format!("&continue={token}") };
        let request =
            Request::get(format!("{path}?limit={limit}{from}")).header("accept", "application/json");
        let answer = client.send(request.body(Body::empty())?).await?;
        let body = answer.into_body().collect().await?.to_bytes();
        bytes += body.len() as u64;
        token = serde_json::from_slice::<Page>(&body)?.metadata.token;
        if token.is_empty() {
            return Ok(bytes);
        }
    }
}

async fn seal_file(file: PathBuf, recipient: &str, level: i32) -> Result<()> {
    let options = SealOptions { level, ..SealOptions::default() };
    let (mut feed, mut stream, sealing) = seal(&Recipients::new(&[recipient])?, options);
    let reading = tokio::task::spawn_blocking(move || -> Result<()> {
        let mut file = std::fs::File::open(file)?;
        let runtime = tokio::runtime::Handle::current();
        loop {
            // The pieces in which etcd sends a snapshot.
            let mut piece = vec![0; 32 << 10];
            let n = file.read(&mut piece)?;
            if n == 0 {
                return Ok(runtime.block_on(feed.finish())?);
            }
            piece.truncate(n);
            runtime.block_on(feed.write(&piece))?;
        }
    });
    while let Some(part) = stream.next().await {
        drop(part?);
    }
    reading.await??;
    println!("{} bytes", sealing.result().await?.stored_bytes);
    Ok(())
}

/// With a client of its own; the credentials are those of the environment.
async fn list(endpoint: String, bucket: &str, workers: usize) -> Result<()> {
    let config = aws_config::defaults(BehaviorVersion::latest()).endpoint_url(endpoint).load().await;
    let config = aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build();
    let client = aws_sdk_s3::Client::from_conf(config);
    let mut pages = client.list_objects_v2().bucket(bucket).into_paginator().send();
    let mut manifests = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page?;
        let names = page.contents().iter().filter_map(|object| object.key());
        manifests.extend(names.filter(|name| name.ends_with("/manifest.json")).map(str::to_owned));
    }
    let count = manifests.len();
    let gets = manifests.into_iter().map(|name| {
        let request = client.get_object().bucket(bucket).key(name);
        async move { anyhow::Ok(request.send().await?.body.collect().await?.into_bytes().len()) }
    });
    let bytes: usize =
        stream::iter(gets).buffer_unordered(workers).try_fold(0, async |a, b| Ok(a + b)).await?;
    println!("{count} manifests, {bytes} bytes");
    Ok(())
}
