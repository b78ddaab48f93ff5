use proptest::prelude::*;

use super::super::RevisionScan;
use super::super::testkit::{Kit, sample, with_trailer};

fn scan(bytes: &[u8], sizes: &[usize]) -> RevisionScan {
    let mut scan = RevisionScan::new();
    let mut sizes = sizes.iter().copied().cycle();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (chunk, next) = rest.split_at(sizes.next().unwrap_or(rest.len()).clamp(1, rest.len()));
        scan.push(chunk);
        rest = next;
    }
    scan
}

#[test]
fn finds_the_newest_revision() {
    let bytes = with_trailer(&sample().build());
    assert_eq!(scan(&bytes, &[32 * 1024]).newest(i64::MAX), Some(8));
    assert_eq!(scan(&bytes[..bytes.len() / 2], &[7]).newest(0), None);
    assert_eq!(scan(b"no database, but long enough to be looked at", &[3]).newest(i64::MAX), None);
}

#[test]
fn looks_for_the_key_in_overflow_pages() {
    let mut kit = Kit { fan: 9, ..Kit::new() };
    kit.revision(2, 0, "a", Some(&[b'v'; 5000]));
    kit.revision(3, 0, "b", Some(&[b'v'; 5000]));
    let bytes = kit.build();
    for size in [1, 17, 1024, 4000, 1 << 20] {
        assert_eq!(scan(&bytes, &[size]).newest(i64::MAX), Some(3), "chunks of {size}");
    }
}

#[test]
fn the_bound_tells_users_from_revisions() {
    let mut kit = sample();
    kit.inline = false;
    kit.put("authUsers", b"zomebody_somebody", b"");
    let scan = scan(&kit.build(), &[100]);
    assert_eq!(scan.newest(8), Some(8));
    assert!(scan.newest(i64::MAX) > Some(8));
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
        let expected = scan(&bytes, &[whole]);
        let found = scan(&bytes, &sizes);
        for bound in [0, 1, 5, 8, 1 << 40, i64::MAX] {
            prop_assert_eq!(found.newest(bound), expected.newest(bound));
        }
    }
}
