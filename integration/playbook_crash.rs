//! Playbooks that are killed at every call that they make: before the server has heard of it, and after.

use crate::{
    boat::{Lifeboat, Ran},
    lab::{Cluster, ClusterOptions, with_cluster},
    playbook_case::{POD, book, difference, forget, journal, playbook, pod, ship, state, the_run},
};
use anyhow::{Context, Result, ensure};
use kube::Client;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use crate::http_front::{Answer, Front};

const STEPS: &str = "    - {id: note, action: pod.protect, args: {target: '${params.pod}', annotations: {incident: INC-7}}}
    - {id: isolate, action: pod.isolate, args: {target: '${params.pod}'}}
    - {id: cut, action: rbac.detach, args: {subject: {kind: ServiceAccount, namespace: ship, name: crew}}}
    - {id: hold, action: node.cordon, args: {node: node-0}}
    - {id: open, action: resource.apply, args: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: notice, namespace: ship}, data: {incident: INC-7}}}}
";

/// What a write is stopped at.
#[derive(Clone, Copy, Debug)]
pub enum At {
    /// The server never hears of it.
    Before,
    /// The server does it, and nobody hears of that.
    After,
}

/// A front that lets so many writes of a run through, and no more: from then on nothing is answered.
pub async fn front(client: Client, through: usize, at: At, seen: Arc<AtomicUsize>) -> Result<Front> {
    Front::start(client, move |path| {
        let write = ["PUT ", "POST ", "PATCH ", "DELETE "].iter().any(|method| path.starts_with(method));
        let trial = path.contains("dryRun") || path.contains("reviews") || path.contains("/leases");
        if !write || trial {
            // What comes after the last write is not answered either, so that nothing is found out.
            return if seen.load(Ordering::SeqCst) > through { Answer::Reset } else { Answer::Real };
        }
        match (seen.fetch_add(1, Ordering::SeqCst).cmp(&through), at) {
            (std::cmp::Ordering::Less, _) => Answer::Real,
            (std::cmp::Ordering::Equal, At::After) => Answer::Lost,
            _ => Answer::Reset,
        }
    })
    .await
}

/// Has it come to the write that it is stopped at? What is done there is done by then: later it would be somebody else's doing.
pub fn reached(front: &Front, seen: &AtomicUsize, (through, at): (usize, At)) -> bool {
    match at {
        At::Before => seen.load(Ordering::SeqCst) > through,
        At::After => front.lost() > 0,
    }
}

/// Everything but pods, which controllers replace, and what carries the run's id in its name or its labels.
fn compared(all: BTreeMap<String, Value>) -> BTreeMap<String, Value> {
    let run = |name: &str| name.contains("/lifeboat-");
    all.into_iter()
        .filter(|(name, _)| !name.starts_with("core/pods/") && !run(name))
        .map(|(name, mut object)| {
            if let Some(labels) = object["metadata"]["labels"].as_object_mut() {
                labels.remove("lifeboat.dev/run");
            }
            object["metadata"]["uid"] = Value::Null;
            object["metadata"]["creationTimestamp"] = Value::Null;
            (name, object)
        })
        .collect()
}

/// Runs `lifeboat playbook` with these words, and kills it as soon as `now` is true. Gives its exit code where it came to its end before.
pub async fn killed(boat: &Lifeboat, words: &str, mut now: impl FnMut() -> bool) -> Result<Option<Ran>> {
    let words: Vec<&str> = words.split(' ').collect();
    let mut child = boat.spawn(&[&["playbook"], &words[..]].concat())?;
    let end = Instant::now() + Duration::from_secs(120);
    while !now() {
        if child.try_wait()?.is_some() {
            return Ok(Some(child.wait_with_output().await?.into()));
        }
        ensure!(Instant::now() < end, "{words:?}: it neither gets there nor ends");
        std::thread::sleep(Duration::from_micros(200));
        tokio::task::yield_now().await;
    }
    child.kill().await?;
    Ok(None)
}

/// Runs `lifeboat playbook` with these words behind a [`front`], and kills it there.
pub async fn killed_at(
    boat: &Lifeboat,
    cluster: &Cluster,
    words: &str,
    (through, at): (usize, At),
) -> Result<Option<Ran>> {
    let seen = Arc::new(AtomicUsize::new(0));
    let front = front(cluster.client().await?, through, at, seen.clone()).await?;
    let words = format!("{words} --kubeconfig {}", front.kubeconfig(boat.dir())?.display());
    killed(boat, &words, || reached(&front, &seen, (through, at))).await
}

async fn kill(boat: &Lifeboat, cluster: &Cluster, name: &str, through: usize, at: At) -> Result<bool> {
    let words = format!("run crash.yaml -p pod=ship/{name} --yes");
    Ok(killed_at(boat, cluster, &words, (through, at)).await?.is_none())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn playbook_killed_at_each_call_goes_on_and_ends_as_if_it_had_not_been() -> Result<()> {
    with_cluster(ClusterOptions::full(), async |cluster| {
        let boat = ship(cluster).await?;
        // The one that is closed is not the only one: what is replaced has a place.
        cluster.add_node("node-1").await?;
        playbook(&boat, "crash", POD, STEPS)?;
        let settled = async || {
            cluster
                .kubectl(&["rollout", "status", "deployment", "deck", "-n", "ship", "--timeout=60s"])
                .await?;
            anyhow::Ok(compared(state(cluster).await?))
        };
        let before = settled().await?;

        // Without a crash: how many calls there are, and what comes of them.
        let first = pod(cluster).await?;
        book(&boat, &format!("run crash.yaml -p pod=ship/{first} --yes")).await.expect(0);
        let calls = journal(&boat)?.iter().filter(|it| it["what"] == "intent").count();
        ensure!(calls >= 6, "{calls}");
        let done = settled().await?;
        ensure!(difference(&before, &done).len() >= 2, "{:?}", difference(&before, &done));
        book(&boat, "undo latest").await.expect(0);
        assert_eq!(difference(&before, &settled().await?), Vec::<String>::new());

        for through in 0..calls {
            for at in [At::Before, At::After] {
                forget(&boat)?;
                let name = pod(cluster).await?;
                ensure!(kill(&boat, cluster, &name, through, at).await?, "call {through} was never made");
                let entries = journal(&boat)?;
                let open = entries.iter().filter(|it| it["what"] == "intent").count();
                assert_eq!(open, through + 1, "{at:?}: what was not written down was not done");
                book(&boat, "resume latest").await.expect(0);
                assert_eq!(
                    difference(&done, &settled().await?),
                    Vec::<String>::new(),
                    "call {through}, {at:?}"
                );
                let entries = journal(&boat)?;
                let last = |what: &str| {
                    entries.iter().rfind(|it| it["what"] == what).cloned().context(what.to_owned())
                };
                assert_eq!(last("ended")?["end"], "completed");
                book(&boat, "undo latest").await.expect(0);
                assert_eq!(
                    difference(&before, &settled().await?),
                    Vec::<String>::new(),
                    "undone: call {through}, {at:?}"
                );
            }
        }

        // Taken back right after the crash, without going on.
        for at in [At::Before, At::After] {
            forget(&boat)?;
            let name = pod(cluster).await?;
            ensure!(kill(&boat, cluster, &name, 2, at).await?);
            book(&boat, "undo latest").await.expect(0);
            assert_eq!(difference(&before, &settled().await?), Vec::<String>::new(), "{at:?}");
        }
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn playbook_journals_that_were_tampered_with_are_not_followed() -> Result<()> {
    with_cluster(ClusterOptions::full(), async |cluster| {
        let boat = ship(cluster).await?;
        playbook(&boat, "crash", POD, STEPS)?;
        let name = pod(cluster).await?;
        let before = compared(state(cluster).await?);
        ensure!(kill(&boat, cluster, &name, 2, At::After).await?);
        let run = the_run(&boat)?;
        let path = run.join("journal.jsonl");
        let whole = std::fs::read(&path)?;

        let text = String::from_utf8(whole.clone())?;
        std::fs::write(&path, text.replacen("INC-7", "INC-8", 1))?;
        for command in ["resume latest", "undo latest", "status latest"] {
            book(&boat, command).await.expect(4).says("not what was written");
        }
        // What a crash leaves of a line is cut off, and whole lines may be lost with a disk; what is done is found all the same.
        let lines: Vec<&[u8]> = whole.split_inclusive(|byte| *byte == b'\n').collect();
        let kept = lines.len() / 2;
        std::fs::write(&path, [&lines[..kept].concat()[..], b"{\"seq\":99,\"at\":\"2026"].concat())?;
        book(&boat, "resume latest").await.expect(0);
        book(&boat, "undo latest").await.expect(0);
        assert_eq!(difference(&before, &compared(state(cluster).await?)), Vec::<String>::new());

        // What was taken back is not gone on with: its steps are written down as done, and nothing of them is in force.
        let again = book(&boat, "resume latest").await.expect(6);
        ensure!(
            again.stderr.contains("was taken back") && again.stderr.contains("start a new run"),
            "{again:?}"
        );
        assert_eq!(difference(&before, &compared(state(cluster).await?)), Vec::<String>::new());
        Ok(())
    })
    .await
}
