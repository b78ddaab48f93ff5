//! Tests, waiting, and what is wrong with a namespace.

mod diagnose;
mod ready;
mod serves;

pub(super) use diagnose::Diagnose;
pub(super) use ready::Ready;
pub(super) use serves::{Exec, Http};

use super::{Action, ActionError, Class, Planned, Planning, Target, read, span::Span};
use crate::{
    object::Expression,
    playbook::op::{Ask, Condition, Op, Wait as WaitOp},
};
use async_trait::async_trait;
use schemars::{JsonSchema, Schema, json_schema};
use serde::Deserialize;
use serde_json::{Map, Value};

/// Tests what another action brings.
pub(super) struct Assert;

/// What else stands there is what the action that looks is told.
#[derive(Debug, Deserialize)]
struct AssertArgs {
    check: String,
    expect: String,
    #[serde(flatten)]
    args: Map<String, Value>,
}

#[async_trait]
impl Action for Assert {
    fn name(&self) -> &'static str {
        "assert"
    }

    fn class(&self) -> Class {
        Class::Read
    }

    fn anywhere(&self) -> bool {
        true
    }

    fn about(&self) -> &'static str {
        "Tests, once the steps before are done, what an action that only looks brings."
    }

    fn arguments(&self) -> Schema {
        json_schema!({
            "type": "object",
            "description": "Beside these, what the action that looks is told.",
            "required": ["check", "expect"],
            "properties": {
                "check": {"type": "string", "description": "The action that looks: one that changes nothing."},
                "expect": {"type": "string", "description": "What must be true of its `result`, in CEL."},
            },
        })
    }

    async fn plan(&self, _: &Planning<'_>, arguments: Value) -> Result<Planned, ActionError> {
        let args = checked(&arguments)?;
        // A step that is to be patient says `retry`.
        let ask =
            Ask { check: args.check, args: Value::Object(args.args), expect: args.expect, within_ms: 0 };
        Ok(Planned { ops: vec![Op::Ask(ask)], ..Planned::default() })
    }

    fn fits(&self, arguments: &Value) -> Result<(), ActionError> {
        checked(arguments).map(drop)
    }
}

/// The arguments, and those of the action that looks.
fn checked(arguments: &Value) -> Result<AssertArgs, ActionError> {
    let args: AssertArgs = read(arguments)?;
    let wrong = |text: String| Err(ActionError::Arguments(text));
    let Some(check) = super::find(&args.check) else {
        return wrong(format!("there is no action `{}`", args.check));
    };
    if check.class() != Class::Read
        || ["assert", "wait", "notify", "check.http"].contains(&check.name())
        || check.name().starts_with("evidence.")
        || check.name() == "etcd.archive"
    {
        return wrong(format!("`{}` does not look at something and tell it: it is no check", args.check));
    }
    check.fits(&Value::Object(args.args.clone())).map_err(|e| match e {
        ActionError::Arguments(text) => ActionError::Arguments(format!("{}: {text}", args.check)),
        e => e,
    })?;
    let expect =
        Expression::parse(&args.expect).map_err(|e| ActionError::Arguments(format!("expect: {e}")))?;
    match expect.paths().into_iter().find(|path| path.first().is_none_or(|root| root != "result")) {
        Some(path) => wrong(format!("expect: `{}` is not known: it knows `result`", path.join("."))),
        None => Ok(args),
    }
}

/// Waits.
pub(super) struct Wait;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct WaitArgs {
    /// So long.
    #[serde(default, rename = "for")]
    so_long: Option<Span>,
    /// Or until this object is so.
    #[serde(default)]
    target: Option<Target>,
    /// How it is to be.
    #[serde(default)]
    until: Option<Until>,
    /// How long that may take.
    #[serde(default = "ten_minutes")]
    within: Span,
}

fn ten_minutes() -> Span {
    Span(600_000)
}

/// How an object is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
enum Until {
    /// It says that it is ready, or available.
    Ready,
    /// It has rolled out, and every pod is ready.
    RolledOut,
    /// It is not there any more.
    Gone,
}

#[async_trait]
impl super::Plain for Wait {
    type Args = WaitArgs;
    const NAME: &'static str = "wait";
    const CLASS: Class = Class::Read;
    const ABOUT: &'static str =
        "Waits for some time, or until an object is ready, has rolled out, or is gone.";
    const ANYWHERE: bool = true;

    async fn plan(with: &Planning<'_>, args: WaitArgs) -> Result<Planned, ActionError> {
        let (until, within_ms) = match (args.so_long, args.target, args.until) {
            (Some(span), None, None) => (Condition::Elapsed, span.0),
            (None, Some(target), Some(until)) => {
                let object = match with.find(&target).await {
                    Ok(live) => live.object,
                    // It need not be waited for.
                    Err(e @ ActionError::Missing(_)) if until == Until::Gone => {
                        return Ok(Planned { remarks: vec![e.to_string()], ..Planned::default() });
                    }
                    Err(e) => return Err(e),
                };
                let condition = match until {
                    Until::Ready => Condition::Ready(object),
                    Until::RolledOut => Condition::RolledOut(object),
                    Until::Gone => Condition::Gone(object),
                };
                (condition, args.within.0)
            }
            _ => {
                let text = "it waits either `for` some time, or for a `target` `until` it is so";
                return Err(ActionError::Arguments(text.to_owned()));
            }
        };
        Ok(Planned { ops: vec![Op::Wait(WaitOp { until, within_ms })], ..Planned::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_test_is_tested_before_it_is_needed() {
        let pod = json!({"kind": "Pod", "namespace": "shop", "name": "web"});
        let said = |value: Value| Assert.fits(&value).map_err(|e| e.to_string());
        let good =
            json!({"check": "network.exposure", "target": pod, "expect": "result.allowed.size() == 0"});
        assert_eq!(said(good.clone()), Ok(()));
        for (field, value, wanted) in [
            ("check", json!("network.exposed"), "there is no action"),
            ("check", json!("pod.delete"), "does not look"),
            ("check", json!("assert"), "does not look"),
            ("pod", pod.clone(), "network.exposure: unknown field"),
            ("expect", json!("results.allowed"), "`results.allowed` is not known"),
            ("expect", json!("result.("), "it is no CEL"),
        ] {
            let mut bad = good.clone();
            bad[field] = value;
            let said = said(bad).unwrap_err();
            assert!(said.contains(wanted), "{said}");
        }
    }
}
