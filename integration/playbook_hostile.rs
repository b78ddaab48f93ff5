//! Names that are chosen by an attacker: they are data wherever they are read, and stay what they are.

use crate::{
    lab::{ClusterOptions, with_cluster},
    playbook_case::{book, difference, journal, playbook, ship, state},
    playbook_run::approver,
    saved::tree,
};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::fs;

/// Takes a terminal over, asks for values, breaks tables, pages, paths and shells: all of it is allowed in the name of a role binding.
const NAME: &str = "..\n\u{1b}[2J\u{7}${params.word} {{params.word}} | <img src=x onerror=alert(1)> `$(id)` \"' ../..\u{202e}";

const STEPS: &str = "    - {id: found, action: resource.find, args: {kinds: [RoleBinding], namespaces: [ship], expr: \"object.roleRef.name == 'stowage'\"}, register: found}
    - {id: keep, phase: evidence, action: evidence.manifest, args: {targets: '${vars.found}'}}
    - {id: mark, forEach: vars.found, action: resource.annotate, args: {target: '${item}', set: {seen: '${item.name}'}}}
    - {id: gate, approve: {prompt: 'Is it ${vars.found[0].name} and ${vars.found[1].name}?', minApprovals: 1, timeout: 5m}}
    - {id: cut, action: rbac.detach, args: {subject: {kind: ServiceAccount, namespace: ship, name: crew}}}
";

/// What a terminal is shown: its lines are ours, and nothing in it is for the terminal itself.
fn is_plain(text: &str) -> bool {
    !text.chars().any(|c| (c.is_control() && c != '\n') || c == '\u{202e}')
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn playbook_takes_hostile_names_for_what_they_are() -> Result<()> {
    with_cluster(ClusterOptions::full(), async |cluster| {
        let boat = ship(cluster).await?;
        let alice = approver(&boat, "alice", "leads").await?;
        boat.edit(|text| format!("{text}\nplaybooks:\n  approvers:\n{alice}"))?;
        // Names of which the beginnings are the same, and longer than those of files.
        let names = ["1", "2"].map(|end| NAME.replace('/', "\\") + end);
        let [name, _] = &names;
        let binding = |name: &str| {
            json!({
                "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
                "metadata": {"name": name, "namespace": "ship", "annotations": {"note": "${params.word}"}},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "stowage"},
                "subjects": [{"kind": "ServiceAccount", "namespace": "ship", "name": "crew"}],
            })
        };
        for name in &names {
            let file = boat.path("binding.json");
            fs::write(&file, binding(name).to_string())?;
            cluster.kubectl(&["create", "-f", &file.display().to_string()]).await?;
        }
        let before = state(cluster).await?;
        let head = "  params: [{name: word, type: string, default: hush}]\n";
        playbook(&boat, "hostile", head, STEPS)?;

        let plan = book(&boat, "plan hostile.yaml --to plan.json").await.expect(0);
        ensure!(is_plain(&plan.stdout) && is_plain(&plan.stderr), "{plan:?}");
        let asks = book(&boat, "run hostile.yaml --plan plan.json --no-wait").await.expect(1);
        let status = book(&boat, "status latest").await.expect(0);
        let approved = book(&boat, "approve latest --step gate --as alice --key alice.key").await.expect(0);
        let ran = book(&boat, "resume latest").await.expect(0);
        let rows = book(&boat, "timeline latest").await.expect(0);
        for said in [&asks, &status, &approved, &ran, &rows] {
            ensure!(is_plain(&said.stdout) && is_plain(&said.stderr), "{said:?}");
            ensure!(!said.stdout.contains("hush") && !said.stderr.contains("hush"), "{said:?}");
        }
        ensure!(
            asks.stderr.contains("${params.word}") || status.stdout.contains("${params.word}"),
            "{asks:?} {status:?}"
        );

        // What is done is done to the one that has this name, and its name is written as it is.
        let read = async || -> Result<Value> {
            let all = cluster.kubectl(&["get", "rolebindings", "-n", "ship", "-o", "json"]).await?;
            let all: Value = serde_json::from_str(&all)?;
            let mut all = all["items"].as_array().into_iter().flatten();
            all.find(|it| it["metadata"]["name"] == *name).cloned().context("the binding")
        };
        let now = read().await?;
        assert_eq!(now["metadata"]["annotations"], json!({"note": "${params.word}", "seen": name}));
        ensure!(now.get("subjects").is_none(), "{now:#}");

        // In the journal, in what is kept and on the page it is what it was.
        let entries = journal(&boat)?;
        let told =
            entries.iter().filter(|it| it["what"] == "intent" && it.to_string().contains("\\u001b[2J"));
        assert_eq!(told.count(), 6, "each is kept, marked, and cut");
        ensure!(!entries.iter().any(|it| it.to_string().contains("hush")), "{entries:#?}");
        let runs = boat.path("store/lab/playbooks");
        let kept: Vec<_> = tree(&runs).into_iter().filter(|it| it.1.is_some()).map(|it| it.0).collect();
        let kept: Vec<_> = kept.iter().filter_map(|path| path.strip_prefix(&runs).ok()?.to_str()).collect();
        let artifacts: Vec<_> = kept.iter().filter(|path| path.contains("/artifacts/")).collect();
        ensure!(
            artifacts.iter().filter(|path| path.contains("rolebindings")).count() == 3,
            "each of them: {kept:?}"
        );
        let tame = |c: char| c.is_ascii_alphanumeric() || "-_./:".contains(c);
        for path in &kept {
            ensure!(path.chars().all(tame) && !path.split('/').any(|it| it.starts_with('.')), "{path:?}");
        }
        let page = book(&boat, "timeline latest --format html").await.expect(0).stdout;
        ensure!(!page.contains("<img") && page.contains("&lt;img") && !page.contains('\u{1b}'), "{page}");
        // A row of a table begins and ends on its line.
        let table =
            rows.stdout.lines().filter(|line| line.contains("params.word") && line.contains("annotations"));
        let table: Vec<_> = table.collect();
        ensure!(!table.is_empty(), "{rows:?}");
        for row in table {
            ensure!(row.starts_with("| ") && row.ends_with(" |"), "{row}");
            ensure!(row.replace("\\|", "").matches('|').count() == 4 && !row.contains("<img"), "{row}");
        }

        let undone = book(&boat, "undo latest").await.expect(0);
        ensure!(is_plain(&undone.stdout) && is_plain(&undone.stderr), "{undone:?}");
        assert_eq!(difference(&before, &state(cluster).await?), Vec::<String>::new());
        Ok(())
    })
    .await
}
