//! What stands in deploy/: each manifest is read, and every job keeps to what deploy/README.md promises of it.

use crate::{
    boat::Lifeboat,
    deploy_case::{OVERLAYS, example, place, rendered},
};
use anyhow::{Context, Result, ensure};
use lifeboat::config::Config;
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
};

fn variants() -> Result<Vec<(&'static str, Vec<Value>)>> {
    let render = |overlay| Ok((overlay, rendered(&place().join("kustomize/overlays").join(overlay))?));
    OVERLAYS.into_iter().map(render).collect()
}

fn of_kind<'a>(objects: &'a [Value], kind: &str) -> Vec<&'a Value> {
    objects.iter().filter(|object| object["kind"] == kind).collect()
}

fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

/// The pods of a CronJob.
fn pod(job: &Value) -> &Value {
    &job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
}

fn secrets(job: &Value) -> Vec<&str> {
    let sources = pod(job)["volumes"][0]["projected"]["sources"].as_array().into_iter().flatten();
    sources.filter_map(|source| source["secret"]["name"].as_str()).collect()
}

#[test]
fn every_manifest_is_read() -> Result<()> {
    fn walk(dir: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
        for entry in fs::read_dir(dir)? {
            match entry?.path() {
                path if path.is_dir() => walk(&path, files)?,
                path => files.push(path),
            }
        }
        Ok(())
    }
    let mut files = Vec::new();
    walk(&place().join("kustomize"), &mut files)?;
    for file in &files {
        let text = fs::read_to_string(file)?;
        for document in text.split("\n---\n") {
            let object: Value = serde_yaml::from_str(document).with_context(|| file.display().to_string())?;
            ensure!(object["kind"].is_string() && object["apiVersion"].is_string(), "{}", file.display());
        }
        ensure!(!text.contains("identity"), "{}: an identity has no business in the cluster", file.display());
    }
    ensure!(files.len() > 10, "{files:?}");
    Ok(())
}

#[test]
fn each_variant_s_configuration_and_commands_are_accepted() -> Result<()> {
    for (overlay, objects) in variants()? {
        let maps = of_kind(&objects, "ConfigMap");
        let [map] = maps[..] else { panic!("{overlay}: {maps:?}") };
        let text = map["data"]["lifeboat.yaml"].as_str().context("no configuration")?;
        assert_eq!(text, example(overlay)?);
        let config = Config::parse(text, Path::new("lifeboat.yaml"))?;
        assert_eq!(config.etcd.is_some(), overlay != "resources");
        let jobs = of_kind(&objects, "CronJob");
        let names: Vec<&str> = jobs.iter().map(|job| name(job)).collect();
        assert_eq!(names, ["lifeboat-backup", "lifeboat-prune", "lifeboat-verify"]);
        for job in jobs {
            let container = &pod(job)["containers"][0];
            let args = container["args"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let all: Vec<&str> = ["lifeboat"].into_iter().chain(args).collect();
            lifeboat::cli::command().try_get_matches_from(&all)?;
            assert_eq!(all.contains(&"--resources-only"), overlay == "resources" && all[1] == "backup");
            let released = format!("lifeboat:{}", env!("CARGO_PKG_VERSION"));
            assert_eq!(container["image"], json!(released), "of Cargo.toml");
            let config = pod(job)["volumes"][0]["projected"]["sources"][0]["configMap"]["name"].as_str();
            assert_eq!(config, Some(name(map)), "{overlay}");
        }
    }
    Ok(())
}

#[test]
fn jobs_are_restricted_and_end() -> Result<()> {
    for (overlay, objects) in variants()? {
        for job in of_kind(&objects, "CronJob") {
            let (spec, pod) = (&job["spec"], pod(job));
            let what = format!("{overlay}: {}", name(job));
            assert_eq!(pod["containers"].as_array().map(Vec::len), Some(1), "{what}");
            let container = &pod["containers"][0];
            let security = json!({
                "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]},
            });
            assert_eq!(container["securityContext"], security, "{what}");
            let context = &pod["securityContext"];
            assert_eq!(context["runAsNonRoot"], true, "{what}");
            assert_eq!(
                (&context["runAsUser"], &context["runAsGroup"]),
                (&json!(65532), &json!(65532)),
                "{what}"
            );
            assert_eq!(context["seccompProfile"], json!({"type": "RuntimeDefault"}), "{what}");
            for way in ["requests", "limits"] {
                let amounts = &container["resources"][way];
                ensure!(amounts["cpu"].is_string() && amounts["memory"].is_string(), "{what}");
            }
            let volumes = pod["volumes"].as_array().context("no volumes")?;
            ensure!(volumes.len() == 1 && volumes[0]["projected"].is_object(), "{what}: {volumes:?}");
            assert_eq!(spec["concurrencyPolicy"], "Forbid", "{what}");
            let numbers = [
                &spec["startingDeadlineSeconds"],
                &spec["successfulJobsHistoryLimit"],
                &spec["failedJobsHistoryLimit"],
            ];
            let template = &spec["jobTemplate"]["spec"];
            let more = [&template["backoffLimit"], &template["activeDeadlineSeconds"]];
            ensure!(
                numbers.iter().chain(&more).all(|number| number.is_u64()),
                "{what}: {numbers:?} {more:?}"
            );
            let backup = name(job) == "lifeboat-backup";
            let shared = overlay == "control-plane-loopback" && backup;
            assert_eq!(pod["hostNetwork"], if shared { json!(true) } else { Value::Null }, "{what}");
            assert_eq!(pod["serviceAccountName"], name(job), "{what}");
            assert_eq!(pod["automountServiceAccountToken"], json!(backup), "{what}");
        }
        let labels = &of_kind(&objects, "Namespace")[0]["metadata"]["labels"];
        let enforced = if overlay == "control-plane-loopback" { "privileged" } else { "restricted" };
        assert_eq!(labels["pod-security.kubernetes.io/enforce"], enforced);
        assert_eq!(labels["pod-security.kubernetes.io/warn"], "restricted");
    }
    Ok(())
}

#[test]
fn rights_and_secrets_are_no_more_than_each_job_needs() -> Result<()> {
    for (overlay, objects) in variants()? {
        let roles = of_kind(&objects, "ClusterRole");
        assert_eq!(roles.len(), 1, "{overlay}");
        for rule in roles[0]["rules"].as_array().context("no rules")? {
            let everything = rule["resources"] == json!(["*"]);
            assert_eq!(rule["verbs"], if everything { json!(["list"]) } else { json!(["get"]) }, "{overlay}");
        }
        ensure!(of_kind(&objects, "Role").is_empty() && of_kind(&objects, "Secret").is_empty(), "{overlay}");
        let bindings = of_kind(&objects, "ClusterRoleBinding");
        let subject = json!([{"kind": "ServiceAccount", "name": "lifeboat-backup", "namespace": "lifeboat"}]);
        assert_eq!((bindings.len(), &bindings[0]["subjects"]), (1, &subject), "{overlay}");
        for account in of_kind(&objects, "ServiceAccount") {
            assert_eq!(account["automountServiceAccountToken"], false, "{overlay}");
        }
        for job in of_kind(&objects, "CronJob") {
            let needed = match (name(job), overlay) {
                ("lifeboat-prune", _) => vec!["lifeboat-store-prune"],
                ("lifeboat-backup", "control-plane" | "control-plane-loopback") => {
                    vec!["lifeboat-signing", "lifeboat-store", "lifeboat-etcd"]
                }
                _ => vec!["lifeboat-signing", "lifeboat-store"],
            };
            assert_eq!(secrets(job), needed, "{overlay}: {}", name(job));
        }
    }
    Ok(())
}

#[test]
fn the_network_is_closed_but_for_what_is_needed() -> Result<()> {
    for (overlay, objects) in variants()? {
        let policies = of_kind(&objects, "NetworkPolicy");
        let deny = policies.iter().find(|policy| name(policy) == "lifeboat-deny").context("no denial")?;
        assert_eq!(
            deny["spec"],
            json!({"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}),
            "{overlay}"
        );
        let mut ports = Vec::new();
        for policy in &policies {
            ensure!(policy["spec"]["ingress"].is_null(), "{overlay}: {}", name(policy));
            assert_eq!(policy["metadata"]["namespace"], "lifeboat", "{overlay}: {}", name(policy));
            let only = policy["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/component"].as_str();
            let rules = policy["spec"]["egress"].as_array().into_iter().flatten();
            for port in rules.flat_map(|rule| rule["ports"].as_array().cloned().unwrap_or_default()) {
                ports.push((only.unwrap_or("all").to_owned(), port["port"].as_u64()));
            }
        }
        ports.sort();
        ports.dedup();
        let mut wanted = vec![("all", 53), ("all", 443), ("backup", 443), ("backup", 6443)];
        if overlay != "resources" {
            wanted.push(("backup", 2379));
        }
        let mut wanted: Vec<_> = wanted.into_iter().map(|(who, port)| (who.to_owned(), Some(port))).collect();
        wanted.sort();
        assert_eq!(ports, wanted, "{overlay}");
    }
    Ok(())
}

#[tokio::test]
async fn an_example_is_not_taken_for_a_configuration() -> Result<()> {
    let dir = tempfile::Builder::new().prefix("lifeboat-example-").tempdir()?;
    let boat = Lifeboat::init(dir.path(), None, None).await?;
    for overlay in OVERLAYS {
        // With every other file that it names.
        fs::write(boat.path("example.yaml"), example(overlay)?)?;
        for file in ["s3-id", "s3-secret"] {
            fs::write(boat.path(file), "id")?;
        }
        let ran = boat.run(&["backup", "-c", "example.yaml", "--resources-only"]).await;
        assert_eq!(ran.code, 2, "{ran:?}");
        ran.says("recipients.txt");
    }
    Ok(())
}
