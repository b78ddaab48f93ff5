//! Names that are moved, durably, and never over another.

use super::SwapError;
use rustix::{
    fs::{self as sys, AtFlags, RenameFlags, StatxFlags},
    io::Errno,
};
use std::{
    fs::{self, File, Metadata},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown, lchown},
    path::Path,
};

/// Moves `from` to `to`, where nothing may be, and makes that last.
pub(super) fn rename(from: &Path, to: &Path) -> Result<(), SwapError> {
    let moved = match sys::renameat_with(sys::CWD, from, sys::CWD, to, RenameFlags::NOREPLACE) {
        // A file system without that flag.
        Err(Errno::INVAL | Errno::NOSYS) if !exists(to) => fs::rename(from, to),
        other => other.map_err(io::Error::from),
    };
    moved.map_err(|e| {
        let source = io::Error::new(e.kind(), format!("cannot be moved to {} ({e})", to.display()));
        SwapError::Io { path: from.to_owned(), source }
    })?;
    for dir in [from.parent(), to.parent()].into_iter().flatten() {
        sync_dir(dir)?;
    }
    Ok(())
}

/// Is there something of this name, be it a link that leads nowhere?
pub(super) fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

pub(super) fn sync_dir(dir: &Path) -> Result<(), SwapError> {
    File::open(dir).and_then(|d| d.sync_all()).map_err(SwapError::io(dir))
}

/// Makes a directory if it is not there, with the owner and the mode of `like`.
pub(super) fn make_dir(dir: &Path, like: Option<&Metadata>) -> Result<(), SwapError> {
    if dir.is_dir() {
        return Ok(());
    }
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.and_then(|()| like.map_or(Ok(()), |like| take_after(dir, like))).map_err(SwapError::io(dir))?;
    dir.parent().map_or(Ok(()), sync_dir)
}

fn take_after(path: &Path, like: &Metadata) -> io::Result<()> {
    chown(path, Some(like.uid()), Some(like.gid()))?;
    fs::set_permissions(path, fs::Permissions::from_mode(like.mode() & 0o7777))
}

/// Gives `dir` the owner and the mode of `like`, and everything in it the owner.
pub(super) fn hand_over(dir: &Path, like: &Metadata) -> Result<(), SwapError> {
    fn owned(path: &Path, like: &Metadata) -> io::Result<()> {
        lchown(path, Some(like.uid()), Some(like.gid()))?;
        if path.symlink_metadata()?.is_dir() {
            for entry in fs::read_dir(path)? {
                owned(&entry?.path(), like)?;
            }
        }
        Ok(())
    }
    owned(dir, like).and_then(|()| take_after(dir, like)).map_err(SwapError::io(dir))
}

/// Can names be moved between these two directories? Not between two mounts, be they of one file system.
pub(super) fn same_mount(a: &Path, b: &Path) -> Result<bool, SwapError> {
    let mount = |path: &Path| {
        let device = fs::metadata(path).map_err(SwapError::io(path))?.dev();
        // An old kernel does not tell mounts apart, and then nor do we.
        let id = sys::statx(sys::CWD, path, AtFlags::empty(), StatxFlags::MNT_ID).ok();
        Ok::<_, SwapError>((device, id.map(|found| found.stx_mnt_id)))
    };
    Ok(mount(a)? == mount(b)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_moved_over_another() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (dir.path().join("a"), dir.path().join("b"));
        fs::write(&a, "a").unwrap();
        fs::write(&b, "b").unwrap();
        let error = rename(&a, &b).unwrap_err().to_string();
        assert!(error.contains("cannot be moved to"), "{error}");
        fs::remove_file(&b).unwrap();
        rename(&a, &b).unwrap();
        assert_eq!(fs::read_to_string(&b).unwrap(), "a");
        assert!(rename(&a, &b).is_err());
    }

    #[test]
    fn mounts_are_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        assert!(same_mount(dir.path(), dir.path().parent().unwrap()).unwrap());
        assert!(!same_mount(Path::new("/proc"), Path::new("/")).unwrap());
        assert!(same_mount(&dir.path().join("none"), dir.path()).is_err());
    }

    #[test]
    fn owner_and_mode_are_handed_over() {
        let dir = tempfile::tempdir().unwrap();
        let (like, new) = (dir.path().join("like"), dir.path().join("new"));
        fs::create_dir(&like).unwrap();
        fs::set_permissions(&like, fs::Permissions::from_mode(0o750)).unwrap();
        make_dir(&new.join("member"), None).unwrap();
        fs::write(new.join("member/db"), "").unwrap();
        hand_over(&new, &fs::metadata(&like).unwrap()).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!((mode(&new), mode(&new.join("member"))), (0o750, 0o700));
    }
}
