//! What in a document is an object, and which one.

use serde_json::{Map, Value};
use std::fmt;

/// Which object it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) api_version: String,
    pub(super) kind: String,
    pub(super) namespace: Option<String>,
    pub(super) name: String,
}

/// What no two objects have in common; in which version one is written does not matter.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    group: String,
    kind: String,
    namespace: Option<String>,
    name: String,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} {namespace}/{}", self.kind, self.name),
            None => write!(f, "{} {}", self.kind, self.name),
        }
    }
}

impl Header {
    pub(super) fn key(&self) -> Key {
        Key {
            group: self.api_version.split_once('/').map_or("", |(group, _)| group).to_owned(),
            kind: self.kind.clone(),
            namespace: self.namespace.clone(),
            name: self.name.clone(),
        }
    }

    /// Reads it.
    ///
    /// # Errors
    /// In words, when this is no object.
    pub(super) fn of(value: &Value) -> Result<Self, String> {
        let none = |what: &str| {
            format!("this is no Kubernetes object: {what}; a directory to restore holds nothing else")
        };
        let fields = value.as_object().ok_or_else(|| none("it has no fields"))?;
        let text = |fields: &Map<String, Value>, path: &str, name: &str| match fields.get(name) {
            Some(Value::String(text)) if !text.is_empty() => Ok(text.clone()),
            None | Some(Value::Null) => Err(none(&format!("`{path}{name}` is missing"))),
            Some(_) => Err(none(&format!("`{path}{name}` is empty, or no text"))),
        };
        let api_version = text(fields, "", "apiVersion")?;
        let kind = text(fields, "", "kind")?;
        if api_version.split('/').count() > 2 || api_version.split('/').any(str::is_empty) {
            return Err(none(
                "its `apiVersion` is neither a version nor a group and a version, such as `apps/v1`",
            ));
        }
        let metadata = match fields.get("metadata") {
            Some(Value::Object(metadata)) => metadata,
            _ => return Err(none("`metadata` is missing")),
        };
        if metadata.contains_key("generateName") && !metadata.contains_key("name") {
            return Err(
                "it has a `generateName` and no `name`: each restore would make another; name it".to_owned()
            );
        }
        let name = text(metadata, "metadata.", "name")?;
        let namespace = match metadata.get("namespace") {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(text.clone()).filter(|text| !text.is_empty()),
            Some(_) => return Err(none("`metadata.namespace` is no text")),
        };
        Ok(Header { api_version, kind, namespace, name })
    }
}

/// The objects of a document, each with its place in the list or lists that it is in.
pub(super) fn unfold(value: Value) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    add(value, String::new(), &mut found);
    found
}

fn add(value: Value, place: String, found: &mut Vec<(String, Value)>) {
    match list(value) {
        Err(object) => found.push((place, object)),
        Ok(items) => {
            let dot = if place.is_empty() { "" } else { "." };
            for (at, item) in items.into_iter().enumerate() {
                add(item, format!("{place}{dot}items[{at}]"), found);
            }
        }
    }
}

/// The items of a list, or the value if it is none. An API server names the type of all of them in the list alone.
fn list(mut value: Value) -> Result<Vec<Value>, Value> {
    let field = |name: &str| value.get(name).and_then(Value::as_str);
    let of = field("kind").and_then(|kind| kind.strip_suffix("List")).map(str::to_owned);
    let version = field("apiVersion").map(str::to_owned);
    let (Some(of), None) = (of, value.pointer("/metadata/name")) else { return Err(value) };
    let mut items = match value.get_mut("items").map(Value::take) {
        Some(Value::Array(items)) => items,
        Some(Value::Null) => Vec::new(),
        Some(other) => {
            value["items"] = other;
            return Err(value);
        }
        None => return Err(value),
    };
    if !of.is_empty() {
        for item in items.iter_mut().filter_map(Value::as_object_mut) {
            for (name, text) in [("kind", Some(&of)), ("apiVersion", version.as_ref())] {
                if let (false, Some(text)) = (item.contains_key(name), text) {
                    item.shift_insert(0, name.to_owned(), Value::from(text.as_str()));
                }
            }
        }
    }
    Ok(items)
}
