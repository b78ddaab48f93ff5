use super::{
    SwapError,
    control_plane::{ApiServer, ControlPlane, EtcdServer},
    files,
};
use serde::{Deserialize, Serialize};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Which files are moved where. What lies in the data directory is moved, not the directory itself: that stays, with
/// its owner and mode, and may be a mount point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Swap {
    /// The recovery point.
    pub point: String,
    /// Where the kubelet looks for manifests.
    pub manifests: PathBuf,
    /// Where they lie while their pods are stopped, and where the journal is.
    pub stopped: PathBuf,
    /// The manifests that are moved, in the order in which they are started.
    pub pods: Vec<String>,
    /// etcd's data directory.
    pub data_dir: PathBuf,
    /// Where the new data is made.
    pub restored: PathBuf,
    /// Where the old data is kept.
    pub kept: PathBuf,
    /// Was there old data?
    pub had_data: bool,
    /// Was etcd healthy?
    pub was_healthy: bool,
    /// etcd.
    pub etcd: EtcdServer,
    /// The API server, if it runs here.
    pub apiserver: Option<ApiServer>,
    /// Those of the pods that were stopped before: on the way back they are left so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stopped_before: Vec<String>,
    /// The run of a playbook that asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
}

/// What etcd keeps its data in, below the data directory.
const MEMBER: &str = "member";

impl Swap {
    /// Decides on all places, and changes nothing.
    pub(super) fn lay_out(point: &str, manifests: &Path, plane: &ControlPlane) -> Result<Self, SwapError> {
        let stopped = stopped(manifests);
        if !files::same_mount(manifests, manifests.parent().unwrap_or(manifests))? {
            let text =
                format!("{} is a mount point, and manifests cannot be moved out of it", manifests.display());
            return Err(SwapError::Refused(text));
        }
        let (away, here): (Vec<&String>, Vec<&String>) =
            plane.pods.iter().partition(|pod| !files::exists(&manifests.join(pod)));
        if let Some(pod) = here.iter().find(|pod| files::exists(&stopped.join(pod))) {
            let text = format!("{} is there already: move it away", stopped.join(pod).display());
            return Err(SwapError::Refused(text));
        }
        // Links on the way there are followed once, so that names are moved where the data is.
        let data_dir = fs::canonicalize(&plane.data_dir).unwrap_or_else(|_| plane.data_dir.clone());
        let member = data_dir.join(MEMBER);
        let had_data = files::exists(&member);
        if had_data && (member.is_symlink() || !files::same_mount(&member, &data_dir)?) {
            let text = format!("{} is a link or a mount point, and cannot be moved", member.display());
            return Err(SwapError::Refused(text));
        }
        let (kept, restored) = places(&data_dir, point)?;
        Ok(Swap {
            point: point.to_owned(),
            manifests: manifests.to_owned(),
            stopped,
            pods: plane.pods.clone(),
            data_dir,
            restored,
            kept,
            had_data,
            was_healthy: false,
            etcd: plane.etcd.clone(),
            apiserver: plane.apiserver.clone(),
            stopped_before: away.into_iter().cloned().collect(),
            run: None,
        })
    }

    /// Is there data that etcd uses?
    pub(super) fn has_data(&self) -> bool {
        files::exists(&self.in_use())
    }

    /// The data that etcd uses.
    pub(super) fn in_use(&self) -> PathBuf {
        self.data_dir.join(MEMBER)
    }

    /// The data as it was made from the recovery point.
    pub(super) fn new_data(&self) -> PathBuf {
        self.restored.join(MEMBER)
    }

    /// The data of before.
    pub(super) fn old_data(&self) -> PathBuf {
        self.kept.join(MEMBER)
    }

    /// Moves one manifest away, if it is there.
    pub(super) fn stop(&self, pod: &str) -> Result<(), SwapError> {
        if self.is_started(pod) {
            files::rename(&self.manifests.join(pod), &self.stopped.join(pod))?;
        }
        Ok(())
    }

    /// Moves one manifest back, if it is away.
    pub(super) fn start(&self, pod: &str) -> Result<(), SwapError> {
        if files::exists(&self.stopped.join(pod)) {
            files::rename(&self.stopped.join(pod), &self.manifests.join(pod))?;
        }
        Ok(())
    }

    pub(super) fn is_started(&self, pod: &str) -> bool {
        files::exists(&self.manifests.join(pod))
    }

    /// Puts the new data into the place of the old, which is kept.
    pub(super) fn exchange(&self) -> Result<(), SwapError> {
        let like = fs::metadata(&self.data_dir).ok();
        if self.had_data {
            files::make_dir(&self.kept, like.as_ref())?;
            files::rename(&self.in_use(), &self.old_data())?;
        }
        files::make_dir(&self.data_dir, None)?;
        files::rename(&self.new_data(), &self.in_use())?;
        let _ = fs::remove_dir(&self.restored);
        Ok(())
    }

    /// Moves the new data out of the old one's place.
    pub(super) fn set_aside(&self) -> Result<(), SwapError> {
        files::make_dir(&self.restored, None)?;
        files::rename(&self.in_use(), &self.new_data())
    }

    /// Moves the old data back.
    pub(super) fn bring_back(&self) -> Result<(), SwapError> {
        files::rename(&self.old_data(), &self.in_use())?;
        let _ = fs::remove_dir(&self.kept);
        Ok(())
    }
}

/// Where manifests lie while their pods are stopped: beside the directory that the kubelet reads.
pub(super) fn stopped(manifests: &Path) -> PathBuf {
    named(manifests, ".stopped")
}

/// Where the old data is kept and the new one made: beside the data directory, or in it if it is a mount point. etcd
/// looks at nothing there but `member`.
fn places(data_dir: &Path, point: &str) -> Result<(PathBuf, PathBuf), SwapError> {
    let parent = data_dir.parent().unwrap_or(data_dir);
    let inside = data_dir.exists() && !files::same_mount(data_dir, parent)?;
    let place = |what: &str, number: u32| {
        let again = if number > 1 { format!("-{number}") } else { String::new() };
        match inside {
            true => data_dir.join(format!("{what}-{point}{again}")),
            false => named(data_dir, &format!(".{what}-{point}{again}")),
        }
    };
    let free = (1..).map(|number| (place("before", number), place("restored", number)));
    let mut free = free.filter(|(kept, restored)| !files::exists(kept) && !files::exists(restored));
    free.next().ok_or_else(|| SwapError::Refused("there is no free name to keep the old data under".into()))
}

fn named(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_old_data_never_takes_a_name_that_is_in_use() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("etcd");
        let names = || {
            let (kept, restored) = places(&data, "id").unwrap();
            [kept, restored].map(|p| p.strip_prefix(dir.path()).unwrap().display().to_string())
        };
        assert_eq!(names(), ["etcd.before-id", "etcd.restored-id"]);
        fs::create_dir_all(dir.path().join("etcd.before-id")).unwrap();
        assert_eq!(names(), ["etcd.before-id-2", "etcd.restored-id-2"]);
    }

    #[test]
    fn a_mount_point_keeps_it_inside() {
        let (kept, restored) = places(Path::new("/proc"), "id").unwrap();
        assert_eq!((kept, restored), ("/proc/before-id".into(), "/proc/restored-id".into()));
    }
}
