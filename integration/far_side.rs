//! One cluster saved, and what became of it when it was restored into another.

use crate::{
    boat::{Lifeboat, Ran},
    export::Export,
    lab::{ApiServer, Cluster},
};
use anyhow::Result;
use serde_json::Value;
use std::collections::BTreeMap;

/// A boat with one recovery point that holds the objects of a cluster.
pub struct Saved {
    /// The program, with the cluster as the one that it is configured for.
    pub boat: Lifeboat,
    /// The objects.
    pub export: Export,
}

/// What became of an object, and why: `created`, `""`.
pub type Outcomes = BTreeMap<String, (String, String)>;

impl Saved {
    /// Saves a cluster.
    pub async fn of(cluster: &Cluster) -> Result<Self> {
        let boat = Lifeboat::init(cluster.etcd().dir(), Some(cluster.etcd()), Some(cluster)).await?;
        Self::with(boat).await
    }

    /// Saves with a boat that has been prepared.
    pub async fn with(boat: Lifeboat) -> Result<Self> {
        let manifest = boat.backup(&["--resources-only"]).await;
        Ok(Saved { export: Export::read(&boat, &manifest).await?, boat })
    }

    /// Runs a restore into a cluster.
    pub async fn restore(&self, into: &ApiServer, args: &[&str]) -> Ran {
        let kubeconfig = into.kubeconfig().display().to_string();
        self.restore_as(&kubeconfig, args).await
    }

    /// The same with any kubeconfig.
    pub async fn restore_as(&self, kubeconfig: &str, args: &[&str]) -> Ran {
        let restore = ["restore", "resources", "latest", "-i", "identity.txt", "--kubeconfig", kubeconfig];
        self.boat.run(&[&restore[..], args].concat()).await
    }

    /// Runs a restore that ends with this code; gives what became of each object.
    #[track_caller]
    pub fn outcomes(&self, into: &ApiServer, args: &[&str], code: i32) -> impl Future<Output = Outcomes> {
        let args = [args, &["-o", "json"]].concat();
        async move { outcomes(&self.restore(into, &args).await.expect(code).json()) }
    }
}

/// What became of each object, as a result in JSON tells it.
pub fn outcomes(result: &Value) -> Outcomes {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let objects = result["objects"].as_array().expect("no objects").iter();
    objects.map(|it| (text(&it["object"]), (text(&it["outcome"]), text(&it["reason"])))).collect()
}
