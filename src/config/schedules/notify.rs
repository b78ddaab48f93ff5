//! Whom a schedule tells how its runs end.

use super::super::decode::{Cursor, Decode, FromText};
use super::super::error::shown;
use super::super::retention::Age;
use super::super::secret::SecretRef;
use super::super::values::ClusterName;
use schemars::JsonSchema;
use serde::Serialize;

/// Whom a schedule tells how its runs end.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct ScheduleNotify {
    /// A channel of `notifications`.
    pub channel: ClusterName,
    /// Of what. An Alertmanager is told how every run ended.
    #[schemars(default = "usual", length(min = 1))]
    pub on: Vec<ScheduleNotifyOn>,
    /// What goes on failing is told again after so long; an Alertmanager decides that itself.
    #[schemars(default = "Age::day")]
    pub again: Age,
}

/// What is told of a schedule's runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ScheduleNotifyOn {
    /// A run did not end well, and is not tried again; or it was missed.
    Failed,
    /// A run ended well, and the one before had failed.
    Recovered,
    /// Each run that ended well.
    Succeeded,
}

fn usual() -> Vec<ScheduleNotifyOn> {
    vec![ScheduleNotifyOn::Failed, ScheduleNotifyOn::Recovered]
}

impl FromText for ScheduleNotifyOn {
    fn from_text(text: &str) -> Result<Self, String> {
        match text {
            "failed" => Ok(Self::Failed),
            "recovered" => Ok(Self::Recovered),
            "succeeded" => Ok(Self::Succeeded),
            _ => Err(format!("{} is unknown: write `failed`, `recovered` or `succeeded`", shown(text))),
        }
    }
}

impl Decode for ScheduleNotify {
    fn decode(at: &Cursor<'_>) -> Option<Self> {
        let mut fields = at.fields()?;
        let channel = fields
            .required("channel", "write the name of a channel of `notifications`, such as `channel: ops`");
        let on: Option<Vec<_>> = fields.or("on", usual());
        let again = fields.or("again", Age::day());
        fields.finish();
        if let (Some(list), Some([])) = (at.entry("on"), on.as_deref()) {
            return list.fail("must not be empty: nobody would ever be told");
        }
        Some(ScheduleNotify { channel: channel?, on: on?, again: again? })
    }
}

/// Addresses that are asked (GET) as a sign of life: who gets none for too long wakes somebody. They are secrets, for who knows one can
/// pretend that all is well.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("minProperties" = 1))]
#[non_exhaustive]
pub struct Ping {
    /// After each run that ended well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub succeeded: Option<SecretRef>,
    /// Before each run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub begun: Option<SecretRef>,
    /// After each that did not end well, and is not tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<SecretRef>,
}

impl Decode for Ping {
    fn decode(at: &Cursor<'_>) -> Option<Self> {
        let mut fields = at.fields()?;
        let (succeeded, begun, failed) =
            (fields.optional("succeeded"), fields.optional("begun"), fields.optional("failed"));
        fields.finish();
        let made = Ping { succeeded: succeeded?, begun: begun?, failed: failed? };
        match made.succeeded.is_some() || made.begun.is_some() || made.failed.is_some() {
            true => Some(made),
            false => {
                at.fail("asks nobody: write where the address is, such as `succeeded: {file: ping-url}`")
            }
        }
    }
}
