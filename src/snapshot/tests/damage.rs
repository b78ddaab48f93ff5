use proptest::prelude::*;

use super::super::testkit::{Kit, open, sample, with_trailer};
use super::super::*;

/// Everything that reads; whatever comes of it, it must come.
fn read_all(bytes: &[u8]) {
    let Ok(database) = open(bytes) else { return };
    let _ = database.check_trailer();
    let _ = database.check_pages();
    let _ = database.kv_hash(0, -1);
    let _ = database.kv_hash(0, 5);
    let _ = database.inspect(&InspectOptions::default());
    let _ = database.get(b"/registry/pods/default/web");
}

fn kit(deep: bool) -> Kit {
    let mut kit = sample();
    if deep {
        (kit.fan, kit.inline, kit.freelist) = (2, false, true);
    }
    kit
}

/// Puts a number where a page header or an element has one.
fn set(bytes: &mut [u8], at: usize, number: u64, length: usize) {
    bytes[at..at + length].copy_from_slice(&number.to_le_bytes()[..length]);
}

/// The places of all pages with these flags.
fn pages(bytes: &[u8], flags: u8) -> Vec<usize> {
    (2..bytes.len() / 1024)
        .map(|page| page * 1024)
        .filter(|at| bytes[at + 8] == flags && bytes[at + 9] == 0)
        .collect()
}

fn faults(bytes: &[u8]) -> Vec<Fault> {
    let report = open(bytes).unwrap().check_pages().unwrap();
    report.findings.into_iter().map(|finding| finding.fault).collect()
}

#[test]
fn a_sound_file_has_no_findings() {
    for deep in [false, true] {
        let kit = kit(deep);
        let report = kit.open().check_pages().unwrap();
        assert!(report.is_sound() && report.findings.is_empty(), "{report:?}");
        assert_eq!(report.used + report.free, report.total);
        assert_eq!(report.free, 1);
        assert_eq!(report.used, 2 + report.branch + report.leaf + report.overflow + report.freelist);
    }
}

#[test]
fn a_circle_is_found_and_does_not_hang() {
    let mut bytes = kit(true).build();
    for branch in pages(&bytes, 1) {
        let own = (branch / 1024) as u64;
        set(&mut bytes, branch + 16 + 8, own, 8);
    }
    assert!(faults(&bytes).contains(&Fault::ReferencedTwice));
    assert!(open(&bytes).unwrap().kv_hash(0, -1).is_err());
    read_all(&bytes);
}

#[test]
fn each_kind_of_damage_is_named() {
    let sound = kit(true).build();
    let branch = *pages(&sound, 1).last().unwrap();
    let leaf = *pages(&sound, 2).last().unwrap();
    let freelist = pages(&sound, 0x10)[0];
    let damage = |change: &dyn Fn(&mut [u8])| {
        let mut bytes = sound.clone();
        change(&mut bytes);
        read_all(&bytes);
        faults(&bytes)
    };
    let high_water = (sound.len() / 1024) as u64;
    assert!(damage(&|b| set(b, branch + 24, 1 << 60, 8)).contains(&Fault::OutOfRange { high_water }));
    assert!(damage(&|b| set(b, leaf, 3, 8)).contains(&Fault::WrongId { found: 3 }));
    assert!(damage(&|b| set(b, leaf + 8, 8, 2)).contains(&Fault::WrongType { flags: 8 }));
    assert!(
        damage(&|b| set(b, leaf + 12, 4_000_000_000, 4))
            .contains(&Fault::RunTooLong { pages: 4_000_000_001 })
    );
    assert!(damage(&|b| set(b, leaf + 20, 4_000_000_000, 4)).contains(&Fault::Element { index: 0 }));
    assert!(damage(&|b| set(b, leaf + 24, 0, 4)).contains(&Fault::EmptyKey { index: 0 }));
    assert!(damage(&|b| set(b, leaf + 10, 60_000, 2)).iter().any(|f| matches!(f, Fault::Element { .. })));
    assert!(damage(&|b| set(b, branch + 10, 0, 2)).contains(&Fault::EmptyBranch));
    assert!(
        damage(&|b| set(b, freelist + 10, 0xfffe, 2))
            .iter()
            .any(|f| matches!(f, Fault::FreelistCount { .. }))
    );
    assert!(damage(&|b| set(b, freelist + 16, (leaf / 1024) as u64, 8)).contains(&Fault::FreeInUse));
    assert!(damage(&|b| set(b, freelist + 10, 0, 2)).contains(&Fault::Lost));
    let key = leaf + 16 + u32::from_le_bytes(sound[leaf + 20..leaf + 24].try_into().unwrap()) as usize;
    assert!(
        damage(&|b| b[key] = 0)
            .iter()
            .any(|f| matches!(f, Fault::KeyOrder { .. } | Fault::OutsideParent { .. }))
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]
    #[test]
    fn a_changed_byte_never_panics(deep: bool, place in 0..1_000_000usize, bits in 1..=255u8) {
        let mut bytes = with_trailer(&kit(deep).build());
        let length = bytes.len();
        bytes[place % length] ^= bits;
        read_all(&bytes);
    }

    #[test]
    fn many_changed_header_bytes_never_panic(
        deep: bool,
        changes in proptest::collection::vec((0..64usize, 0..80usize, proptest::num::u8::ANY), 1..12),
    ) {
        let mut bytes = kit(deep).build();
        let pages = bytes.len() / 1024;
        for (page, place, byte) in changes {
            // Not the meta pages: with them the rest would not be reached.
            bytes[(2 + page % (pages - 2)) * 1024 + place] = byte;
        }
        read_all(&bytes);
    }

    #[test]
    fn a_cut_file_never_panics(deep: bool, trailer: bool, length in 0..1_000_000usize) {
        let mut bytes = kit(deep).build();
        if trailer {
            bytes = with_trailer(&bytes);
        }
        bytes.truncate(length % bytes.len());
        prop_assert!(open(&bytes).is_err() || bytes.len().is_multiple_of(512));
        read_all(&bytes);
    }
}
