//! A length of time in arguments: `90s`, `1h30m`, or what a parameter of type duration holds, which is milliseconds.

use crate::playbook::{inputs::plain, model::ParamKind};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};
use serde_json::Value;
use std::borrow::Cow;

/// A length of time, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span(pub(super) u64);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let given = Value::deserialize(deserializer)?;
        let value = plain(&ParamKind::Duration, &given).map_err(de::Error::custom)?;
        value.as_u64().map(Span).ok_or_else(|| de::Error::custom("a length of time is needed, such as 90s"))
    }
}

impl JsonSchema for Span {
    fn schema_name() -> Cow<'static, str> {
        "Span".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": ["string", "integer"], "description": "A length of time: 90s, 1h30m, or milliseconds."})
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_length_of_time_is_text_or_milliseconds() {
        let read = |value: Value| serde_json::from_value::<Span>(value).map(|it| it.0).ok();
        assert_eq!(read(json!("1m30s")), Some(90_000));
        assert_eq!(read(json!(1500)), Some(1500));
        for wrong in [json!("90"), json!(-1), json!(true), json!(null)] {
            assert_eq!(read(wrong), None);
        }
    }
}
