use super::{Swap, SwapError, control_plane::ControlPlane, journal, lock::Lock, probe};
use crate::{
    point::{ArtifactKind, Manifest},
    restore::etcd::{self, Plan, RestoreOptions},
    snapshot::Database,
};
use serde::Serialize;
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    time::Duration,
};

/// What is asked for.
#[derive(Debug, Clone)]
pub struct SwapOptions {
    /// Where the kubelet looks for manifests.
    pub manifests: PathBuf,
    /// This host alone becomes the cluster, though there were several members.
    pub force_new_cluster: bool,
    /// By how much revisions are raised.
    pub bump_revision: u64,
    /// Mark everything before as compacted.
    pub mark_compacted: bool,
    /// How long each server may take to stop, and to be healthy.
    pub wait: Duration,
    /// The run of a playbook that asks for it.
    pub run: Option<String>,
}

/// What a swap will do. Until it is dropped, no other swap begins.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SwapPlan {
    /// How the new data is made.
    pub restore: Plan,
    /// Which files are moved where.
    pub swap: Swap,
    /// The other members, which this cluster will no longer have.
    pub forsaken: Vec<String>,
    #[serde(skip)]
    pub(super) wait: Duration,
    #[serde(skip)]
    pub(super) force_new_cluster: bool,
    #[serde(skip)]
    _lock: Lock,
}

/// Looks at everything that a swap needs, and changes nothing.
///
/// # Errors
/// When another swap is at work or an earlier one open, the manifests cannot be followed, the cluster has several members, files lie in a way
/// that a swap cannot do with, or the new data cannot be made.
pub async fn plan(manifest: &Manifest, options: &SwapOptions, etcdutl: &Path) -> Result<SwapPlan, SwapError> {
    let manifests = fs::canonicalize(&options.manifests).map_err(SwapError::io(&options.manifests))?;
    // What another one that is at work makes and moves is nothing to judge by.
    let lock = Lock::take(&manifests)?;
    journal::refuse_open(&manifests)?;
    let plane = ControlPlane::read(&manifests)?;
    let mut swap = Swap::lay_out(manifest.id.as_str(), &manifests, &plane)?;
    swap.run.clone_from(&options.run);
    let several = plane.several.or_else(|| saved_members(manifest)).or_else(|| live_members(&swap));
    let forsaken = match several {
        Some((members, seen)) if !options.force_new_cluster => {
            return Err(SwapError::SeveralMembers { members: members.join(", "), seen });
        }
        Some((members, _)) => members.into_iter().filter(|m| *m != plane.membership.name).collect(),
        None => Vec::new(),
    };
    let restore = RestoreOptions {
        data_dir: swap.restored.clone(),
        membership: plane.membership,
        bump_revision: options.bump_revision,
        mark_compacted: options.mark_compacted,
    };
    let restore = etcd::plan(manifest, &restore, etcdutl).await?;
    swap.was_healthy = probe::is_healthy(&swap.etcd).await.is_ok();
    let (wait, force_new_cluster) = (options.wait, options.force_new_cluster);
    Ok(SwapPlan { restore, swap, forsaken, wait, force_new_cluster, _lock: lock })
}

/// The members that there were when the recovery point was taken, where that is more than one.
fn saved_members(manifest: &Manifest) -> Option<(Vec<String>, String)> {
    let facts = manifest.artifact(&ArtifactKind::Etcd)?.etcd.as_ref()?;
    let voting: Vec<_> = facts.members.iter().filter(|m| !m.learner).map(|m| m.name.clone()).collect();
    (voting.len() > 1).then(|| (voting, format!("the recovery point {}", manifest.id)))
}

/// The members that the data in use tells of, where that is more than one. What cannot be read, because it is damaged
/// or being written, tells of none.
pub(super) fn live_members(swap: &Swap) -> Option<(Vec<String>, String)> {
    let path = swap.in_use().join("snap").join("db");
    let members = Database::open(File::open(&path).ok()?).ok()?.cluster().ok()?.members;
    let voting: Vec<_> = members.into_iter().filter(|m| !m.is_learner).map(|m| m.name).collect();
    (voting.len() > 1).then(|| (voting, path.display().to_string()))
}
