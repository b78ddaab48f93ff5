use super::PointError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

const LONGEST: usize = 63;

/// A word that somebody puts on a recovery point: `keep`, `before=upgrade-1.36`.
///
/// A key as a DNS label is (lower-case letters, digits and `-`), alone or with a value, which may also have upper-case
/// letters, `.` and `_`. Both begin and end with a letter or digit and have 63 characters at most.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", extend("pattern" = PATTERN))]
pub struct Tag(String);

const PATTERN: &str = "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(=[A-Za-z0-9]([-A-Za-z0-9._]{0,61}[A-Za-z0-9])?)?$";

impl Tag {
    /// The tag as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_word(word: &str, inner: impl Fn(u8) -> bool) -> bool {
    let bytes = word.as_bytes();
    let ends = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    bytes.len() <= LONGEST && ends(bytes.first()) && ends(bytes.last()) && bytes.iter().copied().all(inner)
}

impl FromStr for Tag {
    type Err = PointError;

    fn from_str(text: &str) -> Result<Self, PointError> {
        let (key, value) = match text.split_once('=') {
            Some((key, value)) => (key, Some(value)),
            None => (text, None),
        };
        let key = is_word(key, |b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        let value = value.is_none_or(|v| is_word(v, |b| b.is_ascii_alphanumeric() || b"-._".contains(&b)));
        if key && value { Ok(Tag(text.to_owned())) } else { Err(PointError::Tag(text.to_owned())) }
    }
}

impl TryFrom<String> for Tag {
    type Error = PointError;
    fn try_from(text: String) -> Result<Self, PointError> {
        text.parse()
    }
}

impl From<Tag> for String {
    fn from(tag: Tag) -> String {
        tag.0
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_form_is_the_documented_one() {
        let long = "a".repeat(63);
        for good in
            ["keep", "a", "7", "before=upgrade-1.36", "team=Platform_A", &long, &format!("{long}={long}")]
        {
            assert_eq!(good.parse::<Tag>().unwrap().as_str(), good);
        }
        let longer = "a".repeat(64);
        for bad in [
            "", "=", "a=", "=b", "Keep", "-a", "a-", "a b", "a=b=c", "a=-b", "a,b", "é", "a\n", "a/b",
            &longer,
        ] {
            assert!(bad.parse::<Tag>().is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn a_tag_has_no_space_and_at_most_one_sign(text in "[a-zA-Z0-9=._ -]{0,12}") {
            if let Ok(tag) = text.parse::<Tag>() {
                prop_assert!(!tag.as_str().contains(' ') && tag.as_str().matches('=').count() <= 1);
            }
        }
    }
}
