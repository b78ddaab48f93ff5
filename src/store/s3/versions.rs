//! The versions of an object that a bucket keeps.

use super::{
    super::{StoreError, Version},
    S3Store,
    remove::timestamp,
};
use crate::point::Key;

/// The newest first. A bucket that never kept any has one, which it calls `null`.
pub(super) async fn of(store: &S3Store, key: &Key) -> Result<Vec<Version>, StoreError> {
    let name = store.name(key);
    let request = store.client.list_object_versions().bucket(&store.options.bucket).prefix(&name);
    // A thousand of them, the newest, come in one answer.
    let page =
        request.send().await.map_err(|e| store.fault("list the versions of", key.as_str()).error(&e))?;
    let own = page.versions().iter().filter(|version| version.key() == Some(name.as_str()));
    let found = own.map(|version| Version {
        id: version.version_id().unwrap_or("null").to_owned(),
        bytes: version.size().and_then(|n| u64::try_from(n).ok()).unwrap_or_default(),
        modified: version.last_modified().and_then(timestamp),
        current: version.is_latest().unwrap_or_default(),
    });
    Ok(found.collect())
}
