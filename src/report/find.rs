use super::{bytes, table};
use crate::compare::{Found, Run, State};
use crate::object::plain;
use std::fmt::Write;

/// In which recovery points objects are, runs of points in which one is the same folded.
pub fn found(found: &Found) -> String {
    let mut out = String::new();
    for object in &found.objects {
        let place = object.namespace.as_ref().map(|namespace| format!("{namespace}/")).unwrap_or_default();
        let _ = writeln!(out, "{} {}", found.kind, plain(&format!("{place}{}", object.name)));
        let rows = object.runs.iter().map(|run| {
            let first = run.points.first().map(ToString::to_string).unwrap_or_default();
            let last = run.points.last().filter(|_| run.points.len() > 1).map(ToString::to_string);
            vec![
                format!("  {}", word(run)),
                first,
                last.unwrap_or_default(),
                run.points.len().to_string(),
                run.size.map(bytes).unwrap_or_default(),
                run.resource_version.clone().unwrap_or_default(),
                run.uid.clone().unwrap_or_default(),
            ]
        });
        out.push_str(&table(&["  ", "from", "to", "points", "size", "resource version", "uid"], rows));
        out.push_str("\n\n");
    }
    if found.objects.is_empty() {
        let _ = writeln!(out, "no such object in {} recovery points", found.searched.len());
    }
    for point in &found.not_searched {
        let _ = writeln!(out, "Not searched: {}: {}", point.id, plain(&point.reason));
    }
    if let Some((run, path)) = newest(found) {
        let id = run.points.last().map(ToString::to_string).unwrap_or_default();
        let _ = writeln!(out, "To get it: lifeboat extract {id} resources --object '{path}' -i IDENTITY");
    }
    out
}

fn word(run: &Run) -> &'static str {
    match run.state {
        State::Absent => "not there",
        State::Present => "there",
        State::Changed => "changed",
        State::Recreated => "recreated",
        State::Removed => "removed",
        State::Unknown => "unknown: its type was not exported whole",
    }
}

/// Where the only object that was found was last.
fn newest(found: &Found) -> Option<(&Run, &String)> {
    let [only] = found.objects.as_slice() else { return None };
    only.runs.iter().rev().find_map(|run| Some((run, run.path.as_ref()?)))
}
