use super::super::{ActionError, Class, Live, Plain, Planned, Planning, resource::Targets, span::Span};
use crate::playbook::op::{Ask, Op, lacks, unready};
use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Tells whether things are ready, and waits until they are.
pub(in crate::playbook::actions) struct Ready;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::playbook::actions) struct ReadyArgs {
    /// The object, or several.
    #[serde(default)]
    target: Option<Targets>,
    /// Everything in a namespace: workloads, pods that nothing owns, claims.
    #[serde(default)]
    namespace: Option<String>,
    /// How long it may take.
    #[serde(default = "ten_minutes")]
    within: Span,
}

fn ten_minutes() -> Span {
    Span(600_000)
}

/// What lacks.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Lack {
    object: String,
    why: String,
}

const KINDS: &[(&str, &str)] = &[
    ("apps", "deployments"),
    ("apps", "statefulsets"),
    ("apps", "daemonsets"),
    ("", "pods"),
    ("", "persistentvolumeclaims"),
];

#[async_trait]
impl Plain for Ready {
    type Args = ReadyArgs;
    const NAME: &'static str = "check.ready";
    const CLASS: Class = Class::Read;
    const ABOUT: &'static str =
        "Waits until objects, or all that a namespace runs, are ready; what lacks is told.";

    async fn plan(with: &Planning<'_>, args: ReadyArgs) -> Result<Planned, ActionError> {
        let mut told = json!({});
        let mut found = Vec::new();
        if let Some(target) = &args.target {
            let named = target.find(with).await?;
            told["target"] = named.iter().map(|it| it.object.to_value()).collect();
            found.extend(named);
        }
        if let Some(namespace) = &args.namespace {
            told["namespace"] = namespace.as_str().into();
            for (group, resource) in KINDS {
                let all = with.list(with.built_in(group, resource)?, Some(namespace), None, None).await?;
                // What something owns counts with that.
                found.extend(all.into_iter().filter(|it| it.controller().is_none()));
            }
        }
        if args.target.is_none() && args.namespace.is_none() {
            return Err(ActionError::Arguments(
                "neither `target` nor `namespace` says what is to be ready".to_owned(),
            ));
        }
        let mut lacking: Vec<Lack> = found.iter().filter_map(lack).collect();
        lacking.sort();
        let result = json!({"ready": lacking.is_empty(), "looked": found.len(), "lacking": lacking});
        // In the run the same is asked again: what is there may be made by a step before.
        let ask = Ask {
            check: Self::NAME.to_owned(),
            args: told,
            expect: "result.ready".to_owned(),
            within_ms: args.within.0,
        };
        Ok(Planned { ops: vec![Op::Ask(ask)], result: Some(result.into()), remarks: Vec::new() })
    }
}

fn lack(live: &Live) -> Option<Lack> {
    let object = &live.object;
    let why = match (object.group.as_str(), object.resource.as_str()) {
        ("apps", _) => lacks(&live.json),
        ("", "pods") if live.json["status"]["phase"] == "Succeeded" => None,
        ("", "persistentvolumeclaims") => unbound(&live.json),
        _ => unready(&live.json),
    };
    why.map(|why| Lack { object: object.to_string(), why })
}

fn unbound(claim: &Value) -> Option<String> {
    match claim["status"]["phase"].as_str() {
        Some("Bound") => None,
        Some(phase) => Some(format!("it is {phase}")),
        None => Some("no controller has seen it".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::playbook::op::ObjectRef;

    fn of(group: &str, resource: &str, json: Value) -> Option<String> {
        let object = ObjectRef {
            group: group.into(),
            version: "v1".into(),
            resource: resource.into(),
            kind: "X".into(),
            namespace: Some("a".into()),
            name: "b".into(),
            uid: None,
        };
        lack(&Live { object, json: json.into() }).map(|it| format!("{}: {}", it.object, it.why))
    }

    #[test]
    fn each_kind_is_ready_by_its_own_rule() {
        assert_eq!(of("", "pods", json!({"status": {"phase": "Succeeded"}})), None);
        let ready = |status: &str| json!({"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": status, "message": "m"}]}});
        assert_eq!(of("", "pods", ready("True")), None);
        assert_eq!(of("", "pods", ready("False")).as_deref(), Some("X a/b: m"));
        assert_eq!(of("", "persistentvolumeclaims", json!({"status": {"phase": "Bound"}})), None);
        assert_eq!(
            of("", "persistentvolumeclaims", json!({"status": {"phase": "Lost"}})).as_deref(),
            Some("X a/b: it is Lost")
        );
        let short = json!({"metadata": {"generation": 1}, "spec": {"replicas": 2}, "status": {"observedGeneration": 1, "updatedReplicas": 1}});
        assert!(of("apps", "deployments", short).unwrap().contains("1 of 2"));
    }
}
