use super::{bytes, table};
use crate::snapshot::{Inspection, KeyInfo, Tally};
use std::{collections::BTreeMap, fmt::Write};

/// An etcd database at a glance. `kv_hash` is the file's own, at its newest revision.
pub fn inspection(i: &Inspection, kv_hash: u32) -> String {
    let mut out = String::new();
    let mut line = |name: &str, value: String| {
        let _ = writeln!(out, "{name:16}  {value}");
    };
    let compacted = match i.compact_revision {
        r if r > 0 => format!("compacted at {r}"),
        _ => "never compacted".to_owned(),
    };
    line("Revision", format!("{}, {compacted}", i.revision));
    line("KV hash", format!("{kv_hash:08x}"));
    line("Storage version", i.storage_version.clone().unwrap_or_else(|| "before 3.6".to_owned()));
    line("Raft", format!("index {}, term {}", number(i.consistent_index), number(i.term)));
    line("Size", format!("{}, {} in use", bytes(i.size), bytes(i.size_in_use)));
    line(
        "Pages",
        format!(
            "{} of {} B, {} in use, {} free",
            i.pages.total, i.pages.page_size, i.pages.used, i.pages.free
        ),
    );
    let sound = match i.pages.findings.first() {
        None => "all pages in use are sound".to_owned(),
        Some(f) => format!("DAMAGED: page {}: {}", f.page, f.fault),
    };
    line("Soundness", sound);
    line(
        "Keys",
        format!(
            "{} live ({}), {} revisions, {} tombstones",
            i.live.count,
            bytes(i.live.bytes),
            i.history.count,
            i.tombstones
        ),
    );
    line("Leases", format!("{}, with {} keys attached", i.leases.count, i.leases.attached_keys));
    let members: Vec<String> = i.cluster.members.iter().map(|m| format!("{} ({})", m.name, m.id)).collect();
    line("Members", members.join(", "));
    out.push('\n');
    out.push_str(&tallies("resource", &i.resources));
    out.push('\n');
    out.push_str(&tallies("namespace", &i.namespaces));
    if i.other.count > 0 {
        let _ = writeln!(
            out,
            "\n{} more keys ({}) are no Kubernetes objects",
            i.other.count,
            bytes(i.other.bytes)
        );
    }
    out.push('\n');
    let rows = i.largest.iter().map(|l| vec![bytes(l.bytes), l.key.clone()]);
    out.push_str(&table(&["bytes", "biggest objects"], rows));
    out
}

fn tallies(name: &str, tallies: &BTreeMap<String, Tally>) -> String {
    let mut rows: Vec<_> = tallies.iter().collect();
    rows.sort_by_key(|(_, t)| std::cmp::Reverse(t.bytes));
    let rows = rows.into_iter().map(|(name, t)| vec![name.clone(), t.count.to_string(), bytes(t.bytes)]);
    let mut out = table(&[name, "keys", "bytes"], rows);
    out.push('\n');
    out
}

fn number(n: Option<u64>) -> String {
    n.map_or_else(|| "unknown".to_owned(), |n| n.to_string())
}

/// Keys, one a line.
pub fn keys(keys: &[KeyInfo]) -> String {
    let rows = keys.iter().map(|k| {
        vec![
            String::from_utf8_lossy(&k.key).into_owned(),
            k.revision.main.to_string(),
            k.create_revision.to_string(),
            k.version.to_string(),
            bytes(k.value_size),
        ]
    });
    table(&["key", "modified at", "created at", "version", "value"], rows)
}
