//! The drawings of a drill's page, as SVG: no script, no file beside it. What a drawing shows stands in a table, too.

use super::length;
use crate::point::{Evidence, Objective, PhaseTime};
use std::fmt::Write;

const WIDTH: f64 = 720.0;
/// Room for the names at the left, and for the times at the right.
const NAMES: f64 = 130.0;
const TIMES: f64 = 90.0;
const ROW: f64 = 26.0;

/// A bar for each phase, from when it began to when it ended, with a mark where it should have ended.
pub(super) fn phases(phases: &[PhaseTime]) -> String {
    let end = |phase: &PhaseTime| phase.after_ms + phase.took_ms.max(phase.objective_ms.unwrap_or_default());
    let whole = phases.iter().map(end).max().unwrap_or_default().max(1) as f64;
    let scale = (WIDTH - NAMES - TIMES) / whole;
    let height = ROW * phases.len() as f64 + 8.0;
    let mut out = format!(
        "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-labelledby=\"phases-title\"><title id=\"phases-title\">How long each \
         phase took</title>"
    );
    for (at, phase) in phases.iter().enumerate() {
        let y = ROW * at as f64 + 4.0;
        let x = NAMES + phase.after_ms as f64 * scale;
        let width = (phase.took_ms as f64 * scale).max(2.0);
        let late = phase.objective_ms.is_some_and(|most| phase.took_ms > most) || !phase.done;
        let class = if late { "bar late" } else { "bar" };
        let _ = write!(
            out,
            "<text x=\"0\" y=\"{:.1}\">{}</text><rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"18\" \
             rx=\"2\"/><text x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            y + 13.5,
            phase.phase,
            x + width + 6.0,
            y + 13.5,
            length(phase.took_ms),
        );
        if let Some(most) = phase.objective_ms {
            let mark = NAMES + (phase.after_ms + most) as f64 * scale;
            let _ = write!(
                out,
                "<line class=\"mark\" x1=\"{mark:.1}\" x2=\"{mark:.1}\" y1=\"{y:.1}\" y2=\"{:.1}\"/>",
                y + 18.0
            );
        }
    }
    out.push_str("</svg>");
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

fn trend(name: &str, values: &[Objective]) -> String {
    let measured: Vec<(usize, u64)> =
        values.iter().enumerate().filter_map(|(at, value)| Some((at, value.measured_ms?))).collect();
    let Some((_, last)) = measured.last() else { return String::new() };
    let objective = values.last().and_then(|value| value.objective_ms);
    let highest = measured.iter().map(|(_, ms)| *ms).chain(objective).max().unwrap_or_default().max(1) as f64;
    let (width, height, top) = (340.0, 110.0, 24.0);
    let step = (width - 20.0) / (values.len().max(2) - 1) as f64;
    let place = |at: usize, ms: u64| {
        (10.0 + at as f64 * step, top + (height - top - 8.0) * (1.0 - ms as f64 / highest))
    };
    let mut out = format!(
        "<svg class=\"trend\" viewBox=\"0 0 {width} {height}\" role=\"img\" aria-labelledby=\"trend-{name}\"><title id=\"trend-{name}\">{name} of \
         the drills until this one</title><text x=\"0\" y=\"12\">{name}: {}</text>",
        length(*last)
    );
    if let Some(most) = objective {
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
    out.push_str("</svg>");
    out
}
