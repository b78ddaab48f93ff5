//! What keeps a recovery point from being deleted by whoever has the credentials.

use crate::{
    catalogue::{Catalogue, CatalogueError},
    point::{Key, Manifest},
    store::Lasting,
};
use futures_util::future;
use jiff::Timestamp;
use serde::Serialize;

/// A backup makes three artifacts; however many a manifest names, no more are asked about.
const MOST: usize = 16;

/// The weakest of the locks on what a recovery point consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PointLock {
    /// Something of it has none.
    Missing,
    /// Until then all of it is locked.
    Until(Timestamp),
    /// All of it is locked until somebody lifts its legal hold.
    LegalHold,
}

impl From<Option<Lasting>> for PointLock {
    fn from(lock: Option<Lasting>) -> Self {
        match lock {
            None => PointLock::Missing,
            Some(Lasting::Until(until)) => PointLock::Until(until),
            Some(Lasting::LegalHold) => PointLock::LegalHold,
        }
    }
}

impl Catalogue {
    /// The lock on a recovery point, where the store is told to lock: one request for each of its objects. Else none, for nothing.
    pub(super) async fn lock(&self, manifest: &Manifest) -> Result<Option<PointLock>, CatalogueError> {
        if !self.store.locks() {
            return Ok(None);
        }
        let id = &manifest.id;
        let mut keys = vec![Key::signature(&self.cluster, id)?, Key::manifest(&self.cluster, id)?];
        let artifacts = manifest.artifacts.iter().take(MOST);
        // One that cannot be a name is no object, and a finding of `verify`.
        keys.extend(artifacts.filter_map(|artifact| self.artifact_key(id, artifact).ok()));
        let locks = future::try_join_all(keys.iter().map(|key| self.store.locked(key))).await?;
        Ok(locks.into_iter().map(PointLock::from).min())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_weakest_lock_counts() {
        let at = |second| Some(Lasting::Until(Timestamp::from_second(second).unwrap()));
        let weakest = |locks: &[Option<Lasting>]| locks.iter().copied().map(PointLock::from).min().unwrap();
        let hold = Some(Lasting::LegalHold);
        assert_eq!(weakest(&[at(30), at(20), hold]), PointLock::Until(Timestamp::from_second(20).unwrap()));
        assert_eq!(weakest(&[at(30), None, hold]), PointLock::Missing);
        assert_eq!(weakest(&[hold, hold]), PointLock::LegalHold);
    }
}
