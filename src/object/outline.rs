//! The little of an object that tells what to do with it, read without building the rest.

use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Outline {
    #[serde(default, skip_serializing_if = "Value::is_null")]
    r#type: Value,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    status: Value,
    #[serde(default)]
    metadata: Metadata,
}

#[derive(Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Metadata {
    #[serde(skip_serializing_if = "Value::is_null")]
    name: Value,
    #[serde(skip_serializing_if = "Value::is_null")]
    namespace: Value,
    #[serde(skip_serializing_if = "Value::is_null")]
    uid: Value,
    #[serde(skip_serializing_if = "Value::is_null")]
    deletion_timestamp: Value,
    #[serde(skip_serializing_if = "Value::is_null")]
    labels: Value,
    #[serde(skip_serializing_if = "Value::is_null")]
    annotations: Value,
    #[serde(skip_serializing_if = "Value::is_null")]
    owner_references: Value,
}

/// An object's `metadata` without `managedFields`, its `status` and its `type`; of a token with which nodes join, all of it.
///
/// # Errors
/// When it is not JSON, or no object.
pub fn outline(json: &[u8]) -> serde_json::Result<Value> {
    // A list would pass for an object by the order of its elements.
    if json.trim_ascii_start().first() != Some(&b'{') {
        return serde_json::from_slice::<serde_json::Map<String, Value>>(json).map(Value::Object);
    }
    let outline: Outline = serde_json::from_slice(json)?;
    // When it ends is among its data.
    match outline.r#type == "bootstrap.kubernetes.io/token" {
        true => serde_json::from_slice(json),
        false => serde_json::to_value(outline),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_large_is_left_out() {
        let object = json!({
            "kind": "Secret", "type": "Opaque", "data": {"a": "b"}, "spec": {},
            "metadata": {"name": "n", "managedFields": [1], "labels": {"a": "b"}, "generation": 1},
        });
        let wanted = json!({"type": "Opaque", "metadata": {"name": "n", "labels": {"a": "b"}}});
        assert_eq!(outline(object.to_string().as_bytes()).unwrap(), wanted);
        let token = json!({"type": "bootstrap.kubernetes.io/token", "data": {"expiration": "x"}});
        assert_eq!(outline(token.to_string().as_bytes()).unwrap(), token);
        assert!(outline(b"[]").is_err() && outline(b"{").is_err());
    }
}
