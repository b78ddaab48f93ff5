//! The fields of a mapping: what is there, what is missing, what nobody knows.

use super::decode::{Cursor, Decode};
use super::error::plain;
use super::node::{Node, Step};
use std::collections::BTreeSet;

/// The fields of one mapping. [`Fields::finish`] reports those that nobody asked for.
pub(super) struct Fields<'a> {
    at: Cursor<'a>,
    entries: &'a [(Node, Node)],
    known: Vec<&'static str>,
    missing: Vec<(&'static str, String)>,
}

impl<'a> Fields<'a> {
    pub(super) fn new(at: &Cursor<'a>, entries: &'a [(Node, Node)]) -> Self {
        Self { at: at.clone(), entries, known: Vec::new(), missing: Vec::new() }
    }

    /// The field's value, if it is there; an empty value counts as absent.
    pub(super) fn get(&mut self, name: &'static str) -> Option<Cursor<'a>> {
        self.known.push(name);
        self.at.entry(name)
    }

    /// Outer `None`: it is there and wrong. Inner `None`: it is absent.
    pub(super) fn optional<T: Decode>(&mut self, name: &'static str) -> Option<Option<T>> {
        match self.get(name) {
            Some(at) => T::decode(&at).map(Some),
            None => Some(None),
        }
    }

    pub(super) fn required<T: Decode>(&mut self, name: &'static str, hint: &str) -> Option<T> {
        if let Some(at) = self.get(name) {
            return T::decode(&at);
        }
        self.missing.push((name, format!("missing; {hint}")));
        None
    }

    /// A field that cannot be absent and is read by somebody else.
    pub(super) fn required_at(&mut self, name: &'static str, hint: &str) -> Option<Cursor<'a>> {
        let found = self.get(name);
        if found.is_none() {
            self.missing.push((name, format!("missing; {hint}")));
        }
        found
    }

    pub(super) fn or<T: Decode>(&mut self, name: &'static str, default: T) -> Option<T> {
        self.optional(name).map(|value| value.unwrap_or(default))
    }

    pub(super) fn number(&mut self, name: &'static str, least: u32, most: u32, default: u32) -> Option<u32> {
        match self.get(name) {
            Some(at) => at.number(least, most),
            None => Some(default),
        }
    }

    /// Reports unknown, repeated and missing fields. A missing one that was only misspelt is reported once.
    pub(super) fn finish(mut self) {
        let mut seen = BTreeSet::new();
        let known = std::mem::take(&mut self.known);
        for (index, (key, _)) in self.entries.iter().enumerate() {
            let mut steps = self.at.steps.clone();
            steps.push(Step::Key(index));
            let (name, message) = match key {
                Node::Text(name) if !seen.insert(name.as_str()) => {
                    (name.as_str(), "given twice; keep one".to_owned())
                }
                Node::Text(name) if known.contains(&name.as_str()) => continue,
                Node::Text(name) => (name.as_str(), self.unknown(name, &known)),
                other => ("?", format!("a field's name must be text, found {}", other.describe())),
            };
            self.at.note(steps, self.at.child_path(&plain(name)), message);
        }
        for (name, message) in self.missing {
            self.at.note(self.at.steps.clone(), self.at.child_path(name), message);
        }
    }

    fn unknown(&mut self, name: &str, known: &[&'static str]) -> String {
        if name == "<<" {
            return "YAML merge keys are not supported; write the fields out".to_owned();
        }
        if let Some((_, rest)) = name.split_once(':')
            && !rest.starts_with(' ')
        {
            return "unknown field; a colon needs a space after it".to_owned();
        }
        match nearest(name, known) {
            Some(near) => {
                self.missing.retain(|(missing, _)| *missing != near);
                format!("unknown field; did you mean `{near}`?")
            }
            None => {
                let allowed: Vec<_> = known.iter().map(|name| format!("`{name}`")).collect();
                format!("unknown field; allowed here: {}", allowed.join(", "))
            }
        }
    }
}

/// The name that was probably meant.
pub(super) fn nearest<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    let flat = |text: &str| {
        text.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase()
    };
    let name = flat(&name.chars().take(64).collect::<String>());
    let scored =
        known.iter().map(|candidate| (strsim::damerau_levenshtein(&name, &flat(candidate)), *candidate));
    let (distance, best) = scored.min_by_key(|(distance, _)| *distance)?;
    let close = distance <= (best.len() / 3).max(1) && distance < best.len();
    (close || (name.len() > 3 && flat(best).starts_with(&name))).then_some(best)
}
