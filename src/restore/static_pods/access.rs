//! How etcd can be asked on its host, by what the manifests say.

use super::{
    SwapError,
    control_plane::{APISERVER, ControlPlane, ETCD},
    pod::StaticPod,
    swap::stopped,
};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Where etcd can be asked, and with which certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// Its client URLs.
    pub endpoints: Vec<String>,
    /// The authority of its certificate.
    pub ca: Option<PathBuf>,
    /// The certificate of a client.
    pub cert: Option<PathBuf>,
    /// The key of that certificate.
    pub key: Option<PathBuf>,
}

/// Reads how etcd can be asked: with what the API server shows it, or else with what it shows others itself.
///
/// # Errors
/// When there is no manifest of etcd, or it cannot be followed.
pub fn access(manifests: &Path) -> Result<Access, SwapError> {
    let manifests = fs::canonicalize(manifests).map_err(SwapError::io(manifests))?;
    // It says what is wrong with them.
    let plane = ControlPlane::read(&manifests)?;
    let read = |name: &str, container: &str| {
        let places = [manifests.join(name), stopped(&manifests).join(name)];
        let path = places.into_iter().find(|path| path.is_file());
        path.map(|path| StaticPod::read(path, container)).transpose()
    };
    let tls = read(ETCD, "etcd")?
        .is_some_and(|etcd| etcd.setting("listen-client-urls").is_some_and(|urls| urls.contains("https://")));
    let scheme = if tls { "https" } else { "http" };
    let endpoints = plane.etcd.clients.iter().map(|address| format!("{scheme}://{address}")).collect();
    let mut found = Access { endpoints, ca: None, cert: None, key: None };
    if !tls {
        return Ok(found);
    }
    let file = |pod: &StaticPod, value: Option<&str>| {
        let path = Path::new(value?);
        Some(pod.on_host(path).unwrap_or_else(|| path.to_owned()))
    };
    match (read(APISERVER, "kube-apiserver")?, read(ETCD, "etcd")?) {
        (Some(server), _) if server.flag("etcd-certfile").is_some() => {
            found.ca = file(&server, server.flag("etcd-cafile"));
            found.cert = file(&server, server.flag("etcd-certfile"));
            found.key = file(&server, server.flag("etcd-keyfile"));
        }
        (_, Some(etcd)) => {
            found.ca = file(&etcd, etcd.setting("trusted-ca-file"));
            found.cert = file(&etcd, etcd.setting("cert-file"));
            found.key = file(&etcd, etcd.setting("key-file"));
        }
        _ => {}
    }
    Ok(found)
}

/// Where etcd's data is on the host.
///
/// # Errors
/// When there is no manifest of etcd, or it cannot be followed.
pub fn data_dir(manifests: &Path) -> Result<PathBuf, SwapError> {
    let manifests = fs::canonicalize(manifests).map_err(SwapError::io(manifests))?;
    Ok(ControlPlane::read(&manifests)?.data_dir)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn write(dir: &Path, name: &str, command: &[&str], mounts: Value, volumes: Value) {
        let container = json!({"name": name, "command": command, "volumeMounts": mounts});
        let pod = json!({"spec": {"containers": [container], "volumes": volumes}});
        fs::write(dir.join(format!("{name}.yaml")), pod.to_string()).unwrap();
    }

    #[test]
    fn certificates_are_those_of_the_api_server_or_else_of_etcd_itself() {
        let dir = tempfile::tempdir().unwrap();
        let mounts = json!([{"name": "d", "mountPath": "/data"}, {"name": "p", "mountPath": "/pki"}]);
        let volumes = json!([{"name": "d", "hostPath": {"path": "/srv/etcd"}}, {"name": "p", "hostPath": {"path": "/etc/pki"}}]);
        let etcd = [
            "etcd",
            "--data-dir=/data",
            "--listen-client-urls=https://0.0.0.0:2379",
            "--trusted-ca-file=/pki/ca.crt",
            "--cert-file=/pki/server.crt",
            "--key-file=/pki/server.key",
        ];
        write(dir.path(), "etcd", &etcd, mounts.clone(), volumes.clone());
        let found = access(dir.path()).unwrap();
        assert_eq!(found.endpoints, ["https://127.0.0.1:2379"]);
        assert_eq!(found.cert.as_deref(), Some(Path::new("/etc/pki/server.crt")));
        assert_eq!(data_dir(dir.path()).unwrap(), Path::new("/srv/etcd"));
        let server = [
            "kube-apiserver",
            "--etcd-cafile=/pki/ca.crt",
            "--etcd-certfile=/pki/client.crt",
            "--etcd-keyfile=/elsewhere/client.key",
        ];
        write(dir.path(), "kube-apiserver", &server, mounts, volumes);
        let found = access(dir.path()).unwrap();
        assert_eq!(found.cert.as_deref(), Some(Path::new("/etc/pki/client.crt")));
        assert_eq!(found.key.as_deref(), Some(Path::new("/elsewhere/client.key")));
        assert_eq!(found.ca.as_deref(), Some(Path::new("/etc/pki/ca.crt")));
        fs::remove_file(dir.path().join("etcd.yaml")).unwrap();
        assert!(access(dir.path()).unwrap_err().to_string().contains("etcd.yaml"));
    }
}
