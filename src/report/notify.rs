use crate::notify::Delivery;
use std::fmt::Write;

/// Who was told, and who could not be.
pub fn notifications(told: &[Delivery]) -> String {
    let mut out = String::new();
    for it in told {
        let _ = match &it.error {
            None => writeln!(out, "told: {}", it.channel),
            Some(why) => writeln!(out, "NOT TOLD: {} ({why}; {} tries)", it.channel, it.tries),
        };
    }
    out
}
