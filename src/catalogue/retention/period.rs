use jiff::{Timestamp, tz::TimeZone};
use serde::Serialize;
use std::fmt;

/// What a counting rule counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Period {
    /// Recovery points.
    Last,
    /// Hours.
    Hourly,
    /// Days.
    Daily,
    /// ISO weeks, which begin on Monday.
    Weekly,
    /// Months.
    Monthly,
    /// Years.
    Yearly,
}

impl Period {
    /// All of them, the shortest first.
    pub(super) const ALL: [Period; 6] =
        [Period::Last, Period::Hourly, Period::Daily, Period::Weekly, Period::Monthly, Period::Yearly];

    /// The period of `at` in `zone`, in words that no other period has. `None` where each point is its own.
    pub(super) fn of(self, at: Timestamp, zone: &TimeZone) -> Option<String> {
        let there = at.to_zoned(zone.clone());
        let date = there.date();
        Some(match self {
            Period::Last => return None,
            // With the offset: the hour that a change of the clock repeats is two hours.
            Period::Hourly => format!("{date}T{:02}{}", there.hour(), there.offset()),
            Period::Daily => date.to_string(),
            Period::Weekly => {
                let week = date.iso_week_date();
                format!("{:04}-W{:02}", week.year(), week.week())
            }
            Period::Monthly => format!("{:04}-{:02}", date.year(), date.month()),
            Period::Yearly => format!("{:04}", date.year()),
        })
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Period::Last => "last",
            Period::Hourly => "hourly",
            Period::Daily => "daily",
            Period::Weekly => "weekly",
            Period::Monthly => "monthly",
            Period::Yearly => "yearly",
        })
    }
}
