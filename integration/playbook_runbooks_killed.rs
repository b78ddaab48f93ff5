//! Every shipped playbook of the cluster, killed: at each write, before the server has heard of it or after, and at each line of its
//! journal. Whoever resumes it gets what an uninterrupted run brings, and undo gives back what it gives back then.

use crate::{
    boat::{Lifeboat, Ran},
    lab::{Cluster, ClusterOptions, eventually, fill, with_cluster},
    playbook_case::{book, forget, pod, run_id, the_run},
    playbook_crash::{At, front, killed, reached},
    playbook_restored::{CARGO, is_there, saved},
    playbook_runbooks::{Trial, fleet, restoring, settled, trials},
};
use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use std::{
    cell::RefCell,
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

/// No node has this name.
const NOWHERE: &str = "(none)";
const MUTINEER: &str = "--as=system:serviceaccount:ship:mutineer";

/// A playbook, the boat and the cluster.
struct Case<'a> {
    boat: &'a Lifeboat,
    cluster: &'a Cluster,
    trial: &'a Trial,
    /// The one that this run acts on, if it acts on one.
    node: RefCell<String>,
}

/// What there is, one line for each object, without what tells one run from another.
type Seen = BTreeSet<String>;

/// What a run, and undo after it, bring where nobody interrupts them.
struct Uninterrupted {
    code: i32,
    writes: usize,
    done: Seen,
    undone: Seen,
    undo: i32,
}

impl Case<'_> {
    /// The incident, as it is before each run.
    async fn happens(&self) -> Result<()> {
        forget(self.boat)?;
        let cluster = self.cluster;
        match self.trial.name {
            "deleted-namespace" => {
                cluster
                    .kubectl(&["delete", "namespace", "ship", "--ignore-not-found", "--wait=false"])
                    .await?;
                eventually("the namespace is gone", Duration::from_secs(60), async || {
                    Ok((!is_there(cluster, "namespace ship").await).then_some(()))
                })
                .await
            }
            "mass-deletion" => {
                cluster.kubectl(&["delete", "clusterrolebinding", "mutiny", "--ignore-not-found"]).await?;
                // A freeze that was lifted holds for a moment.
                eventually("the mutiny", Duration::from_secs(30), async || {
                    let bound = fill::apply(&cluster.client().await?, CARGO).await.is_ok();
                    let mut gone = bound;
                    for object in ["deployment/deck", "service/deck", "configmap/manifest", "role/stowage"] {
                        let words = ["delete", object, "-n", "ship", "--ignore-not-found", MUTINEER];
                        gone = gone && cluster.kubectl(&words).await.is_ok();
                    }
                    Ok(gone.then_some(()))
                })
                .await
            }
            _ => pod(cluster).await.map(drop),
        }
    }

    async fn run(&self) -> Result<String> {
        let (line, node) = self.trial.line(self.cluster).await?;
        *self.node.borrow_mut() = node;
        Ok(format!("run {line} --yes --no-wait"))
    }

    fn resume(&self) -> String {
        let key = if self.trial.gate == Some("restore") { " -i identity.txt" } else { "" };
        format!("resume latest --no-wait{key}")
    }

    async fn agreed(&self) -> Result<()> {
        let gate = self.trial.gate.context("nobody is asked")?;
        book(self.boat, &format!("approve latest --step {gate} --as alice --key alice.key")).await.expect(0);
        Ok(())
    }

    /// Goes on with what was interrupted, and with an answer where one is waited for.
    async fn resumed(&self) -> Result<Ran> {
        let ran = book(self.boat, &self.resume()).await;
        if ran.code != 1 || self.trial.gate.is_none() {
            return Ok(ran);
        }
        self.agreed().await?;
        Ok(book(self.boat, &self.resume()).await)
    }

    async fn seen(&self) -> Result<Seen> {
        let mut all = settled(self.cluster).await?;
        let nodes: Value =
            serde_json::from_str(&self.cluster.kubectl(&["get", "nodes", "-o", "json"]).await?)?;
        let mut closed = Vec::new();
        for node in nodes["items"].as_array().context("nodes")? {
            let ours = |name: &str| name.contains("lifeboat") || name.contains("autoscaler");
            let taints = node["spec"]["taints"].as_array().into_iter().flatten();
            let taints: Vec<_> = taints.filter(|it| ours(it["key"].as_str().unwrap_or_default())).collect();
            let notes = node["metadata"]["annotations"].as_object().into_iter().flatten();
            let notes: Vec<_> = notes.filter(|(name, _)| ours(name)).collect();
            let kept =
                json!({"closed": node["spec"]["unschedulable"] == true, "taints": taints, "notes": notes});
            closed.push(kept.to_string());
        }
        // Which one it acts on, the scheduler decides.
        closed.sort();
        all.insert("nodes".to_owned(), json!({"nodes": closed}));
        let held = self.boat.run(&["list", "-o", "json"]).await.expect(0).stdout.contains("INC-7");
        all.insert("held".to_owned(), json!({"held": held}));
        let run = run_id(self.boat).unwrap_or("(none)".to_owned());
        // Names of what a run makes are made of its id, and of a digest of it; on which node it acts, the scheduler decides.
        let node = self.node.borrow().clone();
        let plain = |text: String| {
            let text = text.replace(&run, "RUN").replace(&run.to_lowercase(), "RUN").replace(&node, "NODE");
            let mut parts = text.split("RUN-");
            let first = parts.next().unwrap_or_default().to_owned();
            parts.fold(first, |text, part| {
                format!("{text}RUN-{}", part.trim_start_matches(|c: char| c.is_ascii_hexdigit()))
            })
        };
        Ok(all
            .into_iter()
            .map(|(name, mut object)| {
                let notes = object.pointer_mut("/spec/template/metadata/annotations");
                if let Some(at) = notes.and_then(|it| it.get_mut("kubectl.kubernetes.io/restartedAt")) {
                    *at = "restarted".into();
                }
                let spec = object.pointer_mut("/spec").and_then(Value::as_object_mut);
                if let Some(spec) = spec.filter(|_| name.starts_with("core/services/")) {
                    spec.remove("clusterIP");
                    spec.remove("clusterIPs");
                }
                plain(format!("{name} {object}"))
            })
            .collect())
    }

    /// Controllers may need a moment.
    async fn comes_to(&self, wanted: &Seen, what: &str) -> Result<()> {
        let mut differ = Vec::new();
        let there = eventually(what, Duration::from_secs(45), async || {
            let now = self.seen().await?;
            differ = now.symmetric_difference(wanted).cloned().collect();
            Ok(differ.is_empty().then_some(()))
        })
        .await;
        there.with_context(|| format!("{}: {what}: {differ:#?}", self.trial.name))
    }

    /// How it goes when nobody interrupts it.
    async fn uninterrupted(&self) -> Result<Uninterrupted> {
        self.happens().await?;
        let before = self.seen().await?;
        let seen = Arc::new(AtomicUsize::new(0));
        let front = front(self.cluster.client().await?, usize::MAX, At::After, seen.clone()).await?;
        let through = format!("--kubeconfig {}", front.kubeconfig(self.boat.dir())?.display());
        let mut ran = book(self.boat, &format!("{} {through}", self.run().await?)).await;
        if self.trial.gate.is_some() {
            ensure!(ran.code == 1, "{ran:?}");
            self.agreed().await?;
            ran = book(self.boat, &format!("{} {through}", self.resume())).await;
        }
        // Logs are a kubelet's, and there is none: that step may fail, and the run goes on.
        ensure!(ran.code == 0 || (ran.code == 3 && self.trial.name == "compromised-pod"), "{ran:?}");
        let done = self.seen().await?;
        ensure!(before != done, "{}: it does nothing", self.trial.name);
        let undone = book(self.boat, "undo latest").await;
        ensure!(undone.code == 0 || (undone.code == 3 && !self.trial.whole), "{undone:?}");
        let undo = undone.code;
        if self.trial.whole {
            self.comes_to(&before, "the state of before").await?;
        }
        let undone = self.seen().await?;
        Ok(Uninterrupted { code: ran.code, writes: seen.load(Ordering::SeqCst), done, undone, undo })
    }

    /// What was interrupted is gone on with, and then taken back: as if it had not been interrupted.
    async fn ends_as(&self, wanted: &Uninterrupted, what: &str) -> Result<()> {
        let ran = self.resumed().await?;
        ensure!(ran.code == wanted.code, "{} {what}: {ran:?}", self.trial.name);
        self.comes_to(&wanted.done, &format!("{what}, resumed")).await?;
        let undone = book(self.boat, "undo latest").await;
        ensure!(undone.code == wanted.undo, "{} {what}: {undone:?}", self.trial.name);
        self.comes_to(&wanted.undone, &format!("{what}, undone")).await
    }

    /// Killed at this write: `false` if it came to its end without so many.
    async fn killed_at_write(&self, position: (usize, At)) -> Result<bool> {
        let (through, at) = position;
        let seen = Arc::new(AtomicUsize::new(0));
        let front = front(self.cluster.client().await?, through, at, seen.clone()).await?;
        let more = format!(" --kubeconfig {}", front.kubeconfig(self.boat.dir())?.display());
        let over = || reached(&front, &seen, position);
        let Some(ran) = killed(self.boat, &(self.run().await? + &more), over).await? else { return Ok(true) };
        if self.trial.gate.is_none() || ran.code != 1 {
            return Ok(false);
        }
        self.agreed().await?;
        Ok(killed(self.boat, &(self.resume() + &more), over).await?.is_none())
    }

    /// At each of its writes, in turn before and after; where there is only one, at that one both.
    async fn dies_at_each_write(&self) -> Result<()> {
        let wanted = self.uninterrupted().await?;
        ensure!(wanted.writes > 0, "{}: nothing is written", self.trial.name);
        for round in 0..wanted.writes.max(2) {
            let at = if round % 2 == 0 { At::Before } else { At::After };
            let position = (round.min(wanted.writes - 1), at);
            self.happens().await?;
            let what = format!("killed at write {position:?} of {}", wanted.writes);
            // Somebody else may have written at the same time once, and one of those was a second attempt.
            let before = self.seen().await?;
            let reached = self.killed_at_write(position).await?;
            // A deletion is tried with its dry run in the body: killed there, it was planning still, and nothing was begun.
            if !self.boat.path("journal").exists() {
                self.comes_to(&before, &what).await?;
                continue;
            }
            ensure!(reached || round + 1 >= wanted.writes, "{}: it was not {what}", self.trial.name);
            self.ends_as(&wanted, &what).await?;
        }
        Ok(())
    }

    /// At each line of its journal in one run: killed as soon as something new is written down, gone on with, killed again.
    async fn dies_at_each_line(&self) -> Result<()> {
        let wanted = self.uninterrupted().await?;
        self.happens().await?;
        let (mut lines, mut kills, mut words) = (Lines::default(), 0, self.run().await?);
        for _ in 0..300 {
            let ended = killed(self.boat, &words, lines.news(self.boat)).await?;
            // It may have written more until it was dead.
            lines.news(self.boat)();
            words = self.resume();
            match ended {
                None => kills += 1,
                Some(ran) if ran.code == 1 && self.trial.gate.is_some() => self.agreed().await?,
                Some(ran) => {
                    ensure!(ran.code == wanted.code, "{}: {ran:?}", self.trial.name);
                    // Lines that hardly anything is between are seen as one: of those of a node that is emptied, two in three.
                    ensure!(
                        kills * 6 >= lines.told.len(),
                        "killed {kills} times for {} lines",
                        lines.told.len()
                    );
                    return self.ends_as(&wanted, &format!("killed {kills} times")).await;
                }
            }
        }
        bail!("{}: it never comes to its end", self.trial.name)
    }
}

/// What the journal of the only run has told so far: of which step, of which call.
#[derive(Default)]
pub struct Lines {
    told: BTreeSet<String>,
}

impl Lines {
    /// Has it told something new since it was looked at? Told again is nothing new.
    pub fn news<'a>(&'a mut self, boat: &'a Lifeboat) -> impl FnMut() -> bool + 'a {
        let path = || Some(the_run(boat).ok()?.join("journal.jsonl"));
        let mut at = 0;
        move || {
            let bytes = path().and_then(|path| std::fs::read(path).ok()).unwrap_or_default();
            let more = bytes.get(at..).unwrap_or_default();
            let whole = more.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            at += whole;
            let before = self.told.len();
            let lines = more[..whole].split(|byte| *byte == b'\n');
            let all = lines.filter_map(|line| serde_json::from_slice::<Value>(line).ok());
            let all = all.filter(|it| it["what"] != "resumed");
            let each =
                |it: Value| json!([it["what"], it["step"], it["op"], it["name"], it["end"]]).to_string();
            self.told.extend(all.map(each));
            self.told.len() > before
        }
    }
}

async fn each(some: &[&str], how: impl AsyncFn(&Case<'_>) -> Result<()>) -> Result<()> {
    with_cluster(ClusterOptions::full(), async |cluster| {
        let boat = fleet(cluster).await?;
        let trials = trials();
        for trial in trials.iter().filter(|it| some.contains(&it.name)) {
            how(&Case { boat: &boat, cluster, trial, node: NOWHERE.to_owned().into() }).await?;
        }
        Ok(())
    })
    .await
}

const SOME: [&str; 4] = ["malicious-webhook", "rbac-escalation", "bad-deployment", "malicious-image"];
const OTHERS: [&str; 3] = ["compromised-node", "compromised-pod", "leaked-credential"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn playbook_runbooks_killed_at_each_write_end_as_if_they_had_not_been() -> Result<()> {
    each(&SOME, async |case| case.dies_at_each_write().await).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn playbook_runbooks_of_pods_nodes_and_accounts_killed_at_each_write_end_as_if_they_had_not_been()
-> Result<()> {
    each(&OTHERS, async |case| case.dies_at_each_write().await).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn playbook_runbooks_killed_at_each_line_of_their_journal_end_as_if_they_had_not_been() -> Result<()> {
    each(&SOME, async |case| case.dies_at_each_line().await).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn playbook_runbooks_of_pods_nodes_and_accounts_killed_at_each_line_end_as_if_they_had_not_been()
-> Result<()> {
    each(&OTHERS, async |case| case.dies_at_each_line().await).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn playbook_for_a_deleted_namespace_is_killed_everywhere_and_brings_it_back() -> Result<()> {
    with_cluster(ClusterOptions::full(), async |cluster| {
        let boat = saved(cluster).await?;
        let trial = restoring("deleted-namespace", "-p namespace=ship");
        let case = Case { boat: &boat, cluster, trial: &trial, node: NOWHERE.to_owned().into() };
        case.dies_at_each_write().await?;
        case.dies_at_each_line().await
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn playbook_for_a_mass_deletion_is_killed_everywhere_and_brings_back_what_is_gone() -> Result<()> {
    with_cluster(ClusterOptions::full(), async |cluster| {
        let boat = saved(cluster).await?;
        let trial = restoring("mass-deletion", "-p account=ship/mutineer");
        let case = Case { boat: &boat, cluster, trial: &trial, node: NOWHERE.to_owned().into() };
        case.dies_at_each_write().await?;
        case.dies_at_each_line().await
    })
    .await
}
