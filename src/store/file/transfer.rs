//! Bytes into a file that replaces none, and out of it.

use super::{TEMPORARY, is_absent, sync_dir};
use bytes::Bytes;
use rustix::fs::{self as sys, RenameFlags};
use std::{
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom, Write},
    ops::Range,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
};
use tokio::sync::mpsc;

const CHUNK: usize = 1 << 20;
/// What was written goes to the disk after this many bytes, so that the last fsync has little left to wait for.
const SYNC: usize = 16 << 20;

/// Writes an object; when anything fails, nothing of it is left.
pub(super) fn write(root: &Path, path: &Path, chunks: mpsc::Receiver<Option<Bytes>>) -> io::Result<u64> {
    let dir = path.parent().unwrap_or(root);
    let written = write_in(dir, path, chunks);
    if written.is_err() {
        // An empty directory means nothing here; one that is in use stays.
        let _ = fs::remove_dir(dir);
    }
    written
}

/// Makes a temporary file; again when its directory goes away meanwhile, because another write into it failed.
fn temporary(dir: &Path) -> io::Result<tempfile::NamedTempFile> {
    let make = || {
        make_dirs(dir)?;
        tempfile::Builder::new()
            .prefix(TEMPORARY)
            .make_in(dir, |p| File::options().write(true).create_new(true).mode(0o600).open(p))
    };
    make().or_else(|e| if is_absent(&e) { make() } else { Err(e) })
}

fn write_in(dir: &Path, path: &Path, mut chunks: mpsc::Receiver<Option<Bytes>>) -> io::Result<u64> {
    let mut file = temporary(dir)?;
    let (mut bytes, mut unsynced) = (0, 0);
    loop {
        match chunks.blocking_recv() {
            Some(Some(chunk)) => {
                file.write_all(&chunk)?;
                bytes += chunk.len() as u64;
                unsynced += chunk.len();
                if unsynced >= SYNC {
                    file.as_file().sync_data()?;
                    unsynced = 0;
                }
            }
            Some(None) => break,
            None => {
                return Err(io::Error::new(io::ErrorKind::Interrupted, "the object was not sent to its end"));
            }
        }
    }
    file.as_file().sync_all()?;
    match sys::renameat_with(sys::CWD, file.path(), sys::CWD, path, RenameFlags::NOREPLACE) {
        Ok(()) => {
            // The name is gone by now; the guard must not remove what another writer may put there.
            let _ = file.into_temp_path().keep();
        }
        // A file system without that flag: a hard link does not replace either.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => fs::hard_link(file.path(), path)?,
        Err(e) => return Err(e.into()),
    }
    sync_dir(dir)?;
    fs::metadata(path).map(|m| m.len()).and_then(|there| {
        if there == bytes {
            Ok(bytes)
        } else {
            Err(io::Error::other(format!("{there} of {bytes} bytes are there")))
        }
    })
}

/// Reads a file, or a part of it, until nobody listens any more.
pub(super) fn read(
    mut file: File,
    range: Option<Range<u64>>,
    to: &mpsc::Sender<io::Result<Bytes>>,
) -> io::Result<()> {
    let range = range.unwrap_or(0..u64::MAX);
    file.seek(SeekFrom::Start(range.start))?;
    let mut left = range.end.saturating_sub(range.start);
    while left > 0 {
        let want = left.min(CHUNK as u64);
        let mut chunk = Vec::with_capacity(want as usize);
        let n = (&mut file).take(want).read_to_end(&mut chunk)?;
        if n == 0 || to.blocking_send(Ok(chunk.into())).is_err() {
            break;
        }
        left -= n as u64;
    }
    Ok(())
}

/// Makes what is missing of `dir`, and makes each new name durable in its parent.
fn make_dirs(dir: &Path) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    if let Some(parent) = dir.parent() {
        make_dirs(parent)?;
    }
    match fs::DirBuilder::new().mode(0o700).create(dir) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(e),
        _ => {}
    }
    dir.parent().map_or(Ok(()), sync_dir)
}
