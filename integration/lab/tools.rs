//! Where `scripts/setup` put the servers' programs.

use std::env;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

/// The program called `name`; that it is missing is a failure, never a reason to skip a test.
pub fn tool(name: &str) -> Result<PathBuf> {
    let program = bin()?.join(name);
    if !program.exists() {
        bail!("{name} is not built yet: run scripts/setup {name}");
    }
    Ok(program.canonicalize()?)
}

/// The directory that holds all programs, for a search path.
pub fn bin() -> Result<PathBuf> {
    Ok(root()?.join("bin"))
}

/// The directory that holds every version of every tool.
fn root() -> Result<PathBuf> {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("LIFEBOAT_TOOLS")
        .or_else(|| set("XDG_CACHE_HOME").map(|cache| cache.join("lifeboat/tools")))
        .or_else(|| set("HOME").map(|home| home.join(".cache/lifeboat/tools")))
        .context("none of LIFEBOAT_TOOLS, XDG_CACHE_HOME and HOME is set")
}
