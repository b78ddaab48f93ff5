//! What deploy/ has for the inside of a cluster, in a cluster of kind: CronJobs, by Helm and by kustomize, save that cluster into a
//! bucket, as restricted pods with no more rights than they need, and within network policies that are in force.

use crate::{
    deploy_case::{Deployed, Ended, block},
    deploy_daemons::daemons_take_their_place,
    deploy_drill::a_drill_passes_within,
    deploy_helm_kind::a_release_saves_and_goes,
    deploy_network::just_what_is_needed_comes_through,
    deploy_units::units_save_as_well,
    export::{Export, Name},
    kind_cluster::said,
    lab::{apiserver, eventually},
    live,
};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    time::Duration,
};

/// What a cluster at rest goes on writing, and what a job is itself.
const RESTLESS: &[&str] = &[
    "coordination.k8s.io/leases/",
    "core/nodes/",
    "core/events/",
    "core/pods/",
    "batch/jobs/",
    "batch/cronjobs/",
];

const SUSPEND: &str = "-n lifeboat -p '{\"spec\": {\"suspend\": true, \"schedule\": \"17 * * * *\"}}'";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kind_is_saved_from_within_by_its_own_cron_jobs() -> Result<()> {
    let deployed = Deployed::set_up().await?;
    just_what_is_needed_comes_through(&deployed).await?;
    a_release_saves_and_goes(&deployed).await?;
    deployed.choose("control-plane")?;
    let (_, complaints) = deployed.shell(&block("sh setup", "kubectl apply")?)?;
    assert_eq!(complaints, "");
    // Whatever the hour is: the clock has its turn.
    deployed.shell(&format!(
        "for job in backup verify prune; do kubectl patch cronjob lifeboat-$job {SUSPEND}; done"
    ))?;
    let (certificate, secret) = (block("sh certificate", "openssl")?, block("sh etcd", "kubectl")?);
    deployed.on_the_host(&(certificate + &secret))?;
    the_first_backup_is_what_the_cluster_is(&deployed).await?;
    backups_come_by_the_clock(&deployed).await?;
    what_may_not_be_listed_is_named(&deployed).await?;
    a_node_s_loopback_is_reached(&deployed).await?;
    the_store_is_looked_after_without_a_token(&deployed).await?;
    units_save_as_well(&deployed).await?;
    a_drill_passes_within(&deployed).await?;
    daemons_take_their_place(&deployed).await
}

/// `doctor` finds everything well, and the first recovery point holds what the API server has, and etcd.
async fn the_first_backup_is_what_the_cluster_is(deployed: &Deployed) -> Result<()> {
    let client = apiserver::client(deployed.cluster.kubeconfig()).await?;
    let before = live::everything(&client).await?;
    let (said, _) = deployed.shell(&block("sh first", "doctor")?)?;
    let troubles: Vec<&str> =
        said.lines().filter(|line| line.contains("ERROR") || line.contains("WARN")).collect();
    // The image does not restore.
    ensure!(troubles.len() == 1 && troubles[0].contains("etcdutl"), "{said}");
    let first = deployed.ended("first").await?.completed();
    ensure!(!first.log.contains("WARN"), "{}", first.log);
    let after = live::everything(&client).await?;

    let manifest = newest(deployed).await?;
    assert_eq!((&manifest["status"], &manifest["problems"]), (&json!("Completed"), &json!([])));
    assert_eq!(kinds(&manifest), ["etcd", "resources", "resources-index"]);
    let uid = &before["core/namespaces/_cluster/kube-system"]["metadata"]["uid"];
    assert_eq!(&manifest["cluster"]["uid"], uid);
    assert_exact(&Export::read(&deployed.boat, &manifest).await?, &before, &after)?;
    let described = deployed.cluster.kubectl(&["describe", "cronjob/lifeboat-backup", "-n", "lifeboat"])?;
    let told = format!("recovery point {}, ", manifest["id"].as_str().context("no id")?);
    ensure!(described.contains("BackupSucceeded") && described.contains(&told), "{described}");
    let verified = deployed.boat.verify_all().await.to_string();
    ensure!(verified.contains("its KV hash at revision"), "{verified}");
    Ok(())
}

/// Each object of the export is as the API server shows it in the same version, and none is missing.
fn assert_exact(
    export: &Export,
    before: &BTreeMap<Name, Value>,
    after: &BTreeMap<Name, Value>,
) -> Result<()> {
    let version = |object: &Value| {
        let metadata = &object["metadata"];
        (metadata["uid"].clone(), metadata["resourceVersion"].clone())
    };
    let mut compared = 0;
    for (name, object) in &export.objects {
        let there = [before, after].into_iter().filter_map(|all| all.get(name));
        match there.into_iter().find(|other| version(other) == version(object)) {
            Some(other) => {
                assert_eq!(other, object, "{name}");
                compared += 1;
            }
            None => {
                let computed = name.starts_with("core/componentstatuses/");
                let restless = RESTLESS.iter().any(|beginning| name.starts_with(beginning));
                ensure!(computed || restless, "{name} was never so");
            }
        }
    }
    for (name, object) in before {
        let unchanged = after.get(name).is_some_and(|later| version(later) == version(object));
        ensure!(!unchanged || export.objects.contains_key(name), "{name} is missing");
    }
    ensure!(compared > 150, "only {compared} objects were compared");
    Ok(())
}

/// The schedule starts a backup by itself.
async fn backups_come_by_the_clock(deployed: &Deployed) -> Result<()> {
    let before = points(deployed).await?;
    let every_minute = SUSPEND.replace("17 *", "* *").replace("true", "false");
    deployed.shell(&format!("kubectl patch cronjob lifeboat-backup {every_minute}"))?;
    let job = eventually("a job", Duration::from_secs(90), async || {
        let jobs = deployed.get("jobs")?;
        let mut jobs = jobs["items"].as_array().cloned().unwrap_or_default().into_iter();
        let due = jobs.find(|job| {
            job["metadata"]["name"].as_str().is_some_and(|name| name.starts_with("lifeboat-backup-"))
        });
        tokio::time::sleep(Duration::from_secs(1)).await;
        Ok(due.and_then(|job| job["metadata"]["name"].as_str().map(str::to_owned)))
    })
    .await?;
    deployed.shell(&format!("kubectl patch cronjob lifeboat-backup {SUSPEND}"))?;
    deployed.ended(&job).await?.completed();
    assert_eq!(points(deployed).await?.difference(&before).count(), 1);
    Ok(())
}

/// Verification and retention have the store, and nothing of the cluster; what goes is what this host says that should.
async fn the_store_is_looked_after_without_a_token(deployed: &Deployed) -> Result<()> {
    let tokenless = |ended: &Ended| {
        let volumes = ended.pods[0]["spec"]["volumes"].to_string();
        ensure!(
            !volumes.contains("serviceAccountToken") && !ended.log.contains("WARN"),
            "{volumes} {}",
            ended.log
        );
        Ok(())
    };
    let records = || Ok::<_, anyhow::Error>(files(&deployed.boat.path("store/lab/verifications"))?.len());
    let before = records()?;
    let verify = deployed.start("lifeboat-verify", "look").await?.completed();
    tokenless(&verify)?;
    // Three of them, each with a signature.
    assert_eq!(records()?, before + 6, "{}", verify.log);

    let plan =
        deployed.boat.run(&["prune", "--dry-run", "--keep-last", "2", "-o", "json"]).await.expect(0).json();
    let plan = plan["plan"]["points"].as_array().cloned().unwrap_or_default();
    let stay =
        plan.iter().filter(|point| point["kept"].as_array().is_some_and(|reasons| !reasons.is_empty()));
    let stay: BTreeSet<String> = stay.filter_map(|point| point["id"].as_str().map(str::to_owned)).collect();
    ensure!(stay.len() < plan.len(), "{plan:#?}");
    tokenless(&deployed.start("lifeboat-prune", "thin").await?.completed())?;
    assert_eq!(points(deployed).await?, stay);
    Ok(())
}

/// Every file below a directory.
fn files(dir: &Path) -> Result<Vec<PathBuf>> {
    let found = said("find", &[&dir.display().to_string(), "-type", "f"])?;
    Ok(found.lines().map(PathBuf::from).collect())
}

/// Without the right to list some types the recovery point lacks them, the job fails at once, and says which.
async fn what_may_not_be_listed_is_named(deployed: &Deployed) -> Result<()> {
    let narrowed = r#"[{"op": "replace", "path": "/rules/0/apiGroups", "value": ["apps", "batch", "networking.k8s.io"]}]"#;
    deployed.shell(&format!("kubectl patch clusterrole lifeboat-backup --type=json -p '{narrowed}'"))?;
    let partly = deployed.start("lifeboat-backup", "narrowed").await?;
    let ended = partly.pods_ended();
    ensure!(!partly.complete && ended.len() == 1 && ended[0].0 == Some(3), "{partly:#?}");
    ensure!(partly.log.contains("secrets") && ended[0].1.contains("forbidden"), "{partly:#?}");
    let manifest = newest(deployed).await?;
    assert_eq!(manifest["status"], "PartiallyFailed");
    let export = Export::read(&deployed.boat, &manifest).await?;
    let failed = export.failed();
    ensure!(failed.contains_key("secrets/v1") && !failed.contains_key("deployments.apps/v1"), "{failed:?}");
    ensure!(!export.named("apps/deployments/kube-system/").is_empty(), "what may be listed is there");
    Ok(())
}

/// etcd by its node's loopback.
async fn a_node_s_loopback_is_reached(deployed: &Deployed) -> Result<()> {
    deployed.choose("control-plane-loopback")?;
    deployed.shell("kubectl apply -k .")?;
    deployed.start("lifeboat-backup", "loopback").await?.completed();
    let manifest = newest(deployed).await?;
    let saved = ["etcd", "resources", "resources-index"];
    assert_eq!((&kinds(&manifest)[..], &manifest["status"]), (&saved[..], &json!("Completed")));
    deployed.boat.run(&["verify", "--all", "--deep", "-i", "identity.txt"]).await.expect(0);
    Ok(())
}

/// The manifest of the newest recovery point.
pub async fn newest(deployed: &Deployed) -> Result<Value> {
    Ok(deployed.boat.run(&["show", "latest", "-o", "json"]).await.expect(0).json())
}

/// The ids of what there is.
pub async fn points(deployed: &Deployed) -> Result<BTreeSet<String>> {
    let list = deployed.boat.run(&["list", "-o", "json"]).await.expect(0).json();
    let points = list["points"].as_array().with_context(|| list.to_string())?;
    Ok(points.iter().filter_map(|point| point["id"].as_str().map(str::to_owned)).collect())
}

/// What a recovery point holds.
pub fn kinds(manifest: &Value) -> Vec<&str> {
    let all = manifest["artifacts"].as_array().into_iter().flatten();
    all.filter_map(|artifact| artifact["kind"].as_str()).collect()
}
