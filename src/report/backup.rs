use super::{
    bytes, duration,
    point::{artifacts, problems, verified},
};
use crate::point::Manifest;
use std::{fmt::Write, time::Duration};

/// What a backup brought: where, what, how big, how long, and what was verified.
pub fn backup(m: &Manifest, store: &str) -> String {
    let took = Duration::try_from(m.finished_at.duration_since(m.created_at)).unwrap_or_default();
    let mut out = String::new();
    let _ = writeln!(
        out,
        "Recovery point {} {} in {}: {} in {store}",
        m.id,
        m.status,
        duration(took),
        bytes(m.stored_bytes())
    );
    out.push('\n');
    out.push_str(&artifacts(&m.artifacts));
    out.push_str(&verified(m));
    out.push_str(&problems(m));
    out
}
