//! What runs by itself, and when.

mod notify;
mod run;

pub use notify::{Ping, ScheduleNotify, ScheduleNotifyOn};
pub use run::{Run, RunBackup, RunDrill, RunPlain, RunPlaybook, RunVerify};

use super::decode::{Cursor, Decode, FromText};
use super::duration;
use super::error::shown;
use super::retention::{Age, ZoneName};
use super::values::ClusterName;
use crate::schedule::{Cron, Overlap};
use schemars::JsonSchema;
use serde::Serialize;
use std::time::Duration;

/// A job that `lifeboat daemon` runs.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct Schedule {
    /// Its name. Recovery points of a backup are those of the job of this name: retention counts them by themselves.
    pub name: ClusterName,
    /// When it is due, as in crontab: minute, hour, day of the month, month, day of the week; or `@daily` and the like.
    pub cron: CronText,
    /// The time zone that `cron` is meant in.
    #[schemars(default = "ZoneName::utc")]
    pub time_zone: ZoneName,
    /// What runs.
    pub run: Run,
    /// It begins up to so much later. How much is drawn for each of its times, and the same wherever it is drawn.
    #[serde(serialize_with = "duration::serialize_optional", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<duration::Text>")]
    pub jitter: Option<Duration>,
    /// A run that could not begin until so long after its time is missed for good. Without it the newest one that was missed is made up
    /// for, however late that is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub starting_deadline: Option<Age>,
    /// What becomes of a run whose time comes while the one before still runs.
    #[schemars(default)]
    pub concurrency: Concurrency,
    /// A run that takes longer is stopped, and has failed.
    #[serde(serialize_with = "duration::serialize")]
    #[schemars(default = "timeout", with = "duration::Text")]
    pub timeout: Duration,
    /// How often a run that failed is tried again, after pauses that grow from half a minute to ten.
    #[schemars(default, range(max = 10))]
    pub retries: u32,
    /// It does not run.
    #[schemars(default)]
    pub suspend: bool,
    /// Who is told how its runs end. That nobody can be told changes nothing about them.
    #[schemars(default)]
    pub notify: Vec<ScheduleNotify>,
    /// Who is given signs of life.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ping: Option<Ping>,
}

fn timeout() -> Duration {
    Duration::from_secs(6 * 3600)
}

/// When something is due, as it is written.
#[derive(Debug, Clone, JsonSchema)]
#[schemars(inline, extend("examples" = ["0 * * * *", "30 2 * * mon-fri", "@daily"]))]
pub struct CronText(#[schemars(with = "String")] Cron);

impl CronText {
    /// What it means.
    pub fn cron(&self) -> &Cron {
        &self.0
    }
}

impl PartialEq for CronText {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_string() == other.0.to_string()
    }
}

impl Serialize for CronText {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl FromText for CronText {
    fn from_text(text: &str) -> Result<Self, String> {
        text.parse().map(CronText).map_err(|e| format!("{} says not when: {e}", shown(text)))
    }
}

/// What becomes of a run whose time comes while the one before still runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub enum Concurrency {
    /// It waits for the other one's end, no longer than its deadline.
    #[default]
    Forbid,
    /// The one that runs is stopped.
    Replace,
    /// It waits for the other one's end, however long that takes.
    Queue,
}

impl From<Concurrency> for Overlap {
    fn from(it: Concurrency) -> Self {
        match it {
            Concurrency::Forbid => Overlap::Forbid,
            Concurrency::Replace => Overlap::Replace,
            Concurrency::Queue => Overlap::Queue,
        }
    }
}

impl FromText for Concurrency {
    fn from_text(text: &str) -> Result<Self, String> {
        match text {
            "Forbid" => Ok(Self::Forbid),
            "Replace" => Ok(Self::Replace),
            "Queue" => Ok(Self::Queue),
            _ => Err(format!("{} is unknown: write `Forbid`, `Replace` or `Queue`", shown(text))),
        }
    }
}

impl Decode for Schedule {
    fn decode(at: &Cursor<'_>) -> Option<Self> {
        let mut fields = at.fields()?;
        let name = fields.required("name", "write the job's name, such as `name: hourly`");
        let cron = fields.required("cron", "write when it is due, such as `cron: \"0 * * * *\"`");
        let time_zone = fields.or("timeZone", ZoneName::utc());
        let run = fields.required("run", "write what runs, such as `run: {backup: {}}`");
        let jitter = fields.optional("jitter");
        let starting_deadline = fields.optional("startingDeadline");
        let concurrency = fields.or("concurrency", Concurrency::default());
        let timeout = fields.or("timeout", timeout());
        let retries = fields.number("retries", 0, 10, 0);
        let suspend = fields.or("suspend", false);
        let notify = fields.or("notify", Vec::new());
        let ping = fields.optional("ping");
        fields.finish();
        Some(Schedule {
            name: name?,
            cron: cron?,
            time_zone: time_zone?,
            run: run?,
            jitter: jitter?,
            starting_deadline: starting_deadline?,
            concurrency: concurrency?,
            timeout: timeout?,
            retries: retries?,
            suspend: suspend?,
            notify: notify?,
            ping: ping?,
        })
    }
}

/// The section in the configuration that `lifeboat init` writes.
pub(super) const TEMPLATE: &str = r##"
# What `lifeboat daemon` runs, and when; `lifeboat schedule next` shows it. `cron` is crontab's five fields or `@daily`
# and the like, in `timeZone`. What runs is one of backup, prune, verify, copy, drill, playbook and status. The newest
# of the runs that were missed is made up for, within `startingDeadline` if there is one. Channels of `notifications`
# are told what failed and what recovered, and what goes on failing `again`; addresses of `ping` are asked as a sign of
# life.
#: schedules:
#:   - name: hourly
#:     cron: "17 * * * *"
#:     timeZone: Europe/Berlin
#:     run: {backup: {etcdOnly: false, resourcesOnly: false, readBack: false}}
#:     jitter: 5m
#:     startingDeadline: 30m
#:     concurrency: Forbid              # or Replace, or Queue
#:     timeout: 6h
#:     retries: 2
#:     suspend: false
#:     # notify: [{channel: ops, on: [failed, recovered], again: 24h}]
#:     ping: {succeeded: {file: ping-url}, begun: {file: ping-start-url}, failed: {file: ping-fail-url}}
#:   - {name: sample, cron: "47 3 * * *", run: {verify: {sample: 3, budget: 20GiB, deepWith: identity.txt}}}
#:   - {name: prune, cron: "@daily", run: {prune: {}}}
#:   - {name: away, cron: "30 */4 * * *", run: {copy: {}}}
#:   - {name: quarterly, cron: "0 5 2 1,4,7,10 *", run: {drill: {file: drill.yaml, identity: identity.txt}}}
#:   - {name: objectives, cron: "*/15 * * * *", run: {status: {}}}
#:   - name: rehearsal
#:     cron: "0 9 * * mon"
#:     run: {playbook: {name: check, params: {incident: OPS-7}, identity: identity.txt}}
"##;
