//! The JSON Schema of a playbook's file. The language's types are another room's, so it is written out here; a test holds it
//! against what the parser knows.

use super::params::TYPES;
use super::schema_arguments::arguments;
use super::step::{DEEPEST, KINDS, MOST_STEPS};
use super::values::{ON_FAILURE, PHASES};
use crate::playbook::actions::Action;
use serde_json::{Value, json};

const NAME: &str = "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$";
const VARIABLE: &str = "^[A-Za-z_][A-Za-z0-9_]{0,62}$";

/// The JSON Schema (draft 2020-12) of a playbook that uses these actions.
///
/// It is looser than the parser in what a schema cannot say: what expressions ask for, and what has to go together.
pub(in crate::config) fn playbook_schema(actions: &[&dyn Action]) -> Value {
    let (choices, definitions) = arguments(actions);
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Lifeboat playbook",
        "description": "A written plan for an incident: what is looked at, who is asked, what is done, and what is done at last.",
        "type": "object",
        "additionalProperties": false,
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "properties": {
            "apiVersion": {"const": "lifeboat.dev/v1", "type": "string", "description": "The version of this file's format."},
            "kind": {"const": "Playbook", "type": "string", "description": "What kind of file this is."},
            "metadata": {"$ref": "#/$defs/Metadata", "description": "What the playbook is called."},
            "spec": {"$ref": "#/$defs/Spec", "description": "What it does."},
        },
        "$defs": {
            "Metadata": object("What the playbook is called.", &["name"], json!({
                "name": {"type": "string", "pattern": NAME, "description": "The playbook's name."},
                "labels": {"type": "object", "additionalProperties": {"type": "string"}, "description": "Labels, for people."},
            })),
            "Spec": spec(),
            "Reference": object("Where to read more.", &["name", "id"], json!({
                "name": {"type": "string", "description": "Whose it is, such as `MITRE ATT&CK`."},
                "id": {"type": "string", "description": "What it is called there, such as `T1611`."},
            })),
            "Param": param(),
            "Concurrency": object("Two runs with equal keys exclude each other.", &["key"], json!({
                "key": {"type": "string", "description": "What two runs must not share, such as `pod/${params.pod.uid}`."},
                "policy": {"type": "string", "const": "Forbid", "description": "What becomes of the second one: it does not start."},
            })),
            "Guards": guards(),
            "Requirement": object("What must be true before anything is done.", &["expr", "message"], json!({
                "expr": expression("The condition, in CEL. It knows `params`, `run` and `cluster`."),
                "message": {"type": "string", "description": "What is said when it does not hold."},
            })),
            "Keeping": object("What is kept of a run.", &[], json!({
                "encryptTo": {"type": "array", "items": {"type": "string", "pattern": "^age1[a-z0-9+._-]+$"},
                    "description": "More age recipients of what is collected, beside those of the configuration."},
                "required": {"type": "boolean", "default": false,
                    "description": "Does the run stop before its first change when evidence cannot be stored?"},
            })),
            "Step": step(choices),
            "Retry": object("How often a step is tried again.", &["limit"], json!({
                "limit": {"type": "integer", "minimum": 1, "maximum": 1000, "description": "So many times beside the first."},
                "backoff": {"$ref": "#/$defs/Backoff", "description": "How long is waited before."},
            })),
            "Backoff": object("How long is waited before a step is tried again.", &[], json!({
                "duration": duration("Before the first repetition; 5s unless something else is said."),
                "factor": {"type": "integer", "minimum": 1, "maximum": 10, "default": 1,
                    "description": "So many times longer before each further one."},
            })),
            "Approve": approve(),
            "Manual": object("Something that a person does.", &["instructions"], json!({
                "instructions": {"type": "string", "description": "What to do. It may have `${…}` in it."},
                "evidence": {"type": "array", "items": {"type": "string", "pattern": VARIABLE},
                    "description": "What has to be told when it is done, such as `ticket`."},
            })),
        },
    });
    if let Some(known) = schema["$defs"].as_object_mut() {
        known.values_mut().for_each(super::super::schema::allow_empty);
        known.extend(definitions);
    }
    schema
}

fn object(description: &str, required: &[&str], properties: Value) -> Value {
    json!({
        "description": description,
        "type": "object",
        "additionalProperties": false,
        "required": required,
        "properties": properties,
    })
}

fn duration(description: &str) -> Value {
    json!({"type": "string", "pattern": "^([0-9]+(d|h|m|s|ms))+$", "examples": ["30s", "5m"], "description": description})
}

fn expression(description: &str) -> Value {
    json!({"type": "string", "minLength": 1, "maxLength": 4096, "description": description})
}

fn on_failure(description: &str) -> Value {
    json!({"type": "string", "enum": ON_FAILURE.map(|(word, _)| word), "description": description})
}

fn spec() -> Value {
    object(
        "What the playbook does.",
        &["description", "steps"],
        json!({
            "description": {"type": "string", "description": "What it does, in one sentence."},
            "references": {"type": "array", "items": {"$ref": "#/$defs/Reference"}, "description": "Where to read more."},
            "runsOn": {"type": "string", "enum": ["cluster", "host"], "default": "cluster",
                "description": "Where its steps act: through the API server, or on a host of the control plane without one."},
            "timeout": duration("After so long the run is given up."),
            "params": {"type": "array", "maxItems": 50, "items": {"$ref": "#/$defs/Param"}, "description": "What it has to be told."},
            "concurrency": {"$ref": "#/$defs/Concurrency", "description": "Two runs with equal keys exclude each other."},
            "guards": {"$ref": "#/$defs/Guards", "description": "What it must never do."},
            "evidence": {"$ref": "#/$defs/Keeping", "description": "What is kept of a run."},
            "onFailure": on_failure("What becomes of a run when a step fails that says nothing of it; `abort` unless something else is said: what was done stays."),
            "steps": steps("What is done, in this order."),
            "always": steps("What is done at last, whatever happened."),
        }),
    )
}

fn steps(description: &str) -> Value {
    json!({"type": "array", "minItems": 1, "maxItems": MOST_STEPS, "items": {"$ref": "#/$defs/Step"}, "description": description})
}

fn param() -> Value {
    object(
        "What a playbook has to be told: `params.<name>` in expressions.",
        &["name", "type"],
        json!({
            "name": {"type": "string", "pattern": VARIABLE, "description": "Its name."},
            "type": {"type": "string", "enum": TYPES, "description": "What it may be."},
            "kind": {"type": "string", "description": "Of `objectRef`: the kind, as in manifests, or a type as kubectl takes it."},
            "values": {"type": "array", "minItems": 1, "items": {"type": "string"}, "description": "Of `enum`: the words that it may be."},
            "required": {"type": "boolean", "default": false, "description": "Must it be given?"},
            "default": {"description": "What it is when it is not given."},
            "pattern": {"type": "string", "description": "Of `string`: a regular expression that its text must fit."},
            "description": {"type": "string", "description": "What it is, for people."},
        }),
    )
}

fn guards() -> Value {
    object(
        "What a playbook must never do.",
        &[],
        json!({
            "protectedNamespaces": {"type": "array", "items": {"type": "string", "pattern": NAME},
                "description": "Nothing in these namespaces is changed."},
            "limits": {"type": "object", "additionalProperties": {"type": "integer", "minimum": 0, "maximum": 1_000_000},
                "description": "How many objects of a type may be touched, by its plural name; `namespaces` counts those of everything that \
                                is touched. `minHealthyReplicas`: a pod that is taken out must leave so many ready ones of its workload."},
            "require": {"type": "array", "items": {"$ref": "#/$defs/Requirement"},
                "description": "What must be true before anything is done."},
        }),
    )
}

fn approve() -> Value {
    object(
        "Who has to agree before a step is done.",
        &["prompt"],
        json!({
            "prompt": {"type": "string", "description": "What is asked. It may have `${…}` in it."},
            "minApprovals": {"type": "integer", "minimum": 1, "maximum": 20, "default": 1, "description": "So many different people."},
            "groups": {"type": "array", "items": {"type": "string", "pattern": NAME},
                "description": "Out of these groups of approvers of the configuration; without any, every approver counts."},
            "notInitiator": {"type": "boolean", "default": false, "description": "Does the one who started the run not count?"},
            "timeout": duration("How long is waited for them; 1h unless something else is said."),
            "onTimeout": {"type": "string", "enum": ["abort", "skip"], "default": "abort",
                "description": "What happens then: the step has failed, or is passed over and not approved."},
        }),
    )
}

fn step(choices: Vec<Value>) -> Value {
    let mut step = object(
        "One step of a playbook.",
        &["id"],
        json!({
            "id": {"type": "string", "pattern": NAME, "description": "Its name, unique in the playbook."},
            "phase": {"type": "string", "enum": PHASES.map(|(word, _)| word), "description": "What it is good for, in the words of NIST SP 800-61."},
            "when": expression("Only when this is true, in CEL."),
            "forEach": expression("Once for every entry of the list that this brings, in CEL; each is `item` in the step's expressions."),
            "register": {"type": "string", "pattern": VARIABLE,
                "description": "What comes of it is `vars.<name>` in later expressions; of `forEach`, a list."},
            "retry": {"$ref": "#/$defs/Retry", "description": "How often the action is tried again."},
            "timeout": duration("How long it may take."),
            "onFailure": on_failure("What becomes of the run when it fails."),
            "undo": {"type": "string", "enum": ["auto", "none"], "default": "auto",
                "description": "Is it taken back when the run is undone, as far as that is possible?"},
            "approve": {"$ref": "#/$defs/Approve", "description": "Who has to agree before it is done."},
            "action": {"type": "string", "description": "What is done."},
            "args": {"type": "object", "description": "What the action or the playbook is told; any value may be `${…}`, an expression in CEL."},
            "parallel": steps("Steps beside each other."),
            "block": steps("Steps one after the other."),
            "rescue": steps("What is done when one of `block` fails; the step has not failed then."),
            "manual": {"$ref": "#/$defs/Manual", "description": "Something that a person does."},
            "playbook": {"type": "string", "pattern": NAME, "description": "Another playbook."},
        }),
    );
    let has = |name: &&str| json!({"required": [name]});
    let mut ways: Vec<Value> = KINDS.iter().map(has).collect();
    ways.push(json!({"required": ["approve"], "not": {"anyOf": ways.clone()}}));
    step["oneOf"] = ways.into();
    step["dependentRequired"] = json!({"rescue": ["block"]});
    step["allOf"] = choices.into();
    step["$comment"] = format!("Steps stand in steps at most {DEEPEST} levels deep.").into();
    step
}
