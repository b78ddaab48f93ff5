use proptest::prelude::*;

use super::super::RevisionScan;
use super::super::testkit::{Kit, sample, with_trailer};

fn scan(bytes: &[u8], sizes: &[usize], at_least: i64) -> Option<i64> {
    let mut scan = RevisionScan::new(at_least);
    let mut sizes = sizes.iter().copied().cycle();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (chunk, next) = rest.split_at(sizes.next().unwrap_or(rest.len()).clamp(1, rest.len()));
        scan.push(chunk);
        rest = next;
    }
    scan.revision()
}

#[test]
fn finds_the_newest_revision_in_trees_of_any_shape() {
    for (inline, fan) in [(true, 4), (false, 4), (false, 2), (false, 3), (true, 20), (false, 20)] {
        let bytes = with_trailer(&Kit { inline, fan, ..sample() }.build());
        assert_eq!(scan(&bytes, &[32 * 1024], 3), Some(8), "inline {inline}, fan {fan}");
        assert_eq!(scan(&bytes, &[32 * 1024], 9), None);
        assert_eq!(scan(&bytes[..bytes.len() / 2], &[7], 0), None);
    }
    assert_eq!(scan(&[7; 5000], &[3], 0), None);
}

#[test]
fn a_database_that_nothing_was_written_to_has_revision_1() {
    for inline in [true, false] {
        let mut kit = Kit { inline, ..Kit::new() };
        kit.put("key", b"", b"");
        kit.remove("key", b"");
        assert_eq!(scan(&kit.build(), &[100], 1), Some(1));
    }
}

#[test]
fn looks_for_the_key_in_overflow_pages() {
    let mut kit = Kit { fan: 9, ..Kit::new() };
    kit.revision(2, 0, "a", Some(&[b'v'; 5000]));
    kit.revision(3, 0, "b", Some(&[b'v'; 5000]));
    let bytes = kit.build();
    for size in [1, 17, 1024, 4000, 1 << 20] {
        assert_eq!(scan(&bytes, &[size], 1), Some(3), "chunks of {size}");
    }
}

/// A member that goes on writing while it streams does so into pages that are free in the snapshot.
#[test]
fn newer_revisions_in_free_pages_are_not_believed() {
    let kit = Kit { inline: false, ..sample() };
    let mut bytes = kit.build();
    // The kit leaves its first page free.
    let leaf = Kit::stray_leaf(2, 99);
    bytes[2 * kit.page_size..][..leaf.len()].copy_from_slice(&leaf);
    assert_eq!(scan(&bytes, &[1024], 1), Some(8));
}

#[test]
fn users_are_not_taken_for_revisions() {
    let mut kit = Kit { inline: false, ..sample() };
    kit.put("authUsers", b"zomebody_somebody", b"");
    assert_eq!(scan(&kit.build(), &[100], 8), Some(8));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn chunks_do_not_matter(
        sizes in proptest::collection::vec(1..2000usize, 1..20),
        flips in proptest::collection::vec((0..16_000usize, 1..=255u8), 0..6),
    ) {
        let mut bytes = with_trailer(&sample().build());
        let whole = bytes.len();
        for (place, bits) in flips {
            bytes[place % whole] ^= bits;
        }
        for bound in [0, 1, 5, 8, 1 << 40] {
            prop_assert_eq!(scan(&bytes, &sizes, bound), scan(&bytes, &[whole], bound));
        }
    }
}
