//! What an API server serves, asked with the kube library: discovery, a list of each type, and single objects.

use crate::export::{Name, name};
use anyhow::{Context, Result};
use futures_util::{StreamExt, TryStreamExt, stream};
use kube::{Client, api::DynamicObject, core::Resource, discovery::Discovery, discovery::verbs};
use serde_json::Value;
use std::collections::BTreeMap;

/// The objects of these groups are in the export under another group.
const TWINS: &[&str] = &["events.k8s.io"];
/// Not kept anywhere: what the API server finds when it is asked.
const COMPUTED: &[&str] = &["componentstatuses"];

/// Every object, as lists show it, each type in the version that the server prefers. Items of a list do not say what they
/// are: that is written into them.
pub async fn everything(client: &Client) -> Result<BTreeMap<Name, Value>> {
    let mut all = BTreeMap::new();
    for group in Discovery::new(client.clone()).run().await?.groups() {
        for (kind, can) in group.recommended_resources() {
            let skipped = TWINS.contains(&&*kind.group) || COMPUTED.contains(&&*kind.plural);
            if skipped || !can.supports_operation(verbs::LIST) || !can.supports_operation(verbs::GET) {
                continue;
            }
            let list = get(client, &DynamicObject::url_path(&kind, None)).await?.context("no list")?;
            for object in list["items"].as_array().into_iter().flatten() {
                let mut object = object.clone();
                object["apiVersion"] = kind.api_version.clone().into();
                object["kind"] = kind.kind.clone().into();
                all.insert(name(&kind.group, &kind.plural, &object), object);
            }
        }
    }
    Ok(all)
}

/// Asks for each object by itself, in the version that it has here; those that are not there are left out.
pub async fn each<'a>(
    client: &Client,
    objects: impl Iterator<Item = (&'a Name, &'a Value)>,
) -> Result<BTreeMap<Name, Value>> {
    let asked = stream::iter(objects).map(async |(name, object)| {
        let answer = get(client, &path(name, object)).await?;
        anyhow::Ok(answer.map(|answer| (name.clone(), answer)))
    });
    asked.buffer_unordered(16).try_filter_map(async |found| Ok(found)).try_collect().await
}

fn path(name: &Name, object: &Value) -> String {
    let version = object["apiVersion"].as_str().unwrap_or_default();
    let root = if version.contains('/') { "/apis" } else { "/api" };
    let resource = name.split('/').nth(1).unwrap_or_default();
    let object = object["metadata"]["name"].as_str().unwrap_or_default();
    match name.split('/').nth(2) {
        Some("_cluster") | None => format!("{root}/{version}/{resource}/{object}"),
        Some(namespace) => format!("{root}/{version}/namespaces/{namespace}/{resource}/{object}"),
    }
}

async fn get(client: &Client, path: &str) -> Result<Option<Value>> {
    match client.request(http::Request::get(path).body(Vec::new())?).await {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
        answer => Ok(Some(answer.with_context(|| path.to_owned())?)),
    }
}
