use super::{change::one_field, duration};
use crate::{
    object::plain,
    restore::resources::{Action, Done, Outcome, Plan, Planned, Tally},
};
use std::{collections::BTreeMap, fmt::Write, time::Duration};

/// So many names stand for many, unless all are asked for.
const NAMES: usize = 4;

/// What a restore would do: what stands against it first, then what is changed, made, and left.
pub fn restore_plan(plan: &Plan, all: bool) -> String {
    let mut out = format!("From {} into {}\n", plan.source, plan.server);
    let of = |action: Action| plan.objects.iter().filter(move |it| it.action == action);
    for planned in of(Action::Conflict) {
        let _ = writeln!(out, "! {}  {}", planned.to, why(planned));
    }
    for action in [Action::Recreate, Action::Update] {
        for planned in of(action) {
            let mark = if action == Action::Recreate { '±' } else { '~' };
            let _ = writeln!(out, "{mark} {}{}", planned.to, was(planned));
            for field in &planned.changes {
                out.push_str(&one_field(field));
            }
            notes(&mut out, planned);
        }
    }
    let made = of(Action::Create).map(|it| (it.to.kind.to_string(), it));
    for (kind, planned) in grouped(made) {
        line(&mut out, '+', &kind, &planned, all);
        if all {
            planned.iter().for_each(|it| notes(&mut out, it));
        }
    }
    left(&mut out, plan, all);
    for finding in &plan.findings {
        let _ = writeln!(out, "? {finding}");
    }
    if !all {
        noted(&mut out, plan);
    }
    let counts = plan.counts();
    let count = |action| counts.get(&action).copied().unwrap_or(0);
    let _ = writeln!(
        out,
        "\n{} to create, {} to update, {} to recreate, {} left, {} in conflict; {} not asked for",
        count(Action::Create),
        count(Action::Update),
        count(Action::Recreate),
        count(Action::Skip),
        count(Action::Conflict),
        plan.passed_over
    );
    out
}

/// What a restore did: what failed first.
pub fn restored(plan: &Plan, outcomes: &[Outcome], took: Duration, all: bool) -> String {
    let mut out = format!("From {} into {}\n", plan.source, plan.server);
    for outcome in outcomes {
        let mark = match outcome.outcome {
            Done::Failed => "failed",
            Done::Conflict => "conflict",
            Done::NotReached if all => "not reached",
            Done::Created | Done::Updated | Done::Recreated | Done::Unchanged if all => {
                let _ = writeln!(out, "{:9} {}", name(outcome.outcome), outcome.object);
                continue;
            }
            _ => continue,
        };
        let _ =
            writeln!(out, "{mark:9} {}  {}", outcome.object, outcome.reason.as_deref().unwrap_or_default());
    }
    left(&mut out, plan, all);
    noted(&mut out, plan);
    for finding in &plan.findings {
        let _ = writeln!(out, "? {finding}");
    }
    let tally = Tally::of(outcomes);
    let parts: Vec<String> = tally.0.iter().map(|(done, n)| format!("{n} {}", name(*done))).collect();
    let _ = writeln!(out, "\n{} in {}", parts.join(", "), duration(took));
    if tally.get(Done::NotReached) > 0 {
        out.push_str("The restore was interrupted: the same command continues it.\n");
    }
    out
}

fn name(done: Done) -> &'static str {
    match done {
        Done::Created => "created",
        Done::Updated => "updated",
        Done::Recreated => "recreated",
        Done::Unchanged => "unchanged",
        Done::Skipped => "left",
        Done::Conflict => "in conflict",
        Done::Failed => "failed",
        Done::NotReached => "not reached",
    }
}

fn grouped<'a>(planned: impl Iterator<Item = (String, &'a Planned)>) -> BTreeMap<String, Vec<&'a Planned>> {
    let mut groups: BTreeMap<String, Vec<&Planned>> = BTreeMap::new();
    for (name, planned) in planned {
        groups.entry(name).or_default().push(planned);
    }
    groups
}

fn line(out: &mut String, mark: char, title: &str, planned: &[&Planned], all: bool) {
    let shown = if all { planned.len() } else { NAMES };
    let place = |it: &&Planned| match &it.to.namespace {
        Some(namespace) => format!("{namespace}/{}{}", plain(&it.to.name), was(it)),
        None => format!("{}{}", plain(&it.to.name), was(it)),
    };
    let names: Vec<String> = planned.iter().take(shown).map(place).collect();
    let more = match planned.len() - names.len() {
        0 => String::new(),
        n => format!(" and {n} more"),
    };
    let _ = writeln!(out, "{mark} {title}  {}{more}", names.join(", "));
}

/// What is left, and why, by reason.
fn left(out: &mut String, plan: &Plan, all: bool) {
    let skipped = plan.objects.iter().filter(|it| it.action == Action::Skip);
    let skipped = skipped.map(|it| (it.reason.as_ref().map(|it| it.text.clone()).unwrap_or_default(), it));
    for (reason, planned) in grouped(skipped) {
        match all {
            true => {
                for it in planned {
                    let _ = writeln!(out, "= {}  {}", it.to, why(it));
                }
            }
            false => {
                let examples: Vec<String> = planned.iter().take(NAMES).map(|it| it.to.to_string()).collect();
                let more = if planned.len() > NAMES { ", …" } else { "" };
                let _ = writeln!(out, "= {} left: {reason} ({}{more})", planned.len(), examples.join(", "));
            }
        }
    }
}

/// What else is to be known, by note.
fn noted(out: &mut String, plan: &Plan) {
    let notes = plan
        .objects
        .iter()
        .filter(|it| it.writes())
        .flat_map(|it| it.notes.iter().map(move |note| (note.clone(), it)));
    for (note, planned) in grouped(notes) {
        let examples: Vec<String> = planned.iter().take(NAMES).map(|it| it.to.to_string()).collect();
        let more = match planned.len().saturating_sub(NAMES) {
            0 => String::new(),
            n => format!(" and {n} more"),
        };
        let _ = writeln!(out, "  {}{more}: {note}", examples.join(", "));
    }
}

fn notes(out: &mut String, planned: &Planned) {
    for note in &planned.notes {
        let _ = writeln!(out, "    {note}");
    }
}

fn was(planned: &Planned) -> String {
    if planned.object == planned.to { String::new() } else { format!(" (was {})", planned.object) }
}

fn why(planned: &Planned) -> String {
    planned.reason.as_ref().map(ToString::to_string).unwrap_or_default()
}
