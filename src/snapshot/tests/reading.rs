use super::super::testkit::{Kit, open, sample, with_trailer};
use super::super::*;

#[test]
fn a_snapshot_is_told_from_a_members_file() {
    let bytes = sample().build();
    let raw = open(&bytes).unwrap();
    assert!(!raw.has_trailer());
    assert!(matches!(raw.check_trailer(), Err(SnapshotError::NoTrailer)));
    let mut sent = with_trailer(&bytes);
    let snapshot = open(&sent).unwrap();
    assert_eq!((snapshot.has_trailer(), snapshot.length()), (true, bytes.len() as u64));
    assert_eq!(snapshot.check_trailer().unwrap().len(), 64);
    sent[5000] ^= 1;
    assert!(matches!(open(&sent).unwrap().check_trailer(), Err(SnapshotError::Trailer { .. })));
    sent.truncate(4096 + 32);
    assert!(matches!(open(&sent), Err(SnapshotError::Truncated { .. })));
}

#[test]
fn the_newest_valid_meta_page_counts() {
    let bytes = sample().build();
    assert_eq!(open(&bytes).unwrap().transaction(), 9);
    let mut first_broken = bytes.clone();
    first_broken[20] ^= 0xff;
    let database = open(&first_broken).unwrap();
    assert_eq!((database.transaction(), database.revision().unwrap()), (9, 8));
    let finding = Finding { page: 0, level: Level::Warning, fault: Fault::Meta };
    assert_eq!(database.check_pages().unwrap().findings, [finding]);
    let mut second_broken = bytes.clone();
    second_broken[1024 + 20] ^= 0xff;
    assert_eq!(open(&second_broken).unwrap().transaction(), 8);
    second_broken[20] ^= 0xff;
    assert!(matches!(open(&second_broken), Err(SnapshotError::NotADatabase { .. })));
}

#[test]
fn a_cursor_finds_every_entry_from_any_key() {
    for (count, fan, inline) in [(0, 4, true), (1, 4, true), (3, 4, true), (100, 2, false), (100, 7, false)] {
        let mut kit = Kit { fan, inline, ..Kit::new() };
        kit.put("b", b"", b"");
        let keys: Vec<Vec<u8>> = (0..count).map(|n| format!("k{:03}", n * 2).into_bytes()).collect();
        for key in &keys {
            kit.put("b", key, &[b'v'; 90]);
        }
        // An empty key is not allowed; it made the bucket.
        kit.remove("b", b"");
        let database = kit.open();
        assert!(database.check_pages().unwrap().is_sound());
        let bucket = database.bucket(b"b").unwrap().unwrap();
        for from in 0..count * 2 + 1 {
            let from = format!("k{from:03}").into_bytes();
            let mut cursor = database.cursor(&bucket);
            cursor.seek(&from).unwrap();
            let mut found = Vec::new();
            while let Some(entry) = cursor.next().unwrap() {
                found.push(entry.key().to_vec());
            }
            let expected: Vec<_> = keys.iter().filter(|key| **key >= from).cloned().collect();
            assert_eq!(found, expected);
        }
        let last = database.cursor(&bucket).last().unwrap().map(|entry| entry.key().to_vec());
        assert_eq!(last, keys.last().cloned());
        assert!(database.bucket(b"a").unwrap().is_none());
    }
}

#[test]
fn live_keys_are_the_newest_revisions() {
    let database = sample().open();
    let keys = database.keys(b"/registry/pods/").unwrap();
    assert_eq!(keys.len(), 1);
    let web = &keys[0];
    assert_eq!((web.revision, web.value_size, web.lease), (Revision { main: 4, sub: 0 }, 3000, 9));
    assert_eq!(database.read(web).unwrap().unwrap().value, [b'v'; 3000]);
    assert_eq!(database.get(b"/registry/pods/default/web").unwrap().unwrap().info, *web);
    assert!(database.get(b"/registry/pods/default/old").unwrap().is_none());
    assert!(database.get(b"/registry/pods/default/we").unwrap().is_none());
}

#[test]
fn an_inspection_sees_all_of_it() {
    let database = sample().open();
    let seen = database.inspect(&InspectOptions { largest: 1, ..InspectOptions::default() }).unwrap();
    assert_eq!((seen.revision, seen.compact_revision, seen.term), (8, -1, Some(3)));
    assert_eq!((seen.storage_version.as_deref(), seen.consistent_index), (Some("3.6.0"), Some(77)));
    assert_eq!(seen.cluster.members[0].id, "2a");
    assert_eq!(seen.cluster.removed, ["2b"]);
    assert_eq!(seen.cluster.alarms[0], Alarm { member: "2a".to_owned(), alarm: "NOSPACE".to_owned() });
    assert_eq!(seen.auth, Auth { enabled: true, users: 1, roles: 0 });
    assert_eq!(seen.leases, Leases { count: 1, attached_keys: 5, orphaned_keys: 0 });
    assert_eq!((seen.live.count, seen.history.count, seen.tombstones), (5, 8, 1));
    assert_eq!((seen.prefix.as_str(), seen.other.count), ("/registry", 1));
    let resources: Vec<_> = seen.resources.keys().map(String::as_str).collect();
    assert_eq!(resources, ["example.com/things", "namespaces", "nodes", "pods"]);
    assert_eq!(seen.namespaces["default"].count, 2);
    assert_eq!(seen.largest[0].key, "/registry/pods/default/web");
    assert!(seen.pages.is_sound());
    assert!(serde_json::to_string(&seen).unwrap().contains(r#""compactRevision":-1"#));
}

#[test]
fn the_revision_is_never_below_the_compaction() {
    let mut kit = Kit::new();
    kit.revision(5, 0, "a", Some(b"1"));
    kit.compaction(9, Some(7));
    let database = kit.open();
    assert_eq!((database.revision().unwrap(), database.compact_revision().unwrap()), (9, 9));
    let other = Kit::new().open();
    assert!(matches!(other.revision(), Err(SnapshotError::NoBucket { name: "key" })));
}

#[test]
fn the_mark_of_a_raised_revision_is_no_key() {
    let mut kit = sample();
    // What `etcdutl snapshot restore --bump-revision` writes.
    kit.put("key", &Revision { main: 1008, sub: 0 }.to_bytes(), b"");
    let (raised, before) = (kit.open(), sample().open());
    assert_eq!(raised.revision().unwrap(), 1008);
    assert_eq!(raised.keys(b"").unwrap(), before.keys(b"").unwrap());
    assert!(raised.kv_hash(0, -1).is_ok());
}
