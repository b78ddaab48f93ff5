//! The deep look: every artifact opened, and what it holds compared with what the manifest says of it.

use super::{
    Aspect, Catalogue, CatalogueError, Level, Verdict,
    export::{each_entry, next_line},
    verify::{report_differences, tell_versions},
};
use crate::{
    pipeline::{Identities, hidden_file},
    point::{Artifact, ArtifactKind, Digest, EtcdFacts, Manifest, ResourceFacts},
    snapshot::{Database, SnapshotError},
};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufReader, Seek},
    sync::Arc,
};

/// Looks into the artifacts of the kinds in `whole`.
pub(super) async fn verify(
    catalogue: &Catalogue,
    manifest: &Manifest,
    whole: &[ArtifactKind],
    identities: &Arc<Identities>,
    verdict: &mut Verdict,
) -> Result<(), CatalogueError> {
    let mut opened: BTreeMap<&ArtifactKind, File> = BTreeMap::new();
    for artifact in manifest.artifacts.iter().filter(|a| whole.contains(&a.kind)) {
        if matches!(artifact.kind, ArtifactKind::Other(_)) {
            continue;
        }
        let plain =
            hidden_file(artifact.plain_bytes, &std::env::temp_dir()).map_err(CatalogueError::Temporary)?;
        let writer = plain.try_clone().map_err(CatalogueError::Temporary)?;
        let result = catalogue.open_raw(&manifest.id, artifact, identities.clone(), writer).await?;
        if report_differences(artifact, &result, verdict) {
            opened.insert(&artifact.kind, plain);
        } else if result.stored.sha256 != artifact.stored_sha256 {
            tell_versions(catalogue, &manifest.id, artifact, verdict).await?;
        }
    }
    let found = |kind| manifest.artifact(kind).zip(opened.remove(kind));
    let mut found = found;
    let etcd = found(&ArtifactKind::Etcd).map(|(a, file)| (a.clone(), file));
    let archive = found(&ArtifactKind::Resources).map(|(a, file)| (a.clone(), file));
    let index = found(&ArtifactKind::ResourcesIndex).map(|(_, file)| file);
    let (id, depth) = (manifest.id.clone(), verdict.depth);
    let looked = tokio::task::spawn_blocking(move || {
        let mut verdict = Verdict::new(id, depth);
        if let Some((artifact, file)) = etcd {
            database(&artifact, file, &mut verdict);
        }
        if let Some((artifact, file)) = archive {
            export(&artifact, file, index, &mut verdict);
        }
        verdict.findings
    });
    match looked.await {
        Ok(findings) => verdict.findings.extend(findings),
        Err(e) => verdict.add(Level::Error, "verification", format!("it came to an untimely end: {e}")),
    }
    Ok(())
}

fn database(artifact: &Artifact, file: File, verdict: &mut Verdict) {
    let about = artifact.key.as_str();
    let database = match Database::open(file) {
        Ok(database) => database,
        Err(e) => return verdict.add(Level::Error, about, e.to_string()),
    };
    match database.check_trailer() {
        Ok(_) => verdict.add(Level::Ok, about, "etcd's own SHA-256 at its end holds"),
        Err(e) => verdict.add(Level::Error, about, e.to_string()),
    }
    match database.check_pages() {
        Ok(report) if report.is_sound() => {
            verdict.add(Level::Ok, about, format!("all {} pages in use are sound", report.used));
        }
        Ok(report) => {
            let first =
                report.findings.first().map(|f| format!("page {}: {}", f.page, f.fault)).unwrap_or_default();
            verdict.add(
                Level::Error,
                about,
                format!("{} faults in its pages; the first: {first}", report.errors),
            );
        }
        Err(e) => verdict.add(Level::Error, about, e.to_string()),
    }
    match &artifact.etcd {
        Some(facts) => etcd_facts(about, &database, facts, verdict),
        None => {
            verdict.add(Level::Warning, about, "the manifest says nothing of its revision and its KV hash")
        }
    }
}

fn etcd_facts(about: &str, database: &Database, facts: &EtcdFacts, verdict: &mut Verdict) {
    match database.revision() {
        Ok(revision) if revision == facts.revision => {
            verdict.add_of(
                Aspect::Revision,
                Level::Ok,
                about,
                format!("its newest revision is {revision}, as the manifest says"),
            );
        }
        Ok(revision) => {
            let message = format!("its newest revision is {revision}, the manifest says {}", facts.revision);
            verdict.add_of(Aspect::Revision, Level::Error, about, message);
        }
        Err(e) => verdict.add_of(Aspect::Revision, Level::Error, about, e.to_string()),
    }
    let Some(wanted) = facts.kv_hash else {
        return verdict.add_of(
            Aspect::KvHash,
            Level::Warning,
            about,
            "the manifest holds no KV hash to compare with",
        );
    };
    match database.kv_hash(wanted.revision, wanted.compact_revision) {
        Ok(found) if found.hash == wanted.hash => {
            let message = format!(
                "its KV hash at revision {} is the live members', {:08x}",
                wanted.revision, found.hash
            );
            verdict.add_of(Aspect::KvHash, Level::Ok, about, message);
        }
        Ok(found) => {
            let message = format!(
                "its KV hash at revision {} is {:08x}, the live members had {:08x}",
                wanted.revision, found.hash, wanted.hash
            );
            verdict.add_of(Aspect::KvHash, Level::Error, about, message);
        }
        // etcd answers for the revision of a compaction with the hash from before it.
        Err(e @ (SnapshotError::BelowCompaction { .. } | SnapshotError::Compacted { .. })) => {
            verdict.add_of(
                Aspect::KvHash,
                Level::Warning,
                about,
                format!("its KV hash cannot be compared: {e}"),
            );
        }
        Err(e) => verdict.add_of(Aspect::KvHash, Level::Error, about, e.to_string()),
    }
}

#[derive(Deserialize)]
struct Object<'a> {
    #[serde(borrow, rename = "apiVersion")]
    api_version: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    kind: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    metadata: Metadata<'a>,
}

#[derive(Deserialize)]
struct Metadata<'a> {
    #[serde(borrow)]
    name: std::borrow::Cow<'a, str>,
    #[serde(borrow, default)]
    namespace: Option<std::borrow::Cow<'a, str>>,
}

fn export(artifact: &Artifact, archive: File, index: Option<File>, verdict: &mut Verdict) {
    let about = artifact.key.as_str();
    let mut counts: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    let mut line = Vec::new();
    let rewound = |mut file: File| file.rewind().map(|()| BufReader::with_capacity(1 << 20, file));
    let (archive, mut index) = match (rewound(archive), index.map(rewound).transpose()) {
        (Ok(archive), Ok(index)) => (archive, index),
        (Err(e), _) | (_, Err(e)) => return verdict.add(Level::Error, about, e.to_string()),
    };
    let walked = each_entry(archive, |path, place, json| {
        let object: Object =
            serde_json::from_slice(json).map_err(|e| format!("{path} is not an object: {e}"))?;
        if object.metadata.name != place.name.as_str()
            || object.metadata.namespace.as_deref() != place.namespace.as_deref()
            || object.kind.is_empty()
            || object.api_version.is_empty()
        {
            return Err(format!("{path} holds another object"));
        }
        if let Some(index) = &mut index {
            let line = next_line(index, &mut line)?.ok_or_else(|| format!("{path} is not in the index"))?;
            let digest = Digest::from(Sha256::digest(json));
            if line.path != path || line.size != json.len() as u64 || line.sha256 != digest {
                return Err(format!("{path} differs from its line in the index, {}", line.path));
            }
        }
        let count = counts.entry(type_name(&place.group, &place.version, &place.resource)).or_default();
        count.0 += 1;
        count.1 += json.len() as u64;
        Ok(())
    });
    match walked {
        Err(message) => return verdict.add_inside(Level::Error, about, message),
        Ok(objects) => {
            verdict.add(Level::Ok, about, format!("all {objects} objects parse and are in their place"))
        }
    }
    match index.map(|mut index| next_line(&mut index, &mut line)) {
        None => verdict.add(Level::Warning, about, "there is no index to compare with"),
        Some(Ok(None)) => {
            verdict.add(Level::Ok, about, "the index names exactly these objects, with these digests")
        }
        Some(Ok(Some(more))) => {
            let message = format!("the index names {}, which is not in the archive", more.path);
            verdict.add_inside(Level::Error, about, message);
        }
        Some(Err(message)) => verdict.add_inside(Level::Error, about, message),
    }
    match &artifact.resources {
        Some(facts) => compare_counts(about, facts, &counts, verdict),
        None => verdict.add(Level::Warning, about, "the manifest says nothing of its objects"),
    }
}

fn compare_counts(
    about: &str,
    facts: &ResourceFacts,
    counts: &BTreeMap<String, (u64, u64)>,
    verdict: &mut Verdict,
) {
    let mut wrong = Vec::new();
    for (name, wanted) in &facts.counts {
        let (objects, bytes) = counts.get(name).copied().unwrap_or_default();
        if (objects, bytes) != (wanted.objects, wanted.bytes) {
            let found = format!("{name}: {objects} objects of {bytes} bytes");
            wrong.push(format!("{found}, the manifest says {} of {}", wanted.objects, wanted.bytes));
        }
    }
    wrong.extend(
        counts
            .keys()
            .filter(|n| !facts.counts.contains_key(*n))
            .map(|n| format!("{n} is not in the manifest")),
    );
    let all: u64 = counts.values().map(|(objects, _)| objects).sum();
    if all != facts.objects {
        wrong.push(format!("{all} objects in all, the manifest says {}", facts.objects));
    }
    if wrong.is_empty() {
        let message = format!("the counts of all {} types are the manifest's", facts.counts.len());
        verdict.add(Level::Ok, about, message);
    } else {
        verdict.add(Level::Error, about, wrong.join("; "));
    }
}

fn type_name(group: &str, version: &str, resource: &str) -> String {
    if group.is_empty() { format!("{resource}/{version}") } else { format!("{resource}.{group}/{version}") }
}
