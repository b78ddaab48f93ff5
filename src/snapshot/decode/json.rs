//! Objects stored as JSON.

use serde_json::{Map, Value};

use super::{Object, Secrets, base64, redacted};

pub(super) fn decode(bytes: &[u8], secrets: Secrets) -> Option<Object> {
    let mut value: Map<String, Value> = serde_json::from_slice(bytes).ok()?;
    let text = |map: &Map<String, Value>, name: &str| map.get(name)?.as_str().map(str::to_owned);
    let api_version = text(&value, "apiVersion")?;
    let kind = text(&value, "kind")?;
    let empty = Map::new();
    let metadata = value.get("metadata").and_then(Value::as_object).unwrap_or(&empty);
    let namespace = text(metadata, "namespace").filter(|namespace| !namespace.is_empty());
    let name = text(metadata, "name").unwrap_or_default();
    let uid = text(metadata, "uid").unwrap_or_default();
    if kind == "Secret" && secrets == Secrets::Redact {
        redact(&mut value);
    }
    Some(Object { api_version, kind, namespace, name, uid, value: Value::Object(value) })
}

fn redact(secret: &mut Map<String, Value>) {
    hide(secret.get_mut("data"), base64::decoded_len);
    hide(secret.get_mut("stringData"), str::len);
    let metadata = secret.get_mut("metadata").and_then(Value::as_object_mut);
    hide(metadata.and_then(|metadata| metadata.get_mut("annotations")), str::len);
}

fn hide(map: Option<&mut Value>, size: fn(&str) -> usize) {
    let Some(map) = map else { return };
    match map {
        Value::Object(entries) => {
            for value in entries.values_mut() {
                *value = redacted(value.as_str().map_or_else(|| value.to_string().len(), size));
            }
        }
        // Not what it should be, and so not known to be harmless.
        other => *other = redacted(other.to_string().len()),
    }
}
