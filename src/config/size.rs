//! Amounts of bytes, written with units: `8MiB`, `500KB`; and of bytes in a second: `10MB/s`.

use super::decode::FromText;
use super::error::{ConfigError, shown};
use schemars::JsonSchema;
use serde::Serialize;
use std::str::FromStr;

const UNITS: [(&str, u64); 7] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("B", 1),
];

/// An amount of bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(into = "String")]
#[schemars(inline, with = "String", extend("pattern" = "^[0-9]+(B|KB|MB|GB|KiB|MiB|GiB)$", "examples" = ["8MiB"]))]
pub struct Size {
    text: String,
    bytes: u64,
}

/// An amount of bytes in a second.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(into = "String")]
#[schemars(inline, with = "String", extend("pattern" = "^[0-9]+(B|KB|MB|GB|KiB|MiB|GiB)/s$", "examples" = ["10MB/s"]))]
pub struct Rate(Size);

impl Size {
    /// So many times 2^20 bytes.
    pub(super) fn mebibytes(count: u32) -> Self {
        Size { text: format!("{count}MiB"), bytes: u64::from(count) << 20 }
    }

    /// The amount in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl Rate {
    /// Bytes in a second.
    pub fn bytes_per_second(&self) -> u64 {
        self.0.bytes
    }
}

impl From<Size> for String {
    fn from(size: Size) -> Self {
        size.text
    }
}

impl From<Rate> for String {
    fn from(rate: Rate) -> Self {
        format!("{}/s", rate.0.text)
    }
}

fn bytes(text: &str) -> Option<u64> {
    let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit)?;
    digits.parse::<u64>().ok()?.checked_mul(*factor).filter(|bytes| *bytes > 0)
}

impl FromText for Size {
    fn from_text(text: &str) -> Result<Self, String> {
        let wrong = || {
            let hint = "write a whole number with its unit (B, KB, MB, GB, KiB, MiB, GiB), such as 8MiB";
            format!("{} is not an amount of bytes: {hint}", shown(text))
        };
        Ok(Size { text: text.to_owned(), bytes: bytes(text).ok_or_else(wrong)? })
    }
}

impl FromStr for Size {
    type Err = ConfigError;
    fn from_str(text: &str) -> Result<Self, ConfigError> {
        Self::from_text(text).map_err(ConfigError::Value)
    }
}

impl FromText for Rate {
    fn from_text(text: &str) -> Result<Self, String> {
        let wrong = || {
            let hint = "write a whole number with its unit and `/s`, such as 10MB/s";
            format!("{} is no rate: {hint}", shown(text))
        };
        let amount = text.strip_suffix("/s").and_then(|amount| Some((amount, bytes(amount)?)));
        let (amount, bytes) = amount.ok_or_else(wrong)?;
        Ok(Rate(Size { text: amount.to_owned(), bytes }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn units() {
        for (text, bytes) in [("8MiB", 8 << 20), ("500KB", 500_000), ("1GB", 1_000_000_000), ("7B", 7)] {
            assert_eq!(Size::from_text(text).unwrap().bytes(), bytes, "{text}");
            assert_eq!(Rate::from_text(&format!("{text}/s")).unwrap().bytes_per_second(), bytes, "{text}");
        }
        for text in ["", "8", "MiB", "8 MiB", "8mib", "0B", "-1B", "1.5GB", "99999999999GiB", "8MiB/s"] {
            assert!(Size::from_text(text).is_err(), "{text}");
        }
        assert!(Rate::from_text("10MB").is_err());
    }

    proptest! {
        #[test]
        fn never_panics(text in "\\PC{0,12}") {
            let _ = (Size::from_text(&text), Rate::from_text(&text));
        }
    }
}
