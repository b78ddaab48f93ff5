//! How long the evidence of a drill is kept.

use super::super::decode::{Cursor, Decode, FromText};
use super::super::error::shown;
use super::super::retention::Age;
use schemars::JsonSchema;
use serde::Serialize;
use std::time::Duration;

/// How long the evidence of a drill is kept: as long as either holds. The newest drill of a name is kept in any case, and so is what
/// the store has locked.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct DrillEvidence {
    /// So long from the drill's end: `7y`, or an age such as `90d`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep: Option<Term>,
    /// As long as it is one of so many newest drills of this name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000))]
    pub last: Option<u32>,
}

/// A length of time in calendar years, or an age.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(into = "String")]
#[schemars(inline, with = "String", extend("pattern" = "^([0-9]+y|([0-9]+(w|d|h|m))+)$", "examples" = ["7y", "90d"]))]
pub struct Term {
    text: String,
    years: u16,
    length: Duration,
}

impl Term {
    /// Its years.
    pub fn years(&self) -> u16 {
        self.years
    }

    /// What it has beside years.
    pub fn length(&self) -> Duration {
        self.length
    }
}

impl From<Term> for String {
    fn from(term: Term) -> Self {
        term.text
    }
}

impl FromText for Term {
    fn from_text(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "{} is not an age: write years as `7y`, or weeks, days and hours such as 26w or 90d",
                shown(text)
            )
        };
        if let Some(years) = text.strip_suffix('y') {
            let years = years.parse().ok().filter(|years| (1..=100).contains(years)).ok_or_else(wrong)?;
            return Ok(Term { text: text.to_owned(), years, length: Duration::ZERO });
        }
        let age = Age::from_text(text).map_err(|_| wrong())?;
        Ok(Term { text: text.to_owned(), years: 0, length: age.length() })
    }
}

impl Decode for DrillEvidence {
    fn decode(at: &Cursor<'_>) -> Option<Self> {
        let mut fields = at.fields()?;
        let keep = fields.optional("keep");
        let last = match fields.get("last") {
            Some(at) => at.number(1, 10_000).map(Some),
            None => Some(None),
        };
        fields.finish();
        let (keep, last) = (keep?, last?);
        if keep.is_none() && last.is_none() {
            return at.fail("says not how long: write `keep`, such as `keep: 7y`, or `last`");
        }
        Some(DrillEvidence { keep, last })
    }
}
