//! Every write is tried, and every right is asked for, many at a time.

use super::{Finding, Level, Order, Plan, PlannedStep};
use crate::{
    playbook::{
        AT_A_TIME,
        model::OnFailure,
        op::{Op, Tried},
    },
    source::kube::{Attempt, Cluster},
};
use futures_util::{StreamExt, stream};
use std::collections::{BTreeMap, BTreeSet};

/// Who writes, for `managedFields`; the audit id tells which step.
pub const MANAGER: &str = "lifeboat-playbook";

/// Tries every write of a plan, and asks for every right.
pub(super) async fn look(plan: &mut Plan, order: &Order<'_>) {
    let mut ops: Vec<Op> = Vec::new();
    every(plan, &mut |step| ops.extend(step.ops().iter().map(|it| it.op.clone())));
    let with = order.doing();
    let tries: Vec<_> = ops.iter().map(|op| op.try_out(&with)).collect();
    let wanted: BTreeSet<Attempt> =
        ops.iter().flat_map(|op| [op.rights().0, op.rights().1].concat()).collect();
    let asked = async {
        match order.cluster {
            Some(cluster) => ask(cluster, wanted).await,
            // Nobody is asked for leave on a host: who runs there may do what its files let it do.
            None => BTreeMap::new(),
        }
    };
    let tried = stream::iter(tries).buffered(AT_A_TIME).collect::<Vec<Tried>>();
    let (tried, answers) = tokio::join!(tried, asked);
    let lacks = |attempts: Vec<Attempt>| {
        let refused =
            attempts.into_iter().filter_map(|it| Some(format!("{}: {}", words(&it), answers.get(&it)?)));
        refused.collect::<Vec<_>>()
    };
    let mut found = Vec::new();
    let mut tried = tried.into_iter();
    every(plan, &mut |step| {
        let (id, level) = (step.id.clone(), level(step));
        let mut say = |message: String, level| found.push(Finding { level, step: Some(id.clone()), message });
        let undo = step.undo;
        for planned in step.ops_mut() {
            planned.tried = tried.next().unwrap_or(Tried::NotNeeded);
            let (needed, back) = planned.op.rights();
            planned.lacks = lacks(needed);
            planned.undo_lacks = if undo { lacks(back) } else { Vec::new() };
            let first = planned.op.to_string();
            let what = first.lines().next().unwrap_or_default().to_owned();
            // What a missing right explains is not told twice.
            for right in &planned.lacks {
                say(format!("{what}: a right is missing: {right}"), level);
            }
            match &planned.tried {
                Tried::Refused { why } if planned.lacks.is_empty() => {
                    let who = if order.cluster.is_some() { ": the API server would refuse it" } else { "" };
                    say(format!("{what}{who}: {why}"), level);
                }
                Tried::Unverifiable { why } => {
                    say(format!("{what}: it was not tried: {why}"), Level::Warning)
                }
                _ => {}
            }
            for right in &planned.undo_lacks {
                say(format!("{what}: to take it back a right is missing: {right}"), Level::Warning);
            }
        }
    });
    plan.findings.extend(found);
}

/// How much it counts that a step cannot be done.
pub(super) fn level(step: &PlannedStep) -> Level {
    match step.on_failure {
        OnFailure::Continue => Level::Warning,
        OnFailure::Abort | OnFailure::Rollback => Level::Error,
    }
}

fn every(plan: &mut Plan, call: &mut dyn FnMut(&mut PlannedStep)) {
    for step in plan.steps.iter_mut().chain(&mut plan.always) {
        step.each_mut(call);
    }
}

/// Those that are not allowed, and why. A right on a whole type makes it needless to ask for each object.
async fn ask(cluster: &Cluster, wanted: BTreeSet<Attempt>) -> BTreeMap<Attempt, String> {
    let general = |it: &Attempt| Attempt { name: None, ..it.clone() };
    let groups: BTreeSet<Attempt> = wanted.iter().map(general).collect();
    let wide: BTreeSet<Attempt> = answers(cluster, groups).await.into_keys().collect();
    let single = wanted.into_iter().filter(|it| wide.contains(&general(it)));
    answers(cluster, single.collect()).await
}

async fn answers(cluster: &Cluster, wanted: BTreeSet<Attempt>) -> BTreeMap<Attempt, String> {
    let asked = wanted.into_iter().map(|attempt| async move {
        match cluster.may(&attempt).await {
            Ok(Ok(())) => None,
            Ok(Err(why)) => Some((attempt, why)),
            Err(refusal) => Some((attempt, format!("the API server could not say ({refusal})"))),
        }
    });
    stream::iter(asked).buffered(AT_A_TIME).filter_map(|it| async { it }).collect().await
}

/// A right in words.
pub(in crate::playbook) fn words(it: &Attempt) -> String {
    let group = if it.group.is_empty() { String::new() } else { format!(".{}", it.group) };
    let part = it.subresource.as_ref().map(|part| format!("/{part}")).unwrap_or_default();
    let name = it.name.as_ref().map(|name| format!(" {name}")).unwrap_or_default();
    let place = it.namespace.as_ref().map(|namespace| format!(" in {namespace}")).unwrap_or_default();
    format!("{} {}{group}{part}{name}{place}", it.verb, it.resource)
}
