//! The list of free pages, and the pages that nobody refers to.

use super::check::PageReport;
use super::database::Database;
use super::error::{Result, SnapshotError};
use super::fault::Fault;
use super::meta::NO_FREELIST;
use super::page::{FREELIST, HEADER, u64_at};
use super::pageset::PageSet;

const BLOCK: usize = 64 * 1024;

/// Completes the report with what is free. `reached` has the meta pages and the pages of all trees.
///
/// A file without a freelist (etcd opens bbolt with `NoFreelistSync`) has nothing to compare: there, what is not
/// in use is free, as for bbolt itself (`db.go`: `freepages`).
pub(super) fn check_free(db: &Database, reached: &mut PageSet, report: &mut PageReport) -> Result<()> {
    if db.meta.freelist == NO_FREELIST {
        report.used = reached.len();
        report.free = report.total.saturating_sub(report.used);
        return Ok(());
    }
    let listed = match listed(db, reached, report) {
        Ok(listed) => listed,
        Err(SnapshotError::Damaged { page, fault }) => {
            report.find(page, fault);
            None
        }
        Err(other) => return Err(other),
    };
    report.used = reached.len();
    let Some(listed) = listed else { return Ok(()) };
    for page in 0..report.total {
        match (reached.contains(page), listed.contains(page)) {
            (false, false) => report.find(page, Fault::Lost),
            (true, true) => report.find(page, Fault::FreeInUse),
            (false, true) => report.free += 1,
            (true, false) => {}
        }
    }
    Ok(())
}

fn listed(db: &Database, reached: &mut PageSet, report: &mut PageReport) -> Result<Option<PageSet>> {
    let page = db.meta.freelist;
    let header = db.header(page)?;
    if header.flags != FREELIST {
        return Err(SnapshotError::damaged(page, Fault::WrongType { flags: header.flags }));
    }
    if header.run() > report.total - page {
        return Err(SnapshotError::damaged(page, Fault::RunTooLong { pages: header.run() }));
    }
    report.freelist = header.run();
    if !reached.insert(page, header.run()) {
        report.find(page, Fault::ReferencedTwice);
    }
    let size = u64::from(db.meta.page_size);
    let start = page * size + HEADER as u64;
    let room = header.run() * size - HEADER as u64;
    // bbolt `internal/common/page.go`, FreelistPageCount: 0xFFFF stands for a count in the first entry.
    let (first, count) = if header.count == u16::MAX {
        let mut count = [0; 8];
        db.read_at(start, &mut count)?;
        (8, u64::from_le_bytes(count))
    } else {
        (0, u64::from(header.count))
    };
    let bytes = match count.checked_mul(8).and_then(|bytes| bytes.checked_add(first)) {
        Some(bytes) if bytes <= room => bytes,
        _ => return Err(SnapshotError::damaged(page, Fault::FreelistCount { count })),
    };
    let mut listed = PageSet::new(report.total);
    let mut block = vec![0; BLOCK];
    let mut offset = first;
    while offset < bytes {
        let part = &mut block[..BLOCK.min(usize::try_from(bytes - offset).unwrap_or(BLOCK))];
        db.read_at(start + offset, part)?;
        for id in part.chunks_exact(8).filter_map(|id| u64_at(id, 0)) {
            if id < 2 || id >= report.total {
                report.find(id, Fault::OutOfRange { high_water: report.total });
            } else if !listed.insert(id, 1) {
                report.find(id, Fault::FreeTwice);
            }
        }
        offset += part.len() as u64;
    }
    Ok(Some(listed))
}
