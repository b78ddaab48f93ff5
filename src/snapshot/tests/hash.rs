use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::super::testkit::Kit;
use super::super::*;

/// A history of puts and deletions, one transaction for each entry; what it does to a key it does once.
type History = Vec<BTreeMap<u8, bool>>;

/// All revisions: main, sub, key, whether it is a tombstone. Deleting what is not there leaves no trace.
fn revisions(history: &History) -> Vec<(i64, i64, u8, bool)> {
    let mut live = BTreeSet::new();
    let mut all = Vec::new();
    let mut main = 1;
    for transaction in history {
        let effective: Vec<_> =
            transaction.iter().filter(|(key, put)| **put || live.contains(*key)).collect();
        if effective.is_empty() {
            continue;
        }
        main += 1;
        for (sub, (key, put)) in (0..).zip(effective) {
            all.push((main, sub, *key, !put));
            if *put {
                live.insert(*key)
            } else {
                live.remove(key)
            };
        }
    }
    all
}

/// etcd's `keyIndex.keep` and `compact`, taken literally: generations end with a tombstone; of the first that does
/// not end before `at`, the newest revision up to `at`.
fn available(all: &[(i64, i64, u8, bool)], at: i64, tombstones: bool) -> BTreeSet<(i64, i64)> {
    let mut keep = BTreeSet::new();
    for key in 0..=u8::MAX {
        let mut generations: Vec<Vec<(i64, i64)>> = vec![Vec::new()];
        for (main, sub, _, tombstone) in all.iter().filter(|(_, _, other, _)| *other == key) {
            generations.last_mut().unwrap().push((*main, *sub));
            if *tombstone {
                generations.push(Vec::new());
            }
        }
        let last = generations.len() - 1;
        let index = (0..last).find(|index| generations[*index].last().unwrap().0 >= at).unwrap_or(last);
        let generation = &generations[index];
        if let Some(place) = generation.iter().rposition(|(main, _)| *main <= at)
            && (tombstones || index == last || place + 1 < generation.len())
        {
            keep.insert(generation[place]);
        }
    }
    keep
}

/// What lies in a member's file after a finished compaction.
fn compacted(all: &[(i64, i64, u8, bool)], at: i64) -> Vec<(i64, i64, u8, bool)> {
    let keep = available(all, at, true);
    all.iter().copied().filter(|(main, sub, ..)| *main > at || keep.contains(&(*main, *sub))).collect()
}

fn kit(all: &[(i64, i64, u8, bool)], compact: i64) -> Kit {
    let mut kit = Kit::new();
    kit.put("key", &Revision { main: 1, sub: 0 }.to_bytes(), b"\x0a\x01-");
    kit.remove("key", &Revision { main: 1, sub: 0 }.to_bytes());
    for (main, sub, key, tombstone) in all {
        let value = format!("{main}/{sub}");
        kit.revision(*main, *sub, &format!("k{key}"), (!tombstone).then_some(value.as_bytes()));
    }
    if compact > 0 {
        kit.compaction(compact, Some(compact));
    }
    kit
}

/// What a member answers, by the letter of `hash.go`.
fn live_hash(database: &Database, all: &[(i64, i64, u8, bool)], revision: i64, compact: i64) -> u32 {
    let keep = available(all, revision, false);
    let mut digest = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc32Iscsi);
    digest.update(b"key");
    let bucket = database.bucket(b"key").unwrap().unwrap();
    let mut cursor = database.cursor(&bucket);
    while let Some(entry) = cursor.next().unwrap() {
        let (at, tombstone) = Revision::parse(entry.key()).unwrap();
        let left_out = at.main > revision
            || (at.main <= compact && !keep.is_empty() && !keep.contains(&(at.main, at.sub)))
            || (at.main == compact && tombstone);
        if !left_out {
            digest.update(entry.key());
            digest.update(entry.value());
        }
    }
    digest.finalize() as u32
}

fn history() -> impl Strategy<Value = History> {
    let transaction = proptest::collection::btree_map(0..5u8, proptest::bool::weighted(0.55), 1..4);
    proptest::collection::vec(transaction, 1..25)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]
    /// For every revision and every compact revision of the members: the file may be compacted less far than they.
    #[test]
    fn equals_the_answer_of_a_member(history in history(), file in 0..20i64, member in 0..20i64) {
        let all = revisions(&history);
        let newest = all.last().map_or(1, |last| last.0);
        let file = file.min(newest);
        let member = member.min(newest).max(file);
        let compact = if member == 0 { -1 } else { member };
        let database = kit(&compacted(&all, file), file).open();
        let members = compacted(&all, member);
        let live = kit(&members, member).open();
        for revision in member.max(1)..=newest {
            let expected = live_hash(&live, &members, revision, compact);
            let found = database.kv_hash(revision, compact).unwrap();
            prop_assert_eq!(found.hash, expected, "revision {} compact {} file {}", revision, compact, file);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]
    /// The file was taken in the middle of a compaction that the members have finished since.
    #[test]
    fn equals_the_answer_after_a_half_done_compaction(
        history in history(), before in 0..20i64, at in 1..20i64, done in 0..20usize,
    ) {
        let all = revisions(&history);
        let newest = all.last().map_or(1, |last| last.0);
        let at = at.min(newest);
        let before = before.min(at - 1);
        let members = compacted(&all, at);
        let mut left = done;
        let mut half = compacted(&all, before);
        half.retain(|revision| {
            let removed = !members.contains(revision) && left > 0;
            left -= usize::from(removed);
            !removed
        });
        let mut file = kit(&half, 0);
        file.compaction(at, (before > 0).then_some(before));
        let live = kit(&members, at).open();
        for revision in at..=newest {
            let found = file.open().kv_hash(revision, at).unwrap();
            prop_assert_eq!(found.hash, live_hash(&live, &members, revision, at), "revision {}", revision);
        }
    }
}

#[test]
fn refuses_what_it_cannot_know() {
    let all = revisions(&vec![[(1, true)].into(); 9]);
    let database = kit(&compacted(&all, 5), 5).open();
    assert!(matches!(database.kv_hash(11, 5), Err(SnapshotError::FutureRevision { newest: 10, .. })));
    assert!(matches!(database.kv_hash(8, 4), Err(SnapshotError::Compacted { compacted: 5, .. })));
    assert!(matches!(database.kv_hash(6, 7), Err(SnapshotError::BelowCompaction { .. })));
    assert_eq!(database.kv_hash(0, 5).unwrap(), database.kv_hash(10, 5).unwrap());
}

#[test]
fn the_checksum_is_castagnoli() {
    assert_eq!(crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, b"123456789"), 0xe306_9283);
}
