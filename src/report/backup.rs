use super::{
    between, bytes,
    point::{artifacts, problems, verified},
};
use crate::point::Manifest;
use std::fmt::Write;

/// What a backup brought: where, what, how big, how long, and what was verified.
pub fn backup(m: &Manifest, store: &str) -> String {
    let took = between(m.created_at, m.finished_at);
    let mut out = String::new();
    let _ = writeln!(
        out,
        "Recovery point {} {} in {}: {} in {store}",
        m.id,
        m.status,
        took,
        bytes(m.stored_bytes())
    );
    out.push('\n');
    out.push_str(&artifacts(&m.artifacts));
    out.push_str(&verified(m));
    out.push_str(&problems(m));
    out
}
