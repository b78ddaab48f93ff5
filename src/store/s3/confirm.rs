//! Whether what the service has is what was sent.

use super::{
    super::{Lasting, Store, StoreError, Stored},
    S3Store,
    remove::timestamp,
};
use crate::point::Key;
use aws_sdk_s3::types::{ChecksumMode, ObjectLockLegalHoldStatus};
use jiff::Timestamp;

/// Under this name each object carries a random word, by which a writer knows its own object again when the answer to a
/// request was lost.
pub(super) const TOKEN: &str = "lifeboat-put";

/// What the store says of an object.
pub(super) struct Found {
    pub(super) bytes: u64,
    pub(super) checksum: Option<String>,
    pub(super) token: Option<String>,
    pub(super) locked: bool,
    /// The lock that keeps it from being deleted; a legal hold outlasts a date.
    pub(super) lock: Option<Lasting>,
    pub(super) modified: Option<Timestamp>,
}

/// Asks for an object, and for its checksum if it is to be compared.
pub(super) async fn look(store: &S3Store, key: &Key, compare: bool) -> Result<Option<Found>, StoreError> {
    let mode = (compare && store.options.checksums).then_some(ChecksumMode::Enabled);
    let request = store.client.head_object().bucket(&store.options.bucket).key(store.name(key));
    match request.set_checksum_mode(mode).send().await {
        Ok(there) => Ok(Some(Found {
            bytes: u64::try_from(there.content_length().unwrap_or_default()).unwrap_or_default(),
            checksum: there.checksum_sha256().map(str::to_owned),
            token: there.metadata().and_then(|m| m.get(TOKEN)).cloned(),
            locked: there.object_lock_mode().is_some(),
            lock: match there.object_lock_legal_hold_status() {
                Some(ObjectLockLegalHoldStatus::On) => Some(Lasting::LegalHold),
                _ => there.object_lock_retain_until_date().and_then(timestamp).map(Lasting::Until),
            },
            modified: there.last_modified().and_then(timestamp),
        })),
        Err(e) => match store.fault("look at", key.as_str()).error(&e) {
            StoreError::NotFound { .. } => Ok(None),
            e => Err(e),
        },
    }
}

/// When a write failed although it came through (its answer was lost, and the next try found the object there), it did not
/// fail.
pub(super) async fn written_after_all(
    store: &S3Store,
    key: &Key,
    token: &str,
    error: StoreError,
) -> Result<Found, StoreError> {
    match look(store, key, true).await {
        Ok(Some(found)) if found.token.as_deref() == Some(token) => Ok(found),
        _ => Err(error),
    }
}

/// What was sent.
pub(super) struct Sent<'a> {
    pub(super) bytes: u64,
    pub(super) token: &'a str,
    pub(super) sha256: String,
    pub(super) locked: bool,
}

/// Compares what the store says with what was sent; an object that differs is removed.
pub(super) async fn confirm(
    store: &S3Store,
    key: &Key,
    sent: Sent<'_>,
    theirs: Option<String>,
    words: &str,
) -> Result<Stored, StoreError> {
    let changed = |reason| StoreError::Changed { key: key.to_string(), store: store.url.clone(), reason };
    let Some(there) = look(store, key, true).await? else {
        return Err(changed("it is not there".to_owned()));
    };
    if there.token.as_ref().is_some_and(|token| token != sent.token) {
        return Err(changed("another object stands there now, which somebody else wrote".to_owned()));
    }
    let differs = [&theirs, &there.checksum].into_iter().flatten().find(|sum| **sum != sent.sha256);
    let reason = match differs {
        _ if there.bytes != sent.bytes => {
            format!("{} bytes are there, and {} were sent", there.bytes, sent.bytes)
        }
        Some(sum) => format!("the store computed the SHA-256 {sum}, and what was sent has {}", sent.sha256),
        // Some services take the wish for a lock and do not lock; some do not tell who may not ask.
        None if sent.locked && !there.locked && store.can_lock().await == Some(false) => {
            store.delete(key).await?;
            return Err(StoreError::NoLock { store: store.url.clone() });
        }
        None => {
            let told = theirs.or(there.checksum);
            return Ok(Stored { bytes: sent.bytes, confirmed: told.map(|_| words.to_owned()) });
        }
    };
    store.delete(key).await?;
    Err(changed(reason))
}
