use super::{Checks, Level};
use crate::source::{Certificate, Renewable};
use jiff::{SignedDuration, Timestamp};

/// At the earliest so long before its end somebody is asked to renew it.
const AHEAD: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Tells of each until when it holds.
pub(super) fn renewable(all: impl IntoIterator<Item = Renewable>, checks: &mut Checks) {
    for it in all {
        let about = format!("certificate {}", it.of);
        match it.read {
            Ok(found) => {
                let (level, said) = expiry(&found, Timestamp::now());
                checks.add(level, about, format!("{said} ({})", it.place));
            }
            Err(e) => checks.add(Level::Error, about, e.to_string()),
        }
    }
}

/// Until when it holds, and how bad that is.
pub(super) fn expiry(found: &Certificate, now: Timestamp) -> (Level, String) {
    let Certificate { not_before, not_after, .. } = found;
    if found.has_expired(now) {
        (Level::Error, format!("it expired at {not_after}: renew it"))
    } else if now < *not_before {
        (
            Level::Error,
            format!("it does not hold before {not_before}: look at the clock here, and where it was issued"),
        )
    } else if found.overdue_from(AHEAD) < now {
        (Level::Warning, format!("it expires at {not_after}: renew it"))
    } else {
        (Level::Ok, format!("it holds until {not_after}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_to_be_renewed_in_the_last_tenth_of_its_life_and_not_more_than_a_month_ahead() {
        let at = |hours| Timestamp::UNIX_EPOCH + SignedDuration::from_hours(hours);
        let of = |from, until, now| {
            let (not_before, not_after) = (at(from), at(until));
            expiry(&Certificate { subject: String::new(), not_before, not_after }, at(now))
        };
        for (life, now, level) in [
            (24 * 365, 24 * 335, Level::Ok),
            (24 * 365, 24 * 335 + 1, Level::Warning),
            (40, 36, Level::Ok),
            (40, 37, Level::Warning),
            (40, 40, Level::Warning),
            (40, 41, Level::Error),
            (40, -1, Level::Error),
        ] {
            assert_eq!(of(0, life, now).0, level, "of {life} hours after {now}");
        }
        assert!(of(0, 40, -1).1.starts_with("it does not hold before 1970-01-01T00:00:00Z"));
        // One that ends before it begins never held.
        assert_eq!(of(40, 0, 20).0, Level::Error);
    }
}
