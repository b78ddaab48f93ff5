//! In which fields two objects differ.
//!
//! Maps are compared field by field. A list of maps is compared element by element, and which element is which is told by
//! the field that Kubernetes itself merges such lists by (`x-kubernetes-patch-merge-key`, `x-kubernetes-list-map-keys` of
//! the API), where it has a different value in every element; else by their places. A list that holds anything else
//! (arguments, verbs, finalizers) is one value: what changed in it is seen best as a whole.

use super::{FieldPath, Step};
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::{BTreeSet, HashMap};

/// Fields that tell the elements of a list apart, in the order in which they are tried.
pub(super) const MERGE_KEYS: &[&str] =
    &["mountPath", "devicePath", "containerPort", "name", "key", "port", "ip", "topologyKey", "type", "uid"];

/// A field that differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FieldChange {
    /// The way to it.
    pub path: FieldPath,
    /// What was there; nothing if the field was not.
    #[serde(rename = "before", skip_serializing_if = "Option::is_none")]
    pub old: Option<Value>,
    /// What is there; nothing if the field is not.
    #[serde(rename = "after", skip_serializing_if = "Option::is_none")]
    pub new: Option<Value>,
}

/// Every field in which `old` and `new` differ, in the order of the paths' fields.
pub fn diff(old: &Value, new: &Value) -> Vec<FieldChange> {
    let mut walk = Walk { path: FieldPath::default(), found: Vec::new() };
    walk.values(Some(old), Some(new));
    walk.found
}

struct Walk {
    path: FieldPath,
    found: Vec<FieldChange>,
}

impl Walk {
    fn values(&mut self, old: Option<&Value>, new: Option<&Value>) {
        match (old, new) {
            (Some(Value::Object(old)), Some(Value::Object(new))) => self.maps(old, new),
            (Some(Value::Array(old)), Some(Value::Array(new))) if of_maps(old) && of_maps(new) => {
                self.lists(old, new);
            }
            (old, new) if old == new => {}
            (old, new) => {
                self.found.push(FieldChange {
                    path: self.path.clone(),
                    old: old.cloned(),
                    new: new.cloned(),
                });
            }
        }
    }

    fn step(&mut self, step: Step, old: Option<&Value>, new: Option<&Value>) {
        self.path.push(step);
        self.values(old, new);
        self.path.pop();
    }

    fn maps(&mut self, old: &Map<String, Value>, new: &Map<String, Value>) {
        let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
        for name in names {
            self.step(Step::Field(name.clone()), old.get(name), new.get(name));
        }
    }

    fn lists(&mut self, old: &[Value], new: &[Value]) {
        match MERGE_KEYS.iter().find_map(|key| Some((*key, by_key(old, key)?, by_key(new, key)?))) {
            Some((key, old, new)) => self.keyed(key, &old, &new),
            None => {
                for at in 0..old.len().max(new.len()) {
                    self.step(Step::Index(at), old.get(at), new.get(at));
                }
            }
        }
    }

    fn keyed(&mut self, key: &'static str, old: &[(String, &Value)], new: &[(String, &Value)]) {
        let of_old: HashMap<&String, &Value> = old.iter().map(|(name, value)| (name, *value)).collect();
        let of_new: HashMap<&String, &Value> = new.iter().map(|(name, value)| (name, *value)).collect();
        for (name, value) in old {
            self.step(Step::Item { key, value: name.clone() }, Some(*value), of_new.get(name).copied());
        }
        for (name, value) in new.iter().filter(|(name, _)| !of_old.contains_key(name)) {
            self.step(Step::Item { key, value: name.clone() }, None, Some(*value));
        }
        // What is new stands at the end, unless the list says otherwise.
        let stayed = old.iter().map(|(name, _)| name).filter(|name| of_new.contains_key(name));
        let came = new.iter().map(|(name, _)| name).filter(|name| !of_old.contains_key(name));
        if !stayed.chain(came).eq(new.iter().map(|(name, _)| name)) {
            let order =
                |list: &[(String, &Value)]| Value::Array(list.iter().map(|(_, v)| v[key].clone()).collect());
            self.path.push(Step::Order);
            self.found.push(FieldChange {
                path: self.path.clone(),
                old: Some(order(old)),
                new: Some(order(new)),
            });
            self.path.pop();
        }
    }
}

fn of_maps(list: &[Value]) -> bool {
    list.iter().all(Value::is_object)
}

/// The elements by the value of a field that each of them has, each another one.
pub(super) fn by_key<'a>(list: &'a [Value], key: &str) -> Option<Vec<(String, &'a Value)>> {
    let mut seen = BTreeSet::new();
    let mut found = Vec::with_capacity(list.len());
    for element in list {
        let value = element.get(key).filter(|value| value.is_string() || value.is_number())?.to_string();
        if !seen.insert(value.clone()) {
            return None;
        }
        found.push((value, element));
    }
    Some(found)
}

#[cfg(test)]
#[path = "diff_tests.rs"]
mod tests;
