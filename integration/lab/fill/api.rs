//! Through an API server.

use anyhow::Result;
use futures_util::{StreamExt, TryStreamExt, stream};
use kube::Client;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::{Value, json};

use super::objects::{entropy, settings};

const NAMESPACES: usize = 10;
const AT_ONCE: usize = 24;

/// Creates `objects` objects, the same for the same seed, in ten namespaces: half of them config maps, 40 % secrets,
/// 7.5 % deployments (of no replicas) and 2.5 % services. What is there already is left as it is.
pub async fn api(client: &Client, objects: usize, seed: u64) -> Result<()> {
    let namespaces = (0..NAMESPACES).map(|i| {
        let body = json!({"metadata": {"name": namespace(i)}});
        ("/api/v1/namespaces".to_owned(), body)
    });
    create(client, namespaces).await?;
    create(client, (0..objects).map(|i| object(i, seed))).await
}

pub(super) async fn create(client: &Client, objects: impl Iterator<Item = (String, Value)>) -> Result<()> {
    stream::iter(objects)
        .map(async |(path, body)| {
            let request = http::Request::post(path).header("Content-Type", "application/json");
            match client.request::<Value>(request.body(serde_json::to_vec(&body)?)?).await {
                Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
                answer => Ok(answer.map(drop)?),
            }
        })
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await
}

fn object(i: usize, seed: u64) -> (String, Value) {
    let rng = &mut StdRng::seed_from_u64(seed.wrapping_add(i as u64));
    let (namespace, name) = (namespace(i), format!("filled-{seed}-{i}"));
    let labels = json!({"app.kubernetes.io/name": name, "app.kubernetes.io/part-of": "fill"});
    // 40 in a row hold the shares exactly.
    let (resource, mut body) = match i % 40 {
        0..20 => ("api/v1 configmaps", json!({"data": {"application.properties": settings(rng, 1500)}})),
        20..36 => ("api/v1 secrets", json!({"data": {"token": entropy(rng, 900)}})),
        36..39 => (
            "apis/apps/v1 deployments",
            json!({"spec": {
                "replicas": 0, "selector": {"matchLabels": {"app": name}},
                "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{
                    "name": "app", "image": "registry.example.com/app:1", "env": [{"name": "MODE", "value": "live"}],
                }]}},
            }}),
        ),
        _ => ("api/v1 services", json!({"spec": {"selector": {"app": name}, "ports": [{"port": 80}]}})),
    };
    body["metadata"] = json!({"name": name, "labels": labels});
    let (version, plural) = resource.split_once(' ').unwrap_or_default();
    (format!("/{version}/namespaces/{namespace}/{plural}"), body)
}

fn namespace(i: usize) -> String {
    // Not in step with the kinds, so that every namespace gets some of each.
    format!("fill-{}", (i / 40 + i) % NAMESPACES)
}
