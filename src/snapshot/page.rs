//! One page with its overflow pages, and the elements in it. Every access is checked against the buffer.

use std::ops::Range;

use super::error::{Result, SnapshotError};
use super::fault::Fault;

/// Size of a page header (bbolt `internal/common/page.go`: id, flags, count, overflow).
pub(super) const HEADER: usize = 16;
/// Size of a branch element (pos, ksize, pgid) and of a leaf element (flags, pos, ksize, vsize).
pub(super) const ELEMENT: usize = 16;
pub(super) const BRANCH: u16 = 0x01;
pub(super) const LEAF: u16 = 0x02;
pub(super) const FREELIST: u16 = 0x10;
pub(super) const BUCKET_ENTRY: u32 = 0x01;

/// The header of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub id: u64,
    pub flags: u16,
    pub count: u16,
    pub overflow: u32,
}

impl Header {
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        Some(Self {
            id: u64_at(bytes, 0)?,
            flags: u16_at(bytes, 8)?,
            count: u16_at(bytes, 10)?,
            overflow: u32_at(bytes, 12)?,
        })
    }

    /// Pages in the run: this one and its overflow pages.
    pub(super) fn run(&self) -> u64 {
        u64::from(self.overflow) + 1
    }
}

/// A page run in memory: a branch, a leaf, or the page within an inline bucket.
pub(super) struct Page {
    pub bytes: Vec<u8>,
    pub header: Header,
    /// The page to name in errors: for an inline bucket, the page that holds it.
    pub number: u64,
}

/// Where a leaf element lies in its page.
#[derive(Debug, Clone)]
pub(super) struct Leaf {
    pub key: Range<usize>,
    pub value: Range<usize>,
    pub is_bucket: bool,
}

impl Page {
    pub(super) fn is_leaf(&self) -> bool {
        self.header.flags == LEAF
    }

    pub(super) fn count(&self) -> usize {
        usize::from(self.header.count)
    }

    /// The leaf element at `index`, its key and value within the page and behind the element table.
    pub(super) fn leaf(&self, index: usize) -> Result<Leaf> {
        let (at, [flags, pos, key, value]) = self.words(index)?;
        let key_start = at.saturating_add(pos as usize);
        let key_end = key_start.saturating_add(key as usize);
        let end = key_end.saturating_add(value as usize);
        self.check(index, key_start, key_end, end)?;
        Ok(Leaf { key: key_start..key_end, value: key_end..end, is_bucket: flags & BUCKET_ENTRY != 0 })
    }

    /// Key and child of the branch element at `index`.
    pub(super) fn branch(&self, index: usize) -> Result<(&[u8], u64)> {
        let (at, [pos, key, low, high]) = self.words(index)?;
        let start = at.saturating_add(pos as usize);
        let end = start.saturating_add(key as usize);
        self.check(index, start, end, end)?;
        Ok((&self.bytes[start..end], u64::from(high) << 32 | u64::from(low)))
    }

    /// The key of the element at `index`, of a branch or a leaf.
    pub(super) fn key(&self, index: usize) -> Result<&[u8]> {
        if self.is_leaf() { Ok(&self.bytes[self.leaf(index)?.key]) } else { Ok(self.branch(index)?.0) }
    }

    /// The number of elements for which `below` holds; they are in order, so a binary search will do.
    pub(super) fn partition(&self, mut below: impl FnMut(&[u8]) -> bool) -> Result<usize> {
        let (mut low, mut high) = (0, self.count());
        while low < high {
            let middle = low + (high - low) / 2;
            if below(self.key(middle)?) { low = middle + 1 } else { high = middle }
        }
        Ok(low)
    }

    pub(super) fn fault(&self, fault: Fault) -> SnapshotError {
        SnapshotError::damaged(self.number, fault)
    }

    fn words(&self, index: usize) -> Result<(usize, [u32; 4])> {
        let at = HEADER + index * ELEMENT;
        let word = |n: usize| u32_at(&self.bytes, at + 4 * n);
        match (index < self.count(), word(0), word(1), word(2), word(3)) {
            (true, Some(a), Some(b), Some(c), Some(d)) => Ok((at, [a, b, c, d])),
            _ => Err(self.fault(Fault::Element { index })),
        }
    }

    fn check(&self, index: usize, start: usize, key_end: usize, end: usize) -> Result<()> {
        if start < HEADER + self.count() * ELEMENT || end > self.bytes.len() {
            return Err(self.fault(Fault::Element { index }));
        }
        if start == key_end {
            return Err(self.fault(Fault::EmptyKey { index }));
        }
        Ok(())
    }
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().copied().map(u16::from_le_bytes)
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().copied().map(u32::from_le_bytes)
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().copied().map(u64::from_le_bytes)
}
