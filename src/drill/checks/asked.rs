//! What the drill's file asks of the objects: how many there are, what is in one of them.

use super::{Check, Results};
use crate::{
    object::{LabelSelector, TypeName, resolve},
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

/// What was seen for one of them.
#[derive(Debug, Clone, Default)]
struct Seen {
    count: u64,
    /// What the object holds there, if it was seen.
    value: Option<Option<Value>>,
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
            let (Asked::Count { kind: name, namespace, .. } | Asked::Object { kind: name, namespace, .. }) =
                &ask.asked;
            let meant = self.meant.entry((at, kind.clone()));
            let meant = *meant.or_insert_with(|| resolve(name, std::slice::from_ref(&kind)).is_ok());
            if !meant
                || namespace.as_deref().is_some_and(|wanted| Some(wanted) != object.namespace.as_deref())
            {
                continue;
            }
            match &ask.asked {
                Asked::Count { labels: None, .. } => seen.count += 1,
                Asked::Count { labels: Some(labels), .. } => {
                    let value: Value = serde_json::from_slice(&object.to_vec()).unwrap_or_default();
                    seen.count += u64::from(labels.matches(&value));
                }
                Asked::Object { name, path, .. } if *name == object.name => {
                    let value: Value = serde_json::from_slice(&object.to_vec()).unwrap_or_default();
                    seen.count += 1;
                    seen.value = Some(value.pointer(path).cloned());
                }
                Asked::Object { .. } => {}
            }
        }
    }

    pub(super) fn end(&mut self, results: &mut Results) {
        for (ask, seen) in self.asks.iter().zip(&self.seen) {
            let (expected, actual, holds) = match &ask.asked {
                Asked::Count { kind, bound, .. } => {
                    let expected = format!("{} of {kind}", bound.told());
                    (expected, format!("there are {}", seen.count), bound.holds(seen.count))
                }
                Asked::Object { path, equals, exists, .. } => judge(path, equals.as_ref(), *exists, seen),
            };
            let mut check = Check::new(&ask.name, expected);
            if !holds {
                check.found(format!("it does not hold: {actual}"), 0);
            }
            results.end(check, actual, Duration::ZERO);
        }
    }
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
