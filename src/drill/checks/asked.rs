//! What the drill's file asks of the objects: how many there are, what is in one of them, what is true of all.

use super::{Check, Results};
use crate::{
    object::{Expression, Identity, LabelSelector, TypeName, resolve},
    source::kube::ExportedObject,
};
use serde_json::Value;
use std::{collections::HashMap, time::Duration};

/// A check of the drill's file.
#[derive(Debug, Clone)]
pub struct Ask {
    /// Its name.
    pub name: String,
    /// What is asked.
    pub asked: Asked,
}

/// What is asked.
#[derive(Debug, Clone)]
pub enum Asked {
    /// How many objects there are.
    Count {
        /// The type, as for kubectl.
        kind: String,
        /// Only in this namespace.
        namespace: Option<String>,
        /// Only with fitting labels.
        labels: Option<LabelSelector>,
        /// How many there should be.
        bound: Bound,
    },
    /// What is true of each object, of which there is one at least.
    Each {
        /// The type, as for kubectl.
        kind: String,
        /// Only in this namespace.
        namespace: Option<String>,
        /// Only with fitting labels.
        labels: Option<LabelSelector>,
        /// About `object`.
        expression: Expression,
    },
    /// What is true of all of them together.
    List {
        /// The type, as for kubectl.
        kind: String,
        /// Only in this namespace.
        namespace: Option<String>,
        /// Only with fitting labels.
        labels: Option<LabelSelector>,
        /// About `objects`.
        expression: Expression,
    },
    /// What is in one object.
    Object {
        /// The type, as for kubectl.
        kind: String,
        /// Its namespace.
        namespace: Option<String>,
        /// Its name.
        name: String,
        /// A JSON pointer (RFC 6901).
        path: String,
        /// What should be there; with none, that something is there.
        equals: Option<Value>,
        /// For no value: that something is there, or nothing.
        exists: bool,
    },
}

/// How many there should be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bound {
    /// No fewer.
    pub at_least: Option<u64>,
    /// No more.
    pub at_most: Option<u64>,
}

impl Bound {
    fn holds(self, n: u64) -> bool {
        self.at_least.is_none_or(|least| n >= least) && self.at_most.is_none_or(|most| n <= most)
    }

    fn told(self) -> String {
        match (self.at_least, self.at_most) {
            (Some(least), Some(most)) if least == most => format!("exactly {least}"),
            (Some(least), Some(most)) => format!("{least} to {most}"),
            (Some(least), None) => format!("at least {least}"),
            (None, Some(most)) => format!("at most {most}"),
            (None, None) => "any number".to_owned(),
        }
    }
}

/// Objects of which an expression speaks together: more than these bytes are not kept.
const TOGETHER: usize = 64 << 20;

/// What was seen for one of them.
#[derive(Debug, Clone, Default)]
struct Seen {
    count: u64,
    /// What the object holds there, if it was seen.
    value: Option<Option<Value>>,
    /// The objects of which an expression is not true, and why not.
    wrong: Vec<(String, String)>,
    /// The objects of which an expression speaks together, and their bytes.
    all: Vec<Value>,
    bytes: usize,
}

impl Asked {
    fn kind(&self) -> (&str, Option<&str>, Option<&LabelSelector>) {
        match self {
            Asked::Count { kind, namespace, labels, .. }
            | Asked::Each { kind, namespace, labels, .. }
            | Asked::List { kind, namespace, labels, .. } => (kind, namespace.as_deref(), labels.as_ref()),
            Asked::Object { kind, namespace, .. } => (kind, namespace.as_deref(), None),
        }
    }
}

impl Seen {
    fn see(&mut self, asked: &Asked, object: &ExportedObject, value: Value) {
        self.count += 1;
        match asked {
            Asked::Count { .. } => {}
            Asked::Object { path, .. } => self.value = Some(value.pointer(path).cloned()),
            Asked::Each { expression, .. } => {
                let why = match expression.holds("object", &value) {
                    Ok(true) => return,
                    Ok(false) => "it is not true".to_owned(),
                    Err(e) => e.to_string(),
                };
                let of = TypeName::new(&object.resource.group, &object.resource.resource);
                let name = Identity::new(of, object.namespace.as_deref(), &object.name);
                self.wrong.push((name.to_string(), why));
            }
            Asked::List { .. } => {
                self.bytes += object.len() as usize;
                if self.bytes <= TOGETHER {
                    self.all.push(value);
                }
            }
        }
    }
}

pub(super) struct Watch {
    asks: Vec<Ask>,
    seen: Vec<Seen>,
    /// Whether a type is meant by an ask.
    meant: HashMap<(usize, TypeName), bool>,
}

impl Watch {
    pub(super) fn new(asks: &[Ask]) -> Self {
        Watch { asks: asks.to_vec(), seen: vec![Seen::default(); asks.len()], meant: HashMap::new() }
    }

    pub(super) fn clear(&mut self) {
        self.seen = vec![Seen::default(); self.asks.len()];
    }

    pub(super) fn see(&mut self, object: &ExportedObject) {
        if self.asks.is_empty() {
            return;
        }
        let kind = TypeName::new(&object.resource.group, &object.resource.resource);
        for (at, (ask, seen)) in self.asks.iter().zip(&mut self.seen).enumerate() {
            let (name, namespace, labels) = ask.asked.kind();
            let meant = self.meant.entry((at, kind.clone()));
            let meant = *meant.or_insert_with(|| resolve(name, std::slice::from_ref(&kind)).is_ok());
            let here = namespace.is_none_or(|wanted| Some(wanted) == object.namespace.as_deref());
            let named = !matches!(&ask.asked, Asked::Object { name, .. } if *name != object.name);
            if !(meant && here && named) {
                continue;
            }
            let plain = matches!(&ask.asked, Asked::Count { labels: None, .. });
            let value = if plain { Ok(Value::Null) } else { serde_json::from_slice(&object.to_vec()) };
            let value = value.unwrap_or_default();
            if labels.is_none_or(|labels| labels.matches(&value)) {
                seen.see(&ask.asked, object, value);
            }
        }
    }

    pub(super) fn end(&mut self, results: &mut Results) {
        for (ask, mut seen) in self.asks.iter().zip(std::mem::take(&mut self.seen)) {
            let mut wrong = std::mem::take(&mut seen.wrong);
            let (expected, actual, holds) = match &ask.asked {
                Asked::Count { kind, bound, .. } => {
                    let expected = format!("{} of {kind}", bound.told());
                    (expected, format!("there are {}", seen.count), bound.holds(seen.count))
                }
                Asked::Object { path, equals, exists, .. } => judge(path, equals.as_ref(), *exists, &seen),
                Asked::Each { kind, expression, .. } => {
                    let expected = format!("of each of {kind}: {expression}");
                    let right = seen.count - wrong.len() as u64;
                    let actual = format!("of {} objects it is true of {right}", seen.count);
                    (expected, actual, seen.count > 0 && wrong.is_empty())
                }
                Asked::List { kind, expression, .. } => {
                    let (actual, why) = together(expression, &seen);
                    let holds = why.is_none();
                    wrong.extend(why.map(|why| (kind.clone(), why)));
                    (format!("of all {kind} together: {expression}"), actual, holds)
                }
            };
            let mut check = Check::new(&ask.name, expected);
            if !holds {
                check.group(format!("it does not hold: {actual}"), wrong.len() as u64, None, wrong);
            }
            results.end(check, actual, Duration::ZERO);
        }
    }
}

/// What is said of objects together, and why it does not hold, if it does not. The reason may tell of what is in them.
fn together(expression: &Expression, seen: &Seen) -> (String, Option<String>) {
    if seen.bytes > TOGETHER {
        let text = format!("the {} objects are too large to be looked at together", seen.count);
        return (text.clone(), Some(text));
    }
    let (word, why) = match expression.holds("objects", &Value::Array(seen.all.clone())) {
        Ok(true) => ("it is true", None),
        Ok(false) => ("it is not true", Some("it is not true".to_owned())),
        Err(e) => ("it has no answer", Some(e.to_string())),
    };
    (format!("{word} of these {} objects", seen.count), why)
}

/// The values are not told: they may be somebody's.
fn judge(path: &str, equals: Option<&Value>, exists: bool, seen: &Seen) -> (String, String, bool) {
    let expected = match (equals, exists) {
        (Some(_), _) => format!("{path} holds the value that the drill's file names"),
        (None, true) => format!("{path} is there"),
        (None, false) => format!("{path} is not there"),
    };
    let (actual, holds) = match (&seen.value, equals) {
        (_, _) if seen.count > 1 => {
            ("several objects are meant: name the type with its group, and the namespace", false)
        }
        (None, _) => ("the object is not there", false),
        (Some(None), None) => ("it is not there", !exists),
        (Some(None), Some(_)) => ("it is not there", false),
        (Some(Some(_)), None) => ("it is there", exists),
        (Some(Some(found)), Some(wanted)) if found == wanted => ("it does", true),
        (Some(Some(_)), Some(_)) => ("it holds another value", false),
    };
    (expected, actual.to_owned(), holds)
}
