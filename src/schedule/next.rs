//! The next time that something is due, in a time zone whose clock may jump.
//!
//! Expressions are evaluated in the zone's civil time. What is due once a day is due once on every day: at the end of the gap when
//! the clock jumps over it, and the first time when it comes twice. What is due more often is due whenever the clock shows it.
//! These are the rules of the newer cron libraries (croner); a CronJob of Kubernetes skips the day instead, or runs twice on it.

use super::Cron;
use chrono::DateTime;
use jiff::{
    Timestamp, ToSpan, civil,
    tz::{AmbiguousOffset, TimeZone},
};

/// No clock jumps further than from one side of the date line to the other.
const LARGEST_JUMP: i64 = 26;

impl Cron {
    /// The next time after an instant; none in this century.
    pub fn next_after(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let here = zone.to_datetime(after);
        let jump = LARGEST_JUMP.hours();
        let begin = match self.jumps(zone, after, after) {
            // A time that has been may come again.
            true => here.checked_sub(jump).ok()?,
            false => here,
        };
        let mut best: Option<Timestamp> = None;
        for civil in self.civil_after(begin.checked_sub(1.second()).ok()?) {
            if let Some(best) = best {
                let there = zone.to_datetime(best);
                let over = match self.jumps(zone, after, best) {
                    true => civil > there.checked_add(jump).ok()?,
                    false => true,
                };
                if over {
                    break;
                }
            }
            let due = self.instants(civil, zone).into_iter().filter(|due| *due > after).min();
            best = match (best, due) {
                (Some(best), Some(due)) => Some(best.min(due)),
                (best, due) => best.or(due),
            };
        }
        best
    }

    /// Is it ever due?
    pub(super) fn comes(&self) -> bool {
        self.civil_after(civil::date(2000, 1, 1).at(0, 0, 0, 0)).next().is_some()
    }

    /// When the clock shows it, from after a time on, in order.
    fn civil_after(&self, after: civil::DateTime) -> impl Iterator<Item = civil::DateTime> {
        let utc = |civil: civil::DateTime| TimeZone::UTC.to_timestamp(civil).ok();
        let from = utc(after).and_then(|it| DateTime::from_timestamp(it.as_second(), 0));
        let mut at = from;
        std::iter::from_fn(move || {
            let now = at?;
            let next = self.plans.iter().filter_map(|plan| plan.after(&now).next()).min();
            at = next;
            let next = Timestamp::from_second(next?.timestamp()).ok()?;
            Some(TimeZone::UTC.to_datetime(next))
        })
    }

    /// Does the zone's clock jump around these instants?
    fn jumps(&self, zone: &TimeZone, from: Timestamp, to: Timestamp) -> bool {
        let near = LARGEST_JUMP.hours();
        let (Ok(from), Ok(to)) = (from.checked_sub(near), to.checked_add(near)) else { return true };
        zone.following(from).next().is_some_and(|it| it.timestamp() <= to)
    }

    /// When a time of the clock is, of those instants that count.
    fn instants(&self, civil: civil::DateTime, zone: &TimeZone) -> Vec<Timestamp> {
        let at = |offset: jiff::tz::Offset| offset.to_timestamp(civil).ok();
        let (first, second) = match zone.to_ambiguous_timestamp(civil).offset() {
            AmbiguousOffset::Unambiguous { offset } => (at(offset), None),
            AmbiguousOffset::Fold { before, .. } if self.once_a_day => (at(before), None),
            AmbiguousOffset::Fold { before, after } => (at(before), at(after)),
            AmbiguousOffset::Gap { after, .. } if self.once_a_day => {
                let jump = at(after).and_then(|before| zone.following(before).next());
                (jump.map(|it| it.timestamp()), None)
            }
            AmbiguousOffset::Gap { .. } => (None, None),
        };
        first.into_iter().chain(second).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use croner::Cron as Croner;
    use jiff::Zoned;
    use proptest::prelude::*;
    use std::str::FromStr;

    fn next(text: &str, zone: &str, after: &str, many: usize) -> Vec<String> {
        let (cron, zone) = (Cron::from_str(text).unwrap(), TimeZone::get(zone).unwrap());
        let mut at: Timestamp = after.parse().unwrap();
        let mut all = Vec::new();
        for _ in 0..many {
            at = cron.next_after(at, &zone).unwrap();
            all.push(at.to_zoned(zone.clone()).strftime("%a %d %H:%M%:z").to_string());
        }
        all
    }

    #[test]
    fn either_day_counts_where_both_are_given() {
        let all = next("0 0 13 * fri", "UTC", "2026-11-01T00:00:00Z", 5);
        assert_eq!(
            all,
            [
                "Fri 06 00:00+00:00",
                "Fri 13 00:00+00:00",
                "Fri 20 00:00+00:00",
                "Fri 27 00:00+00:00",
                "Fri 04 00:00+00:00"
            ]
        );
        let all = next("0 0 13 * *", "UTC", "2026-11-01T00:00:00Z", 2);
        assert_eq!(all, ["Fri 13 00:00+00:00", "Sun 13 00:00+00:00"]);
    }

    #[test]
    fn what_is_due_once_a_day_is_due_once_on_every_day() {
        // The clock goes from 2:00 to 3:00 on 29 March, and from 3:00 back to 2:00 on 25 October.
        let spring = next("30 2 * * *", "Europe/Berlin", "2026-03-28T00:00:00Z", 3);
        assert_eq!(spring, ["Sat 28 02:30+01:00", "Sun 29 03:00+02:00", "Mon 30 02:30+02:00"]);
        let autumn = next("30 2 * * *", "Europe/Berlin", "2026-10-24T00:00:00Z", 3);
        assert_eq!(autumn, ["Sat 24 02:30+02:00", "Sun 25 02:30+02:00", "Mon 26 02:30+01:00"]);
    }

    #[test]
    fn what_is_due_more_often_is_due_whenever_the_clock_shows_it() {
        let spring = next("*/30 * * * *", "Europe/Berlin", "2026-03-29T00:29:00Z", 3);
        assert_eq!(spring, ["Sun 29 01:30+01:00", "Sun 29 03:00+02:00", "Sun 29 03:30+02:00"]);
        let autumn = next("*/30 * * * *", "Europe/Berlin", "2026-10-24T23:59:00Z", 6);
        let expected =
            ["02:00+02:00", "02:30+02:00", "02:00+01:00", "02:30+01:00", "03:00+01:00", "03:30+01:00"];
        assert_eq!(autumn, expected.map(|it| format!("Sun 25 {it}")));
    }

    /// A field: nothing said, values, a range, steps.
    fn field(least: u8, most: u8) -> impl Strategy<Value = String> {
        let value = least..=most;
        prop_oneof![
            3 => Just("*".to_owned()),
            3 => value.clone().prop_map(|it| it.to_string()),
            1 => (value.clone(), value.clone()).prop_map(|(a, b)| format!("{}-{}", a.min(b), a.max(b))),
            1 => prop::collection::btree_set(value.clone(), 2..4).prop_map(|all| {
                all.into_iter().map(|it| it.to_string()).collect::<Vec<_>>().join(",")
            }),
            1 => (2u8..20).prop_map(|step| format!("*/{step}")),
        ]
    }

    const ZONES: [&str; 9] = [
        "UTC",
        "Europe/Berlin",
        "America/New_York",
        "America/Sao_Paulo",
        "Africa/Cairo",
        "Australia/Lord_Howe",
        "Pacific/Apia",
        "Asia/Kathmandu",
        "Antarctica/Troll",
    ];

    #[test]
    fn a_day_that_a_zone_leaves_out_is_passed_over() {
        let told = next("0 0 * * *", "Pacific/Apia", "2011-12-28T20:00:00Z", 3);
        assert_eq!(told, ["Thu 29 00:00-10:00", "Sat 31 00:00+14:00", "Sun 01 00:00+14:00"]);
        let told = next("30 9 * 12 *", "Pacific/Apia", "2011-12-29T20:00:00Z", 2);
        assert_eq!(told, ["Sat 31 00:00+14:00", "Sat 31 09:30+14:00"]);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]
        #[test]
        fn another_library_comes_to_the_same(
            (minute, hour) in (field(0, 59), field(0, 23)),
            (day, month, weekday) in (field(1, 28), field(1, 12), field(0, 6)),
            zone in 0..ZONES.len(),
            // 2005 to 2035; half of them within days of a jump.
            (second, near) in (1_104_537_600_i64..2_051_222_400, any::<bool>()),
        ) {
            let zone = TimeZone::get(ZONES[zone]).unwrap();
            let text = format!("{minute} {hour} {day} {month} {weekday}");
            let mut after = Timestamp::from_second(second).unwrap();
            if near && let Some(jump) = zone.following(after).next() {
                after = jump.timestamp().checked_sub((second % 180_000).seconds()).unwrap();
            }
            let (ours, theirs) = (Cron::from_str(&text).unwrap(), Croner::from_str(&text).unwrap());
            let mut at = after;
            for _ in 0..6 {
                let Some(due) = ours.next_after(at, &zone) else { break };
                let from: Zoned = at.to_zoned(zone.clone());
                let Ok(expected) = theirs.find_next_occurrence(&from, false) else {
                    // It gives up at a day that a zone leaves out as a whole; there is one.
                    let left_out: Timestamp = "2011-12-30T10:00:00Z".parse().unwrap();
                    let apia = zone.iana_name() == Some("Pacific/Apia");
                    prop_assert!(apia && at < left_out && due >= left_out, "{} after {}", &text, from);
                    break;
                };
                prop_assert_eq!(due.to_zoned(zone.clone()), expected, "{} after {}", &text, from);
                at = due;
            }
        }
    }
}
