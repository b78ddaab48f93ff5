//! Whether static pods are gone, or ready: by their containers, and by what listens and holds locks.

use super::{
    SwapError, containers,
    control_plane::{APISERVER, ControlPlane, ETCD},
    pod, probe,
    swap::stopped,
};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

/// A kubelet may be about to start one again that has just ended: gone is what stays gone for so many looks.
const LOOKS: u32 = 4;

/// Waits until no container of these static pods runs, nothing listens where etcd and the API server do, and nobody holds
/// etcd's database. Gives what it was known by.
///
/// # Errors
/// When they do not end in time.
pub async fn gone(manifests: &Path, pods: &[String], within: Duration) -> Result<String, SwapError> {
    // Without an etcd here there is nothing that would listen or be held.
    let plane = ControlPlane::read(manifests).ok();
    let containers: Vec<(String, String)> =
        pods.iter().filter_map(|name| pod::containers(&find(manifests, name)?).ok()).flatten().collect();
    let (waiting, mut looks) = (probe::Waiting::new(format!("{} did not stop", pods.join(", ")), within), 0);
    loop {
        let (running, by) = match by_containers(&containers).await {
            Ok(Some(None)) => (by_servers(plane.as_ref(), pods).await, "no container of them runs"),
            Ok(Some(Some(who))) => (Some(who), ""),
            Ok(None) => {
                let by = "nothing listens where they did, and etcd's database is free; crictl is not here to ask for their \
                          containers";
                (by_servers(plane.as_ref(), pods).await, by)
            }
            Err(why) => (Some(why), ""),
        };
        looks = if running.is_some() { 0 } else { looks + 1 };
        if looks >= LOOKS {
            return Ok(by.to_owned());
        }
        match running {
            Some(who) => waiting.again(format!("{who} (see whether the kubelet runs)")).await?,
            None => waiting.again("they have just ended".to_owned()).await?,
        }
    }
}

/// Waits until those of these static pods that can be asked say that they are ready: etcd and the API server.
///
/// # Errors
/// When they do not become so in time.
pub async fn ready(manifests: &Path, pods: &[String], within: Duration) -> Result<(), SwapError> {
    let plane = ControlPlane::read(manifests)?;
    if pods.iter().any(|name| name == ETCD) {
        probe::etcd_healthy(&plane.etcd, within).await?;
    }
    match &plane.apiserver {
        Some(server) if pods.iter().any(|name| name == APISERVER) => {
            probe::apiserver_ready(server, within).await
        }
        _ => Ok(()),
    }
}

fn find(manifests: &Path, name: &str) -> Option<PathBuf> {
    [manifests.join(name), stopped(manifests).join(name)].into_iter().find(|path| path.is_file())
}

/// The first container that runs; outer `None`: there is no crictl.
async fn by_containers(all: &[(String, String)]) -> Result<Option<Option<String>>, String> {
    for (namespace, name) in all {
        match containers::running(namespace, name).await? {
            None => return Ok(None),
            Some(ids) => {
                if let Some(id) = ids.first() {
                    return Ok(Some(Some(format!("container {name} ({id}) still runs"))));
                }
            }
        }
    }
    Ok(Some(None))
}

async fn by_servers(plane: Option<&ControlPlane>, pods: &[String]) -> Option<String> {
    let plane = plane?;
    let is_meant = |name: &str| pods.iter().any(|it| it == name);
    if let Some(server) = plane.apiserver.as_ref().filter(|_| is_meant(APISERVER))
        && probe::listens(&server.address).await
    {
        return Some(format!("the API server still listens on {}", server.address));
    }
    if !is_meant(ETCD) {
        return None;
    }
    for address in &plane.etcd.clients {
        if probe::listens(address).await {
            return Some(format!("etcd still listens on {address}"));
        }
    }
    let database = plane.data_dir.join("member").join("snap").join("db");
    probe::is_locked(&database).then(|| format!("etcd still holds {}", database.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_holds_its_database_is_not_gone() {
        let dir = tempfile::tempdir().unwrap();
        let (manifests, data) = (dir.path().join("manifests"), dir.path().join("etcd"));
        std::fs::create_dir(&manifests).unwrap();
        std::fs::create_dir_all(data.join("member/snap")).unwrap();
        let pod = serde_json::json!({"spec": {
            "containers": [{"name": "lifeboat-test-etcd", "command": ["etcd", "--data-dir=/data",
                "--listen-client-urls=http://127.0.0.1:1"], "volumeMounts": [{"name": "d", "mountPath": "/data"}]}],
            "volumes": [{"name": "d", "hostPath": {"path": data}}],
        }});
        std::fs::write(manifests.join(ETCD), pod.to_string()).unwrap();
        let database = std::fs::File::create(data.join("member/snap/db")).unwrap();
        database.lock().unwrap();
        let etcd = [ETCD.to_owned()];
        let error = gone(&manifests, &etcd, Duration::from_secs(2)).await.unwrap_err().to_string();
        assert!(error.contains("etcd still holds") && error.contains("member/snap/db"), "{error}");
        // The scheduler's end does not wait for etcd's.
        gone(&manifests, &["kube-scheduler.yaml".to_owned()], Duration::from_secs(2)).await.unwrap();
        drop(database);
        gone(&manifests, &etcd, Duration::from_secs(2)).await.unwrap();
        let error = ready(&manifests, &etcd, Duration::from_secs(2)).await.unwrap_err().to_string();
        assert!(error.contains("etcd did not become healthy"), "{error}");
    }
}
