//! What the configuration promises of a cluster: how old things may be that `lifeboat status` looks at.

use super::decode::{Cursor, Decode};
use super::retention::Age;
use schemars::JsonSchema;
use serde::Serialize;

/// How old what `lifeboat status` looks at may be. What has no objective is not judged.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(default)]
#[non_exhaustive]
pub struct Objectives {
    /// The RPO: how old the newest complete recovery point may be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rpo: Option<Age>,
    /// How long ago a recovery point may have passed a verification last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verified: Option<Age>,
    /// How long ago a drill may have passed last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drilled: Option<Age>,
}

impl Decode for Objectives {
    fn decode(at: &Cursor<'_>) -> Option<Self> {
        let mut fields = at.fields()?;
        let (rpo, verified, drilled) =
            (fields.optional("rpo"), fields.optional("verified"), fields.optional("drilled"));
        fields.finish();
        Some(Objectives { rpo: rpo?, verified: verified?, drilled: drilled? })
    }
}

/// The section in the configuration that `lifeboat init` writes.
pub(super) const TEMPLATE: &str = r##"
# What `lifeboat status` judges by (exit code 5 where one is missed): how old the newest complete recovery point may be,
# and how long ago the last verification and the last drill may be that passed. What is not set is not judged.
#: objectives:
#:   rpo: 2h
#:   verified: 8d
#:   drilled: 100d
"##;
