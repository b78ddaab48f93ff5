//! Walking through a bucket in the order of its keys.

use super::database::{Bucket, Database, Root, bucket_root, inline_page};
use super::error::{Result, SnapshotError};
use super::fault::Fault;
use super::page::{BRANCH, LEAF, Page};

/// Levels of a tree. bbolt puts two keys or more into a page, so that real trees have less than ten.
pub(super) const MAX_DEPTH: usize = 48;

/// A position in a bucket. Holds one page (with its overflow pages) per level of the tree.
pub struct Cursor<'db> {
    db: &'db Database,
    bucket: Bucket,
    stack: Vec<Frame>,
    spare: Vec<Vec<u8>>,
    started: bool,
    pages: u64,
}

struct Frame {
    page: Page,
    /// The element that is next (leaf), or that the frame below came from (branch).
    index: usize,
}

/// An entry of a bucket. Like all that holds bytes of values, it has no `Debug`: they may be Secrets.
#[derive(Clone, Copy)]
pub struct Entry<'a> {
    bytes: &'a [u8],
    key: usize,
    is_bucket: bool,
    page: u64,
}

impl<'a> Entry<'a> {
    /// Its key.
    pub fn key(&self) -> &'a [u8] {
        &self.bytes[..self.key]
    }

    /// Its value. For a nested bucket that is bbolt's bucket header.
    pub fn value(&self) -> &'a [u8] {
        &self.bytes[self.key..]
    }

    /// Key and value, which lie side by side.
    pub fn key_and_value(&self) -> &'a [u8] {
        self.bytes
    }

    /// Whether it is a nested bucket.
    pub fn is_bucket(&self) -> bool {
        self.is_bucket
    }

    /// The nested bucket, if it is one.
    pub fn bucket(&self) -> Result<Option<Bucket>> {
        if !self.is_bucket {
            return Ok(None);
        }
        match bucket_root(self.value(), self.page) {
            Some(root) => Ok(Some(Bucket(root))),
            None => Err(SnapshotError::damaged(self.page, Fault::Bucket { index: 0 })),
        }
    }
}

impl<'db> Cursor<'db> {
    pub(super) fn new(db: &'db Database, bucket: Bucket) -> Self {
        Self { db, bucket, stack: Vec::new(), spare: Vec::new(), started: false, pages: 0 }
    }

    /// Goes to the first entry whose key is not below `key`; `next` returns it.
    pub fn seek(&mut self, key: &[u8]) -> Result<()> {
        self.restart()?;
        loop {
            let Some(frame) = self.stack.last_mut() else { return Ok(()) };
            if frame.page.is_leaf() {
                frame.index = frame.page.partition(|k| k < key)?;
                return Ok(());
            }
            // A branch element carries the first key of its child when it was written: the last one that is not
            // above the key leads to it.
            frame.index = frame.page.partition(|k| k <= key)?.saturating_sub(1);
            let (_, child) = frame.page.branch(frame.index)?;
            self.push(child)?;
        }
    }

    /// Goes to the last entry and returns it.
    pub fn last(&mut self) -> Result<Option<Entry<'_>>> {
        self.restart()?;
        // bbolt's `Cursor.Last` goes on to the page before if the last leaf is empty, which only the root can be.
        while let Some(frame) = self.stack.last_mut() {
            let count = frame.page.count();
            frame.index = count.saturating_sub(1);
            if frame.page.is_leaf() || count == 0 {
                break;
            }
            let (_, child) = frame.page.branch(frame.index)?;
            self.push(child)?;
        }
        self.next()
    }

    /// The next entry, or nothing at the end.
    // It lends from the cursor, which `Iterator` cannot do.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<Entry<'_>>> {
        if !self.started {
            self.started = true;
            self.push_root()?;
        }
        loop {
            let Some(frame) = self.stack.last() else { return Ok(None) };
            if frame.page.is_leaf() {
                if frame.index < frame.page.count() {
                    break;
                }
                self.pop();
            } else if frame.index < frame.page.count() {
                let (_, child) = frame.page.branch(frame.index)?;
                self.push(child)?;
            } else {
                self.pop();
            }
        }
        let Some(frame) = self.stack.last_mut() else { return Ok(None) };
        let leaf = frame.page.leaf(frame.index)?;
        frame.index += 1;
        Ok(Some(Entry {
            key: leaf.key.len(),
            bytes: &frame.page.bytes[leaf.key.start..leaf.value.end],
            is_bucket: leaf.is_bucket,
            page: frame.page.number,
        }))
    }

    fn restart(&mut self) -> Result<()> {
        self.spare.extend(self.stack.drain(..).map(|frame| frame.page.bytes));
        self.pages = 0;
        self.started = true;
        self.push_root()
    }

    fn pop(&mut self) {
        self.spare.extend(self.stack.pop().map(|frame| frame.page.bytes));
        if let Some(parent) = self.stack.last_mut() {
            parent.index += 1;
        }
    }

    fn push_root(&mut self) -> Result<()> {
        match &self.bucket.0 {
            Root::Page(id) => self.push(*id),
            Root::Inline { bytes, holder } => {
                let page = inline_page(bytes.clone(), *holder)?;
                self.stack.push(Frame { page, index: 0 });
                Ok(())
            }
        }
    }

    fn push(&mut self, id: u64) -> Result<()> {
        if self.stack.len() >= MAX_DEPTH {
            return Err(SnapshotError::damaged(id, Fault::TooDeep));
        }
        let page = self.db.page(id, self.spare.pop().unwrap_or_default())?;
        if !matches!(page.header.flags, BRANCH | LEAF) {
            return Err(page.fault(Fault::WrongType { flags: page.header.flags }));
        }
        if page.header.flags == BRANCH && page.count() == 0 {
            return Err(page.fault(Fault::EmptyBranch));
        }
        // Whoever walks through more pages than there are walks through some of them twice: this ends every
        // circle, without a list of the pages seen.
        self.pages += page.header.run();
        if self.pages > self.db.meta.high_water {
            return Err(page.fault(Fault::ReferencedTwice));
        }
        self.stack.push(Frame { page, index: 0 });
        Ok(())
    }
}
