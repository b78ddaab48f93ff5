use super::{between, bytes, duration, records, table};
use crate::{
    catalogue::{Listed, Records, Signature, Standing},
    point::{Artifact, EtcdFacts, Manifest, PointId, ResourceFacts, Status},
};
use jiff::Timestamp;
use std::{collections::BTreeMap, fmt::Write, time::Duration};

/// The recovery points of a store, oldest first, and what is recorded of them where anything is.
pub fn points(points: &[Listed], standings: &BTreeMap<PointId, Standing>, now: Timestamp) -> String {
    if points.is_empty() {
        return "no recovery points yet: `lifeboat backup` takes one".to_owned();
    }
    let recorded: Vec<[String; 3]> =
        points.iter().map(|listed| records::cells(standings.get(&listed.id), now)).collect();
    let used = [0, 1, 2].map(|column| recorded.iter().any(|cells| cells[column] != "-"));
    let rows = points.iter().zip(recorded).map(|(listed, recorded)| {
        let mut row = cells(listed, now);
        row.extend(recorded.into_iter().zip(used).filter(|(_, used)| *used).map(|(cell, _)| cell));
        row
    });
    let mut header = vec!["id", "age", "status", "artifacts", "stored", "signature"];
    header.extend(
        ["verified", "held", "tags"].into_iter().zip(used).filter(|(_, used)| *used).map(|(name, _)| name),
    );
    table(&header, rows)
}

fn cells(listed: &Listed, now: Timestamp) -> Vec<String> {
    let signature = signature(&listed.signature);
    match &listed.manifest {
        Ok(m) => {
            let kinds: Vec<&str> =
                m.artifacts.iter().map(|a| a.kind.as_str()).filter(|k| *k != "resources-index").collect();
            vec![
                listed.id.to_string(),
                between(m.created_at, now),
                m.status.to_string(),
                kinds.join("+"),
                bytes(m.stored_bytes()),
                signature,
            ]
        }
        Err(e) => {
            let dash = || "-".to_owned();
            vec![listed.id.to_string(), dash(), format!("unreadable: {e}"), dash(), dash(), signature]
        }
    }
}

fn signature(signature: &Signature) -> String {
    match signature {
        Signature::Holds => "holds".into(),
        Signature::NotChecked => "not checked".into(),
        Signature::Bad(_) => "BAD".into(),
    }
}

/// One recovery point, in full, and what is recorded of it.
pub fn point(
    m: &Manifest,
    signed: &Signature,
    store: &str,
    (recorded, standing): (&Records, &Standing),
    now: Timestamp,
) -> String {
    let mut out = String::new();
    let uid = m.cluster.uid.as_deref().map(|uid| format!(" (uid {uid})")).unwrap_or_default();
    line(&mut out, "Recovery point", &m.id);
    line(&mut out, "Cluster", format!("{}{uid}", m.cluster.name));
    line(&mut out, "Store", store);
    line(&mut out, "Status", m.status);
    let took = between(m.created_at, m.finished_at);
    line(&mut out, "Taken", format!("{} in {}", m.created_at, took));
    if !m.phases.is_empty() {
        let each =
            m.phases.iter().map(|it| format!("{} {}", it.phase, duration(Duration::from_millis(it.took_ms))));
        line(&mut out, "Phases", each.collect::<Vec<_>>().join(", "));
    }
    if !m.job.is_empty() {
        line(&mut out, "Job", &m.job);
    }
    line(&mut out, "Written by", format!("{} {}, format {}", m.tool.name, m.tool.version, m.format));
    line(&mut out, "Signature", signature(signed));
    out.push('\n');
    out.push_str(&artifacts(&m.artifacts));
    for artifact in &m.artifacts {
        if let Some(facts) = &artifact.etcd {
            etcd(&mut out, facts);
        }
        if let Some(facts) = &artifact.resources {
            resources(&mut out, facts);
        }
    }
    if let Some(artifact) = m.artifacts.first() {
        out.push_str("\nEncrypted to\n");
        for recipient in &artifact.recipients {
            let _ = writeln!(out, "  {recipient}");
        }
    }
    out.push_str(&verified(m));
    out.push_str(&problems(m));
    let said = records::records(recorded, standing, now);
    if !said.is_empty() {
        out.push_str("\nRecorded since\n");
        out.push_str(&said);
    }
    out
}

pub(super) fn artifacts(artifacts: &[Artifact]) -> String {
    let rows = artifacts.iter().map(|a| {
        vec![
            a.kind.to_string(),
            bytes(a.plain_bytes),
            bytes(a.stored_bytes),
            a.key.clone(),
            a.stored_sha256.to_string()[..16].to_owned(),
        ]
    });
    let mut out = table(&["artifact", "plain", "stored", "object", "sha-256 (stored)"], rows);
    out.push('\n');
    out
}

pub(super) fn verified(m: &Manifest) -> String {
    let mut out = String::from("\nVerified before it was committed\n");
    for v in &m.verified {
        let _ = writeln!(out, "  {}: {}", v.check, v.result);
    }
    out
}

pub(super) fn problems(m: &Manifest) -> String {
    let mut out = String::new();
    if !m.problems.is_empty() {
        out.push_str(match m.status {
            Status::Completed => "\nWarnings\n",
            Status::PartiallyFailed => "\nProblems\n",
        });
    }
    for p in &m.problems {
        let level = if p.fatal { "MISSING" } else { "warning" };
        let _ = writeln!(out, "  {level}  {}: {}", p.about, p.message);
    }
    out
}

fn etcd(out: &mut String, facts: &EtcdFacts) {
    out.push_str("\netcd\n");
    line(out, "  Revision", facts.revision);
    if let Some(hash) = facts.kv_hash {
        let at = format!(
            "{:08x} at revision {}, compacted at {}",
            hash.hash, hash.revision, hash.compact_revision
        );
        line(out, "  KV hash", at);
    }
    line(out, "  Version", format!("{} (storage {})", facts.version, or_dash(&facts.storage_version)));
    line(out, "  Streamed from", format!("{} {}", facts.member, facts.endpoint));
    let rows = facts.members.iter().map(|m| {
        let role = match (m.leader, m.learner) {
            (true, _) => "leader",
            (_, true) => "learner",
            _ => "follower",
        };
        let role = if m.version.is_some() { role } else { "-" };
        let agrees = if m.agrees { "yes" } else { "no" };
        let problems = m.problems.join("; ");
        vec![format!("  {}", or_dash(&m.name)), m.id.clone(), role.into(), agrees.into(), problems]
    });
    out.push_str(&table(&["  member", "id", "role", "agrees", "problems"], rows));
    out.push('\n');
}

fn resources(out: &mut String, facts: &ResourceFacts) {
    out.push_str("\nResources\n");
    line(out, "  Exported", format!("{} objects, {} types", facts.objects, facts.counts.len()));
    line(out, "  Revision", format!("{} ({})", facts.resource_version, facts.at));
    line(out, "  API server", &facts.version);
    if facts.restarts > 0 {
        line(out, "  Restarts", format!("{} (the revision had been compacted)", facts.restarts));
    }
    let rows = facts.counts.iter().filter(|(_, c)| c.objects > 0).map(|(name, c)| {
        let note = if c.own_revision { "listed at its own revision" } else { "" };
        vec![format!("  {name}"), c.objects.to_string(), bytes(c.bytes), note.to_owned()]
    });
    out.push_str(&table(&["  type", "objects", "bytes", ""], rows));
    out.push('\n');
    for failed in &facts.failed {
        let _ = writeln!(out, "  MISSING  {}: {}", failed.resource, failed.reason);
    }
}

fn or_dash(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}

fn line(out: &mut String, name: &str, value: impl std::fmt::Display) {
    let _ = writeln!(out, "{name:16}  {value}");
}
