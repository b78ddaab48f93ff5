//! The two meta pages at the start of a bbolt file.

use super::error::{Result, SnapshotError};
use super::page::{HEADER, u32_at, u64_at};

/// bbolt `internal/common/types.go`: `Magic`.
pub(super) const MAGIC: u32 = 0xED0C_DAED;
/// bbolt `internal/common/types.go`: `Version`.
pub(super) const VERSION: u32 = 2;
/// bbolt `internal/common/types.go`: `PgidNoFreelist`, written by databases that do not sync their freelist.
pub(super) const NO_FREELIST: u64 = u64::MAX;
/// Bytes of a meta page that are read: page header and meta (bbolt `internal/common/meta.go`).
pub(super) const META_PAGE: usize = HEADER + 64;

/// What a valid meta page says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Meta {
    pub page_size: u32,
    pub root: u64,
    pub freelist: u64,
    /// The first page number that was never allocated.
    pub high_water: u64,
    pub txid: u64,
}

impl Meta {
    /// Reads the meta of a page's first [`META_PAGE`] bytes, by the rules of bbolt's `Meta.Validate`.
    pub(super) fn parse(page: &[u8]) -> Result<Self> {
        let fail = |reason| Err(SnapshotError::NotADatabase { reason });
        let Some(meta) = page.get(HEADER..META_PAGE) else {
            return fail("it is too short for a meta page");
        };
        if u32_at(meta, 0) != Some(MAGIC) {
            return fail("its first page does not carry the magic number");
        }
        if u32_at(meta, 4) != Some(VERSION) {
            return fail("its format version is not 2");
        }
        if u64_at(meta, 56) != Some(fnv1a(&meta[..56])) {
            return fail("the checksum of its meta page does not hold");
        }
        let read = |at| u64_at(meta, at).unwrap_or_default();
        let page_size = u32_at(meta, 8).unwrap_or_default();
        if !is_page_size(page_size) {
            return fail("its page size is not a power of two from 1 to 64 KiB");
        }
        Ok(Self { page_size, root: read(16), freelist: read(32), high_water: read(40), txid: read(48) })
    }
}

/// Page sizes that are believed. bbolt takes the page size of the machine that made the file.
pub(super) fn is_page_size(size: u32) -> bool {
    size.is_power_of_two() && (1024..=65536).contains(&size)
}

/// FNV-1a, 64 bits: bbolt's `Meta.Sum64`.
pub(super) fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fnv_matches_its_published_vectors() {
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }
}
