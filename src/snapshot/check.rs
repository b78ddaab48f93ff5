//! Whether the pages of a database are sound: every page that is reached, reached once, in order, and every other
//! page free. The rules are those of bbolt's `tx_check.go`.

use serde::Serialize;

use super::cursor::MAX_DEPTH;
use super::database::{Database, Root, bucket_root, inline_page};
use super::error::{Result, SnapshotError};
use super::fault::{Fault, Level};
use super::freelist::check_free;
use super::page::{BRANCH, LEAF, Page};
use super::pageset::PageSet;

/// Findings that a report holds at most; all are counted.
const FINDINGS: usize = 200;

/// A broken rule, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Number of the page.
    pub page: u64,
    /// How bad it is.
    pub level: Level,
    /// The rule that it breaks.
    #[serde(flatten)]
    pub fault: Fault,
}

/// What the pages of a database are used for, and what is wrong with them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PageReport {
    /// Bytes per page.
    pub page_size: u32,
    /// Pages that were ever allocated; the file may be longer.
    pub total: u64,
    /// Pages in use, all kinds together.
    pub used: u64,
    /// Pages that are neither in use nor lost. They still hold what was last written to them.
    pub free: u64,
    /// Branch pages.
    pub branch: u64,
    /// Leaf pages.
    pub leaf: u64,
    /// Pages that continue the one before them.
    pub overflow: u64,
    /// Pages of the list of free pages; 0 if the file has none (etcd does not write it).
    pub freelist: u64,
    /// Entries in all buckets.
    pub entries: u64,
    /// Findings that mean that data may be lost or wrong.
    pub errors: u64,
    /// Findings that do not.
    pub warnings: u64,
    /// The first 200 findings.
    pub findings: Vec<Finding>,
}

impl PageReport {
    /// Whether there are no errors.
    pub fn is_sound(&self) -> bool {
        self.errors == 0
    }

    pub(super) fn find(&mut self, page: u64, fault: Fault) {
        let level = fault.level();
        match level {
            Level::Error => self.errors += 1,
            Level::Warning => self.warnings += 1,
        }
        // An error is worth more than the warning that it comes after.
        if self.findings.len() == FINDINGS && level == Level::Error {
            self.findings.retain(|finding| finding.level == Level::Error);
        }
        if self.findings.len() < FINDINGS {
            self.findings.push(Finding { page, level, fault });
        }
    }
}

impl Database {
    /// Reads every page in use and checks it. Damage is reported, not returned as an error; errors are only those
    /// of reading. Memory: two bits for each page, and one page (with its overflow pages) per level of the tree.
    pub fn check_pages(&self) -> Result<PageReport> {
        let total = self.meta.high_water;
        let mut reached = PageSet::new(total);
        reached.insert(0, 2);
        let report = PageReport {
            page_size: self.meta.page_size,
            total,
            used: 0,
            free: 0,
            branch: 0,
            leaf: 0,
            overflow: 0,
            freelist: 0,
            entries: 0,
            errors: 0,
            warnings: 0,
            findings: Vec::new(),
        };
        let mut check = Check { db: self, reached, report, spare: Vec::new() };
        for (page, valid) in (0..).zip(self.valid_metas) {
            if !valid {
                check.report.find(page, Fault::Meta);
            }
        }
        check.bucket(&Root::Page(self.meta.root), 0)?;
        let Check { mut reached, mut report, .. } = check;
        check_free(self, &mut reached, &mut report)?;
        Ok(report)
    }
}

struct Check<'db> {
    db: &'db Database,
    reached: PageSet,
    report: PageReport,
    spare: Vec<Vec<u8>>,
}

/// The range that the keys below a branch element must lie in: from its key up to the next one's.
#[derive(Clone, Copy, Default)]
struct Bounds<'a> {
    from: Option<&'a [u8]>,
    below: Option<&'a [u8]>,
}

impl Check<'_> {
    fn bucket(&mut self, root: &Root, depth: usize) -> Result<()> {
        match root {
            Root::Page(id) => self.page(*id, Bounds::default(), depth),
            Root::Inline { bytes, holder } => match inline_page(bytes.clone(), *holder) {
                Ok(page) => self.elements(&page, Bounds::default(), depth),
                Err(error) => self.note(error),
            },
        }
    }

    fn page(&mut self, id: u64, bounds: Bounds<'_>, depth: usize) -> Result<()> {
        if depth > MAX_DEPTH {
            self.report.find(id, Fault::TooDeep);
            return Ok(());
        }
        // Before it is read: a page that many refer to is read once.
        if self.reached.contains(id) {
            self.report.find(id, Fault::ReferencedTwice);
            return Ok(());
        }
        let page = match self.db.page(id, self.spare.pop().unwrap_or_default()) {
            Ok(page) => page,
            Err(error) => {
                self.reached.insert(id, 1);
                return self.note(error);
            }
        };
        if !self.reached.insert(id, page.header.run()) {
            self.report.find(id, Fault::ReferencedTwice);
        }
        self.report.overflow += page.header.run() - 1;
        match page.header.flags {
            BRANCH => self.report.branch += 1,
            LEAF => self.report.leaf += 1,
            flags => {
                self.report.find(id, Fault::WrongType { flags });
                return Ok(());
            }
        }
        self.elements(&page, bounds, depth)?;
        self.spare.push(page.bytes);
        Ok(())
    }

    fn elements(&mut self, page: &Page, bounds: Bounds<'_>, depth: usize) -> Result<()> {
        if !page.is_leaf() && page.count() == 0 {
            self.report.find(page.number, Fault::EmptyBranch);
        }
        let mut before: Option<&[u8]> = None;
        for index in 0..page.count() {
            let key = match page.key(index) {
                Ok(key) => key,
                Err(error) => {
                    self.note(error)?;
                    continue;
                }
            };
            if before.is_some_and(|before| before >= key) {
                self.report.find(page.number, Fault::KeyOrder { index });
            }
            if bounds.from.is_some_and(|from| key < from) || bounds.below.is_some_and(|below| key >= below) {
                self.report.find(page.number, Fault::OutsideParent { index });
            }
            before = Some(key);
            if page.is_leaf() {
                self.report.entries += 1;
                self.nested(page, index, depth)?;
            } else {
                self.child(page, index, bounds, depth)?;
            }
        }
        Ok(())
    }

    fn child(&mut self, page: &Page, index: usize, bounds: Bounds<'_>, depth: usize) -> Result<()> {
        let Ok((key, child)) = page.branch(index) else { return Ok(()) };
        let next = if index + 1 < page.count() { page.key(index + 1).ok() } else { bounds.below };
        self.page(child, Bounds { from: Some(key), below: next }, depth + 1)
    }

    fn nested(&mut self, page: &Page, index: usize, depth: usize) -> Result<()> {
        let Ok(leaf) = page.leaf(index) else { return Ok(()) };
        if leaf.is_bucket {
            match bucket_root(&page.bytes[leaf.value], page.number) {
                Some(root) if depth < MAX_DEPTH => self.bucket(&root, depth + 1)?,
                Some(_) => self.report.find(page.number, Fault::TooDeep),
                None => self.report.find(page.number, Fault::Bucket { index }),
            }
        }
        Ok(())
    }

    /// Damage is a finding; anything else ends the check.
    fn note(&mut self, error: SnapshotError) -> Result<()> {
        match error {
            SnapshotError::Damaged { page, fault } => {
                self.report.find(page, fault);
                Ok(())
            }
            other => Err(other),
        }
    }
}
