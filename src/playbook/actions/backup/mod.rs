//! Recovery points: taken, held, verified, compared, and searched for when something began.

mod bisect;
mod diff;
mod restore;

pub(super) use bisect::Bisect;
pub(super) use diff::Diff;
pub(super) use restore::{Resources, Sandbox};

use super::{ActionError, Class, Plain, Planned, Planning};
use crate::{
    playbook::{
        Equipment, Points,
        inputs::plain,
        model::ParamKind,
        op::{HoldPoint, Op, PointOp, Reach, SavePoint, VerifyPoint as VerifyOp},
    },
    point::{PointId, Tag},
};
use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;

/// A recovery point that an argument names: `${params.point}`, an id or the beginning of one, `latest`, `newest-verified`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(in crate::playbook::actions) enum PointRef {
    /// As text.
    Named(String),
    /// As a parameter or an earlier step has it.
    Known {
        /// Its id.
        id: String,
    },
}

impl<'a> Planning<'a> {
    /// What there is beside the cluster.
    pub(in crate::playbook::actions) fn equipment(&self) -> Result<&'a Equipment, ActionError> {
        self.equipment.ok_or_else(|| ActionError::Refused("there is no store of recovery points here".into()))
    }

    /// The recovery point that is meant.
    pub(in crate::playbook::actions) async fn point(
        &self,
        wanted: &PointRef,
    ) -> Result<PointId, ActionError> {
        let (PointRef::Named(text) | PointRef::Known { id: text }) = wanted;
        let found = self.equipment()?.find(text).await.map_err(ActionError::Refused)?;
        found.parse().map_err(|_| ActionError::Refused(format!("`{found}` is no recovery point")))
    }

    /// A number that is this step's of this run, and the same whenever it is planned.
    fn seed(&self) -> u32 {
        let hash = Sha256::new().chain_update(self.run).chain_update([0]).chain_update(self.step).finalize();
        hash.iter().take(4).fold(0, |seed, byte| seed << 8 | u32::from(*byte))
    }
}

/// What a store or a key says when it is asked for something.
fn refused(e: impl std::fmt::Display) -> ActionError {
    ActionError::Refused(e.to_string())
}

/// Takes a recovery point.
pub(super) struct Create;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct CreateArgs {
    /// Words on it, such as `incident=INC-7`. The run's id is put on it as well.
    #[serde(default)]
    tags: Vec<String>,
    /// The job that it belongs to: retention counts those of each job for themselves.
    #[serde(default)]
    job: String,
    /// False leaves etcd out.
    #[serde(default = "yes")]
    etcd: bool,
    /// False leaves the API server's objects out.
    #[serde(default = "yes")]
    resources: bool,
}

fn yes() -> bool {
    true
}

#[async_trait]
impl Plain for Create {
    type Args = CreateArgs;
    const NAME: &'static str = "backup.create";
    const CLASS: Class = Class::Read;
    const ABOUT: &'static str = "Takes a recovery point of the cluster as it is now.";

    async fn plan(with: &Planning<'_>, args: CreateArgs) -> Result<Planned, ActionError> {
        let word = |text: &String| text.parse::<Tag>().map_err(|e| ActionError::Arguments(e.to_string()));
        let mut tags: BTreeSet<Tag> = args.tags.iter().map(word).collect::<Result<_, _>>()?;
        tags.insert(word(&format!("run={}", with.run))?);
        if !args.job.is_empty() {
            word(&args.job)
                .map_err(|_| ActionError::Arguments("job: a word is needed, such as incident".into()))?;
        }
        let equipment = with.equipment()?;
        let mut planned = Planned::default();
        let etcd = args.etcd && equipment.job.as_ref().is_ok_and(|job| job.etcd.is_some());
        if args.etcd && !etcd {
            planned.remarks.push("the configuration has no etcd: objects alone are saved".to_owned());
        }
        planned.ops.push(Op::Point(PointOp::Save(SavePoint {
            label: args.job,
            tags,
            etcd,
            resources: args.resources,
            since: with.now,
            seed: with.seed(),
        })));
        Ok(planned)
    }
}

/// Exempts recovery points from retention.
pub(super) struct HoldPoints;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct HoldArgs {
    /// Which recovery points.
    #[serde(default)]
    points: Vec<PointRef>,
    /// Every one that was begun since: an instant, or a length of time before the plan.
    #[serde(default)]
    since: Option<String>,
    /// Every one that was begun until then, alike.
    #[serde(default)]
    until: Option<String>,
    /// Why: the number of the incident.
    reason: String,
}

#[async_trait]
impl Plain for HoldPoints {
    type Args = HoldArgs;
    const NAME: &'static str = "backup.hold";
    const CLASS: Class = Class::Undoable;
    const ABOUT: &'static str =
        "Exempts recovery points from retention, with the legal hold of the store where it has one.";

    async fn plan(with: &Planning<'_>, args: HoldArgs) -> Result<Planned, ActionError> {
        let mut ids = BTreeSet::new();
        for point in &args.points {
            ids.insert(with.point(point).await?);
        }
        if args.since.is_some() || args.until.is_some() {
            let [since, until] = [&args.since, &args.until]
                .map(|it| it.as_deref().map(|text| instant(text, with.now)).transpose());
            let (since, until) = (since?, until?.unwrap_or(with.now));
            let listed = with.equipment()?.catalogue.list().await.map_err(refused)?;
            let within = |begun: Timestamp| since.is_none_or(|since| begun >= since) && begun <= until;
            ids.extend(listed.into_iter().filter(|it| it.begun().is_some_and(within)).map(|it| it.id));
        } else if args.points.is_empty() {
            return Err(ActionError::Arguments(
                "name `points`, or since when and until when they were begun".into(),
            ));
        }
        let mut planned = Planned::default();
        if ids.is_empty() {
            planned.remarks.push("no recovery point was begun then: nothing is held".to_owned());
        }
        let reason = format!("{} (playbook run {}, step {})", args.reason.trim(), with.run, with.step);
        if args.reason.trim().is_empty() || reason.chars().any(char::is_control) {
            return Err(ActionError::Arguments("reason: one line of text is needed".into()));
        }
        let hold = |point| Op::Point(PointOp::Hold(HoldPoint { point, reason: reason.clone() }));
        planned.ops = ids.into_iter().map(hold).collect();
        Ok(planned)
    }
}

/// Looks whether a recovery point is whole.
pub(super) struct VerifyPoint;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct VerifyArgs {
    /// Which recovery point.
    point: PointRef,
    /// How far; without it everything is opened where an identity is at hand.
    #[serde(default)]
    depth: Option<Reach>,
}

#[async_trait]
impl Plain for VerifyPoint {
    type Args = VerifyArgs;
    const NAME: &'static str = "backup.verify";
    const CLASS: Class = Class::Read;
    const ABOUT: &'static str = "Verifies that a recovery point is whole, and fails where it is not.";

    async fn plan(with: &Planning<'_>, args: VerifyArgs) -> Result<Planned, ActionError> {
        let point = with.point(&args.point).await?;
        let mut planned = Planned::default();
        let depth = match (args.depth, &with.equipment()?.identities) {
            (Some(depth), _) => depth,
            (None, Some(_)) => Reach::Deep,
            (None, None) => {
                planned
                    .remarks
                    .push("no identity is at hand (-i): what is inside is not verified".to_owned());
                Reach::Stored
            }
        };
        planned.ops.push(Op::Point(PointOp::Verify(VerifyOp { point, depth })));
        Ok(planned)
    }
}

/// An instant, or one that is a length of time before now.
fn instant(text: &str, now: Timestamp) -> Result<Timestamp, ActionError> {
    let ago = || {
        let milliseconds = plain(&ParamKind::Duration, &Value::from(text)).ok()?.as_i64()?;
        now.checked_sub(SignedDuration::from_millis(milliseconds)).ok()
    };
    text.parse::<Timestamp>().ok().or_else(ago).ok_or_else(|| {
        ActionError::Arguments(format!(
            "`{text}` is no instant: write 2026-11-20T08:00:00Z, or a length of time before now, such as 7d"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_written_out_or_so_long_ago() {
        let now: Timestamp = "2026-11-23T08:45:00Z".parse().unwrap();
        for (text, wanted) in
            [("7d", "2026-11-16T08:45:00Z"), ("2026-11-20T08:00:00Z", "2026-11-20T08:00:00Z")]
        {
            assert_eq!(instant(text, now).unwrap().to_string(), wanted);
        }
        for bad in ["", "yesterday", "-7d", "7"] {
            assert!(instant(bad, now).is_err(), "{bad}");
        }
    }
}
