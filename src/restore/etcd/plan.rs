use super::{Etcdutl, RestoreError, Version};
use crate::point::{Artifact, ArtifactKind, Manifest};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// What etcd's own restore must be told of the new cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Membership {
    /// This member's name.
    pub name: String,
    /// `name=peer-url` of every member of the new cluster.
    pub initial_cluster: String,
    /// This member's peer URLs.
    pub initial_advertise_peer_urls: String,
    /// What tells the new cluster from the old one.
    pub initial_cluster_token: String,
}

/// What is asked for.
#[derive(Debug, Clone)]
pub struct RestoreOptions {
    /// The directory to make.
    pub data_dir: PathBuf,
    /// Of the new cluster.
    pub membership: Membership,
    /// By how much revisions are raised, so that clients that watch notice; 0 leaves them.
    pub bump_revision: u64,
    /// Mark everything before as compacted, so that no client goes on from a revision that means something else now.
    pub mark_compacted: bool,
}

/// What a restore will do.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// The recovery point.
    pub point: String,
    /// Bytes of the database.
    pub bytes: u64,
    /// The revision that was saved.
    pub revision: i64,
    /// The revision that etcd will begin with.
    pub restored_revision: i64,
    /// The directory that will be made.
    pub data_dir: PathBuf,
    /// Of the new cluster.
    pub membership: Membership,
    /// `etcdutl` and its version.
    pub etcdutl: String,
    /// By how much revisions are raised.
    pub bump_revision: u64,
    /// Is everything before marked as compacted?
    pub mark_compacted: bool,
    #[serde(skip)]
    pub(super) program: Etcdutl,
}

/// Looks at everything that a restore needs, and changes nothing.
///
/// # Errors
/// When the point holds no snapshot, `etcdutl` is missing or too old, the data directory is in use, there is not enough
/// room, or the options contradict each other.
pub async fn plan(
    manifest: &Manifest,
    options: &RestoreOptions,
    etcdutl: &Path,
) -> Result<Plan, RestoreError> {
    let artifact = snapshot_of(manifest)?;
    let facts = artifact.etcd.as_ref();
    let saved = facts.and_then(|f| Version::parse(&f.version)).unwrap_or(Version(3, 5));
    let program = Etcdutl::find(etcdutl, saved).await?;
    if options.bump_revision > 0 && !program.can_bump() {
        return Err(RestoreError::EtcdutlTooOld {
            program: program.program.display().to_string(),
            found: program.version,
            wanted: "3.6".into(),
            why: "it cannot raise revisions; --bump-revision 0 --no-mark-compacted would do without, and leave \
                  running clients stale",
        });
    }
    check_options(options)?;
    check_directory(&options.data_dir)?;
    check_space(&options.data_dir, artifact.plain_bytes)?;
    let revision = facts.map_or(0, |f| f.revision);
    Ok(Plan {
        point: manifest.id.to_string(),
        bytes: artifact.plain_bytes,
        revision,
        restored_revision: revision.saturating_add_unsigned(options.bump_revision),
        data_dir: options.data_dir.clone(),
        membership: options.membership.clone(),
        etcdutl: format!("{} ({})", program.program.display(), program.version),
        bump_revision: options.bump_revision,
        mark_compacted: options.mark_compacted,
        program,
    })
}

fn snapshot_of(manifest: &Manifest) -> Result<&Artifact, RestoreError> {
    let none = || crate::catalogue::CatalogueError::NoArtifact {
        id: manifest.id.to_string(),
        kind: ArtifactKind::Etcd.to_string(),
        present: manifest.artifacts.iter().map(|a| a.kind.to_string()).collect::<Vec<_>>().join(", "),
    };
    manifest.artifact(&ArtifactKind::Etcd).ok_or_else(|| none().into())
}

fn check_options(options: &RestoreOptions) -> Result<(), RestoreError> {
    let wrong = |text: String| Err(RestoreError::Options(text));
    if options.mark_compacted && options.bump_revision == 0 {
        return wrong(
            "revisions can be marked as compacted only when they are raised: give --no-mark-compacted too"
                .into(),
        );
    }
    let Membership { name, initial_cluster, initial_advertise_peer_urls: own, initial_cluster_token } =
        &options.membership;
    if initial_cluster_token.is_empty() {
        return wrong("--initial-cluster-token must not be empty".into());
    }
    let mut urls: Vec<&str> = Vec::new();
    for entry in initial_cluster.split(',') {
        match entry.split_once('=') {
            Some((member, url)) if url::Url::parse(url).is_ok() => {
                if member == name {
                    urls.push(url);
                }
            }
            _ => return wrong(format!("--initial-cluster: `{entry}` is not name=peer-url")),
        }
    }
    let mut wanted: Vec<&str> = own.split(',').collect();
    urls.sort_unstable();
    wanted.sort_unstable();
    if urls.is_empty() {
        wrong(format!("--initial-cluster `{initial_cluster}` does not name this member, `{name}` (--name)"))
    } else if urls != wanted {
        wrong(format!(
            "--initial-cluster gives `{name}` the peer URL {}, and --initial-advertise-peer-urls says {own}",
            urls.join(",")
        ))
    } else {
        Ok(())
    }
}

/// The names of directories that a restore makes inside of a data directory before it is whole.
pub(super) const PARTIAL: &str = ".lifeboat-restore-";

pub(super) fn check_directory(dir: &Path) -> Result<(), RestoreError> {
    let io = |source| RestoreError::Io { path: dir.to_owned(), source };
    match std::fs::read_dir(dir) {
        Ok(entries) => {
            for entry in entries {
                let name = entry.map_err(io)?.file_name();
                if !name.to_string_lossy().starts_with(PARTIAL) && name != "lost+found" {
                    return Err(RestoreError::NotEmpty(dir.to_owned()));
                }
            }
            Ok(())
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(e) if e.kind() == std::io::ErrorKind::NotADirectory => {
            Err(RestoreError::NotEmpty(dir.to_owned()))
        }
        Err(e) => Err(io(e)),
    }
}

fn check_space(dir: &Path, bytes: u64) -> Result<(), RestoreError> {
    let absolute = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
    let there = absolute.ancestors().find(|p| p.exists()).unwrap_or(Path::new("/"));
    let stat = rustix::fs::statvfs(there)
        .map_err(|e| RestoreError::Io { path: dir.to_owned(), source: e.into() })?;
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    // The plaintext and the new database; etcd's first write-ahead log is 64 MB.
    let needed = bytes.saturating_mul(2).saturating_add(64 << 20);
    if free < needed { Err(RestoreError::NoSpace { path: dir.to_owned(), free, needed }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(name: &str, cluster: &str, own: &str) -> RestoreOptions {
        let membership = Membership {
            name: name.into(),
            initial_cluster: cluster.into(),
            initial_advertise_peer_urls: own.into(),
            initial_cluster_token: "restored".into(),
        };
        RestoreOptions { data_dir: "/nowhere".into(), membership, bump_revision: 1, mark_compacted: true }
    }

    #[test]
    fn contradictions_are_told_before_anything_is_done() {
        let three = "a=http://10.0.0.1:2380,b=http://10.0.0.2:2380";
        assert!(check_options(&options("b", three, "http://10.0.0.2:2380")).is_ok());
        assert!(check_options(&options("c", three, "http://10.0.0.3:2380")).is_err());
        assert!(check_options(&options("a", three, "http://10.0.0.2:2380")).is_err());
        assert!(check_options(&options("a", "a", "http://10.0.0.2:2380")).is_err());
        let unbumped = RestoreOptions { bump_revision: 0, ..options("b", three, "http://10.0.0.2:2380") };
        assert!(check_options(&unbumped).is_err());
    }
}
