use super::{
    Swap, SwapError, SwapPlan, Tell,
    control_plane::{APISERVER, ETCD},
    files,
    journal::{Journal, Step},
    plan::live_members,
    probe, undo,
};
use crate::{
    catalogue::Catalogue,
    pipeline::Identities,
    point::Manifest,
    restore::etcd::{self, Plan},
};
use serde::Serialize;
use std::{fs, sync::Arc};

/// What a swap did.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Swapped {
    /// How the new data was made.
    pub restore: Plan,
    /// Which files were moved where.
    pub swap: Swap,
    /// What is left to the operator, in order.
    pub next: Vec<String>,
}

/// Carries out a plan. `tell` hears of every step; when `stop` names a signal, the swap is undone.
///
/// # Errors
/// Whatever fails, everything is undone; the error says whether that was possible.
pub async fn apply(
    plan: &SwapPlan,
    catalogue: &Catalogue,
    manifest: &Manifest,
    identities: Arc<Identities>,
    tell: Tell<'_>,
    stop: impl Future<Output = &'static str>,
) -> Result<Swapped, SwapError> {
    let mut journal = Journal::begin(&plan.swap)?;
    let swapped = tokio::select! {
        swapped = carry_out(plan, &mut journal, catalogue, manifest, identities, tell) => swapped,
        signal = stop => Err(SwapError::Stopped(signal)),
    };
    let Err(cause) = swapped else {
        let swap = journal.recorded().swap.clone();
        return Ok(Swapped { restore: plan.restore.clone(), next: next(plan, &swap), swap });
    };
    let touched = journal.recorded().begun(Step::Stop);
    if touched {
        tell(&format!("{cause}: going back"));
    }
    match undo::go_back(journal, plan.wait, tell).await {
        Err(reason) => {
            let (cause, reason) = (Box::new(cause), Box::new(reason));
            Err(SwapError::NotUndone { cause, reason, manifests: plan.swap.manifests.clone() })
        }
        Ok(undone) if touched || matches!(cause, SwapError::Stopped(_)) => {
            Err(SwapError::Undone { cause: Box::new(cause), undone })
        }
        Ok(_) => Err(cause),
    }
}

async fn carry_out(
    plan: &SwapPlan,
    journal: &mut Journal,
    catalogue: &Catalogue,
    manifest: &Manifest,
    identities: Arc<Identities>,
    tell: Tell<'_>,
) -> Result<(), SwapError> {
    let mut swap = plan.swap.clone();
    tell(&format!("making {} from {} and verifying it", swap.restored.display(), swap.point));
    journal.begun(Step::Restore)?;
    etcd::apply(&plan.restore, catalogue, manifest, identities).await?;
    let like = fs::metadata(swap.in_use()).or_else(|_| fs::metadata(&swap.data_dir));
    if let Ok(like) = like {
        files::hand_over(&swap.new_data(), &like)?;
    }
    journal.done(Step::Restore)?;

    tell(&format!("stopping {}", swap.pods.join(", ")));
    journal.begun(Step::Stop)?;
    probe::stop(&swap, plan.wait).await?;
    // Before, it was being written to.
    if let Some((members, seen)) = live_members(&swap).filter(|_| !plan.force_new_cluster) {
        return Err(SwapError::SeveralMembers { members: members.join(", "), seen });
    }
    // An etcd that had lost its data may have begun anew meanwhile.
    swap.had_data = swap.has_data();
    journal.revise(&swap)?;
    journal.done(Step::Stop)?;

    tell(&format!("putting the new data into {}", swap.data_dir.display()));
    journal.begun(Step::Exchange)?;
    swap.exchange()?;
    journal.done(Step::Exchange)?;

    tell("starting etcd");
    journal.begun(Step::StartEtcd)?;
    swap.start(ETCD)?;
    probe::etcd_healthy(&swap.etcd, plan.wait).await?;
    journal.done(Step::StartEtcd)?;

    if let Some(server) = &swap.apiserver {
        tell("starting the API server");
        journal.begun(Step::StartApiServer)?;
        swap.start(APISERVER)?;
        probe::apiserver_ready(server, plan.wait).await?;
        journal.done(Step::StartApiServer)?;
    }

    journal.begun(Step::StartOthers)?;
    for pod in &swap.pods {
        swap.start(pod)?;
    }
    journal.done(Step::StartOthers)?;
    journal.finished()
}

fn next(plan: &SwapPlan, swap: &Swap) -> Vec<String> {
    let mut next = Vec::new();
    if swap.apiserver.is_none() {
        next.push(format!(
            "No kube-apiserver.yaml is in {}: restart every API server that uses this etcd.",
            swap.manifests.display()
        ));
    }
    if !plan.forsaken.is_empty() {
        next.push(format!(
            "{} no longer belong to etcd and must not run with their old data: on each of those hosts `kubeadm reset`, \
             then join it anew.",
            plan.forsaken.join(", ")
        ));
    }
    next.extend([
        "Look: `kubectl get nodes` and `kubectl get pods -A`. Where a node stays NotReady, `systemctl restart kubelet`; \
         restart operators that ran through it all and act strangely."
            .to_owned(),
        "Delete Node objects whose machines are gone. Machines, volumes and load balancers that were made after the \
         recovery point exist without their objects: look for them at your provider."
            .to_owned(),
        "If the recovery point was in foreign hands, rotate what is in it: Secrets, service account keys, passwords."
            .to_owned(),
        "Take a backup of what there is now: `lifeboat backup`.".to_owned(),
    ]);
    if swap.had_data {
        next.push(format!(
            "The data of before is kept in {}: `lifeboat restore undo {}` goes back to it; remove it when you no longer \
             need it.",
            swap.kept.display(),
            swap.manifests.display()
        ));
    }
    next
}
