//! A database file: its meta pages, its trailer, and reading a page of it.

use std::fs::File;
use std::os::unix::fs::FileExt;

use sha2::{Digest, Sha256};

use super::cursor::Cursor;
use super::error::{Result, SnapshotError};
use super::fault::Fault;
use super::meta::{META_PAGE, Meta};
use super::page::{HEADER, Header, Page, u64_at};

/// Bytes of the SHA-256 that etcd appends to a snapshot.
const TRAILER: u64 = 32;
/// etcdutl `snapshot/v3_snapshot.go`: a file has a trailer if its length leaves 32 when divided by this.
const SECTOR: u64 = 512;
const READ_BLOCK: usize = 256 * 1024;

/// An etcd v3 database file (bbolt), opened for reading. Nothing that the file says is trusted: every count, size
/// and offset is checked before it is used, so a damaged file gives an error and never a panic or an endless loop.
///
/// The file must not be one that a running etcd writes to: pages would change while they are read.
///
/// Reading goes page by page with positioned reads. What a method needs beyond a few pages of memory is said there.
#[derive(Debug)]
pub struct Database {
    file: File,
    length: u64,
    has_trailer: bool,
    pub(super) meta: Meta,
    pub(super) valid_metas: [bool; 2],
}

/// A bucket of the database.
#[derive(Debug, Clone)]
pub struct Bucket(pub(super) Root);

#[derive(Debug, Clone)]
pub(super) enum Root {
    Page(u64),
    /// A page of its own within a value of the parent bucket (bbolt: inline bucket).
    Inline {
        bytes: Vec<u8>,
        holder: u64,
    },
}

impl Database {
    /// Opens a database: a member's own file, or a snapshot as etcd sends it (a database and its SHA-256).
    /// Takes the valid meta page with the highest transaction, as bbolt does.
    pub fn open(file: File) -> Result<Self> {
        let size = file.metadata().map_err(|source| SnapshotError::Read { offset: 0, source })?.len();
        let first = read_meta(&file, 0);
        let page_size = match &first {
            Ok(meta) => Some(u64::from(meta.page_size)),
            Err(_) => None,
        };
        // With a broken first meta page the page size is unknown: bbolt (`db.go`, getPageSizeFromSecondMeta) tries
        // every size for the place of the second.
        let second = match page_size {
            Some(at) => read_meta(&file, at),
            None => {
                (10..=16).map(|bits| 1 << bits).map(|at| read_meta(&file, at)).find(Result::is_ok).unwrap_or(
                    Err(SnapshotError::NotADatabase { reason: "neither of its meta pages is valid" }),
                )
            }
        };
        let valid_metas = [first.is_ok(), second.is_ok()];
        let meta = match (first, second) {
            (Ok(a), Ok(b)) => {
                if b.txid > a.txid {
                    b
                } else {
                    a
                }
            }
            (Ok(a), Err(_)) => a,
            (Err(_), Ok(b)) => b,
            (Err(error), Err(_)) => return Err(error),
        };
        let has_trailer = match size % SECTOR {
            0 => false,
            TRAILER => true,
            _ => {
                let needed = "which is neither whole pages nor whole pages and a SHA-256".to_owned();
                return Err(SnapshotError::Truncated { length: size, needed });
            }
        };
        let length = if has_trailer { size - TRAILER } else { size };
        match meta.high_water.checked_mul(u64::from(meta.page_size)) {
            Some(needed) if needed <= length => {}
            needed => {
                let needed = match needed {
                    Some(bytes) => format!("its meta page speaks of {bytes}"),
                    None => format!("its meta page speaks of {} pages", meta.high_water),
                };
                return Err(SnapshotError::Truncated { length, needed });
            }
        }
        Ok(Self { file, length, has_trailer, meta, valid_metas })
    }

    /// Bytes of the database, without the trailer.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Whether the SHA-256 that etcd appends to a snapshot is there.
    pub fn has_trailer(&self) -> bool {
        self.has_trailer
    }

    /// Bytes per page.
    pub fn page_size(&self) -> u32 {
        self.meta.page_size
    }

    /// The newest bbolt transaction in the file.
    pub fn transaction(&self) -> u64 {
        self.meta.txid
    }

    /// Reads the whole database and compares it with the SHA-256 behind it; returns the digest in hex.
    pub fn check_trailer(&self) -> Result<String> {
        if !self.has_trailer {
            return Err(SnapshotError::NoTrailer);
        }
        let mut stored = [0; TRAILER as usize];
        self.read_at(self.length, &mut stored)?;
        let mut digest = Sha256::new();
        let mut block = vec![0; READ_BLOCK];
        let mut offset = 0;
        while offset < self.length {
            let part =
                &mut block[..READ_BLOCK.min(usize::try_from(self.length - offset).unwrap_or(READ_BLOCK))];
            self.read_at(offset, part)?;
            digest.update(&*part);
            offset += part.len() as u64;
        }
        let (stored, computed) = (hex(&stored), hex(&digest.finalize()));
        if stored == computed { Ok(computed) } else { Err(SnapshotError::Trailer { stored, computed }) }
    }

    /// The bucket that holds all others.
    pub fn root(&self) -> Bucket {
        Bucket(Root::Page(self.meta.root))
    }

    /// The bucket of that name at the top, if there is one.
    pub fn bucket(&self, name: &[u8]) -> Result<Option<Bucket>> {
        self.bucket_in(&self.root(), name)
    }

    /// The bucket of that name within another, if there is one.
    pub fn bucket_in(&self, parent: &Bucket, name: &[u8]) -> Result<Option<Bucket>> {
        let mut cursor = self.cursor(parent);
        cursor.seek(name)?;
        match cursor.next()? {
            Some(entry) if entry.key() == name => entry.bucket(),
            _ => Ok(None),
        }
    }

    /// A cursor before the first entry of a bucket.
    pub fn cursor(&self, bucket: &Bucket) -> Cursor<'_> {
        Cursor::new(self, bucket.clone())
    }

    /// The value under a key of a bucket at the top.
    pub fn value(&self, bucket: &[u8], key: &[u8]) -> Result<Option<Vec<u8>>> {
        let Some(bucket) = self.bucket(bucket)? else { return Ok(None) };
        let mut cursor = self.cursor(&bucket);
        cursor.seek(key)?;
        Ok(cursor.next()?.filter(|entry| entry.key() == key).map(|entry| entry.value().to_vec()))
    }

    /// Reads a page and its overflow pages into `bytes`.
    pub(super) fn page(&self, id: u64, mut bytes: Vec<u8>) -> Result<Page> {
        let size = self.meta.page_size as usize;
        let high_water = self.meta.high_water;
        if id >= high_water {
            return Err(SnapshotError::damaged(id, Fault::OutOfRange { high_water }));
        }
        bytes.resize(size, 0);
        let offset = id * size as u64;
        self.read_at(offset, &mut bytes)?;
        let header = parse_header(&bytes, id)?;
        if header.overflow > 0 {
            if header.run() > high_water - id {
                return Err(SnapshotError::damaged(id, Fault::RunTooLong { pages: header.run() }));
            }
            let run = usize::try_from(header.run() * size as u64)
                .map_err(|_| SnapshotError::damaged(id, Fault::RunTooLong { pages: header.run() }))?;
            bytes.resize(run, 0);
            self.read_at(offset + size as u64, &mut bytes[size..])?;
        }
        Ok(Page { bytes, header, number: id })
    }

    /// Reads only the header of a page.
    pub(super) fn header(&self, id: u64) -> Result<Header> {
        let high_water = self.meta.high_water;
        if id >= high_water {
            return Err(SnapshotError::damaged(id, Fault::OutOfRange { high_water }));
        }
        let mut bytes = [0; HEADER];
        self.read_at(id * u64::from(self.meta.page_size), &mut bytes)?;
        parse_header(&bytes, id)
    }

    pub(super) fn read_at(&self, offset: u64, bytes: &mut [u8]) -> Result<()> {
        self.file.read_exact_at(bytes, offset).map_err(|source| SnapshotError::Read { offset, source })
    }
}

fn parse_header(bytes: &[u8], id: u64) -> Result<Header> {
    let Some(header) = Header::parse(bytes) else {
        return Err(SnapshotError::damaged(id, Fault::WrongId { found: 0 }));
    };
    if header.id != id {
        return Err(SnapshotError::damaged(id, Fault::WrongId { found: header.id }));
    }
    Ok(header)
}

fn read_meta(file: &File, offset: u64) -> Result<Meta> {
    let mut page = [0; META_PAGE];
    file.read_exact_at(&mut page, offset)
        .map_err(|_| SnapshotError::NotADatabase { reason: "it is too short for a meta page" })?;
    let meta = Meta::parse(&page)?;
    // The second meta page says where it is itself, too.
    if offset != 0 && offset != u64::from(meta.page_size) {
        return Err(SnapshotError::NotADatabase { reason: "its meta pages do not agree on the page size" });
    }
    Ok(meta)
}

pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Finds the root of the bucket in a leaf's value (bbolt `internal/common/bucket.go`: root, sequence, and behind
/// them the page of an inline bucket, whose root is 0).
pub(super) fn bucket_root(value: &[u8], holder: u64) -> Option<Root> {
    match u64_at(value, 0)? {
        0 => {
            let bytes = value.get(HEADER..)?.to_vec();
            (bytes.len() >= HEADER).then_some(Root::Inline { bytes, holder })
        }
        page => (value.len() >= HEADER).then_some(Root::Page(page)),
    }
}

/// The page of an inline bucket.
pub(super) fn inline_page(bytes: Vec<u8>, holder: u64) -> Result<Page> {
    match Header::parse(&bytes) {
        Some(header) if header.flags == super::page::LEAF => Ok(Page { bytes, header, number: holder }),
        Some(Header { flags, .. }) => Err(SnapshotError::damaged(holder, Fault::WrongType { flags })),
        None => Err(SnapshotError::damaged(holder, Fault::WrongType { flags: 0 })),
    }
}
