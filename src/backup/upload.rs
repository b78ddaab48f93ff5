use super::{BackupError, Job};
use crate::{
    pipeline::{self, Feed, PipelineError, Sealed, Sealing},
    point::{Artifact, ArtifactKind, Key, PointId, Verification},
    store::{self, StoreError, Stored},
};
use tokio::task::JoinHandle;

/// One artifact on its way into the store: sealed on one thread, stored by another task.
pub(super) struct Upload {
    kind: ArtifactKind,
    key: Key,
    feed: Option<Feed>,
    sealing: Sealing,
    putting: JoinHandle<Result<Stored, StoreError>>,
}

impl Upload {
    pub(super) fn start(job: &Job, id: &PointId, kind: ArtifactKind) -> Result<Self, BackupError> {
        let key = Key::artifact(&job.cluster, id, &kind)?;
        let (feed, stream, sealing) = pipeline::seal(&job.recipients, job.seal);
        let (store, at) = (job.store.clone(), key.clone());
        let underway = job.uploads.underway.clone().try_read_owned();
        let mut cut = job.uploads.cut.subscribe();
        let putting = tokio::spawn(async move {
            let _underway = underway;
            tokio::select! {
                stored = store.put(&at, Box::pin(stream)) => stored,
                Ok(_) = cut.wait_for(|cut| *cut) => Err(cancelled()),
            }
        });
        Ok(Upload { kind, key, feed: Some(feed), sealing, putting })
    }

    /// Hands over plaintext. `false` when the upload has failed; [`Upload::finish`] says why.
    pub(super) async fn write(&mut self, chunk: &[u8]) -> bool {
        match &mut self.feed {
            Some(feed) => feed.write(chunk).await.is_ok(),
            None => false,
        }
    }

    /// Ends the artifact, waits until it is stored and compares what the store has with what was sent.
    pub(super) async fn finish(mut self, job: &Job) -> Result<(Artifact, Sealed, Verification), BackupError> {
        if let Some(feed) = self.feed.take() {
            // The reason comes with the results below.
            let _ = feed.finish().await;
        }
        let stored = self.putting.await.unwrap_or_else(|_| Err(cancelled()));
        let sealed = self.sealing.result().await;
        let (stored, sealed) = match (stored, sealed) {
            (Ok(stored), Ok(sealed)) => (stored, sealed),
            // The store reports what was wrong with the body in its own words; the sealer knows better.
            (Err(StoreError::Body(_)) | Ok(_), Err(e)) => return Err(e.into()),
            (Err(e), _) => return Err(e.into()),
        };
        let verification = check(job, &self.key, &stored, &sealed).await?;
        let artifact = Artifact {
            key: self.kind.file_name().to_owned(),
            kind: self.kind,
            plain_bytes: sealed.plain_bytes,
            compressed_bytes: sealed.compressed_bytes,
            stored_bytes: sealed.stored_bytes,
            plain_sha256: sealed.plain_sha256,
            stored_sha256: sealed.stored_sha256,
            recipients: job.recipients.names().to_vec(),
            etcd: None,
            resources: None,
        };
        Ok((artifact, sealed, verification))
    }

    /// Gives the artifact up and waits until nothing of it is left.
    pub(super) async fn abort(mut self, job: &Job) -> Result<(), BackupError> {
        drop(self.feed.take());
        if matches!(self.putting.await, Ok(Ok(_))) {
            job.store.delete(&self.key).await?;
        }
        match self.sealing.result().await {
            // Its own trouble would come back with the next artifact.
            Err(e) if !matches!(e, PipelineError::Aborted | PipelineError::Io(_)) => Err(e.into()),
            _ => Ok(()),
        }
    }
}

fn cancelled() -> StoreError {
    StoreError::Body(std::io::Error::other("cancelled"))
}

async fn check(job: &Job, key: &Key, stored: &Stored, sealed: &Sealed) -> Result<Verification, BackupError> {
    let wrong = |reason: String| BackupError::StoredWrongly { key: key.to_string(), reason };
    if stored.bytes != sealed.stored_bytes {
        return Err(wrong(format!("{} bytes were sent and {} are there", sealed.stored_bytes, stored.bytes)));
    }
    let mut result = format!("{} bytes are there, as sent", stored.bytes);
    if let Some(confirmed) = &stored.confirmed {
        result = format!("{result}; {confirmed}");
    }
    if job.read_back {
        let there = store::sha256(job.store.as_ref(), key).await?;
        if there != sealed.stored_sha256 {
            return Err(wrong(format!(
                "its SHA-256 is {there}, and what was sent has {}",
                sealed.stored_sha256
            )));
        }
        result = format!("{result}; read back, and the SHA-256 is that of what was sent");
    }
    Ok(Verification { check: format!("{} in the store", key.segments().last().unwrap_or_default()), result })
}
