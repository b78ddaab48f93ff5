//! The hash that a live etcd member gives for its keys (HashKV), computed from the file.
//!
//! The rules are those of etcd's `server/storage/mvcc/hash.go` (3.5: `server/mvcc/hash.go`), `kvstore.go`
//! (`hashByRev`) and `key_index.go` (`keep`), which are the same in 3.5.35 and 3.6.8: CRC-32C over the name of the
//! bucket and the keys and values in it, of which are left out
//!
//! 1. all above the revision,
//! 2. all at or below the compact revision that a compaction *at the revision* would not keep, that is all but the
//!    newest of each key that is not deleted (unless it would keep nothing at all: then this rule rests),
//! 3. a tombstone right at the compact revision.
//!
//! Rule 3 came with 3.5.15/3.5.16, when compaction began to spare such tombstones. Servers before that leave the
//! rule out and have no such tombstones after a finished compaction, so that the hash is the same.

use std::collections::HashMap;

use crc_fast::{CrcAlgorithm, Digest};
use sha2::{Digest as _, Sha256};

use super::database::Database;
use super::error::{Result, SnapshotError};
use super::revision::{KEY, RawRecord};
use crate::point::KvHash;

impl Database {
    /// The hash that a live member answers to HashKV for `revision` (0: the newest) while its compact revision is
    /// `compact_revision` (-1: never compacted; it is in the answer).
    ///
    /// Take `compact_revision` from the answer: etcd remembers the hashes of its last ten compactions, and answers
    /// for just those revisions with the hash at the compact revision *before*, which no compacted file can give,
    /// and which differs from the computed one if no key was left. (Revision 0 is never answered from memory.)
    ///
    /// It can be computed for every revision up to the file's newest, and every compact revision from the file's
    /// own on. Memory: about 40 bytes for each key that was written after the compact revision; if that is not the
    /// file's own, about 60 bytes for every key and a bit for every revision.
    pub fn kv_hash(&self, revision: i64, compact_revision: i64) -> Result<KvHash> {
        let newest = self.revision()?;
        let revision = if revision == 0 { newest } else { revision };
        if revision > newest {
            return Err(SnapshotError::FutureRevision { asked: revision, newest });
        }
        let compaction = self.compaction()?;
        let compacted = compaction.effective();
        if compact_revision > revision {
            return Err(SnapshotError::BelowCompaction { revision, asked: compact_revision });
        }
        if compact_revision < compacted {
            return Err(SnapshotError::Compacted { revision, asked: compact_revision, compacted });
        }
        // After a finished compaction at just this revision, what lies below it is what that kept: only keys that
        // were written since can have something left out there.
        let settled = compaction.finished == Some(compact_revision) && compacted == compact_revision;
        let keep = if settled {
            Keep::since(self, compact_revision, revision)?
        } else {
            Keep::all(self, compact_revision, revision)?
        };
        let (hash, kept) = self.hash_kept(&keep, revision, compact_revision)?;
        if kept {
            return Ok(hash);
        }
        // Rule 2 rests, and the members hash whatever their compaction left below the compact revision.
        let keep =
            if settled { Keep::Everything } else { Keep::all(self, compact_revision, compact_revision)? };
        Ok(self.hash_kept(&keep, revision, compact_revision)?.0)
    }

    /// Also tells whether a compaction at the revision would keep anything.
    fn hash_kept(&self, keep: &Keep, revision: i64, compact_revision: i64) -> Result<(KvHash, bool)> {
        let mut digest = Digest::new(CrcAlgorithm::Crc32Iscsi);
        digest.update(KEY.as_bytes());
        let mut kept = keep.keeps_newer();
        let mut ordinal = 0;
        let mut revisions = self.revisions(0)?;
        while let Some(record) = revisions.next_raw()? {
            if record.revision.main > revision {
                break;
            }
            if record.revision.main <= compact_revision {
                let keep = keep.keeps(ordinal, &record)?;
                ordinal += 1;
                if !keep {
                    continue;
                }
                kept = true;
            }
            if record.tombstone && record.revision.main == compact_revision {
                continue;
            }
            digest.update(record.bytes);
        }
        // The algorithm is 32 bits wide.
        let hash = digest.finalize() as u32;
        Ok((KvHash { hash, revision, compact_revision }, kept))
    }
}

/// Which of the revisions at or below the compact revision a compaction at the revision would keep.
enum Keep {
    /// All that are in the file.
    Everything,
    /// All but those of keys that were written since; the number says how many of these live.
    Unless { written: HashMap<KeyId, bool>, live: u64 },
    /// Those whose bit is set, counted from the first revision in the file.
    Bits { bits: Vec<u64>, newer: bool },
}

impl Keep {
    /// Looks only at what was written after `compact`.
    fn since(db: &Database, compact: i64, revision: i64) -> Result<Self> {
        let mut written = HashMap::new();
        let mut revisions = db.revisions(compact.saturating_add(1))?;
        while let Some(record) = revisions.next_raw()?.filter(|record| record.revision.main <= revision) {
            let live = written.entry(KeyId::of(&record)?).or_insert(false);
            *live = !record.tombstone;
        }
        let live = written.values().filter(|live| **live).count() as u64;
        Ok(Self::Unless { written, live })
    }

    /// Looks at everything up to `revision`.
    fn all(db: &Database, compact: i64, revision: i64) -> Result<Self> {
        /// The place of the newest revision so far, if it is one to keep.
        enum Newest {
            At(usize),
            Newer,
            Deleted,
        }
        let mut newest: HashMap<KeyId, Newest> = HashMap::new();
        let mut count = 0;
        let mut revisions = db.revisions(0)?;
        while let Some(record) = revisions.next_raw()?.filter(|record| record.revision.main <= revision) {
            let state = match record.tombstone {
                true => Newest::Deleted,
                false if record.revision.main <= compact => Newest::At(count),
                false => Newest::Newer,
            };
            newest.insert(KeyId::of(&record)?, state);
            count += usize::from(record.revision.main <= compact);
        }
        let mut bits = vec![0u64; count.div_ceil(64)];
        let mut newer = false;
        for state in newest.into_values() {
            match state {
                Newest::At(place) => bits[place / 64] |= 1 << (place % 64),
                Newest::Newer => newer = true,
                Newest::Deleted => {}
            }
        }
        Ok(Self::Bits { bits, newer })
    }

    fn keeps_newer(&self) -> bool {
        match self {
            Self::Everything => false,
            Self::Unless { live, .. } => *live > 0,
            Self::Bits { newer, .. } => *newer,
        }
    }

    fn keeps(&self, ordinal: usize, record: &RawRecord<'_>) -> Result<bool> {
        Ok(match self {
            Self::Everything => true,
            // Tombstones are never kept.
            Self::Unless { .. } if record.tombstone => false,
            Self::Unless { written, .. } => written.is_empty() || !written.contains_key(&KeyId::of(record)?),
            Self::Bits { bits, .. } => {
                bits.get(ordinal / 64).is_some_and(|word| word >> (ordinal % 64) & 1 == 1)
            }
        })
    }
}

/// Stands for a key in tables of many: 128 bits of its SHA-256, so that no two keys can be taken for one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct KeyId([u8; 16]);

impl KeyId {
    fn of(record: &RawRecord<'_>) -> Result<Self> {
        let digest = Sha256::digest(record.key()?);
        let mut id = [0; 16];
        id.copy_from_slice(&digest[..16]);
        Ok(Self(id))
    }
}
