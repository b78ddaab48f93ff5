//! What a run intends and what came of it, written down before and after each call: one JSON document a line, each with the
//! SHA-256 of the line before it. An intent, and all that stands before it, is on the disk before its call is made.
//!
//! A line that is not whole is the trace of a crash and is cut off; anything else that does not fit was tampered with.

mod entry;

pub use entry::{Entry, RunEnd, StepEnd, What};

use crate::point::Digest;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};
use thiserror::Error;

/// A journal that is longer is none.
const LARGEST: u64 = 1 << 30;

/// Why a journal cannot be written, or read.
#[derive(Debug, Error)]
pub enum JournalError {
    /// The file system refuses.
    #[error("the journal {path}: {source}; nothing is done that is not written down")]
    Io {
        /// The file.
        path: PathBuf,
        /// What it says.
        source: io::Error,
    },
    /// It is not what was written.
    #[error("the journal {path}, line {line}: {why}: it is not what was written, and nothing is done by it")]
    Tampered {
        /// The file.
        path: PathBuf,
        /// Where.
        line: usize,
        /// What is wrong.
        why: String,
    },
    /// Another run uses it.
    #[error("the journal {0} is in use: the run goes on elsewhere on this host")]
    InUse(PathBuf),
}

/// A journal that is written to. Nobody else writes to it meanwhile.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: Arc<File>,
    next: u64,
    last: Option<Digest>,
}

impl Journal {
    /// Begins a new one.
    ///
    /// # Errors
    /// When there is one already, or it cannot be written.
    pub fn create(path: &Path) -> Result<Self, JournalError> {
        let io = |source| JournalError::Io { path: path.to_owned(), source };
        let file =
            OpenOptions::new().read(true).append(true).create_new(true).mode(0o600).open(path).map_err(io)?;
        let journal = Journal { path: path.to_owned(), file: Arc::new(file), next: 0, last: None };
        journal.lock()?;
        let parent = path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(parent).and_then(|dir| dir.sync_all()).map_err(io)?;
        Ok(journal)
    }

    /// Goes on with one: what is not whole at its end is cut off.
    ///
    /// # Errors
    /// When it cannot be read, was tampered with, or is in use.
    pub fn open(path: &Path) -> Result<(Self, Vec<Entry>), JournalError> {
        let io = |source| JournalError::Io { path: path.to_owned(), source };
        let file = OpenOptions::new().read(true).append(true).open(path).map_err(io)?;
        let mut journal = Journal { path: path.to_owned(), file: Arc::new(file), next: 0, last: None };
        journal.lock()?;
        let (entries, whole, last) = read(&journal.file, path)?;
        journal.file.set_len(whole).map_err(io)?;
        journal.next = entries.len() as u64;
        journal.last = last;
        Ok((journal, entries))
    }

    /// Reads one, whoever writes to it.
    ///
    /// # Errors
    /// When it cannot be read, or was tampered with.
    pub fn read(path: &Path) -> Result<Vec<Entry>, JournalError> {
        let file = File::open(path).map_err(|source| JournalError::Io { path: path.to_owned(), source })?;
        Ok(read(&file, path)?.0)
    }

    /// Reads one that is not a file here.
    ///
    /// # Errors
    /// When it was tampered with.
    pub fn parse(bytes: &[u8]) -> Result<Vec<Entry>, JournalError> {
        Ok(parse(bytes, Path::new("of the run"))?.0)
    }

    fn lock(&self) -> Result<(), JournalError> {
        self.file.try_lock().map_err(|e| match e {
            std::fs::TryLockError::WouldBlock => JournalError::InUse(self.path.clone()),
            std::fs::TryLockError::Error(source) => JournalError::Io { path: self.path.clone(), source },
        })
    }

    /// Writes an entry. It is on the disk once what [`Journal::pending`] gives has come to it.
    ///
    /// # Errors
    /// When it cannot be written. Nothing may be done then.
    pub fn write(&mut self, what: What, at: Timestamp) -> Result<Entry, JournalError> {
        let io = |source| JournalError::Io { path: self.path.clone(), source };
        let entry = Entry { seq: self.next, at, prev: self.last, what };
        let mut line = serde_json::to_vec(&entry).map_err(|e| io(e.into()))?;
        let digest = Digest::from(Sha256::digest(&line));
        line.push(b'\n');
        (&*self.file).write_all(&line).map_err(io)?;
        (self.next, self.last) = (self.next + 1, Some(digest));
        Ok(entry)
    }

    /// Nothing can be trusted to it any more.
    pub fn lost(&self, why: &str) -> JournalError {
        JournalError::Io { path: self.path.clone(), source: io::Error::other(why.to_owned()) }
    }

    /// What is written so far and may not be on the disk yet.
    pub fn pending(&self) -> Pending {
        Pending { path: self.path.clone(), file: self.file.clone(), entries: self.next }
    }

    /// The digest of the last line: whoever signs it signs all of them.
    pub fn head(&self) -> Option<Digest> {
        self.last
    }
}

/// What was written to a journal, and may not be on the disk yet.
#[derive(Debug)]
pub struct Pending {
    path: PathBuf,
    file: Arc<File>,
    entries: u64,
}

impl Pending {
    /// So many entries are on the disk afterwards, from the first one on.
    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// Waits until it is on the disk.
    ///
    /// # Errors
    /// When it cannot be written. Nothing may be done then.
    pub fn settle(self) -> Result<(), JournalError> {
        self.file.sync_data().map_err(|source| JournalError::Io { path: self.path, source })
    }
}

/// The entries, how many bytes are whole, and the digest of the last line.
fn read(file: &File, path: &Path) -> Result<(Vec<Entry>, u64, Option<Digest>), JournalError> {
    let mut bytes = Vec::new();
    let io = |source| JournalError::Io { path: path.to_owned(), source };
    // Read from the start, wherever others have read to.
    let file = file.try_clone().map_err(io)?;
    io::Seek::seek(&mut &file, io::SeekFrom::Start(0)).map_err(io)?;
    (&file).take(LARGEST).read_to_end(&mut bytes).map_err(io)?;
    parse(&bytes, path)
}

fn parse(bytes: &[u8], path: &Path) -> Result<(Vec<Entry>, u64, Option<Digest>), JournalError> {
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let (mut entries, mut last) = (Vec::<Entry>::new(), None);
    for (at, line) in bytes[..whole]
        .split(|byte| *byte == b'\n')
        .enumerate()
        .take_while(|(at, line)| *at == 0 || !line.is_empty())
    {
        if line.is_empty() {
            break;
        }
        let wrong =
            |why: &str| JournalError::Tampered { path: path.to_owned(), line: at + 1, why: why.to_owned() };
        let entry: Entry =
            serde_json::from_slice(line).map_err(|e| wrong(&format!("it cannot be read ({e})")))?;
        if entry.seq != entries.len() as u64 {
            return Err(wrong("its number is not the next one"));
        }
        if entry.prev != last {
            return Err(wrong("it does not follow the line before it"));
        }
        last = Some(Digest::from(Sha256::digest(line)));
        entries.push(entry);
    }
    let lines = bytes[..whole].iter().filter(|byte| **byte == b'\n').count();
    if lines != entries.len() {
        return Err(JournalError::Tampered {
            path: path.to_owned(),
            line: entries.len() + 1,
            why: "it is empty".to_owned(),
        });
    }
    Ok((entries, whole as u64, last))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn filled(steps: usize) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.jsonl");
        let mut journal = Journal::create(&path).unwrap();
        for n in 0..steps {
            journal.write(What::StepBegun { step: format!("s{n}") }, Timestamp::UNIX_EPOCH).unwrap();
        }
        (dir, path)
    }

    #[test]
    fn it_goes_on_where_it_was_cut_off() {
        let (_dir, path) = filled(3);
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, [&whole[..], b"{\"seq\":3,\"at\""].concat()).unwrap();
        let (mut journal, entries) = Journal::open(&path).unwrap();
        assert_eq!(entries.len(), 3);
        assert!(matches!(Journal::open(&path), Err(JournalError::InUse(_))));
        journal.write(What::StepBegun { step: "x".into() }, Timestamp::UNIX_EPOCH).unwrap();
        let entries = Journal::read(&path).unwrap();
        assert_eq!((entries.len(), entries[3].seq), (4, 3));
        assert!(Journal::create(&path).is_err());
    }

    proptest! {
        #[test]
        fn no_byte_can_be_changed_and_no_line_taken_out(at in 0usize..400, to in any::<u8>(), line in 0usize..3) {
            let (_dir, path) = filled(4);
            let whole = std::fs::read(&path).unwrap();
            let lines: Vec<&[u8]> = whole.split_inclusive(|byte| *byte == b'\n').collect();
            let without: Vec<u8> = lines.iter().enumerate().filter(|(n, _)| *n != line).flat_map(|(_, it)| it.to_vec()).collect();
            std::fs::write(&path, without).unwrap();
            prop_assert!(Journal::read(&path).is_err());
            // All but the last line, which nothing follows: its digest is what is signed.
            let covered = whole.len() - lines[3].len();
            let at = at % covered;
            prop_assume!(whole[at] != to);
            let mut changed = whole.clone();
            changed[at] = to;
            std::fs::write(&path, changed).unwrap();
            prop_assert!(Journal::read(&path).is_err());
        }
    }
}
