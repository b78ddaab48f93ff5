use super::named;
use crate::{
    cli::{Exit, context::Context, failure::Failure, output},
    playbook::{
        actions,
        model::{Param, ParamKind, Playbook, RunsOn, Step, What},
    },
    report,
};
use serde_json::{Map, Value, json};

/// Shows a playbook: its parameters, its steps, what stays, who must approve
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The class of a step tells what can become of what it did: it changes nothing, can
be undone, is hard to undo, or STAYS.

Examples:
  lifeboat playbook show compromised-pod
  lifeboat playbook show ./compromised-pod.yaml
  lifeboat playbook show bad-deployment -o json | jq '.params[] | {name, type}'")]
pub(in crate::cli) struct Args {
    /// The playbook: its name, or its file
    #[arg(value_name = "NAME|FILE")]
    playbook: String,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<Exit, Failure> {
    let (file, _) = named(context, &args.playbook)?;
    let mut value = value(&file.playbook);
    value["file"] = json!(file.path);
    let classes = |name: &str| actions::find(name).map(|action| action.class());
    output::result(context.global.output, &value, || report::playbook(&file.playbook, &classes))?;
    Ok(Exit::Done)
}

fn value(it: &Playbook) -> Value {
    let guards = &it.guards;
    let limits: Map<String, Value> =
        guards.limits.iter().map(|limit| (limit.resource.clone(), limit.most.into())).collect();
    let require = guards.require.iter().map(|it| json!({"expr": it.expr.text(), "message": it.message}));
    json!({
        "name": it.name,
        "labels": it.labels,
        "description": it.description,
        "references": it.references.iter().map(|it| json!({"name": it.name, "id": it.id})).collect::<Vec<_>>(),
        "runsOn": match it.runs_on { RunsOn::Cluster => "cluster", RunsOn::Host => "host" },
        "timeoutMs": it.timeout.map(|timeout| timeout.as_millis() as u64),
        "params": it.params.iter().map(param).collect::<Vec<_>>(),
        "concurrencyKey": it.concurrency.as_ref().map(|key| key.written()),
        "guards": {
            "protectedNamespaces": guards.protected_namespaces,
            "limits": limits,
            "minHealthyReplicas": guards.min_healthy_replicas,
            "require": require.collect::<Vec<_>>(),
        },
        "onFailure": it.on_failure,
        "steps": it.steps.iter().map(step).collect::<Vec<_>>(),
        "always": it.always.iter().map(step).collect::<Vec<_>>(),
    })
}

fn param(it: &Param) -> Value {
    let (kind, values) = match &it.kind {
        ParamKind::ObjectRef { kind } => (Some(kind), None),
        ParamKind::Enum(words) => (None, Some(words)),
        _ => (None, None),
    };
    json!({
        "name": it.name, "type": it.kind.name(), "kind": kind, "values": values, "required": it.required, "default": it.default,
        "pattern": it.pattern.as_ref().map(|pattern| pattern.as_str()), "description": it.description,
    })
}

fn step(it: &Step) -> Value {
    let mut value = json!({
        "id": it.id,
        "phase": it.phase,
        "when": it.when.as_ref().map(|when| when.text()),
        "forEach": it.for_each.as_ref().map(|list| list.text()),
        "onFailure": it.on_failure,
        "approve": it.approve.as_ref().map(|it| json!({
            "prompt": it.prompt.written(), "minApprovals": it.min_approvals, "groups": it.groups,
            "notInitiator": it.not_initiator, "timeoutMs": it.timeout.as_millis() as u64, "onTimeout": it.on_timeout,
        })),
    });
    match &it.what {
        Some(What::Action { name, args }) => {
            value["action"] = json!(name);
            value["class"] = json!(actions::find(name).map(|action| action.class()));
            value["undo"] = json!(it.undo);
            value["args"] = args.written();
        }
        Some(What::Parallel(steps)) => value["parallel"] = steps.iter().map(step).collect(),
        Some(What::Block { steps, rescue }) => {
            value["block"] = steps.iter().map(step).collect();
            value["rescue"] = rescue.iter().map(step).collect();
        }
        Some(What::Manual { instructions, evidence }) => {
            value["manual"] = json!({"instructions": instructions.written(), "evidence": evidence});
        }
        Some(What::Playbook { name, args }) => {
            value["playbook"] = json!(name);
            value["args"] = args.written();
        }
        None => {}
    }
    value
}
