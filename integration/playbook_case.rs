//! A cluster with something to contain, and a boat with a playbook.

use crate::{
    boat::{Lifeboat, Ran},
    lab::{Cluster, eventually, fill},
    live,
};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

/// The boat, with a ship in the cluster that is under way.
pub async fn ship(cluster: &Cluster) -> Result<Lifeboat> {
    cluster.add_node("node-0").await?;
    fill::apply(&cluster.client().await?, &fill::ship_of("ship")).await?;
    cluster.kubectl(&["rollout", "status", "deployment", "deck", "-n", "ship", "--timeout=60s"]).await?;
    Lifeboat::init(cluster.etcd().dir(), Some(cluster.etcd()), Some(cluster)).await
}

/// Writes a playbook of these steps (YAML, indented by two blanks), with a pod as its parameter.
pub fn playbook(boat: &Lifeboat, name: &str, head: &str, steps: &str) -> Result<PathBuf> {
    let path = boat.path(&format!("{name}.yaml"));
    let text = format!(
        "apiVersion: lifeboat.dev/v1\nkind: Playbook\nmetadata: {{name: {name}}}\nspec:\n  description: A test.\n{head}  steps:\n{steps}"
    );
    fs::write(&path, text)?;
    Ok(path)
}

/// A parameter `pod`.
pub const POD: &str = "  params: [{name: pod, type: objectRef, kind: Pod, required: true}]\n";

/// Runs `lifeboat playbook` with these words.
pub async fn book(boat: &Lifeboat, words: &str) -> Ran {
    let words: Vec<&str> = words.split(' ').collect();
    boat.run_within(Duration::from_secs(120), &[&["playbook"], &words[..]].concat()).await
}

/// The name of a running pod of the ship, once there are as many as there should be and none of them is on its way out: a name that is
/// gone a moment later is of no use.
pub async fn pod(cluster: &Cluster) -> Result<String> {
    eventually("as many pods as there should be", Duration::from_secs(60), async || {
        let wanted = get(cluster, "deployment", "deck").await?["spec"]["replicas"].as_u64();
        let words = ["get", "pods", "-n", "ship", "-l", "app=deck", "-o", "json"];
        let found: Value = serde_json::from_str(&cluster.kubectl(&words).await?)?;
        let all = found["items"].as_array().context("pods")?;
        let stays = |pod: &Value| {
            pod["metadata"]["deletionTimestamp"].is_null() && pod["status"]["phase"] == "Running"
        };
        let whole = Some(all.len() as u64) == wanted && all.iter().all(stays);
        Ok(whole.then(|| all.first()?["metadata"]["name"].as_str().map(str::to_owned)).flatten())
    })
    .await
}

/// An object, as the API server shows it.
pub async fn get(cluster: &Cluster, kind: &str, name: &str) -> Result<Value> {
    let found = cluster.kubectl(&["get", kind, name, "-n", "ship", "-o", "json"]).await?;
    serde_json::from_str(&found).context("kubectl prints JSON")
}

/// Everything that a playbook can have changed: all objects but for what changes by itself, without what the server counts.
pub async fn state(cluster: &Cluster) -> Result<BTreeMap<String, Value>> {
    let mut all = live::everything(&cluster.client().await?).await?;
    all.retain(|name, _| {
        let restless = [
            "core/events/",
            "coordination.k8s.io/leases/",
            "core/nodes/",
            "core/endpoints/",
            "discovery.k8s.io/",
            // The API server's own books of addresses.
            "networking.k8s.io/ipaddresses/",
        ];
        !restless.iter().any(|it| name.starts_with(it))
    });
    for object in all.values_mut() {
        let metadata = object["metadata"].as_object_mut().context("metadata")?;
        for name in ["resourceVersion", "generation", "managedFields"] {
            metadata.remove(name);
        }
        for name in ["annotations", "labels"] {
            if metadata.get(name) == Some(&json!({})) {
                metadata.remove(name);
            }
        }
        object["status"] = Value::Null;
    }
    Ok(all)
}

/// What differs between two states, by name.
pub fn difference(before: &BTreeMap<String, Value>, now: &BTreeMap<String, Value>) -> Vec<String> {
    let all = before.keys().chain(now.keys().filter(|name| !before.contains_key(*name)));
    all.filter(|name| before.get(*name) != now.get(*name)).cloned().collect()
}

/// The directory of the only run there. Beside runs there are locks.
pub fn the_run(boat: &Lifeboat) -> Result<PathBuf> {
    let mut all = fs::read_dir(boat.path("journal"))?.flatten().map(|it| it.path());
    all.find(|path| path.is_dir()).context("no run")
}

/// The id of the only run there.
pub fn run_id(boat: &Lifeboat) -> Result<String> {
    Ok(the_run(boat)?.file_name().context("a run without a name")?.to_string_lossy().into_owned())
}

/// The lines of the journal of the only run there.
pub fn journal(boat: &Lifeboat) -> Result<Vec<Value>> {
    let text = fs::read_to_string(the_run(boat)?.join("journal.jsonl"))?;
    text.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

/// Takes every run's journal away, so that there is only one again.
pub fn forget(boat: &Lifeboat) -> Result<()> {
    let place: &Path = &boat.path("journal");
    if place.exists() {
        fs::remove_dir_all(place)?;
    }
    Ok(())
}
