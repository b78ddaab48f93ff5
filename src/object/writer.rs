//! Who wrote an object last, as far as it says so itself.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Somebody who wrote an object: the name that a client gave itself, no proof of who it was. The API server's audit log knows
/// the user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Writer {
    /// The field manager: by default the name of the client program.
    pub manager: String,
    /// `Apply` or `Update`.
    pub operation: String,
    /// When it wrote.
    pub time: Timestamp,
}

/// The newest writer in `metadata.managedFields`; of the status only where that is asked for.
pub fn newest_writer(object: &Value, status: bool) -> Option<Writer> {
    let entries = object.get("metadata")?.get("managedFields")?.as_array()?;
    let writers = entries.iter().filter_map(|entry| {
        let text = |name: &str| entry.get(name).and_then(Value::as_str);
        if text("subresource").is_some_and(|it| it == "status") && !status {
            return None;
        }
        Some(Writer {
            manager: text("manager")?.to_owned(),
            operation: text("operation").unwrap_or_default().to_owned(),
            time: text("time")?.parse().ok()?,
        })
    });
    writers.max_by_key(|writer| writer.time)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_newest_is_told() {
        let entry = |manager: &str, time: &str, sub: Option<&str>| json!({"manager": manager, "operation": "Update", "time": time, "subresource": sub});
        let object = json!({"metadata": {"managedFields": [
            entry("kubectl-create", "2026-11-23T08:00:00Z", None),
            entry("ci", "2026-11-23T09:00:00Z", None),
            entry("controller", "2026-11-23T10:00:00Z", Some("status")),
            {"manager": "no time"},
        ]}});
        assert_eq!(newest_writer(&object, false).unwrap().manager, "ci");
        assert_eq!(newest_writer(&object, true).unwrap().manager, "controller");
        assert_eq!(newest_writer(&json!({}), true), None);
    }
}
