//! From the tree to typed values, gathering every mistake instead of stopping at the first.
//!
//! A decoder returns `None` when it has noted a problem in the [`Log`]; its callers go on with the other fields and
//! only then give up.

use super::error::{Problem, plain};
use super::fields::Fields;
use super::node::{Node, Step, locate};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

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
    pub(super) steps: Vec<Step>,
    path: String,
    log: &'a Log<'a>,
}

/// An entry of a mapping.
pub(super) struct Entry<'a> {
    pub(super) name: &'a str,
    pub(super) key: Cursor<'a>,
    pub(super) value: Cursor<'a>,
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

    pub(super) fn note(&self, steps: Vec<Step>, path: String, message: String) {
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

    pub(super) fn child_path(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// The entries of a mapping whose names are not known beforehand. `None` where it is none of texts, or one is given twice.
    pub(super) fn named(&self, wanted: &str) -> Option<Vec<Entry<'a>>> {
        let Node::Map(entries) = self.node else { return self.wrong_type(wanted) };
        let mut seen = BTreeSet::new();
        let entry = |(index, (key, value)): (usize, &'a (Node, Node))| {
            let Node::Text(name) = key else {
                let found = key.describe();
                return self
                    .key_at(index, "?", key)
                    .fail(format!("a name must be text, found {found}: put it in quotes"));
            };
            let path = plain(name);
            let key = self.key_at(index, &path, key);
            if !seen.insert(name) {
                return key.fail("given twice; keep one");
            }
            Some(Entry { name, key, value: self.entry_at(index, &path, value) })
        };
        let entries: Vec<Option<Entry<'a>>> = entries.iter().enumerate().map(entry).collect();
        entries.into_iter().collect()
    }

    /// A mapping of names that are not known beforehand, each with a value of one kind. All mistakes are noted.
    pub(super) fn map<T: Decode>(&self, wanted: &str) -> Option<BTreeMap<String, T>> {
        let read = self.named(wanted)?;
        let read = read.iter().map(|entry| Some((entry.name.to_owned(), T::decode(&entry.value)?)));
        let read: Vec<Option<_>> = read.collect();
        read.into_iter().collect()
    }

    fn key_at(&self, index: usize, name: &str, node: &'a Node) -> Cursor<'a> {
        let mut key = self.entry_at(index, name, node);
        key.steps.pop();
        key.steps.push(Step::Key(index));
        key
    }

    fn entry_at(&self, index: usize, name: &str, node: &'a Node) -> Cursor<'a> {
        let mut entry = Cursor { node, ..self.clone() };
        entry.steps.push(Step::Entry(index));
        entry.path = self.child_path(name);
        entry
    }

    /// The value of a field that is there and not empty.
    pub(super) fn entry(&self, name: &str) -> Option<Cursor<'a>> {
        self.given(name).filter(|value| !matches!(value.node, Node::Null))
    }

    /// The value of a field that is there.
    pub(super) fn given(&self, name: &str) -> Option<Cursor<'a>> {
        let Node::Map(entries) = self.node else { return None };
        let index = entries.iter().position(|(key, _)| matches!(key, Node::Text(text) if text == name))?;
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
            Node::Int(_) | Node::Float(_) | Node::Bool(_) => self.fail(format!(
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
