//! From the tree to typed values, gathering every mistake instead of stopping at the first.
//!
//! A decoder returns `None` when it has noted a problem in the [`Log`]; its callers go on with the other fields and
//! only then give up.

use super::error::{Problem, plain};
use super::node::{Node, Step, locate};
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

/// More mistakes than anyone reads at once.
const MOST_PROBLEMS: usize = 30;
/// Each look into the text reads all of it; beyond this many, digits in text get the benefit of the doubt.
const MOST_LOOKS: u32 = 64;

struct Finding {
    steps: Vec<Step>,
    path: String,
    message: String,
}

/// The text being read, and what was found wrong in it.
pub(super) struct Log<'a> {
    text: &'a str,
    findings: RefCell<Vec<Finding>>,
    looks: Cell<u32>,
}

impl<'a> Log<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, findings: RefCell::default(), looks: Cell::new(MOST_LOOKS) }
    }

    pub(super) fn into_problems(self) -> Vec<Problem> {
        let mut findings = self.findings.into_inner();
        findings.truncate(MOST_PROBLEMS);
        let place = |finding: Finding| {
            let (line, column) = locate(self.text, &finding.steps);
            Problem { line, column, path: finding.path, message: finding.message }
        };
        let mut problems: Vec<_> = findings.into_iter().map(place).collect();
        problems.sort_by_key(|problem| (problem.line, problem.column));
        problems
    }
}

/// One value, and how it was reached.
#[derive(Clone)]
pub(super) struct Cursor<'a> {
    pub(super) node: &'a Node,
    steps: Vec<Step>,
    path: String,
    log: &'a Log<'a>,
}

/// What can be read from a place in the file.
pub(super) trait Decode: Sized {
    fn decode(at: &Cursor<'_>) -> Option<Self>;
}

/// A value that is written as text and has rules of its own. The error must not repeat a secret.
pub(super) trait FromText: Sized {
    fn from_text(text: &str) -> Result<Self, String>;
}

impl<'a> Cursor<'a> {
    pub(super) fn root(node: &'a Node, log: &'a Log<'a>) -> Self {
        Self { node, steps: Vec::new(), path: String::new(), log }
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Notes a problem with this value; always `None`, so that a decoder can end with it.
    pub(super) fn fail<T>(&self, message: impl Into<String>) -> Option<T> {
        self.note(self.steps.clone(), self.path.clone(), message.into());
        None
    }

    fn note(&self, steps: Vec<Step>, path: String, message: String) {
        self.log.findings.borrow_mut().push(Finding { steps, path, message });
    }

    pub(super) fn wrong_type<T>(&self, wanted: &str) -> Option<T> {
        self.fail(format!("expected {wanted}, found {}", self.node.describe()))
    }

    pub(super) fn items(&self) -> Vec<Cursor<'a>> {
        let Node::List(items) = self.node else { return Vec::new() };
        let child = |(index, node)| {
            let mut item = Cursor { node, ..self.clone() };
            item.steps.push(Step::Item(index));
            item.path = format!("{}[{index}]", self.path);
            item
        };
        items.iter().enumerate().map(child).collect()
    }

    fn child_path(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    fn entry_at(&self, index: usize, name: &str, node: &'a Node) -> Cursor<'a> {
        let mut entry = Cursor { node, ..self.clone() };
        entry.steps.push(Step::Entry(index));
        entry.path = self.child_path(name);
        entry
    }

    /// The value of a field that is there and not empty.
    pub(super) fn entry(&self, name: &str) -> Option<Cursor<'a>> {
        let Node::Map(entries) = self.node else { return None };
        let named = |(key, value): &(Node, Node)| {
            matches!(key, Node::Text(text) if text == name) && !matches!(value, Node::Null)
        };
        let index = entries.iter().position(named)?;
        Some(self.entry_at(index, name, &entries.get(index)?.1))
    }

    pub(super) fn fields(&self) -> Option<Fields<'a>> {
        match self.node {
            Node::Map(entries) => Some(Fields::new(self, entries)),
            Node::Text(_) => self
                .fail("expected fields, such as `name: value`, found text (a colon needs a space after it)"),
            _ => self.wrong_type("fields, such as `name: value`"),
        }
    }

    /// Text that is not empty and has no control characters.
    pub(super) fn text(&self) -> Option<&'a str> {
        match self.node {
            Node::Text(text) if text.trim().is_empty() => self.fail("must not be empty"),
            Node::Text(text) if text.chars().any(char::is_control) => {
                self.fail("must be one line, without control characters")
            }
            Node::Text(text) if text.trim() != text => self.fail("must not begin or end with a space"),
            Node::Text(text) if looks_like_number(text) && self.is_plain() => {
                self.fail("looks like a number, which many YAML readers would take it for: put it in quotes")
            }
            Node::Text(text) => Some(text),
            Node::Int(_) | Node::Float | Node::Bool(_) => self.fail(format!(
                "expected text, found {}: put it in quotes if it is meant as text",
                self.node.describe()
            )),
            _ => self.wrong_type("text"),
        }
    }

    /// Whether text that looks like a number stands there without quotes.
    fn is_plain(&self) -> bool {
        let Some(left) = self.log.looks.get().checked_sub(1) else { return false };
        self.log.looks.set(left);
        let (line, column) = locate(self.log.text, &self.steps);
        let line = self.log.text.lines().nth(line.saturating_sub(1)).unwrap_or_default();
        line.chars().nth(column.saturating_sub(1)).is_some_and(|c| c.is_ascii_digit() || "+-".contains(c))
    }

    /// A whole number within bounds.
    pub(super) fn number(&self, least: u32, most: u32) -> Option<u32> {
        let wanted = format!("a whole number from {least} to {most}");
        match self.node {
            Node::Int(value) => match u32::try_from(*value) {
                Ok(value) if (least..=most).contains(&value) => Some(value),
                _ => self.fail(format!("expected {wanted}, found {value}")),
            },
            Node::Text(text) if text.parse::<i128>().is_ok() => {
                self.fail(format!("expected {wanted}, found text: remove the quotes and leading zeros"))
            }
            _ => self.wrong_type(&wanted),
        }
    }
}

fn looks_like_number(text: &str) -> bool {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_')
}

/// The fields of one mapping. [`Fields::finish`] reports those that nobody asked for.
pub(super) struct Fields<'a> {
    at: Cursor<'a>,
    entries: &'a [(Node, Node)],
    known: Vec<&'static str>,
    later: Vec<&'static str>,
    missing: Vec<(&'static str, String)>,
}

impl<'a> Fields<'a> {
    fn new(at: &Cursor<'a>, entries: &'a [(Node, Node)]) -> Self {
        Self { at: at.clone(), entries, known: Vec::new(), later: Vec::new(), missing: Vec::new() }
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

    pub(super) fn or<T: Decode>(&mut self, name: &'static str, default: T) -> Option<T> {
        self.optional(name).map(|value| value.unwrap_or(default))
    }

    pub(super) fn number(&mut self, name: &'static str, least: u32, most: u32, default: u32) -> Option<u32> {
        match self.get(name) {
            Some(at) => at.number(least, most),
            None => Some(default),
        }
    }

    /// Names that a later version will know.
    pub(super) fn later(&mut self, names: &[&'static str]) {
        self.later.extend(names);
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
        if self.later.contains(&name) {
            return "this version of Lifeboat does not have this yet; remove it".to_owned();
        }
        if name == "<<" {
            return "YAML merge keys are not supported; write the fields out".to_owned();
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

fn nearest(name: &str, known: &[&'static str]) -> Option<&'static str> {
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

impl<T: FromText> Decode for T {
    fn decode(at: &Cursor<'_>) -> Option<Self> {
        T::from_text(at.text()?).map_or_else(|message| at.fail(message), Some)
    }
}

impl FromText for String {
    fn from_text(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }
}

impl Decode for bool {
    fn decode(at: &Cursor<'_>) -> Option<Self> {
        let instead =
            |value: &str| format!("expected true or false, found text: write `{value}`, without quotes");
        match at.node {
            Node::Bool(value) => Some(*value),
            Node::Text(text) => match text.to_ascii_lowercase().as_str() {
                "yes" | "y" | "on" | "true" => at.fail(instead("true")),
                "no" | "n" | "off" | "false" => at.fail(instead("false")),
                _ => at.wrong_type("true or false"),
            },
            _ => at.wrong_type("true or false"),
        }
    }
}

impl<T: Decode> Decode for Vec<T> {
    fn decode(at: &Cursor<'_>) -> Option<Self> {
        let Node::List(_) = at.node else {
            return at.wrong_type("a list, written `[a, b]` or with `- ` before each entry");
        };
        // All of them are decoded before any failure counts, so that every mistake is noted.
        let items: Vec<Option<T>> = at.items().iter().map(T::decode).collect();
        items.into_iter().collect()
    }
}
