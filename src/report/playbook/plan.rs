use super::class;
use crate::{
    object::plain,
    playbook::{
        model::ApprovalTimeout,
        op::{Op, Tried},
        plan::{Level, Plan, PlannedOp, PlannedStep, PlannedWhat},
    },
};

/// A plan for whoever has to decide: what is done to which objects, what cannot be taken back, what speaks against it.
pub fn plan_text(plan: &Plan) -> String {
    let mut out = String::new();
    let mut line = |text: String| {
        out.push_str(&plain(&text));
        out.push('\n');
    };
    line(format!("Plan {} of the playbook {}", plan.run, plan.playbook.name));
    plan.playbook.description.lines().for_each(|text| line(format!("  {text}")));
    let target = &plan.target;
    match &target.host {
        None => line(format!("  cluster   {} at {}, as {}", target.cluster, target.server, target.identity)),
        Some(host) => {
            line(format!(
                "  host      {host}, of cluster {}, without an API server: no rights are asked for,",
                target.cluster
            ));
            line("            no identity, namespace or limit guards anything".to_owned());
        }
    }
    line(format!("  by        {}", plan.by));
    for (name, value) in &plan.params {
        line(format!("  {name:<9} {}", shown(value)));
    }
    if let Some(key) = &plan.concurrency {
        line(format!("  alone     no other run with the key {key} at the same time"));
    }
    line(format!("  digest    {}", plan.digest()));
    line(String::new());
    for (at, step) in plan.steps.iter().enumerate() {
        step_text(step, 0, &format!("{}. ", at + 1), &mut line);
    }
    if !plan.always.is_empty() {
        line(String::new());
        line("At last, whatever happened:".to_owned());
        for step in &plan.always {
            step_text(step, 0, "- ", &mut line);
        }
    }
    let stays: Vec<String> = plan
        .every_step()
        .iter()
        .flat_map(|step| step.ops().iter().filter(|it| !it.op.reads()).filter_map(|it| it.stays.clone()))
        .collect();
    if !stays.is_empty() {
        line(String::new());
        line("What cannot be taken back:".to_owned());
        for why in stays {
            line(format!("  {why}"));
        }
    }
    if !plan.findings.is_empty() {
        line(String::new());
    }
    for finding in &plan.findings {
        let word = if finding.level == Level::Error { "ERROR" } else { "warning" };
        let step = finding.step.as_ref().map(|step| format!("step {step}: ")).unwrap_or_default();
        line(format!("{word:<8} {step}{}", finding.message));
    }
    out
}

fn shown(value: &serde_json::Value) -> String {
    let text = |name: &str| value[name].as_str();
    match (text("kind"), text("name"), value.as_str()) {
        (Some(kind), Some(name), _) => {
            let place = text("namespace").map(|it| format!("{it}/")).unwrap_or_default();
            format!("{kind} {place}{name} ({})", text("uid").unwrap_or("no UID"))
        }
        (_, _, Some(text)) => text.to_owned(),
        _ => value.to_string(),
    }
}

fn step_text(step: &PlannedStep, depth: usize, mark: &str, line: &mut impl FnMut(String)) {
    let pad = "   ".repeat(depth);
    let what = match &step.what {
        PlannedWhat::Nothing => "only asks".to_owned(),
        PlannedWhat::Action { action, class: it, .. } => format!("{action} ({})", class(*it)),
        PlannedWhat::Later(it) => {
            format!("{} ({}), planned once `vars.{}` is known", it.action, class(it.class), it.waits_for)
        }
        PlannedWhat::Sequence { steps, .. } => format!("{} steps, one after the other", steps.len()),
        PlannedWhat::Parallel { steps } => format!("{} steps beside each other", steps.len()),
        PlannedWhat::Manual { .. } => "by hand".to_owned(),
    };
    let phase =
        step.phase.map(|phase| format!("  [{}]", serde_json::json!(phase).as_str().unwrap_or_default()));
    line(format!("{pad}{mark}{}: {what}{}", step.id, phase.unwrap_or_default()));
    let inner = format!("{pad}   ");
    if let Some(why) = &step.skipped {
        line(format!("{inner}passed over: {why}"));
        return;
    }
    if let Some(when) = &step.when {
        line(format!("{inner}only if {when}, which the run will know"));
    }
    if let Some(gate) = &step.gate {
        let groups = if gate.groups.is_empty() { "any approver".to_owned() } else { gate.groups.join(", ") };
        let not = if gate.not_initiator { ", not by who starts the run" } else { "" };
        let then = match gate.on_timeout {
            ApprovalTimeout::Abort => "else it fails",
            ApprovalTimeout::Skip => "else it is passed over",
        };
        let (n, seconds) = (gate.min_approvals, gate.timeout_ms / 1000);
        for (at, text) in gate.prompt.lines().enumerate() {
            line(format!("{inner}{}{text}", if at == 0 { "asks: " } else { "      " }));
        }
        line(format!("{inner}      {n} of {groups}{not}, within {seconds} s, {then}"));
    }
    for remark in &step.remarks {
        line(format!("{inner}note: {remark}"));
    }
    match &step.what {
        PlannedWhat::Action { ops, .. } => ops.iter().for_each(|it| op_text(it, &inner, line)),
        PlannedWhat::Manual { instructions, evidence } => {
            for text in instructions.lines() {
                line(format!("{inner}{text}"));
            }
            if !evidence.is_empty() {
                line(format!("{inner}to be told when it is done: {}", evidence.join(", ")));
            }
        }
        PlannedWhat::Sequence { steps, rescue } => {
            steps.iter().for_each(|step| step_text(step, depth + 1, "- ", line));
            if !rescue.is_empty() {
                line(format!("{inner}and if one of them fails:"));
                rescue.iter().for_each(|step| step_text(step, depth + 1, "- ", line));
            }
        }
        PlannedWhat::Parallel { steps } => {
            steps.iter().for_each(|step| step_text(step, depth + 1, "- ", line))
        }
        PlannedWhat::Nothing | PlannedWhat::Later(_) => {}
    }
}

fn op_text(it: &PlannedOp, pad: &str, line: &mut impl FnMut(String)) {
    let sign = match &it.op {
        Op::Create(_) => "+",
        Op::Change(_) => "~",
        Op::Delete(_) | Op::Evict(_) => "-",
        _ => " ",
    };
    let tried = match &it.tried {
        Tried::Accepted => "  (tried: the server would do it)".to_owned(),
        Tried::Refused { why } => format!("  (tried: REFUSED: {why})"),
        Tried::Unverifiable { .. } => "  (not tried)".to_owned(),
        Tried::NotNeeded => String::new(),
    };
    for (at, text) in it.op.to_string().lines().enumerate() {
        match at {
            0 => line(format!("{pad}{sign} {text}{tried}")),
            _ => line(format!("{pad}  {text}")),
        }
    }
}
