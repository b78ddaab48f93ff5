//! Whom a drill tells how it ended.

use super::super::decode::{Cursor, Decode, FromText};
use super::super::error::shown;
use super::super::values::ClusterName;
use schemars::JsonSchema;
use serde::Serialize;

/// Whom a drill tells how it ended. That nobody can be told changes nothing about how it ended.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct DrillNotify {
    /// A channel of the configuration's `notifications`.
    pub channel: ClusterName,
    /// After which drills: `always`, or `failed` for those that did not pass. An Alertmanager is told of each.
    #[schemars(default)]
    pub on: DrillNotifyOn,
}

/// After which drills somebody is told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DrillNotifyOn {
    /// After each.
    #[default]
    Always,
    /// After one that did not pass: a check failed, an objective was missed, it was stopped or did not come to its end.
    Failed,
}

impl FromText for DrillNotifyOn {
    fn from_text(text: &str) -> Result<Self, String> {
        match text {
            "always" => Ok(Self::Always),
            "failed" => Ok(Self::Failed),
            _ => Err(format!("{} is unknown: write `always` or `failed`", shown(text))),
        }
    }
}

impl Decode for DrillNotify {
    fn decode(at: &Cursor<'_>) -> Option<Self> {
        let mut fields = at.fields()?;
        let channel = fields
            .required("channel", "write the name of a channel of the configuration, such as `channel: ops`");
        let on = fields.or("on", DrillNotifyOn::Always);
        fields.finish();
        Some(DrillNotify { channel: channel?, on: on? })
    }
}
