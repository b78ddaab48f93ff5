//! A directory becomes one file, for evidence that stays where it was found.

use crate::point::Digest;
use sha2::{Digest as _, Sha256};
use std::{
    io::{self, Write},
    path::Path,
};

const LEVEL: i32 = 3;

/// What was packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packed {
    /// How many bytes were written.
    pub bytes: u64,
    /// Their SHA-256.
    pub sha256: Digest,
    /// How many files are in it, without directories.
    pub files: u64,
}

/// Packs everything below a directory as `name/…` into a `tar.zst`, with owners, modes and times. Links are kept as links.
///
/// # Errors
/// When something cannot be read, or written.
pub fn pack(dir: &Path, name: &str, into: impl Write) -> io::Result<Packed> {
    let counted = Counted { inner: into, hash: Sha256::new(), bytes: 0 };
    let mut tar = tar::Builder::new(zstd::stream::write::Encoder::new(counted, LEVEL)?);
    tar.follow_symlinks(false);
    tar.append_dir_all(name, dir)?;
    let mut counted = tar.into_inner()?.finish()?;
    counted.flush()?;
    Ok(Packed { bytes: counted.bytes, sha256: Digest::from(counted.hash.finalize()), files: files(dir)? })
}

fn files(dir: &Path) -> io::Result<u64> {
    let mut total = 0;
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        total += if entry.file_type()?.is_dir() { files(&entry.path())? } else { 1 };
    }
    Ok(total)
}

struct Counted<W> {
    inner: W,
    hash: Sha256,
    bytes: u64,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let n = self.inner.write(buffer)?;
        self.hash.update(buffer.get(..n).unwrap_or_default());
        self.bytes += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Unpacks it again.
#[cfg(test)]
pub(crate) fn unpacked(file: std::fs::File, to: &Path) {
    tar::Archive::new(zstd::stream::read::Decoder::new(file).unwrap()).unpack(to).unwrap();
}
