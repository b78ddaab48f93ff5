use super::SwapError;
use std::{
    fs::{File, TryLockError},
    path::Path,
};

/// Keeps other swaps out, from before anything is looked at until it is dropped.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of a directory of manifests. It is on the directory itself: nothing has to be made for it.
    pub(super) fn take(manifests: &Path) -> Result<Self, SwapError> {
        let file = File::open(manifests).map_err(SwapError::io(manifests))?;
        match file.try_lock() {
            Ok(()) => Ok(Lock { _file: file }),
            Err(TryLockError::WouldBlock) => Err(SwapError::Busy(manifests.to_owned())),
            Err(TryLockError::Error(e)) => Err(SwapError::io(manifests)(e)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let lock = Lock::take(dir.path()).unwrap();
        let error = Lock::take(dir.path()).unwrap_err();
        assert!(matches!(&error, SwapError::Busy(_)), "{error}");
        drop(lock);
        Lock::take(dir.path()).unwrap();
        assert!(matches!(Lock::take(&dir.path().join("none")), Err(SwapError::Io { .. })));
    }
}
