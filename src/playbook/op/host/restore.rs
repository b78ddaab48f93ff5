use super::{Doing, OpError, Outcome, Probe, failed, on_host};
use crate::{
    catalogue::Catalogue,
    point::{Manifest, PointId},
    restore::static_pods::{self, Last, SwapOptions},
};
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{fmt, path::PathBuf, time::Duration};

/// Puts a recovery point in the place of the data of the etcd that runs on the host as a static pod. The swap has a journal of its own,
/// beside the manifests: by it, it is looked for, and gone back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EtcdRestore {
    /// The recovery point.
    pub point: String,
    /// Where the kubelet looks for manifests.
    pub manifests: PathBuf,
    /// Does this host become the only member?
    pub force_new_cluster: bool,
    /// By how much revisions are raised.
    pub bump_revision: u64,
    /// Is everything before marked as compacted?
    pub mark_compacted: bool,
    /// How long each server may take to stop, and to be healthy, in milliseconds.
    pub within_ms: u64,
}

impl EtcdRestore {
    fn wait(&self) -> Duration {
        Duration::from_millis(self.within_ms)
    }

    /// What the swap is told, of this run.
    pub fn options(&self, run: &str) -> SwapOptions {
        SwapOptions {
            manifests: self.manifests.clone(),
            force_new_cluster: self.force_new_cluster,
            bump_revision: self.bump_revision,
            mark_compacted: self.mark_compacted,
            wait: self.wait(),
            run: Some(run.to_owned()),
        }
    }

    /// The manifest of the recovery point.
    ///
    /// # Errors
    /// When it cannot be loaded.
    pub async fn manifest(&self, catalogue: &Catalogue) -> Result<Manifest, String> {
        let id: PointId = self.point.parse().map_err(|e| format!("{}: {e}", self.point))?;
        catalogue.load(&id).await.map(|loaded| loaded.manifest).map_err(|e| e.to_string())
    }

    fn is_mine(&self, last: &Last, run: &str) -> bool {
        last.swap.run.as_deref() == Some(run) && last.swap.point == self.point
    }

    pub(super) fn probe(&self, with: &Doing<'_>) -> Result<Probe, OpError> {
        let Some(last) = static_pods::last(&self.manifests).map_err(failed)? else {
            return Ok(Probe::NotDone);
        };
        Ok(match (self.is_mine(&last, with.run), last.whole) {
            (true, true) => Probe::Done(done(&last)),
            (true, false) => Probe::Half,
            (false, true) => Probe::NotDone,
            (false, false) => Probe::Other(format!(
                "an earlier swap, for {}, was not brought to its end: `lifeboat restore undo {}`",
                last.swap.point,
                self.manifests.display()
            )),
        })
    }

    pub(super) fn carry_out<'a>(
        &'a self,
        with: &'a Doing<'a>,
        stop: BoxFuture<'a, &'static str>,
    ) -> BoxFuture<'a, Result<(Outcome, Option<Value>), OpError>> {
        Box::pin(self.swapped(with, stop))
    }

    async fn swapped(
        &self,
        with: &Doing<'_>,
        stop: BoxFuture<'_, &'static str>,
    ) -> Result<(Outcome, Option<Value>), OpError> {
        let host = on_host(with)?;
        let Some(identities) = with.equipment.identities.clone() else {
            let text = "no identity was named, and the recovery point cannot be opened: --identity FILE";
            return Err(OpError::Failed(text.to_owned()));
        };
        if self.probe(with)? == Probe::Half {
            tracing::info!("going back to the data of before, and then once more");
            static_pods::undo(&self.manifests, self.wait(), &tell).await.map_err(failed)?;
        }
        let manifest = self.manifest(&with.equipment.catalogue).await.map_err(OpError::Failed)?;
        let plan = static_pods::plan(&manifest, &self.options(with.run), &host.etcdutl).await;
        let plan = plan.map_err(failed)?;
        let swapped =
            static_pods::apply(&plan, &with.equipment.catalogue, &manifest, identities, &tell, stop).await;
        let swapped = swapped.map_err(failed)?;
        let (kept, data) =
            (swapped.swap.kept.display().to_string(), swapped.swap.data_dir.display().to_string());
        let value = json!({
            "point": self.point, "dataDir": data, "kept": swapped.swap.had_data.then_some(kept),
            "revision": swapped.restore.restored_revision, "next": swapped.next,
        });
        Ok((done(&Last { swap: swapped.swap, whole: true }), Some(value)))
    }

    pub(super) async fn take_back(&self, with: &Doing<'_>) -> Result<Outcome, OpError> {
        match static_pods::last(&self.manifests).map_err(failed)? {
            None => Ok(Outcome { said: Some("it was undone already".to_owned()), ..Outcome::default() }),
            Some(last) if !self.is_mine(&last, with.run) => Err(OpError::Changed {
                object: last.swap.data_dir.display().to_string(),
                how: format!("another swap was made since, for {}", last.swap.point),
            }),
            Some(last) => {
                static_pods::undo(&self.manifests, self.wait(), &tell).await.map_err(failed)?;
                let aside = &last.swap.restored;
                let said =
                    aside.exists().then(|| format!("what was written since is in {}", aside.display()));
                Ok(Outcome { said, ..Outcome::default() })
            }
        }
    }
}

fn tell(step: &str) {
    tracing::info!("{step}");
}

fn done(last: &Last) -> Outcome {
    let swap = &last.swap;
    let said = swap.had_data.then(|| format!("the data of before is kept in {}", swap.kept.display()));
    Outcome { said, ..Outcome::default() }
}

impl fmt::Display for EtcdRestore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let alone = if self.force_new_cluster { ", as the only member" } else { "" };
        let place = self.manifests.display();
        write!(f, "put {} under the etcd of {place}{alone}, and keep the data of before", self.point)
    }
}
