//! What is to be done about a job now: begin it, hold it, let it pass, or look again later. The rules are those of a CronJob, and
//! nothing here knows what a job is, or what time it really is.

use super::Cron;
use jiff::{SignedDuration, Timestamp, ToSpan, tz::TimeZone};

/// So many missed runs are counted, and no more.
const MOST_COUNTED: u32 = 1000;

/// When a job runs, and what else holds for it.
#[derive(Debug, Clone)]
pub struct Rule {
    /// The job's name: of two jobs that are due at one time, each has its own jitter.
    pub name: String,
    /// When it is due.
    pub cron: Cron,
    /// In which time zone.
    pub zone: TimeZone,
    /// It begins up to so much later, by a lot that is the same whenever it is drawn for this time.
    pub jitter: SignedDuration,
    /// A run that could not begin until so long after its time is missed for good; none: it is made up for whenever that is.
    pub deadline: Option<SignedDuration>,
    /// What becomes of a run whose time comes while the one before still runs.
    pub overlap: Overlap,
    /// It does not run at all.
    pub suspended: bool,
}

/// What becomes of a run whose time comes while the one before still runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Overlap {
    /// It waits, and is missed when its deadline comes first.
    #[default]
    Forbid,
    /// The one that runs is ended.
    Replace,
    /// It waits, however long that takes; of several that wait only the newest is made up for.
    Queue,
}

/// What has become of a job so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// The time of the last run that was begun or has passed; before the first one, when the job was first known.
    pub handled: Timestamp,
    /// Does one run?
    pub running: bool,
    /// When the last one ended, if any did.
    pub ended: Option<Timestamp>,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Nothing before this time.
    At(Timestamp),
    /// Nothing, ever.
    Never,
    /// Nothing before the run that is under way has ended.
    Hold {
        /// The time of the run that waits.
        due: Timestamp,
    },
    /// A run of this time begins; with `replace`, once the one that runs was ended.
    Begin {
        /// Its time.
        due: Timestamp,
        /// So many before it were missed, and are not made up for.
        missed: u32,
        /// Is one to be ended first?
        replace: bool,
    },
    /// It is too late for the run of this time.
    Pass {
        /// Its time.
        due: Timestamp,
        /// So many were missed, this one included.
        missed: u32,
    },
}

impl Rule {
    /// What is to be done about it at this time.
    pub fn next(&self, seen: &Seen, now: Timestamp) -> Next {
        if self.suspended {
            return Next::Never;
        }
        let Some((due, missed)) = self.newest(seen.handled, now) else {
            let next = self.after(seen.handled).next();
            return next.map_or(Next::Never, |due| Next::At(self.begins(due)));
        };
        if seen.running && self.overlap == Overlap::Replace {
            return Next::Begin { due, missed, replace: true };
        }
        let could = match (self.overlap, seen.ended) {
            (Overlap::Queue, Some(ended)) => self.begins(due).max(ended),
            _ => self.begins(due),
        };
        let waits = seen.running && self.overlap == Overlap::Queue;
        match self.deadline {
            Some(deadline) if !waits && now.duration_since(could) > deadline => {
                Next::Pass { due, missed: missed.saturating_add(1) }
            }
            _ if seen.running => Next::Hold { due },
            _ => Next::Begin { due, missed, replace: false },
        }
    }

    /// When a run of this time begins.
    pub fn begins(&self, due: Timestamp) -> Timestamp {
        let most = u64::try_from(self.jitter.as_millis()).unwrap_or_default();
        // FNV-1a over the name and the time.
        let bytes = self.name.bytes().chain(due.as_second().to_be_bytes());
        let lot = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let later = i64::try_from(lot % most.max(1)).unwrap_or_default();
        due.checked_add(SignedDuration::from_millis(later)).unwrap_or(due)
    }

    /// The newest time that has come since, and how many came before it.
    fn newest(&self, since: Timestamp, now: Timestamp) -> Option<(Timestamp, u32)> {
        let ripe = |due: &Timestamp| self.begins(*due) <= now;
        // From nearby, then from further away: years may have passed.
        let mut back = 1.hour();
        let mut newest = None;
        for hours in [1_i64, 24, 24 * 32, 24 * 400, 24 * 366 * 30] {
            back = back.hours(hours);
            let from = now.checked_sub(back).unwrap_or(since).max(since);
            newest = self.after(from).take_while(|due| *due <= now).filter(ripe).last();
            if newest.is_some() || from == since {
                break;
            }
        }
        let newest = newest?;
        let before = self.after(since).take_while(|due| *due < newest).take(MOST_COUNTED as usize).count();
        Some((newest, u32::try_from(before).unwrap_or(MOST_COUNTED)))
    }

    /// When the first run that is due after an instant begins, unless another one keeps it from that.
    pub fn begins_after(&self, since: Timestamp) -> Option<Timestamp> {
        self.after(since).next().map(|due| self.begins(due))
    }

    /// Its times after an instant, in order.
    pub fn after(&self, since: Timestamp) -> impl Iterator<Item = Timestamp> {
        std::iter::successors(self.cron.next_after(since, &self.zone), |due| {
            self.cron.next_after(*due, &self.zone)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rule(cron: &str) -> Rule {
        Rule {
            name: "hourly".into(),
            cron: cron.parse().unwrap(),
            zone: TimeZone::UTC,
            jitter: SignedDuration::ZERO,
            deadline: None,
            overlap: Overlap::Forbid,
            suspended: false,
        }
    }

    fn at(text: &str) -> Timestamp {
        format!("2026-11-29T{text}Z").parse().unwrap()
    }

    fn idle(handled: &str) -> Seen {
        Seen { handled: at(handled), running: false, ended: None }
    }

    #[test]
    fn the_newest_of_what_was_missed_is_made_up_for_once() {
        let hourly = rule("0 * * * *");
        let seen = idle("08:00:00");
        assert_eq!(hourly.next(&seen, at("08:59:59")), Next::At(at("09:00:00")));
        assert_eq!(
            hourly.next(&seen, at("09:00:00")),
            Next::Begin { due: at("09:00:00"), missed: 0, replace: false }
        );
        assert_eq!(
            hourly.next(&seen, at("12:30:00")),
            Next::Begin { due: at("12:00:00"), missed: 3, replace: false }
        );
        assert_eq!(hourly.next(&idle("12:00:00"), at("12:30:00")), Next::At(at("13:00:00")));
        let mut asleep = rule("0 * * * *");
        asleep.suspended = true;
        assert_eq!(asleep.next(&seen, at("12:30:00")), Next::Never);
    }

    #[test]
    fn years_that_have_passed_are_not_walked_through() {
        let seen = Seen { handled: "2006-01-01T00:00:00Z".parse().unwrap(), running: false, ended: None };
        let next = rule("* * * * *").next(&seen, at("08:00:30"));
        assert_eq!(next, Next::Begin { due: at("08:00:00"), missed: MOST_COUNTED, replace: false });
        let next = rule("0 0 29 2 *").next(&seen, at("08:00:30"));
        let due = "2024-02-29T00:00:00Z".parse().unwrap();
        assert_eq!(next, Next::Begin { due, missed: 4, replace: false });
    }

    #[test]
    fn what_comes_too_late_is_passed_over() {
        let mut hourly = rule("0 * * * *");
        hourly.deadline = Some(SignedDuration::from_mins(10));
        let seen = idle("08:00:00");
        assert_eq!(
            hourly.next(&seen, at("09:10:00")),
            Next::Begin { due: at("09:00:00"), missed: 0, replace: false }
        );
        assert_eq!(hourly.next(&seen, at("09:10:01")), Next::Pass { due: at("09:00:00"), missed: 1 });
        assert_eq!(hourly.next(&seen, at("11:10:01")), Next::Pass { due: at("11:00:00"), missed: 3 });
    }

    #[test]
    fn runs_that_outlast_their_period_are_waited_for_replaced_or_queued() {
        let mut hourly = rule("0 * * * *");
        hourly.deadline = Some(SignedDuration::from_mins(10));
        let seen = Seen { running: true, ..idle("08:00:00") };
        assert_eq!(hourly.next(&seen, at("09:05:00")), Next::Hold { due: at("09:00:00") });
        assert_eq!(hourly.next(&seen, at("09:15:00")), Next::Pass { due: at("09:00:00"), missed: 1 });
        hourly.overlap = Overlap::Replace;
        assert_eq!(
            hourly.next(&seen, at("09:00:00")),
            Next::Begin { due: at("09:00:00"), missed: 0, replace: true }
        );
        hourly.overlap = Overlap::Queue;
        assert_eq!(hourly.next(&seen, at("09:15:00")), Next::Hold { due: at("09:00:00") });
        let ended = Seen { running: false, ended: Some(at("09:20:00")), ..seen };
        assert_eq!(
            hourly.next(&ended, at("09:20:01")),
            Next::Begin { due: at("09:00:00"), missed: 0, replace: false }
        );
    }

    #[test]
    fn jitter_is_the_same_whenever_it_is_drawn_and_not_for_everybody() {
        let mut hourly = rule("0 * * * *");
        hourly.jitter = SignedDuration::from_mins(5);
        let other = Rule { name: "other".into(), ..hourly.clone() };
        let begins = hourly.begins(at("09:00:00"));
        assert_eq!(begins, hourly.begins(at("09:00:00")));
        assert_ne!(begins, other.begins(at("09:00:00")));
        let just_before = begins.checked_sub(1.millisecond()).unwrap();
        assert_eq!(hourly.next(&idle("08:00:00"), just_before), Next::At(begins));
        assert_eq!(
            hourly.next(&idle("08:00:00"), begins),
            Next::Begin { due: at("09:00:00"), missed: 0, replace: false }
        );
    }

    proptest! {
        /// Whoever looks at whatever times, over restarts and sleeps of any length: every run has one time, in order, and what was
        /// begun, passed over or missed is all that was due.
        #[test]
        fn none_is_lost_and_none_is_doubled(
            (minute, every) in (0u8..60, 1u8..6),
            (jitter, deadline) in (0i64..900, prop::option::of(60i64..7200)),
            looks in prop::collection::vec((1i64..20_000, 0i64..9000), 1..60),
        ) {
            let mut rule = rule(&format!("{minute} */{every} * * *"));
            rule.jitter = SignedDuration::from_secs(jitter);
            rule.deadline = deadline.map(SignedDuration::from_secs);
            rule.overlap = Overlap::Queue;
            let begin = at("00:00:00");
            let (mut now, mut free) = (begin, begin);
            let mut seen = Seen { handled: begin, running: false, ended: None };
            let mut accounted = 0;
            for (pause, takes) in looks {
                now = now.checked_add(pause.seconds()).unwrap();
                if seen.running && free <= now {
                    seen = Seen { running: false, ended: Some(free), ..seen };
                }
                match rule.next(&seen, now) {
                    Next::Begin { due, missed, .. } => {
                        prop_assert!(due > seen.handled && rule.begins(due) <= now && !seen.running);
                        accounted += missed + 1;
                        seen = Seen { handled: due, running: true, ..seen };
                        free = now.checked_add(takes.seconds()).unwrap();
                    }
                    Next::Pass { due, missed } => {
                        prop_assert!(due > seen.handled);
                        accounted += missed;
                        seen.handled = due;
                    }
                    Next::At(then) => prop_assert!(then > now),
                    Next::Hold { due } => prop_assert!(seen.running && due > seen.handled),
                    Next::Never => prop_assert!(false, "never"),
                }
            }
            let all = rule.after(begin).take_while(|due| *due <= seen.handled).count();
            prop_assert_eq!(all, accounted as usize);
        }
    }
}
