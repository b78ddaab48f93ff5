use super::{
    Aspect, Catalogue, CatalogueError, Level, Signature, Verdict, deep,
    opened::{differences, other_digest, other_size},
};
use crate::{
    pipeline::{Identities, Origin, PipelineError, proves_identity},
    point::{Artifact, ArtifactKind, Family, Key, PointId, Status, VerifiedDepth},
    store::{self, Body, StoreError},
};
use futures_util::{StreamExt, stream};
use sha2::{Digest as _, Sha256};
use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

/// How far a verification goes.
#[derive(Debug, Clone)]
pub enum Depth {
    /// What needs no key: signature, presence, sizes, digests of the stored bytes.
    Stored,
    /// The same, and a cheap proof that the key opens every artifact.
    Key(Arc<Identities>),
    /// Everything is opened: plaintext digests, the database's pages and KV hash, every object of the export.
    Deep(Arc<Identities>),
}

impl Depth {
    /// How far, without the keys.
    pub fn reach(&self) -> VerifiedDepth {
        match self {
            Depth::Stored => VerifiedDepth::Stored,
            Depth::Key(_) => VerifiedDepth::Key,
            Depth::Deep(_) => VerifiedDepth::Deep,
        }
    }
}

/// Verifies one recovery point and returns all that was found.
///
/// # Errors
/// Only when the store itself does not answer. What is wrong with the point is in the verdict.
pub async fn verify(catalogue: &Catalogue, id: &PointId, depth: &Depth) -> Result<Verdict, CatalogueError> {
    let mut verdict = Verdict::new(id.clone(), depth.reach());
    let meter = Arc::new(Meter::default());
    let metered = meter.clone();
    let counted = catalogue.read_through(move |body| metered.clone().measured(body));
    look(&counted, id, depth, &mut verdict).await?;
    verdict.bytes_read = meter.bytes.load(Relaxed);
    verdict.waited = Duration::from_nanos(meter.waited.load(Relaxed));
    Ok(verdict)
}

/// What goes by, and how long it was waited for, in nanoseconds.
#[derive(Default)]
struct Meter {
    bytes: AtomicU64,
    waited: AtomicU64,
}

impl Meter {
    fn measured(self: Arc<Self>, body: Body) -> Body {
        Box::pin(stream::unfold((body, self), async |(mut body, meter)| {
            let began = Instant::now();
            let next = body.next().await;
            let waited = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
            meter.waited.fetch_add(waited, Relaxed);
            if let Some(Ok(chunk)) = &next {
                meter.bytes.fetch_add(chunk.len() as u64, Relaxed);
            }
            next.map(|chunk| (chunk, (body, meter)))
        }))
    }
}

async fn look(
    catalogue: &Catalogue,
    id: &PointId,
    depth: &Depth,
    verdict: &mut Verdict,
) -> Result<(), CatalogueError> {
    let bytes = match catalogue.manifest_bytes(id).await {
        Ok(Some(bytes)) => bytes,
        Ok(None) => {
            let message = "it has no manifest: an interrupted run left it, and it is no recovery point";
            verdict.add(Level::Info, "manifest.json", message);
            return Ok(());
        }
        Err(e @ CatalogueError::Store(StoreError::TooLarge { .. })) => {
            verdict.add(Level::Error, "manifest.json", e.to_string());
            return Ok(());
        }
        Err(e) => return Err(e),
    };
    let digest = Sha256::digest(&bytes).into();
    verdict.manifest_sha256 = Some(digest);
    let mut signature = |level, message: String| {
        verdict.add_of(Aspect::Signature, level, "manifest.json.minisig", message);
    };
    match catalogue.check_signature(id, &bytes).await? {
        Signature::Holds => signature(Level::Ok, "the signature holds".to_owned()),
        Signature::NotChecked => {
            let message = "the signature was not checked: no public key (signing.publicKey, or --public-key)";
            signature(Level::Warning, message.to_owned());
        }
        Signature::Bad(reason) => signature(Level::Error, reason),
    }
    let manifest = match catalogue.parse(id, &bytes) {
        Ok(manifest) => manifest,
        Err(e) => {
            verdict.add(Level::Error, "manifest.json", e.to_string());
            return Ok(());
        }
    };
    verdict.add(
        Level::Ok,
        "manifest.json",
        format!("format {}, {} artifacts", manifest.format, manifest.artifacts.len()),
    );
    if manifest.status == Status::PartiallyFailed {
        let missing = manifest.problems.iter().filter(|p| p.fatal).count();
        let message =
            format!("it was incomplete when it was taken ({missing} problems): `lifeboat show {id}`");
        verdict.add(Level::Warning, "manifest.json", message);
    }
    let mut whole = Vec::new();
    for artifact in &manifest.artifacts {
        if verify_artifact(catalogue, id, artifact, depth, verdict).await? {
            whole.push(artifact.kind.clone());
        } else {
            tell_versions(catalogue, id, artifact, verdict).await?;
        }
    }
    foreign_objects(catalogue, id, &manifest.artifacts, verdict).await?;
    if let Depth::Deep(identities) = depth {
        deep::verify(catalogue, &manifest, &whole, identities, verdict).await?;
    }
    for doubt in catalogue.standing_of(id, Some(digest)).await?.doubts {
        let counts = if doubt.family == Family::Holds { ", and counts as a hold" } else { "" };
        verdict.add(
            Level::Warning,
            doubt.record,
            format!("this record is not believed{counts}: {}", doubt.why),
        );
    }
    Ok(())
}

/// Verifies an artifact; `true` when it can be looked into.
async fn verify_artifact(
    catalogue: &Catalogue,
    id: &PointId,
    artifact: &Artifact,
    depth: &Depth,
    verdict: &mut Verdict,
) -> Result<bool, CatalogueError> {
    let about = artifact.key.as_str();
    let key = catalogue.artifact_key(id, artifact)?;
    let Some(meta) = catalogue.store.head(&key).await? else {
        verdict.add(Level::Error, about, "it is missing");
        return Ok(false);
    };
    if meta.bytes != artifact.stored_bytes {
        verdict.add(Level::Error, about, other_size(meta.bytes, artifact));
        return Ok(false);
    }
    let known = !matches!(artifact.kind, ArtifactKind::Other(_));
    if !known {
        verdict.add(Level::Info, about, format!("this version does not know what a `{}` is", artifact.kind));
    }
    match depth {
        // The deep look digests the stored bytes on its way.
        Depth::Deep(_) if known => return Ok(true),
        Depth::Key(identities) if known => {
            let object = catalogue.store.get(&key, None).await?;
            let origin = Origin::new(object.body, &tokio::runtime::Handle::current());
            let identities = identities.clone();
            let proof = tokio::task::spawn_blocking(move || proves_identity(origin, &identities)).await;
            match proof.unwrap_or(Err(PipelineError::Aborted)) {
                Ok(()) => verdict.add(Level::Ok, about, "the identity opens it"),
                Err(e) => verdict.add(Level::Error, about, e.to_string()),
            }
        }
        _ => {}
    }
    match store::sha256(catalogue.store.as_ref(), &key).await? {
        found if found == artifact.stored_sha256 => {
            verdict.add(
                Level::Ok,
                about,
                format!("{} bytes, and their SHA-256 is the manifest's", meta.bytes),
            );
            Ok(true)
        }
        found => {
            verdict.add(Level::Error, about, other_digest(found, artifact));
            Ok(false)
        }
    }
}

/// Where an object is not the one that was stored, the one that was may still be among its versions.
pub(super) async fn tell_versions(
    catalogue: &Catalogue,
    id: &PointId,
    artifact: &Artifact,
    verdict: &mut Verdict,
) -> Result<(), CatalogueError> {
    let key = catalogue.artifact_key(id, artifact)?;
    let message = match catalogue.store.versions(&key).await {
        Ok(versions) if versions.is_empty() => return Ok(()),
        Ok(versions) => {
            let each = versions.iter().map(|version| {
                let current = if version.current { ", the current one" } else { "" };
                let since = version.modified.map(|at| format!(" of {at}")).unwrap_or_default();
                format!("{}{since} ({} bytes{current})", version.id, version.bytes)
            });
            format!("the store has these versions of it: {}", each.collect::<Vec<_>>().join("; "))
        }
        Err(e) => format!("whether the store has other versions of it is not known: {e}"),
    };
    verdict.add(Level::Info, artifact.key.as_str(), message);
    Ok(())
}

async fn foreign_objects(
    catalogue: &Catalogue,
    id: &PointId,
    artifacts: &[Artifact],
    verdict: &mut Verdict,
) -> Result<(), CatalogueError> {
    let point = Key::point(&catalogue.cluster, id)?;
    let mut expected: BTreeSet<Key> = BTreeSet::new();
    for artifact in artifacts {
        expected.insert(catalogue.artifact_key(id, artifact)?);
    }
    expected.insert(Key::manifest(&catalogue.cluster, id)?);
    expected.insert(Key::signature(&catalogue.cluster, id)?);
    for object in catalogue.store.list(&point).await? {
        if !expected.contains(&object.key) {
            let name = object.key.as_str().trim_start_matches(point.as_str()).trim_start_matches('/');
            verdict.add(
                Level::Warning,
                name,
                "the manifest does not name it: it was put there by something else",
            );
        }
    }
    Ok(())
}

pub(super) fn report_differences(
    artifact: &Artifact,
    opened: &crate::pipeline::Opened,
    verdict: &mut Verdict,
) -> bool {
    let found = differences(artifact, opened);
    for message in &found {
        verdict.add(Level::Error, artifact.key.as_str(), message.as_str());
    }
    if found.is_empty() {
        let message = format!(
            "opened: {} bytes in the store and {} of plaintext have the manifest's SHA-256",
            artifact.stored_bytes, artifact.plain_bytes
        );
        verdict.add(Level::Ok, artifact.key.as_str(), message);
    }
    found.is_empty()
}
