//! What was cleaned away goes back into an object that replaces a live one.
//!
//! Three objects are walked side by side: the live one, the same when it was cleaned, and the one that is wanted. Where the
//! first has something and the second has nothing, it was cleaned away, and the third gets it, unless it has its own.

use super::FREE_MAPS;
use crate::object::diff::{MERGE_KEYS, by_key};
use serde_json::{Map, Value};

/// A field of `spec` that a controller fills in, and that nobody may change from then on.
const FILLED_ONCE: &[(&str, &str)] = &[("PersistentVolumeClaim", "volumeName")];

/// Puts what `clean` took out of `live` into `wanted` as well, so that replacing `live` by `wanted` changes nothing that was
/// cleaned away: addresses, ports of nodes, the node of a pod, uid and version, and the status.
pub fn carry_over(live: &Value, cleaned_live: &Value, wanted: &mut Value) {
    carry(live, cleaned_live, wanted);
    for (kind, field) in FILLED_ONCE {
        if live.get("kind").is_some_and(|is| is == kind)
            && let Some(value) = live.get("spec").and_then(|spec| spec.get(field))
            && let Some(Value::Object(spec)) = wanted.get_mut("spec")
        {
            spec.entry(*field).or_insert_with(|| value.clone());
        }
    }
}

fn carry(live: &Value, cleaned: &Value, wanted: &mut Value) {
    if live == cleaned {
        return;
    }
    if wanted == cleaned {
        wanted.clone_from(live);
        return;
    }
    match (live, wanted) {
        (Value::Object(live), Value::Object(wanted)) => fields(live, cleaned, wanted),
        (Value::Array(live), Value::Array(wanted)) => elements(live, cleaned, wanted),
        _ => {}
    }
}

fn fields(live: &Map<String, Value>, cleaned: &Value, wanted: &mut Map<String, Value>) {
    for (name, value) in live {
        match (cleaned.get(name), wanted.get_mut(name)) {
            (left, Some(wanted)) => carry(value, left.unwrap_or(&Value::Null), wanted),
            (None, None) => {
                wanted.insert(name.clone(), value.clone());
            }
            // Nobody wants the rest of it, but what was cleaned away was no part of that.
            (Some(left), None) => {
                let mut only = match value {
                    Value::Object(_) if FREE_MAPS.contains(&&**name) => Value::Object(Map::new()),
                    Value::Array(_) => Value::Array(Vec::new()),
                    _ => continue,
                };
                let nothing = only.clone();
                carry(value, left, &mut only);
                if only != nothing {
                    wanted.insert(name.clone(), only);
                }
            }
        }
    }
}

/// Elements are known by the field that Kubernetes merges such lists by. Of other lists nothing is ever cleaned away.
fn elements(live: &[Value], cleaned: &Value, wanted: &mut Vec<Value>) {
    let cleaned = cleaned.as_array().map(Vec::as_slice).unwrap_or_default();
    let keyed = MERGE_KEYS
        .iter()
        .find_map(|key| Some((by_key(live, key)?, by_key(cleaned, key)?, by_key(wanted, key)?)));
    let Some((live, cleaned, names)) = keyed else { return };
    let names: Vec<String> = names.into_iter().map(|(name, _)| name).collect();
    for (name, value) in live {
        let left = cleaned.iter().find(|(it, _)| *it == name).map(|(_, value)| *value);
        let place = names.iter().position(|it| *it == name);
        match (left, place.and_then(|place| wanted.get_mut(place))) {
            (left, Some(wanted)) => carry(value, left.unwrap_or(&Value::Null), wanted),
            (None, None) => wanted.push(value.clone()),
            (Some(_), None) => {}
        }
    }
}
