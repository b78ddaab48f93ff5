//! The only place that starts `etcdutl`.

use super::RestoreError;
use std::{
    fmt,
    fs::File,
    path::{Path, PathBuf},
    process::Stdio,
};
use tokio::process::Command;

/// `major.minor` of an etcd version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u64, pub u64);

impl Version {
    /// Reads the beginning of `3.6.8`, `v3.6` or `3.6.0-rc.1`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim().trim_start_matches('v').split('.');
        let digits = |s: &str| s.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok();
        Some(Version(digits(parts.next()?)?, digits(parts.next()?)?))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

/// The `etcdutl` at hand.
#[derive(Debug, Clone)]
pub struct Etcdutl {
    /// What is run.
    pub program: PathBuf,
    /// What it says of itself, for example `3.6.8`.
    pub version: String,
    can_bump: bool,
}

impl Etcdutl {
    /// Finds out which `etcdutl` there is, and that it is not older than `wanted`, the version of what was saved.
    pub async fn find(program: &Path, wanted: Version) -> Result<Self, RestoreError> {
        let missing = |reason: String| RestoreError::NoEtcdutl {
            program: program.display().to_string(),
            reason,
            wanted: wanted.to_string(),
        };
        let run = async |args: &[&str]| {
            let output = Command::new(program).args(args).stdin(Stdio::null()).kill_on_drop(true).output();
            let output = output.await.map_err(|e| missing(e.to_string()))?;
            Ok::<_, RestoreError>(String::from_utf8_lossy(&output.stdout).into_owned())
        };
        let said = run(&["version"]).await?;
        let line = said.lines().find_map(|l| l.strip_prefix("etcdutl version:")).unwrap_or_default().trim();
        let version = Version::parse(line).ok_or_else(|| missing("it does not tell its version".into()))?;
        if version < wanted {
            return Err(RestoreError::EtcdutlTooOld {
                program: program.display().to_string(),
                found: line.to_owned(),
                wanted: wanted.to_string(),
                why: "it must not be older than the etcd whose snapshot it restores",
            });
        }
        let can_bump = run(&["snapshot", "restore", "--help"]).await?.contains("--bump-revision");
        Ok(Etcdutl { program: program.to_owned(), version: line.to_owned(), can_bump })
    }

    /// Does it know `--bump-revision`? etcd 3.6 does, and some of 3.5 and 3.4.
    pub fn can_bump(&self) -> bool {
        self.can_bump
    }

    /// Runs it to its end. Cancelled, it is killed. It shares `lock`: when this process is killed and it goes on, so
    /// does the lock.
    ///
    /// # Errors
    /// With the end of what it printed.
    pub(super) async fn run(&self, args: &[String], lock: File) -> Result<(), RestoreError> {
        let failed = |status: String, said: String| RestoreError::Failed { status, said };
        let output = Command::new(&self.program).args(args).stdin(lock).kill_on_drop(true).output().await;
        let output = output.map_err(|e| failed("it did not start".into(), e.to_string()))?;
        if output.status.success() {
            return Ok(());
        }
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        let lines: Vec<&str> = said.lines().rev().take(6).map(|l| l.get(..500).unwrap_or(l)).collect();
        Err(failed(output.status.to_string(), lines.into_iter().rev().collect::<Vec<_>>().join("\n")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        assert_eq!(Version::parse("3.6.8"), Some(Version(3, 6)));
        assert_eq!(Version::parse("v3.10-rc.0"), Some(Version(3, 10)));
        assert!(Version(3, 10) > Version(3, 6));
        for bad in ["", "3", "x.y", "three"] {
            assert_eq!(Version::parse(bad), None, "{bad}");
        }
    }
}
