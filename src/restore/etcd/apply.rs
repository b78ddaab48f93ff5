use super::{
    Plan, RestoreError,
    plan::{PARTIAL, check_directory},
};
use crate::{
    catalogue::Catalogue,
    pipeline::{Identities, hidden_file},
    point::ArtifactKind,
    point::Manifest,
    snapshot::Database,
};
use serde::Serialize;
use std::{
    fs::{self, File},
    io,
    os::{
        fd::AsRawFd,
        unix::fs::{DirBuilderExt, MetadataExt},
    },
    path::{Path, PathBuf},
    sync::Arc,
};

/// What a restore made.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Restored {
    /// What was done.
    pub plan: Plan,
    /// What has to be done next, in order.
    pub next: Vec<String>,
}

/// Carries out a plan: opens and verifies the artifact, has `etcdutl` make the data directory, looks at the result, and
/// puts it in its place.
///
/// # Errors
/// Whatever fails, the data directory is as it was.
pub async fn apply(
    plan: &Plan,
    catalogue: &Catalogue,
    manifest: &Manifest,
    identities: Arc<Identities>,
) -> Result<Restored, RestoreError> {
    let place = Place::claim(&plan.data_dir)?;
    let bytes = manifest.artifact(&ArtifactKind::Etcd).map_or(0, |a| a.plain_bytes);
    let plaintext = hidden_file(bytes, &place.data_dir).map_err(|e| place.error(e))?;
    let writer = plaintext.try_clone().map_err(|e| place.error(e))?;
    catalogue.open(manifest, &ArtifactKind::Etcd, identities, writer).await?;

    let partial = place.partial.join("data");
    // The file has no name; etcdutl reaches it through this process.
    let source = format!("/proc/{}/fd/{}", std::process::id(), plaintext.as_raw_fd());
    let lock = place.lock.try_clone().map_err(|e| place.error(e))?;
    plan.program.run(&arguments(plan, &source, &partial), lock).await?;
    drop(plaintext);

    let member = partial.join("member");
    let database = member.join("snap").join("db");
    let file = File::open(&database).map_err(|source| RestoreError::Io { path: database.clone(), source })?;
    let revision = Database::open(file)?.revision()?;
    // etcd may begin a new revision for marking the old ones compacted.
    if revision < plan.restored_revision {
        let reason = format!("its revision is {revision}, and {} was expected", plan.restored_revision);
        return Err(RestoreError::Wrong { reason });
    }
    sync_tree(&member).map_err(|e| place.error(e))?;
    place.settle(&member)?;
    Ok(Restored { next: next_steps(plan), plan: plan.clone() })
}

fn arguments(plan: &Plan, source: &str, to: &Path) -> Vec<String> {
    let m = &plan.membership;
    let mut args: Vec<String> = ["snapshot", "restore", source].map(String::from).to_vec();
    let mut flag = |name: &str, value: &str| args.push(format!("--{name}={value}"));
    flag("data-dir", &to.display().to_string());
    flag("name", &m.name);
    flag("initial-cluster", &m.initial_cluster);
    flag("initial-advertise-peer-urls", &m.initial_advertise_peer_urls);
    flag("initial-cluster-token", &m.initial_cluster_token);
    if plan.bump_revision > 0 {
        flag("bump-revision", &plan.bump_revision.to_string());
    }
    if plan.mark_compacted {
        flag("mark-compacted", "true");
    }
    // The same SHA-256, over the same bytes, was compared while this process wrote them to a file that nobody else has.
    flag("skip-hash-check", "true");
    args
}

/// The data directory while it is being made, in a directory inside of it; locked as long as this process, or the
/// `etcdutl` that it started, lives.
struct Place {
    data_dir: PathBuf,
    partial: PathBuf,
    made: bool,
    lock: File,
}

impl Place {
    fn claim(data_dir: &Path) -> Result<Self, RestoreError> {
        let io = |path: &Path, source| RestoreError::Io { path: path.to_owned(), source };
        let made = !data_dir.exists();
        if made {
            let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(data_dir);
            made.map_err(|e| io(data_dir, e))?;
        }
        let lock = File::open(data_dir).map_err(|e| io(data_dir, e))?;
        lock.try_lock().map_err(|_| RestoreError::Busy(data_dir.to_owned()))?;
        // Another restore may have come to its end since the plan was made.
        check_directory(data_dir)?;
        for entry in fs::read_dir(data_dir).map_err(|e| io(data_dir, e))? {
            let entry = entry.map_err(|e| io(data_dir, e))?;
            if entry.file_name().to_string_lossy().starts_with(PARTIAL) {
                // Left by a restore that was killed: whoever worked on it held the lock.
                fs::remove_dir_all(entry.path()).map_err(|e| io(data_dir, e))?;
            }
        }
        let partial = data_dir.join(format!("{PARTIAL}{}", std::process::id()));
        fs::DirBuilder::new().mode(0o700).create(&partial).map_err(|e| io(&partial, e))?;
        Ok(Place { data_dir: data_dir.to_owned(), partial, made, lock })
    }

    fn error(&self, source: io::Error) -> RestoreError {
        RestoreError::Io { path: self.data_dir.clone(), source }
    }

    /// Moves the whole `member` directory to where etcd looks for it.
    fn settle(mut self, member: &Path) -> Result<(), RestoreError> {
        let to = self.data_dir.join("member");
        if to.exists() {
            return Err(RestoreError::NotEmpty(self.data_dir.clone()));
        }
        fs::rename(member, &to).map_err(|e| self.error(e))?;
        self.made = false;
        let dir = File::open(&self.data_dir).and_then(|d| d.sync_all());
        dir.map_err(|e| self.error(e))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.partial);
        if self.made {
            // Only when it is empty: something else may have come there.
            let _ = fs::remove_dir(&self.data_dir);
        }
    }
}

fn sync_tree(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            sync_tree(&path)?;
        } else {
            File::open(&path)?.sync_all()?;
        }
    }
    File::open(dir)?.sync_all()
}

fn next_steps(plan: &Plan) -> Vec<String> {
    let m = &plan.membership;
    let mut steps = vec![
        "Stop every API server and every etcd member of the old cluster, on all hosts, if any still runs \
         (kubeadm: move kube-apiserver.yaml and etcd.yaml out of /etc/kubernetes/manifests)."
            .to_owned(),
    ];
    let members: Vec<&str> = m.initial_cluster.split(',').collect();
    if members.len() > 1 {
        steps.push(format!(
            "On each other host run this command with the same recovery point, --initial-cluster {}, \
             --initial-cluster-token {}, --bump-revision {} and that host's own --name and \
             --initial-advertise-peer-urls.",
            m.initial_cluster, m.initial_cluster_token, plan.bump_revision
        ));
    }
    let owner = fs::metadata(&plan.data_dir).map(|d| d.uid()).unwrap_or(0);
    steps.push(format!(
        "See that the user etcd runs as owns {} (it belongs to uid {owner} now).",
        plan.data_dir.display()
    ));
    steps.push(format!(
        "Start etcd on {} with --name {}, --initial-cluster {}, --initial-advertise-peer-urls {} and \
         --initial-cluster-token {}{}.",
        plan.data_dir.display(),
        m.name,
        m.initial_cluster,
        m.initial_advertise_peer_urls,
        m.initial_cluster_token,
        if members.len() > 1 { ", on all hosts at about the same time" } else { "" },
    ));
    steps.push("Wait until `etcdctl endpoint health` says that it is healthy.".to_owned());
    steps.push(
        "Start the API servers, then the controller managers and schedulers; restart kubelets and operators that were \
         running meanwhile."
            .to_owned(),
    );
    steps
}
