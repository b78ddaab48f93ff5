//! What is kept in a store, by the configuration and by flags.

use super::{context::Context, failure::Failure};
use crate::{
    catalogue::retention::Policy,
    config::{Age, Retention, Share, Tag, ZoneName},
};
use jiff::SignedDuration;

/// Flags that stand in the place of the configuration's retention for one run.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Retention (each in the place of the configuration's)")]
pub(super) struct Keep {
    /// The newest N
    #[arg(long, value_name = "N")]
    keep_last: Option<u32>,
    /// The newest one of each hour, N hours
    #[arg(long, value_name = "N")]
    keep_hourly: Option<u32>,
    /// The newest one of each day, N days
    #[arg(long, value_name = "N")]
    keep_daily: Option<u32>,
    /// The newest one of each ISO week, N weeks
    #[arg(long, value_name = "N")]
    keep_weekly: Option<u32>,
    /// The newest one of each month, N months
    #[arg(long, value_name = "N")]
    keep_monthly: Option<u32>,
    /// The newest one of each year, N years
    #[arg(long, value_name = "N")]
    keep_yearly: Option<u32>,
    /// Everything that is not older than this, counted from the newest complete one
    #[arg(long, value_name = "AGE")]
    keep_within: Option<Age>,
    /// Everything with this tag; repeatable
    #[arg(long, value_name = "TAG")]
    keep_tag: Vec<Tag>,
    /// Whose hours and days these are
    #[arg(long, value_name = "ZONE")]
    time_zone: Option<ZoneName>,
    /// The largest share of the recovery points that may go
    #[arg(long, value_name = "SHARE")]
    max_delete: Option<Share>,
    /// How old the remains of interrupted runs must be
    #[arg(long, value_name = "AGE")]
    orphan_grace: Option<Age>,
}

impl Keep {
    fn over(&self, base: Retention) -> Retention {
        let mut made = base;
        made.last = self.keep_last.unwrap_or(made.last);
        made.hourly = self.keep_hourly.unwrap_or(made.hourly);
        made.daily = self.keep_daily.unwrap_or(made.daily);
        made.weekly = self.keep_weekly.unwrap_or(made.weekly);
        made.monthly = self.keep_monthly.unwrap_or(made.monthly);
        made.yearly = self.keep_yearly.unwrap_or(made.yearly);
        made.within = self.keep_within.clone().or(made.within);
        if !self.keep_tag.is_empty() {
            made.tags = self.keep_tag.clone();
        }
        made.time_zone = self.time_zone.clone().unwrap_or(made.time_zone);
        made.max_delete = self.max_delete.clone().unwrap_or(made.max_delete);
        made.orphan_grace = self.orphan_grace.clone().unwrap_or(made.orphan_grace);
        made
    }
}

impl Context {
    /// What is kept in the store of this name (the one that was asked for, or the first, without): the configuration's
    /// retention. `None` where nothing is ever deleted.
    pub(super) fn retention(&self, store: Option<&str>) -> Result<Option<Retention>, Failure> {
        let Some(loaded) = self.optional()? else { return Ok(None) };
        let name = store.or(self.global.store.as_deref());
        Ok(match name.filter(|name| name.contains(':')) {
            // A store by its URL has no settings of its own.
            Some(_) => loaded.config.retention.clone(),
            None => loaded.config.retention(loaded.config.store(name)?).cloned(),
        })
    }

    /// The same with flags over it.
    ///
    /// # Errors
    /// When nothing says what to keep.
    pub(super) fn retention_with(&self, keep: &Keep) -> Result<Retention, Failure> {
        let configured = self.retention(None)?;
        let made = keep.over(configured.unwrap_or_default());
        if !policy(&made).keeps_something() {
            return Err(Failure::usage("nothing says what to keep, and so nothing is deleted").help(
                "write `retention: {last: 3, daily: 7, weekly: 5, monthly: 12}` into the configuration, or give \
                 --keep-last and its like for this run",
            ));
        }
        Ok(made)
    }
}

/// What the catalogue's rules make of it.
pub(super) fn policy(retention: &Retention) -> Policy {
    Policy {
        last: retention.last,
        hourly: retention.hourly,
        daily: retention.daily,
        weekly: retention.weekly,
        monthly: retention.monthly,
        yearly: retention.yearly,
        within: retention.within.as_ref().map(length),
        tags: retention.tags.iter().map(|tag| tag.as_str().to_owned()).collect(),
        zone: retention.time_zone.zone(),
    }
}

/// An age as a length of time.
pub(super) fn length(age: &Age) -> SignedDuration {
    SignedDuration::try_from(age.length()).unwrap_or(SignedDuration::MAX)
}
