//! The export becomes objects again in a staging that holds nothing, as `lifeboat restore resources` does it.

use crate::{
    catalogue::Catalogue,
    object::{Identity, Keep, Rewrite},
    pipeline::Identities,
    point::{Manifest, PointId},
    restore::resources::{
        Action, Done, From, OnConflict, Options, Outcome, Plan, Planned, Policy, Progress, ResourcesError,
        Selection, Target, Terms, apply, gather, plan,
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
    /// They were made harmless, for the cluster is not the drill's own.
    pub(super) harmless: bool,
}

/// Objects that are in the cluster already, and what there is to know of each: nothing was made.
pub(super) struct Occupied(pub(super) Vec<(String, String)>);

/// Restores everything that the export of a recovery point holds; in a cluster with terms, beside what is there.
///
/// # Errors
/// When the export does not open, or staging cannot be read. What the server refuses is in the outcomes.
pub(super) async fn restore(
    catalogue: &Catalogue,
    manifest: &Manifest,
    identities: Arc<Identities>,
    cluster: Cluster,
    drill: &PointId,
    terms: Option<Arc<dyn Terms>>,
) -> Result<Result<Restored, Occupied>, ResourcesError> {
    let harmless = terms.is_some();
    let options = options(drill, terms);
    let mut target = Target::learn(cluster.clone()).await?;
    let from = From::Point { catalogue, manifest, identities };
    let gathered = Arc::new(gather(&from, &target, &options, Timestamp::now()).await?);
    let first = plan(&target, gathered.clone(), &options, rand::random(), Timestamp::now()).await?;
    let occupied: Vec<_> = first.objects.iter().filter(|it| harmless && it.live.is_some()).map(met).collect();
    if !occupied.is_empty() {
        return Ok(Err(Occupied(occupied)));
    }
    // A drill that is stopped is dropped with all that it does, and its staging is taken away.
    let stop = std::future::pending::<()>();
    let outcomes = apply(&first, &target, &options, &Progress::default(), stop).await;
    let left = left(&first, &outcomes);
    target = Target::learn(cluster).await?;
    let second = plan(&target, gathered, &options, rand::random(), Timestamp::now()).await?;
    let as_meant = second.objects.into_iter().filter(|it| it.is_the_same()).map(|it| it.to).collect();
    Ok(Ok(Restored { outcomes, left, as_meant, harmless }))
}

fn met(planned: &Planned) -> (String, String) {
    let uid = planned.live.as_ref().map(|(uid, _)| uid.as_str()).unwrap_or_default();
    (planned.to.to_string(), format!("it is there already, with the UID {uid}"))
}

/// In a cluster of the drill's own, an object that staging made for itself becomes what was saved, as all others do. In any other,
/// nothing that is there becomes anything.
fn options(drill: &PointId, terms: Option<Arc<dyn Terms>>) -> Options {
    let default = if terms.is_some() { OnConflict::Skip } else { OnConflict::Update };
    Options {
        select: Selection::default(),
        rewrite: Rewrite::default(),
        terms,
        keep: Keep::default(),
        policy: Policy { default, types: Vec::new() },
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
