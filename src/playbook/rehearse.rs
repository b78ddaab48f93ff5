//! A playbook is rehearsed in the staging of a drill: planned, carried out, taken back. Nobody is asked, and nothing is kept.

use super::{
    Equipment, Known,
    actions::Planning,
    approval::Statement,
    journal::{Entry, Journal, RunEnd, StepEnd, What},
    model::Playbook,
    op::Op,
    plan::{Level, Order, Own, Plan, PlannedStep, PlannedWhat, plan},
    run::{self, Keeper, Means, Rehearsing},
};
use crate::{
    drill::{Rehearsed, Stage},
    point::{Digest, PointId},
    source::kube::{Cluster, Filter},
};
use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use tokio::sync::watch;

/// What is to be rehearsed.
pub struct Script<'a> {
    /// The playbook.
    pub playbook: &'a Playbook,
    /// SHA-256 of its file.
    pub sha256: Digest,
    /// The playbooks that it may call, by name.
    pub library: &'a BTreeMap<String, Playbook>,
    /// What it is told.
    pub given: &'a BTreeMap<String, Value>,
    /// Who rehearses it.
    pub by: &'a str,
    /// Where it is rehearsed: a staging cluster of its own.
    pub on: &'a Stage<'a>,
}

/// Rehearses a playbook.
///
/// # Errors
/// Why it could not be tried.
pub async fn rehearse(script: &Script<'_>) -> Result<Rehearsed, String> {
    let cluster = Cluster::connect(script.on.connection).await.map_err(|e| e.to_string())?;
    let kinds = cluster.discover(&Filter::default()).await.map_err(|e| e.to_string())?;
    let now = Timestamp::now();
    // Recovery points are read; what would reach beyond the staging is left out, and nothing is lent for it.
    let equipment = Equipment {
        catalogue: script.on.catalogue.clone(),
        by: script.by.to_owned(),
        signer: None,
        identities: Some(script.on.identities.clone()),
        job: Err("a rehearsal takes no recovery points".to_owned()),
        channels: BTreeMap::new(),
        rehearsal: true,
    };
    let known = Known::default();
    let order = Order {
        playbook: script.playbook,
        sha256: script.sha256,
        library: script.library,
        given: script.given.clone(),
        run: PointId::new(now, rand::random()),
        by: script.by.to_owned(),
        now,
        cluster: Some(&cluster),
        host: None,
        kinds: &kinds,
        equipment: &equipment,
        known: &known,
    };
    let plan = plan(&order).await.map_err(|wrong| wrong.join("; "))?;
    let speaks = plan.findings.iter().filter(|it| it.level == Level::Error);
    let wrong: Vec<_> = speaks.map(|it| (of(it.step.as_deref()), it.message.clone())).collect();
    if !wrong.is_empty() {
        return Ok(Rehearsed { wrong, ..Rehearsed::default() });
    }
    let facts = cluster.facts().await.map_err(|e| e.to_string())?;
    let with = Planning {
        run: plan.run.as_str(),
        step: "",
        now,
        cluster: Some(&cluster),
        host: None,
        kinds: &kinds,
        equipment: None,
        known: None,
    };
    let about = Own::default().cluster_facts(&with, &facts).await;
    let home = tempfile::tempdir().map_err(|e| format!("there is no place for its journal: {e}"))?;
    let path = home.path().join("journal.jsonl");
    let (_never, stop) = watch::channel(None);
    let means = || Means {
        plan: &plan,
        cluster: Some(&cluster),
        host: None,
        kinds: &kinds,
        known: Some(&known),
        equipment: &equipment,
        keeper: &Nothing,
        approvers: &[],
        by: script.by,
        about: about.clone(),
        wait: false,
        rehearsal: Some(Rehearsing { runs: script.on.runs }),
        assume: BTreeMap::new(),
        tell: &|_| {},
    };
    let read = || Journal::read(&path).map_err(|e| e.to_string());
    let journal = Journal::create(&path).map_err(|e| e.to_string())?;
    let outcome = run::run(means(), (journal, Vec::new()), stop.clone()).await.map_err(|e| e.to_string())?;
    if outcome.end != RunEnd::RolledBack {
        let journal = Journal::open(&path).map_err(|e| e.to_string())?;
        run::undo(means(), journal, stop).await.map_err(|e| e.to_string())?;
    }
    let mut rehearsed = summed_up(&plan, &read()?);
    if let (Some(why), true) = (outcome.why, rehearsed.wrong.is_empty()) {
        rehearsed.wrong.push((of(None), why));
    }
    Ok(rehearsed)
}

fn of(step: Option<&str>) -> String {
    step.unwrap_or("(the whole)").to_owned()
}

/// What the journal tells of a rehearsal.
fn summed_up(plan: &Plan, entries: &[Entry]) -> Rehearsed {
    let mut sum = Rehearsed::default();
    let mut meant: BTreeMap<(&str, usize), &Op> = BTreeMap::new();
    let mut done = BTreeSet::new();
    let changes = |op: Option<&&Op>| op.is_some_and(|op| !op.reads());
    let steps: BTreeMap<&str, &PlannedStep> =
        plan.every_step().into_iter().map(|step| (step.id.as_str(), step)).collect();
    let is_leaf = |id: &str| steps.get(id).is_some_and(|step| step.is_leaf());
    for entry in entries {
        match &entry.what {
            What::Intent { step, op, what_is_done, .. } => drop(meant.insert((step, *op), what_is_done)),
            What::Done { step, op, .. } if changes(meant.get(&(step.as_str(), *op))) => sum.changes += 1,
            What::NotDone { step, op, why } if !meant.contains_key(&(step.as_str(), *op)) => {
                sum.left_out.push((step.clone(), why.clone()));
            }
            What::StepEnded { step, end, .. } => match end {
                StepEnd::Done if is_leaf(step) => drop(done.insert(step)),
                StepEnd::Failed { why } if is_leaf(step) => sum.wrong.push((step.clone(), why.clone())),
                // Of a step that holds others those tell it; what a condition left out is as it was written.
                StepEnd::Done | StepEnd::Failed { .. } | StepEnd::Skipped { .. } => {}
            },
            What::Undone { .. } => sum.taken_back += 1,
            What::NotUndone { step, op, why } => {
                let stays = meant.get(&(step.as_str(), *op)).is_some_and(|op| op.stays().is_some());
                let as_written = steps.get(step.as_str()).is_some_and(|step| !step.undo);
                let list = if stays || as_written { &mut sum.stays } else { &mut sum.wrong };
                list.push((step.clone(), why.clone()));
            }
            _ => {}
        }
    }
    let asks = |step: &&&PlannedStep| step.gate.is_some() || matches!(step.what, PlannedWhat::Manual { .. });
    let asked = steps.values().filter(asks).map(|step| (step.id.clone(), "nobody was asked".to_owned()));
    sum.left_out.extend(asked);
    let left_out = |step: &&&String| sum.left_out.iter().any(|(name, _)| name == **step);
    sum.steps = done.len() as u64 - done.iter().filter(left_out).count() as u64;
    sum
}

/// Keeps nothing: what is collected in a rehearsal is evidence of nothing.
struct Nothing;

#[async_trait]
impl Keeper for Nothing {
    async fn keep(&self, _: &PointId, _: &str, bytes: Vec<u8>) -> Result<Digest, String> {
        Ok(Digest::from(Sha256::digest(bytes)))
    }

    async fn statements(&self, _: &PointId) -> Result<Vec<Statement>, String> {
        Ok(Vec::new())
    }

    async fn ready(&self) -> Result<(), String> {
        Ok(())
    }
}
