//! Lengths of time, written with units: `30s`, `5m`, `1h30m`.

use super::decode::{Cursor, Decode};
use super::error::shown;
use super::node::Node;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serializer;
use std::borrow::Cow;
use std::time::Duration;

const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];
const LONGEST: Duration = Duration::from_secs(86_400);

/// Reads a length of time such as `1h30m`: whole numbers, each with a unit, the largest unit first.
pub fn parse(text: &str) -> Result<Duration, String> {
    let wrong = || {
        let hint = "write whole numbers with units (d, h, m, s, ms), the largest first, such as 30s or 1h30m";
        format!("{} is not a length of time: {hint}", shown(text))
    };
    let (mut rest, mut total, mut last) = (text, 0u64, u64::MAX);
    while !rest.is_empty() {
        let (digits, after) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?);
        let (unit, next) =
            after.split_at(after.find(|c: char| !c.is_ascii_lowercase()).unwrap_or(after.len()));
        let (_, millis) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
        if *millis >= last {
            return Err(wrong());
        }
        let part = digits.parse::<u64>().ok().and_then(|n| n.checked_mul(*millis)).ok_or_else(wrong)?;
        total = total.checked_add(part).ok_or_else(wrong)?;
        (rest, last) = (next, *millis);
    }
    let value = Duration::from_millis(total);
    match value {
        Duration::ZERO => Err(format!("{} is no time at all: it must be more than zero", shown(text))),
        value if value > LONGEST => Err(format!("{} is more than a day: write 24h or less", shown(text))),
        value => Ok(value),
    }
}

/// A text that [`parse`] reads as this length of time.
pub(super) fn format(value: Duration) -> String {
    let mut left = u64::try_from(value.as_millis()).unwrap_or(u64::MAX);
    let mut out = String::new();
    for (unit, millis) in UNITS.iter().skip(1) {
        if left >= *millis {
            out.push_str(&format!("{}{unit}", left / millis));
            left %= millis;
        }
    }
    out
}

pub(super) fn serialize<S: Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&format(*value))
}

pub(super) fn serialize_optional<S: Serializer>(
    value: &Option<Duration>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => serialize(value, serializer),
        None => serializer.serialize_none(),
    }
}

impl Decode for Duration {
    fn decode(at: &Cursor<'_>) -> Option<Self> {
        match at.node {
            Node::Int(value) => {
                at.fail(format!("{value} has no unit: write `{value}s` for seconds, or use m, h or ms"))
            }
            Node::Float(_) => {
                at.fail("a length of time needs a unit and whole numbers, such as 30s, 1500ms or 1h30m")
            }
            Node::Text(text) => parse(text).map_or_else(|message| at.fail(message), Some),
            _ => at.wrong_type("a length of time, such as 30s or 1h30m"),
        }
    }
}

/// Stands for a length of time in the schema.
pub(super) struct Text;

impl JsonSchema for Text {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^([0-9]+(d|h|m|s|ms))+$",
            "examples": ["30s", "5m", "1h30m"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_units() {
        for (text, millis) in
            [("30s", 30_000), ("5m", 300_000), ("1h30m", 5_400_000), ("500ms", 500), ("1d", 86_400_000)]
        {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in [
            "",
            "30",
            "s",
            "1.5h",
            "5 m",
            "1m1h",
            "1m1m",
            "0s",
            "2d",
            "99999999999999999999s",
            "1M",
            "-5s",
            "5µs",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn written_and_read_back(millis in 1u64..=86_400_000) {
            let value = Duration::from_millis(millis);
            prop_assert_eq!(parse(&format(value)), Ok(value));
        }

        #[test]
        fn never_panics(text in "\\PC{0,12}") {
            let _ = parse(&text);
        }
    }
}
