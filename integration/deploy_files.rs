//! What stands in deploy/: each manifest is read, and every job keeps to what deploy/README.md promises of it.

use crate::{
    boat::Lifeboat,
    deploy_case::{OVERLAYS, example, on_its_node_s_network, place, rendered, template, with_events},
};
use anyhow::{Context, Result, ensure};
use lifeboat::config::{Config, DrillSpec};
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

/// The pods of a CronJob or a Deployment.
fn pod(of: &Value) -> &Value {
    &template(of).expect("it makes pods")["spec"]
}

/// What makes pods.
fn workloads(objects: &[Value]) -> Vec<&Value> {
    [of_kind(objects, "CronJob"), of_kind(objects, "Deployment")].concat()
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
        let drill = file.starts_with(place().join("kustomize/drill"));
        ensure!(
            drill || !text.contains("identity"),
            "{}: an identity has no business in the cluster",
            file.display()
        );
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
        assert_eq!(config.etcd.is_some(), overlay.contains("control-plane"));
        let jobs = workloads(&objects);
        let names: Vec<&str> = jobs.iter().map(|job| name(job)).collect();
        let wanted: &[&str] = match overlay.starts_with("daemon") {
            true => &["lifeboat-prune", "lifeboat-daemon"],
            false => &["lifeboat-backup", "lifeboat-prune", "lifeboat-verify"],
        };
        assert_eq!(names, wanted, "{overlay}");
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
        for job in workloads(&objects) {
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
            let asks = ["lifeboat-backup", "lifeboat-daemon"].contains(&name(job));
            let shared = on_its_node_s_network(overlay) && asks;
            assert_eq!(pod["hostNetwork"], if shared { json!(true) } else { Value::Null }, "{what}");
            assert_eq!(pod["serviceAccountName"], name(job), "{what}");
            assert_eq!(pod["automountServiceAccountToken"], json!(asks), "{what}");
            if job["kind"] == "Deployment" {
                continue;
            }
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
        }
        let labels = &of_kind(&objects, "Namespace")[0]["metadata"]["labels"];
        let enforced = if on_its_node_s_network(overlay) { "privileged" } else { "restricted" };
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
        ensure!(of_kind(&objects, "Secret").is_empty(), "{overlay}");
        let bindings = of_kind(&objects, "ClusterRoleBinding");
        let who = if overlay.starts_with("daemon") { "lifeboat-daemon" } else { "lifeboat-backup" };
        let subject = json!([{"kind": "ServiceAccount", "name": who, "namespace": "lifeboat"}]);
        assert_eq!((bindings.len(), &bindings[0]["subjects"]), (1, &subject), "{overlay}");
        // Beside that, to tell events of the one object that its pods come from.
        let (group, plural, of) = match overlay.starts_with("daemon") {
            true => ("apps", "deployments", "lifeboat-daemon"),
            false => ("batch", "cronjobs", "lifeboat-backup"),
        };
        let (roles, bindings) = (of_kind(&objects, "Role"), of_kind(&objects, "RoleBinding"));
        let telling = json!([
            {"apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["create", "patch"]},
            {"apiGroups": [group], "resources": [plural], "resourceNames": [of], "verbs": ["get"]},
        ]);
        assert_eq!((roles.len(), &roles[0]["rules"]), (1, &telling), "{overlay}");
        assert_eq!((bindings.len(), &bindings[0]["subjects"]), (1, &subject), "{overlay}");
        for account in of_kind(&objects, "ServiceAccount") {
            assert_eq!(account["automountServiceAccountToken"], false, "{overlay}");
        }
        for job in workloads(&objects) {
            assert_eq!(
                told_of(job),
                (name(job) == of).then(|| format!("{}/{of}", plural.trim_end_matches('s')))
            );
            let needed = match (name(job), overlay) {
                ("lifeboat-prune", _) => vec!["lifeboat-store-prune"],
                ("lifeboat-backup" | "lifeboat-daemon", overlay) if overlay.contains("control-plane") => {
                    vec!["lifeboat-signing", "lifeboat-store", "lifeboat-etcd"]
                }
                _ => vec!["lifeboat-signing", "lifeboat-store"],
            };
            assert_eq!(secrets(job), needed, "{overlay}: {}", name(job));
        }
    }
    Ok(())
}

/// Of what a workload's pods tell events.
fn told_of(job: &Value) -> Option<String> {
    let env = pod(job)["containers"][0]["env"].as_array().into_iter().flatten();
    let mut named = env.filter(|it| it["name"] == "LIFEBOAT_EVENTS");
    named.next().and_then(|it| it["value"].as_str().map(str::to_owned))
}

/// Who asks for it gets events of every job, and a token for each that can do nothing else.
#[test]
fn every_job_tells_events_where_that_is_asked_for() -> Result<()> {
    for overlay in OVERLAYS {
        let plain = rendered(&place().join("kustomize/overlays").join(overlay))?;
        let objects = with_events(overlay)?;
        assert_eq!(objects.len(), plain.len(), "{overlay}");
        let mut told = Vec::new();
        for job in workloads(&objects) {
            let kind = job["kind"].as_str().context("no kind")?.to_ascii_lowercase();
            assert_eq!(told_of(job), Some(format!("{kind}/{}", name(job))), "{overlay}");
            assert_eq!(pod(job)["automountServiceAccountToken"], true, "{overlay}: {}", name(job));
            told.push(name(job));
        }
        for kind in ["ClusterRole", "ClusterRoleBinding"] {
            assert_eq!(of_kind(&objects, kind), of_kind(&plain, kind), "{overlay}");
        }
        // Who tells is just who is there, each by its own account.
        let rules = of_kind(&objects, "Role")[0]["rules"].as_array().context("no rules")?;
        let known = rules.iter().flat_map(|rule| rule["resourceNames"].as_array().into_iter().flatten());
        let bound = of_kind(&objects, "RoleBinding")[0]["subjects"].as_array().context("nobody")?;
        let bound = bound.iter().map(|it| &it["name"]);
        let accounts = of_kind(&objects, "ServiceAccount").into_iter().map(|it| &it["metadata"]["name"]);
        told.sort();
        for mut all in [known.collect::<Vec<_>>(), bound.collect(), accounts.collect()] {
            all.sort_by_key(|it| it.as_str());
            assert_eq!(all, told, "{overlay}");
        }
        ensure!(rules.len() == 3 && rules[1..].iter().all(|it| it["verbs"] == json!(["get"])), "{rules:?}");
        let policies = of_kind(&objects, "NetworkPolicy");
        let api = policies.into_iter().find(|it| name(it) == "lifeboat-api-server").context("none")?;
        let who = &api["spec"]["podSelector"]["matchExpressions"][0]["values"];
        assert_eq!(who, &json!(["backup", "daemon", "verify", "prune"]), "{overlay}");
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
            if name(policy) == "lifeboat-metrics" {
                let only = json!([{
                    "from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}],
                    "ports": [{"protocol": "TCP", "port": 9797}],
                }]);
                assert_eq!(policy["spec"]["ingress"], only, "{overlay}");
                continue;
            }
            ensure!(policy["spec"]["ingress"].is_null(), "{overlay}: {}", name(policy));
            assert_eq!(policy["metadata"]["namespace"], "lifeboat", "{overlay}: {}", name(policy));
            let only = policy["spec"]["podSelector"]["matchExpressions"][0]["values"].as_array();
            let only = only.map(|who| {
                assert_eq!(*who, [json!("backup"), json!("daemon")], "{overlay}: {}", name(policy));
                "backup"
            });
            let rules = policy["spec"]["egress"].as_array().into_iter().flatten();
            for port in rules.flat_map(|rule| rule["ports"].as_array().cloned().unwrap_or_default()) {
                ports.push((only.unwrap_or("all").to_owned(), port["port"].as_u64()));
            }
        }
        ports.sort();
        ports.dedup();
        let mut wanted = vec![("all", 53), ("all", 443), ("backup", 443), ("backup", 6443)];
        if overlay.contains("control-plane") {
            wanted.push(("backup", 2379));
        }
        let mut wanted: Vec<_> = wanted.into_iter().map(|(who, port)| (who.to_owned(), Some(port))).collect();
        wanted.sort();
        assert_eq!(ports, wanted, "{overlay}");
    }
    Ok(())
}

/// A daemon has the time that its configuration gives what runs, answers where it is asked, and is not alone where that can be.
#[test]
fn daemons_fit_their_configuration() -> Result<()> {
    for (overlay, objects) in variants()? {
        let deployments = of_kind(&objects, "Deployment");
        if !overlay.starts_with("daemon") {
            assert_eq!(deployments, Vec::<&Value>::new());
            continue;
        }
        let [deployment] = deployments[..] else { panic!("{deployments:?}") };
        let config = Config::parse(&example(overlay)?, Path::new("lifeboat.yaml"))?;
        ensure!(config.schedules.iter().all(|it| it.run.prune.is_none()), "what deletes stays apart");
        ensure!(!config.schedules.is_empty());
        let (pod, replicas) = (pod(deployment), &deployment["spec"]["replicas"]);
        let patience = pod["terminationGracePeriodSeconds"].as_u64().context("no patience")?;
        ensure!(patience >= config.daemon.grace.as_secs() + 60, "{patience}");
        // On their node's network two of a node would be in each other's way.
        let host = on_its_node_s_network(overlay).then_some("127.0.0.1");
        assert_eq!(*replicas, if host.is_some() { 1 } else { 2 });
        let rolling = &deployment["spec"]["strategy"]["rollingUpdate"];
        let surge = if host.is_some() { 0 } else { 1 };
        assert_eq!(*rolling, json!({"maxSurge": surge, "maxUnavailable": 1 - surge}), "{overlay}");
        let listen = config.daemon.listen.context("it does not listen")?.address();
        assert_eq!(listen.ip().is_loopback(), host.is_some(), "{overlay}");
        let port = listen.port();
        let container = &pod["containers"][0];
        assert_eq!(container["ports"], json!([{"name": "metrics", "containerPort": port}]));
        for (probe, path) in [("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")] {
            let mut asked = json!({"path": path, "port": "metrics"});
            if let Some(host) = host {
                asked["host"] = host.into();
            }
            assert_eq!(container[probe]["httpGet"], asked);
        }
        assert_eq!(pod["topologySpreadConstraints"][0]["topologyKey"], "kubernetes.io/hostname");
        let labels = &deployment["spec"]["template"]["metadata"]["labels"];
        let service = of_kind(&objects, "Service")[0];
        assert_eq!(
            (&service["spec"]["selector"], &service["spec"]["ports"][0]["port"]),
            (labels, &json!(port))
        );
        let budget = of_kind(&objects, "PodDisruptionBudget")[0];
        assert_eq!(budget["spec"]["selector"]["matchLabels"], *labels);
        // Its ConfigMap keeps its name, so that its change is a change of the mounted file.
        assert_eq!(name(of_kind(&objects, "ConfigMap")[0]), "lifeboat-config");
    }
    Ok(())
}

/// The drill is by itself: no token, nothing of the cluster's network, the one place with the identity, and a directory to work in.
#[test]
fn the_drill_is_restricted_and_apart() -> Result<()> {
    let objects = rendered(&place().join("kustomize/drill"))?;
    for object in objects.iter().filter(|object| object["kind"] != "Namespace") {
        assert_eq!(object["metadata"]["namespace"], "lifeboat-drill", "{}", name(object));
    }
    ensure!(objects.iter().all(|object| !object["kind"].to_string().contains("Role")));
    let job = of_kind(&objects, "CronJob")[0];
    let (pod, container) = (pod(job), &pod(job)["containers"][0]);
    let security = json!({
        "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]},
    });
    assert_eq!(
        (&container["securityContext"], &pod["automountServiceAccountToken"]),
        (&security, &json!(false))
    );
    let volumes = pod["volumes"].as_array().context("no volumes")?;
    ensure!(volumes.len() == 2 && volumes[1]["emptyDir"]["sizeLimit"].is_string(), "{volumes:?}");
    assert_eq!(secrets(job), ["lifeboat-signing", "lifeboat-identity", "lifeboat-store"]);
    let args = container["args"].as_array().into_iter().flatten().filter_map(Value::as_str);
    lifeboat::cli::command().try_get_matches_from(["lifeboat"].into_iter().chain(args))?;
    let data = &of_kind(&objects, "ConfigMap")[0]["data"];
    let text = |file: &str| data[file].as_str().context("no file");
    Config::parse(text("lifeboat.yaml")?, Path::new("lifeboat.yaml"))?;
    DrillSpec::parse(text("quarterly.yaml")?, Path::new("quarterly.yaml"))?;
    Ok(())
}

/// The two services are as closed as each other.
#[test]
fn units_share_their_hardening() -> Result<()> {
    let closed = |unit: &str| -> Result<Vec<String>> {
        let text = fs::read_to_string(place().join("systemd").join(unit))?;
        let lines = text.split("\nUser=").nth(1).context("no user")?.split("\n\n").next().unwrap_or_default();
        Ok(lines.lines().map(str::to_owned).collect())
    };
    let lines = closed("lifeboat.service")?;
    assert_eq!(lines, closed("lifeboat-backup.service")?);
    ensure!(lines.len() > 25 && lines.contains(&"CapabilityBoundingSet=".to_owned()), "{lines:?}");
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
