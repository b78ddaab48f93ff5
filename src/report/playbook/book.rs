//! What a playbook would do, before anything is planned.

use super::{
    super::{duration, table},
    class,
};
use crate::playbook::{
    actions::Class,
    model::{ApprovalTimeout, Approve, Param, ParamKind, Playbook, RunsOn, Step, What},
};
use serde_json::Value;
use std::fmt::Write;

/// Tells the class of an action by its name.
pub type Classes<'a> = &'a dyn Fn(&str) -> Option<Class>;

/// Playbooks, one a line.
pub fn playbooks(playbooks: &[&Playbook], classes: Classes<'_>) -> String {
    if playbooks.is_empty() {
        return "no playbooks here".to_owned();
    }
    let rows = playbooks.iter().map(|playbook| {
        let steps = playbook.every_step();
        let worst = steps.iter().filter_map(|step| of_step(step, classes)).max();
        let asks = steps.iter().filter(|step| step.approve.is_some()).count();
        vec![
            playbook.name.clone(),
            steps.len().to_string(),
            worst.map_or_else(String::new, |worst| class(worst).to_owned()),
            if asks == 0 { "-".to_owned() } else { asks.to_string() },
            playbook.description.clone(),
        ]
    });
    table(&["name", "steps", "worst", "approvals", "description"], rows)
}

/// A playbook in full.
pub fn playbook(playbook: &Playbook, classes: Classes<'_>) -> String {
    let place = match playbook.runs_on {
        RunsOn::Cluster => "acts through the API server",
        RunsOn::Host => "acts on a host, without an API server",
    };
    let mut out = format!("{}: {}\n", playbook.name, playbook.description);
    let mut line = |name: &str, value: String| {
        let _ = writeln!(out, "  {name:20}{value}");
    };
    line("where", place.to_owned());
    for reference in &playbook.references {
        line("see", format!("{} {}", reference.name, reference.id));
    }
    if let Some(timeout) = playbook.timeout {
        line("given up after", duration(timeout));
    }
    if let Some(key) = &playbook.concurrency {
        line("one run at a time", text(&key.written()));
    }
    let guards = &playbook.guards;
    if !guards.protected_namespaces.is_empty() {
        line("never touched", guards.protected_namespaces.join(", "));
    }
    let limits: Vec<String> = guards.limits.iter().map(|it| format!("{} {}", it.most, it.resource)).collect();
    if !limits.is_empty() {
        line("at most", limits.join(", "));
    }
    if let Some(least) = guards.min_healthy_replicas {
        line("at least", format!("{least} ready replicas of a workload"));
    }
    for required in &guards.require {
        line("only if", format!("{} (else: {})", required.expr, required.message));
    }
    if !playbook.params.is_empty() {
        out.push('\n');
        out.push_str(&table(&["parameter", "type", "default", "what"], playbook.params.iter().map(param)));
        out.push('\n');
    }
    let mut rows = Vec::new();
    playbook.steps.iter().for_each(|step| gather(step, 0, classes, &mut rows));
    if !playbook.always.is_empty() {
        rows.push(vec!["always".to_owned()]);
        playbook.always.iter().for_each(|step| gather(step, 1, classes, &mut rows));
    }
    for row in &mut rows {
        row.resize(6, String::new());
    }
    let _ = write!(out, "\n{}", table(&["step", "phase", "does", "class", "undo", "approval"], rows));
    out
}

fn param(param: &Param) -> Vec<String> {
    let kind = match &param.kind {
        ParamKind::ObjectRef { kind } => kind.clone(),
        ParamKind::Enum(words) => words.join(" | "),
        other => other.name().to_owned(),
    };
    let default = match (&param.default, param.required) {
        (_, true) => "(required)".to_owned(),
        (Some(value), _) => text(value),
        (None, false) => "-".to_owned(),
    };
    vec![param.name.clone(), kind, default, param.description.clone().unwrap_or_default()]
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn gather(step: &Step, depth: usize, classes: Classes<'_>, rows: &mut Vec<Vec<String>>) {
    let found = of_step(step, classes);
    let mut does = match &step.what {
        Some(What::Action { name, .. }) => name.clone(),
        Some(What::Parallel(_)) => "side by side".to_owned(),
        Some(What::Block { rescue, .. }) if rescue.is_empty() => "one after the other".to_owned(),
        Some(What::Block { .. }) => "one after the other, or rescue".to_owned(),
        Some(What::Manual { .. }) => "by hand".to_owned(),
        Some(What::Playbook { name, .. }) => format!("playbook {name}"),
        None => "asks".to_owned(),
    };
    if step.for_each.is_some() {
        does.push_str(" (for each)");
    }
    let undo = match (found, step.undo) {
        (Some(Class::Undoable | Class::HardToUndo), true) => "auto",
        (Some(Class::Undoable | Class::HardToUndo), false) => "none",
        _ => "",
    };
    rows.push(vec![
        format!("{}{}", "  ".repeat(depth), step.id),
        step.phase.map_or_else(String::new, |phase| format!("{phase:?}").to_lowercase()),
        does,
        found.map_or_else(String::new, |found| class(found).to_owned()),
        undo.to_owned(),
        step.approve.as_ref().map_or_else(String::new, approval),
    ]);
    match &step.what {
        Some(What::Parallel(steps)) => steps.iter().for_each(|step| gather(step, depth + 1, classes, rows)),
        Some(What::Block { steps, rescue }) => {
            steps.iter().for_each(|step| gather(step, depth + 1, classes, rows));
            if !rescue.is_empty() {
                rows.push(vec![format!("{}rescue", "  ".repeat(depth))]);
                rescue.iter().for_each(|step| gather(step, depth + 1, classes, rows));
            }
        }
        _ => {}
    }
}

fn of_step(step: &Step, classes: Classes<'_>) -> Option<Class> {
    match &step.what {
        Some(What::Action { name, .. }) => classes(name),
        _ => None,
    }
}

/// Who has to agree: `2 of ir-leads within 30 min 0 s`.
fn approval(approve: &Approve) -> String {
    let whom = match approve.groups.as_slice() {
        [] => "any approver".to_owned(),
        groups => groups.join(", "),
    };
    let mut text = format!("{} of {whom} within {}", approve.min_approvals, duration(approve.timeout));
    if approve.not_initiator {
        text.push_str(", not by who started it");
    }
    if approve.on_timeout == ApprovalTimeout::Skip {
        text.push_str(", else skipped");
    }
    text
}
