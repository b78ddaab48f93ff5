//! The bucket `key`: every revision of every key, in the order in which they were written.

use super::cursor::Cursor;
use super::database::Database;
use super::error::{Result, SnapshotError};
use super::wire::{Fields, Value};

/// Name of the bucket (etcd `server/storage/schema/bucket.go`).
pub(super) const KEY: &str = "key";
/// Bytes of a revision in the bucket; one more for a tombstone (etcd `mvcc/revision.go`: main, '_', sub, 't').
pub(super) const REVISION: usize = 17;

/// A revision: that of a transaction, and the place of a change within it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct Revision {
    /// The revision that clients see.
    pub main: i64,
    /// The number of the change within its transaction.
    pub sub: i64,
}

impl Revision {
    pub(super) const ZERO: Self = Self { main: 0, sub: 0 };

    /// Reads a key of the bucket; tells whether it is a tombstone (etcd `mvcc/revision.go`: `BytesToBucketKey`).
    pub(super) fn parse(key: &[u8]) -> Option<(Self, bool)> {
        if (key.len() != REVISION && key.len() != REVISION + 1) || key[8] != b'_' {
            return None;
        }
        let read = |at: usize| key.get(at..)?.first_chunk().copied().map(i64::from_be_bytes);
        let revision = Self { main: read(0)?, sub: read(9)? };
        (revision.main >= 0 && revision.sub >= 0).then_some((revision, key.get(REVISION) == Some(&b't')))
    }

    /// The form in which it stands in the bucket, without the tombstone mark.
    pub(super) fn to_bytes(self) -> [u8; REVISION] {
        let mut bytes = [b'_'; REVISION];
        bytes[..8].copy_from_slice(&self.main.to_be_bytes());
        bytes[9..].copy_from_slice(&self.sub.to_be_bytes());
        bytes
    }
}

/// One revision of one key, as it lies in the file (etcd `api/mvccpb/kv.proto`).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// When it was written.
    pub revision: Revision,
    /// Whether it says that the key was deleted.
    pub tombstone: bool,
    /// The key.
    pub key: &'a [u8],
    /// The value; empty in a tombstone.
    pub value: &'a [u8],
    /// The revision that created the key.
    pub create_revision: i64,
    /// Writes to the key since it was created.
    pub version: i64,
    /// The lease that the key hangs on, or 0.
    pub lease: i64,
}

/// All revisions from one on, in order.
pub struct Revisions<'db> {
    cursor: Cursor<'db>,
}

/// A revision, before its value is looked into.
#[derive(Clone, Copy)]
pub(super) struct RawRecord<'a> {
    pub revision: Revision,
    pub tombstone: bool,
    /// Key and value in the bucket, side by side.
    pub bytes: &'a [u8],
    message: &'a [u8],
}

impl Database {
    /// All revisions from `main` on, in order; 0 for all there are.
    pub fn revisions(&self, main: i64) -> Result<Revisions<'_>> {
        self.revisions_from(Revision { main, sub: 0 })
    }

    pub(super) fn revisions_from(&self, from: Revision) -> Result<Revisions<'_>> {
        let bucket = self.bucket(KEY.as_bytes())?.ok_or(SnapshotError::NoBucket { name: KEY })?;
        let mut cursor = self.cursor(&bucket);
        if from > Revision::ZERO {
            cursor.seek(&from.to_bytes())?;
        }
        Ok(Revisions { cursor })
    }
}

impl Revisions<'_> {
    /// The next revision, or nothing at the end.
    // It lends from the cursor, which `Iterator` cannot do.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<Record<'_>>> {
        self.next_raw()?.map(RawRecord::decode).transpose()
    }

    pub(super) fn next_raw(&mut self) -> Result<Option<RawRecord<'_>>> {
        let Some(entry) = self.cursor.next()? else { return Ok(None) };
        match Revision::parse(entry.key()) {
            Some((revision, tombstone)) if !entry.is_bucket() => Ok(Some(RawRecord {
                revision,
                tombstone,
                bytes: entry.key_and_value(),
                message: entry.value(),
            })),
            _ => Err(SnapshotError::record(
                KEY,
                format!("the key {} is no revision", super::database::hex(entry.key())),
            )),
        }
    }
}

impl<'a> RawRecord<'a> {
    pub(super) fn decode(self) -> Result<Record<'a>> {
        let Self { revision, tombstone, .. } = self;
        let mut record =
            Record { revision, tombstone, key: &[], value: &[], create_revision: 0, version: 0, lease: 0 };
        for field in Fields(self.message) {
            match field.map_err(|_| self.malformed())? {
                (1, Value::Bytes(key)) => record.key = key,
                (2, Value::Varint(n)) => record.create_revision = n.cast_signed(),
                (4, Value::Varint(n)) => record.version = n.cast_signed(),
                (5, Value::Bytes(value)) => record.value = value,
                (6, Value::Varint(n)) => record.lease = n.cast_signed(),
                _ => {}
            }
        }
        // `etcdutl snapshot restore --bump-revision` puts a revision without a key and a value.
        if record.key.is_empty() && !self.message.is_empty() { Err(self.malformed()) } else { Ok(record) }
    }

    /// Only the key: the first field in what etcd writes.
    pub(super) fn key(&self) -> Result<&'a [u8]> {
        match Fields(self.message).next() {
            Some(Ok((1, Value::Bytes(key)))) => Ok(key),
            _ => self.decode().map(|record| record.key),
        }
    }

    fn malformed(&self) -> SnapshotError {
        let Revision { main, sub } = self.revision;
        SnapshotError::record(KEY, format!("the value of revision {main}/{sub} is no key-value message"))
    }
}
