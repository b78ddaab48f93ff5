//! Words and names of a playbook's file.

use super::super::decode::FromText;
use super::super::error::shown;
use super::super::fields::nearest;
use crate::playbook::model::{ApprovalTimeout, Expression, OnFailure, Phase, RunsOn};

/// A name of a playbook or a step: a label of DNS.
pub(super) struct Name(pub(super) String);

impl FromText for Name {
    fn from_text(text: &str) -> Result<Self, String> {
        let ends = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let inner = |c: char| ends(c) || c == '-';
        if text.len() <= 63 && text.starts_with(ends) && text.ends_with(ends) && text.chars().all(inner) {
            return Ok(Self(text.to_owned()));
        }
        let rule = "lower-case letters, digits and `-`, a letter or digit first and last, at most 63";
        Err(format!("{} cannot be a name here: {rule}", shown(text)))
    }
}

/// A name that expressions use.
pub(super) struct Variable(pub(super) String);

impl FromText for Variable {
    fn from_text(text: &str) -> Result<Self, String> {
        // Words of the language itself, such as `in`, are none.
        let reads = |text: &str| {
            let paths = Expression::parse(&format!("x.{text}")).map(|expression| expression.paths());
            paths.is_ok_and(|paths| paths == [["x", text]])
        };
        let usual = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if text.len() <= 63 && text.chars().all(usual) && reads(text) {
            return Ok(Self(text.to_owned()));
        }
        let rule = "letters, digits and `_`, no digit first, at most 63, and no word of CEL";
        let mut camel = String::new();
        for part in text.split('-').filter(|part| !part.is_empty()) {
            let (first, rest) = part.split_at(part.chars().next().map_or(0, char::len_utf8));
            let first = if camel.is_empty() { first.to_owned() } else { first.to_uppercase() };
            camel.extend([first.as_str(), rest]);
        }
        let better = match text.contains('-') && text.len() <= 63 && camel.chars().all(usual) && reads(&camel)
        {
            true => format!("; did you mean {}?", shown(&camel)),
            false => String::new(),
        };
        Err(format!("{} cannot be a name in expressions: {rule}{better}", shown(text)))
    }
}

/// One of these words.
pub(super) fn word<T: Copy>(text: &str, words: &[(&str, T)]) -> Result<T, String> {
    if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
        return Ok(*value);
    }
    let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    Err(unknown(text, &names))
}

/// That a text is none of these words.
pub(super) fn unknown(text: &str, names: &[&str]) -> String {
    match nearest(text, names) {
        Some(near) => format!("{} is unknown; did you mean `{near}`?", shown(text)),
        None => format!("{} is unknown: write {}", shown(text), either(names)),
    }
}

/// `a`, `b` or `c`.
pub(super) fn either(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.as_slice() {
        [before @ .., last] if !before.is_empty() => format!("{} or {last}", before.join(", ")),
        _ => quoted.concat(),
    }
}

pub(super) const PHASES: [(&str, Phase); 5] = [
    ("evidence", Phase::Evidence),
    ("containment", Phase::Containment),
    ("eradication", Phase::Eradication),
    ("recovery", Phase::Recovery),
    ("verification", Phase::Verification),
];

pub(super) const ON_FAILURE: [(&str, OnFailure); 3] =
    [("abort", OnFailure::Abort), ("continue", OnFailure::Continue), ("rollback", OnFailure::Rollback)];

impl FromText for Phase {
    fn from_text(text: &str) -> Result<Self, String> {
        word(text, &PHASES)
    }
}

impl FromText for OnFailure {
    fn from_text(text: &str) -> Result<Self, String> {
        word(text, &ON_FAILURE)
    }
}

impl FromText for RunsOn {
    fn from_text(text: &str) -> Result<Self, String> {
        word(text, &[("cluster", RunsOn::Cluster), ("host", RunsOn::Host)])
    }
}

impl FromText for ApprovalTimeout {
    fn from_text(text: &str) -> Result<Self, String> {
        word(text, &[("abort", ApprovalTimeout::Abort), ("skip", ApprovalTimeout::Skip)])
    }
}

/// Whether a step is taken back.
pub(super) struct Undo(pub(super) bool);

impl FromText for Undo {
    fn from_text(text: &str) -> Result<Self, String> {
        word(text, &[("auto", true), ("none", false)]).map(Self)
    }
}

/// What becomes of a second run.
pub(super) struct Forbid;

impl FromText for Forbid {
    fn from_text(text: &str) -> Result<Self, String> {
        word(text, &[("Forbid", ())]).map(|()| Self)
    }
}

/// What kind of file it is.
pub(super) struct IsPlaybook;

impl FromText for IsPlaybook {
    fn from_text(text: &str) -> Result<Self, String> {
        match text {
            "Playbook" => Ok(Self),
            _ => Err(format!("{} is not `Playbook`: this is another kind of file", shown(text))),
        }
    }
}
