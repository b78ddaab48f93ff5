//! Opening an artifact, and comparing what comes out with what the manifest says of it.

use super::{Catalogue, CatalogueError};
use crate::{
    pipeline::{Identities, Opened, Origin, PipelineError, open},
    point::{Artifact, ArtifactKind, Digest, Manifest, PointId},
};
use std::{io::Write, sync::Arc};

impl Catalogue {
    /// Decrypts and decompresses an artifact into `plain`, and compares every size and digest with the manifest.
    ///
    /// # Errors
    /// When the point has no such artifact, it does not open, or anything differs. What was written to `plain` by then
    /// must not be used.
    pub async fn open<W: Write + Send + 'static>(
        &self,
        manifest: &Manifest,
        kind: &ArtifactKind,
        identities: Arc<Identities>,
        plain: W,
    ) -> Result<(), CatalogueError> {
        let artifact = manifest.artifact(kind).ok_or_else(|| CatalogueError::NoArtifact {
            id: manifest.id.to_string(),
            kind: kind.to_string(),
            present: manifest.artifacts.iter().map(|a| a.kind.to_string()).collect::<Vec<_>>().join(", "),
        })?;
        let failed = |source| CatalogueError::Artifact {
            id: manifest.id.to_string(),
            artifact: kind.to_string(),
            source,
        };
        let opened = self.open_raw(&manifest.id, artifact, identities, plain).await?;
        let damaged = |reason| CatalogueError::Damaged {
            id: manifest.id.to_string(),
            artifact: kind.to_string(),
            reason,
        };
        let reason = differences(artifact, &opened).into_iter().next();
        match (opened.plain, reason) {
            // A wrong key is no damage, and a full disk none either, if what is stored is what was saved.
            (Err(e @ (PipelineError::WrongIdentity | PipelineError::Io(_))), _)
                if opened.stored.sha256 == artifact.stored_sha256 =>
            {
                Err(failed(e))
            }
            (_, Some(reason)) => Err(damaged(reason)),
            (_, None) => Ok(()),
        }
    }

    pub(super) async fn open_raw<W: Write + Send + 'static>(
        &self,
        id: &PointId,
        artifact: &Artifact,
        identities: Arc<Identities>,
        plain: W,
    ) -> Result<Opened, CatalogueError> {
        let key = self.artifact_key(id, artifact)?;
        let object = self.store.get(&key, None).await?;
        let origin = Origin::new(object.body, &tokio::runtime::Handle::current());
        let limit = artifact.plain_bytes;
        let work = tokio::task::spawn_blocking(move || open(origin, &identities, limit, plain));
        let failed = |source| CatalogueError::Artifact {
            id: id.to_string(),
            artifact: artifact.kind.to_string(),
            source,
        };
        work.await.unwrap_or(Err(PipelineError::Aborted)).map_err(failed)
    }
}

pub(super) fn other_size(found: u64, artifact: &Artifact) -> String {
    format!("{found} bytes are stored, the manifest says {}", artifact.stored_bytes)
}

pub(super) fn other_digest(found: Digest, artifact: &Artifact) -> String {
    let wanted = artifact.stored_sha256;
    format!(
        "the SHA-256 of the stored bytes differs from the manifest's: it is {found}, and should be {wanted}"
    )
}

/// In what the bytes differ from what the manifest says of them.
pub(super) fn differences(artifact: &Artifact, opened: &Opened) -> Vec<String> {
    let mut found = Vec::new();
    if opened.stored.bytes != artifact.stored_bytes {
        found.push(other_size(opened.stored.bytes, artifact));
    }
    if opened.stored.sha256 != artifact.stored_sha256 {
        found.push(other_digest(opened.stored.sha256, artifact));
    }
    match &opened.plain {
        Err(e) => found.push(e.to_string()),
        Ok(plain) if plain.bytes != artifact.plain_bytes => {
            found.push(format!("it holds {} bytes, the manifest says {}", plain.bytes, artifact.plain_bytes));
        }
        Ok(plain) if plain.sha256 != artifact.plain_sha256 => {
            found.push("the SHA-256 of what it holds differs from the manifest's".into());
        }
        Ok(_) => {}
    }
    found
}
