//! What cannot be changed is deleted and made again; and what then cannot be made is put back.

use super::write::{APPEARED, NotWritten, Writer, Wrote, body};
use crate::{
    object::{Keep, TypeName, clean},
    source::kube::{LiveObject, Refusal, ResourceType, Writing, Written},
};
use bytes::Bytes;
use serde_json::Value;

const LINGERS: &str = "it was deleted to be made again, and is still there: look at its finalizers";
const NOT_LET_GO: &str = "it was deleted to be made again, and its finalizer `orphan` is still there: the garbage collector \
                          of the target, which removes it when it has let go of what the object owns, does not run";

/// An address or a port of a Service belongs to the one that is there.
fn is_taken(refusal: &Refusal) -> bool {
    refusal.invalid() && refusal.message.contains("already allocated")
}

impl Writer<'_> {
    /// Deletes what is there and makes what is wanted.
    pub(super) async fn recreate(
        &self,
        name: &TypeName,
        kind: &ResourceType,
        live: &LiveObject,
        wanted: &Value,
    ) -> Result<Wrote, NotWritten> {
        let (namespace, how, body) = (live.namespace.as_deref(), self.how(), body(wanted)?);
        // What could not be made again is not deleted. That it exists is the last thing that a server finds.
        let tried = Writing { dry_run: true, ..how.clone() };
        match self.cluster.create(kind, namespace, &body, &tried).await {
            Err(refusal) if !refusal.exists() && !is_taken(&refusal) => return Err(refusal.into()),
            _ if self.dry_run => {
                let (uid, resource_version) = (live.uid.clone(), live.resource_version.clone());
                return Ok(Wrote::Recreated(Written { uid, resource_version, json: Bytes::new() }));
            }
            _ => {}
        }
        match self.cluster.delete(kind, namespace, &live.name, &live.uid).await {
            // An attempt whose answer was lost has deleted it.
            Err(refusal) if refusal.missing() => {}
            other => other?,
        }
        let ends = tokio::time::Instant::now() + self.options.wait;
        loop {
            let refusal = match self.cluster.create(kind, namespace, &body, &how).await {
                Ok(written) => return Ok(Wrote::Recreated(written)),
                Err(refusal) => refusal,
            };
            if refusal.exists()
                && let Some(now) = self.cluster.read(kind, namespace, &live.name).await?
                && now.uid != live.uid
            {
                return match self.is_there(name, wanted, &now) {
                    true => Ok(Wrote::Recreated(now.into())),
                    false => Err(NotWritten::Changed(APPEARED)),
                };
            }
            // The name is taken until the last finalizer is gone, and a port until it is free again.
            let passes = refusal.exists() || is_taken(&refusal) || refusal.code.is_some_and(|it| it >= 500);
            if !passes || tokio::time::Instant::now() >= ends {
                return Err(match refusal.exists() {
                    true => NotWritten::Changed(self.lingers(kind, live).await?),
                    false => self.put_back(name, kind, live, refusal).await,
                });
            }
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
    }

    /// Why an object that was deleted is still there.
    async fn lingers(&self, kind: &ResourceType, deleted: &LiveObject) -> Result<&'static str, NotWritten> {
        let live = self.cluster.read(kind, deleted.namespace.as_deref(), &deleted.name).await?;
        let live = live.and_then(|live| serde_json::from_slice::<Value>(&live.json).ok()).unwrap_or_default();
        let is_held =
            live["metadata"]["finalizers"].as_array().is_some_and(|all| all.contains(&"orphan".into()));
        Ok(if is_held { NOT_LET_GO } else { LINGERS })
    }

    /// What was deleted and cannot be made anew becomes what it was, but for its UID.
    async fn put_back(
        &self,
        name: &TypeName,
        kind: &ResourceType,
        live: &LiveObject,
        mut refusal: Refusal,
    ) -> NotWritten {
        let back = match former(name, live) {
            Ok(former) => {
                // It was there as it is, with fields that its definition may no longer know.
                let how = Writing { strict: false, ..self.how() };
                self.cluster.create(kind, live.namespace.as_deref(), &former, &how).await.is_ok()
            }
            Err(_) => false,
        };
        refusal.message.push_str(match back {
            true => "; what was there before was put back",
            false => "; it was deleted for that, and is not there now",
        });
        // Another try would find something else in its place, and tell that instead.
        if refusal.is_for_all() { refusal.into() } else { NotWritten::Unusable(refusal.message) }
    }
}

/// What was there, as it can be made again.
fn former(name: &TypeName, live: &LiveObject) -> Result<Bytes, NotWritten> {
    let mut object: Value =
        serde_json::from_slice(&live.json).map_err(|e| NotWritten::Unusable(e.to_string()))?;
    clean(name, &mut object, &Keep { status: false, cluster_ips: true, node_ports: true });
    body(&object)
}
