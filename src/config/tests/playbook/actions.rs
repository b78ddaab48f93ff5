//! Actions that are only as real as a file needs them to be.

use crate::playbook::actions::{Action, ActionError, Class, Planned, Planning, Target};
use async_trait::async_trait;
use schemars::{JsonSchema, Schema, json_schema, schema_for};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[allow(dead_code)]
struct Isolate {
    /// Whom.
    target: Target,
    /// How.
    #[serde(default)]
    method: Method,
    #[serde(default)]
    relabel: Option<bool>,
    /// Where it may still go.
    #[serde(default)]
    allow_egress: Option<Egress>,
    #[serde(default)]
    #[schemars(range(min = 1, max = 60))]
    seconds: Option<u32>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[allow(dead_code)]
struct Egress {
    cidrs: Vec<String>,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
enum Method {
    /// Whatever the cluster has.
    #[default]
    Auto,
    /// What every cluster has.
    NetworkPolicy,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[allow(dead_code)]
struct OnTarget {
    target: Target,
    #[serde(default)]
    grace_period_seconds: Option<u32>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[allow(dead_code)]
struct Find {
    #[schemars(length(min = 1))]
    kinds: Vec<String>,
    #[serde(default)]
    label_selector: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
struct Token {
    token: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
struct Host {
    host: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
struct Nothing {}

struct Fake {
    name: &'static str,
    class: Class,
    schema: fn() -> Schema,
    reads: fn(&Value) -> Result<(), String>,
}

fn reads<T: serde::de::DeserializeOwned>(given: &Value) -> Result<(), String> {
    serde_json::from_value::<T>(given.clone()).map(|_| ()).map_err(|e| e.to_string())
}

#[async_trait]
impl Action for Fake {
    fn name(&self) -> &'static str {
        self.name
    }
    fn class(&self) -> Class {
        self.class
    }
    fn about(&self) -> &'static str {
        "Does what its name says."
    }
    fn arguments(&self) -> Schema {
        (self.schema)()
    }
    fn on_host(&self) -> bool {
        self.name.starts_with("etcd.")
    }
    fn foretells(&self) -> bool {
        self.name == "rbac.detach"
    }
    async fn plan(&self, _: &Planning<'_>, _: Value) -> Result<Planned, ActionError> {
        Err(ActionError::Refused("this one does nothing".to_owned()))
    }
    fn fits(&self, arguments: &Value) -> Result<(), ActionError> {
        (self.reads)(arguments).map_err(ActionError::Arguments)?;
        match arguments["target"]["namespace"].as_str() {
            Some("kube-system") => Err(ActionError::Refused("kube-system is left alone".to_owned())),
            _ => Ok(()),
        }
    }
}

/// What an assertion is told is what the action behind it is told, and two arguments more.
fn assertion() -> Schema {
    json_schema!({
        "type": "object",
        "required": ["check", "expect"],
        "properties": {"check": {"type": "string"}, "expect": {"type": "string"}},
    })
}

static ACTIONS: [Fake; 9] = [
    Fake {
        name: "pod.isolate",
        class: Class::Undoable,
        schema: || schema_for!(Isolate),
        reads: reads::<Isolate>,
    },
    Fake {
        name: "pod.delete",
        class: Class::Irreversible,
        schema: || schema_for!(OnTarget),
        reads: reads::<OnTarget>,
    },
    Fake {
        name: "rbac.detach",
        class: Class::Undoable,
        schema: || schema_for!(OnTarget),
        reads: reads::<OnTarget>,
    },
    Fake {
        name: "evidence.logs",
        class: Class::Read,
        schema: || schema_for!(OnTarget),
        reads: reads::<OnTarget>,
    },
    Fake { name: "resource.find", class: Class::Read, schema: || schema_for!(Find), reads: reads::<Find> },
    Fake { name: "token.review", class: Class::Read, schema: || schema_for!(Token), reads: reads::<Token> },
    Fake {
        name: "cluster.look",
        class: Class::Read,
        schema: || schema_for!(Nothing),
        reads: reads::<Nothing>,
    },
    Fake {
        name: "etcd.restore",
        class: Class::HardToUndo,
        schema: || schema_for!(Host),
        reads: reads::<Host>,
    },
    Fake { name: "assert", class: Class::Read, schema: assertion, reads: |_| Ok(()) },
];

pub(super) fn all() -> Vec<&'static dyn Action> {
    ACTIONS.iter().map(|action| action as &dyn Action).collect()
}
