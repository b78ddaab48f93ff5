//! The legal hold of an object: what S3 itself keeps anybody from deleting it with.

use super::{super::StoreError, S3Store};
use crate::point::Key;
use aws_sdk_s3::{
    error::ProvideErrorMetadata,
    types::{ObjectLockLegalHold, ObjectLockLegalHoldStatus},
};

/// Sets or lifts it; `false` in a bucket without Object Lock, and with a service that has none.
pub(super) async fn hold(store: &S3Store, key: &Key, on: bool) -> Result<bool, StoreError> {
    let status = if on { ObjectLockLegalHoldStatus::On } else { ObjectLockLegalHoldStatus::Off };
    let request = store
        .client
        .put_object_legal_hold()
        .bucket(&store.options.bucket)
        .key(store.name(key))
        .legal_hold(ObjectLockLegalHold::builder().status(status).build());
    match request.send().await {
        Ok(_) => Ok(true),
        Err(e) if matches!(e.code(), Some("NotImplemented" | "ObjectLockConfigurationNotFoundError")) => {
            Ok(false)
        }
        // Services have several words for that; what is asked of the bucket itself is plain.
        Err(e) if e.as_service_error().is_some() && store.can_lock().await == Some(false) => Ok(false),
        Err(e) => Err(store.fault("set the legal hold of", key.as_str()).error(&e)),
    }
}
