use super::SwapError;
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// What matters of a static pod's manifest: one container's command line, and where its files are on the host.
#[derive(Debug)]
pub(super) struct StaticPod {
    /// The manifest.
    pub(super) path: PathBuf,
    container: Container,
    volumes: Vec<Volume>,
}

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    metadata: Metadata,
    spec: Spec,
}

#[derive(Default, Deserialize)]
struct Metadata {
    namespace: Option<String>,
}

#[derive(Deserialize)]
struct Spec {
    containers: Vec<Container>,
    #[serde(default)]
    volumes: Vec<Volume>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Container {
    #[serde(default)]
    name: String,
    #[serde(default)]
    command: Vec<String>,
    #[serde(default)]
    args: Vec<String>,
    #[serde(default)]
    env: Vec<Variable>,
    #[serde(default)]
    volume_mounts: Vec<Mount>,
}

#[derive(Debug, Deserialize)]
struct Variable {
    name: String,
    value: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Mount {
    name: String,
    mount_path: PathBuf,
    sub_path: Option<PathBuf>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Volume {
    name: String,
    host_path: Option<HostPath>,
}

#[derive(Debug, Deserialize)]
struct HostPath {
    path: PathBuf,
}

impl StaticPod {
    /// Reads a manifest; the container is the one called `name`, else the first.
    pub(super) fn read(path: PathBuf, name: &str) -> Result<Self, SwapError> {
        let text = std::fs::read_to_string(&path).map_err(SwapError::io(&path))?;
        StaticPod::parse(path, name, &text)
    }

    fn parse(path: PathBuf, name: &str, text: &str) -> Result<Self, SwapError> {
        let spec = match serde_yaml::from_str::<Document>(text) {
            Ok(document) => document.spec,
            Err(e) => {
                let reason = format!("it is not the manifest of a pod ({e})");
                return Err(SwapError::Manifest { path, reason });
            }
        };
        let mut containers = spec.containers;
        let at = containers.iter().position(|c| c.name == name).unwrap_or(0);
        if containers.is_empty() {
            return Err(SwapError::Manifest { path, reason: "it has no container".into() });
        }
        Ok(StaticPod { path, container: containers.swap_remove(at), volumes: spec.volumes })
    }

    /// The value of a flag, written as `--flag=value` or `--flag value`; the last one counts.
    pub(super) fn flag(&self, name: &str) -> Option<&str> {
        let words: Vec<&str> =
            self.container.command.iter().chain(&self.container.args).map(String::as_str).collect();
        words.iter().enumerate().rev().find_map(|(i, word)| {
            let flag = word.strip_prefix("--").or_else(|| word.strip_prefix('-'))?;
            match flag.split_once('=') {
                Some((flag, value)) => (flag == name).then_some(value),
                None if flag == name => {
                    Some(words.get(i + 1).copied().filter(|next| !next.starts_with('-')).unwrap_or("true"))
                }
                None => None,
            }
        })
    }

    /// A setting of etcd: the flag, else `ETCD_…` of the environment.
    pub(super) fn setting(&self, name: &str) -> Option<&str> {
        let variable = format!("ETCD_{}", name.replace('-', "_").to_uppercase());
        let set = || self.container.env.iter().find(|v| v.name == variable)?.value.as_deref();
        self.flag(name).or_else(set)
    }

    /// Where a path of the container is on the host, if a volume brings it from there.
    pub(super) fn on_host(&self, path: &Path) -> Option<PathBuf> {
        let mounts = self.container.volume_mounts.iter().filter(|m| path.starts_with(&m.mount_path));
        let mount = mounts.max_by_key(|m| m.mount_path.components().count())?;
        let volume = self.volumes.iter().find(|v| v.name == mount.name)?;
        let mut found = volume.host_path.as_ref()?.path.clone();
        found.extend(mount.sub_path.as_ref());
        // Joining nothing would leave a slash at the end.
        found.extend(path.strip_prefix(&mount.mount_path).ok().filter(|rest| !rest.as_os_str().is_empty()));
        Some(found)
    }

    /// An error about this manifest.
    pub(super) fn wrong(&self, reason: impl Into<String>) -> SwapError {
        SwapError::Manifest { path: self.path.clone(), reason: reason.into() }
    }
}

/// The containers of a manifest: the pod's namespace and each one's name.
pub(super) fn containers(path: &Path) -> Result<Vec<(String, String)>, SwapError> {
    let text = std::fs::read_to_string(path).map_err(SwapError::io(path))?;
    let document: Document = serde_yaml::from_str(&text).map_err(|e| SwapError::Manifest {
        path: path.to_owned(),
        reason: format!("it is not the manifest of a pod ({e})"),
    })?;
    let namespace = document.metadata.namespace.unwrap_or_else(|| "default".to_owned());
    Ok(document.spec.containers.into_iter().map(|it| (namespace.clone(), it.name)).collect())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn etcd(command: &[&str], args: &[&str]) -> StaticPod {
        let text = serde_json::json!({"spec": {
            "containers": [{
                "name": "etcd", "command": command, "args": args,
                "env": [{"name": "ETCD_NAME", "value": "from-env"}, {"name": "HOST", "valueFrom": {}}],
                "volumeMounts": [
                    {"name": "data", "mountPath": "/var/lib/etcd"},
                    {"name": "certs", "mountPath": "/etc/kubernetes/pki/etcd"},
                    {"name": "none", "mountPath": "/cache"},
                ],
            }],
            "volumes": [
                {"name": "data", "hostPath": {"path": "/mnt/disk/etcd", "type": "DirectoryOrCreate"}},
                {"name": "certs", "hostPath": {"path": "/etc/kubernetes/pki/etcd"}},
                {"name": "none", "emptyDir": {}},
            ],
        }});
        StaticPod::parse("etcd.yaml".into(), "etcd", &text.to_string()).unwrap()
    }

    #[test]
    fn flags_are_found_however_they_are_written() {
        let pod = etcd(
            &["etcd", "--data-dir=/var/lib/etcd", "--name", "cp1", "--auto-tls"],
            &["-snapshot-count=5", "--quota", "--data-dir=/later", "--empty="],
        );
        for (name, value) in [
            ("data-dir", Some("/later")),
            ("name", Some("cp1")),
            ("auto-tls", Some("true")),
            ("snapshot-count", Some("5")),
            ("quota", Some("true")),
            ("empty", Some("")),
            ("etcd", None),
            ("data", None),
        ] {
            assert_eq!(pod.flag(name), value, "{name}");
        }
        assert_eq!(pod.setting("name"), Some("cp1"));
        assert_eq!(etcd(&["etcd"], &[]).setting("name"), Some("from-env"));
        assert_eq!(etcd(&["etcd"], &[]).setting("data-dir"), None);
    }

    #[test]
    fn paths_are_followed_to_the_host() {
        let pod = etcd(&["etcd"], &[]);
        for (path, host) in [
            ("/var/lib/etcd", Some("/mnt/disk/etcd")),
            ("/var/lib/etcd/deeper", Some("/mnt/disk/etcd/deeper")),
            ("/var/lib/etcd2", None),
            ("/cache/x", None),
            ("/", None),
        ] {
            let found = pod.on_host(Path::new(path));
            assert_eq!(found.as_deref().and_then(Path::to_str), host, "{path}");
        }
    }

    #[test]
    fn what_is_no_pod_is_said_with_the_file_s_name() {
        for text in [
            "",
            "a: [",
            "just text",
            "spec: {}",
            "spec: {containers: []}",
            "spec: {containers: [{command: etcd}]}",
        ] {
            let error = StaticPod::parse("/m/etcd.yaml".into(), "etcd", text).unwrap_err().to_string();
            assert!(error.starts_with("/m/etcd.yaml: it "), "{text}: {error}");
        }
    }
}
