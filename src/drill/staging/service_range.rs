//! The addresses that the source gives to its services: an API server that is told others would find fault with all of them.

use crate::snapshot::{Database, Decoded, Secrets, decode};
use std::{fs::File, path::Path};

/// What kubeadm takes if nobody says otherwise.
pub(super) const USUAL: &str = "10.96.0.0/12";
/// Where the source's own range is, from Kubernetes 1.33 on.
const RANGE: &[u8] = b"/registry/servicecidrs/kubernetes";

/// The range in a database, if it tells.
pub(super) fn of(database: &Path) -> Option<String> {
    let database = Database::open(File::open(database).ok()?).ok()?;
    let value = database.get(RANGE).ok()??.value;
    let (Decoded::Json { object } | Decoded::Protobuf { object }) = decode(&value, Secrets::Redact) else {
        return None;
    };
    let mut found = Vec::new();
    ranges(&object.value, &mut found);
    (!found.is_empty()).then(|| found.join(","))
}

/// Texts of the form of a range; in protobuf fields have no names.
fn ranges(value: &serde_json::Value, found: &mut Vec<String>) {
    match value {
        serde_json::Value::String(text) if is_range(text) && !found.contains(text) => {
            found.push(text.clone())
        }
        serde_json::Value::Array(items) => items.iter().for_each(|item| ranges(item, found)),
        serde_json::Value::Object(fields) => fields.values().for_each(|field| ranges(field, found)),
        _ => {}
    }
}

fn is_range(text: &str) -> bool {
    let Some((address, bits)) = text.split_once('/') else { return false };
    address.parse::<std::net::IpAddr>().is_ok() && bits.parse::<u8>().is_ok_and(|bits| bits <= 128)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn ranges_are_found_wherever_they_stand() {
        let mut found = Vec::new();
        ranges(&json!({"fields": {"1": ["10.0.0.0/16", "fd00::/108", "a/b", "10.0.0.0/16"]}}), &mut found);
        assert_eq!(found, ["10.0.0.0/16", "fd00::/108"]);
    }
}
