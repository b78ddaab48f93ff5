//! The private directory of a staging: made for one drill, locked while the drill lives, removed after it.

use super::StagingError;
use jiff::Timestamp;
use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

/// What makes a directory one of ours: nothing without it is ever removed.
const MARKER: &str = "lifeboat-drill.json";

/// A directory that belongs to a drill that lives.
#[derive(Debug)]
pub(super) struct Home {
    path: PathBuf,
    /// Held as long as the drill lives: that tells it from one that was killed.
    _lock: File,
}

impl Home {
    /// Makes the directory `name` below `base`, which is made too if it is missing.
    ///
    /// # Errors
    /// When `base` belongs to somebody else, or others may look into it: data of Secrets will lie there.
    pub(super) fn make(base: &Path, name: &str) -> Result<Self, StagingError> {
        private(base)?;
        let path = base.join(name);
        fs::DirBuilder::new().mode(0o700).create(&path).map_err(at(&path))?;
        let marker = path.join(MARKER);
        let mut lock = File::options();
        let mut lock = lock.write(true).create_new(true).mode(0o600).open(&marker).map_err(at(&marker))?;
        lock.try_lock().map_err(|e| StagingError::Io { path: marker.clone(), source: e.into() })?;
        let text = serde_json::json!({"drill": name, "began": Timestamp::now()});
        lock.write_all(text.to_string().as_bytes()).map_err(at(&marker))?;
        lock.sync_all().map_err(at(&marker))?;
        Ok(Home { path, _lock: lock })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// A file that only its owner can read.
    pub(super) fn write(&self, name: &str, text: &str) -> Result<PathBuf, StagingError> {
        let path = self.path.join(name);
        let file = File::options().write(true).create_new(true).mode(0o600).open(&path);
        file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(at(&path))?;
        Ok(path)
    }

    /// Removes it, with all that is in it.
    pub(super) fn remove(&self) -> io::Result<()> {
        remove(&self.path)
    }
}

/// A directory that a drill left when it was killed.
#[derive(Debug)]
pub(super) struct Left {
    pub(super) name: String,
    pub(super) path: PathBuf,
    /// Nobody else cleans it up meanwhile.
    _lock: File,
}

impl Left {
    pub(super) fn remove(&self) -> io::Result<()> {
        remove(&self.path)
    }
}

/// The directories below `base` whose drills no longer live.
pub(super) fn left(base: &Path) -> Result<Vec<Left>, StagingError> {
    let entries = match fs::read_dir(base) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(at(base))?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(at(base))?;
        let path = entry.path();
        let mine = entry.metadata().is_ok_and(|it| it.is_dir() && it.uid() == own_uid());
        let Ok(marker) = File::open(path.join(MARKER)) else { continue };
        if mine && marker.try_lock().is_ok() {
            let name = entry.file_name().to_string_lossy().into_owned();
            found.push(Left { name, path, _lock: marker });
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// Makes `base` if it is missing, and sees that nobody else may look into it.
fn private(base: &Path) -> Result<(), StagingError> {
    match fs::DirBuilder::new().mode(0o700).recursive(true).create(base) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(at(base)(e)),
        _ => {}
    }
    let meta = fs::metadata(base).map_err(at(base))?;
    if !meta.is_dir() || meta.uid() != own_uid() || meta.mode() & 0o077 != 0 {
        return Err(StagingError::Refused(format!(
            "{} is not a directory that belongs to the user who runs this, and to nobody else (mode 0700): what is restored \
             there holds Secrets; name another `directory` in the staging of the drill's file (or in `drills` of the configuration), or mend it",
            base.display()
        )));
    }
    Ok(())
}

/// The marker goes last: what was removed in part is found again.
fn remove(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_name() == MARKER {
            continue;
        }
        match entry.file_type()?.is_dir() {
            true => fs::remove_dir_all(entry.path())?,
            false => fs::remove_file(entry.path())?,
        }
    }
    fs::remove_dir_all(path)
}

/// Where staging is made if nobody names another place: one directory for each user.
pub fn usual_base() -> PathBuf {
    std::env::temp_dir().join(format!("lifeboat-drills-{}", own_uid()))
}

fn own_uid() -> u32 {
    rustix::process::getuid().as_raw()
}

pub(super) fn at(path: &Path) -> impl Fn(io::Error) -> StagingError + '_ {
    |source| StagingError::Io { path: path.to_owned(), source }
}
