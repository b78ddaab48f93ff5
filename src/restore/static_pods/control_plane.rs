use super::{SwapError, pod::StaticPod, swap::stopped};
use crate::restore::etcd::Membership;
use serde::{Deserialize, Serialize};
use std::{
    io,
    path::{Path, PathBuf},
};
use url::{Host, Url};

pub(super) const ETCD: &str = "etcd.yaml";
pub(super) const APISERVER: &str = "kube-apiserver.yaml";
/// In the order in which they are started.
pub(super) const PODS: [&str; 4] = [ETCD, APISERVER, "kube-controller-manager.yaml", "kube-scheduler.yaml"];

/// Where etcd can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EtcdServer {
    /// `host:port` of every client URL.
    pub clients: Vec<String>,
    /// `host:port` where `/health` is answered without TLS, if there is such a place.
    pub health: Option<String>,
}

/// Where the API server can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApiServer {
    /// `host:port` of its secure port.
    pub address: String,
    /// The file with the certificate that it must show.
    pub certificate: Option<PathBuf>,
}

/// What the manifests in a directory say.
#[derive(Debug)]
pub(super) struct ControlPlane {
    pub(super) pods: Vec<String>,
    pub(super) data_dir: PathBuf,
    pub(super) membership: Membership,
    pub(super) etcd: EtcdServer,
    pub(super) apiserver: Option<ApiServer>,
    /// Names of etcd's members and what says so, where that is more than one.
    pub(super) several: Option<(Vec<String>, String)>,
}

impl ControlPlane {
    pub(super) fn read(manifests: &Path) -> Result<Self, SwapError> {
        // Somebody may have stopped some of them, and put their manifests where a swap does.
        let away = stopped(manifests);
        let find = |name: &str| [manifests.join(name), away.join(name)].into_iter().find(|it| it.is_file());
        let pods: Vec<String> =
            PODS.iter().filter(|name| find(name).is_some()).map(|name| (*name).into()).collect();
        let Some(etcd) = find(ETCD) else {
            let path = manifests.join(ETCD);
            let reason = "it is not there: is this the host of a control plane that runs etcd as a static pod? \
                          Manifests that were moved away have to be brought back first";
            return Err(SwapError::Io { path, source: io::Error::new(io::ErrorKind::NotFound, reason) });
        };
        let etcd = StaticPod::read(etcd, "etcd")?;
        let apiserver = find(APISERVER).map(|path| StaticPod::read(path, "kube-apiserver"));
        ControlPlane::of(pods, &etcd, apiserver.transpose()?.as_ref())
    }

    fn of(pods: Vec<String>, etcd: &StaticPod, apiserver: Option<&StaticPod>) -> Result<Self, SwapError> {
        for (flag, why) in [
            ("config-file", "etcd reads its settings from a file (--config-file), which is not followed"),
            ("wal-dir", "etcd keeps its log in a directory of its own (--wal-dir), which is not swapped"),
        ] {
            if etcd.setting(flag).is_some_and(|value| !value.is_empty()) {
                return Err(etcd.wrong(format!("{why}: restore with --data-dir, and swap by hand")));
            }
        }
        let name = etcd.setting("name").unwrap_or("default");
        let peers = etcd.setting("initial-advertise-peer-urls").unwrap_or("http://localhost:2380");
        let alone: Vec<String> = peers.split(',').map(|url| format!("{name}={url}")).collect();
        let membership = Membership {
            name: name.to_owned(),
            initial_cluster: alone.join(","),
            initial_advertise_peer_urls: peers.to_owned(),
            initial_cluster_token: etcd.setting("initial-cluster-token").unwrap_or("etcd-cluster").to_owned(),
        };
        Ok(ControlPlane {
            pods,
            data_dir: data_dir(etcd)?,
            membership,
            etcd: etcd_server(etcd)?,
            apiserver: apiserver.map(api_server).transpose()?,
            several: several(etcd, apiserver),
        })
    }
}

fn data_dir(etcd: &StaticPod) -> Result<PathBuf, SwapError> {
    let given = etcd.setting("data-dir").map(Path::new).filter(|dir| dir.is_absolute());
    let given = given.ok_or_else(|| etcd.wrong("etcd's --data-dir is missing in it, or no absolute path"))?;
    etcd.on_host(given).filter(|dir| dir.is_absolute()).ok_or_else(|| {
        etcd.wrong(format!("no hostPath volume of it holds etcd's --data-dir, {}", given.display()))
    })
}

fn etcd_server(etcd: &StaticPod) -> Result<EtcdServer, SwapError> {
    let urls = |flag: &str, default: &str| -> Result<Vec<Url>, SwapError> {
        let given = etcd.setting(flag).unwrap_or(default).split(',').filter(|url| !url.is_empty());
        let parsed = given.map(|url| {
            url.parse().map_err(|e| etcd.wrong(format!("etcd's --{flag}: `{url}` is not a URL ({e})")))
        });
        parsed.collect()
    };
    let clients = urls("listen-client-urls", "http://localhost:2379")?;
    let metrics = urls("listen-metrics-urls", "")?;
    let health = metrics.iter().chain(&clients).find(|url| url.scheme() == "http").and_then(address);
    Ok(EtcdServer { clients: clients.iter().filter_map(address).collect(), health })
}

fn api_server(pod: &StaticPod) -> Result<ApiServer, SwapError> {
    let host = pod.flag("bind-address").unwrap_or("0.0.0.0");
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let port = pod.flag("secure-port").unwrap_or("6443");
    let url = format!("https://{host}:{port}").parse().ok();
    let address = url.as_ref().and_then(address);
    let address = address.ok_or_else(|| {
        pod.wrong(format!("kube-apiserver's --bind-address and --secure-port, {host}:{port}, are no address"))
    })?;
    let certificate = pod.flag("tls-cert-file").map(Path::new);
    let certificate = certificate.and_then(|path| pod.on_host(path)).filter(|path| path.is_file());
    Ok(ApiServer { address, certificate })
}

/// `host:port`; a server that listens everywhere is asked on loopback.
fn address(url: &Url) -> Option<String> {
    let host = match url.host()? {
        Host::Ipv4(ip) if ip.is_unspecified() => "127.0.0.1".to_owned(),
        Host::Ipv6(ip) if ip.is_unspecified() => "[::1]".to_owned(),
        host => host.to_string(),
    };
    Some(format!("{host}:{}", url.port_or_known_default()?))
}

/// More than one member, in what etcd or the API server are told. kubeadm writes into a host's `--initial-cluster` the
/// members that there were when it joined: one name proves nothing.
fn several(etcd: &StaticPod, apiserver: Option<&StaticPod>) -> Option<(Vec<String>, String)> {
    let of = |pod: &StaticPod, list: &str, flag: &str| {
        let mut names: Vec<String> =
            list.split(',').map(|m| m.split_once('=').map_or(m, |(name, _)| name).to_owned()).collect();
        names.dedup();
        (names.len() > 1).then(|| (names, format!("--{flag} in {}", pod.path.display())))
    };
    let cluster = etcd.setting("initial-cluster").and_then(|list| of(etcd, list, "initial-cluster"));
    let servers = || {
        let pod = apiserver?;
        of(pod, pod.flag("etcd-servers")?, "etcd-servers")
    };
    cluster.or_else(servers)
}

#[cfg(test)]
mod tests {
    use super::super::pod::tests::etcd;
    use super::*;

    fn of(flags: &[&str]) -> Result<ControlPlane, SwapError> {
        ControlPlane::of(vec![ETCD.into()], &etcd(&[&["etcd"], flags].concat(), &[]), None)
    }

    #[test]
    fn what_kubeadm_writes_is_understood() {
        let plane = of(&[
            "--advertise-client-urls=https://10.0.0.11:2379",
            "--data-dir=/var/lib/etcd",
            "--initial-advertise-peer-urls=https://10.0.0.11:2380",
            "--initial-cluster=cp1=https://10.0.0.11:2380",
            "--listen-client-urls=https://127.0.0.1:2379,https://10.0.0.11:2379",
            "--listen-metrics-urls=http://127.0.0.1:2381",
            "--name=cp1",
        ])
        .unwrap();
        assert_eq!(plane.data_dir, Path::new("/mnt/disk/etcd"));
        assert_eq!(plane.membership.initial_cluster, "cp1=https://10.0.0.11:2380");
        assert_eq!(plane.etcd.clients, ["127.0.0.1:2379", "10.0.0.11:2379"]);
        assert_eq!(plane.etcd.health.as_deref(), Some("127.0.0.1:2381"));
        assert!(plane.several.is_none() && plane.apiserver.is_none());
    }

    #[test]
    fn the_api_server_s_address_is_one_that_can_be_reached() {
        for (flags, address) in [
            (&[][..], "127.0.0.1:6443"),
            (&["--bind-address=::", "--secure-port=443"], "[::1]:443"),
            (&["--bind-address=10.0.0.11"], "10.0.0.11:6443"),
        ] {
            assert_eq!(api_server(&etcd(flags, &[])).unwrap().address, address);
        }
        assert!(api_server(&etcd(&["--secure-port=none"], &[])).is_err());
    }

    #[test]
    fn several_members_are_noticed() {
        let data = "--data-dir=/var/lib/etcd";
        let three =
            "--initial-cluster=a=https://10.0.0.1:2380,b=https://10.0.0.2:2380,c=https://10.0.0.3:2380";
        let (names, seen) = of(&[data, three]).unwrap().several.unwrap();
        assert_eq!(names, ["a", "b", "c"]);
        assert_eq!(seen, "--initial-cluster in etcd.yaml");
        // One member with two URLs.
        assert!(
            of(&[data, "--initial-cluster=a=http://10.0.0.1:2380,a=http://10.0.1.1:2380"])
                .unwrap()
                .several
                .is_none()
        );
        let servers = etcd(&["--etcd-servers=https://10.0.0.1:2379,https://10.0.0.2:2379"], &[]);
        assert_eq!(several(&etcd(&[], &[]), Some(&servers)).unwrap().0.len(), 2);
    }

    #[test]
    fn what_cannot_be_swapped_is_refused() {
        for (flags, words) in [
            (&[][..], "--data-dir is missing"),
            (&["--data-dir=default.etcd"], "no absolute path"),
            (&["--data-dir=/cache/etcd"], "no hostPath volume"),
            (&["--config-file=/etc/etcd.conf"], "--config-file"),
            (&["--data-dir=/var/lib/etcd", "--wal-dir=/wal"], "--wal-dir"),
            (&["--data-dir=/var/lib/etcd", "--listen-client-urls=x"], "`x` is not a URL"),
        ] {
            let error = of(flags).unwrap_err().to_string();
            assert!(error.starts_with("etcd.yaml: ") && error.contains(words), "{error}");
        }
    }
}
