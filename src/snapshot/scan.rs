//! Finding the newest revision in a database while it streams by.

use std::collections::BTreeSet;

use super::meta::{MAGIC, is_page_size};
use super::page::{ELEMENT, HEADER, Header, LEAF, u32_at};
use super::revision::{REVISION, Revision};

/// Bytes at the start of the first page up to the page size (page header, magic, version, page size).
const START: usize = HEADER + 12;
/// Different candidates that are remembered.
const CANDIDATES: usize = 64;
/// Keys that may be waited for at a time. A page leads to one, and it comes within the page itself or its overflow
/// pages, so that a sound stream has one or two.
const WAITING: usize = 1024;

/// Finds the newest revisions in a snapshot from the stream itself, without going back in it, at the cost of a
/// few dozen bytes looked at per page.
///
/// Leaf pages of the bucket `key` have revisions as their keys; the last of a page is its newest. Pages that are
/// free now are in the stream too, but what they hold is older. What only looks like a revision (a user of 17
/// letters with a '_' in the right place, in another bucket) is told apart by the bound that the caller knows from
/// the live cluster: see [`RevisionScan::newest`].
#[derive(Debug, Default)]
pub struct RevisionScan {
    /// Bytes seen.
    offset: u64,
    page_size: u64,
    /// What is looked for next in the run of pages, and afterwards.
    step: Step,
    /// The beginning of what is looked for next, if a chunk border cut it.
    part: Part,
    /// Keys that end in a later chunk.
    waiting: Vec<Waiting>,
    candidates: BTreeSet<i64>,
}

#[derive(Debug)]
struct Waiting {
    at: u64,
    length: usize,
    part: Part,
}

#[derive(Debug, Default)]
enum Step {
    /// The first page's beginning, which tells the page size.
    #[default]
    Start,
    /// The header of the page there.
    Header(u64),
    /// The last element of the page there.
    Element { page: u64, header: Header },
    /// Not a database.
    Stop,
}

/// The bytes of something short, gathered from chunks.
#[derive(Debug, Default)]
struct Part {
    bytes: [u8; START],
    filled: usize,
}

impl Part {
    /// Takes what `chunk` (which begins at `offset`) has of the `length` bytes from `at`; whether they are complete.
    fn gather(&mut self, chunk: &[u8], offset: u64, at: u64, length: usize) -> bool {
        let wanted = at + self.filled as u64;
        let Some(from) = wanted.checked_sub(offset).and_then(|from| usize::try_from(from).ok()) else {
            return false;
        };
        let Some(rest) = chunk.get(from..) else { return false };
        let count = rest.len().min(length - self.filled);
        self.bytes[self.filled..self.filled + count].copy_from_slice(&rest[..count]);
        self.filled += count;
        self.filled == length
    }

    fn take(&mut self, length: usize) -> [u8; START] {
        self.filled = 0;
        let mut bytes = [0; START];
        bytes[..length].copy_from_slice(&self.bytes[..length]);
        bytes
    }
}

impl RevisionScan {
    /// A scan that has seen nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Looks at the next bytes of the stream; chunks can be of any size.
    pub fn push(&mut self, chunk: &[u8]) {
        let mut waiting = std::mem::take(&mut self.waiting);
        waiting.retain_mut(|key| !self.key(chunk, key));
        self.waiting = waiting;
        // Every step leads forward: to the last element of the same page, or to the next page.
        while self.step(chunk) {}
        self.offset += chunk.len() as u64;
    }

    /// The newest revision (main) seen that is not above `at_most`: the revision that the live cluster had when
    /// the snapshot was complete. The newest 64 are remembered.
    pub fn newest(&self, at_most: i64) -> Option<i64> {
        self.candidates.range(..=at_most).next_back().copied()
    }

    /// Does one step if its bytes are there.
    fn step(&mut self, chunk: &[u8]) -> bool {
        let (at, length) = match &self.step {
            Step::Start => (0, START),
            Step::Header(page) => (*page, HEADER),
            Step::Element { page, header } => (last_element(*page, header), ELEMENT),
            Step::Stop => return false,
        };
        if !self.part.gather(chunk, self.offset, at, length) {
            return false;
        }
        let bytes = self.part.take(length);
        self.step = match std::mem::take(&mut self.step) {
            Step::Start => self.start(&bytes),
            Step::Header(page) => self.header(page, &bytes),
            Step::Element { page, header } => {
                self.element(page, &header, &bytes, chunk);
                Step::Header(page + self.page_size)
            }
            Step::Stop => Step::Stop,
        };
        true
    }

    fn start(&mut self, bytes: &[u8]) -> Step {
        let size = u32_at(bytes, HEADER + 8).filter(|size| is_page_size(*size));
        match (u32_at(bytes, HEADER), size) {
            (Some(MAGIC), Some(size)) => {
                self.page_size = u64::from(size);
                Step::Header(self.page_size)
            }
            _ => Step::Stop,
        }
    }

    fn header(&self, page: u64, bytes: &[u8]) -> Step {
        let next = page + self.page_size;
        match Header::parse(bytes) {
            Some(header)
                if header.flags == LEAF
                    && header.count > 0
                    && header.id == page / self.page_size
                    // An element that does not lie in the page itself is waited for no further than the next page.
                    && last_element(page, &header) + ELEMENT as u64 <= next =>
            {
                Step::Element { page, header }
            }
            _ => Step::Header(next),
        }
    }

    fn element(&mut self, page: u64, header: &Header, bytes: &[u8], chunk: &[u8]) {
        let (Some(position), Some(size)) = (u32_at(bytes, 4), u32_at(bytes, 8)) else { return };
        let element = last_element(page, header);
        let at = element + u64::from(position);
        let end = page + header.run() * self.page_size;
        let length = size as usize;
        let is_revision = length == REVISION || length == REVISION + 1;
        if !is_revision || at < element + ELEMENT as u64 || at + u64::from(size) > end {
            return;
        }
        let mut key = Waiting { at, length, part: Part::default() };
        if !self.key(chunk, &mut key) && self.waiting.len() < WAITING {
            self.waiting.push(key);
        }
    }

    /// Takes what the chunk has of a key; whether that was the rest of it.
    fn key(&mut self, chunk: &[u8], key: &mut Waiting) -> bool {
        if !key.part.gather(chunk, self.offset, key.at, key.length) {
            return false;
        }
        if let Some((revision, _)) = Revision::parse(&key.part.bytes[..key.length]) {
            self.candidates.insert(revision.main);
            if self.candidates.len() > CANDIDATES {
                self.candidates.pop_first();
            }
        }
        true
    }
}

fn last_element(page: u64, header: &Header) -> u64 {
    page + (HEADER + (usize::from(header.count) - 1) * ELEMENT) as u64
}

const _: () = assert!(START > REVISION && START >= ELEMENT && START >= HEADER);
