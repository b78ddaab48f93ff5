//! What the network policies of deploy/ let through and what they hold back: kube-router has the kernel of a node of kind keep to them,
//! and connections are tried from within pods.

use crate::{
    deploy_case::{Deployed, template},
    deploy_helm::{chart, made},
    kind_cluster::{KindCluster, said},
    lab::{apiserver, eventually, fill, tools},
};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// A policy is in force so soon.
const LIMIT: Duration = Duration::from_secs(90);

/// What no policy has judged yet is not heard, and TCP says it again: nothing comes through for being early.
/// Each refusal is told, too: by itself Linux tells no more than one a second.
const ENFORCE: &str = "\
sysctl -qw net.ipv4.icmp_ratelimit=0
for chain in INPUT FORWARD; do
  iptables -A $chain -s 10.244.0.0/24 -p tcp -m conntrack --ctstate NEW -j DROP
done
systemd-run -q --unit=kube-router kube-router --run-firewall=true --run-router=false --run-service-proxy=false \\
  --enable-cni=false --kubeconfig=/etc/kubernetes/admin.conf --hostname-override=\"$(hostname)\"
for try in $(seq 150); do
  if iptables -S KUBE-ROUTER-FORWARD 2>&1 | grep -q 'mark 0x20000/0x20000 -j ACCEPT'; then exit; fi
  sleep 0.2
done
journalctl --no-pager -n 20 -u kube-router >&2; exit 1";

/// Has the node's kernel keep to network policies from now on.
pub fn enforce(cluster: &KindCluster) -> Result<()> {
    let program = tools::tool("kube-router")?.display().to_string();
    said("docker", &["cp", &program, &format!("{}:/usr/local/bin/kube-router", cluster.node())])?;
    said("docker", &["exec", &cluster.node(), "bash", "-euo", "pipefail", "-c", ENFORCE]).map(drop)
}

/// Pods that no policy of ours selects. The name server has the labels of a cluster's own.
const OTHERS: &str = r#"
- {metadata: {name: names, namespace: kube-system, labels: {k8s-app: kube-dns}}, spec: {containers: [
    {name: udp, image: "lifeboat-lab/shop:1", args: [names, ":53", ADDRESS]},
    {name: tcp, image: "lifeboat-lab/shop:1", args: [serve, ":53", names]}]}}
- {metadata: {name: shore, namespace: shore}, spec: {containers: [
    {name: udp53, image: "lifeboat-lab/shop:1", args: [names, ":53", ADDRESS]},
    {name: tcp53, image: "lifeboat-lab/shop:1", args: [serve, ":53", shore]},
    {name: tcp443, image: "lifeboat-lab/shop:1", args: [serve, ":443", shore]},
    {name: tcp2379, image: "lifeboat-lab/shop:1", args: [serve, ":2379", shore]},
    {name: tcp6443, image: "lifeboat-lab/shop:1", args: [serve, ":6443", shore]},
    {name: tcp8080, image: "lifeboat-lab/shop:1", args: [serve, ":8080", shore]}]}}
- {metadata: {name: lookout, namespace: monitoring}, spec: {containers: [
    {name: lookout, image: "lifeboat-lab/shop:1", args: [serve, ":8080", lookout]}]}}
"#;

/// Leads what asks the cluster's name server to the pod that plays it; nothing else in the lab leads to service addresses.
const NAMES: &str = "\
for chain in PREROUTING OUTPUT; do
  for way in udp tcp; do
    iptables -t nat -A $chain -d 10.96.0.10 -p $way --dport 53 -j DNAT --to-destination $names
  done
done";

/// Starts the pods that stand for the rest of a cluster; every name has this address.
pub async fn surround(cluster: &KindCluster, address: &str) -> Result<()> {
    for namespace in ["shore", "monitoring"] {
        create(cluster, namespace)?;
    }
    let others: Vec<Value> = serde_yaml::from_str(&OTHERS.replace("ADDRESS", address))?;
    let pods: Vec<Value> = others
        .into_iter()
        .map(|mut pod| {
            (pod["apiVersion"], pod["kind"]) = ("v1".into(), "Pod".into());
            pod
        })
        .collect();
    start(cluster, &pods).await?;
    let lines = format!("names={}\n{NAMES}", ip(cluster, "kube-system/names")?);
    said("docker", &["exec", &cluster.node(), "bash", "-euo", "pipefail", "-c", &lines]).map(drop)
}

/// Makes a namespace; without an account there are no pods in it.
fn create(cluster: &KindCluster, namespace: &str) -> Result<()> {
    cluster.kubectl(&["create", "namespace", namespace])?;
    let account = ["wait", "--for=create", "serviceaccount/default", "-n", namespace, "--timeout=60s"];
    cluster.kubectl(&account).map(drop)
}

/// Starts pods and waits until they are ready.
async fn start(cluster: &KindCluster, pods: &[Value]) -> Result<()> {
    fill::apply_all(&apiserver::client(cluster.kubeconfig()).await?, pods).await?;
    for pod in pods {
        let field = |name: &str| pod["metadata"][name].as_str().context("a pod without a name");
        let name = format!("pod/{}", field("name")?);
        let wait = ["wait", "--for=condition=Ready", &name, "-n", field("namespace")?, "--timeout=90s"];
        cluster.kubectl(&wait)?;
    }
    Ok(())
}

/// What is known of a pod, called `NAMESPACE/NAME`.
fn of_pod(cluster: &KindCluster, pod: &str, path: &str) -> Result<String> {
    let (namespace, name) = pod.split_once('/').context("no namespace")?;
    cluster.kubectl(&["get", "pod", name, "-n", namespace, "-o", &format!("jsonpath={{{path}}}")])
}

fn ip(cluster: &KindCluster, pod: &str) -> Result<String> {
    of_pod(cluster, pod, ".status.podIP")
}

/// Tries connections within the network of a container, `$id`; of UDP, a query of DNS. What a policy forbids kube-router refuses.
const TRY: &str = "\
pid=$(ctr -n k8s.io task ls | awk -v id=$id '$1 == id { print $2 }')
query='\\x12\\x34\\x01\\x00\\x00\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x01x\\x00\\x00\\x01\\x00\\x01'
for to in $places; do
  {
    IFS=/ read -r way address port <<<\"$to\"
    lines=\"exec 3<>/dev/$way/$address/$port\"
    if [[ $way == udp ]]; then lines+=\"; printf '$query' >&3; ((\\$(head -c 1 <&3 | wc -c)))\"; fi
    if heard=$(nsenter -t \"$pid\" -n timeout 5 bash -o pipefail -c \"$lines\" 2>&1); then heard=open; fi
    case $heard in open) ;; *refused*) heard=refused ;; *) heard=silent ;; esac
    echo \"$to $heard\"
  } &
done
wait";

/// What a pod meets when it turns to each of these places, `tcp/ADDRESS/PORT`: `open`, `refused` or `silent`.
pub fn met(deployed: &Deployed, pod: &str, places: &[&str]) -> Result<BTreeMap<String, String>> {
    let id = of_pod(&deployed.cluster, pod, ".status.containerStatuses[0].containerID")?;
    let id = id.trim_start_matches("containerd://");
    let said = deployed.on_the_host(&format!("id={id}\nplaces='{}'\n{TRY}", places.join(" ")))?;
    let met = said.lines().map(|line| line.split_once(' ').context("an answer"));
    met.map(|it| it.map(|(to, heard)| (to.to_owned(), heard.to_owned()))).collect()
}

/// Namespaces of pods that have the labels of Lifeboat's, and the chart's policies: its own, and the drill's.
const MOORED: &str = "moored";
const DOCKED: &str = "docked";

/// A pod as a workload of the chart makes it, in which the lab's program runs.
fn stand_in(object: &Value, namespace: &str) -> Option<Value> {
    let mut pod = template(object)?.clone();
    (pod["apiVersion"], pod["kind"]) = ("v1".into(), "Pod".into());
    pod["metadata"]["name"] = object["metadata"]["name"].clone();
    pod["metadata"]["namespace"] = namespace.into();
    let spec = &mut pod["spec"];
    spec["serviceAccountName"] = "default".into();
    spec["automountServiceAccountToken"] = false.into();
    spec["volumes"] = json!([]);
    let container = &mut spec["containers"][0];
    container["image"] = "lifeboat-lab/shop:1".into();
    container["args"] = json!(["serve", ":9797", "here"]);
    container["volumeMounts"] = json!([]);
    container["resources"] = json!({});
    Some(pod)
}

/// Each workload's pod once, and one whose labels no policy knows but the one that closes a namespace.
fn stand_ins(of: &[(&str, &BTreeMap<String, Value>)]) -> Vec<Value> {
    let mut pods: Vec<Value> = Vec::new();
    for (namespace, objects) in of {
        for pod in objects.values().filter_map(|it| stand_in(it, namespace)) {
            if !pods.iter().any(|it| it["metadata"]["name"] == pod["metadata"]["name"]) {
                pods.push(pod);
            }
        }
    }
    let mut stranger = pods[0].clone();
    (stranger["metadata"]["name"], stranger["metadata"]["labels"]) = ("stranger".into(), json!({"a": "b"}));
    pods.push(stranger);
    pods
}

/// The name server, the node, another namespace, and pods of their own.
fn places(deployed: &Deployed) -> Result<BTreeMap<&'static str, String>> {
    let at = |pod: &str| ip(&deployed.cluster, pod);
    let (names, shore, node) = (at("kube-system/names")?, at("shore/shore")?, deployed.node());
    let (daemon, backup) = (at("moored/lifeboat-daemon")?, at("moored/lifeboat-backup")?);
    Ok([
        ("names udp", format!("udp/{names}/53")),
        ("names tcp", format!("tcp/{names}/53")),
        ("node 2379", format!("tcp/{node}/2379")),
        ("node 6443", format!("tcp/{node}/6443")),
        ("node 10250", format!("tcp/{node}/10250")),
        ("shore udp", format!("udp/{shore}/53")),
        ("shore 53", format!("tcp/{shore}/53")),
        ("shore 443", format!("tcp/{shore}/443")),
        ("shore 2379", format!("tcp/{shore}/2379")),
        ("shore 6443", format!("tcp/{shore}/6443")),
        ("shore 8080", format!("tcp/{shore}/8080")),
        ("metrics", format!("tcp/{daemon}/9797")),
        ("backup 9797", format!("tcp/{backup}/9797")),
    ]
    .into())
}

/// Where pods turn to.
struct Field<'a> {
    deployed: &'a Deployed,
    /// What a place is called here, and where it is.
    places: BTreeMap<&'static str, String>,
}

impl Field<'_> {
    /// What each of these pods finds open; what is neither open nor refused is called by its answer.
    fn open(&self, pods: &[&str]) -> Result<BTreeMap<String, BTreeSet<String>>> {
        let all: Vec<&str> = self.places.values().map(String::as_str).collect();
        let mut found = BTreeMap::new();
        for pod in pods {
            let met = met(self.deployed, pod, &all)?;
            let open = self.places.iter().filter_map(|(name, at)| match met.get(at).map(String::as_str) {
                Some("open") => Some((*name).to_owned()),
                Some("refused") => None,
                other => Some(format!("{name}: {other:?}")),
            });
            found.insert((*pod).to_owned(), open.collect());
        }
        Ok(found)
    }

    /// Waits until each pod finds just these places open.
    async fn comes_to(&self, wanted: &[(&str, &[&str])]) -> Result<()> {
        let pods: Vec<&str> = wanted.iter().map(|(pod, _)| *pod).collect();
        let owned = |it: &[&str]| it.iter().map(|it| (*it).to_owned()).collect();
        let wanted: BTreeMap<String, BTreeSet<String>> =
            wanted.iter().map(|(pod, places)| ((*pod).to_owned(), owned(places))).collect();
        let mut is = BTreeMap::new();
        let reached = eventually("what the policies say", LIMIT, async || {
            is = self.open(&pods)?;
            Ok((is == wanted).then_some(()))
        })
        .await;
        reached.with_context(|| format!("{is:#?} is not {wanted:#?}"))
    }
}

/// Without policies each of the pods reaches everything; with them, what it needs.
pub async fn just_what_is_needed_comes_through(deployed: &Deployed) -> Result<()> {
    let cluster = &deployed.cluster;
    let client = apiserver::client(cluster.kubeconfig()).await?;
    let daemons = made(&chart(), MOORED, &json!({"variant": "daemon-control-plane"}))?;
    let drill = made(&chart(), DOCKED, &json!({"variant": "drill"}))?;
    for namespace in [MOORED, DOCKED] {
        create(cluster, namespace)?;
    }
    let jobs = made(&chart(), MOORED, &json!({"variant": "control-plane"}))?;
    start(cluster, &stand_ins(&[(MOORED, &jobs), (MOORED, &daemons), (DOCKED, &drill)])).await?;
    let field = Field { deployed, places: places(deployed)? };
    let everything: Vec<&str> = field.places.keys().copied().collect();
    let inside =
        ["moored/lifeboat-prune", "moored/lifeboat-verify", "moored/stranger", "docked/lifeboat-drill"];
    let (saver, outside) =
        (["moored/lifeboat-backup", "moored/lifeboat-daemon"], ["shore/shore", "monitoring/lookout"]);
    let all = [&inside[..], &saver[..], &outside[..]].concat();
    let open: Vec<(&str, &[&str])> = all.iter().map(|pod| (*pod, &everything[..])).collect();
    field.comes_to(&open).await?;

    let policies = |of: &BTreeMap<String, Value>| -> Vec<Value> {
        of.values().filter(|it| it["kind"] == "NetworkPolicy").cloned().collect()
    };
    fill::apply_all(&client, &[policies(&daemons), policies(&drill)].concat()).await?;
    let stored = ["names udp", "names tcp", "shore 443"];
    let saved = [&stored[..], &["node 2379", "node 6443", "shore 2379", "shore 6443"]].concat();
    // A pod reaches itself whatever policies say.
    let backup = [&saved[..], &["backup 9797"]].concat();
    let daemon = [&saved[..], &["metrics"]].concat();
    let without = |those: &[&str]| -> Vec<&str> {
        everything.iter().copied().filter(|it| !those.contains(it)).collect()
    };
    let (shore, monitoring) = (without(&["metrics", "backup 9797"]), without(&["backup 9797"]));
    let wanted = [
        ("moored/lifeboat-prune", &stored[..]),
        ("moored/lifeboat-verify", &stored),
        ("moored/stranger", &[]),
        ("docked/lifeboat-drill", &stored),
        ("moored/lifeboat-backup", &backup),
        ("moored/lifeboat-daemon", &daemon),
        ("shore/shore", &shore),
        ("monitoring/lookout", &monitoring),
    ];
    field.comes_to(&wanted).await?;

    // Who tells events reaches the API server, and not etcd.
    let telling = json!({"variant": "daemon-control-plane", "events": {"everyJob": true}});
    fill::apply_all(&client, &policies(&made(&chart(), MOORED, &telling)?)).await?;
    let told = [&stored[..], &["node 6443", "shore 6443"]].concat();
    field.comes_to(&[("moored/lifeboat-prune", &told), ("moored/stranger", &[])]).await?;
    cluster.kubectl(&["delete", "namespace", MOORED, DOCKED, "--wait=false"]).map(drop)
}

/// The metrics of these pods are for the namespace `monitoring` alone.
pub fn only_monitoring_reads_metrics(deployed: &Deployed, pods: &[String]) -> Result<()> {
    for pod in pods {
        let place = format!("tcp/{}/9797", ip(&deployed.cluster, &format!("lifeboat/{pod}"))?);
        for (from, meets) in [("monitoring/lookout", "open"), ("shore/shore", "refused")] {
            assert_eq!(met(deployed, from, &[&place])?[&place], meets, "{from} to {pod}");
        }
    }
    Ok(())
}
