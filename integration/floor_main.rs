//! What the benchmarks compare with, where no other program does just that: `cargo run --example floor -- --help`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

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
use std::{io::Read, path::PathBuf};

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
        Floor::Seal { file, recipient, level } => seal_file(file, &recipient, level).await,
        Floor::List { endpoint, bucket, workers } => list(endpoint, &bucket, workers).await,
    }
}

async fn fetch(kubeconfig: PathBuf, workers: usize, page: u32) -> Result<()> {
    let connection = Connection { kubeconfig: Some(kubeconfig.clone()), ..Connection::default() };
    let types = Cluster::connect(&connection).await?.discover(&Filter::default()).await?.types;
    let file = Kubeconfig::read_from(kubeconfig)?;
    let mut config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?;
    config.disable_compression = true;
    let client = Client::try_from(config)?;
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
