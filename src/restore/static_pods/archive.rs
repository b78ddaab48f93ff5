//! etcd's data as it lies on the disk, write-ahead log and all, in one file: later somebody may find more in it.

use super::{SwapError, files, probe};
use crate::{pipeline, point::Digest};
use sha2::{Digest as _, Sha256};
use std::{
    fs::{self, File},
    io::{self, Read, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

/// An archive that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archived {
    /// The file.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256.
    pub sha256: Digest,
    /// How many files are in it.
    pub files: u64,
}

/// Packs what is below a data directory into a file that is not there yet, in a directory that is made if need be. It is there whole
/// or not at all; once it is given up it does not appear.
///
/// # Errors
/// When an etcd uses the data, there is none, there is no room, the file is there already, or it is given up.
pub fn archive(data_dir: &Path, to: &Path, given_up: &AtomicBool) -> Result<Archived, SwapError> {
    let refused = |text: String| SwapError::Refused(text);
    let data = fs::canonicalize(data_dir).map_err(SwapError::io(data_dir))?;
    if !data.join("member").is_dir() {
        return Err(refused(format!("{} holds no data of etcd (member)", data.display())));
    }
    if probe::is_locked(&data.join("member").join("snap").join("db")) {
        let text = format!(
            "an etcd holds the data in {}: stop it first (`staticPod.stop`), else what is kept is no state that it ever had",
            data.display()
        );
        return Err(refused(text));
    }
    let name = to.file_name().and_then(|name| name.to_str()).unwrap_or("etcd.tar.zst").to_owned();
    let place = to.parent().unwrap_or(Path::new("/"));
    files::make_dir(place, None)?;
    let real = fs::canonicalize(place).map_err(SwapError::io(place))?;
    if real.starts_with(&data) {
        return Err(refused(format!("{} is in the directory that is to be kept", real.display())));
    }
    // What is left of one that was killed.
    let beginning = format!(".{name}.");
    for entry in fs::read_dir(&real).map_err(SwapError::io(&real))?.flatten() {
        if entry.file_name().to_string_lossy().starts_with(&beginning) {
            fs::remove_file(entry.path()).map_err(SwapError::io(entry.path()))?;
        }
    }
    let free = rustix::fs::statvfs(&real).map_err(|e| SwapError::io(&real)(e.into()))?;
    let (free, needed) = (free.f_bavail.saturating_mul(free.f_frsize), size(&data)?);
    // It is compressed, but nobody knows how well.
    if free < needed / 2 {
        let (free, needed) = (free >> 20, needed >> 20);
        return Err(refused(format!(
            "{} has {free} MiB left, and {needed} MiB are to be kept",
            real.display()
        )));
    }
    let file = tempfile::Builder::new().prefix(&beginning).tempfile_in(&real);
    let file = file.map_err(SwapError::io(&real))?;
    file.as_file().set_permissions(fs::Permissions::from_mode(0o600)).map_err(SwapError::io(&real))?;
    let into = Until { inner: file.as_file(), given_up };
    let packed = pipeline::pack(&data, "etcd", into).map_err(SwapError::io(&data))?;
    file.as_file().sync_all().map_err(SwapError::io(to))?;
    if given_up.load(Ordering::SeqCst) {
        return Err(SwapError::io(to)(io::Error::other(GIVEN_UP)));
    }
    let path = real.join(&name);
    file.persist_noclobber(&path).map_err(|e| SwapError::io(&path)(e.error))?;
    files::sync_dir(&real)?;
    Ok(Archived { path, bytes: packed.bytes, sha256: packed.sha256, files: packed.files })
}

const GIVEN_UP: &str = "it was given up";

/// Takes what is written until it is given up.
struct Until<'a, W> {
    inner: W,
    given_up: &'a AtomicBool,
}

impl<W: Write> Write for Until<'_, W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match self.given_up.load(Ordering::SeqCst) {
            true => Err(io::Error::other(GIVEN_UP)),
            false => self.inner.write(buffer),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// The SHA-256 of a file, and its size.
///
/// # Errors
/// When it cannot be read.
pub fn digest_of(path: &Path) -> Result<(Digest, u64), SwapError> {
    let mut file = File::open(path).map_err(SwapError::io(path))?;
    let (mut hash, mut buffer, mut total) = (Sha256::new(), vec![0; 1 << 20], 0);
    loop {
        match file.read(&mut buffer).map_err(SwapError::io(path))? {
            0 => return Ok((Digest::from(hash.finalize()), total)),
            n => {
                hash.update(buffer.get(..n).unwrap_or_default());
                total += n as u64;
            }
        }
    }
}

/// How much of the disk is in use below a directory.
fn size(dir: &Path) -> Result<u64, SwapError> {
    fn walk(dir: &Path) -> io::Result<u64> {
        let mut total = 0;
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let found = entry.metadata()?;
            total += if found.is_dir() { walk(&entry.path())? } else { found.len() };
        }
        Ok(total)
    }
    walk(dir).map_err(SwapError::io(dir))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(data: &Path, to: &Path) -> Result<Archived, SwapError> {
        archive(data, to, &AtomicBool::new(false))
    }

    #[test]
    fn an_archive_is_whole_or_not_there_and_never_of_data_in_use() {
        let dir = tempfile::tempdir().unwrap();
        let (data, to) = (dir.path().join("etcd"), dir.path().join("kept/etcd-1.tar.zst"));
        assert!(kept(&data, &to).is_err());
        fs::create_dir_all(data.join("member/snap")).unwrap();
        fs::create_dir_all(data.join("member/wal")).unwrap();
        fs::write(data.join("member/wal/0.wal"), "log").unwrap();
        let database = File::create(data.join("member/snap/db")).unwrap();
        database.lock().unwrap();
        assert!(kept(&data, &to).unwrap_err().to_string().contains("an etcd holds the data"));
        drop(database);
        assert!(kept(&data, &data.join("x.tar.zst")).unwrap_err().to_string().contains("to be kept"));
        fs::create_dir_all(dir.path().join("kept")).unwrap();
        fs::write(dir.path().join("kept/.etcd-1.tar.zst.old"), "half").unwrap();
        // One that was given up leaves nothing.
        let late = archive(&data, &to, &AtomicBool::new(true)).unwrap_err().to_string();
        assert!(late.contains("given up"), "{late}");
        assert_eq!(fs::read_dir(dir.path().join("kept")).unwrap().count(), 0);
        let made = kept(&data, &to).unwrap();
        assert_eq!((made.files, digest_of(&made.path).unwrap()), (2, (made.sha256, made.bytes)));
        assert_eq!(fs::metadata(&made.path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path().join("kept")).unwrap().count(), 1);
        assert!(kept(&data, &to).is_err());
        let unpacked = dir.path().join("out");
        pipeline::unpacked(File::open(&to).unwrap(), &unpacked);
        assert_eq!(fs::read(unpacked.join("etcd/member/wal/0.wal")).unwrap(), b"log");
    }
}
