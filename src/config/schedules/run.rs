//! What a schedule runs.

use super::super::decode::{Cursor, Decode};
use super::super::node::Node;
use super::super::size::Size;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

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
    /// Judges how things stand by `objectives`, as `lifeboat status` does: it fails when one is missed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<RunPlain>,
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
            status: fields.optional("status")?,
        };
        fields.finish();
        let given = [
            run.backup.is_some(),
            run.prune.is_some(),
            run.verify.is_some(),
            run.copy.is_some(),
            run.drill.is_some(),
            run.playbook.is_some(),
            run.status.is_some(),
        ];
        match given.iter().filter(|given| **given).count() {
            1 => Some(run),
            // What is unknown there was told.
            0 if matches!(at.node, Node::Map(entries) if !entries.is_empty()) => None,
            0 => at.fail("runs nothing: write one of `backup`, `prune`, `verify`, `copy`, `drill`, `playbook` and `status`, such as `{backup: {}}`"),
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
            at.map("parameters and their values, such as `incident: OPS-7`")
        });
        let identity = fields.optional("identity");
        fields.finish();
        Some(RunPlaybook { name: name?, params: params?, identity: identity? })
    }
}
