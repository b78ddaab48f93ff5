//! Plaintext that a program has to find as a file: in memory where there is plenty, else on a disk, and never with a name.

use rustix::fs::{MemfdFlags, memfd_create};
use std::{
    fs::{self, File},
    io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

/// A file in memory is made when this many times its size is free: whoever reads it makes another of about that size.
const FREE: u64 = 3;

/// An empty file for `bytes` of plaintext that nobody else can open by a name: in memory when three times that much is free,
/// also under the limits of the process's control groups; else an unlinked file with mode 0600 in `dir`.
///
/// # Errors
/// When there can be no file in `dir`.
pub fn hidden_file(bytes: u64, dir: &Path) -> io::Result<File> {
    let memory = match free_memory().is_some_and(|free| free / FREE >= bytes) {
        true => memfd_create("plaintext", MemfdFlags::CLOEXEC).ok(),
        false => None,
    };
    let file = match memory {
        Some(memory) => memory.into(),
        None => tempfile::tempfile_in(dir)?,
    };
    file.set_permissions(fs::Permissions::from_mode(0o600))?;
    Ok(file)
}

/// Bytes of memory that this process may still fill; `None` where the system does not tell.
fn free_memory() -> Option<u64> {
    let system = available(&fs::read_to_string("/proc/meminfo").ok()?)?;
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let limits = group_directories(&groups).into_iter().filter_map(|dir| headroom(&dir));
    Some(limits.fold(system, u64::min))
}

/// `MemAvailable` of proc_meminfo(5), in bytes.
fn available(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// The directories of the control groups, innermost first, that can limit a process's memory: cgroups(7), versions 1 and 2.
/// In a container the path is often the host's, and only the root below the mount is there.
fn group_directories(groups: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next()) else {
            continue;
        };
        let mount = match controllers {
            "" => "/sys/fs/cgroup",
            _ if controllers.split(',').any(|c| c == "memory") => "/sys/fs/cgroup/memory",
            _ => continue,
        };
        let relative = Path::new(path.trim_start_matches('/'));
        found.extend(relative.ancestors().map(|above| Path::new(mount).join(above)));
    }
    found
}

/// What a control group may still use, when it is limited. Its inactive page cache goes when memory is short.
fn headroom(dir: &Path) -> Option<u64> {
    let number = |name: &str| fs::read_to_string(dir.join(name)).ok()?.trim().parse::<u64>().ok();
    let (limit, used, inactive) = match number("memory.max") {
        Some(limit) => (limit, number("memory.current")?, "inactive_file "),
        None => (number("memory.limit_in_bytes")?, number("memory.usage_in_bytes")?, "total_inactive_file "),
    };
    let stat = fs::read_to_string(dir.join("memory.stat")).unwrap_or_default();
    let cache = stat.lines().find_map(|line| line.strip_prefix(inactive)?.trim().parse().ok()).unwrap_or(0);
    Some(limit.saturating_sub(used.saturating_sub(cache)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn what_is_free_is_read() {
        assert_eq!(available("MemTotal: 9 kB\nMemAvailable:    2048 kB\n"), Some(2 << 20));
        assert_eq!(available("MemTotal: 9 kB\n"), None);
        assert!(free_memory().is_some());
    }

    #[test]
    fn every_group_above_can_limit() {
        let dirs = group_directories("12:cpuset:/x\n4:cpu,memory:/a/b\n0::/\nnonsense\n");
        let want = [
            "/sys/fs/cgroup/memory/a/b",
            "/sys/fs/cgroup/memory/a",
            "/sys/fs/cgroup/memory/",
            "/sys/fs/cgroup/",
        ];
        assert_eq!(dirs, want.map(PathBuf::from));
        assert_eq!(group_directories("0::/kubepods/pod1")[0], Path::new("/sys/fs/cgroup/kubepods/pod1"));
    }

    #[test]
    fn a_limit_counts_without_the_cache_that_can_go() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
        assert_eq!(headroom(dir.path()), None);
        write("memory.max", "max\n");
        write("memory.current", "700\n");
        assert_eq!(headroom(dir.path()), None);
        write("memory.max", "1000\n");
        assert_eq!(headroom(dir.path()), Some(300));
        write("memory.stat", "anon 100\nactive_file 1\ninactive_file 200\n");
        assert_eq!(headroom(dir.path()), Some(500));
        write("memory.max", "100\n");
        assert_eq!(headroom(dir.path()), Some(0));
    }

    #[test]
    fn it_has_no_name_in_memory_nor_on_the_disk() {
        let dir = tempfile::tempdir().unwrap();
        for bytes in [1, u64::MAX] {
            let file = hidden_file(bytes, dir.path()).unwrap().metadata().unwrap();
            assert_eq!((file.nlink(), file.len(), file.mode() & 0o777), (0, 0, 0o600));
            assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        }
        assert!(hidden_file(u64::MAX, Path::new("/nowhere")).is_err());
    }
}
