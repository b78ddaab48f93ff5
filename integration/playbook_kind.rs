//! Playbooks in a cluster of kind: pods that run, logs and commands of a kubelet, tokens that are bound to pods, a node that is
//! emptied as budgets allow.

use crate::{
    boat::Lifeboat,
    drill_kind_images::make,
    kind_cluster::{KindCluster, said},
    playbook_case::{book, playbook},
};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::{
    fs,
    process::Command,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// Pods that serve, one that says something and ends, an account with rights, a budget that lets nobody go.
const QUAY: &str = "\
apiVersion: v1
kind: Namespace
metadata: {name: quay}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: clerk, namespace: quay}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: books, namespace: quay}
rules: [{apiGroups: [''], resources: [configmaps], verbs: [get, list]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: clerk, namespace: quay}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: books}
subjects: [{kind: ServiceAccount, name: clerk, namespace: quay}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: crane, namespace: quay}
spec:
  replicas: 2
  selector: {matchLabels: {app: crane}}
  template:
    metadata: {labels: {app: crane}}
    spec:
      serviceAccountName: clerk
      terminationGracePeriodSeconds: 1
      tolerations: [{operator: Exists, effect: NoSchedule}]
      containers:
        - name: app
          image: lifeboat-lab/shop:1
          args: [serve, ':8080', heave]
          env: [{name: WORD, value: ahoy}]
          readinessProbe: {httpGet: {path: /, port: 8080}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: crane, namespace: quay}
spec: {selector: {app: crane}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Pod
metadata: {name: crier, namespace: quay, labels: {app: crier}}
spec:
  terminationGracePeriodSeconds: 1
  containers: [{name: app, image: lifeboat-lab/shop:1, args: [env, \"WORD ${params.word} | <b> \\e[2J\", ahoy]}]
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: crane, namespace: quay}
spec: {maxUnavailable: 0, selector: {matchLabels: {app: crane}}}
";

/// A cluster of kind that runs, and a boat beside it.
struct Harbour {
    cluster: KindCluster,
    boat: Lifeboat,
    _dir: TempDir,
}

impl Harbour {
    async fn open() -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("lifeboat-quay-").tempdir()?;
        let boat = Lifeboat::init(dir.path(), None, None).await?;
        let cluster = KindCluster::create("quay", boat.dir(), "4m")?;
        let file = dir.path().join("quay.yaml");
        fs::write(&file, QUAY)?;
        // A namespace has its account a moment after it was made, and without it there is no pod.
        let apply = ["apply", "-f", &file.display().to_string()];
        until("the quay is there", || Ok(cluster.kubectl(&apply).is_ok()))?;
        cluster.kubectl(&["rollout", "status", "deployment", "crane", "-n", "quay", "--timeout=120s"])?;
        Ok(Harbour { cluster, boat, _dir: dir })
    }

    fn kubectl(&self, args: &[&str]) -> Result<String> {
        self.cluster.kubectl(args)
    }

    fn get(&self, line: &str) -> Result<Value> {
        let words: Vec<&str> = line.split(' ').collect();
        Ok(serde_json::from_str(&self.kubectl(&[&["get", "-o", "json"], &words[..]].concat())?)?)
    }

    /// The names of the pods of a label.
    fn pods(&self, label: &str) -> Result<Vec<String>> {
        let all = self.get(&format!("pods -n quay -l {label}"))?;
        let names = all["items"].as_array().into_iter().flatten();
        Ok(names.filter_map(|it| it["metadata"]["name"].as_str().map(str::to_owned)).collect())
    }

    /// Runs `lifeboat playbook` against the cluster.
    async fn book(&self, words: &str) -> crate::boat::Ran {
        book(&self.boat, &format!("{words} --kubeconfig kubeconfig")).await
    }

    /// Carries out a playbook of these steps.
    async fn carry_out(&self, name: &str, steps: &str) -> Result<crate::boat::Ran> {
        playbook(&self.boat, name, "", steps)?;
        Ok(self.book(&format!("run {name}.yaml --yes")).await)
    }

    /// What was collected in the newest run, opened: names and contents.
    fn evidence(&self) -> Result<Vec<(String, String)>> {
        let runs = self.boat.path("store/lab/playbooks");
        let mut ids: Vec<_> = fs::read_dir(&runs)?.flatten().map(|it| it.path()).collect();
        ids.sort();
        let artifacts = ids.pop().context("no run")?.join("artifacts");
        let list = said("find", &[&artifacts.display().to_string(), "-type", "f"])?;
        let mut found = Vec::new();
        for path in list.lines() {
            let identity = self.boat.path("identity.txt").display().to_string();
            let open = format!("age -d -i '{identity}' '{path}' | zstd -dc");
            let name = path.strip_prefix(&format!("{}/", artifacts.display())).unwrap_or(path);
            found.push((name.to_owned(), said("sh", &["-c", &open])?));
        }
        Ok(found)
    }

    /// The addresses that the service leads to.
    fn behind_the_service(&self) -> Result<Vec<String>> {
        let slices = self.get("endpointslices -n quay -l kubernetes.io/service-name=crane")?;
        let all = slices["items"]
            .as_array()
            .into_iter()
            .flatten()
            .flat_map(|it| it["endpoints"].as_array().cloned());
        let ready = all.flatten().filter(|it| it["conditions"]["ready"] == true);
        Ok(ready.filter_map(|it| it["targetRef"]["name"].as_str().map(str::to_owned)).collect())
    }
}

/// Looks until it is so.
fn until(what: &str, holds: impl Fn() -> Result<bool>) -> Result<()> {
    let end = Instant::now() + Duration::from_secs(60);
    while !holds()? {
        ensure!(Instant::now() < end, "not in a minute: {what}");
        std::thread::sleep(Duration::from_millis(300));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kind_runs_pods_that_playbooks_look_into_hold_and_let_go() -> Result<()> {
    let harbour = Harbour::open().await?;
    evidence_is_kept(&harbour).await?;
    files_are_kept(&harbour).await?;
    a_service_is_asked(&harbour).await?;
    a_running_pod_is_isolated(&harbour).await?;
    a_bound_token_is_dead(&harbour).await?;
    a_node_is_emptied(&harbour).await
}

/// Logs of what ended, the output of a command, and why a container without `tar` gives no files.
async fn evidence_is_kept(harbour: &Harbour) -> Result<()> {
    until("the crier was started again", || {
        let pod = harbour.get("pod crier -n quay")?;
        Ok(pod["status"]["containerStatuses"][0]["restartCount"].as_u64() > Some(0))
    })?;
    let crane = harbour.pods("app=crane")?.pop().context("no crane")?;
    let target = |name: &str| format!("{{kind: Pod, namespace: quay, name: {name}}}");
    let steps = format!(
        "    - {{id: logs, action: evidence.logs, args: {{target: {}, previous: true}}}}\n\
         \x20   - {{id: asked, action: evidence.exec, args: {{target: {1}, command: [workload, env, WORD, ahoy]}}}}\n\
         \x20   - {{id: refused, onFailure: continue, action: evidence.exec, args: {{target: {1}, command: [workload, env, WORD, avast]}}}}\n\
         \x20   - {{id: files, onFailure: continue, action: evidence.files, args: {{target: {1}, path: /usr/local/bin/workload}}}}\n\
         \x20   - {{id: memory, onFailure: continue, action: evidence.checkpoint, args: {{target: {1}}}}}\n",
        target("crier"),
        target(&crane)
    );
    let ran = harbour.carry_out("look", &steps).await?.expect(3);
    ensure!(!format!("{}{}", ran.stdout, ran.stderr).contains('\u{1b}'), "{ran:?}");
    let kept = harbour.evidence()?;
    let of = |step: &str, word: &str| {
        kept.iter().filter(|(name, text)| name.starts_with(step) && text.contains(word)).count()
    };
    // Whatever a log says is kept as it says it.
    ensure!(of("logs/", "looked at WORD ${params.word} | <b> \u{1b}[2J") >= 1, "{kept:?}");
    assert_eq!((of("asked/", "looked at WORD"), of("refused/", "looked at WORD")), (1, 1), "{kept:?}");
    let status = book(&harbour.boat, "timeline latest --format markdown --to -").await.expect(0).stdout;
    ensure!(status.contains("exit code 3") || status.contains("ended with 3"), "{status}");
    ensure!(status.contains("tar"), "{status}");
    Ok(())
}

/// What pods of a service answer, and what a command in them says: right, wrong, and too late.
async fn a_service_is_asked(harbour: &Harbour) -> Result<()> {
    let service = "target: {kind: Service, namespace: quay, name: crane}";
    let labels = "namespace: quay, labelSelector: app=crane";
    let steps = format!(
        "    - {{id: serves, action: check.http, args: {{{service}, port: 8080, contains: heave, within: 60s}}}}\n\
         \x20   - {{id: says, action: check.exec, args: {{{labels}, command: [workload, env, WORD, ahoy], within: 60s}}}}\n\
         \x20   - {{id: other, onFailure: continue, action: check.http, args: {{{labels}, port: 8080, expect: [404], within: 1s}}}}\n\
         \x20   - {{id: empty, onFailure: continue, action: check.http, args: {{{labels}, port: 9, within: 1s}}}}\n\
         \x20   - {{id: nobody, onFailure: continue, action: check.http, args: {{namespace: quay, labelSelector: app=nobody, port: 1, within: 1s}}}}\n\
         \x20   - {{id: avast, onFailure: continue, action: check.exec, args: {{{service}, command: [workload, env, WORD, avast], within: 1s}}}}\n"
    );
    let ran = harbour.carry_out("asked", &steps).await?.expect(3);
    let all = book(&harbour.boat, "timeline latest --format markdown --to -").await.expect(0).stdout;
    for words in [
        "answered 200",
        "it ended with 0 in pod crane-",
        "the answer was 200",
        "there is no such pod",
        "it ended with 3",
    ] {
        ensure!(all.contains(words), "{words}: {all}\n{ran:?}");
    }
    assert_eq!(all.matches("NOT DONE").count(), 4, "{all}");
    let rbac = harbour.book("rbac asked.yaml -o json").await.expect(0).stdout;
    ensure!(rbac.contains("pods/portforward") && rbac.contains("pods/exec"), "{rbac}");
    playbook(
        &harbour.boat,
        "odd",
        "",
        &format!(
            "    - {{id: a, action: check.http, args: {{{labels}, port: 1, path: \"/ HTTP/1.0\\r\\nX: y\"}}}}\n"
        ),
    )?;
    ensure!(harbour.book("plan odd.yaml").await.expect(6).stdout.contains("neither spaces nor line breaks"));
    Ok(())
}

/// Files of a container that has `tar`, to the byte.
async fn files_are_kept(harbour: &Harbour) -> Result<()> {
    const BOX: &str = "registry.example.com/box:1";
    let _image = make("docker", harbour.boat.dir(), BOX, &["/bin/tar"])?;
    harbour.cluster.load(BOX, harbour.boat.dir())?;
    let pod = serde_json::json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "chest", "namespace": "quay"},
        "spec": {"terminationGracePeriodSeconds": 1, "containers": [{"name": "chest", "image": BOX}]},
    });
    let file = harbour.boat.path("chest.json");
    fs::write(&file, pod.to_string())?;
    harbour.kubectl(&["apply", "-f", &file.display().to_string()])?;
    harbour.kubectl(&["wait", "pod/chest", "-n", "quay", "--for=condition=Ready", "--timeout=60s"])?;
    let steps = "    - {id: files, action: evidence.files, args: {target: {kind: Pod, namespace: quay, name: chest}, path: /bin/tar}}\n\
                 \x20   - {id: none, onFailure: continue, action: evidence.files, args: {target: {kind: Pod, namespace: quay, name: chest}, path: /nowhere}}\n";
    harbour.carry_out("chest", steps).await?.expect(3);
    let runs = harbour.boat.path("store/lab/playbooks");
    let open = "path=$(ls -d \"$0\"/*/artifacts/files/* | tail -n 1); \
                age -d -i identity.txt \"$path\" | zstd -dc | tar -xO | sha256sum; sha256sum < /bin/tar";
    let sums = said(
        "sh",
        &["-ec", &format!("cd '{}'; {open}", harbour.boat.dir().display()), &runs.display().to_string()],
    )?;
    let sums: Vec<&str> = sums.lines().collect();
    ensure!(sums.len() == 2 && sums[0] == sums[1], "{sums:?}");
    let told = book(&harbour.boat, "timeline latest --format markdown --to -").await.expect(0).stdout;
    ensure!(told.contains("/nowhere"), "{told}");
    Ok(())
}

/// A pod goes on running, shut in and out of its service, while a clean one takes its place; and comes back.
async fn a_running_pod_is_isolated(harbour: &Harbour) -> Result<()> {
    let crane = harbour.pods("app=crane")?.pop().context("no crane")?;
    let before = harbour.get(&format!("pod {crane} -n quay"))?;
    until("both are behind the service", || Ok(harbour.behind_the_service()?.len() == 2))?;
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/runbooks/compromised-pod/playbook.yaml");
    harbour.book(&format!("run {file} -p incident=INC-7 -p pod=quay/{crane} --yes")).await.expect(0);
    until("a clean one is in its place", || {
        let behind = harbour.behind_the_service()?;
        Ok(behind.len() == 2 && !behind.contains(&crane))
    })?;
    let now = harbour.get(&format!("pod {crane} -n quay"))?;
    assert_eq!(now["metadata"]["uid"], before["metadata"]["uid"]);
    assert_eq!(now["status"]["phase"], "Running");
    let started = |pod: &Value| {
        let it = &pod["status"]["containerStatuses"][0];
        (it["containerID"].clone(), it["restartCount"].clone())
    };
    assert_eq!(started(&now), started(&before));
    let policies = harbour.get("networkpolicies -n quay")?;
    assert_eq!(policies["items"].as_array().map(Vec::len), Some(1), "{policies:#}");
    let can = ["auth", "can-i", "get", "configmaps", "-n", "quay", "--as=system:serviceaccount:quay:clerk"];
    ensure!(harbour.kubectl(&can).is_err(), "the account has its rights yet");

    harbour.book("undo latest").await.expect(0);
    let policies = harbour.get("networkpolicies -n quay")?;
    let told = book(&harbour.boat, "timeline latest").await.stdout;
    assert_eq!(policies["items"].as_array().map(Vec::len), Some(0), "{policies:#} {told}");
    assert_eq!(harbour.kubectl(&can)?, "yes");
    // Of three that fit, the deployment takes one away.
    until("there are two again", || Ok(harbour.pods("app=crane")?.len() == 2))
}

/// A token that is bound to a pod is worth nothing once the playbook has taken the pod away.
async fn a_bound_token_is_dead(harbour: &Harbour) -> Result<()> {
    let crane = harbour.pods("app=crane")?.pop().context("no crane")?;
    let bound = ["--bound-object-kind", "Pod", "--bound-object-name", &crane];
    let token = harbour.kubectl(&[&["create", "token", "clerk", "-n", "quay"], &bound[..]].concat())?;
    let config: Value = serde_yaml::from_str(&fs::read_to_string(harbour.cluster.kubeconfig())?)?;
    let server = config["clusters"][0]["cluster"]["server"].as_str().context("server")?.to_owned();
    let list = || {
        let mut command = Command::new("kubectl");
        command.args([
            "--kubeconfig",
            "/dev/null",
            "--insecure-skip-tls-verify",
            "--server",
            &server,
            "--token",
            &token,
        ]);
        command.args(["get", "configmaps", "-n", "quay"]).output()
    };
    ensure!(list()?.status.success(), "the token is no good to begin with");
    let steps = "    - {id: dead, action: token.invalidate, args: {subject: {kind: ServiceAccount, namespace: quay, name: clerk}, strategy: restartPods}}\n";
    harbour.carry_out("dead", steps).await?.expect(0);
    until("the token is refused", || {
        let output = list()?;
        Ok(!output.status.success() && String::from_utf8_lossy(&output.stderr).contains("Unauthorized"))
    })?;
    ensure!(!harbour.pods("app=crane")?.contains(&crane));
    until("two new ones serve", || Ok(harbour.behind_the_service()?.len() == 2))
}

/// A budget that lets nobody go holds the drain; the node is opened again. With a budget that lets go, the pods are gone.
async fn a_node_is_emptied(harbour: &Harbour) -> Result<()> {
    let node = harbour.get("nodes")?["items"][0]["metadata"]["name"].as_str().context("node")?.to_owned();
    let file = "    - {id: cordon, action: node.cordon, args: {node: NODE}}\n    - {id: drain, action: node.drain, args: {node: NODE, maxWait: 10s, exclude: [{kind: Pod, namespace: quay, name: crier}]}}\n";
    let steps = file.replace("NODE", &node);
    let before = harbour.pods("app=crane")?;
    let ran = harbour.carry_out("empty", &steps).await?.expect(1);
    ran.says("budget");
    assert_eq!(harbour.pods("app=crane")?, before);
    harbour.book("undo latest").await;
    ensure!(harbour.get(&format!("node {node}"))?["spec"]["unschedulable"].is_null(), "it is still closed");

    harbour.kubectl(&["delete", "pdb", "crane", "-n", "quay"])?;
    let steps = steps.replace("10s", "60s");
    harbour.carry_out("empty", &steps).await?.expect(0);
    let left = harbour.pods("app=crane")?;
    ensure!(before.iter().all(|name| !left.contains(name)), "{left:?}");
    assert_eq!(harbour.pods("app=crier")?, ["crier"]);
    Ok(())
}
