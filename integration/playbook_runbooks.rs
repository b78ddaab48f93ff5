//! Every shipped playbook: planned, carried out on a real API server, its effect seen, and taken back.

use crate::{
    boat::Lifeboat,
    lab::{Cluster, ClusterOptions, eventually, with_cluster},
    playbook_case::{book, difference, get, pod, ship, state},
};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::{collections::BTreeMap, path::Path, time::Duration};

/// One shipped playbook, and how it is tried.
pub struct Trial {
    pub name: &'static str,
    /// `{pod}` and `{node}` are those of the moment.
    params: String,
    /// What is refused, or gone, once it was run: the words of a kubectl command that must say `seen`.
    look: &'static str,
    seen: &'static str,
    /// Does everything come back with `undo`?
    pub whole: bool,
    /// The step that somebody has to approve.
    pub gate: Option<&'static str>,
}

impl Trial {
    /// With what it is planned, and run; and on which node, if it is about one.
    pub async fn line(&self, cluster: &Cluster) -> Result<(String, String)> {
        let (mut params, mut place) = (self.params.clone(), "(none)".to_owned());
        if params.contains('{') {
            let name = pod(cluster).await?;
            let shown = get(cluster, "pod", &name).await?;
            let node = shown["spec"]["nodeName"].as_str().context("a node")?;
            params = params.replace("{pod}", &name).replace("{node}", node);
            place = node.to_owned();
        }
        Ok((format!("{} -p incident=INC-7 {params}", file(self.name)), place))
    }
}

/// The file of a shipped playbook.
pub fn file(name: &str) -> String {
    let runbooks = Path::new(env!("CARGO_MANIFEST_DIR")).join("runbooks");
    runbooks.join(name).join("playbook.yaml").display().to_string()
}

const MORE: &str = "\
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingWebhookConfiguration
metadata: {name: injector}
webhooks:
  - name: injector.example.com
    admissionReviewVersions: [v1]
    sideEffects: None
    failurePolicy: Ignore
    namespaceSelector: {matchLabels: {injected: 'yes'}}
    rules: [{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [pods]}]
    clientConfig: {url: 'https://127.0.0.1:1/inject'}
";

/// The state without what controllers make anew.
pub async fn settled(cluster: &Cluster) -> Result<BTreeMap<String, Value>> {
    let deck =
        cluster.kubectl(&["get", "deployment", "deck", "-n", "ship", "--ignore-not-found", "-o", "name"]);
    if deck.await.is_ok_and(|found| !found.trim().is_empty()) {
        cluster.kubectl(&["rollout", "status", "deployment", "deck", "-n", "ship", "--timeout=90s"]).await?;
    }
    let mut all = state(cluster).await?;
    all.retain(|name, _| !name.starts_with("core/pods/") && !name.starts_with("apps/replicasets/"));
    for object in all.values_mut() {
        // Another UID is what a service account gets that is made anew, and a controller counts revisions.
        object["metadata"]["uid"] = Value::Null;
        object["metadata"]["creationTimestamp"] = Value::Null;
        if let Some(notes) = object["metadata"]["annotations"].as_object_mut() {
            notes.remove("deployment.kubernetes.io/revision");
            notes.remove("lifeboat.dev/run");
        }
        if let Some(labels) = object["metadata"]["labels"].as_object_mut() {
            labels.remove("lifeboat.dev/run");
        }
        for name in ["annotations", "labels"] {
            if object["metadata"][name].as_object().is_some_and(serde_json::Map::is_empty)
                || object["metadata"][name].is_null()
            {
                object["metadata"].as_object_mut().context("metadata")?.remove(name);
            }
        }
    }
    Ok(all)
}

async fn tried(cluster: &Cluster, boat: &Lifeboat, trial: &Trial) -> Result<()> {
    let (line, _) = trial.line(cluster).await?;
    let before = settled(cluster).await?;
    let plan = book(boat, &format!("plan {line} -o json")).await.expect(0).json();
    assert_eq!(
        difference(&before, &settled(cluster).await?),
        Vec::<String>::new(),
        "{}: a plan changes nothing",
        trial.name
    );
    let errors: Vec<&Value> =
        plan["findings"].as_array().context("findings")?.iter().filter(|it| it["level"] == "error").collect();
    ensure!(errors.is_empty(), "{errors:#?}");
    let rights = book(boat, &format!("rbac {line} -o json")).await.expect(0).json();
    let said = rights.to_string();
    ensure!(rights["items"].as_array().is_some_and(|it| it.len() >= 2) && !said.contains("\"*\""), "{said}");

    let code = if trial.gate.is_some() { 1 } else { 0 };
    let ran = book(boat, &format!("run {line} --yes --no-wait")).await;
    // Logs are a kubelet's, and there is none: that step may fail, and the run goes on.
    ensure!(ran.code == code || (code == 0 && ran.code == 3 && trial.name == "compromised-pod"), "{ran:?}");
    if let Some(gate) = trial.gate {
        book(boat, &format!("approve latest --step {gate} --as alice --key alice.key")).await.expect(0);
        book(boat, "resume latest").await.expect(0);
    }
    let words: Vec<&str> = trial.look.split(' ').collect();
    eventually(trial.name, Duration::from_secs(30), async || {
        let seen = match cluster.kubectl(&words).await {
            Ok(said) => said,
            Err(e) => format!("{e:#}"),
        };
        Ok(seen.contains(trial.seen).then_some(()))
    })
    .await?;
    let page = book(boat, "timeline latest --format html").await.expect(0).stdout;
    ensure!(page.contains("</html>") && page.contains("INC-7"));

    let undone = book(boat, "undo latest").await;
    ensure!(undone.code == if trial.whole { 0 } else { 3 }, "{undone:?}");
    let mut left = Vec::new();
    let back = eventually("the state of before", Duration::from_secs(60), async || {
        left = difference(&before, &settled(cluster).await?);
        Ok(left.is_empty().then_some(()))
    })
    .await;
    back.with_context(|| format!("{}: {left:?}", trial.name))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn playbook_runbooks_are_all_in_order_have_a_page_and_are_exported() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let boat = Lifeboat::init(dir.path(), None, None).await?;
    let runbooks = Path::new(env!("CARGO_MANIFEST_DIR")).join("runbooks");
    book(&boat, &format!("lint {}", runbooks.display())).await.expect(0);
    let mut count = 0;
    for entry in std::fs::read_dir(&runbooks)? {
        let directory = entry?.path();
        let file = directory.join("playbook.yaml");
        if !file.exists() {
            continue;
        }
        count += 1;
        let name = directory.file_name().context("a name")?.to_string_lossy().into_owned();
        let page = std::fs::read_to_string(directory.join("README.md"))?;
        for word in
            ["**Symptoms.**", "**Decide.**", "**How to stop it.**", "**How to undo it.**", "**Tell.**"]
        {
            ensure!(page.contains(word), "{name} does not say {word}");
        }
        let text = std::fs::read_to_string(&file)?;
        let parsed: Value = serde_yaml::from_str(&text)?;
        assert_eq!(parsed["metadata"]["name"], name.as_str());
        for step in parsed["spec"]["steps"].as_array().context("steps")? {
            let id = step["id"].as_str().context("an id")?;
            ensure!(page.contains(&format!("`{id}`")), "the page of {name} does not tell what {id} does");
        }
        let cacao = book(&boat, &format!("export {} --cacao", file.display())).await.expect(0).json();
        assert_eq!((&cacao["spec_version"], &cacao["name"]), (&"cacao-2.0".into(), &name.as_str().into()));
        // Every step that is named is there, and every way leads on to the end.
        let steps = cacao["workflow"].as_object().context("a workflow")?;
        for (id, step) in steps {
            let next = ["on_completion", "on_success", "on_failure", "on_true", "on_false"];
            let ways: Vec<&str> = next.iter().filter_map(|it| step[*it].as_str()).collect();
            let ways: Vec<&str> = ways
                .into_iter()
                .chain(step["next_steps"].as_array().into_iter().flatten().filter_map(Value::as_str))
                .collect();
            ensure!(step["type"] == "end" || !ways.is_empty(), "{name}: {id} leads nowhere");
            for way in ways {
                ensure!(steps.contains_key(way), "{name}: {id} leads to {way}, which is not there");
            }
        }
        ensure!(steps.contains_key(cacao["workflow_start"].as_str().unwrap_or_default()));
    }
    ensure!(count >= 11, "{count}");
    Ok(())
}

/// The ship with all that the playbooks are about, and somebody who can agree.
pub async fn fleet(cluster: &Cluster) -> Result<Lifeboat> {
    let boat = ship(cluster).await?;
    cluster.add_node("node-1").await?;
    crate::lab::fill::apply(&cluster.client().await?, MORE).await?;
    let approver = crate::playbook_run::approver(&boat, "alice", "leads").await?;
    boat.edit(|text| format!("{text}\nplaybooks:\n  approvers:\n{approver}"))?;
    let image = format!("app=registry.example.com/deck@{}", digest());
    cluster.kubectl(&["set", "image", "deployment/deck", "-n", "ship", &image]).await?;
    cluster.kubectl(&["rollout", "status", "deployment", "deck", "-n", "ship", "--timeout=90s"]).await?;
    pod(cluster).await?;
    Ok(boat)
}

fn digest() -> String {
    format!("sha256:{}", "ab".repeat(32))
}

/// One of those that bring back what is gone.
pub fn restoring(name: &'static str, params: &str) -> Trial {
    let params = format!("{params} -i identity.txt");
    Trial {
        name,
        params,
        look: "get deployment deck -n ship",
        seen: "deck",
        whole: false,
        gate: Some("restore"),
    }
}

/// Every shipped playbook that needs no recovery point.
pub fn trials() -> Vec<Trial> {
    let can = "get rolebinding crew -n ship -o jsonpath=<{.subjects}>";
    let trial = |name, params: &str, look, seen| {
        let params = params.to_owned();
        Trial { name, params, look, seen, whole: true, gate: None }
    };
    vec![
        trial(
            "malicious-webhook",
            "-p webhook=injector",
            "get mutatingwebhookconfiguration injector -o jsonpath=<{.webhooks}>",
            "<>",
        ),
        trial("rbac-escalation", "-p account=ship/crew -p namespace=ship", can, "<>"),
        trial(
            "bad-deployment",
            "-p deployment=ship/deck",
            "get pods -n ship -l app=deck -o jsonpath={.items[*].spec.containers[0].image}",
            "registry.example.com/deck registry.example.com/deck",
        ),
        trial(
            "malicious-image",
            &format!("-p digest={}", digest()),
            "get validatingadmissionpolicies",
            "lifeboat-",
        ),
        trial("compromised-node", "-p node={node}", can, "<>"),
        trial("compromised-pod", "-p pod=ship/{pod}", can, "<>"),
        Trial {
            whole: false,
            gate: Some("gate"),
            ..trial("leaked-credential", "-p account=ship/crew", can, "<>")
        },
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn playbook_runbooks_are_carried_out_and_taken_back() -> Result<()> {
    with_cluster(ClusterOptions::full(), async |cluster| {
        let boat = fleet(cluster).await?;
        for trial in trials() {
            tried(cluster, &boat, &trial).await?;
        }
        Ok(())
    })
    .await
}
