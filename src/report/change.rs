use crate::{
    compare::{Became, Change, Notes, Side, Summary},
    object::{FieldChange, TypeName, plain},
};
use serde_json::Value;
use std::{collections::BTreeMap, fmt::Write};

/// A value on one line is cut behind so many characters, one of many lines behind so many lines.
const CHARACTERS: usize = 100;
const LINES: usize = 12;

/// The name of a side, with its time.
pub fn side(side: &Side) -> String {
    let name = match (&side.point, &side.live) {
        (Some(point), _) => point.to_string(),
        (None, Some(server)) => format!("the live cluster {server}"),
        (None, None) => "nothing".to_owned(),
    };
    format!("{name} ({:.0})", side.at)
}

/// An object that is not as it was: a line, and below it what it means and what differs.
pub fn change(change: &Change) -> String {
    let mark = match change.became {
        Became::Added => '+',
        Became::Removed => '-',
        Became::Changed => '~',
        Became::Recreated => '±',
    };
    let place = change.namespace.as_ref().map(|namespace| format!("{namespace}/")).unwrap_or_default();
    let mut out = format!("{mark} {} {}", change.kind, plain(&format!("{place}{}", change.name)));
    if change.became == Became::Recreated {
        out.push_str("  removed and made again");
    }
    if let Some(by) = &change.by {
        let _ = write!(out, "  by {} at {}", plain(&by.manager), by.time);
    }
    out.push('\n');
    for said in &change.says {
        let mark = if said.danger.is_empty() { ' ' } else { '!' };
        let _ = writeln!(out, "  {mark} {}", plain(&said.text));
        for why in &said.danger {
            let _ = writeln!(out, "      {why}");
        }
    }
    for field in &change.fields {
        out.push_str(&one_field(field));
    }
    out
}

/// A field that differs, on a line or a few.
pub(super) fn one_field(change: &FieldChange) -> String {
    let path = plain(&change.path.to_string());
    if let (Some(Value::String(old)), Some(Value::String(new))) = (&change.old, &change.new)
        && (old.contains('\n') || new.contains('\n'))
    {
        return format!("    {path}:\n{}", lines(old, new));
    }
    match (&change.old, &change.new) {
        (None, new) => format!("    {path}: + {}\n", value(new.as_ref(), 0)),
        (old, None) => format!("    {path}: - {}\n", value(old.as_ref(), 0)),
        (Some(old), Some(new)) => {
            let (old, new) = (old.to_string(), new.to_string());
            let same = old.chars().zip(new.chars()).take_while(|(a, b)| a == b).count();
            // Of long values that begin alike the beginning says nothing.
            let from = if same > CHARACTERS / 2 { same - 20 } else { 0 };
            format!("    {path}: {} -> {}\n", cut(&old, from), cut(&new, from))
        }
    }
}

fn value(value: Option<&Value>, from: usize) -> String {
    value.map(|value| cut(&value.to_string(), from)).unwrap_or_default()
}

fn cut(text: &str, from: usize) -> String {
    let length = text.chars().count();
    let mut out = String::new();
    if from > 0 {
        out.push('…');
    }
    out.extend(text.chars().skip(from).take(CHARACTERS));
    if length > from + CHARACTERS {
        let _ = write!(out, "… ({length} characters)");
    }
    out
}

/// The lines that differ, between those that are the same at the beginning and at the end.
fn lines(old: &str, new: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let begin = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let left = old.len().min(new.len()) - begin;
    let end = old.iter().rev().zip(new.iter().rev()).take(left).take_while(|(a, b)| a == b).count();
    let mut out = String::new();
    for (mark, lines) in [('-', &old[begin..old.len() - end]), ('+', &new[begin..new.len() - end])] {
        for line in lines.iter().take(LINES) {
            let _ = writeln!(out, "      {mark} {}", cut(&plain(line), 0));
        }
        if lines.len() > LINES {
            let _ = writeln!(out, "      {mark} … ({} lines)", lines.len());
        }
    }
    if out.is_empty() {
        out.push_str("      only the ends of lines differ\n");
    }
    out
}

/// What cannot be said of a step, or should be known of it.
pub fn notes(notes: &Notes) -> String {
    let mut out = String::new();
    if !notes.same_cluster {
        out.push_str("Not the same cluster: the namespace kube-system has another UID.\n");
    }
    if !notes.same_scope {
        out.push_str(
            "Not exported alike: with other namespaces or labels; what one side left out looks added or removed.\n",
        );
    }
    // Which types are not whole for the same reason on the same sides is said in one line.
    let mut sides: BTreeMap<(&TypeName, &str), Vec<&str>> = BTreeMap::new();
    for it in &notes.not_compared {
        sides.entry((&it.kind, &it.reason)).or_default().push(it.side);
    }
    let mut types: BTreeMap<(&str, Vec<&str>), Vec<String>> = BTreeMap::new();
    for ((kind, reason), sides) in sides {
        types.entry((reason, sides)).or_default().push(kind.to_string());
    }
    for ((reason, sides), types) in types {
        let _ =
            writeln!(out, "Not compared ({}: {}): {}", sides.join(" and "), plain(reason), types.join(", "));
    }
    for it in &notes.versions {
        let _ = writeln!(out, "Read in another version: {it}");
    }
    out
}

/// How much differs, in one line.
pub fn summary(s: &Summary) -> String {
    if !s.differs() && s.only_noise == 0 {
        return format!("no differences; {} unchanged", s.unchanged);
    }
    let mut out = format!(
        "{} added, {} removed, {} changed, {} recreated; {} unchanged",
        s.added, s.removed, s.changed, s.recreated, s.unchanged
    );
    if s.only_noise > 0 {
        let _ = write!(out, ", {} differ only in what is not compared", s.only_noise);
    }
    if s.dangers > 0 {
        let _ = write!(out, "; marked with !: {}", s.dangers);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{compare::NotCompared, object::diff};
    use serde_json::json;

    fn shown(old: Value, new: Value) -> String {
        let change = Change {
            became: Became::Changed,
            kind: TypeName::new("", "configmaps"),
            namespace: Some("shop".into()),
            name: "a\u{1b}[2J".into(),
            uid_before: None,
            uid_after: None,
            by: None,
            fields: diff(&old, &new),
            says: Vec::new(),
        };
        super::change(&change)
    }

    #[test]
    fn types_that_lack_for_the_same_reason_share_a_line() {
        let lacks = |kind: &str, side: &'static str, reason: &str| NotCompared {
            kind: TypeName::new("", kind),
            side,
            reason: reason.into(),
        };
        let not_compared = vec![
            lacks("nodes", "before", "left out"),
            lacks("nodes", "after", "left out"),
            lacks("pods", "before", "left out"),
            lacks("pods", "after", "left out"),
            lacks("secrets", "after", "refused"),
        ];
        let told = notes(&Notes {
            not_compared,
            versions: vec!["a: v1 -> v2".into()],
            same_cluster: false,
            same_scope: false,
        });
        let wanted = "Not the same cluster: the namespace kube-system has another UID.\n\
                      Not exported alike: with other namespaces or labels; what one side left out looks added or removed.\n\
                      Not compared (before and after: left out): nodes, pods\n\
                      Not compared (after: refused): secrets\n\
                      Read in another version: a: v1 -> v2\n";
        assert_eq!(told, wanted);
    }

    #[test]
    fn long_values_show_where_they_differ() {
        let text = |middle: &str| json!({"data": {"f": format!("a\nb\n{middle}\nc\n")}});
        let head = "~ configmaps shop/a\\u{1b}[2J\n";
        assert_eq!(
            shown(text("x"), text("y\nz")),
            format!("{head}    data.f:\n      - x\n      + y\n      + z\n")
        );
        let long = |end: &str| json!({"l": format!("{}{end}", "x".repeat(200))});
        let tail = "x".repeat(20);
        assert_eq!(shown(long("1"), long("2")), format!("{head}    l: …{tail}1\" -> …{tail}2\"\n"));
        assert_eq!(shown(json!({}), json!({"a": 1})), format!("{head}    a: + 1\n"));
        assert_eq!(
            shown(json!({"a": "x\n"}), json!({"a": "x"})),
            format!("{head}    a:\n      only the ends of lines differ\n")
        );
        let all = json!({"a": "é".repeat(300)});
        assert!(shown(json!({"a": 1}), all).contains("… (302 characters)"));
    }
}
