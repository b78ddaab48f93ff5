//! What killed writers left in a directory, and how many objects are removed at once.

use super::{super::Unfinished, TEMPORARY, changed, entries, is_absent, sync_dir};
use crate::point::Key;
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

/// Removes files, those of one directory together, so that each directory is made durable once. Returns what failed.
pub(super) fn remove(each: Vec<(Key, PathBuf)>) -> Vec<(Key, io::Error)> {
    let mut failed = Vec::new();
    let mut dirs: BTreeMap<PathBuf, Vec<(Key, PathBuf)>> = BTreeMap::new();
    for (key, path) in each {
        let dir = path.parent().map(Path::to_owned).unwrap_or_default();
        dirs.entry(dir).or_default().push((key, path));
    }
    for (dir, files) in dirs {
        let mut gone = Vec::new();
        for (key, path) in files {
            match fs::remove_file(&path) {
                Err(e) if !is_absent(&e) => failed.push((key, e)),
                _ => gone.push(key),
            }
        }
        if let Err(e) = sync_dir(&dir)
            && !is_absent(&e)
        {
            failed.extend(gone.into_iter().map(|key| (key, io::Error::new(e.kind(), e.to_string()))));
        }
        // An empty directory means nothing here; one that is in use stays.
        let _ = fs::remove_dir(&dir);
    }
    failed
}

/// Looks for temporary files, and for directories that hold nothing, below `dir`.
pub(super) fn find(dir: &Path, at: &Key, found: &mut Vec<Unfinished>) -> io::Result<()> {
    let listing = match fs::read_dir(dir) {
        Err(e) if is_absent(&e) => return Ok(()),
        other => other?,
    };
    for entry in listing {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| name.starts_with(TEMPORARY)) else { continue };
        match fs::symlink_metadata(entry.path()) {
            Ok(meta) if meta.is_file() => {
                let (alive, bytes) = (changed(&meta), meta.len());
                found.push(Unfinished { at: at.clone(), id: name.to_owned(), alive, bytes });
            }
            Ok(_) => {}
            Err(e) if is_absent(&e) => {}
            Err(e) => return Err(e),
        }
    }
    for (name, path) in entries(dir)? {
        let Ok(key) = at.join(&name) else { continue };
        match fs::symlink_metadata(&path) {
            Ok(meta) if meta.is_dir() => {
                let empty = fs::read_dir(&path).is_ok_and(|mut inside| inside.next().is_none());
                if empty {
                    found.push(Unfinished { at: key, id: String::new(), alive: changed(&meta), bytes: 0 });
                } else {
                    find(&path, &key, found)?;
                }
            }
            Ok(_) => {}
            Err(e) if is_absent(&e) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// Removes a temporary file, if it has not grown since it was found, and the directory that is empty then.
pub(super) fn abort(dir: &Path, left: &Unfinished) -> io::Result<()> {
    if left.id.starts_with(TEMPORARY) && !left.id.contains('/') {
        let path = dir.join(&left.id);
        match fs::symlink_metadata(&path) {
            Ok(meta) if changed(&meta) == left.alive => fs::remove_file(&path)?,
            Ok(_) => return Ok(()),
            Err(e) if is_absent(&e) => {}
            Err(e) => return Err(e),
        }
        match sync_dir(dir) {
            Err(e) if !is_absent(&e) => return Err(e),
            _ => {}
        }
    }
    // One that is in use stays.
    let _ = fs::remove_dir(dir);
    Ok(())
}
