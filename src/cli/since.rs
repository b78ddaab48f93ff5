//! Since when: a length of time before now, a day, or an instant.

use super::failure::Failure;
use jiff::{Span, Timestamp, civil::Date, tz::TimeZone};

/// The instant that `text` means: `7d`, `36h`, `2026-11-20` (UTC), `2026-11-20T08:00:00Z`.
pub(super) fn since(text: &str, now: Timestamp) -> Result<Timestamp, Failure> {
    let ago = || {
        let span: Span = text.parse().ok()?;
        // `-7d` would be the future.
        let then = now.to_zoned(TimeZone::UTC).checked_sub(span).ok()?.timestamp();
        (then <= now).then_some(then)
    };
    let instant = || text.parse::<Timestamp>().ok();
    let day = || text.parse::<Date>().ok()?.to_zoned(TimeZone::UTC).ok().map(|day| day.timestamp());
    instant().or_else(day).or_else(ago).ok_or_else(|| {
        let forms =
            "write a length of time (7d, 36h), a day (2026-11-20) or an instant (2026-11-20T08:00:00Z)";
        Failure::usage(format!("`{text}` does not tell since when: {forms}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_s_ways_to_say_it_are_understood() {
        let now: Timestamp = "2026-11-23T08:45:00Z".parse().unwrap();
        for (text, wanted) in [
            ("7d", "2026-11-16T08:45:00Z"),
            ("36h", "2026-11-21T20:45:00Z"),
            ("2w", "2026-11-09T08:45:00Z"),
            ("2026-11-20", "2026-11-20T00:00:00Z"),
            ("2026-11-20T08:00:00Z", "2026-11-20T08:00:00Z"),
        ] {
            assert_eq!(since(text, now).unwrap().to_string(), wanted, "{text}");
        }
        for bad in ["", "yesterday", "7", "-7d", "99999999999y"] {
            assert!(since(bad, now).is_err(), "{bad}");
        }
    }
}
