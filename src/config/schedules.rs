//! What runs by itself, and when.

use super::decode::{Cursor, Decode, FromText};
use super::duration;
use super::error::shown;
use super::node::Node;
use super::retention::{Age, ZoneName};
use super::size::Size;
use super::values::ClusterName;
use crate::schedule::{Cron, Overlap};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
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

/// What runs: one of these.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
#[non_exhaustive]
pub struct Run {
    /// Takes a recovery point.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backup: Option<RunBackup>,
    /// Deletes what retention lets go of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prune: Option<RunPlain>,
    /// Verifies recovery points, those sooner that were not verified for long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verify: Option<RunVerify>,
    /// Copies what the first store owes to others (`copyTo`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copy: Option<RunPlain>,
    /// Brings a recovery point up in a staging cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drill: Option<RunDrill>,
    /// Carries out a playbook. Where it asks people it waits for their approval, as it says itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub playbook: Option<RunPlaybook>,
}

/// There is nothing to say about it: `{}`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct RunPlain {}

/// What of a cluster is saved.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(default)]
#[non_exhaustive]
pub struct RunBackup {
    /// Save etcd and not the API server's objects.
    pub etcd_only: bool,
    /// Save the API server's objects and not etcd.
    pub resources_only: bool,
    /// Read every payload back from the store, and compare its SHA-256.
    pub read_back: bool,
}

/// How much is verified.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(default)]
#[non_exhaustive]
pub struct RunVerify {
    /// So many recovery points, drawn at random.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub sample: u32,
    /// Draw no more than this of stored bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget: Option<Size>,
    /// Open everything, with the identity in this file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deep_with: Option<PathBuf>,
}

impl Default for RunVerify {
    fn default() -> Self {
        RunVerify { sample: 3, budget: None, deep_with: None }
    }
}

/// Which drill runs.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct RunDrill {
    /// The drill's file.
    pub file: PathBuf,
    /// The file with the identity that opens the recovery point.
    pub identity: PathBuf,
}

/// Which playbook runs.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct RunPlaybook {
    /// The playbook's name in `playbooks.directory`.
    pub name: String,
    /// What it is given, by the names of its parameters.
    #[schemars(default)]
    pub params: BTreeMap<String, String>,
    /// The file with the identity that opens recovery points, where it works with them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<PathBuf>,
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
        })
    }
}

impl Decode for Run {
    fn decode(at: &Cursor<'_>) -> Option<Self> {
        let mut fields = at.fields()?;
        let run = Run {
            backup: fields.optional("backup")?,
            prune: fields.optional("prune")?,
            verify: fields.optional("verify")?,
            copy: fields.optional("copy")?,
            drill: fields.optional("drill")?,
            playbook: fields.optional("playbook")?,
        };
        fields.finish();
        let given = [
            run.backup.is_some(),
            run.prune.is_some(),
            run.verify.is_some(),
            run.copy.is_some(),
            run.drill.is_some(),
            run.playbook.is_some(),
        ];
        match given.iter().filter(|given| **given).count() {
            1 => Some(run),
            // What is unknown there was told.
            0 if matches!(at.node, Node::Map(entries) if !entries.is_empty()) => None,
            0 => at.fail("runs nothing: write one of `backup`, `prune`, `verify`, `copy`, `drill` and `playbook`, such as `{backup: {}}`"),
            _ => at.fail("runs several things: make a schedule of each"),
        }
    }
}

impl Decode for RunPlain {
    fn decode(at: &Cursor<'_>) -> Option<Self> {
        at.fields()?.finish();
        Some(RunPlain {})
    }
}

impl Decode for RunBackup {
    fn decode(at: &Cursor<'_>) -> Option<Self> {
        let mut fields = at.fields()?;
        let etcd_only = fields.or("etcdOnly", false);
        let resources_only = fields.or("resourcesOnly", false);
        let read_back = fields.or("readBack", false);
        fields.finish();
        if etcd_only == Some(true) && resources_only == Some(true) {
            return at.fail("saves nothing: `etcdOnly` and `resourcesOnly` exclude each other");
        }
        Some(RunBackup { etcd_only: etcd_only?, resources_only: resources_only?, read_back: read_back? })
    }
}

impl Decode for RunVerify {
    fn decode(at: &Cursor<'_>) -> Option<Self> {
        let mut fields = at.fields()?;
        let sample = fields.number("sample", 1, 1_000_000, Self::default().sample);
        let budget = fields.optional("budget");
        let deep_with = fields.optional("deepWith");
        fields.finish();
        Some(RunVerify { sample: sample?, budget: budget?, deep_with: deep_with? })
    }
}

impl Decode for RunDrill {
    fn decode(at: &Cursor<'_>) -> Option<Self> {
        let mut fields = at.fields()?;
        let file = fields.required("file", "write the drill's file, such as `file: drills/quarterly.yaml`");
        let identity =
            fields.required("identity", "write the identity's file, such as `identity: identity.txt`");
        fields.finish();
        Some(RunDrill { file: file?, identity: identity? })
    }
}

impl Decode for RunPlaybook {
    fn decode(at: &Cursor<'_>) -> Option<Self> {
        let mut fields = at.fields()?;
        let name = fields.required("name", "write the playbook's name, such as `name: nightly-check`");
        let params = fields.get("params").map_or(Some(BTreeMap::new()), |at| {
            let entries = at.named("parameters and their values, such as `incident: OPS-7`")?;
            let read =
                entries.iter().map(|entry| Some((entry.name.to_owned(), String::decode(&entry.value)?)));
            let read: Vec<Option<_>> = read.collect();
            read.into_iter().collect()
        });
        let identity = fields.optional("identity");
        fields.finish();
        Some(RunPlaybook { name: name?, params: params?, identity: identity? })
    }
}

/// The section in the configuration that `lifeboat init` writes.
pub(super) const TEMPLATE: &str = r##"
# What `lifeboat daemon` runs, and when; `lifeboat schedule next` shows it. `cron` is crontab's five fields or `@daily`
# and the like, in `timeZone`. What runs is one of backup, prune, verify, copy, drill and playbook. The newest of the
# runs that were missed is made up for, within `startingDeadline` if there is one.
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
#:   - {name: sample, cron: "47 3 * * *", run: {verify: {sample: 3, budget: 20GiB, deepWith: identity.txt}}}
#:   - {name: prune, cron: "@daily", run: {prune: {}}}
#:   - {name: away, cron: "30 */4 * * *", run: {copy: {}}}
#:   - {name: quarterly, cron: "0 5 2 1,4,7,10 *", run: {drill: {file: drill.yaml, identity: identity.txt}}}
#:   - name: rehearsal
#:     cron: "0 9 * * mon"
#:     run: {playbook: {name: check, params: {incident: OPS-7}, identity: identity.txt}}
"##;
