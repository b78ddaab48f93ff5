//! How long the evidence of a drill is kept.

use crate::point::Retain;
use jiff::{SignedDuration, Span, Timestamp, tz::TimeZone};
use std::time::Duration;

/// How long the evidence of a drill is kept, from its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keep {
    /// So many calendar years.
    pub years: u16,
    /// And so long; with no years and no length it is kept by number alone.
    pub length: Duration,
    /// As long as it is one of so many newest drills of its name.
    pub last: Option<u32>,
}

impl Keep {
    /// What the evidence says of it.
    pub(super) fn from(&self, ended: Timestamp) -> Retain {
        let by_time = self.years > 0 || !self.length.is_zero();
        Retain { until: by_time.then(|| self.until(ended)), last: self.last }
    }

    fn until(&self, ended: Timestamp) -> Timestamp {
        let zoned = ended.to_zoned(TimeZone::UTC);
        let years = zoned.checked_add(Span::new().years(i64::from(self.years)));
        let length = SignedDuration::try_from(self.length).unwrap_or(SignedDuration::MAX);
        let until = years.and_then(|it| it.timestamp().checked_add(length));
        until.unwrap_or(Timestamp::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn years_are_those_of_the_calendar() {
        let ended: Timestamp = "2024-02-29T12:00:00Z".parse().unwrap();
        let until = |years, days: u64| {
            let keep = Keep { years, length: Duration::from_secs(days * 86_400), last: None };
            keep.from(ended).until.map(|it| it.to_string())
        };
        assert_eq!(until(7, 0).as_deref(), Some("2031-02-28T12:00:00Z"));
        assert_eq!(until(0, 2).as_deref(), Some("2024-03-02T12:00:00Z"));
        assert_eq!(until(0, 0), None);
        assert_eq!(
            Keep { years: 9999, length: Duration::MAX, last: None }.from(ended).until,
            Some(Timestamp::MAX)
        );
    }
}
