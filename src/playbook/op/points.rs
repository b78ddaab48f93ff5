//! What is done with recovery points. They are the store's and not the cluster's: whether something was done is told by the store.

use super::{Doing, OpError, Outcome, Probe, Tried};
use crate::{
    backup::{self, Job, Progress, Uploads},
    catalogue::{Depth, Level, Verdict, verify},
    playbook::Equipment,
    point::{Family, Manifest, PointId, Status, Tag, TagFacts},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::{collections::BTreeSet, fmt, sync::Arc};

/// So many findings are told; how many there are is told as well.
const TOLD: usize = 10;

/// Something that is done with recovery points.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "does", rename_all = "kebab-case")]
pub enum PointOp {
    /// Takes one.
    Save(SavePoint),
    /// Exempts one from retention.
    Hold(HoldPoint),
    /// Looks whether one is whole.
    Verify(VerifyPoint),
}

/// Takes a recovery point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SavePoint {
    /// The job that it belongs to.
    pub label: String,
    /// Words that are put on it.
    pub tags: BTreeSet<Tag>,
    /// Is etcd saved?
    pub etcd: bool,
    /// Are the API server's objects saved?
    pub resources: bool,
    /// It is not older than that.
    pub since: Timestamp,
    /// What its id ends with is made of this: by that it is found again.
    pub seed: u32,
}

/// Exempts a recovery point from retention.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HoldPoint {
    /// Which.
    pub point: PointId,
    /// Why, and by which step of which run: no other hold is for just this.
    pub reason: String,
}

/// Looks whether a recovery point is whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VerifyPoint {
    /// Which.
    pub point: PointId,
    /// How far.
    pub depth: Reach,
}

/// How far a recovery point is verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Reach {
    /// What needs no key.
    Stored,
    /// Everything is opened.
    Deep,
}

/// What the store says, as an op tells it.
fn failed(e: impl fmt::Display) -> OpError {
    OpError::Failed(e.to_string())
}

impl PointOp {
    /// Does it leave everything as it is, but for another recovery point or a record of what was seen?
    pub(super) fn reads(&self) -> bool {
        !matches!(self, PointOp::Hold(_))
    }

    pub(super) async fn try_out(&self, with: &Doing<'_>) -> Tried {
        let refused = |why: String| Tried::Refused { why };
        match self {
            PointOp::Save(it) => match it.job(with.equipment) {
                Ok(_) => Tried::NotNeeded,
                Err(why) => refused(why),
            },
            PointOp::Hold(it) => {
                let equipment = with.equipment;
                if let Err(e) = equipment.catalogue.must_sign(Family::Holds, equipment.author()) {
                    return refused(e.to_string());
                }
                match equipment.catalogue.load(&it.point).await {
                    Ok(_) => Tried::Accepted,
                    Err(e) => refused(e.to_string()),
                }
            }
            PointOp::Verify(it) => match it.depth(with.equipment) {
                Ok(_) => Tried::NotNeeded,
                Err(why) => refused(why),
            },
        }
    }

    /// Does it; what is under way is given up when `stop` names a signal.
    ///
    /// # Errors
    /// When the store does not take it, or a recovery point is not whole.
    pub async fn carry_out(
        &self,
        with: &Doing<'_>,
        stop: impl Future<Output = &'static str>,
    ) -> Result<Outcome, OpError> {
        match self {
            PointOp::Save(it) => it.save(with.equipment, stop).await,
            PointOp::Hold(it) => it.hold(with.equipment).await,
            PointOp::Verify(it) => tokio::select! {
                went = it.verify(with.equipment) => went,
                signal = stop => Err(OpError::Failed(format!("{} was not verified: stopped by {signal}", it.point))),
            },
        }
    }

    pub(super) async fn probe(&self, with: &Doing<'_>) -> Result<Probe, OpError> {
        match self {
            // It is looked for before another one is taken, and so it can just be gone on with.
            PointOp::Save(_) | PointOp::Verify(_) => Ok(Probe::NotDone),
            PointOp::Hold(it) => {
                let catalogue = &with.equipment.catalogue;
                let Some(record) = catalogue.hold_for(&it.point, &it.reason).await.map_err(failed)? else {
                    return Ok(Probe::NotDone);
                };
                // The record comes first: what it asks of the store may be missing.
                catalogue.settle(&it.point, false).await.map_err(failed)?;
                Ok(Probe::Done(held(&it.point, record)))
            }
        }
    }

    pub(super) async fn take_back(&self, outcome: &Outcome, with: &Doing<'_>) -> Result<Outcome, OpError> {
        let PointOp::Hold(it) = self else { return Ok(Outcome::default()) };
        let equipment = with.equipment;
        let uid = outcome.uid.as_deref().and_then(|uid| uid.parse::<PointId>().ok());
        let Some(record) = uid else {
            return Err(OpError::Failed(format!("which hold of {} is this run's is not known", it.point)));
        };
        let reason = format!("taken back: {}", it.reason);
        let (catalogue, author) = (&equipment.catalogue, equipment.author());
        let released = catalogue.release_one(&it.point, &record, &reason, author, Timestamp::now()).await;
        let released = released.map_err(failed)?;
        let said = match (&released.record, &released.held) {
            (None, None) => Some("it was released already".to_owned()),
            (None, Some(held)) => {
                Some(format!("it was released already; another hold stays: {}", held.reason))
            }
            (Some(_), Some(held)) => Some(format!("another hold stays: {}", held.reason)),
            (Some(_), None) => None,
        };
        Ok(Outcome { said, ..Outcome::default() })
    }
}

fn held(point: &PointId, record: PointId) -> Outcome {
    let brought = Some(json!({"id": point, "hold": record}));
    Outcome { uid: Some(record.to_string()), said: None, brought }
}

impl SavePoint {
    fn job(&self, equipment: &Equipment) -> Result<Job, String> {
        let job = equipment.job.as_ref().map_err(Clone::clone)?.clone();
        let etcd = job.etcd.filter(|_| self.etcd);
        let resources = job.resources.filter(|_| self.resources);
        if etcd.is_none() && resources.is_none() {
            return Err(
                "there is nothing to save: the configuration has no etcd, and resources were not asked for"
                    .into(),
            );
        }
        Ok(Job { label: self.label.clone(), etcd, resources, uploads: Uploads::default(), ..job })
    }

    /// The recovery point that was taken before, if one was.
    async fn taken(&self, equipment: &Equipment) -> Result<Option<Manifest>, OpError> {
        let tail = |id: &PointId| id.as_str().get(17..).map(str::to_owned);
        let (wanted, since) = (PointId::new(self.since, self.seed), self.since.as_second());
        for id in equipment.catalogue.ids().await.map_err(failed)?.into_iter().rev() {
            if id.time().is_none_or(|at| at.as_second() < since) {
                break;
            }
            if tail(&id) == tail(&wanted)
                && let Some(point) = equipment.catalogue.point(&id).await.map_err(failed)?
            {
                return point.manifest.map(Some).map_err(failed);
            }
        }
        Ok(None)
    }

    async fn save(
        &self,
        equipment: &Equipment,
        stop: impl Future<Output = &'static str>,
    ) -> Result<Outcome, OpError> {
        let manifest = match self.taken(equipment).await? {
            Some(manifest) => manifest,
            None => {
                let job = self.job(equipment).map_err(OpError::Failed)?;
                let began = Timestamp::now();
                let id = PointId::new(began, self.seed);
                let progress = Arc::new(Progress::default());
                backup::run(&job, &id, began, &progress, stop).await.map_err(failed)?
            }
        };
        let id = &manifest.id;
        let standing = equipment.catalogue.standing(id).await.map_err(failed)?;
        let add: BTreeSet<Tag> =
            self.tags.iter().filter(|tag| !standing.tags.contains(tag.as_str())).cloned().collect();
        if !add.is_empty() {
            let facts = TagFacts { add, remove: BTreeSet::new() };
            let tagged = equipment.catalogue.tag(id, facts, equipment.author(), Timestamp::now()).await;
            tagged.map_err(|e| {
                OpError::Failed(format!("{id} was taken, and its tags were not put on it: {e}"))
            })?;
        }
        let problems: Vec<String> =
            manifest.problems.iter().take(TOLD).map(|it| format!("{}: {}", it.about, it.message)).collect();
        let said = match manifest.status {
            Status::PartiallyFailed => {
                format!("{id}, and something is missing in it: {}", problems.join("; "))
            }
            _ => id.to_string(),
        };
        let brought = json!({"id": id, "status": manifest.status, "createdAt": manifest.created_at, "problems": problems});
        Ok(Outcome { uid: None, said: Some(said), brought: Some(brought) })
    }
}

impl HoldPoint {
    async fn hold(&self, equipment: &Equipment) -> Result<Outcome, OpError> {
        let now = Timestamp::now();
        let done = equipment.catalogue.hold(&self.point, &self.reason, equipment.author(), now).await;
        let record = done.map_err(failed)?.record.ok_or_else(|| failed("the hold was not recorded"))?;
        Ok(held(&self.point, record.id))
    }
}

impl VerifyPoint {
    fn depth(&self, equipment: &Equipment) -> Result<Depth, String> {
        Ok(match self.depth {
            Reach::Stored => Depth::Stored,
            Reach::Deep => Depth::Deep(equipment.opening()?),
        })
    }

    async fn verify(&self, equipment: &Equipment) -> Result<Outcome, OpError> {
        let depth = self.depth(equipment).map_err(OpError::NotUndoable)?;
        let began = Timestamp::now();
        let verdict = verify(&equipment.catalogue, &self.point, &depth).await.map_err(failed)?;
        let mut said = None;
        if equipment.signer.is_some() {
            let (author, now) = (equipment.author(), Timestamp::now());
            let recorded = equipment.catalogue.record_verification(&verdict, began, now, author).await;
            said = recorded.err().map(|e| format!("this is not recorded in the store: {e}"));
        }
        let told = told(&verdict);
        if verdict.worst() == Level::Error {
            return Err(OpError::Failed(format!("{} is not whole: {}", self.point, told.join("; "))));
        }
        let brought = json!({"id": self.point, "depth": verdict.depth, "passed": true, "findings": told});
        Ok(Outcome { uid: None, said, brought: Some(brought) })
    }
}

/// What is wrong or doubtful, the worst first. What is inside of a sealed artifact is for whoever can open it.
fn told(verdict: &Verdict) -> Vec<String> {
    let of = |level| verdict.findings.iter().filter(move |it| it.level == level);
    let all = of(Level::Error).chain(of(Level::Warning)).map(|it| match it.inside {
        true => format!("{}: something inside of it; `lifeboat verify --deep` tells what", it.about),
        false => format!("{}: {}", it.about, it.message),
    });
    all.take(TOLD).collect()
}

impl fmt::Display for PointOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PointOp::Save(it) => {
                let what = match (it.etcd, it.resources) {
                    (true, true) => "",
                    (true, false) => " of etcd alone",
                    _ => " of the API server's objects alone",
                };
                let tags: Vec<&str> = it.tags.iter().map(Tag::as_str).collect();
                write!(f, "take a recovery point{what}, with the tags {}", tags.join(", "))
            }
            PointOp::Hold(it) => write!(f, "hold recovery point {}: {}", it.point, it.reason),
            PointOp::Verify(it) => match it.depth {
                Reach::Stored => write!(f, "verify recovery point {}, without opening it", it.point),
                Reach::Deep => write!(f, "verify recovery point {}, and all that is in it", it.point),
            },
        }
    }
}
