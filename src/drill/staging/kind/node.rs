//! What is done inside of the node: its control plane is stopped, gets other data, and is started in two steps, first the API
//! server alone, then everything.

use super::{
    super::{
        StagingError,
        error::{is_full, says_full},
        process::short,
    },
    engine::{Engine, SMALL},
    manifests::{at_server, flag, parse, with_flags},
};
use serde_json::Value;
use std::{path::Path, time::Duration};

/// Copying a database of some gigabytes into the node takes its time.
const COPY: Duration = Duration::from_secs(3600);

/// The kubelet would start again what is stopped under it, so it goes first. What it ran is killed: nothing of it is wanted.
const STOP: &str = "systemctl stop kubelet
mkdir -p /etc/kubernetes/lifeboat
mv /etc/kubernetes/manifests/*.yaml /etc/kubernetes/lifeboat/
for task in $(ctr -n k8s.io tasks ls -q); do ctr -n k8s.io tasks kill -s KILL \"$task\" || true; done
n=0
while ctr -n k8s.io tasks ls | grep -q RUNNING; do
  n=$((n + 1))
  test $n -lt 300
  sleep 0.1
done
rm -rf /var/lib/etcd/*";

/// Where a node's etcd keeps its data.
const DATA: &str = "/var/lib/etcd";
/// How many bytes are free there.
const ROOM: &str = "echo $(($(stat -f -c '%a * %S' /var/lib/etcd)))";
/// etcd makes a log of that size before it needs it.
const NEXT_LOG: u64 = 64 << 20;
const MORE_ROOM: &str = "free some space where the engine keeps it, or mount a place with more by `extraMounts` of staging.kind.config";

/// Answers may leave the node, and nothing else, neither its own nor its pods'; names are not looked up outside either.
const NO_EGRESS: &str = "out=$(ip -o route show default | sed -n 's/.* dev \\([^ ]*\\).*/\\1/p' | head -n 1)
test -n \"$out\"
iptables -N LIFEBOAT
iptables -A LIFEBOAT -m conntrack --ctstate ESTABLISHED,RELATED -j RETURN
iptables -A LIFEBOAT -j REJECT
iptables -I OUTPUT -o \"$out\" -j LIFEBOAT
iptables -I FORWARD -o \"$out\" -j LIFEBOAT
iptables -I OUTPUT -d 127.0.0.11 -j REJECT
if ip -6 route show default | grep -q .; then
  ip6tables -I OUTPUT -o \"$out\" -m conntrack ! --ctstate ESTABLISHED,RELATED -j REJECT
  ip6tables -I FORWARD -o \"$out\" -m conntrack ! --ctstate ESTABLISHED,RELATED -j REJECT
fi";

/// The kubelet of a kubeadm node reads this.
const KUBELET: &str = "/var/lib/kubelet/config.yaml";
/// The source's EncryptionConfiguration: the API server's pod sees this directory.
const ENCRYPTION: &str = "/etc/kubernetes/pki/lifeboat-encryption.yaml";

/// What is known of a node before anything is changed, in the order of [`Node`]'s fields. Each call into a node takes a fifth of a
/// second, so there are few. Before Kubernetes 1.29 admin.conf was what super-admin.conf is now.
const LOOK: &str = "cd /etc/kubernetes
super=super-admin.conf
test -f $super || super=admin.conf
kubelet --version
for file in /var/lib/kubelet/config.yaml $super manifests/etcd.yaml manifests/kube-apiserver.yaml \
  manifests/kube-controller-manager.yaml manifests/kube-scheduler.yaml; do
  echo '# the next file of the node'
  cat $file
done";

/// The node of a staging, once kind has made it: its files as they were.
#[derive(Debug)]
pub(super) struct Node {
    engine: Engine,
    /// How often what runs on it was stopped.
    stops: u32,
    /// How many bytes were free for its data then.
    free: Option<u64>,
    closed: bool,
    /// The kubelet's version.
    pub(super) version: String,
    kubelet: Value,
    administrator: Value,
    etcd: Value,
    api: Value,
    controllers: Value,
    scheduler: Value,
}

impl Node {
    /// Looks at a node that was just made.
    pub(super) async fn look(engine: &Engine) -> Result<Self, StagingError> {
        let text = engine.in_node(LOOK, Vec::new(), SMALL).await?;
        let mut files = text.split("# the next file of the node\n");
        let version = files.next().unwrap_or_default().trim().trim_start_matches("Kubernetes ").to_owned();
        let mut next = |name: &str| parse(name, files.next().unwrap_or_default());
        Ok(Node {
            engine: engine.clone(),
            stops: 0,
            free: None,
            closed: false,
            version,
            kubelet: next(KUBELET)?,
            administrator: next("super-admin.conf")?,
            etcd: next("etcd.yaml")?,
            api: next("kube-apiserver.yaml")?,
            controllers: next("kube-controller-manager.yaml")?,
            scheduler: next("kube-scheduler.yaml")?,
        })
    }

    /// The name and the peer URL of its only etcd member.
    pub(super) fn member(&self) -> Result<(String, String), StagingError> {
        let of = |name| {
            let missing = || StagingError::Refused(format!("the node's etcd has no flag --{name}"));
            flag(&self.etcd, name).map(str::to_owned).ok_or_else(missing)
        };
        Ok((of("name")?, of("initial-advertise-peer-urls")?))
    }

    /// The addresses that its API server gives to services.
    pub(super) fn service_range(&self) -> Option<&str> {
        flag(&self.api, "service-cluster-ip-range")
    }

    /// Stops everything that runs on it, and lets nothing out any more.
    pub(super) async fn stop(&mut self, egress: bool) -> Result<(), StagingError> {
        let closes = !egress && !self.closed;
        let close = if closes { NO_EGRESS } else { "" };
        let said = self.engine.in_node(&format!("{STOP}\n{close}\n{ROOM}"), Vec::new(), SMALL).await?;
        self.free = said.lines().last().and_then(|line| line.trim().parse().ok());
        self.closed |= closes;
        self.stops += 1;
        Ok(())
    }

    /// Its data has no room.
    fn full(&self, reason: String) -> StagingError {
        let place = format!("{DATA} of the node {}", self.engine.node());
        StagingError::Full { place, reason, help: MORE_ROOM }
    }

    /// Puts a data directory of so many bytes under its etcd.
    pub(super) async fn put_data(&self, data: &Path, bytes: u64) -> Result<(), StagingError> {
        let needed = bytes.saturating_add(NEXT_LOG);
        if let Some(free) = self.free.filter(|free| *free < needed) {
            return Err(
                self.full(format!("{free} bytes are free, and what was restored needs about {needed}"))
            );
        }
        let (from, to) = (format!("{}/member", data.display()), format!("{}:{DATA}/", self.engine.node()));
        let arguments = ["cp", &from, &to];
        match self.engine.call(&self.engine.program, &arguments, Vec::new(), COPY).await {
            Err(StagingError::Full { reason, .. }) => Err(self.full(reason)),
            other => other.map(drop),
        }
    }

    /// The kubelet's configuration, as a step of a script.
    fn registers(&self, registers: bool) -> String {
        let mut config = self.kubelet.clone();
        config["registerNode"] = registers.into();
        write(KUBELET, &config)
    }

    /// A static pod's manifest, as a step of a script.
    fn place(&self, name: &str, pod: &Value, flags: &[(String, String)]) -> Result<String, StagingError> {
        let odd = || StagingError::Refused(format!("the node's {name} is not the manifest of a pod"));
        let mark = format!("{}-{}", self.engine.cluster, self.stops);
        let pod = with_flags(pod.clone(), flags, &mark).ok_or_else(odd)?;
        Ok(write(&format!("/etc/kubernetes/manifests/{name}"), &pod))
    }

    async fn carry_out(&self, steps: &[String]) -> Result<(), StagingError> {
        let script = format!("umask 077\n{}\n", steps.join("\n"));
        self.engine.in_node("sh -es", script.into_bytes(), SMALL).await.map(drop)
    }

    /// Starts etcd and the API server, and nothing else: no controller acts, and the node itself is not in the data.
    pub(super) async fn start_server(
        &self,
        service_range: &str,
        encryption: Option<&Path>,
        more: &[(String, String)],
    ) -> Result<(), StagingError> {
        let mut flags = vec![
            // An API server writes its own address into the data otherwise.
            set("endpoint-reconciler-type", "none"),
            set("service-cluster-ip-range", service_range),
            set("disable-admission-plugins", "MutatingAdmissionWebhook,ValidatingAdmissionWebhook"),
        ];
        if let Some(path) = encryption {
            let text = std::fs::read(path).map_err(super::super::home::at(path))?;
            self.engine.in_node(&format!("umask 077; cat > {ENCRYPTION}"), text, SMALL).await?;
            flags.push(set("encryption-provider-config", ENCRYPTION));
        }
        flags.extend_from_slice(more);
        let steps = [
            "chown -R 0:0 /var/lib/etcd && chmod 700 /var/lib/etcd".to_owned(),
            self.registers(false),
            self.place("etcd.yaml", &self.etcd, &[])?,
            self.place("kube-apiserver.yaml", &self.api, &flags)?,
            "systemctl start kubelet".to_owned(),
        ];
        self.carry_out(&steps).await
    }

    /// Starts the controllers and the scheduler, and lets the node register.
    pub(super) async fn start_the_rest(&self, service_range: &str) -> Result<(), StagingError> {
        // Nobody else leads here.
        let alone = set("leader-elect", "false");
        // With 20 requests a second, as they are told elsewhere, controllers need seconds for their own accounts.
        let mut flags = vec![alone.clone(), set("kube-api-qps", "400"), set("kube-api-burst", "800")];
        if flag(&self.controllers, "service-cluster-ip-range").is_some() {
            flags.push(set("service-cluster-ip-range", service_range));
        }
        let steps = [
            self.registers(true),
            self.place("kube-controller-manager.yaml", &self.controllers, &flags)?,
            self.place("kube-scheduler.yaml", &self.scheduler, &[alone])?,
            "systemctl restart kubelet".to_owned(),
        ];
        self.carry_out(&steps).await
    }

    /// The kubeconfig of the node's own administrator, for whom the source's data need not hold a role, at another address.
    pub(super) fn administrator(&self, server: &str) -> Result<String, StagingError> {
        let mut config = self.administrator.clone();
        at_server(&mut config, server).ok_or_else(|| {
            StagingError::Refused("the node's super-admin.conf names no cluster".to_owned())
        })?;
        Ok(config.to_string())
    }

    /// Has the API server written this?
    pub(super) async fn server_has_said(&self, text: &str) -> bool {
        let script = format!("grep -qF '{text}' /var/log/pods/kube-system_kube-apiserver*/*/*.log");
        self.engine.in_node(&script, Vec::new(), SMALL).await.is_ok()
    }

    /// Why what runs on it is not ready, with the end of what it said.
    pub(super) async fn not_ready(&self, server: &str, reason: String) -> StagingError {
        if let Some(full) = self.out_of_room().await {
            return full;
        }
        let script = "for pod in /var/log/pods/kube-system_kube-apiserver*/*/*.log; do tail -n 3 \"$pod\"; done; \
                      journalctl -u kubelet --no-pager -n 3 -o cat";
        let said = self.engine.in_node(script, Vec::new(), SMALL).await.unwrap_or_default();
        StagingError::NotReady { server: server.to_owned(), reason, said: short(&said) }
    }

    /// Says so when its etcd has no room any more: by what is free, or by its last words.
    pub(super) async fn out_of_room(&self) -> Option<StagingError> {
        let words = "for pod in /var/log/pods/kube-system_etcd*/*/*.log; do tail -n 3 \"$pod\"; done";
        let said = self.engine.in_node(&format!("{ROOM}; {words}"), Vec::new(), SMALL).await.ok()?;
        let (free, words) = said.split_once('\n')?;
        let free: u64 = free.trim().parse().ok()?;
        match says_full(words) {
            true => Some(self.full(format!("etcd's last words: {}", short(words)))),
            false => is_full(free).then(|| self.full(format!("{free} bytes are free"))),
        }
    }
}

/// A flag as it is set.
fn set(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

/// A step of a script that writes a file: beside its place first, for the kubelet reads whatever lies in it. JSON is one line, so
/// no line of it is the last one.
fn write(path: &str, content: &Value) -> String {
    format!(
        "cat > /etc/kubernetes/lifeboat/new <<'LIFEBOAT'\n{content}\nLIFEBOAT\nmv /etc/kubernetes/lifeboat/new {path}"
    )
}
