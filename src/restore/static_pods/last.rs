use super::{Swap, SwapError, journal};
use std::{fs, path::Path};

/// The swap that was made last on a host, or begun, and was not undone since.
#[derive(Debug, Clone)]
pub struct Last {
    /// Which files were moved where, and who asked for it.
    pub swap: Swap,
    /// Did it come to its end, and has nobody begun to go back?
    pub whole: bool,
}

/// Looks for the last swap, and changes nothing.
///
/// # Errors
/// When the directory of manifests, or the journal beside it, cannot be read.
pub fn last(manifests: &Path) -> Result<Option<Last>, SwapError> {
    let manifests = fs::canonicalize(manifests).map_err(SwapError::io(manifests))?;
    let recorded = journal::read(&manifests)?;
    Ok(recorded.map(|it| Last { whole: !it.is_open(), swap: it.swap }))
}
