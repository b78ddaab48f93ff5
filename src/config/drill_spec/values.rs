//! Values of a drill's file that have rules of their own.

use super::super::decode::{Cursor, Decode, FromText};
use super::super::duration;
use super::super::error::shown;
use super::super::node::Node;
use super::super::retention::Age;
use super::checks::DrillWeight;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

/// After so long a drill is given up if its file says nothing.
pub(super) const WITHIN: Duration = Duration::from_secs(3600);

/// What kind of file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub enum DrillKind {
    /// A drill.
    Drill,
}

impl JsonSchema for DrillKind {
    fn schema_name() -> Cow<'static, str> {
        "DrillKind".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "const": "Drill"})
    }
}

impl FromText for DrillKind {
    fn from_text(text: &str) -> Result<Self, String> {
        match text {
            "Drill" => Ok(Self::Drill),
            _ => Err(format!("{} is not `Drill`: this is another kind of file", shown(text))),
        }
    }
}

/// What is restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DrillRestores {
    /// The etcd snapshot.
    Etcd,
    /// The export, into a cluster that is empty.
    Resources,
}

impl FromText for DrillRestores {
    fn from_text(text: &str) -> Result<Self, String> {
        match text {
            "etcd" => Ok(Self::Etcd),
            "resources" => Ok(Self::Resources),
            _ => Err(format!("{} is unknown: write `etcd` or `resources`", shown(text))),
        }
    }
}

/// A type of workloads that come up.
pub(super) struct WorkloadKind(pub(super) String);

impl FromText for WorkloadKind {
    fn from_text(text: &str) -> Result<Self, String> {
        let kinds = [("deploy", "deployments"), ("sts", "statefulsets"), ("ds", "daemonsets")];
        let lower = text.to_lowercase();
        let found = kinds.iter().find(|(short, name)| {
            lower == *short || lower == *name || Some(lower.as_str()) == name.strip_suffix('s')
        });
        match found {
            Some((_, name)) => Ok(Self((*name).to_owned())),
            None => Err(format!(
                "{} does not come up: write `deployments`, `statefulsets` or `daemonsets`",
                shown(text)
            )),
        }
    }
}

/// Which recovery point.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub enum DrillPoint {
    /// The newest one.
    #[default]
    Latest,
    /// The newest one whose last verification found nothing wrong.
    NewestVerified,
    /// One at random.
    Random {
        /// No older than that.
        window: Option<Age>,
        /// Equal seeds draw equally; one is made up and told if none is given.
        seed: Option<u32>,
    },
    /// This one, by the beginning of its id.
    Id(String),
}

impl Decode for DrillPoint {
    fn decode(at: &Cursor<'_>) -> Option<Self> {
        match at.node {
            Node::Map(_) => {
                let mut fields = at.fields()?;
                let random = fields.required::<Random>("random", "write `random: {window: 90d}`");
                fields.finish();
                let Random { window, seed } = random?;
                Some(DrillPoint::Random { window, seed })
            }
            // An id may begin with so many digits that YAML takes it for a number.
            Node::Int(digits) if *digits > 0 => Some(DrillPoint::Id(digits.to_string())),
            _ => match at.text()? {
                "latest" => Some(DrillPoint::Latest),
                "newest-verified" => Some(DrillPoint::NewestVerified),
                "random" => Some(DrillPoint::Random { window: None, seed: None }),
                id if id.starts_with(|c: char| c.is_ascii_digit()) => Some(DrillPoint::Id(id.to_owned())),
                other => at.fail(format!(
                    "{} is no rule: write `latest`, `newest-verified`, `random`, `{{random: {{window: 90d}}}}`, or the beginning of \
                     an id",
                    shown(other)
                )),
            },
        }
    }
}

struct Random {
    window: Option<Age>,
    seed: Option<u32>,
}

impl Decode for Random {
    fn decode(at: &Cursor<'_>) -> Option<Self> {
        let mut fields = at.fields()?;
        let window = fields.optional("window");
        let seed = match fields.get("seed") {
            Some(seed) => seed.number(0, u32::MAX).map(Some),
            None => Some(None),
        };
        fields.finish();
        Some(Random { window: window?, seed: seed? })
    }
}

impl Serialize for DrillPoint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            DrillPoint::Latest => serializer.serialize_str("latest"),
            DrillPoint::NewestVerified => serializer.serialize_str("newest-verified"),
            DrillPoint::Id(id) => serializer.serialize_str(id),
            DrillPoint::Random { window, seed } => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("random", &serde_json::json!({"window": window, "seed": seed}))?;
                map.end()
            }
        }
    }
}

impl JsonSchema for DrillPoint {
    fn schema_name() -> Cow<'static, str> {
        "DrillPoint".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let window = generator.subschema_for::<Age>();
        let random = json_schema!({"type": "object", "additionalProperties": false, "properties": {
            "window": window, "seed": {"type": "integer", "minimum": 0},
        }});
        json_schema!({"anyOf": [
            {"type": "string", "examples": ["latest", "newest-verified", "random", "20261122"]},
            {"type": "integer"},
            {"type": "object", "additionalProperties": false, "required": ["random"], "properties": {"random": random}},
        ]})
    }
}

/// An expression in CEL.
pub(super) struct Cel(pub(super) String);

impl FromText for Cel {
    fn from_text(text: &str) -> Result<Self, String> {
        match cel::Program::compile(text) {
            Ok(_) => Ok(Cel(text.to_owned())),
            Err(errors) => {
                let said = errors.to_string();
                let first = said.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
                Err(format!("is no CEL: {first}"))
            }
        }
    }
}

impl FromText for DrillWeight {
    fn from_text(text: &str) -> Result<Self, String> {
        match text {
            "error" => Ok(Self::Error),
            "warning" => Ok(Self::Warning),
            "off" => Ok(Self::Off),
            _ => Err(format!("{} is unknown: write `error`, `warning` or `\"off\"`", shown(text))),
        }
    }
}

pub(super) fn durations<S: Serializer>(
    values: &BTreeMap<String, Duration>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(values.iter().map(|(name, value)| (name, duration::format(*value))))
}
