//! Objects stored as protobuf.

use std::collections::BTreeMap;

use k8s_pb::api::core::v1::{ConfigMap, Secret};
use k8s_pb::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use k8s_pb::apimachinery::pkg::runtime::Unknown;
use prost::Message;
use serde_json::{Map, Value, json};

use super::super::wire::Fields;
use super::{Object, Secrets, base64, redacted, tree};

pub(super) fn decode(message: &[u8], secrets: Secrets) -> Option<Object> {
    let unknown = Unknown::decode(message).ok()?;
    let types = unknown.type_meta?;
    let (api_version, kind) = (types.api_version?, types.kind?);
    let raw = unknown.raw.unwrap_or_default();
    let mut value = Map::new();
    value.insert("apiVersion".to_owned(), json!(api_version));
    value.insert("kind".to_owned(), json!(kind));
    let meta = match kind.as_str() {
        // Whatever calls itself a Secret is shown by name or not at all: a tree of fields could not be redacted.
        "Secret" => secret(&raw, secrets, &mut value)?,
        "ConfigMap" if api_version == "v1" => config_map(&raw, &mut value)?,
        _ => any(&raw, &mut value)?,
    };
    Some(Object {
        api_version,
        kind,
        namespace: meta.namespace.filter(|namespace| !namespace.is_empty()),
        name: meta.name.unwrap_or_default(),
        uid: meta.uid.unwrap_or_default(),
        value: Value::Object(value),
    })
}

fn secret(raw: &[u8], secrets: Secrets, value: &mut Map<String, Value>) -> Option<ObjectMeta> {
    let secret = Secret::decode(raw).ok()?;
    let meta = secret.metadata.unwrap_or_default();
    let show = secrets == Secrets::Show;
    value.insert("metadata".to_owned(), metadata(&meta, show));
    insert(value, "type", secret.r#type);
    insert(value, "immutable", secret.immutable);
    let bytes = |bytes: &Vec<u8>| if show { json!(base64::encode(bytes)) } else { redacted(bytes.len()) };
    let text = |text: &String| if show { json!(text) } else { redacted(text.len()) };
    let data = secret.data.iter().map(|(name, value)| (name.clone(), bytes(value))).collect();
    value.insert("data".to_owned(), data);
    if !secret.string_data.is_empty() {
        let data = secret.string_data.iter().map(|(name, value)| (name.clone(), text(value))).collect();
        value.insert("stringData".to_owned(), data);
    }
    Some(meta)
}

fn config_map(raw: &[u8], value: &mut Map<String, Value>) -> Option<ObjectMeta> {
    let map = ConfigMap::decode(raw).ok()?;
    let meta = map.metadata.unwrap_or_default();
    value.insert("metadata".to_owned(), metadata(&meta, true));
    insert(value, "immutable", map.immutable);
    value.insert("data".to_owned(), json!(map.data));
    let binary: BTreeMap<_, _> =
        map.binary_data.iter().map(|(name, bytes)| (name, base64::encode(bytes))).collect();
    if !binary.is_empty() {
        value.insert("binaryData".to_owned(), json!(binary));
    }
    Some(meta)
}

/// Every kind has its metadata in field 1; the others are shown by number.
fn any(raw: &[u8], value: &mut Map<String, Value>) -> Option<ObjectMeta> {
    let first = Fields(raw).next().and_then(Result::ok);
    let first =
        first.filter(|(number, _)| *number == 1).and_then(|(_, value)| value.bytes()).unwrap_or_default();
    let meta = ObjectMeta::decode(first).ok()?;
    value.insert("metadata".to_owned(), metadata(&meta, true));
    let mut fields = tree::message(raw)?;
    fields.shift_remove("1");
    value.insert("fields".to_owned(), Value::Object(fields));
    Some(meta)
}

fn metadata(meta: &ObjectMeta, show_annotations: bool) -> Value {
    let mut value = Map::new();
    let text = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    insert(&mut value, "name", text(&meta.name));
    insert(&mut value, "generateName", text(&meta.generate_name));
    insert(&mut value, "namespace", text(&meta.namespace));
    insert(&mut value, "uid", text(&meta.uid));
    insert(&mut value, "generation", meta.generation.filter(|generation| *generation != 0));
    insert(&mut value, "creationTimestamp", meta.creation_timestamp.as_ref().and_then(time));
    insert(&mut value, "deletionTimestamp", meta.deletion_timestamp.as_ref().and_then(time));
    if !meta.labels.is_empty() {
        value.insert("labels".to_owned(), json!(meta.labels));
    }
    if !meta.annotations.is_empty() {
        let shown = |text: &String| if show_annotations { json!(text) } else { redacted(text.len()) };
        let annotations = meta.annotations.iter().map(|(name, text)| (name.clone(), shown(text))).collect();
        value.insert("annotations".to_owned(), annotations);
    }
    if !meta.finalizers.is_empty() {
        value.insert("finalizers".to_owned(), json!(meta.finalizers));
    }
    if !meta.owner_references.is_empty() {
        let owners = meta.owner_references.iter().map(|owner| {
            json!({"apiVersion": owner.api_version, "kind": owner.kind, "name": owner.name, "uid": owner.uid})
        });
        value.insert("ownerReferences".to_owned(), owners.collect());
    }
    Value::Object(value)
}

fn time(time: &Time) -> Option<String> {
    jiff::Timestamp::from_second(time.seconds?).ok().map(|time| time.to_string())
}

fn insert<T: serde::Serialize>(map: &mut Map<String, Value>, name: &str, value: Option<T>) {
    if let Some(value) = value {
        map.insert(name.to_owned(), json!(value));
    }
}
