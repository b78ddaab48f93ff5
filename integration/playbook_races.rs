//! What others do while a playbook is planned, waits, goes on and is taken back: nothing of theirs is overwritten, nothing is done on a
//! guess, and it is told.

use crate::{
    boat::Lifeboat,
    http_front::{Answer, Front},
    lab::{Cluster, ClusterOptions, eventually, fill, with_cluster},
    playbook_case::{POD, book, difference, forget, get, journal, playbook, pod, ship, state},
    playbook_run::approver,
};
use anyhow::{Result, ensure};
use std::{
    collections::HashMap,
    fs,
    sync::{Arc, Mutex},
    time::Duration,
};

const NOTE: &str = "    - {id: note, action: resource.annotate, args: {target: {kind: Service, namespace: ship, name: deck}, set: {incident: INC-7}}}\n";
const GATE: &str = "    - {id: gate, approve: {prompt: 'Go on?', groups: [leads], timeout: 10m}}\n";
const MARK: &str =
    "    - {id: mark, action: resource.label, args: {target: '${params.pod}', set: {incident: INC-7}}}\n";
const CUT: &str = "    - {id: cut, action: rbac.detach, args: {subject: {kind: ServiceAccount, namespace: ship, name: crew}}}\n";

/// Nobody schedules it: what plays the kubelets deletes a pod by its name, also when another one has it by then.
const BUOY: &str = "\
apiVersion: v1
kind: Pod
metadata: {name: buoy, namespace: ship}
spec: {schedulerName: nobody, containers: [{name: app, image: registry.example.com/buoy}]}
";

async fn manned(cluster: &Cluster) -> Result<Lifeboat> {
    let boat = ship(cluster).await?;
    let alice = approver(&boat, "alice", "leads").await?;
    boat.edit(|text| format!("{text}\nplaybooks:\n  approvers:\n{alice}"))?;
    fill::apply(&cluster.client().await?, BUOY).await?;
    Ok(boat)
}

async fn agrees(boat: &Lifeboat, step: &str) {
    book(boat, &format!("approve latest --step {step} --as alice --key alice.key")).await.expect(0);
}

/// The value of a label of the buoy, or nothing.
async fn label(cluster: &Cluster) -> Result<String> {
    let words = ["get", "pod", "buoy", "-n", "ship", "-o", "jsonpath={.metadata.labels.incident}"];
    cluster.kubectl(&words).await
}

/// What the service is noted with, or nothing.
async fn note(cluster: &Cluster) -> Result<String> {
    let words = ["get", "service", "deck", "-n", "ship", "-o", "jsonpath={.metadata.annotations.incident}"];
    cluster.kubectl(&words).await
}

/// To whom the binding gives rights; nothing where it is not there.
async fn bound(cluster: &Cluster) -> Result<String> {
    let path = "jsonpath={.subjects[*].name}";
    cluster.kubectl(&["get", "rolebinding", "crew", "-n", "ship", "--ignore-not-found", "-o", path]).await
}

async fn replaced(cluster: &Cluster) -> Result<()> {
    cluster.kubectl(&["delete", "pod", "buoy", "-n", "ship", "--grace-period=0", "--force"]).await?;
    fill::apply(&cluster.client().await?, BUOY).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn playbook_leaves_a_pod_alone_that_took_the_place_of_the_one_that_was_meant() -> Result<()> {
    with_cluster(ClusterOptions::full(), async |cluster| {
        let boat = manned(cluster).await?;
        playbook(&boat, "mark", POD, &[NOTE, GATE, MARK].concat())?;
        // Between the plan and the run.
        book(&boat, "plan mark.yaml -p pod=ship/buoy --to plan.json").await.expect(0);
        replaced(cluster).await?;
        book(&boat, "run mark.yaml --plan plan.json").await.expect(2).says("replaced meanwhile");
        ensure!(!boat.path("journal").exists() && note(cluster).await?.is_empty());

        // Between the answer and what it was about.
        book(&boat, "run mark.yaml -p pod=ship/buoy --yes --no-wait").await.expect(1);
        agrees(&boat, "gate").await;
        replaced(cluster).await?;
        book(&boat, "resume latest --no-wait").await.expect(1).says("was replaced meanwhile");
        assert_eq!((label(cluster).await?, note(cluster).await?), (String::new(), "INC-7".to_owned()));
        book(&boat, "undo latest").await.expect(0);
        assert_eq!(note(cluster).await?, "");

        // Between the run and the way back: the new one is nobody's to touch, the rest is taken back.
        forget(&boat)?;
        playbook(&boat, "mark", POD, &[NOTE, MARK].concat())?;
        book(&boat, "run mark.yaml -p pod=ship/buoy --yes").await.expect(0);
        replaced(cluster).await?;
        cluster.kubectl(&["label", "pod", "buoy", "-n", "ship", "incident=INC-7"]).await?;
        book(&boat, "undo latest")
            .await
            .expect(3)
            .says("STAYS: Pod ship/buoy")
            .says("was replaced meanwhile");
        assert_eq!((label(cluster).await?, note(cluster).await?), ("INC-7".to_owned(), String::new()));
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn playbook_tells_what_others_changed_or_deleted_and_takes_the_rest_back() -> Result<()> {
    with_cluster(ClusterOptions::full(), async |cluster| {
        let boat = manned(cluster).await?;
        let run = "run all.yaml -p pod=ship/buoy --yes --no-wait";
        playbook(&boat, "all", POD, &[NOTE, MARK, CUT].concat())?;

        // A label that is another one since.
        book(&boat, run).await.expect(0);
        cluster.kubectl(&["label", "pod", "buoy", "-n", "ship", "incident=other", "--overwrite"]).await?;
        book(&boat, "undo latest").await.expect(3).says("STAYS: Pod ship/buoy");
        assert_eq!((label(cluster).await?, note(cluster).await?), ("other".to_owned(), String::new()));
        assert_eq!(bound(cluster).await?, "crew");
        cluster.kubectl(&["label", "pod", "buoy", "-n", "ship", "incident-"]).await?;

        // A binding that somebody deletes before the run, …
        forget(&boat)?;
        book(&boat, "plan all.yaml -p pod=ship/buoy --to plan.json").await.expect(0);
        cluster.kubectl(&["delete", "rolebinding", "crew", "-n", "ship"]).await?;
        book(&boat, "run all.yaml --plan plan.json").await.expect(6).says("has changed since").says("cut");
        ensure!(!boat.path("journal").exists() && note(cluster).await?.is_empty());
        fill::apply(&cluster.client().await?, &fill::ship_of("ship")).await?;

        // … between two steps, …
        playbook(&boat, "all", POD, &[NOTE, MARK, GATE, CUT].concat())?;
        book(&boat, run).await.expect(1);
        agrees(&boat, "gate").await;
        cluster.kubectl(&["delete", "rolebinding", "crew", "-n", "ship"]).await?;
        book(&boat, "resume latest --no-wait").await.expect(1).says("not there any more");
        assert_eq!((bound(cluster).await?, label(cluster).await?), (String::new(), "INC-7".to_owned()));
        book(&boat, "undo latest").await.expect(0);
        assert_eq!((label(cluster).await?, note(cluster).await?), (String::new(), String::new()));
        assert_eq!(bound(cluster).await?, "", "nobody makes it again");
        fill::apply(&cluster.client().await?, &fill::ship_of("ship")).await?;

        // … and before it is taken back.
        forget(&boat)?;
        playbook(&boat, "all", POD, &[NOTE, CUT, MARK].concat())?;
        book(&boat, run).await.expect(0);
        cluster.kubectl(&["delete", "rolebinding", "crew", "-n", "ship"]).await?;
        book(&boat, "undo latest").await.expect(3).says("STAYS: RoleBinding").says("not there any more");
        assert_eq!((label(cluster).await?, note(cluster).await?), (String::new(), String::new()));
        assert_eq!(bound(cluster).await?, "");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn playbook_deletes_what_a_controller_keeps_writing_to() -> Result<()> {
    with_cluster(ClusterOptions::full(), async |cluster| {
        let boat = manned(cluster).await?;
        // Of three attempts at a deletion each meets what was written since the object was read, and the fourth does not.
        let met: Arc<Mutex<HashMap<String, usize>>> = Arc::default();
        let count = met.clone();
        let front = Front::start(cluster.client().await?, move |path| {
            if !path.starts_with("DELETE ") || !path.contains("/namespaces/ship/") {
                return Answer::Real;
            }
            let mut met = count.lock().unwrap();
            let met = met.entry(path.split('?').next().unwrap_or_default().to_owned()).or_default();
            *met += 1;
            if met.is_multiple_of(4) { Answer::Real } else { Answer::Status(409, None, "it has been modified") }
        })
        .await?;
        let through = format!("--kubeconfig {}", front.kubeconfig(boat.dir())?.display());
        let steps = "    - {id: gone, action: resource.delete, args: {target: {kind: Deployment, namespace: ship, name: deck}}}
    - {id: open, action: resource.apply, args: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: notice, namespace: ship}, data: {incident: INC-7}}}}
";
        playbook(&boat, "gone", "", steps)?;
        book(&boat, &format!("run gone.yaml --yes {through}")).await.expect(0).says("COMPLETED");
        let there = async |what: &str| {
            let words = ["get", what, "-n", "ship", "--ignore-not-found", "-o", "name"];
            anyhow::Ok(!cluster.kubectl(&words).await?.is_empty())
        };
        assert_eq!((there("deployment/deck").await?, there("configmap/notice").await?), (false, true));
        book(&boat, &format!("undo latest {through}")).await.expect(0);
        assert_eq!((there("deployment/deck").await?, there("configmap/notice").await?), (true, false));
        let met = met.lock().unwrap();
        let objects: Vec<&str> = met.keys().filter_map(|path| path.rsplit('/').next()).collect();
        ensure!(objects.contains(&"deck") && objects.contains(&"notice"), "{met:?}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn playbook_takes_no_answer_that_is_about_something_else_or_comes_too_late() -> Result<()> {
    with_cluster(ClusterOptions::full(), async |cluster| {
        let boat = manned(cluster).await?;
        // What was agreed to is a plan; when something changes, it is another one.
        playbook(&boat, "mark", POD, &[NOTE, GATE, MARK].concat())?;
        book(&boat, "plan mark.yaml -p pod=ship/buoy --to plan.json").await.expect(0);
        fs::create_dir(boat.path("said"))?;
        book(&boat, "approve --plan plan.json --step gate --as alice --key alice.key --to said").await.expect(0);
        cluster.kubectl(&["label", "pod", "buoy", "-n", "ship", "incident=other"]).await?;
        let line = "run mark.yaml --plan plan.json --approvals said --no-wait";
        book(&boat, line).await.expect(6).says("has changed since");
        // Of one second none is the latest.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let line = "run mark.yaml -p pod=ship/buoy --yes --approvals said --no-wait";
        book(&boat, line).await.expect(1).says("the statement of alice");
        assert_eq!(label(cluster).await?, "other");
        // It is agreed to, and then somebody changes what it is about.
        agrees(&boat, "gate").await;
        cluster.kubectl(&["label", "pod", "buoy", "-n", "ship", "incident=third", "--overwrite"]).await?;
        book(&boat, "resume latest --no-wait").await.expect(1).says("was changed meanwhile");
        assert_eq!(label(cluster).await?, "third");
        book(&boat, "undo latest").await.expect(0);
        assert_eq!(note(cluster).await?, "");
        cluster.kubectl(&["label", "pod", "buoy", "-n", "ship", "incident-"]).await?;

        // The time of a gate is over, whether somebody waits there or comes back to it; an answer in time counts, however late it is read.
        forget(&boat)?;
        let steps = "    - {id: maybe, approve: {prompt: 'Mark?', timeout: 2s, onTimeout: skip}, action: resource.label, args: {target: '${params.pod}', set: {incident: INC-7}}}
    - {id: sure, approve: {prompt: 'Note?', timeout: 30s}, action: resource.annotate, args: {target: {kind: Service, namespace: ship, name: deck}, set: {incident: INC-7}}}
    - {id: must, approve: {prompt: 'Go on?', timeout: 2s}, action: wait, args: {for: 1ms}}
";
        playbook(&boat, "late", POD, steps)?;
        book(&boat, "run late.yaml -p pod=ship/buoy --yes --no-wait").await.expect(1);
        tokio::time::sleep(Duration::from_secs(3)).await;
        agrees(&boat, "maybe").await;
        book(&boat, "resume latest --no-wait").await.expect(1).says("the time for it was over");
        agrees(&boat, "sure").await;
        assert_eq!((label(cluster).await?, note(cluster).await?), (String::new(), String::new()));
        tokio::time::sleep(Duration::from_secs(32)).await;
        book(&boat, "resume latest").await.expect(1).says("nobody who may agreed within 2 s");
        assert_eq!((label(cluster).await?, note(cluster).await?), (String::new(), "INC-7".to_owned()));
        agrees(&boat, "must").await;
        book(&boat, "resume latest").await.expect(1).says("it was not approved");

        // A list without an end is no plan.
        let head = "  params: [{name: nets, type: cidrList, required: true}]\n";
        let steps = "    - {id: all, forEach: params.nets, action: wait, args: {for: 1ms}}\n";
        playbook(&boat, "long", head, steps)?;
        let nets: Vec<String> = (0..1001).map(|n| format!("10.{}.{}.0/24", n / 250, n % 250)).collect();
        let ran = book(&boat, &format!("plan long.yaml -p nets={}", nets.join(","))).await;
        ensure!(ran.code == 6 && ran.stdout.contains("its list has 1001 entries, and 1000 are the most"), "{ran:?}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn playbook_whose_api_server_goes_away_says_so_and_is_brought_to_its_end_later() -> Result<()> {
    with_cluster(ClusterOptions::full(), async |cluster| {
        let boat = manned(cluster).await?;
        let before = state(cluster).await?;
        let pause = "    - {id: pause, action: wait, args: {for: 3s}}\n";
        let back = "    - {id: back, onFailure: rollback, action: resource.label, args: {target: '${params.pod}', set: {incident: INC-7}}}\n";
        playbook(&boat, "gone", POD, &[NOTE, pause, MARK, CUT].concat())?;
        playbook(&boat, "back", POD, &[NOTE, pause, back].concat())?;
        let dies = async |file: &str| {
            let mut child = boat.spawn(&["playbook", "run", file, "-p", "pod=ship/buoy", "--yes"])?;
            eventually("it waits", Duration::from_secs(60), async || {
                ensure!(child.try_wait()?.is_none(), "it came to its end");
                let entries = journal(&boat).unwrap_or_default();
                Ok(entries.iter().any(|it| it["what"] == "intent" && it["step"] == "pause").then_some(()))
            })
            .await?;
            cluster.apiserver().stop().await?;
            let ran: crate::boat::Ran = child.wait_with_output().await?.into();
            cluster.apiserver().start().await?;
            anyhow::Ok(ran)
        };
        let ran = dies("gone.yaml").await?.expect(1);
        ensure!(ran.stdout.contains("FAILED: step mark") && ran.stderr.contains("mark"), "{ran:?}");
        assert_eq!((label(cluster).await?, note(cluster).await?), (String::new(), "INC-7".to_owned()));
        assert_eq!(bound(cluster).await?, "crew");
        book(&boat, "resume latest").await.expect(0).says("COMPLETED");
        assert_eq!((label(cluster).await?, note(cluster).await?), ("INC-7".to_owned(), "INC-7".to_owned()));
        assert_eq!(bound(cluster).await?, "");
        book(&boat, "undo latest").await.expect(0);
        let left = async || {
            let differ: Vec<String> = difference(&before, &state(cluster).await?);
            let ours = differ.into_iter().filter(|it| it.contains("/ship/") && !it.contains("/deck-"));
            anyhow::Ok(ours.collect::<Vec<_>>())
        };
        assert_eq!(left().await?, Vec::<String>::new());

        // The way back is gone as well: that is told, it is not gone on with as if nothing had been, and undo brings it to its end.
        forget(&boat)?;
        let ran = dies("back.yaml").await?.expect(1);
        ensure!(ran.stdout.contains("ROLLED BACK") || ran.stdout.contains("ROLLED-BACK"), "{ran:?}");
        ensure!(ran.stdout.contains("2 things could not be taken back"), "{ran:?}");
        assert_eq!(note(cluster).await?, "INC-7");
        book(&boat, "resume latest").await.expect(6).says("was taken back, or that was begun");
        book(&boat, "undo latest").await.expect(0);
        assert_eq!(left().await?, Vec::<String>::new());
        assert_eq!(get(cluster, "pod", &pod(cluster).await?).await?["metadata"]["labels"]["app"], "deck");
        Ok(())
    })
    .await
}
