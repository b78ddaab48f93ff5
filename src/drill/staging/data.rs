//! The data directory of a staging's etcd, made out of the recovery point as the real restore does it.

use super::{StagingError, service_range};
use crate::{
    catalogue::Catalogue,
    pipeline::Identities,
    point::Manifest,
    restore::etcd::{Membership, RestoreOptions, apply, plan},
};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// Makes the directory. Gives the addresses that the source gave to its services, if the data tells and they are not known.
///
/// # Errors
/// When the snapshot does not open, is not what was saved, or is refused.
pub(super) async fn restore(
    (catalogue, manifest, identities): (&Catalogue, &Manifest, Arc<Identities>),
    (data_dir, membership): (PathBuf, Membership),
    etcdutl: &Path,
    known_range: Option<&str>,
) -> Result<Option<String>, StagingError> {
    let options = RestoreOptions { data_dir, membership, bump_revision: 1_000_000_000, mark_compacted: true };
    let plan = plan(manifest, &options, etcdutl).await?;
    apply(&plan, catalogue, manifest, identities).await?;
    if known_range.is_some() {
        return Ok(None);
    }
    let database = options.data_dir.join("member").join("snap").join("db");
    let read = tokio::task::spawn_blocking(move || service_range::of(&database)).await;
    Ok(read.ok().flatten())
}

/// How many bytes the files below a directory have.
pub(super) fn bytes(dir: &Path) -> std::io::Result<u64> {
    let mut sum = 0;
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        sum += match entry.file_type()?.is_dir() {
            true => bytes(&entry.path())?,
            false => entry.metadata()?.len(),
        };
    }
    Ok(sum)
}
