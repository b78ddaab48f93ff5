//! One manifest, moved out of the kubelet's sight or back: where the file lies tells what was done.

use super::{SwapError, control_plane::PODS, files, swap};
use crate::point::Digest;
use sha2::{Digest as _, Sha256};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Where a file lies that is moved between two places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lies {
    /// In the first one.
    First(Digest),
    /// In the second one.
    Second(Digest),
    /// In both, and nobody knows which one counts.
    Both,
    /// In none.
    Nowhere,
}

/// The manifests that kubeadm makes, in the order in which they are started.
pub fn known() -> &'static [&'static str] {
    &PODS
}

/// Where manifests lie while their pods are stopped: beside the directory that the kubelet reads.
pub fn place_of_stopped(manifests: &Path) -> PathBuf {
    swap::stopped(manifests)
}

/// Looks where a file lies.
///
/// # Errors
/// When it cannot be read.
pub fn lies(first: &Path, second: &Path) -> Result<Lies, SwapError> {
    Ok(match (files::exists(first), files::exists(second)) {
        (true, true) => Lies::Both,
        (true, false) => Lies::First(digest(first)?),
        (false, true) => Lies::Second(digest(second)?),
        (false, false) => Lies::Nowhere,
    })
}

fn digest(path: &Path) -> Result<Digest, SwapError> {
    // A link would be moved, and what it leads to would be looked at.
    if path.symlink_metadata().map_err(SwapError::io(path))?.file_type().is_file() {
        return Ok(Digest::from(Sha256::digest(fs::read(path).map_err(SwapError::io(path))?)));
    }
    Err(SwapError::io(path)(io::Error::other("it is no regular file, and is not moved")))
}

/// Moves a manifest, durably, to where nothing may be.
///
/// # Errors
/// When something is there, or the file system refuses.
pub fn move_manifest(from: &Path, to: &Path) -> Result<(), SwapError> {
    if let Some(dir) = to.parent() {
        files::make_dir(dir, None)?;
    }
    files::rename(from, to)?;
    if let Some(dir) = from.parent().filter(|dir| dir.extension().is_some_and(|it| it == "stopped")) {
        // Only when nothing else lies there.
        let _ = fs::remove_dir(dir);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_is_in_one_place_and_comes_back_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let manifests = dir.path().join("manifests");
        fs::create_dir(&manifests).unwrap();
        let (here, away) = (manifests.join("etcd.yaml"), place_of_stopped(&manifests).join("etcd.yaml"));
        assert_eq!(lies(&here, &away).unwrap(), Lies::Nowhere);
        fs::write(&here, "a: 1").unwrap();
        let Lies::First(digest) = lies(&here, &away).unwrap() else { panic!("it is there") };
        move_manifest(&here, &away).unwrap();
        assert_eq!(lies(&here, &away).unwrap(), Lies::Second(digest));
        fs::write(&here, "other").unwrap();
        assert_eq!(lies(&here, &away).unwrap(), Lies::Both);
        assert!(move_manifest(&away, &here).unwrap_err().to_string().contains("cannot be moved"));
        fs::remove_file(&here).unwrap();
        move_manifest(&away, &here).unwrap();
        assert_eq!(fs::read(&here).unwrap(), b"a: 1");
        assert!(!place_of_stopped(&manifests).exists());
        std::os::unix::fs::symlink(&here, manifests.join("link.yaml")).unwrap();
        assert!(lies(&manifests.join("link.yaml"), &away).unwrap_err().to_string().contains("regular file"));
    }
}
