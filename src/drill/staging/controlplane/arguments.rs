//! What the servers of a control plane are told.

use super::pki::Pki;
use serde_json::json;
use std::path::Path;

/// Where the servers listen, on loopback.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ports {
    pub(super) etcd: u16,
    pub(super) peers: u16,
    pub(super) api: u16,
}

/// The name of the only member.
pub(super) const MEMBER: &str = "staging";
/// What tells this etcd cluster from every other one.
pub(super) const TOKEN: &str = "lifeboat-drill";

impl Ports {
    /// The URL by which the only member is a member of its cluster.
    pub(super) fn peer_url(self) -> String {
        format!("https://127.0.0.1:{}", self.peers)
    }
}

/// etcd speaks to nobody without a certificate of this staging: whoever else uses this host cannot read it.
pub(super) fn etcd(data: &Path, ports: Ports, pki: &Pki) -> Vec<String> {
    let (client, peer) = (format!("https://127.0.0.1:{}", ports.etcd), ports.peer_url());
    let (ca, cert, key) = (pki.ca.display(), pki.server.cert.display(), pki.server.key.display());
    let mut arguments = vec![
        format!("--name={MEMBER}"),
        format!("--data-dir={}", data.display()),
        format!("--listen-client-urls={client}"),
        format!("--advertise-client-urls={client}"),
        format!("--listen-peer-urls={peer}"),
        format!("--initial-advertise-peer-urls={peer}"),
        format!("--initial-cluster={MEMBER}={peer}"),
        format!("--initial-cluster-token={TOKEN}"),
        "--logger=zap".to_owned(),
        "--log-level=warn".to_owned(),
        // Nothing of it outlives the drill.
        "--unsafe-no-fsync".to_owned(),
    ];
    for prefix in ["", "peer-"] {
        arguments.push(format!("--{prefix}trusted-ca-file={ca}"));
        arguments.push(format!("--{prefix}cert-file={cert}"));
        arguments.push(format!("--{prefix}key-file={key}"));
        arguments.push(format!("--{prefix}client-cert-auth=true"));
    }
    arguments
}

/// What the API server is told beside its certificates.
pub(super) struct Api<'a> {
    pub(super) ports: Ports,
    pub(super) pki: &'a Pki,
    /// Where it may leave files.
    pub(super) directory: &'a Path,
    pub(super) egress: &'a Path,
    pub(super) encryption: Option<&'a Path>,
    pub(super) service_range: &'a str,
    pub(super) more: &'a [String],
}

/// The API server calls no webhook and reaches nothing but its etcd.
pub(super) fn api(api: &Api<'_>) -> Vec<String> {
    let pki = api.pki;
    let file = |name: &str, path: &Path| format!("--{name}={}", path.display());
    let mut arguments = vec![
        format!("--etcd-servers=https://127.0.0.1:{}", api.ports.etcd),
        file("etcd-cafile", &pki.ca),
        file("etcd-certfile", &pki.etcd_client.cert),
        file("etcd-keyfile", &pki.etcd_client.key),
        format!("--secure-port={}", api.ports.api),
        "--bind-address=127.0.0.1".to_owned(),
        "--advertise-address=127.0.0.1".to_owned(),
        "--endpoint-reconciler-type=none".to_owned(),
        format!("--service-cluster-ip-range={}", api.service_range),
        "--authorization-mode=Node,RBAC".to_owned(),
        "--anonymous-auth=false".to_owned(),
        "--disable-admission-plugins=MutatingAdmissionWebhook,ValidatingAdmissionWebhook".to_owned(),
        file("egress-selector-config-file", api.egress),
        file("cert-dir", api.directory),
        file("client-ca-file", &pki.ca),
        file("tls-cert-file", &pki.server.cert),
        file("tls-private-key-file", &pki.server.key),
        "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
        file("service-account-key-file", &pki.accounts.cert),
        file("service-account-signing-key-file", &pki.accounts.key),
    ];
    arguments.extend(api.encryption.map(|path| file("encryption-provider-config", path)));
    arguments.extend_from_slice(api.more);
    arguments
}

/// Everything that the API server would say to the cluster or to webhooks goes to a socket on which nobody listens
/// (`EgressSelectorConfiguration` of the Kubernetes reference).
pub(super) fn egress(nowhere: &Path) -> String {
    let blocked = |name: &str| {
        let transport = json!({"uds": {"udsName": nowhere}});
        json!({"name": name, "connection": {"proxyProtocol": "HTTPConnect", "transport": transport}})
    };
    json!({
        "apiVersion": "apiserver.k8s.io/v1beta1",
        "kind": "EgressSelectorConfiguration",
        "egressSelections": [
            blocked("cluster"),
            blocked("controlplane"),
            {"name": "etcd", "connection": {"proxyProtocol": "Direct"}},
        ],
    })
    .to_string()
}

/// The administrator's kubeconfig.
pub(super) fn kubeconfig(ports: Ports, pki: &Pki) -> String {
    let server = format!("https://127.0.0.1:{}", ports.api);
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "drill", "cluster": {"server": server, "certificate-authority": pki.ca}}],
        "users": [{"name": "drill", "user": {
            "client-certificate": pki.admin.cert, "client-key": pki.admin.key,
        }}],
        "contexts": [{"name": "drill", "context": {"cluster": "drill", "user": "drill"}}],
        "current-context": "drill",
    })
    .to_string()
}
