use super::super::{ActionError, Class, Plain, Planned, Planning, Target, span::Span};
use crate::{
    object::LabelSelector,
    playbook::op::{Asked, Condition, Op, Served, Wait},
};
use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

/// Asks pods over HTTP.
pub(in crate::playbook::actions) struct Http;

/// Has pods run a command.
pub(in crate::playbook::actions) struct Exec;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::playbook::actions) struct HttpArgs {
    /// The Service or the workload whose pods are asked.
    #[serde(default)]
    target: Option<Target>,
    /// Or where the pods are.
    #[serde(default)]
    namespace: Option<String>,
    /// And their labels, as kubectl takes them.
    #[serde(default)]
    label_selector: Option<String>,
    /// The port on which the pods listen: plain HTTP.
    port: u16,
    /// What is asked for.
    #[serde(default = "root")]
    path: String,
    /// Which answers are right; without it 200 to 299.
    #[serde(default)]
    expect: Vec<u16>,
    /// What the answer has to contain.
    #[serde(default)]
    contains: Option<String>,
    /// How long it may take until the answer is right.
    #[serde(default = "five_minutes")]
    within: Span,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::playbook::actions) struct ExecArgs {
    /// The Service or the workload in one of whose pods it runs.
    #[serde(default)]
    target: Option<Target>,
    /// Or where the pods are.
    #[serde(default)]
    namespace: Option<String>,
    /// And their labels, as kubectl takes them.
    #[serde(default)]
    label_selector: Option<String>,
    /// The container; without it the pod's first.
    #[serde(default)]
    container: Option<String>,
    /// The program and its arguments; no shell is between.
    command: Vec<String>,
    /// How long it may take until it ends with 0. It is run again until then.
    #[serde(default = "five_minutes")]
    within: Span,
}

fn root() -> String {
    "/".to_owned()
}

fn five_minutes() -> Span {
    Span(300_000)
}

/// The namespace and the labels of the pods that are meant. What a step before makes need not be there yet, if it is named by labels.
async fn meant(
    with: &Planning<'_>,
    target: Option<Target>,
    namespace: Option<String>,
    label_selector: Option<String>,
) -> Result<(String, String), ActionError> {
    let wrong = |text: &str| Err(ActionError::Arguments(text.to_owned()));
    match (target, namespace, label_selector) {
        (None, Some(namespace), Some(labels)) => match labels.parse::<LabelSelector>() {
            Ok(selector) if !selector.is_empty() => Ok((namespace, labels)),
            Ok(_) => wrong("labelSelector: it selects every pod"),
            Err(e) => Err(ActionError::Arguments(format!("labelSelector: {e}"))),
        },
        (Some(target), None, None) => {
            let live = with.find(&target).await?;
            let selector = selector(live.object.is("", "services"), &live.json["spec"]["selector"]);
            match (live.object.namespace.clone(), selector.is_empty()) {
                (Some(namespace), false) => Ok((namespace, selector.to_string())),
                _ => Err(ActionError::Refused(format!(
                    "{} selects no pods: a Service or a workload does, or `namespace` and `labelSelector`",
                    live.object
                ))),
            }
        }
        _ => wrong("whose pods are meant is told either by `target`, or by `namespace` and `labelSelector`"),
    }
}

/// A Service has plain labels, a workload a selector.
fn selector(plain: bool, field: &Value) -> LabelSelector {
    match plain {
        true => LabelSelector::of(&json!({"matchLabels": field})),
        false => LabelSelector::of(field),
    }
}

fn wait((namespace, labels): (String, String), asked: Asked, within: Span) -> Planned {
    let until = Condition::Serves(Served { namespace, labels, asked });
    Planned { ops: vec![Op::Wait(Wait { until, within_ms: within.0 })], ..Planned::default() }
}

#[async_trait]
impl Plain for Http {
    type Args = HttpArgs;
    const NAME: &'static str = "check.http";
    const CLASS: Class = Class::Read;
    const ABOUT: &'static str =
        "Waits until a pod of a service or a workload answers a GET as it should, through a forwarded port.";

    async fn plan(with: &Planning<'_>, args: HttpArgs) -> Result<Planned, ActionError> {
        if !args.path.starts_with('/') || args.path.chars().any(|c| c.is_whitespace() || c.is_control()) {
            let text = "path: it begins with `/` and has neither spaces nor line breaks";
            return Err(ActionError::Arguments(text.to_owned()));
        }
        let pods = meant(with, args.target, args.namespace, args.label_selector).await?;
        let asked =
            Asked::Http { port: args.port, path: args.path, expect: args.expect, contains: args.contains };
        Ok(wait(pods, asked, args.within))
    }
}

#[async_trait]
impl Plain for Exec {
    type Args = ExecArgs;
    const NAME: &'static str = "check.exec";
    /// Nobody knows what a command does.
    const CLASS: Class = Class::Irreversible;
    const ABOUT: &'static str =
        "Waits until a command ends with 0 in a pod of a service or a workload: one that may be run again.";

    async fn plan(with: &Planning<'_>, args: ExecArgs) -> Result<Planned, ActionError> {
        if args.command.first().is_none_or(String::is_empty) {
            return Err(ActionError::Arguments("command: it names no program".to_owned()));
        }
        let pods = meant(with, args.target, args.namespace, args.label_selector).await?;
        let asked = Asked::Command { container: args.container, argv: args.command };
        Ok(wait(pods, asked, args.within))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_and_workloads_say_which_pods_are_theirs() {
        assert_eq!(selector(true, &json!({"app": "store"})).to_string(), "app=store");
        assert_eq!(selector(false, &json!({"matchLabels": {"app": "store"}})).to_string(), "app=store");
        assert!(selector(true, &Value::Null).is_empty());
    }
}
