//! A protobuf message whose schema is not known, as JSON: fields by their numbers.

use serde_json::{Map, Value, json};

use super::super::database::hex;
use super::super::wire::{self, Fields};

/// Levels that are looked into; what is deeper is shown as bytes.
const MAX_DEPTH: usize = 24;

/// The fields of a message by their numbers. A field that comes more than once is an array.
pub(super) fn message(bytes: &[u8]) -> Option<Map<String, Value>> {
    fields(bytes, 0)
}

fn fields(bytes: &[u8], depth: usize) -> Option<Map<String, Value>> {
    // First whether it is a message at all, so that what is none costs nothing more.
    if depth > MAX_DEPTH || Fields(bytes).any(|field| field.is_err()) {
        return None;
    }
    let mut map: Map<String, Value> = Map::new();
    for (number, value) in Fields(bytes).flatten() {
        let value = show(value, depth);
        let name = number.to_string();
        match map.get_mut(&name) {
            None => {
                map.insert(name, value);
            }
            // An array here is one that was made below: no field is shown as an array by itself.
            Some(Value::Array(values)) => values.push(value),
            Some(first) => *first = Value::Array(vec![first.take(), value]),
        }
    }
    Some(map)
}

fn show(value: wire::Value<'_>, depth: usize) -> Value {
    match value {
        wire::Value::Varint(number) => json!(number.cast_signed()),
        wire::Value::Fixed64(bits) => json!(bits),
        wire::Value::Fixed32(bits) => json!(bits),
        wire::Value::Bytes(bytes) => show_bytes(bytes, depth),
    }
}

/// Text, a message and plain bytes look alike on the wire: what can be read as text is text. A message whose first
/// field is a long text begins with a line feed; texts do not, and hardly one of them would also be a message.
fn show_bytes(bytes: &[u8], depth: usize) -> Value {
    let readable = |char: char| !char.is_control() || matches!(char, '\n' | '\r' | '\t');
    let text = std::str::from_utf8(bytes).ok().filter(|text| text.chars().all(readable));
    let nested = || fields(bytes, depth + 1).map(Value::Object);
    match text {
        Some(text) if !text.starts_with('\n') => json!(text),
        Some(text) => nested().unwrap_or_else(|| json!(text)),
        None => nested().unwrap_or_else(|| json!({"hex": hex(bytes)})),
    }
}
