//! What drills have left that were killed: found by their marks, and taken away.

use super::{StagingError, home, process};
use crate::point::Removed;
use std::path::Path;

/// What one drill has left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// The drill.
    pub drill: String,
    /// What there is: processes, and the directory.
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
        let mut removed = Vec::new();
        for process in process::of_staging(&left.path) {
            let gone = process.kill().await;
            let proof = if gone { "it was killed, and no such process is there" } else { "it does not end" };
            let what = format!("{} (process {})", process.program, process.pid);
            removed.push(Removed { what, gone, proof: proof.to_owned() });
        }
        removed.push(directory(&left.path, left.remove()));
        all.push((left.name, removed));
    }
    Ok(all)
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
