//! The export becomes objects again in a staging that holds nothing, as `lifeboat restore resources` does it.

use crate::{
    catalogue::Catalogue,
    object::{Identity, Keep, Rewrite},
    pipeline::Identities,
    point::{Manifest, PointId},
    restore::resources::{
        Action, Done, From, OnConflict, Options, Outcome, Plan, Policy, Progress, ResourcesError, Selection,
        Target, apply, gather, plan,
    },
    source::kube::Cluster,
};
use jiff::Timestamp;
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

/// Requests in flight: staging is on this machine.
const CONCURRENCY: usize = 32;
/// How long types may take to be served after their definitions are there.
const WAIT: Duration = Duration::from_secs(60);

/// What became of the objects of an export.
pub(super) struct Restored {
    /// Each object that was to be restored.
    pub(super) outcomes: Vec<Outcome>,
    /// Why objects were left out on purpose, in words that name none of them.
    pub(super) left: HashMap<Identity, String>,
    /// Objects that are in staging as the restore means them to be: a second plan finds nothing to do with them.
    pub(super) as_meant: HashSet<Identity>,
}

/// Restores everything that the export of a recovery point holds.
///
/// # Errors
/// When the export does not open, or staging cannot be read. What the server refuses is in the outcomes.
pub(super) async fn restore(
    catalogue: &Catalogue,
    manifest: &Manifest,
    identities: Arc<Identities>,
    cluster: Cluster,
    drill: &PointId,
) -> Result<Restored, ResourcesError> {
    let options = options(drill);
    let mut target = Target::learn(cluster.clone()).await?;
    let from = From::Point { catalogue, manifest, identities };
    let gathered = Arc::new(gather(&from, &target, &options, Timestamp::now()).await?);
    let first = plan(&target, gathered.clone(), &options, rand::random(), Timestamp::now()).await?;
    // A drill that is stopped is dropped with all that it does, and its staging is taken away.
    let stop = std::future::pending::<()>();
    let outcomes = apply(&first, &target, &options, &Progress::default(), stop).await;
    let left = left(&first, &outcomes);
    target = Target::learn(cluster).await?;
    let second = plan(&target, gathered, &options, rand::random(), Timestamp::now()).await?;
    let as_meant = second.objects.into_iter().filter(|it| it.is_the_same()).map(|it| it.to).collect();
    Ok(Restored { outcomes, left, as_meant })
}

/// Nothing is rewritten: an object that staging made for itself becomes what was saved, as all others do.
fn options(drill: &PointId) -> Options {
    Options {
        select: Selection::default(),
        rewrite: Rewrite::default(),
        keep: Keep::default(),
        policy: Policy { default: OnConflict::Update, types: Vec::new() },
        only_missing: false,
        try_out: false,
        drop_unknown_fields: false,
        manager: format!("lifeboat-drill-{drill}"),
        concurrency: CONCURRENCY,
        wait: WAIT,
    }
}

fn left(plan: &Plan, outcomes: &[Outcome]) -> HashMap<Identity, String> {
    let skipped = |outcome: &Outcome| outcome.outcome == Done::Skipped;
    let both = plan.objects.iter().zip(outcomes).filter(|(planned, outcome)| {
        planned.action == Action::Skip && !planned.is_the_same() && skipped(outcome)
    });
    let reason = |reason: &crate::restore::resources::Reason| reason.text.clone();
    both.map(|(planned, _)| (planned.to.clone(), planned.reason.as_ref().map(reason).unwrap_or_default()))
        .collect()
}
