//! A real API server takes everything that the chart, deploy/kustomize and deploy/monitoring make: no field is unknown to it, and no
//! pod breaks what Pod Security calls `restricted`, but for the one on its node's network.

use crate::{
    deploy_alerts::monitoring,
    deploy_case::{documents, on_its_node_s_network, place, rendered, template},
    deploy_helm::{HELMS, chart, helm, home, kustomization, made, variants},
    lab::{Cluster, ClusterOptions, eventually, tools, with_cluster},
    live,
};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::{collections::BTreeSet, fs, time::Duration};

/// What is said of a pod on its node's network.
const VIOLATED: &str = "PodSecurity \"restricted:latest\": host namespaces (hostNetwork=true)";

/// And of one that listens there.
const LISTENING: &str = ", hostPort (container \"lifeboat\" uses hostPort 9797), probe or lifecycle host \
    (container \"lifeboat\" uses probe or lifecycle host \"127.0.0.1\")";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_api_server_takes_what_helm_and_kustomize_make() -> Result<()> {
    with_cluster(ClusterOptions::default(), async |cluster| {
        know(cluster, "prometheus-crds", "monitoring.coreos.com", &["podmonitors", "prometheusrules"])
            .await?;
        cluster.kubectl(&["create", "namespace", "admitting"]).await?;
        label(cluster, "admitting", "enforce=restricted").await?;
        cluster.kubectl(&["create", "serviceaccount", "default", "-n", "admitting"]).await?;
        for which in HELMS {
            for variant in variants() {
                a_release_comes_and_goes(cluster, which, variant).await?;
            }
        }
        for variant in variants() {
            kustomized(cluster, variant).await?;
        }
        what_kustomize_made_is_helm_s_when_it_is_asked_for(cluster).await?;
        monitored(cluster).await?;
        secrets_are_fetched(cluster).await
    })
    .await
}

/// Has the API server know types of others.
async fn know(cluster: &Cluster, tool: &str, group: &str, types: &[&str]) -> Result<()> {
    for name in types {
        let file = tools::tool(tool)?.join(format!("{group}_{name}.yaml"));
        cluster.kubectl(&["apply", "--server-side", "-f", &file.display().to_string()]).await?;
        // `kubectl wait` fails where the conditions are still null.
        let get = ["get", "crd", &format!("{name}.{group}"), "-o", "json"];
        eventually("the type is served", Duration::from_secs(60), async || {
            let crd: Value = serde_json::from_str(&cluster.kubectl(&get).await?)?;
            let mut conditions = crd["status"]["conditions"].as_array().into_iter().flatten();
            Ok(conditions.any(|it| it["type"] == "Established" && it["status"] == "True").then_some(()))
        })
        .await?;
    }
    Ok(())
}

async fn label(cluster: &Cluster, namespace: &str, how: &str) -> Result<()> {
    let label = format!("pod-security.kubernetes.io/{how}");
    cluster.kubectl(&["label", "namespace", namespace, &label, "--overwrite"]).await.map(drop)
}

/// What there is, by name.
async fn there(cluster: &Cluster) -> Result<BTreeSet<String>> {
    Ok(live::everything(&cluster.client().await?).await?.into_keys().collect())
}

/// A release is installed without a warning, changes with its values, and leaves nothing; what was its user's stays.
async fn a_release_comes_and_goes(cluster: &Cluster, which: &str, variant: &str) -> Result<()> {
    let namespace = format!("{which}-{variant}");
    cluster.kubectl(&["create", "namespace", &namespace]).await?;
    let how = if on_its_node_s_network(variant) { "enforce=privileged" } else { "warn=restricted" };
    label(cluster, &namespace, how).await?;
    cluster.kubectl(&["create", "secret", "generic", "lifeboat-signing", "-n", &namespace]).await?;
    let (before, kubeconfig) = (there(cluster).await?, cluster.kubeconfig());
    let monitoring = if variant.starts_with("daemon-") { "true" } else { "false" };
    let values = format!(
        "variant={variant},monitoring.podMonitor={monitoring},monitoring.prometheusRule={monitoring}"
    );
    let (chart, kubeconfig) = (chart(), Some(kubeconfig.as_path()));
    let notes =
        helm(which, kubeconfig, &["install", "lifeboat", &chart, "-n", &namespace, "--set", &values])?;
    known_commands(&notes, &namespace)?;
    let made = made(&chart, &namespace, &json!({"variant": variant}))?;
    let live = there(cluster).await?;
    // Beside them lies only Helm's own Secret.
    let operated = if monitoring == "true" { 2 } else { 0 };
    assert_eq!(live.difference(&before).count(), made.len() + operated + 1, "{variant}");
    pods(cluster, variant, made.values()).await?;

    let job = if variant == "drill" { "drill" } else { "prune" };
    let changed = format!("{job}.schedule=1 2 3 4 5");
    helm(
        which,
        kubeconfig,
        &["upgrade", "lifeboat", &chart, "-n", &namespace, "--reuse-values", "--set", &changed],
    )?;
    let cronjob = format!("cronjob/lifeboat-{job}");
    let schedule = ["get", &cronjob, "-n", &namespace, "-o", "jsonpath={.spec.schedule}"];
    assert_eq!(cluster.kubectl(&schedule).await?, "1 2 3 4 5", "{variant}");

    if variant == "resources" {
        let daemons = ["--reuse-values", "--set", "variant=daemon-resources"];
        helm(
            which,
            kubeconfig,
            &[&["upgrade", "lifeboat", &chart, "-n", &namespace], &daemons[..]].concat(),
        )?;
        let run = cluster.kubectl(&["get", "deployments,cronjobs", "-n", &namespace, "-o", "name"]).await?;
        assert_eq!(run, "deployment.apps/lifeboat-daemon\ncronjob.batch/lifeboat-prune\n");
    }
    helm(which, kubeconfig, &["uninstall", "lifeboat", "-n", &namespace])?;
    assert_eq!(there(cluster).await?, before, "{variant}");
    Ok(())
}

/// What the notes have people type stands in deploy/README.md too, but for the namespace.
fn known_commands(notes: &str, namespace: &str) -> Result<()> {
    let readme = fs::read_to_string(place().join("README.md"))?;
    let (_, notes) = notes.split_once("NOTES:\n").context("no notes")?;
    let commands = notes.lines().filter(|line| line.starts_with("  "));
    let commands: Vec<&str> = commands.map(str::trim).filter(|it| !it.starts_with("helm upgrade")).collect();
    ensure!(commands.len() > 4, "{notes}");
    for command in commands {
        let known = [home("drill"), home("resources")].into_iter().any(|it| {
            let there = command.replace(namespace, it);
            readme.contains(&there) || readme.contains(&there.replace("=privileged", "=restricted"))
        });
        ensure!(known || command.contains("--from=cronjob/lifeboat-drill"), "{command}");
    }
    Ok(())
}

/// A variant of kustomize is applied without a warning.
async fn kustomized(cluster: &Cluster, variant: &str) -> Result<()> {
    let dir = kustomization(variant);
    let at = dir.display().to_string();
    let apply = ["apply", "-k", &at, "--server-side", "--force-conflicts", "--warnings-as-errors"];
    match cluster.kubectl(&apply).await {
        Err(why) if on_its_node_s_network(variant) => ensure!(why.to_string().contains(VIOLATED), "{why:#}"),
        applied => drop(applied.with_context(|| variant.to_owned())?),
    }
    pods(cluster, variant, rendered(&dir)?.iter()).await
}

/// Every pod is taken where `restricted` is enforced.
async fn pods<'a>(cluster: &Cluster, variant: &str, objects: impl Iterator<Item = &'a Value>) -> Result<()> {
    let (file, mut tried) = (tempfile::NamedTempFile::new()?, 0);
    for object in objects {
        let Some(mut pod) = template(object).cloned() else { continue };
        let name = object["metadata"]["name"].as_str().context("a name")?;
        pod["apiVersion"] = "v1".into();
        pod["kind"] = "Pod".into();
        pod["metadata"]["name"] = name.into();
        pod["metadata"]["namespace"] = "admitting".into();
        // Without an account of that name there is no pod at all.
        pod["spec"]["serviceAccountName"] = "default".into();
        fs::write(file.path(), pod.to_string())?;
        let path = file.path().display().to_string();
        let outcome =
            cluster.kubectl(&["create", "--dry-run=server", "--warnings-as-errors", "-f", &path]).await;
        if on_its_node_s_network(variant) && ["lifeboat-backup", "lifeboat-daemon"].contains(&name) {
            let why = outcome.err().context("it is admitted")?.to_string();
            // A daemon listens, and is asked, on what is its node's then.
            let more = if name == "lifeboat-daemon" { LISTENING } else { "" };
            ensure!(why.ends_with(&format!("violates {VIOLATED}{more}")), "{why}");
        } else {
            outcome.with_context(|| format!("{variant} {name}"))?;
        }
        tried += 1;
    }
    ensure!(tried > 0, "{variant} has no pods");
    Ok(())
}

/// Helm leaves what others made alone, and takes it over when it is told to.
async fn what_kustomize_made_is_helm_s_when_it_is_asked_for(cluster: &Cluster) -> Result<()> {
    // Of the same variant: fields of another one would stay.
    let (chart, kubeconfig) = (chart(), cluster.kubeconfig());
    let install = ["install", "lifeboat", &chart, "-n", "lifeboat"];
    for (which, how) in
        [("helm", &["--take-ownership"][..]), ("helm4", &["--take-ownership", "--force-conflicts"])]
    {
        kustomized(cluster, "resources").await?;
        let refusal =
            helm(which, Some(&kubeconfig), &install).err().context("it takes what is not its own")?;
        ensure!(refusal.to_string().contains("invalid ownership metadata"), "{refusal}");
        helm(which, Some(&kubeconfig), &[&install[..], how].concat())?;
        helm(which, Some(&kubeconfig), &["uninstall", "lifeboat", "-n", "lifeboat"])?;
    }
    Ok(())
}

/// The Prometheus Operator's own types take the objects of deploy/monitoring, whole.
async fn monitored(cluster: &Cluster) -> Result<()> {
    let dir = monitoring().display().to_string();
    cluster.kubectl(&["apply", "-k", &dir, "--server-side", "--warnings-as-errors"]).await?;
    for object in rendered(&monitoring())?.iter().filter(|it| it["kind"] != "ConfigMap") {
        let kind = object["kind"].as_str().context("no kind")?;
        let live = cluster.kubectl(&["get", kind, "lifeboat", "-n", "lifeboat", "-o", "json"]).await?;
        assert_eq!(serde_json::from_str::<Value>(&live)?["spec"], object["spec"]);
    }
    let text = fs::read_to_string(monitoring().join("podmonitor.yaml"))?;
    let file = tempfile::NamedTempFile::new()?;
    fs::write(file.path(), text.replace("{port: metrics", "{prot: metrics"))?;
    let path = file.path().display().to_string();
    let wrong = cluster.kubectl(&["apply", "--server-side", "-n", "lifeboat", "-f", &path]).await;
    let why = wrong.err().context("what the operator does not know is taken")?;
    ensure!(why.to_string().contains("prot"), "{why}");
    Ok(())
}

/// External Secrets' own type takes the component's objects, whole.
async fn secrets_are_fetched(cluster: &Cluster) -> Result<()> {
    know(cluster, "secrets-crds", "external-secrets.io", &["externalsecrets"]).await?;
    let file = place().join("kustomize/components/external-secrets/external-secrets.yaml");
    let path = file.display().to_string();
    cluster.kubectl(&["apply", "--server-side", "--warnings-as-errors", "-f", &path]).await?;
    for object in documents(&fs::read_to_string(&file)?)? {
        let name = object["metadata"]["name"].as_str().context("no name")?;
        let get = ["get", "externalsecret", name, "-n", "lifeboat", "-o", "json"];
        let live: Value = serde_json::from_str(&cluster.kubectl(&get).await?)?;
        // The server adds what it takes for granted.
        let given = &object["spec"]["data"];
        for (index, data) in given.as_array().context("no data")?.iter().enumerate() {
            let live = &live["spec"]["data"][index];
            assert_eq!(
                (&live["secretKey"], &live["remoteRef"]["key"]),
                (&data["secretKey"], &data["remoteRef"]["key"])
            );
        }
    }
    Ok(())
}
