//! Two runs with equal keys exclude each other, across machines: a Lease of the cluster (coordination.k8s.io/v1), taken and
//! renewed by compare-and-swap.

use crate::{
    playbook::plan::MANAGER,
    point::PointId,
    source::kube::{Cluster, Discovery, Refusal, Writing},
};
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::time::Duration;
use thiserror::Error;
use tokio::{sync::watch, task::JoinHandle, time::sleep};

/// After so many seconds without a sign of life somebody else may take it.
const SECONDS: i64 = 30;
/// How often it is renewed.
const EVERY: Duration = Duration::from_secs(8);

/// Why a lock is not had.
#[derive(Debug, Error)]
pub enum LeaseError {
    /// Another run has it.
    #[error(
        "run {holder} has the key `{key}` (Lease {namespace}/{name}), and was alive {ago} s ago: two runs of it exclude each other"
    )]
    Held {
        /// The key.
        key: String,
        /// The run that has it.
        holder: String,
        /// The lease's namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// Since when nothing was heard of it, in seconds.
        ago: i64,
    },
    /// The server refuses.
    #[error("the lock of `{key}` cannot be had: {why}; {help}")]
    Refused {
        /// The key.
        key: String,
        /// What it said.
        why: String,
        /// What to do.
        help: &'static str,
    },
}

/// A lock that is held, and renewed until it is given back.
#[derive(Debug)]
pub struct Lease {
    held: Held,
    renewing: JoinHandle<()>,
}

#[derive(Debug, Clone)]
struct Held {
    cluster: Cluster,
    kind: crate::source::kube::ResourceType,
    namespace: String,
    name: String,
    holder: String,
    key: String,
}

impl Lease {
    /// Takes the lock of a key; `lost` hears when it is lost afterwards.
    ///
    /// # Errors
    /// When another run has it, or the server refuses.
    pub async fn take(
        cluster: &Cluster,
        kinds: &Discovery,
        namespace: &str,
        key: &str,
        run: &PointId,
        lost: watch::Sender<Option<String>>,
    ) -> Result<Lease, LeaseError> {
        let refused = |why: String| LeaseError::Refused {
            key: key.to_owned(),
            why,
            help: "the credentials need get, create and update of leases there (playbooks.lease.namespace)",
        };
        let kind = kinds.find("coordination.k8s.io", "leases");
        let kind = kind.ok_or_else(|| refused("the API server serves no leases".to_owned()))?.clone();
        let digest: String = Sha256::digest(key).iter().take(10).map(|byte| format!("{byte:02x}")).collect();
        let (name, holder, key) = (format!("lifeboat-{digest}"), run.to_string(), key.to_owned());
        let held =
            Held { cluster: cluster.clone(), kind, namespace: namespace.to_owned(), name, holder, key };
        held.acquire().await?;
        let renewer = held.clone();
        let renewing = tokio::spawn(async move {
            let mut silent_since = tokio::time::Instant::now();
            loop {
                sleep(EVERY).await;
                match renewer.renew().await {
                    Ok(true) => silent_since = tokio::time::Instant::now(),
                    Ok(false) => {
                        let _ = lost.send(Some("another run has taken it".to_owned()));
                        return;
                    }
                    // Somebody else may take it once it is over.
                    Err(e) if silent_since.elapsed() + EVERY > Duration::from_secs(SECONDS as u64) => {
                        let _ = lost.send(Some(format!("it could not be renewed in time: {e}")));
                        return;
                    }
                    Err(e) => tracing::warn!("the lock could not be renewed: {e}"),
                }
            }
        });
        Ok(Lease { held, renewing })
    }

    /// Gives it back.
    pub async fn give_back(self) {
        self.renewing.abort();
        if let Err(e) = self.held.release().await {
            tracing::warn!("the lock could not be given back, and ends by itself after {SECONDS} s: {e}");
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.renewing.abort();
    }
}

/// What a lease says.
struct Said {
    json: Value,
    holder: Option<String>,
    /// Seconds since its holder was last heard of.
    ago: i64,
    over: bool,
}

impl Held {
    fn writing(&self) -> Writing {
        Writing { manager: MANAGER.to_owned(), dry_run: false, strict: true }
    }

    fn spec(&self, now: Timestamp) -> Value {
        let now = format!("{now:.6}");
        json!({"holderIdentity": self.holder, "leaseDurationSeconds": SECONDS, "acquireTime": now, "renewTime": now})
    }

    async fn look(&self) -> Result<Option<Said>, Refusal> {
        let Some(live) = self.cluster.read(&self.kind, Some(&self.namespace), &self.name).await? else {
            return Ok(None);
        };
        let json: Value = serde_json::from_slice(&live.json).unwrap_or_default();
        let spec = &json["spec"];
        let renewed = spec["renewTime"].as_str().and_then(|text| text.parse::<Timestamp>().ok());
        let length = spec["leaseDurationSeconds"].as_i64().unwrap_or(SECONDS);
        let now = Timestamp::now();
        let ago = renewed.map_or(i64::MAX, |at| now.duration_since(at).as_secs());
        let over = renewed.is_none_or(|at| now > at + SignedDuration::from_secs(length));
        let holder = spec["holderIdentity"].as_str().filter(|it| !it.is_empty()).map(str::to_owned);
        Ok(Some(Said { holder, ago, over, json }))
    }

    async fn acquire(&self) -> Result<(), LeaseError> {
        let refused = |refusal: Refusal| LeaseError::Refused {
            key: self.key.clone(),
            why: refusal.message,
            help: "the credentials need get, create and update of leases there (playbooks.lease.namespace)",
        };
        for _ in 0..4 {
            let said = self.look().await.map_err(refused)?;
            let wrote = match said {
                None => {
                    let lease = json!({
                        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
                        "metadata": {
                            "name": self.name, "namespace": self.namespace,
                            "annotations": {"lifeboat.dev/key": self.key},
                        },
                        "spec": self.spec(Timestamp::now()),
                    });
                    let body = Bytes::from(lease.to_string());
                    self.cluster.create(&self.kind, Some(&self.namespace), &body, &self.writing()).await
                }
                Some(said)
                    if said.holder.is_none() || said.over || said.holder.as_ref() == Some(&self.holder) =>
                {
                    let mut json = said.json;
                    json["spec"] = self.spec(Timestamp::now());
                    self.replace(&json).await
                }
                Some(said) => {
                    return Err(LeaseError::Held {
                        key: self.key.clone(),
                        holder: said.holder.unwrap_or_default(),
                        namespace: self.namespace.clone(),
                        name: self.name.clone(),
                        ago: said.ago,
                    });
                }
            };
            match wrote {
                Ok(_) => return Ok(()),
                // Somebody else was faster: look again.
                Err(refusal) if refusal.conflicts() || refusal.exists() => {}
                Err(refusal) => return Err(refused(refusal)),
            }
        }
        let why = "others take it all the time".to_owned();
        Err(LeaseError::Refused { key: self.key.clone(), why, help: "try again" })
    }

    async fn replace(&self, json: &Value) -> Result<crate::source::kube::Written, Refusal> {
        let body = Bytes::from(json.to_string());
        self.cluster.replace(&self.kind, Some(&self.namespace), &self.name, &body, &self.writing()).await
    }

    /// Gives a sign of life. `false`: somebody else has it.
    async fn renew(&self) -> Result<bool, Refusal> {
        let Some(said) = self.look().await? else { return Ok(false) };
        if said.holder.as_ref() != Some(&self.holder) {
            return Ok(false);
        }
        let mut json = said.json;
        json["spec"]["renewTime"] = format!("{:.6}", Timestamp::now()).into();
        match self.replace(&json).await {
            Err(refusal) if refusal.conflicts() => {
                Ok(self.look().await?.is_some_and(|it| it.holder.as_ref() == Some(&self.holder)))
            }
            wrote => wrote.map(|_| true),
        }
    }

    async fn release(&self) -> Result<(), Refusal> {
        let Some(said) = self.look().await? else { return Ok(()) };
        if said.holder.as_ref() != Some(&self.holder) {
            return Ok(());
        }
        let mut json = said.json;
        json["spec"] = json!({"holderIdentity": "", "leaseDurationSeconds": 1});
        self.replace(&json).await.map(drop)
    }
}
