use super::{Checks, Level};
use crate::source::Renewable;
use jiff::{Timestamp, ToSpan};

/// Tells of each until when it holds.
pub(super) fn renewable(all: impl IntoIterator<Item = Renewable>, checks: &mut Checks) {
    for it in all {
        let about = format!("certificate {}", it.of);
        match it.read {
            Ok(found) => {
                let (level, said) = expiry(found.not_after);
                checks.add(level, about, format!("{said} ({})", it.place));
            }
            Err(e) => checks.add(Level::Error, about, e.to_string()),
        }
    }
}

/// Until when it holds, and how bad that is.
pub(super) fn expiry(not_after: Timestamp) -> (Level, String) {
    let now = Timestamp::now();
    let soon = now.checked_add((30 * 24).hours()).unwrap_or(now);
    if not_after < now {
        (Level::Error, format!("it expired at {not_after}: renew it"))
    } else if not_after < soon {
        (Level::Warning, format!("it expires at {not_after}: renew it"))
    } else {
        (Level::Ok, format!("it holds until {not_after}"))
    }
}
