//! A drill that rehearses playbooks: carried out on what came back, and taken back.

use crate::{
    drill_case::{check, drill, failed},
    lab::{ClusterOptions, with_cluster},
    playbook_case::{playbook, pod, ship},
};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::fs;

/// Writes only, with who did it.
const AUDIT: &str = "\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - {level: Metadata, verbs: [create, update, patch, delete]}
  - {level: None}
";

/// The writes to the namespace of the ship that were done and not only tried, as the staging's API server tells them.
fn writes(log: &str) -> Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    for line in log.lines() {
        let event: Value = serde_json::from_str(line).context("the audit log")?;
        let tried = event["requestURI"].as_str().unwrap_or_default().contains("dryRun=All");
        let ok = event["responseStatus"]["code"].as_u64().is_some_and(|code| code < 300);
        if event["objectRef"]["namespace"] == "ship" && !tried && ok {
            let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            found.push((word(&event["verb"]), word(&event["objectRef"]["resource"])));
        }
    }
    Ok(found)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn playbooks_are_rehearsed_on_what_came_back_and_taken_back() -> Result<()> {
    with_cluster(ClusterOptions::full(), async |cluster| {
        let boat = ship(cluster).await?;
        let pod = pod(cluster).await?;
        boat.backup(&[]).await;
        let before = cluster.kubectl(&["get", "networkpolicies,pods,rolebindings", "-n", "ship", "-o", "yaml"]).await?;
        fs::write(boat.path("audit.yaml"), AUDIT)?;
        // What is still there after the first rehearsal was taken back, and a gate where nobody is.
        playbook(&boat, "after", "", concat!(
            "    - id: word\n      approve: {prompt: 'Go on?', timeout: 1h}\n",
            "    - id: alone\n      action: assert\n      args: {check: resource.find, kinds: [NetworkPolicy], namespaces: [ship], expect: 'result.size() == 1'}\n",
            "    - {id: label, action: resource.label, args: {target: {kind: Namespace, name: ship}, set: {sailed: 'yes'}}}\n",
        ))?;
        let deleted = concat!(env!("CARGO_MANIFEST_DIR"), "/runbooks/deleted-namespace/playbook.yaml");
        let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/runbooks/compromised-pod/playbook.yaml");
        let spec = |params: &str| format!(
            "apiVersion: lifeboat.dev/v1\nkind: Drill\nname: rehearsal\n\
             staging: {{controlplane: {{directory: staging, args: [--audit-policy-file={0}/audit.yaml, --audit-log-path={0}/audit.log]}}}}\n\
             severity: {{references: warning}}\nchecks:\n\
             - name: contain\n  playbook: {{file: {shipped}, params: {{{params}}}, within: 3m}}\n\
             - name: after\n  playbook: {{file: after.yaml}}\n\
             - name: back\n  playbook: {{file: {deleted}, params: {{incident: DRILL-1, namespace: ship}}}}\n",
            boat.dir().display()
        );

        fs::write(boat.path("drill.yaml"), spec(&format!("incident: DRILL-1, pod: ship/{pod}")))?;
        let evidence = drill(&boat, &[]).await.expect(0).json();
        assert_eq!(failed(&evidence), Vec::<String>::new(), "{evidence:#}");
        let contain = check(&evidence, "contain");
        let actual = contain["actual"].as_str().unwrap_or_default();
        ensure!(actual.contains("8 steps were done with 5 changes; 5 were taken back"), "{contain:#}");
        ensure!(contain["findings"].to_string().contains("left out: logs"), "{contain:#}");
        let after = check(&evidence, "after");
        ensure!(after["findings"].to_string().contains("left out: word"), "{after:#}");
        ensure!(after["actual"] == "2 steps were done with 1 change; 1 was taken back", "{after:#}");
        ensure!(evidence["phases"].to_string().contains("\"rehearsal\""), "{evidence:#}");

        // The staging's own log: a policy was made and is gone, the pod and the binding were changed and changed back.
        let log = fs::read_to_string(boat.path("audit.log"))?;
        let done = [
            ("update", "pods"),
            ("create", "networkpolicies"),
            ("update", "pods"),
            ("update", "rolebindings"),
            ("update", "rolebindings"),
            ("update", "pods"),
            ("delete", "networkpolicies"),
            ("update", "pods"),
            ("update", "namespaces"),
            ("update", "namespaces"),
        ];
        assert_eq!(writes(&log)?, done.map(|(verb, of)| (verb.to_owned(), of.to_owned())));
        let page = boat.run(&["drill", "report", "latest", "--format", "markdown", "--to", "-"]).await.expect(0).stdout;
        ensure!(page.contains("compromised-pod") && page.contains("rehearsal"), "{page}");

        // A pod that is not there: the drill fails with that, and no name of it is in what is not sealed.
        fs::remove_file(boat.path("audit.log"))?;
        fs::write(boat.path("drill.yaml"), spec("incident: DRILL-1, pod: ship/no-such-sailor"))?;
        let evidence = drill(&boat, &[]).await.expect(4).json();
        assert_eq!(failed(&evidence), ["contain"], "{evidence:#}");
        ensure!(!evidence.to_string().contains("no-such-sailor"), "{evidence:#}");
        let text = boat.run(&["drill", "run", "drill.yaml", "-i", "identity.txt"]).await.expect(4);
        ensure!(text.stdout.contains("no-such-sailor"), "{}", text.stdout);
        let all = writes(&fs::read_to_string(boat.path("audit.log"))?)?;
        ensure!(all.iter().all(|(_, of)| of == "namespaces"), "{all:?}");

        // A playbook with a mistake stops the drill before it begins.
        fs::write(boat.path("after.yaml"), "apiVersion: lifeboat.dev/v1\nkind: Playbook\nmetadata: {name: after}\nspec: {step: []}\n")?;
        let ran = boat.run(&["drill", "run", "drill.yaml", "-i", "identity.txt"]).await.expect(2);
        ensure!(ran.stderr.contains("after.yaml") && ran.stderr.contains("steps"), "{}", ran.stderr);

        // The source has seen nothing of all that.
        let now = cluster.kubectl(&["get", "networkpolicies,pods,rolebindings", "-n", "ship", "-o", "yaml"]).await?;
        assert_eq!(now, before);
        Ok(())
    })
    .await
}
