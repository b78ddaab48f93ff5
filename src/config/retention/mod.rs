//! The section about which recovery points are kept.

mod values;

pub use values::{Age, Share, Tag, ZoneName};

use super::decode::{Cursor, Decode};
use schemars::JsonSchema;
use serde::Serialize;
use std::time::Duration;

/// Most of a counting rule: more than a point every minute for a year.
const MOST: u32 = 1_000_000;
/// An orphan that is younger could be a backup that is being written.
const LEAST_GRACE: Duration = Duration::from_secs(3600);

/// Which recovery points `lifeboat prune` keeps. They are counted for each job, and for each set of kinds of artifacts, by
/// themselves. The newest complete and the newest verified ones are kept whatever is written here, and so is what is held
/// or locked.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(default)]
#[non_exhaustive]
pub struct Retention {
    /// The newest ones: so many.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub last: u32,
    /// The newest one of each hour that has one: so many hours.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub hourly: u32,
    /// The newest one of each day that has one: so many days.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub daily: u32,
    /// The newest one of each ISO week (from Monday) that has one: so many weeks.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub weekly: u32,
    /// The newest one of each month that has one: so many months.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub monthly: u32,
    /// The newest one of each year that has one: so many years.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub yearly: u32,
    /// Everything that is not older than this, counted from the newest complete one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub within: Option<Age>,
    /// Everything with one of these tags.
    pub tags: Vec<Tag>,
    /// Whose hours, days, weeks, months and years these are.
    pub time_zone: ZoneName,
    /// The largest share of the recovery points that one run may delete; beyond three points it is refused.
    pub max_delete: Share,
    /// How old the remains of an interrupted run must be before they are removed.
    pub orphan_grace: Age,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            last: 0,
            hourly: 0,
            daily: 0,
            weekly: 0,
            monthly: 0,
            yearly: 0,
            within: None,
            tags: Vec::new(),
            time_zone: ZoneName::utc(),
            max_delete: Share::half(),
            orphan_grace: Age::day(),
        }
    }
}

impl Decode for Retention {
    fn decode(at: &Cursor<'_>) -> Option<Self> {
        let default = Self::default();
        let mut fields = at.fields()?;
        let mut count = |name| fields.number(name, 0, MOST, 0);
        let (last, hourly, daily) = (count("last"), count("hourly"), count("daily"));
        let (weekly, monthly, yearly) = (count("weekly"), count("monthly"), count("yearly"));
        let within = fields.optional("within");
        let tags = fields.or("tags", Vec::new());
        let time_zone = fields.or("timeZone", default.time_zone);
        let max_delete = fields.or("maxDelete", default.max_delete);
        let orphan_grace: Option<Age> = fields.or("orphanGrace", default.orphan_grace);
        fields.finish();
        if let (Some(grace), Some(at)) = (&orphan_grace, at.entry("orphanGrace"))
            && grace.length() < LEAST_GRACE
        {
            at.fail::<()>("must be at least 1h: what is younger may be a backup that is being written");
        }
        let made = Self {
            last: last?,
            hourly: hourly?,
            daily: daily?,
            weekly: weekly?,
            monthly: monthly?,
            yearly: yearly?,
            within: within?,
            tags: tags?,
            time_zone: time_zone?,
            max_delete: max_delete?,
            orphan_grace: orphan_grace?,
        };
        let counts = [made.last, made.hourly, made.daily, made.weekly, made.monthly, made.yearly];
        if made.within.is_none() && counts.iter().all(|count| *count == 0) {
            return at.fail(
                "keeps nothing but the newest: set at least one of `last`, `hourly`, `daily`, `weekly`, `monthly`, \
                 `yearly`, `within`",
            );
        }
        Some(made)
    }
}

/// The section in the configuration that `lifeboat init` writes.
pub(super) const TEMPLATE: &str = r##"
# What `lifeboat prune` keeps: the newest ones, the newest of each hour, day, week, month and year, so many of each, and
# everything of the last 30 days. The newest complete and verified ones always stay. A store may have its own
# `retention`. Without this section nothing is ever deleted.
#: retention:
#:   last: 3
#:   hourly: 24
#:   daily: 7
#:   weekly: 5
#:   monthly: 12
#:   yearly: 0
#:   within: 30d
#:   tags: [keep]
#:   timeZone: Europe/Berlin
#:   maxDelete: 50%     # one run that would delete more is refused
#:   orphanGrace: 24h   # remains of interrupted runs are removed when they are older
"##;
