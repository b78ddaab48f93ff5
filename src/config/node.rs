//! YAML text as a tree that keeps what serde's data model would lose: every key, its order, duplicates.
//!
//! The YAML library knows where an error is, not where a value is. So places are asked for only when there is
//! something to say: [`locate`] walks the text a second time to the value in question, raises an error there, and
//! takes the place from that error. This needs nothing but the library's documented behaviour.

use super::error::Problem;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error as _, IgnoredAny, MapAccess, SeqAccess, VariantAccess,
    Visitor,
};
use std::cell::Cell;
use std::fmt;

/// More values than any such file has; aliases can multiply a small text into more.
const MOST_NODES: usize = 50_000;
/// More text than any such file has, for the same reason.
const MOST_BYTES: usize = 4 * super::MAX_BYTES;
const TOO_MANY: &str = "too many values for this file";

/// One YAML value. It has no `Debug`: it may hold a secret that was written here by mistake.
pub(super) enum Node {
    Null,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
    Tagged,
}

impl Node {
    pub(super) fn describe(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "true or false",
            Self::Int(_) | Self::Float(_) => "a number",
            Self::Text(_) => "text",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
            Self::Tagged => "a value with a YAML tag",
        }
    }
}

/// One step from a value to a part of it, by position: keys may be duplicates, or no text at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Item(usize),
    Key(usize),
    Entry(usize),
}

/// Reads the one document of `text`.
pub(super) fn parse(text: &str) -> Result<Node, Problem> {
    let (nodes, bytes) = (Cell::new(MOST_NODES), Cell::new(MOST_BYTES));
    let build = Build { nodes: &nodes, bytes: &bytes };
    build.deserialize(serde_yaml::Deserializer::from_str(text)).map_err(|error| syntax_problem(text, &error))
}

/// Line and column of the value or key that `steps` leads to.
pub(super) fn locate(text: &str, steps: &[Step]) -> (usize, usize) {
    let found = Find { steps }.deserialize(serde_yaml::Deserializer::from_str(text));
    place(found.err().as_ref())
}

fn place(error: Option<&serde_yaml::Error>) -> (usize, usize) {
    error.and_then(serde_yaml::Error::location).map_or((1, 1), |at| (at.line(), at.column()))
}

fn syntax_problem(text: &str, error: &serde_yaml::Error) -> Problem {
    let (mut line, mut column) = place(Some(error));
    let said = error.to_string();
    let message = if said.contains("more than one document") {
        let second = serde_yaml::Deserializer::from_str(text).nth(1);
        let stopped = second.and_then(|document| Find { steps: &[] }.deserialize(document).err());
        (line, column) = place(stopped.as_ref());
        "a second YAML document begins here; this file is one document: remove the `---`".to_owned()
    } else if said.contains("control characters") {
        (line, column) = first_control(text);
        "not valid YAML: there is a control character here, perhaps invisible; remove it".to_owned()
    } else {
        let here = text.lines().nth(line.saturating_sub(1)).unwrap_or_default();
        let rest: String = here.chars().skip(column.saturating_sub(1)).collect();
        syntax_message(&said, here, &rest)
    };
    Problem { line, column, path: String::new(), message }
}

/// The library gives no place for what its reader refuses.
fn first_control(text: &str) -> (usize, usize) {
    let bad = |c: char| {
        let allowed = c == '\t' || c == '\n' || c == '\r' || c == '\u{85}';
        (c.is_control() && !allowed) || matches!(c, '\u{feff}' | '\u{fffe}' | '\u{ffff}')
    };
    let before = text.find(bad).and_then(|at| text.get(..at)).unwrap_or_default();
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (before.matches('\n').count() + 1, column)
}

fn syntax_message(said: &str, here: &str, rest: &str) -> String {
    let indent = here.len() - here.trim_start().len();
    if rest.starts_with('\t') || here[..indent].contains('\t') {
        return "YAML does not allow tabs here: indent with spaces".to_owned();
    }
    if rest.starts_with('*') || said.contains("scanning an alias") || said.contains("unknown anchor") {
        return "text that begins with `*` must be in quotes, such as \"*.apps\" (without, it is a YAML alias)".into();
    }
    if let Some(first) = rest.chars().next().filter(|c| matches!(c, '@' | '`' | '%')) {
        return format!("text that begins with `{first}` must be in quotes");
    }
    // What did not come from the scanner may repeat keys and values, so it is said in our words.
    for (mark, message) in [
        ("invalid value: ", "the value does not fit its YAML tag; remove the tag"),
        ("invalid type: ", "the value does not fit its YAML tag; remove the tag"),
        ("nested enum", "YAML tags are not used in this file; remove the tag"),
        (TOO_MANY, TOO_MANY),
        ("repetition limit", TOO_MANY),
        ("recursion limit", "values are nested too deeply"),
    ] {
        if said.contains(mark) {
            return message.to_owned();
        }
    }
    let what = said.split(" at line ").next().unwrap_or(said).split(" at position ").next().unwrap_or(said);
    let help = if said.contains("while scanning a tag") {
        "; text that begins with `!` must be in quotes"
    } else if what.contains("mapping values are not allowed") {
        "; check the indentation, and put text that contains `: ` in quotes"
    } else if what.contains("did not find expected") {
        "; check the indentation, the brackets and the quotes before this place"
    } else if what.contains("end of stream") {
        "; a quote or a bracket before this place is not closed"
    } else {
        ""
    };
    format!("not valid YAML: {what}{help}")
}

#[derive(Clone, Copy)]
struct Build<'a> {
    nodes: &'a Cell<usize>,
    bytes: &'a Cell<usize>,
}

/// Takes from what may still be read.
fn spend<E: serde::de::Error>(left: &Cell<usize>, cost: usize) -> Result<(), E> {
    left.set(left.get().checked_sub(cost).ok_or_else(|| E::custom(TOO_MANY))?);
    Ok(())
}

impl<'de> DeserializeSeed<'de> for Build<'_> {
    type Value = Node;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        spend(self.nodes, 1)?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Build<'_> {
    type Value = Node;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }
    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }
    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Bool(value))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Int(value.into()))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Int(value.into()))
    }
    fn visit_u128<E>(self, value: u128) -> Result<Node, E> {
        Ok(i128::try_from(value).map_or(Node::Float(value as f64), Node::Int))
    }
    fn visit_i128<E>(self, value: i128) -> Result<Node, E> {
        Ok(Node::Int(value))
    }
    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Float(value))
    }
    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Node, E> {
        spend(self.bytes, value.len())?;
        Ok(Node::Text(value.to_owned()))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(self)? {
            items.push(item);
        }
        Ok(Node::List(items))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry_seed(self, self)? {
            entries.push(entry);
        }
        Ok(Node::Map(entries))
    }
    fn visit_enum<A: EnumAccess<'de>>(self, data: A) -> Result<Node, A::Error> {
        let (IgnoredAny, variant) = data.variant()?;
        variant.newtype_variant::<IgnoredAny>()?;
        Ok(Node::Tagged)
    }
}

/// Goes to a value and fails there.
#[derive(Clone, Copy)]
struct Find<'a> {
    steps: &'a [Step],
}

impl<'de> DeserializeSeed<'de> for Find<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

// Every visit method that is not here fails by default, and so marks the place.
impl<'de> Visitor<'de> for Find<'_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this place")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        if let Some((Step::Item(index), rest)) = self.steps.split_first() {
            for _ in 0..*index {
                seq.next_element::<IgnoredAny>()?;
            }
            seq.next_element_seed(Find { steps: rest })?;
        }
        Err(A::Error::custom("here"))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        if let Some((&(Step::Key(index) | Step::Entry(index)), rest)) = self.steps.split_first() {
            for _ in 0..index {
                map.next_entry::<IgnoredAny, IgnoredAny>()?;
            }
            if matches!(self.steps.first(), Some(Step::Key(_))) {
                map.next_key_seed(Find { steps: &[] })?;
            } else if map.next_key::<IgnoredAny>()?.is_some() {
                map.next_value_seed(Find { steps: rest })?;
            }
        }
        Err(A::Error::custom("here"))
    }
}
