//! What drills have left that were killed: found by their marks, and taken away.

use super::{StagingError, existing, home, kind, process};
use crate::point::Removed;
use std::path::Path;

/// What one drill has left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// The drill.
    pub drill: String,
    /// What there is: processes, a cluster or objects in one, and the directory.
    pub what: Vec<String>,
}

/// What drills that no longer live have left in this directory.
///
/// # Errors
/// When the directory cannot be read. That it is not there means that there is nothing.
pub fn leftovers(base: &Path) -> Result<Vec<Leftover>, StagingError> {
    let of = |left: home::Left| {
        let processes = process::of_staging(&left.path);
        let mut what: Vec<String> =
            processes.iter().map(|it| format!("{} (process {})", it.program, it.pid)).collect();
        what.extend(kind::left(&left.path));
        what.extend(existing::left(&left.path));
        what.push(left.path.display().to_string());
        Leftover { drill: left.name, what }
    };
    Ok(home::left(base)?.into_iter().map(of).collect())
}

/// Takes away what drills that no longer live have left. A drill that lives is left alone, and so is everything that does not
/// carry a drill's mark.
///
/// # Errors
/// When the directory cannot be read.
pub async fn clean_up(base: &Path) -> Result<Vec<(String, Vec<Removed>)>, StagingError> {
    let mut all = Vec::new();
    for left in home::left(base)? {
        let removed = take_away(&left.path, || left.remove()).await;
        all.push((left.name, removed));
    }
    Ok(all)
}

/// Takes away what a staging has made in this directory and for it. Processes first: whatever still works for it would go on
/// making things. The directory last, and only after everything else: what is left is known by it alone.
pub(super) async fn take_away(staging: &Path, remove: impl FnOnce() -> std::io::Result<()>) -> Vec<Removed> {
    let mut removed = process::kill_all(staging).await;
    removed.extend(kind::remove_left(staging).await);
    removed.extend(existing::remove_left(staging).await);
    if removed.iter().all(|it| it.gone) {
        removed.push(directory(staging, remove()));
    }
    removed
}

/// What became of a directory.
pub(super) fn directory(path: &Path, result: std::io::Result<()>) -> Removed {
    let gone = !path.exists();
    let proof = match (gone, result) {
        (true, _) => "it was removed, and is not there".to_owned(),
        (false, Err(e)) => e.to_string(),
        (false, Ok(())) => "it was removed, and is there again".to_owned(),
    };
    Removed { what: path.display().to_string(), gone, proof }
}
