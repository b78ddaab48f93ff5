//! Playbooks on a real cluster: planned, carried out, approved, taken back.

use crate::{
    boat::Lifeboat,
    lab::{ClusterOptions, eventually, with_cluster},
    playbook_case::{POD, book, difference, forget, get, journal, playbook, pod, ship, state},
};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::{fs, time::Duration};

const CONTAIN: &str = "    - {id: protect, phase: containment, action: pod.protect, args: {target: '${params.pod}', annotations: {incident: INC-7}}}
    - {id: isolate, phase: containment, action: pod.isolate, args: {target: '${params.pod}'}}
    - {id: open, phase: verification, action: network.exposure, args: {target: '${params.pod}'}, register: open}
    - id: cut
      phase: containment
      action: rbac.detach
      args: {subject: {kind: ServiceAccount, namespace: ship, name: crew}}
    - {id: hold, action: node.cordon, args: {node: node-0}}
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn playbook_contains_a_pod_and_gives_everything_back() -> Result<()> {
    with_cluster(ClusterOptions::full(), async |cluster| {
        let boat = ship(cluster).await?;
        let pod = pod(cluster).await?;
        let before = state(cluster).await?;
        playbook(&boat, "contain", POD, CONTAIN)?;
        let line = format!("contain.yaml -p pod=ship/{pod}");

        // A plan changes nothing, and is the same for whoever asks twice.
        let plan = book(&boat, &format!("plan {line} --to plan.json -o json")).await.expect(0).json();
        assert_eq!(difference(&before, &state(cluster).await?), Vec::<String>::new());
        let ops: Vec<&Value> = plan["steps"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|it| it["what"]["ops"].as_array().unwrap())
            .collect();
        ensure!(ops.len() >= 5, "{ops:#?}");
        for op in &ops {
            assert_eq!(op["tried"]["tried"], "accepted", "{op:#}");
        }
        assert_eq!(plan["params"]["pod"]["uid"], get(cluster, "pod", &pod).await?["metadata"]["uid"]);
        assert!(plan["params"]["pod"].get("spec").is_none(), "a plan names objects, and does not hold them");

        book(&boat, "run contain.yaml --plan plan.json").await.expect(0).says("COMPLETED");

        // Its effect, as others see it.
        let isolated = get(cluster, "pod", &pod).await?;
        assert!(isolated["metadata"]["labels"].get("app").is_none(), "{isolated:#}");
        let listed = cluster
            .kubectl(&["get", "networkpolicy", "-n", "ship", "-l", "lifeboat.dev/run", "-o", "json"])
            .await?;
        let listed: Value = serde_json::from_str(&listed)?;
        let policy = &listed["items"][0]["spec"];
        assert_eq!(policy["policyTypes"], json!(["Ingress", "Egress"]));
        for (name, value) in policy["podSelector"]["matchLabels"].as_object().context("a selector")? {
            assert_eq!(&isolated["metadata"]["labels"][name], value);
        }
        // The service leaves it, and the deployment makes another one.
        eventually("a pod in its place", Duration::from_secs(30), async || {
            let names =
                cluster.kubectl(&["get", "pods", "-n", "ship", "-l", "app=deck", "-o", "name"]).await?;
            Ok((names.lines().count() == 2 && !names.contains(&pod)).then_some(()))
        })
        .await?;
        let can = cluster
            .kubectl(&[
                "auth",
                "can-i",
                "get",
                "secrets",
                "-n",
                "ship",
                "--as=system:serviceaccount:ship:crew",
            ])
            .await;
        ensure!(can.is_err() || can?.trim() == "no", "the account has its rights still");
        let node =
            cluster.kubectl(&["get", "node", "node-0", "-o", "jsonpath={.spec.unschedulable}"]).await?;
        assert_eq!(node, "true");

        // Who wrote it stands in the objects.
        let managers = cluster
            .kubectl(&[
                "get",
                "pod",
                &pod,
                "-n",
                "ship",
                "--show-managed-fields",
                "-o",
                "jsonpath={.metadata.managedFields[*].manager}",
            ])
            .await?;
        ensure!(managers.contains("lifeboat-playbook"), "{managers}");

        // The timeline, and the evidence with public tools.
        let page = book(&boat, "timeline latest --format html").await.expect(0).stdout;
        ensure!(page.contains("INC-7") && page.contains("completed"), "{page}");
        let runs = book(&boat, "status -o json").await.expect(0).json();
        assert_eq!(runs["runs"][0]["end"], "completed");
        assert_eq!(runs["runs"][0]["signature"], "holds", "{runs}");

        // The replacement goes first: a second pod of its labels would make the deployment kill one of three.
        book(&boat, "undo latest").await.expect(0);
        eventually("the state of before", Duration::from_secs(60), async || {
            let now = state(cluster).await?;
            let differ = difference(&before, &now);
            // Pods of the deployment were replaced; that is what it does.
            let left: Vec<&String> = differ.iter().filter(|name| !name.starts_with("core/pods/")).collect();
            Ok(left.is_empty().then_some(()))
        })
        .await?;
        let again = book(&boat, "undo latest").await.expect(0);
        assert!(again.stdout.contains("everything"), "{again:?}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn playbook_refuses_what_is_not_what_was_planned() -> Result<()> {
    with_cluster(ClusterOptions::full(), async |cluster| {
        let boat = ship(cluster).await?;
        let name = pod(cluster).await?;
        playbook(&boat, "mark", POD, "    - {id: mark, action: resource.label, args: {target: '${params.pod}', set: {incident: INC-7}}}\n")?;
        let line = format!("mark.yaml -p pod=ship/{name}");
        let nothing = async |why: &str| {
            let labels = get(cluster, "pod", &name).await?["metadata"]["labels"].clone();
            ensure!(labels.get("incident").is_none(), "{why}: {labels}");
            anyhow::Ok(())
        };

        // Something that the plan would set was set by somebody else.
        book(&boat, &format!("plan {line} --to plan.json")).await.expect(0);
        cluster.kubectl(&["label", "pod", &name, "-n", "ship", "incident=other"]).await?;
        book(&boat, "run mark.yaml --plan plan.json").await.expect(6).says("has changed since");
        cluster.kubectl(&["label", "pod", &name, "-n", "ship", "incident-"]).await?;
        nothing("a changed label").await?;

        // A plan that was altered is another plan.
        let text = fs::read_to_string(boat.path("plan.json"))?;
        fs::write(boat.path("plan.json"), text.replace("INC-7", "INC-8"))?;
        book(&boat, "run mark.yaml --plan plan.json").await.expect(6).says("has changed since");
        nothing("an altered plan").await?;

        // A pod that was replaced.
        let uid = "11111111-2222-3333-4444-555555555555";
        book(&boat, &format!("plan {line}@{uid}")).await.expect(2).says("replaced meanwhile");
        book(&boat, "plan mark.yaml -p pod=ship/nobody").await.expect(2).says("there is no Pod ship/nobody");
        book(&boat, "plan mark.yaml").await.expect(2).says("--param pod=");
        book(&boat, &format!("plan {line} -p speed=3")).await.expect(2).says("there is no parameter `speed`");

        // Nobody says yes.
        book(&boat, &format!("run {line}")).await.expect(2).says("--yes");
        nothing("nobody was asked").await?;
        ensure!(!boat.path("journal").exists());

        // Guards.
        let guarded = |guards: &str| format!("{POD}  guards: {{{guards}}}\n");
        let step = "    - {id: gone, action: pod.delete, args: {target: '${params.pod}'}}\n";
        for (guards, why) in [
            ("protectedNamespaces: [ship]", "protected namespace ship"),
            ("limits: {pods: 0}", "touches 1 pods, and 0 are the most"),
            ("limits: {minHealthyReplicas: 2}", "1 ready pods of ReplicaSet"),
            ("require: [{expr: 'params.pod.spec.hostNetwork', message: only for such pods}]", "only for such pods"),
        ] {
            playbook(&boat, "gone", &guarded(guards), step)?;
            let ran = book(&boat, &format!("run gone.yaml -p pod=ship/{name} --yes")).await.expect(6);
            assert!(ran.stderr.contains(why), "{why}: {ran:?}");
            get(cluster, "pod", &name).await?;
        }
        Ok(())
    })
    .await
}

/// A key of somebody who may approve: its file, and the line for the configuration.
pub async fn approver(boat: &Lifeboat, name: &str, group: &str) -> Result<String> {
    let dir = boat.path(&format!("keys-{name}"));
    boat.run(&["init", &dir.display().to_string(), "--cluster", "lab"]).await.expect(0);
    fs::copy(dir.join("signing.key"), boat.path(&format!("{name}.key")))?;
    let public = fs::read_to_string(dir.join("signing.pub"))?;
    let line = public.lines().last().context("a key")?.to_owned();
    Ok(format!("    - {{name: {name}, publicKey: \"{line}\", groups: [{group}]}}\n"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn playbook_waits_for_those_who_may_approve() -> Result<()> {
    with_cluster(ClusterOptions::full(), async |cluster| {
        let boat = ship(cluster).await?;
        let name = pod(cluster).await?;
        let lines = [approver(&boat, "alice", "leads").await?, approver(&boat, "bob", "leads").await?, approver(&boat, "eve", "guests").await?];
        boat.edit(|text| format!("{text}\nplaybooks:\n  approvers:\n{}", lines.concat()))?;
        let steps = "    - id: gate
      approve: {prompt: 'Mark ${params.pod.name}?', minApprovals: 1, groups: [leads], notInitiator: true, timeout: 10m}
      register: gate
    - {id: mark, when: vars.gate.approved, action: resource.label, args: {target: '${params.pod}', set: {incident: INC-7}}}
    - {id: by, action: resource.annotate, approve: {prompt: 'Note it?', groups: [leads], timeout: 10m, onTimeout: skip}, args: {target: '${params.pod}', set: {approved-by: '${vars.gate.by[0]}'}}}
    - {id: fence, manual: {instructions: Unplug it., evidence: [ticket]}}
";
        playbook(&boat, "ask", POD, steps)?;
        let line = format!("run ask.yaml -p pod=ship/{name} --by bob --yes --no-wait");
        book(&boat, &line).await.expect(1).says("waits for somebody");
        let labels = |json: Value| json["metadata"]["labels"].clone();
        ensure!(labels(get(cluster, "pod", &name).await?).get("incident").is_none());

        // Those who may not, and what is not about this.
        let approve = async |who: &str, step: &str| book(&boat, &format!("approve latest --step {step} --as {who} --key {who}.key")).await;
        approve("eve", "gate").await.expect(0);
        approve("bob", "gate").await.expect(0);
        book(&boat, "resume latest --no-wait").await.expect(1).says("in none of the groups leads").says("bob started the run");
        ensure!(labels(get(cluster, "pod", &name).await?).get("incident").is_none());
        book(&boat, "approve latest --step gate --as alice --key bob.key").await.expect(2).says("not the key of alice");
        approve("alice", "mark").await.expect(2).says("asks anybody");

        approve("alice", "gate").await.expect(0);
        book(&boat, "resume latest --no-wait").await.expect(1);
        assert_eq!(labels(get(cluster, "pod", &name).await?)["incident"], "INC-7");
        ensure!(get(cluster, "pod", &name).await?["metadata"]["annotations"].get("approved-by").is_none());

        // Somebody is waited for, and answers.
        let mut child = boat.spawn(&["playbook", "resume", "latest"])?;
        approve("alice", "by").await.expect(0);
        eventually("the note", Duration::from_secs(30), async || {
            let noted = get(cluster, "pod", &name).await?["metadata"]["annotations"]["approved-by"].clone();
            Ok((noted == "alice").then_some(()))
        })
        .await?;
        approve("alice", "fence").await.expect(2).says("--told ticket=");
        book(&boat, "approve latest --step fence --as eve --key eve.key --told ticket=OPS-1").await.expect(0);
        let status = tokio::time::timeout(Duration::from_secs(30), child.wait()).await??;
        ensure!(status.success(), "{status}");
        let told = journal(&boat)?;
        let fence = told.iter().find(|it| it["what"] == "answered" && it["step"] == "fence").context("an answer")?;
        assert_eq!(fence["told"]["ticket"], "OPS-1");

        // Somebody says no: nothing is done.
        forget(&boat)?;
        book(&boat, &line).await.expect(1);
        book(&boat, "approve latest --step gate --as alice --key alice.key --deny").await.expect(0);
        book(&boat, "resume latest").await.expect(1).says("alice said no");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn playbook_undo_leaves_what_somebody_else_has_changed() -> Result<()> {
    with_cluster(ClusterOptions::full(), async |cluster| {
        let boat = ship(cluster).await?;
        let name = pod(cluster).await?;
        let steps = "    - {id: mark, action: resource.label, args: {target: '${params.pod}', set: {incident: INC-7}}}
    - {id: cut, action: rbac.detach, args: {subject: {kind: ServiceAccount, namespace: ship, name: crew}}}
    - {id: keep, undo: none, action: resource.annotate, args: {target: '${params.pod}', set: {kept: 'yes'}}}
    - {id: stop, action: resource.scale, args: {target: {kind: Deployment, namespace: ship, name: deck}, replicas: 0}}
";
        playbook(&boat, "mixed", POD, steps)?;
        book(&boat, &format!("run mixed.yaml -p pod=ship/{name} --yes")).await.expect(0);
        assert_eq!(get(cluster, "deployment", "deck").await?["spec"]["replicas"], 0);
        cluster.kubectl(&["scale", "deployment", "deck", "-n", "ship", "--replicas=5"]).await?;
        let ran = book(&boat, "undo latest").await.expect(3);
        ran.says("held 0 and holds 5").says("the playbook says that it stays").says("not there any more");
        assert_eq!(get(cluster, "deployment", "deck").await?["spec"]["replicas"], 5);
        let binding = get(cluster, "rolebinding", "crew").await?;
        assert_eq!(binding["subjects"][0]["name"], "crew");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn playbook_rolls_back_when_a_step_fails_and_two_of_one_key_exclude_each_other() -> Result<()> {
    with_cluster(ClusterOptions::full(), async |cluster| {
        let boat = ship(cluster).await?;
        let before = state(cluster).await?;
        let name = pod(cluster).await?;
        // The server takes it when it is tried; what it is for never comes true.
        let steps = "    - {id: mark, action: resource.label, args: {target: {kind: Service, namespace: ship, name: deck}, set: {incident: INC-7}}}
    - {id: note, action: resource.annotate, args: {target: {kind: ServiceAccount, namespace: ship, name: crew}, set: {a: b}}}
    - id: slow
      onFailure: rollback
      timeout: 3s
      manual: {instructions: Nobody will.}
";
        playbook(&boat, "back", &format!("{POD}  concurrency: {{key: 'pod/${{params.pod.uid}}', policy: Forbid}}\n"), steps)?;
        let line = format!("run back.yaml -p pod=ship/{name} --yes");
        let (first, second) = tokio::join!(book(&boat, &line), async {
            eventually("the lease", Duration::from_secs(20), async || {
                let leases = cluster.kubectl(&["get", "leases", "-n", "kube-system", "-o", "name"]).await?;
                Ok(leases.contains("lease.coordination.k8s.io/lifeboat-").then_some(()))
            })
            .await
            .expect("a lease");
            book(&boat, &line).await
        });
        first.expect(1).says("ROLLED BACK");
        second.expect(6).says("two runs of it exclude each other");
        assert_eq!(difference(&before, &state(cluster).await?), Vec::<String>::new());
        // The key is free again.
        book(&boat, &line).await.expect(1).says("ROLLED BACK");
        Ok(())
    })
    .await
}
