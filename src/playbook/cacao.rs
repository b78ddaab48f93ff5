//! A playbook as CACAO 2.0 (OASIS CACAO Security Playbooks Version 2.0, 27 November 2023).

use super::model::{Param, ParamKind, Phase, Playbook, Step, What};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

/// The playbook as a CACAO document. Ids are made of its text (UUID version 8, RFC 9562): equal playbooks, equal ids. CACAO wants
/// times of creation, and a file has none: those of the format's own version are used.
pub fn cacao(playbook: &Playbook, text: &str) -> Value {
    let mut flow = Flow { text, steps: Map::new() };
    let end = flow.id("end");
    flow.steps.insert(end.clone(), json!({"type": "end"}));
    let after = flow.sequence(&playbook.always, end, None);
    let first = flow.sequence(&playbook.steps, after.clone(), None);
    let start = flow.id("start");
    flow.steps.insert(start.clone(), json!({"type": "start", "on_completion": first}));
    let variables = playbook.params.iter().map(|param| (format!("__{}__", param.name), variable(param)));
    let created = "2026-01-01T00:00:00.000Z";
    let mut document = json!({
        "type": "playbook",
        "spec_version": "cacao-2.0",
        "id": format!("playbook--{}", uuid(text, "playbook")),
        "name": playbook.name,
        "description": playbook.description,
        "playbook_types": types(playbook),
        "created_by": format!("identity--{}", uuid("lifeboat", "identity")),
        "created": created,
        "modified": created,
        "workflow_start": start,
        "workflow_exception": after,
        "workflow": flow.steps,
    });
    let variables: Map<String, Value> = variables.collect();
    if !variables.is_empty() {
        document["playbook_variables"] = Value::Object(variables);
    }
    if !playbook.labels.is_empty() {
        document["labels"] = playbook.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    }
    if !playbook.references.is_empty() {
        let each = playbook.references.iter().map(|it| json!({"name": it.name, "external_id": it.id}));
        document["external_references"] = each.collect();
    }
    document
}

fn variable(param: &Param) -> Value {
    let kind = match param.kind {
        ParamKind::Int | ParamKind::Duration => "integer",
        ParamKind::Bool => "bool",
        ParamKind::CidrList => "list",
        ParamKind::ObjectRef { .. } => "dictionary",
        _ => "string",
    };
    let mut variable = json!({"type": kind, "external": true, "constant": false});
    if let Some(about) = &param.description {
        variable["description"] = about.as_str().into();
    }
    if let Some(value) = &param.default {
        variable["value"] = value.as_str().map_or_else(|| value.to_string(), str::to_owned).into();
    }
    variable
}

/// What kind of playbook it is: by what its steps are good for.
fn types(playbook: &Playbook) -> Vec<&'static str> {
    let word = |phase: Phase| match phase {
        Phase::Evidence => "investigation",
        Phase::Containment => "mitigation",
        Phase::Eradication | Phase::Recovery => "remediation",
        Phase::Verification => "detection",
    };
    let mut found: Vec<&str> = playbook.every_step().iter().filter_map(|step| step.phase.map(word)).collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// A UUID out of a text.
fn uuid(text: &str, of: &str) -> String {
    let digest = Sha256::new().chain_update(text).chain_update([0]).chain_update(of).finalize();
    let mut bytes: Vec<u8> = digest.iter().copied().take(16).collect();
    bytes[6] = (bytes[6] & 0x0f) | 0x80;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

struct Flow<'a> {
    text: &'a str,
    steps: Map<String, Value>,
}

impl Flow<'_> {
    fn id(&self, name: &str) -> String {
        let kind = match name {
            "start" => "start",
            "end" => "end",
            _ => "action",
        };
        self.named(kind, name)
    }

    fn named(&self, kind: &str, name: &str) -> String {
        format!("{kind}--{}", uuid(self.text, &format!("{kind} {name}")))
    }

    /// Steps one after the other, and then `next`. Gives the id of the first.
    fn sequence(&mut self, steps: &[Step], next: String, failure: Option<&str>) -> String {
        steps.iter().rev().fold(next, |next, step| self.step(step, next, failure))
    }

    /// A step, and then `next`. Gives its id.
    fn step(&mut self, step: &Step, next: String, failure: Option<&str>) -> String {
        let mut id = match &step.what {
            Some(What::Parallel(steps)) => {
                let id = self.named("parallel", &step.id);
                let branches: Vec<String> = steps.iter().map(|inner| self.branch(inner)).collect();
                self.put(&id, step, json!({"type": "parallel", "next_steps": branches}), &next, failure);
                id
            }
            Some(What::Block { steps, rescue }) => {
                let rescue = (!rescue.is_empty()).then(|| self.sequence(rescue, next.clone(), failure));
                self.sequence(steps, next.clone(), rescue.as_deref().or(failure))
            }
            Some(What::Playbook { name, .. }) => {
                let id = self.named("playbook-action", &step.id);
                let called = format!("playbook--{}", uuid(name, "playbook"));
                self.put(
                    &id,
                    step,
                    json!({"type": "playbook-action", "playbook_id": called}),
                    &next,
                    failure,
                );
                id
            }
            what => {
                let id = self.named("action", &step.id);
                self.put(
                    &id,
                    step,
                    json!({"type": "action", "commands": [command(what.as_ref())]}),
                    &next,
                    failure,
                );
                id
            }
        };
        if let Some(approve) = &step.approve {
            let asks = self.named("action", &format!("{} approval", step.id));
            let prompt = approve.prompt.written();
            let command = json!({"type": "manual", "command": prompt.as_str().unwrap_or_default()});
            let mut asked =
                json!({"type": "action", "name": format!("{}: approval", step.id), "commands": [command]});
            asked["on_success"] = id.into();
            asked["on_failure"] = next.clone().into();
            self.steps.insert(asks.clone(), asked);
            id = asks;
        }
        if let Some(when) = &step.when {
            let asks = self.named("if-condition", &step.id);
            let condition = json!({
                "type": "if-condition", "name": format!("{}: condition", step.id), "condition": when.text(),
                "on_true": id, "on_false": next,
            });
            self.steps.insert(asks.clone(), condition);
            id = asks;
        }
        if let Some(list) = &step.for_each {
            let asks = self.named("while-condition", &step.id);
            let condition = json!({
                "type": "while-condition", "name": format!("{}: for each entry", step.id),
                "condition": format!("item in {}", list.text()), "on_true": id, "on_completion": next,
            });
            self.steps.insert(asks.clone(), condition);
            id = asks;
        }
        id
    }

    /// A branch of a parallel step: it ends by itself.
    fn branch(&mut self, step: &Step) -> String {
        let end = self.named("end", &format!("{} end", step.id));
        self.steps.insert(end.clone(), json!({"type": "end"}));
        self.step(step, end, None)
    }

    fn put(&mut self, id: &str, step: &Step, mut body: Value, next: &str, failure: Option<&str>) {
        body["name"] = step.id.as_str().into();
        if let Some(after) = failure {
            body["on_success"] = next.into();
            body["on_failure"] = after.into();
        } else {
            body["on_completion"] = next.into();
        }
        self.steps.insert(id.to_owned(), body);
    }
}

fn command(what: Option<&What>) -> Value {
    match what {
        Some(What::Action { name, args }) => {
            let args = serde_json::to_string(&args.written()).unwrap_or_default();
            json!({"type": "manual", "description": "an action of Lifeboat", "command": format!("lifeboat {name} {args}")})
        }
        Some(What::Manual { instructions, .. }) => {
            let text = instructions.written();
            json!({"type": "manual", "command": text.as_str().unwrap_or_default()})
        }
        _ => json!({"type": "manual", "command": "nothing: see the steps around it"}),
    }
}
