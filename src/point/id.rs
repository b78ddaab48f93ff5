use super::PointError;
use jiff::{Timestamp, tz::TimeZone};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
const STAMP: &str = "%Y%m%dT%H%M%SZ";

/// A recovery point's name, `20261123T084500Z-k3f9`: the second in UTC at which it was begun, and four characters
/// that tell apart points of the same second. Ids sort by time and hold no character that a file system or an
/// object store minds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", extend("pattern" = "^[0-9]{8}T[0-9]{6}Z-[a-z0-9]{4}$"))]
pub struct PointId(String);

impl PointId {
    /// The id of a point begun at `at`; `seed` picks the four characters.
    pub fn new(at: Timestamp, seed: u32) -> Self {
        let tail = (0..4).map(|i| char::from(ALPHABET[(seed >> (5 * i)) as usize % ALPHABET.len()]));
        PointId(format!("{}-{}", stamp(at), tail.collect::<String>()))
    }

    /// The second at which the point was begun, read from the id.
    pub fn time(&self) -> Option<Timestamp> {
        read_stamp(self.0.get(..16)?)
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The second of an instant, in UTC, as it stands in names that sort by time.
pub(super) fn stamp(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime(STAMP).to_string()
}

/// Reads what [`stamp`] writes.
pub(super) fn read_stamp(text: &str) -> Option<Timestamp> {
    let civil = jiff::civil::DateTime::strptime(STAMP, text).ok()?;
    Some(civil.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

impl FromStr for PointId {
    type Err = PointError;

    fn from_str(text: &str) -> Result<Self, PointError> {
        let ok = text.len() == 21
            && text.is_ascii()
            && text.as_bytes()[16] == b'-'
            && text[17..].bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
            && jiff::civil::DateTime::strptime(STAMP, &text[..16]).is_ok();
        if ok { Ok(PointId(text.to_owned())) } else { Err(PointError::Id(text.to_owned())) }
    }
}

impl TryFrom<String> for PointId {
    type Error = PointError;
    fn try_from(text: String) -> Result<Self, PointError> {
        text.parse()
    }
}

impl From<PointId> for String {
    fn from(id: PointId) -> String {
        id.0
    }
}

impl fmt::Display for PointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn ids_sort_by_time_and_read_back(a in 0i64..4_000_000_000, b in 0i64..4_000_000_000, seed: u32) {
            let at = |s| Timestamp::from_second(s).unwrap();
            let (x, y) = (PointId::new(at(a), seed), PointId::new(at(b), seed));
            prop_assert_eq!(a.cmp(&b), x.cmp(&y));
            prop_assert_eq!(x.time(), Some(at(a)));
            prop_assert_eq!(x.as_str().parse::<PointId>().unwrap(), x);
        }

        #[test]
        fn nonsense_is_refused(text in ".{0,30}") {
            if let Ok(id) = text.parse::<PointId>() { prop_assert!(id.time().is_some()); }
        }
    }

    #[test]
    fn the_form_is_the_documented_one() {
        let id = PointId::new("2026-11-23T08:45:00Z".parse().unwrap(), 7);
        assert!(id.as_str().starts_with("20261123T084500Z-"), "{id}");
        for bad in ["", "latest", "../../etc/passwd-aaaa", "20261123T084500Z-k3f/", "20261323T084500Z-k3f9"] {
            assert!(bad.parse::<PointId>().is_err(), "{bad}");
        }
    }
}
