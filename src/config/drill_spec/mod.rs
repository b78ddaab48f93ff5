//! A drill: which recovery point is brought up where, what must hold of it, and how long that may take.

mod checks;
mod keep;
mod notify;
mod read;
mod staging;
mod values;

use super::error::ConfigError;
use super::{duration, load, model::ApiVersion, retention::Age, values::ClusterName};
pub use checks::{
    DrillCel, DrillCheck, DrillCount, DrillExec, DrillObject, DrillProbe, DrillRehearsal, DrillRun,
    DrillTest, DrillWeight, DrillWorkload,
};
pub use keep::{DrillEvidence, Term};
pub use notify::{DrillNotify, DrillNotifyOn};
use schemars::JsonSchema;
use serde::Serialize;
pub use staging::{DrillControlPlane, DrillExisting, DrillStaging};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
pub use values::{DrillKind, DrillPoint, DrillRestores};

const FILE: load::Kind =
    load::Kind { name: "drill", absent: "`lifeboat schema drill` describes one", usual: "drill.yaml" };

/// The checks that every drill makes by itself.
pub const DRILL_CHECKS: [&str; 13] = [
    "signature",
    "digests",
    "revision",
    "kv-hash",
    "versions",
    "identity",
    "objects",
    "counts",
    "discovery",
    "references",
    "secrets",
    "restored",
    "agreement",
];

/// The phases of a drill for which an objective can be set.
pub const DRILL_PHASES: [&str; 12] = [
    "pick",
    "fetch",
    "open",
    "provision",
    "resources",
    "restore",
    "api-ready",
    "checks",
    "workloads-ready",
    "service",
    "rehearsal",
    "tear-down",
];

/// A restore drill: which recovery point is brought up where, what must hold of it, and how long that may take.
///
/// Relative paths are relative to the directory of the file.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(title = "Lifeboat drill")]
#[non_exhaustive]
pub struct DrillSpec {
    /// The format of this file.
    pub api_version: ApiVersion,
    /// What kind of file this is.
    pub kind: DrillKind,
    /// The drill's name. The trend is told by it.
    pub name: ClusterName,
    /// What is rehearsed, in one sentence for whoever reads the report.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scenario: Option<String>,
    /// Which recovery point: `latest`, `newest-verified`, the beginning of an id, or `{random: {window: 90d}}`.
    #[schemars(default)]
    pub point: DrillPoint,
    /// What is restored: `etcd` (the snapshot) and `resources` (the export, into an empty cluster). Of both, first the export and
    /// then the snapshot: each is compared with what was exported. In an existing cluster only `resources` can be restored.
    #[schemars(default)]
    pub restore: Vec<DrillRestores>,
    /// Where it is brought up.
    #[schemars(default)]
    pub staging: DrillStaging,
    /// What has to be reached.
    #[schemars(default)]
    pub objectives: DrillObjectives,
    /// How much a check counts: `error`, `warning` or `off`.
    #[schemars(default)]
    pub severity: BTreeMap<String, DrillWeight>,
    /// What else is checked.
    #[schemars(default)]
    pub checks: Vec<DrillCheck>,
    /// How long its evidence is kept, at least; for ever if nothing is said. `lifeboat prune` deletes what is over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<DrillEvidence>,
    /// Who is told how it ended.
    #[schemars(default)]
    pub notify: Vec<DrillNotify>,
    /// After so long the drill is given up.
    #[serde(serialize_with = "duration::serialize")]
    #[schemars(default, with = "duration::Text")]
    pub within: Duration,
}

/// What has to be reached.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(default)]
#[non_exhaustive]
pub struct DrillObjectives {
    /// How old what comes back may be: from the recovery point to the incident, which is the start of the drill unless
    /// `--incident` tells another time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rpo: Option<Age>,
    /// How long it may take from the start of the drill until service is back.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "duration::serialize_optional")]
    #[schemars(with = "Option<duration::Text>")]
    pub rto: Option<Duration>,
    /// How long each phase may take.
    #[serde(serialize_with = "values::durations")]
    #[schemars(with = "BTreeMap<String, duration::Text>")]
    pub phases: BTreeMap<String, Duration>,
}

impl DrillSpec {
    /// What is done if there is no file: the newest recovery point, in a control plane on this host, with every check.
    ///
    /// # Errors
    /// None: the name is one.
    pub fn usual() -> Result<Self, ConfigError> {
        Ok(DrillSpec {
            api_version: ApiVersion::V1,
            kind: DrillKind::Drill,
            name: "unplanned".parse()?,
            scenario: None,
            point: DrillPoint::Latest,
            restore: vec![DrillRestores::Etcd],
            staging: DrillStaging::default(),
            objectives: DrillObjectives::default(),
            severity: BTreeMap::new(),
            checks: Vec::new(),
            evidence: None,
            notify: Vec::new(),
            within: values::WITHIN,
        })
    }

    /// Reads a file; gives its text as well, whose digest the evidence names.
    ///
    /// # Errors
    /// When it cannot be read, or with all mistakes that could be found in it at once.
    pub fn load(path: &Path) -> Result<(Self, String), ConfigError> {
        let text = load::read(&FILE, path, false)?;
        Ok((Self::parse(&text, path)?, text))
    }

    /// Reads a text; `file` is what errors call it.
    ///
    /// # Errors
    /// As for [`DrillSpec::load`].
    pub fn parse(text: &str, file: &Path) -> Result<Self, ConfigError> {
        load::parse(&FILE, text, file)
    }
}
