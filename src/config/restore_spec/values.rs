//! Texts of the restore specification that have rules of their own.

use super::super::decode::{Cursor, Decode, Entry, FromText};
use super::super::error::shown;
use super::super::node::Node;
use super::{Conflicts, OnConflict};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::borrow::Cow;

/// A type as kubectl takes it, or a pattern.
#[derive(JsonSchema)]
#[schemars(inline, extend("pattern" = "^[A-Za-z0-9*?][-A-Za-z0-9.*?]*$", "examples" = ["deployments", "*.apps"]))]
pub(in crate::config) struct KindName(pub(in crate::config) String);

impl FromText for KindName {
    fn from_text(text: &str) -> Result<Self, String> {
        let fits = |c: char| c.is_ascii_alphanumeric() || "-.*?".contains(c);
        let sides = text.split_once('.').is_none_or(|(name, group)| !name.is_empty() && !group.is_empty());
        if sides && text.chars().all(fits) && !text.starts_with('-') {
            return Ok(Self(text.to_owned()));
        }
        let forms = "write it as kubectl takes it, such as `deployments` or `deploy.apps`, or as a pattern, such as `*.apps`";
        if let Some((group, name)) = text.split_once('/') {
            let swapped = format!("{name}.{group}");
            if Self::from_text(&swapped).is_ok() {
                return Err(format!("the group follows the type; did you mean {}?", shown(&swapped)));
            }
        }
        Err(format!("{} is not a type: {forms}", shown(text)))
    }
}

/// A name of an object, or several by `*` and `?`.
#[derive(JsonSchema)]
#[schemars(inline, extend("pattern" = "^[^/]+$", "examples" = ["web-*"]))]
pub(super) struct NameGlob(pub(super) String);

impl FromText for NameGlob {
    fn from_text(text: &str) -> Result<Self, String> {
        match text.split_once('/') {
            None => Ok(Self(text.to_owned())),
            Some(_) => Err(format!(
                "{} is not the name of an object: types and namespaces have fields of their own",
                shown(text)
            )),
        }
    }
}

/// The name of a namespace.
pub(in crate::config) struct Namespace(pub(in crate::config) String);

impl FromText for Namespace {
    fn from_text(text: &str) -> Result<Self, String> {
        let ends = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let fits = |c: char| ends(c) || c == '-';
        if text.len() <= 63 && text.starts_with(ends) && text.ends_with(ends) && text.chars().all(fits) {
            return Ok(Self(text.to_owned()));
        }
        let rule = "lower-case letters, digits and `-`, at most 63, and no pattern";
        Err(format!("{} is not the name of a namespace: {rule}", shown(text)))
    }
}

/// The beginning of an image's name.
pub(super) struct ImagePrefix(pub(super) String);

impl FromText for ImagePrefix {
    fn from_text(text: &str) -> Result<Self, String> {
        if text.contains("://") {
            return Err(format!("{} is a URL: write it as images have it, without `https://`", shown(text)));
        }
        match text.contains(|c: char| c.is_whitespace() || "*?".contains(c)) {
            false => Ok(Self(text.to_owned())),
            true => Err(format!("{} is no beginning of an image's name, such as `docker.io`", shown(text))),
        }
    }
}

/// The name of a storage class.
pub(super) struct StorageClass(pub(super) String);

impl FromText for StorageClass {
    fn from_text(text: &str) -> Result<Self, String> {
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
        match text.chars().all(fits) {
            true => Ok(Self(text.to_owned())),
            false => Err(format!("{} is not the name of a storage class, and no pattern", shown(text))),
        }
    }
}

/// By which name the server knows who wrote the fields.
#[derive(JsonSchema)]
#[schemars(inline, extend("maxLength" = 128))]
pub(super) struct FieldManager(pub(super) String);

impl FromText for FieldManager {
    fn from_text(text: &str) -> Result<Self, String> {
        match text.chars().count() {
            0..=128 => Ok(Self(text.to_owned())),
            _ => Err("is too long: the server takes at most 128 characters".to_owned()),
        }
    }
}

impl FromText for OnConflict {
    fn from_text(text: &str) -> Result<Self, String> {
        match text {
            "skip" => Ok(Self::Skip),
            "update" => Ok(Self::Update),
            "recreate" => Ok(Self::Recreate),
            "fail" => Ok(Self::Fail),
            _ => Err(format!("{} is unknown: write `skip`, `update`, `recreate` or `fail`", shown(text))),
        }
    }
}

const DEFAULT: &str = "default";

impl Decode for Conflicts {
    fn decode(at: &Cursor<'_>) -> Option<Self> {
        if matches!(at.node, Node::Text(_)) {
            return Some(Self { default: Some(OnConflict::decode(at)?), kinds: Vec::new() });
        }
        let given = at.named("`update`, or types and what becomes of each, such as `secrets: recreate`")?;
        let read = |entry: &Entry<'_>| {
            let (name, what) = (KindName::decode(&entry.key), OnConflict::decode(&entry.value));
            Some((name?.0, what?))
        };
        let read: Vec<Option<_>> = given.iter().map(read).collect();
        let mut kinds = read.into_iter().collect::<Option<Vec<_>>>()?;
        let default = kinds.iter().position(|(name, _)| name == DEFAULT).map(|at| kinds.remove(at).1);
        Some(Self { default, kinds })
    }
}

impl Serialize for Conflicts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match (self.default, self.kinds.as_slice()) {
            (Some(all), []) => all.serialize(serializer),
            (default, kinds) => {
                let mut map = serializer.serialize_map(None)?;
                if let Some(default) = default {
                    map.serialize_entry(DEFAULT, &default)?;
                }
                for (name, what) in kinds {
                    map.serialize_entry(name, what)?;
                }
                map.end()
            }
        }
    }
}

impl JsonSchema for Conflicts {
    fn schema_name() -> Cow<'static, str> {
        "Conflicts".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<OnConflict>();
        json_schema!({"anyOf": [
            one,
            {"type": "object", "properties": {DEFAULT: one}, "additionalProperties": one},
            {"type": "null"},
        ]})
    }
}
