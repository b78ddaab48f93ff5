//! A number of bytes in arguments: `64Mi`, `10M`, or a number.

use crate::object::Quantity;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};
use serde_json::Value;
use std::borrow::Cow;

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size(pub(super) u64);

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let given = Value::deserialize(deserializer)?;
        let bad = || de::Error::custom("a number of bytes is needed, such as 64Mi");
        let bytes = Quantity::read(&given).and_then(Quantity::to_whole);
        bytes.filter(|bytes| *bytes > 0).map(Size).ok_or_else(bad)
    }
}

impl JsonSchema for Size {
    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": ["string", "integer"], "description": "A number of bytes, such as 64Mi."})
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_size_is_a_number_with_or_without_a_unit() {
        let read = |value: Value| serde_json::from_value::<Size>(value).map(|it| it.0).ok();
        assert_eq!(read(json!("64Mi")), Some(64 << 20));
        assert_eq!(read(json!("1k")), Some(1000));
        assert_eq!(read(json!(512)), Some(512));
        for wrong in [json!("much"), json!(0), json!("-1"), json!("500m"), json!(null)] {
            assert_eq!(read(wrong.clone()), None, "{wrong}");
        }
    }
}
