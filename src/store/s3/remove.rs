//! Removing objects, many at once; uploads that were begun and never completed.

use super::{
    super::{StoreError, Unfinished, one_by_one},
    S3Store,
};
use crate::point::Key;
use aws_sdk_s3::{
    error::ProvideErrorMetadata,
    primitives::DateTime,
    types::{Delete, MultipartUpload, ObjectIdentifier},
};
use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;

/// One request removes no more.
const MOST: usize = 1000;
/// Requests under way at once.
const AT_ONCE: usize = 8;

/// A time of the service's clock.
pub(super) fn timestamp(at: &DateTime) -> Option<Timestamp> {
    Timestamp::new(at.secs(), i32::try_from(at.subsec_nanos()).ok()?).ok()
}

/// Removes objects, and returns those that could not be removed.
pub(super) async fn many(store: &S3Store, keys: &[Key]) -> Vec<(Key, StoreError)> {
    let mut failed = Vec::new();
    for chunk in keys.chunks(MOST) {
        failed.extend(some(store, chunk).await);
    }
    failed
}

async fn some(store: &S3Store, keys: &[Key]) -> Vec<(Key, StoreError)> {
    let names = keys.iter().filter_map(|key| ObjectIdentifier::builder().key(store.name(key)).build().ok());
    let Ok(list) = Delete::builder().set_objects(Some(names.collect())).quiet(true).build() else {
        return Vec::new();
    };
    let asked = store.client.delete_objects().bucket(&store.options.bucket).delete(list).send().await;
    match asked {
        Ok(answer) => {
            let mut failed = Vec::new();
            for refused in answer.errors().iter().filter(|e| e.code() != Some("NoSuchKey")) {
                let (code, why) =
                    (refused.code().unwrap_or("an error"), refused.message().unwrap_or_default());
                let error = |key: &Key| (key.clone(), store.fault("delete", key.as_str()).of_one(code, why));
                match refused.key().and_then(|name| store.key(name)).filter(|key| keys.contains(key)) {
                    Some(key) => failed.push(error(&key)),
                    // It does not tell which one: none of them is known to be gone.
                    None => return keys.iter().map(error).collect(),
                }
            }
            failed
        }
        // Some services do not have it.
        Err(e) if e.code() == Some("NotImplemented") || e.code() == Some("MethodNotAllowed") => {
            one_by_one(store, keys).await
        }
        Err(e) => {
            keys.iter().map(|key| (key.clone(), store.fault("delete", key.as_str()).error(&e))).collect()
        }
    }
}

/// Uploads below `prefix` that were begun and not completed.
pub(super) async fn unfinished(store: &S3Store, prefix: &Key) -> Result<Vec<Unfinished>, StoreError> {
    let (mut after, mut uploads) = ((None, None), Vec::new());
    loop {
        let request = store
            .client
            .list_multipart_uploads()
            .bucket(&store.options.bucket)
            .prefix(store.below(Some(prefix)))
            .set_key_marker(after.0.take())
            .set_upload_id_marker(after.1.take());
        let page = request
            .send()
            .await
            .map_err(|e| store.fault("list the unfinished uploads of", prefix.as_str()).error(&e))?;
        uploads.extend(page.uploads().iter().cloned());
        after = (page.next_key_marker, page.next_upload_id_marker);
        if page.is_truncated != Some(true) || after.0.is_none() {
            break;
        }
    }
    let each = uploads.into_iter().map(|upload| async move { look(store, &upload).await });
    let found: Vec<Option<Unfinished>> = stream::iter(each).buffered(AT_ONCE).try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}

/// An upload, and what has come of it. The newest part tells whether somebody is still at it.
async fn look(store: &S3Store, upload: &MultipartUpload) -> Result<Option<Unfinished>, StoreError> {
    let (Some(name), Some(id)) = (upload.key(), upload.upload_id()) else { return Ok(None) };
    let Some(at) = store.key(name) else { return Ok(None) };
    let (mut alive, mut bytes) = (upload.initiated().and_then(timestamp), 0);
    let request = store.client.list_parts().bucket(&store.options.bucket).key(name).upload_id(id);
    let mut pages = request.into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = match page {
            Ok(page) => page,
            // It was completed or aborted meanwhile.
            Err(e) if e.as_service_error().and_then(ProvideErrorMetadata::code) == Some("NoSuchUpload") => {
                return Ok(None);
            }
            Err(e) => return Err(store.fault("list the parts of", at.as_str()).error(&e)),
        };
        for part in page.parts() {
            alive = alive.max(part.last_modified().and_then(timestamp));
            bytes += u64::try_from(part.size().unwrap_or_default()).unwrap_or_default();
        }
    }
    Ok(Some(Unfinished { at, id: id.to_owned(), alive, bytes }))
}

/// Removes the parts of an upload.
pub(super) async fn abort(store: &S3Store, unfinished: &Unfinished) -> Result<(), StoreError> {
    let request = store.client.abort_multipart_upload().bucket(&store.options.bucket);
    match request.key(store.name(&unfinished.at)).upload_id(&unfinished.id).send().await {
        Ok(_) => Ok(()),
        Err(e) if e.code() == Some("NoSuchUpload") => Ok(()),
        Err(e) => Err(store.fault("remove the unfinished upload of", unfinished.at.as_str()).error(&e)),
    }
}
