//! A small believable shop, for people to look at.

use std::time::Duration;

use anyhow::{Context, Result};
use kube::api::{DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use kube::discovery::{Scope, pinned_kind};
use kube::{Api, Client};
use serde::Deserialize;
use serde_json::Value;

use crate::lab::eventually;

/// Applies the shop of `integration/demo/shop.yaml`.
pub async fn shop(client: &Client) -> Result<()> {
    apply(client, include_str!("../../demo/shop.yaml")).await
}

/// Applies every object of a YAML text in its order, waiting where a custom resource is not served yet.
pub async fn apply(client: &Client, yaml: &str) -> Result<()> {
    let objects = serde_yaml::Deserializer::from_str(yaml).map(DynamicObject::deserialize);
    apply_each(client, objects.collect::<Result<Vec<_>, _>>()?).await
}

/// The same of objects that are there.
pub async fn apply_all(client: &Client, objects: &[Value]) -> Result<()> {
    let objects = objects.iter().map(|it| serde_json::from_value(it.clone()));
    apply_each(client, objects.collect::<Result<Vec<_>, _>>()?).await
}

async fn apply_each(client: &Client, objects: Vec<DynamicObject>) -> Result<()> {
    for object in objects {
        let name = object.metadata.name.clone().context("an object without a name")?;
        apply_one(client, &object, &name).await.with_context(|| format!("cannot apply {name}"))?;
    }
    Ok(())
}

async fn apply_one(client: &Client, object: &DynamicObject, name: &str) -> Result<()> {
    let types = object.types.clone().context("an object without a kind")?;
    let kind = GroupVersionKind::try_from(&types)?;
    let (resource, capabilities) =
        eventually(&format!("{} served", types.kind), Duration::from_secs(20), async || {
            Ok(pinned_kind(client, &kind).await.ok())
        })
        .await?;
    let api: Api<DynamicObject> = match (&capabilities.scope, &object.metadata.namespace) {
        (Scope::Namespaced, Some(namespace)) => Api::namespaced_with(client.clone(), namespace, &resource),
        (Scope::Namespaced, None) => Api::default_namespaced_with(client.clone(), &resource),
        (Scope::Cluster, _) => Api::all_with(client.clone(), &resource),
    };
    eventually("applied", Duration::from_secs(20), async || {
        // A resource can be discovered an instant before it can be written.
        match api.patch(name, &PatchParams::apply("lab").force(), &Patch::Apply(object)).await {
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
            answer => Ok(Some(answer.map(drop)?)),
        }
    })
    .await
}
