use super::{Checks, Level};
use crate::source::Renewable;
use jiff::{Timestamp, ToSpan};

/// Tells of each until when it holds.
pub(super) fn renewable(all: impl IntoIterator<Item = Renewable>, checks: &mut Checks) {
    for it in all {
        let about = format!("certificate {} ({})", it.of, it.place);
        match it.read {
            Ok(found) => expiry(&about, found.not_after, checks),
            Err(e) => checks.add(Level::Error, about, e.to_string()),
        }
    }
}

pub(super) fn expiry(about: &str, not_after: Timestamp, checks: &mut Checks) {
    let now = Timestamp::now();
    let soon = now.checked_add((30 * 24).hours()).unwrap_or(now);
    if not_after < now {
        checks.add(Level::Error, about, format!("it expired at {not_after}: renew it"));
    } else if not_after < soon {
        checks.add(Level::Warning, about, format!("it expires at {not_after}: renew it"));
    } else {
        checks.add(Level::Ok, about, format!("it holds until {not_after}"));
    }
}
