//! What etcd notes about itself in the bucket `meta`, and the newest revision.

use serde::Serialize;

use super::database::Database;
use super::error::{Result, SnapshotError};
use super::page::u64_at;
use super::revision::{KEY, Revision};

const META: &str = "meta";

/// How far the history was compacted. Both are main revisions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Compaction {
    /// The last compaction that was begun (`scheduledCompactRev`).
    pub scheduled: Option<i64>,
    /// The last compaction that was finished (`finishedCompactRev`).
    pub finished: Option<i64>,
}

impl Compaction {
    /// What a live member gives as its compact revision: -1 if it was never compacted. It counts a compaction from
    /// its beginning (etcd `mvcc/kvstore.go`: `updateCompactRev`).
    pub fn effective(&self) -> i64 {
        self.scheduled.max(self.finished).unwrap_or(-1)
    }
}

impl Database {
    /// The newest revision (main), as etcd finds it when it starts (`mvcc/kvstore.go`: `restore`): the last one
    /// in the bucket `key`, but not less than what was compacted, nor than 1.
    pub fn revision(&self) -> Result<i64> {
        let last = self.last_record()?.map_or(1, |revision| revision.main);
        Ok(last.max(self.compaction()?.effective()).max(1))
    }

    /// The compact revision: -1 if the database was never compacted.
    pub fn compact_revision(&self) -> Result<i64> {
        Ok(self.compaction()?.effective())
    }

    /// How far the history was compacted.
    pub fn compaction(&self) -> Result<Compaction> {
        let read = |name: &str| -> Result<Option<i64>> {
            let Some(value) = self.value(META.as_bytes(), name.as_bytes())? else { return Ok(None) };
            match Revision::parse(&value) {
                Some((revision, _)) => Ok(Some(revision.main)),
                None => Err(SnapshotError::record(META, format!("the value of {name} is no revision"))),
            }
        };
        Ok(Compaction { scheduled: read("scheduledCompactRev")?, finished: read("finishedCompactRev")? })
    }

    /// The version of the layout. etcd writes it from 3.6 on; what it takes for 3.5 has a raft term in it
    /// (`server/storage/schema/schema.go`: `UnsafeDetectSchemaVersion`). `None` is 3.4 or older.
    pub fn storage_version(&self) -> Result<Option<String>> {
        let written = self.value(META.as_bytes(), b"storageVersion")?.filter(|version| !version.is_empty());
        Ok(match written {
            Some(version) => Some(String::from_utf8_lossy(&version).into_owned()),
            None => self.term()?.filter(|term| *term > 0).map(|_| "3.5.0".to_owned()),
        })
    }

    /// The raft index up to which entries are in the database.
    pub fn consistent_index(&self) -> Result<Option<u64>> {
        self.meta_number("consistent_index")
    }

    /// The raft term of that entry.
    pub fn term(&self) -> Result<Option<u64>> {
        self.meta_number("term")
    }

    /// The raft configuration (voters, learners), as etcd 3.5 and later note it.
    pub fn conf_state(&self) -> Result<Option<serde_json::Value>> {
        let Some(value) = self.value(META.as_bytes(), b"confState")? else { return Ok(None) };
        serde_json::from_slice(&value).map(Some).map_err(|error| {
            SnapshotError::record(META, format!("the value of confState is no JSON: {error}"))
        })
    }

    fn meta_number(&self, name: &str) -> Result<Option<u64>> {
        let Some(value) = self.value(META.as_bytes(), name.as_bytes())? else { return Ok(None) };
        match u64_at(&value, 0) {
            Some(number) => Ok(Some(number.swap_bytes())),
            None => Err(SnapshotError::record(META, format!("the value of {name} is no number"))),
        }
    }

    fn last_record(&self) -> Result<Option<Revision>> {
        let bucket = self.bucket(KEY.as_bytes())?.ok_or(SnapshotError::NoBucket { name: KEY })?;
        let mut cursor = self.cursor(&bucket);
        let Some(key) = cursor.last()? else { return Ok(None) };
        match Revision::parse(key.key()) {
            Some((revision, _)) => Ok(Some(revision)),
            None => Err(SnapshotError::record(KEY, "its last key is no revision")),
        }
    }
}
