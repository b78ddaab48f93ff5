//! The keys that live at the newest revision. The bucket `key` is ordered by revision, not by key, so that whoever
//! asks for keys must read it from end to end.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use super::database::Database;
use super::error::Result;
use super::revision::{Record, Revision};

/// A live key, without its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyInfo {
    /// The key.
    #[serde(serialize_with = "lossy")]
    pub key: Vec<u8>,
    /// The revision that wrote it last. Kubernetes' `resourceVersion` is its main part.
    pub revision: Revision,
    /// The revision that created it.
    pub create_revision: i64,
    /// Writes to it since then.
    pub version: i64,
    /// Bytes of its value.
    pub value_size: u64,
    /// The lease that it hangs on, or 0.
    pub lease: i64,
}

/// A live key and its value.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyValue {
    /// The key.
    pub info: KeyInfo,
    /// The value.
    pub value: Vec<u8>,
}

impl std::fmt::Debug for KeyValue {
    // A value may be a Secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyValue").field("info", &self.info).finish_non_exhaustive()
    }
}

/// Something for each live key.
pub(super) type Live<T> = BTreeMap<Box<[u8]>, T>;

/// Sums over all revisions in the file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub revisions: u64,
    pub tombstones: u64,
    pub bytes: u64,
}

impl KeyInfo {
    /// Everything but the key.
    fn of(record: &Record<'_>) -> Self {
        Self {
            key: Vec::new(),
            revision: record.revision,
            create_revision: record.create_revision,
            version: record.version,
            value_size: record.value.len() as u64,
            lease: record.lease,
        }
    }
}

impl Database {
    /// The live keys that begin with `prefix`, in order. Reads the whole bucket; memory: the keys that it returns,
    /// and about 200 bytes with each.
    pub fn keys(&self, prefix: &[u8]) -> Result<Vec<KeyInfo>> {
        let (live, _) = self.live(prefix, KeyInfo::of)?;
        Ok(live.into_iter().map(|(key, info)| KeyInfo { key: key.into_vec(), ..info }).collect())
    }

    /// The value of a live key. Reads the whole bucket: to read many, take [`Database::keys`] and
    /// [`Database::read`].
    pub fn get(&self, key: &[u8]) -> Result<Option<KeyValue>> {
        let mut newest = None;
        let mut revisions = self.revisions(0)?;
        while let Some(record) = revisions.next_raw()? {
            if record.key()? == key {
                newest = (!record.tombstone).then_some(record.revision);
            }
        }
        newest.map_or(Ok(None), |revision| self.record_at(revision))
    }

    /// The value of a key that [`Database::keys`] has returned.
    pub fn read(&self, info: &KeyInfo) -> Result<Option<KeyValue>> {
        Ok(self.record_at(info.revision)?.filter(|found| found.info.key == info.key))
    }

    /// What `make` takes from the newest revision of each live key, by key; and sums over all revisions of all keys.
    pub(super) fn live<T>(
        &self,
        prefix: &[u8],
        make: impl Fn(&Record<'_>) -> T,
    ) -> Result<(Live<T>, Totals)> {
        let mut live = Live::new();
        let mut totals = Totals::default();
        let mut revisions = self.revisions(0)?;
        while let Some(raw) = revisions.next_raw()? {
            totals.revisions += 1;
            totals.tombstones += u64::from(raw.tombstone);
            totals.bytes += raw.bytes.len() as u64;
            let key = raw.key()?;
            if key.is_empty() || !key.starts_with(prefix) {
                continue;
            }
            if raw.tombstone {
                live.remove(key);
                continue;
            }
            let made = make(&raw.decode()?);
            match live.get_mut(key) {
                Some(known) => *known = made,
                None => {
                    live.insert(key.into(), made);
                }
            }
        }
        Ok((live, totals))
    }

    fn record_at(&self, revision: Revision) -> Result<Option<KeyValue>> {
        let mut revisions = self.revisions_from(revision)?;
        Ok(revisions.next()?.filter(|record| record.revision == revision && !record.tombstone).map(
            |record| KeyValue {
                info: KeyInfo { key: record.key.to_vec(), ..KeyInfo::of(&record) },
                value: record.value.to_vec(),
            },
        ))
    }
}

fn lossy<S: Serializer>(key: &[u8], serializer: S) -> std::result::Result<S::Ok, S::Error> {
    serializer.serialize_str(&String::from_utf8_lossy(key))
}
