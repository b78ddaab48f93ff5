//! Two runs on a host with equal keys exclude each other by a locked file, where their journals are: it comes free when its holder dies.

use crate::point::PointId;
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};
use thiserror::Error;

/// Why a lock is not had.
#[derive(Debug, Error)]
pub enum LockError {
    /// Another run has it.
    #[error("{holder} has the key `{key}` ({path} is locked): two runs of it exclude each other")]
    Held {
        /// The key.
        key: String,
        /// Who has it.
        holder: String,
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be made.
    #[error("the lock of `{key}`, {path}: {source}")]
    Io {
        /// The key.
        key: String,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// A lock that is held until it is dropped, or its holder dies.
#[derive(Debug)]
pub struct HostLock {
    _file: File,
}

impl HostLock {
    /// Takes the lock of a key, in the directory of journals.
    ///
    /// # Errors
    /// When another run has it, or there can be no file.
    pub fn take(journals: &Path, key: &str, run: &PointId, now: Timestamp) -> Result<Self, LockError> {
        let digest: String = Sha256::digest(key).iter().take(10).map(|byte| format!("{byte:02x}")).collect();
        let path = journals.join(format!("{digest}.lock"));
        let wrong = |source| LockError::Io { key: key.to_owned(), path: path.clone(), source };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(journals).map_err(wrong)?;
        let mut options = OpenOptions::new();
        let mut file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(wrong)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let (key, holder) = (key.to_owned(), holder(&mut file));
                return Err(LockError::Held { key, holder, path });
            }
            Err(TryLockError::Error(e)) => return Err(wrong(e)),
        }
        let said = json!({"key": key, "run": run, "process": std::process::id(), "since": now.to_string()});
        let wrote = file.set_len(0).and_then(|()| {
            file.seek(SeekFrom::Start(0))?;
            file.write_all(said.to_string().as_bytes())
        });
        wrote.map_err(wrong)?;
        Ok(HostLock { _file: file })
    }
}

/// Who has it, by what is written there.
fn holder(file: &mut File) -> String {
    let mut text = String::new();
    let read = file.take(4096).read_to_string(&mut text);
    let said: Value = read.ok().and_then(|_| serde_json::from_str(&text).ok()).unwrap_or_default();
    match (said["run"].as_str(), said["process"].as_u64(), said["since"].as_str()) {
        (Some(run), Some(process), Some(since)) => format!("run {run} (process {process}, since {since})"),
        _ => "another run".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_run_at_a_time_has_a_key_and_the_next_is_told_which() {
        let dir = tempfile::tempdir().unwrap();
        let journals = dir.path().join("journal");
        let run = |text: &str| text.parse::<PointId>().unwrap();
        let (a, b) = (run("20261128T190000Z-aaaa"), run("20261128T190001Z-bbbb"));
        let lock = HostLock::take(&journals, "control-plane", &a, Timestamp::UNIX_EPOCH).unwrap();
        let error = HostLock::take(&journals, "control-plane", &b, Timestamp::UNIX_EPOCH).unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, LockError::Held { .. }) && text.contains(a.as_str()), "{text}");
        assert!(text.contains(&format!("process {}", std::process::id())), "{text}");
        HostLock::take(&journals, "another", &b, Timestamp::UNIX_EPOCH).unwrap();
        drop(lock);
        HostLock::take(&journals, "control-plane", &b, Timestamp::UNIX_EPOCH).unwrap();
    }
}
