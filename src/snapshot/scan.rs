//! Finding the newest revision in a database while it streams by.

use std::collections::HashMap;

use super::meta::{META_PAGE, Meta};
use super::page::{BRANCH, BUCKET_ENTRY, ELEMENT, HEADER, Header, LEAF, Page, u32_at, u64_at};
use super::revision::{KEY, REVISION, Revision};

/// Keys that may be waited for at a time. A page leads to one, and it comes within its overflow pages, so that a sound
/// stream has one or two.
const WAITING: usize = 1024;
/// No tree is deeper.
const DEPTH: usize = 64;

/// Finds the newest revision of a snapshot from the stream itself, without going back in it, at the cost of a few dozen
/// bytes looked at per page.
///
/// Free pages are in the stream too, and cannot be told from others by themselves: what they hold may be old, or, when
/// etcd has gone on writing while it streamed, newer than the snapshot. So the scan remembers where each page would lead
/// to on the way to the newest revision, and goes that way from the root when all have come. Of the leaves it
/// remembers only those that reach the revision that the caller knows to be in the snapshot; for the rest it takes some
/// 30 bytes per hundred pages.
#[derive(Debug)]
pub struct RevisionScan {
    at_least: i64,
    /// Where the page begins that is to come next.
    offset: u64,
    /// What has come of it.
    part: Vec<u8>,
    meta: Option<Meta>,
    /// It is no database.
    stopped: bool,
    leads: HashMap<u64, To>,
    waiting: Vec<Waiting>,
}

/// Where a page leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum To {
    Page(u64),
    Revision(i64),
}

/// The last key of a page, when it lies in the overflow pages.
#[derive(Debug)]
struct Waiting {
    page: u64,
    at: u64,
    length: usize,
    bytes: Vec<u8>,
}

impl RevisionScan {
    /// A scan that has seen nothing yet, of a snapshot that is known to reach `at_least`.
    pub fn new(at_least: i64) -> Self {
        RevisionScan {
            at_least,
            offset: 0,
            part: Vec::new(),
            meta: None,
            stopped: false,
            leads: HashMap::new(),
            waiting: Vec::new(),
        }
    }

    /// Looks at the next bytes of the stream; chunks can be of any size.
    pub fn push(&mut self, chunk: &[u8]) {
        if self.stopped {
            return;
        }
        let whole;
        let mut bytes = chunk;
        if !self.part.is_empty() {
            whole = [std::mem::take(&mut self.part).as_slice(), chunk].concat();
            bytes = &whole;
        }
        if self.meta.is_none() && bytes.len() >= META_PAGE {
            // etcd sends the meta of the snapshot in both places.
            self.meta = Meta::parse(bytes).ok();
            self.stopped = self.meta.is_none();
        }
        let size = self.meta.map_or(usize::MAX, |meta| meta.page_size as usize);
        while bytes.len() >= size && !self.stopped {
            let (page, rest) = bytes.split_at(size);
            self.page(page, self.offset / size as u64);
            self.offset += size as u64;
            bytes = rest;
        }
        self.part = bytes.to_vec();
    }

    /// The newest revision (main) in the snapshot, when all of it has come; `None` if it does not reach the one that
    /// was known.
    pub fn revision(&self) -> Option<i64> {
        let mut page = self.meta?.root;
        for _ in 0..DEPTH {
            match *self.leads.get(&page)? {
                To::Page(next) => page = next,
                To::Revision(main) => return Some(main).filter(|main| *main >= self.at_least),
            }
        }
        None
    }

    fn page(&mut self, bytes: &[u8], number: u64) {
        let mut waiting = std::mem::take(&mut self.waiting);
        waiting.retain_mut(|key| !self.gather(key, bytes));
        self.waiting = waiting;
        let Some(header) = Header::parse(bytes).filter(|header| header.id == number) else { return };
        let page = || Page { bytes: bytes.to_vec(), header, number };
        let to = match header.flags {
            BRANCH => child(&page()),
            LEAF if header.count == 0 => Some(To::Revision(1)),
            LEAF if u32_at(bytes, HEADER).is_some_and(|flags| flags & BUCKET_ENTRY != 0) => bucket(&page()),
            LEAF => self.last(bytes, &header),
            _ => None,
        };
        self.leads.extend(to.map(|to| (number, to)));
    }

    /// The revision that is the last key of a leaf, now or when its overflow pages have come.
    fn last(&mut self, bytes: &[u8], header: &Header) -> Option<To> {
        let element = HEADER + (usize::from(header.count) - 1) * ELEMENT;
        let (position, length) = (u32_at(bytes, element + 4)?, u32_at(bytes, element + 8)? as usize);
        if length != REVISION && length != REVISION + 1 {
            return None;
        }
        let at = self.offset + element as u64 + u64::from(position);
        if at >= self.offset + header.run() * bytes.len() as u64 {
            return None;
        }
        let mut key = Waiting { page: header.id, at, length, bytes: Vec::new() };
        if !self.gather(&mut key, bytes) && self.waiting.len() < WAITING {
            self.waiting.push(key);
        }
        None
    }

    /// Takes what the page that begins at the offset has of a key; whether that was the rest of it.
    fn gather(&mut self, key: &mut Waiting, page: &[u8]) -> bool {
        let from = (key.at + key.bytes.len() as u64).saturating_sub(self.offset);
        let Some(rest) = usize::try_from(from).ok().and_then(|from| page.get(from..)) else { return false };
        key.bytes.extend(rest.iter().take(key.length - key.bytes.len()));
        if key.bytes.len() < key.length {
            return false;
        }
        let revision = Revision::parse(&key.bytes).map(|(revision, _)| revision.main);
        let main = revision.filter(|main| *main >= self.at_least);
        self.leads.extend(main.map(|main| (key.page, To::Revision(main))));
        true
    }
}

/// Where a branch leads to: to the bucket `key` from the root, and to its last leaf within it, since revisions are below
/// that name in the order of keys.
fn child(page: &Page) -> Option<To> {
    let after = page.partition(|key| key <= KEY.as_bytes()).ok()?;
    Some(To::Page(page.branch(after.saturating_sub(1)).ok()?.1))
}

/// Where a leaf with buckets in it leads to, if `key` is one of them.
fn bucket(page: &Page) -> Option<To> {
    let leaf = page.leaf(page.partition(|key| key < KEY.as_bytes()).ok()?).ok()?;
    if page.bytes[leaf.key] != *KEY.as_bytes() {
        return None;
    }
    // The value is the root's page and a sequence; behind them lies the root itself if it is small.
    let value = &page.bytes[leaf.value];
    match u64_at(value, 0)? {
        0 => {
            let bytes = value.get(16..)?.to_vec();
            let inline = Page { header: Header::parse(&bytes)?, bytes, number: page.number };
            let Some(last) = inline.count().checked_sub(1) else { return Some(To::Revision(1)) };
            Some(To::Revision(Revision::parse(inline.key(last).ok()?)?.0.main))
        }
        root => Some(To::Page(root)),
    }
}
