//! The drawings of a drill's page: no script, no file beside it. What a drawing shows stands in a table, too.

use super::length;
use crate::point::{Evidence, Objective, PhaseTime};
use std::fmt::Write;

/// A bar for each phase, from when it began to when it ended, with a mark where it should have ended. A mark that would lie beyond
/// the end of the last phase is left out: what there was is not to be drawn small for what might have been.
pub(super) fn phases(phases: &[PhaseTime]) -> String {
    let end = |phase: &PhaseTime| phase.after_ms.saturating_add(phase.took_ms);
    let whole = phases.iter().map(end).max().unwrap_or_default().max(1) as f64;
    let percent = |ms: u64| ms as f64 / whole * 100.0;
    // Whoever hears the page has the table.
    let mut out = "<div class=\"phases\" aria-hidden=\"true\">".to_owned();
    for phase in phases {
        let late = phase.objective_ms.is_some_and(|most| phase.took_ms > most) || !phase.done;
        let class = if late { "bar late" } else { "bar" };
        let (from, wide) = (percent(phase.after_ms), percent(phase.took_ms));
        let _ = write!(
            out,
            "<span>{}</span><span class=\"track\"><span class=\"{class}\" style=\"left:{from:.2}%;width:{wide:.2}%\"></span>",
            phase.phase
        );
        let mark = phase.objective_ms.map(|most| percent(phase.after_ms.saturating_add(most)));
        if let Some(mark) = mark.filter(|mark| *mark <= 100.0) {
            let _ = write!(out, "<span class=\"most\" style=\"left:{mark:.2}%\"></span>");
        }
        let _ = write!(out, "</span><span class=\"time\">{}</span>", length(phase.took_ms));
    }
    out.push_str("</div>");
    out
}

/// RPO and RTO of the drills until this one: a line each, with its objective.
pub(super) fn trends(it: &Evidence) -> String {
    let of = |pick: fn(&Evidence) -> Objective, earlier: fn(&crate::point::EarlierDrill) -> Objective| {
        let mut all: Vec<Objective> = it.earlier.iter().map(earlier).collect();
        all.push(pick(it));
        all
    };
    trend("RTO", &of(|it| it.rto, |it| it.rto)) + &trend("RPO", &of(|it| it.rpo, |it| it.rpo))
}

/// A line with a dot for each drill, the last of which is the newest.
pub(in super::super) fn trend(name: &str, values: &[Objective]) -> String {
    let measured: Vec<(usize, u64)> =
        values.iter().enumerate().filter_map(|(at, value)| Some((at, value.measured_ms?))).collect();
    if measured.is_empty() {
        return String::new();
    }
    let last = values.last().copied().unwrap_or_default();
    let highest =
        measured.iter().map(|(_, ms)| *ms).chain(last.objective_ms).max().unwrap_or_default().max(1) as f64;
    let (width, height, edge) = (340.0, 96.0, 6.0);
    let step = (width - 2.0 * edge) / (values.len().max(2) - 1) as f64;
    let place = |at: usize, ms: u64| {
        (edge + at as f64 * step, edge + (height - 2.0 * edge) * (1.0 - ms as f64 / highest))
    };
    let now = last.measured_ms.map_or_else(|| "not measured".to_owned(), length);
    let most = last.objective_ms.map(|most| format!("; dashed: at most {}", length(most)));
    let mut out = format!(
        "<figure><figcaption>{name}: {now}{}</figcaption><svg class=\"trend\" viewBox=\"0 0 {width} {height}\" role=\"img\" \
         aria-label=\"{name} of the drills until this one\">",
        most.unwrap_or_default()
    );
    let _ = write!(
        out,
        "<line class=\"floor\" x1=\"0\" x2=\"{width}\" y1=\"{0:.1}\" y2=\"{0:.1}\"/>",
        height - edge
    );
    if let Some(most) = last.objective_ms {
        let (_, y) = place(0, most);
        let _ = write!(out, "<line class=\"mark\" x1=\"0\" x2=\"{width}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>");
    }
    let points: Vec<String> = measured
        .iter()
        .map(|(at, ms)| {
            let (x, y) = place(*at, *ms);
            format!("{x:.1},{y:.1}")
        })
        .collect();
    let _ = write!(out, "<polyline class=\"line\" points=\"{}\"/>", points.join(" "));
    for (at, ms) in &measured {
        let (x, y) = place(*at, *ms);
        let missed = values.get(*at).is_some_and(Objective::missed);
        let class = if missed { "dot late" } else { "dot" };
        let _ = write!(out, "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\"/>");
    }
    out.push_str("</svg></figure>");
    out
}
