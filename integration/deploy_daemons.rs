//! The Deployment of deploy/kustomize in a cluster of kind: two daemons, a configuration that changes under them, and a pod that goes
//! in the middle of its run.

use crate::{
    daemon::overdue,
    deploy_case::{Deployed, block},
    deploy_kind::{kinds, newest, points},
    deploy_network::{met, only_monitoring_reads_metrics},
    lab::eventually,
};
use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::{collections::BTreeSet, fs, path::PathBuf, time::Duration};

/// What a daemon does takes so long at most; the lookout of the other one included.
const LIMIT: Duration = Duration::from_secs(300);

/// One run that is due is one recovery point, whatever happens to the pod that begins it.
pub async fn daemons_take_their_place(deployed: &Deployed) -> Result<()> {
    deployed.choose("daemon-control-plane")?;
    deployed.shell(&block("sh daemon", "rollout")?)?;
    let gone = deployed.get("cronjobs")?;
    let left: Vec<_> =
        gone["items"].as_array().into_iter().flatten().map(|it| &it["metadata"]["name"]).collect();
    assert_eq!(left, ["lifeboat-prune"]);
    let pods = pods(deployed)?;
    assert_eq!(pods.len(), 2, "{pods:?}");
    for pod in &pods {
        assert_eq!(ask(deployed, pod, "readyz")?, "ready");
    }
    only_monitoring_reads_metrics(deployed, &pods)?;
    let before = points(deployed).await?;

    // A schedule that was due two hours ago, and whose run takes its time.
    let file = deployed.desk.join("lifeboat.yaml");
    let text = fs::read_to_string(&file)?.replacen("    url: ", "    bandwidth: 6KB/s\n    url: ", 1);
    fs::write(&file, text)?;
    due(deployed, "due")?;
    deployed.shell("kubectl apply -k .")?;
    // Whatever is changed of a pod has the kubelet look at what is mounted there.
    deployed.shell("kubectl annotate pods -n lifeboat -l app.kubernetes.io/component=daemon look=now")?;
    let first = said(deployed, 1, "claim").await?;
    let begun = first["holder"].as_str().context("nobody's")?.to_owned();
    ensure!(pods.contains(&begun), "{begun} of {pods:?}");
    eventually("an upload", LIMIT, async || Ok((places(deployed)?.len() > before.len()).then_some(())))
        .await?;
    deployed.shell(&format!("kubectl delete pod -n lifeboat {begun} --wait=false"))?;

    assert_eq!(said(deployed, 1, "end").await?["outcome"], "stopped");
    let end = said(deployed, 2, "end").await?;
    let other = said(deployed, 2, "claim").await?["holder"].clone();
    ensure!(end["outcome"] == "completed" && other != begun.as_str(), "{end} of {other}");
    let made: Vec<String> = points(deployed).await?.difference(&before).cloned().collect();
    assert_eq!(json!(made), json!([end["made"]]), "{end}");
    let manifest = newest(deployed).await?;
    assert_eq!((&manifest["status"], &manifest["problems"]), (&json!("Completed"), &json!([])));
    assert_eq!(kinds(&manifest), ["etcd", "resources", "resources-index"]);
    assert_eq!(places(deployed)?, points(deployed).await?, "nothing is left of the run that was stopped");
    deployed.boat.verify_all().await;
    let other = other.as_str().context("nobody's")?;
    let metrics = ask(deployed, other, "metrics")?;
    ensure!(
        metrics.contains(r#"{cluster="lab",schedule="due",runs="backup",outcome="completed"} 1"#),
        "{metrics}"
    );
    // People are told when the store knows.
    eventually("an event of the Deployment", LIMIT, async || {
        let described = ["describe", "deployment/lifeboat-daemon", "-n", "lifeboat"];
        Ok(deployed.cluster.kubectl(&described)?.contains("BackupSucceeded").then_some(()))
    })
    .await?;
    println!("memory of {other} at most: {}", deployed.on_the_host(PEAK)?);
    one_on_its_node_s_network_has_etcd_by_its_loopback(deployed).await
}

/// Enters a schedule into the configuration that was due two hours ago.
fn due(deployed: &Deployed, name: &str) -> Result<()> {
    overdue(&deployed.boat, name)?;
    let file = deployed.desk.join("lifeboat.yaml");
    let minute = (Timestamp::now().as_second() / 60 + 30) % 60;
    let schedule = format!("  - {{name: {name}, cron: \"{minute} * * * *\", run: {{backup: {{}}}}}}\n");
    let text = fs::read_to_string(&file)?;
    let (schedules, rest) = text.split_once("schedules:").context("no schedules")?;
    let (line, rest) = rest.split_once('\n').context("no schedule")?;
    Ok(fs::write(&file, format!("{schedules}schedules:{line}\n{schedule}{rest}"))?)
}

/// The kubelet finds it ready there, and nobody beside the node reads what it tells.
async fn one_on_its_node_s_network_has_etcd_by_its_loopback(deployed: &Deployed) -> Result<()> {
    let gone = "kubectl delete deployment lifeboat-daemon -n lifeboat
        kubectl wait pod -n lifeboat -l app.kubernetes.io/component=daemon --for=delete --timeout=2m";
    deployed.shell(gone)?;
    let before = points(deployed).await?;
    deployed.choose("daemon-control-plane-loopback")?;
    due(deployed, "loopback")?;
    deployed.shell(&block("sh daemon", "rollout")?)?;
    assert_eq!(pods(deployed)?.len(), 1);
    let saved = eventually("a recovery point", LIMIT, async || {
        Ok((points(deployed).await?.difference(&before).count() == 1).then_some(()))
    })
    .await;
    let logs = || deployed.shell("kubectl logs -n lifeboat deployment/lifeboat-daemon");
    saved.or_else(|why| Err(why.context(logs()?.0)))?;
    let manifest = newest(deployed).await?;
    assert_eq!((&manifest["status"], &manifest["problems"]), (&json!("Completed"), &json!([])));
    assert_eq!(kinds(&manifest), ["etcd", "resources", "resources-index"]);
    let told = deployed.on_the_host(
        "exec 3<>/dev/tcp/127.0.0.1/9797; printf 'GET /metrics HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3",
    )?;
    ensure!(told.contains("lifeboat_"), "{told}");
    let outside = format!("tcp/{}/9797", deployed.node());
    assert_eq!(met(deployed, "monitoring/lookout", &[&outside])?[&outside], "refused");
    deployed.shell("kubectl delete deployment lifeboat-daemon -n lifeboat --wait=false").map(drop)
}

/// The most that a container of the daemons took, in bytes.
const PEAK: &str = "\
for pid in $(pgrep -f '^/lifeboat daemon'); do
  path=$(sed -nE 's#^(0:|[0-9]+:memory):##p' /proc/$pid/cgroup | head -n 1)
  grep VmHWM /proc/$pid/status
  cat /sys/fs/cgroup$path/memory.peak /sys/fs/cgroup/memory$path/memory.max_usage_in_bytes 2>/dev/null || true
done | tr '\\n' ' '";

fn pods(deployed: &Deployed) -> Result<Vec<String>> {
    let pods = deployed.get("pods -l app.kubernetes.io/component=daemon")?;
    let pods = pods["items"].as_array().cloned().unwrap_or_default();
    Ok(pods.iter().filter_map(|pod| pod["metadata"]["name"].as_str().map(str::to_owned)).collect())
}

/// What a daemon answers.
fn ask(deployed: &Deployed, pod: &str, what: &str) -> Result<String> {
    deployed.cluster.kubectl(&[
        "get",
        "--raw",
        &format!("/api/v1/namespaces/lifeboat/pods/{pod}:9797/proxy/{what}"),
    ])
}

fn schedule(deployed: &Deployed) -> PathBuf {
    deployed.boat.path("store/lab/schedules/due")
}

/// What is said of a try of the newest run, once it is.
async fn said(deployed: &Deployed, attempt: u32, what: &str) -> Result<Value> {
    let ending = format!("-{attempt}.{what}.json");
    let found = eventually(&format!("{what} of try {attempt}"), LIMIT, async || {
        tokio::time::sleep(Duration::from_millis(300)).await;
        for entry in fs::read_dir(schedule(deployed))? {
            let path = entry?.path();
            if !path.display().to_string().ends_with(&ending) {
                continue;
            }
            let value: Option<Value> = serde_json::from_slice(&fs::read(&path)?).ok();
            if let Some(value) = value.filter(|it| it["holder"] != "x" && it["outcome"] != "known") {
                return Ok(Some(value));
            }
        }
        Ok(None)
    })
    .await;
    match found {
        Ok(found) => Ok(found),
        Err(why) => {
            let logs = "kubectl logs -n lifeboat -l app.kubernetes.io/component=daemon --tail=40 --prefix";
            Err(why.context(deployed.shell(logs)?.0))
        }
    }
}

/// The recovery points, and what may become one.
fn places(deployed: &Deployed) -> Result<BTreeSet<String>> {
    let entries = fs::read_dir(deployed.boat.path("store/lab/points"))?;
    entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
}
