//! Playbooks on a host, without an API server: a real etcd of static pods that is stopped, kept, restored and brought back; killed at
//! each position of the journal.

use crate::{
    boat::{Lifeboat, Ran},
    host::{Host, write_manifest},
    lab::{Etcd, EtcdOptions, Kubelet, eventually},
    playbook_case::{book, forget, playbook, the_run},
    saved::{Saved, saved, tree},
};
use anyhow::{Context, Result, ensure};
use lifeboat::point::ArtifactKind;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::{
    fs::{self, File},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// Everything below a directory, with the bytes of the files; what of it a run keeps is not looked at.
pub type Tree = Vec<(PathBuf, Option<Vec<u8>>)>;

pub fn head(params: &str) -> String {
    format!("  runsOn: host\n  concurrency: {{key: control-plane, policy: Forbid}}\n{params}")
}

pub const POINT: &str = "  params: [{name: point, type: pointRef, default: latest}]\n";

/// The journal of the only run.
fn text(boat: &Lifeboat) -> String {
    let file = the_run(boat).map(|it| it.join("journal.jsonl"));
    file.ok().and_then(|path| fs::read_to_string(path).ok()).unwrap_or_default()
}

/// How many whole lines the journal of the only run has.
fn lines(boat: &Lifeboat) -> usize {
    text(boat).matches('\n').count()
}

pub fn journal(boat: &Lifeboat) -> Result<Vec<Value>> {
    text(boat).lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

/// Runs a playbook and kills it so long after so many lines of its journal. `false`: it came to its end before.
fn killed(boat: &Lifeboat, file: &str, at: usize, later: Duration) -> Result<bool> {
    let words = ["playbook", "run", file, "--yes", "-i", "identity.txt"];
    let mut child = boat.command(&words).into_std();
    let mut child = child.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn()?;
    let end = Instant::now() + Duration::from_secs(60);
    while lines(boat) < at {
        if child.try_wait()?.is_some() {
            return Ok(false);
        }
        ensure!(Instant::now() < end, "line {at} is not written");
        std::thread::sleep(Duration::from_micros(200));
    }
    std::thread::sleep(later);
    child.kill()?;
    Ok(!child.wait()?.success())
}

/// An etcd of static pods, stopped, with other data than the recovery point's.
pub struct Stopped {
    pub saved: Saved,
    etcd: Etcd,
    kubelet: Option<Kubelet>,
}

impl Stopped {
    pub async fn new() -> Result<Self> {
        let saved = saved().await?;
        let etcd = Etcd::prepare(&saved.dir().join("host"), EtcdOptions::default())?;
        let manifests = saved.dir().join("host/manifests");
        fs::create_dir(&manifests)?;
        let data = etcd.member(0).data_dir.clone();
        write_manifest(&manifests, "etcd", &etcd.member(0).command(), &[&data])?;
        let kubelet = Kubelet::start(&manifests, saved.dir());
        let it = Stopped { saved, etcd, kubelet: Some(kubelet) };
        eventually("etcd", Duration::from_secs(30), async || {
            let Ok(mut client) = it.etcd.client_of(0).await else { return Ok(None) };
            Ok(client.put("/registry/live", "what is there now", None).await.ok())
        })
        .await?;
        fs::create_dir(it.away())?;
        fs::rename(manifests.join("etcd.yaml"), it.away().join("etcd.yaml"))?;
        let database = it.etcd.member(0).database();
        eventually("its end", Duration::from_secs(30), async || {
            Ok(File::open(&database)?.try_lock().is_ok().then_some(()))
        })
        .await?;
        Ok(it)
    }

    /// From now on nothing runs what lies there.
    pub fn unwatched(&mut self) {
        self.kubelet = None;
    }

    pub fn host(&self) -> PathBuf {
        self.saved.dir().join("host")
    }

    fn away(&self) -> PathBuf {
        self.host().join("manifests.stopped")
    }

    /// Manifests and data, stopped and running, without what a swap that came to its end leaves aside.
    pub fn tree(&self) -> Tree {
        let mut found = tree(&self.host());
        found.retain(|(path, _)| !path.to_string_lossy().contains(".restored-"));
        found
    }

    pub fn forget(&self) -> Result<()> {
        for entry in fs::read_dir(self.host())?.flatten() {
            if entry.file_name().to_string_lossy().contains(".restored-") {
                fs::remove_dir_all(entry.path())?;
            }
        }
        forget(&self.saved.boat)
    }

    /// The etcd that runs now has just what was saved: etcd's own hash says so.
    pub async fn must_serve_the_point(&self) -> Result<()> {
        let manifest = self.saved.manifest()?;
        let facts = manifest.artifact(&ArtifactKind::Etcd).and_then(|it| it.etcd.clone());
        let wanted = facts.and_then(|it| it.kv_hash).context("a hash")?;
        let mut client = self.etcd.client_of(0).await?;
        let found = client.maintenance_client().hash_kv(wanted.revision).await?;
        assert_eq!((found.hash(), found.compact_version()), (wanted.hash, wanted.compact_revision));
        assert!(client.get("/registry/live", None).await?.kvs().is_empty());
        Ok(())
    }
}

pub fn difference(before: &Tree, now: &Tree) -> Vec<PathBuf> {
    let other = |a: &Tree, b: &Tree| -> Vec<PathBuf> {
        a.iter().filter(|it| !b.contains(it)).map(|(path, _)| path.clone()).collect()
    };
    [other(before, now), other(now, before)].concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn playbook_on_host_restores_etcd_and_gives_every_byte_back_wherever_it_is_killed() -> Result<()> {
    let it = Stopped::new().await?;
    let boat = &it.saved.boat;
    let (manifests, kept) = (it.host().join("manifests"), it.saved.dir().join("kept"));
    let place = manifests.display();
    let steps = format!(
        "    - {{id: archive, action: etcd.archive, args: {{to: '{}', manifests: '{place}'}}, register: archive}}
    - {{id: restore, action: etcd.restore, args: {{point: '${{params.point.id}}', manifests: '{place}', bumpRevision: 0, markCompacted: false, within: 60s}}}}
    - {{id: healthy, action: assert, args: {{check: etcd.status, manifests: '{place}', expect: 'result.quorum && result.answering == 1'}}, retry: {{limit: 5}}}}
",
        kept.display()
    );
    playbook(boat, "lost", &head(POINT), &steps)?;
    let before = it.tree();

    // A plan changes nothing, is the same twice, and says where it acts; without an identity nothing is begun.
    let plan = book(boat, "plan lost.yaml --to plan.json -o json").await.expect(0).json();
    assert!(plan["target"]["host"].is_string() && plan["target"].get("uid").is_none(), "{plan:#}");
    assert_eq!(difference(&before, &it.tree()), Vec::<PathBuf>::new());
    book(boat, "run lost.yaml --plan plan.json").await.expect(2).says("identity");
    assert_eq!(lines(boat), 0);

    let ran = book(boat, "run lost.yaml --plan plan.json -i identity.txt").await.expect(0);
    ran.says("COMPLETED");
    it.must_serve_the_point().await?;
    let all = lines(boat);
    let entries = journal(boat)?;
    let intent = |op: &str| {
        entries
            .iter()
            .position(|it| it["what"] == "intent" && it.to_string().contains(op))
            .context("an intent")
    };
    let restore = intent("\"does\":\"restore\"")? + 1;

    // The archive is what was there, byte by byte, and the journal has its digest.
    let archived = entries.iter().find(|it| it["step"] == "archive" && it["what"] == "step-ended");
    let archived = archived.context("the archive")?["result"].clone();
    let path = Path::new(archived["path"].as_str().context("a path")?).to_owned();
    let sum = std::process::Command::new("sha256sum").arg(&path).output()?;
    assert!(String::from_utf8_lossy(&sum.stdout).starts_with(archived["sha256"].as_str().unwrap_or("?")));
    let out = it.saved.dir().join("out");
    tar::Archive::new(zstd::stream::read::Decoder::new(File::open(&path)?)?).unpack(&out)?;
    let data = &it.etcd.member(0).data_dir;
    let packed: Tree = tree(&out.join("etcd")).into_iter().filter(|(_, bytes)| bytes.is_some()).collect();
    assert!(packed.len() >= 2);
    for (path, bytes) in &packed {
        let original = data.join(path.strip_prefix(out.join("etcd"))?);
        assert!(before.contains(&(original.clone(), bytes.clone())), "{}", original.display());
    }

    let told = book(boat, "timeline latest").await.expect(0).stdout;
    assert!(told.contains("etcd.archive") || told.contains("archive"), "{told}");
    book(boat, "undo latest").await.expect(0);
    assert_eq!(difference(&before, &it.tree()), Vec::<PathBuf>::new());

    // At each position of the journal; and while data is made, exchanged and started.
    let whiles = [150, 600, 1200, 1800, 2500].map(|ms| (restore, Duration::from_millis(ms)));
    let each = (1..all).map(|line| (line, Duration::ZERO));
    let mut reached = 0;
    for (round, (line, later)) in each.chain(whiles).enumerate() {
        it.forget()?;
        let stopped = killed(boat, "lost.yaml", line, later)?;
        reached += usize::from(stopped);
        let what = format!("killed at line {line} and {later:?}");
        if round % 2 == 0 {
            let resumed = book(boat, "resume latest -i identity.txt").await;
            ensure!(resumed.code == 0, "{what}: {resumed:?}");
            it.must_serve_the_point().await.context(what.clone())?;
        }
        let undone = book(boat, "undo latest").await;
        ensure!(undone.code == 0, "{what}: {undone:?}");
        assert_eq!(difference(&before, &it.tree()), Vec::<PathBuf>::new(), "{what}");
    }
    // A signal in the middle of it: it goes back by itself, and can be gone on with.
    it.forget()?;
    let run = ["playbook", "run", "lost.yaml", "--yes", "-i", "identity.txt"];
    let child = boat.spawn(&run)?;
    let away = it.away().join("etcd.yaml");
    eventually("etcd is started", Duration::from_secs(60), async || Ok((!away.exists()).then_some(())))
        .await?;
    let pid = Pid::from_raw(child.id().context("it runs")? as i32).context("a pid")?;
    kill_process(pid, Signal::TERM)?;
    let stopped: Ran = child.wait_with_output().await?.into();
    if stopped.code != 0 {
        assert_eq!(difference(&before, &it.tree()), Vec::<PathBuf>::new(), "{stopped:?}");
        book(boat, "resume latest -i identity.txt").await.expect(0);
    }
    it.must_serve_the_point().await?;
    book(boat, "undo latest").await.expect(0);
    assert_eq!(difference(&before, &it.tree()), Vec::<PathBuf>::new());
    ensure!(reached + 3 >= all, "only {reached} of {all} kills came in time");
    Ok(())
}

/// Manifests of a host on which nothing runs.
async fn quiet() -> Result<(Saved, PathBuf)> {
    let saved = saved().await?;
    let manifests = saved.dir().join("manifests");
    fs::create_dir_all(saved.dir().join("data/member/snap"))?;
    fs::create_dir(&manifests)?;
    let data = format!("--data-dir={}", saved.dir().join("data").display());
    let command: Vec<String> =
        ["etcd", &data, "--listen-client-urls=http://127.0.0.1:1"].map(str::to_owned).to_vec();
    write_manifest(&manifests, "etcd", &command, &[&saved.dir().join("data")])?;
    for (name, port) in [("kube-apiserver", "4"), ("kube-scheduler", "5")] {
        write_manifest(&manifests, name, &[name.into(), format!("--secure-port={port}")], &[])?;
    }
    Ok((saved, manifests))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn playbook_on_host_moves_manifests_away_and_back_wherever_it_is_killed() -> Result<()> {
    let (saved, manifests) = quiet().await?;
    let (boat, place) = (&saved.boat, manifests.display());
    let steps = format!("    - {{id: stop, action: staticPod.stop, args: {{manifests: '{place}'}}}}\n");
    playbook(boat, "stop", &head(""), &steps)?;
    let there = || -> Tree { [tree(&manifests), tree(&saved.dir().join("manifests.stopped"))].concat() };
    let before = there();
    book(boat, "run stop.yaml --yes").await.expect(0);
    assert!(tree(&manifests).is_empty());
    let (done, all) = (there(), lines(boat));
    book(boat, "undo latest").await.expect(0);
    assert_eq!(difference(&before, &there()), Vec::<PathBuf>::new());
    for line in 1..all {
        forget(boat)?;
        killed(boat, "stop.yaml", line, Duration::ZERO)?;
        if line % 2 == 0 {
            let resumed = book(boat, "resume latest").await;
            ensure!(resumed.code == 0, "line {line}: {resumed:?}");
            assert_eq!(difference(&done, &there()), Vec::<PathBuf>::new(), "line {line}");
        }
        let undone = book(boat, "undo latest").await;
        ensure!(undone.code == 0, "line {line}: {undone:?}");
        assert_eq!(difference(&before, &there()), Vec::<PathBuf>::new(), "line {line}");
    }

    // Somebody puts another manifest in its place meanwhile: nobody can tell which one counts, and both stay.
    forget(boat)?;
    book(boat, "run stop.yaml --yes").await.expect(0);
    fs::write(manifests.join("etcd.yaml"), "another")?;
    let undone = book(boat, "undo latest").await.expect(3);
    assert!(undone.stdout.contains("1 things could not be taken back"), "{undone:?}");
    assert_eq!(fs::read_to_string(manifests.join("etcd.yaml"))?, "another");
    assert!(saved.dir().join("manifests.stopped/etcd.yaml").exists());
    assert!(manifests.join("kube-apiserver.yaml").exists());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn playbook_on_host_says_what_it_cannot_do_there() -> Result<()> {
    let (saved, manifests) = quiet().await?;
    let (boat, place) = (&saved.boat, manifests.display());
    let look = format!(
        "    - {{id: look, action: etcd.status, args: {{manifests: '{place}'}}, register: look}}
    - {{id: quorum, action: assert, args: {{check: etcd.status, manifests: '{place}', expect: result.quorum}}}}\n"
    );
    let guarded = "  guards: {protectedNamespaces: [kube-system]}\n";
    playbook(boat, "look", &format!("{}{guarded}", head("")), &look)?;
    let plan = book(boat, "plan look.yaml -o json").await.expect(0).json();
    let said = plan["findings"].to_string();
    assert!(said.contains("guards nothing on a host"), "{said}");
    let text = book(boat, "plan look.yaml").await.expect(0).stdout;
    assert!(text.contains("without an API server: no rights are asked for"), "{text}");
    book(boat, "run look.yaml --yes").await.expect(1);
    let entries = journal(boat)?;
    let looked = entries.iter().find(|it| it["what"] == "step-ended" && it["step"] == "look");
    let looked = &looked.context("it looked")?["result"];
    assert_eq!((&looked["answering"], &looked["quorum"]), (&json!(0), &json!(false)), "{looked:#}");

    let none = book(boat, "rbac look.yaml").await.expect(0).stdout;
    assert!(none.contains("it needs no rights"), "{none}");
    book(boat, "plan look.yaml --kubeconfig nowhere").await.expect(2).says("without an API server");
    let cluster = "    - {id: a, action: pod.protect, args: {target: {kind: Pod, namespace: a, name: b}, annotations: {a: b}}}\n";
    playbook(boat, "mixed", &head(""), cluster)?;
    wrong(boat, "lint mixed.yaml", "needs an API server, and this playbook runs on a host").await;
    let check = "    - {id: a, action: assert, args: {check: network.exposure, target: {kind: Pod, namespace: a, name: b}, expect: result.open}}\n";
    playbook(boat, "checks", &head(""), check)?;
    wrong(boat, "lint checks.yaml", "`network.exposure` needs an API server").await;
    playbook(boat, "reverse", "", &look)?;
    wrong(boat, "lint reverse.yaml", "acts on a host").await;

    // A plan of another host is not carried out on this one.
    let stop = format!("    - {{id: stop, action: staticPod.stop, args: {{manifests: '{place}'}}}}\n");
    playbook(boat, "stop", &head(""), &stop)?;
    let mut plan: Value = book(boat, "plan stop.yaml -o json").await.expect(0).json();
    plan["target"]["host"] = json!("another-host");
    fs::write(boat.path("plan.json"), serde_json::to_vec_pretty(&plan)?)?;
    book(boat, "run stop.yaml --plan plan.json").await.expect(6);
    assert!(manifests.join("etcd.yaml").exists());
    Ok(())
}

/// Puts a program before those in the path that notes what it is told and does what the script says.
fn crictl(dir: &Path, script: &str) -> Result<std::ffi::OsString> {
    let place = dir.join("programs");
    fs::create_dir_all(&place)?;
    let program = place.join("crictl");
    fs::write(&program, format!("#!/bin/sh\necho \"$*\" >> {}\n{script}\n", dir.join("asked").display()))?;
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
    let others = std::env::var_os("PATH").unwrap_or_default();
    Ok(std::env::join_paths([place].into_iter().chain(std::env::split_paths(&others)))?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn playbook_on_host_waits_for_the_end_of_containers() -> Result<()> {
    let (saved, manifests) = quiet().await?;
    let (boat, place) = (&saved.boat, manifests.display());
    let steps = format!(
        "    - {{id: stop, action: staticPod.stop, args: {{pods: [kube-scheduler], manifests: '{place}', within: 3s}}}}\n"
    );
    playbook(boat, "stop", &head(""), &steps)?;
    let run = async |path: std::ffi::OsString| -> Result<Ran> {
        let words = ["playbook", "run", "stop.yaml", "--yes"];
        Ok(boat.command(&words).env("PATH", path).output().await?.into())
    };
    // It runs for three looks more.
    let asked = saved.dir().join("asked");
    let path = crictl(saved.dir(), &format!("test $(wc -l < {}) -gt 3 || echo 4f1c", asked.display()))?;
    let ran = run(path).await?.expect(0);
    assert!(ran.stderr.contains("no container of them runs"), "{ran:?}");
    let asked = fs::read_to_string(asked)?;
    assert!(asked.lines().count() >= 7, "{asked}");
    let line = "ps --quiet --state running --label io.kubernetes.pod.namespace=kube-system --label \
                io.kubernetes.container.name=kube-scheduler";
    assert!(asked.lines().all(|it| it == line), "{asked}");
    book(boat, "undo latest").await.expect(0);

    for (script, words) in [
        ("echo 4f1c", "container kube-scheduler (4f1c) still runs"),
        ("echo 'no runtime' >&2; exit 1", "crictl ps: no runtime"),
    ] {
        forget(boat)?;
        let ran = run(crictl(saved.dir(), script)?).await?.expect(1);
        assert!(format!("{ran:?}").contains(words), "{ran:?}");
        book(boat, "undo latest").await.expect(0);
        assert!(manifests.join("kube-scheduler.yaml").exists());
    }
    Ok(())
}

/// A playbook that is refused, with these words.
async fn wrong(boat: &Lifeboat, command: &str, words: &str) {
    let said = book(boat, command).await.expect(2).stdout;
    assert!(said.contains(words), "{said}");
}

/// The journal of a run waits at a gate.
async fn waits(boat: &Lifeboat) -> Result<()> {
    eventually("somebody is asked", Duration::from_secs(60), async || {
        let waits = journal(boat).unwrap_or_default();
        Ok(waits.iter().any(|it| it["what"] == "waiting").then_some(()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn playbook_on_host_brings_a_control_plane_back_and_excludes_a_second_run() -> Result<()> {
    let host = Host::start().await?;
    let boat = &host.boat;
    let alice = crate::playbook_run::approver(boat, "alice", "leads").await?;
    boat.edit(|text| format!("{text}\nplaybooks:\n  approvers:\n{alice}"))?;
    let place = host.manifests().display().to_string();
    let kept = host.dir().join("kept").display().to_string();
    let steps = format!(
        "    - {{id: look, action: etcd.status, args: {{manifests: '{place}'}}, register: look}}
    - {{id: gate, approve: {{prompt: 'Restore ${{params.point.id}}?', minApprovals: 1, timeout: 5m}}}}
    - {{id: stop, action: staticPod.stop, args: {{manifests: '{place}', within: 60s}}}}
    - {{id: archive, action: etcd.archive, args: {{to: '{kept}', manifests: '{place}'}}}}
    - {{id: restore, action: etcd.restore, args: {{point: '${{params.point.id}}', manifests: '{place}', within: 60s}}}}
    - {{id: healthy, action: assert, args: {{check: etcd.status, manifests: '{place}', expect: result.quorum}}, retry: {{limit: 5}}}}
"
    );
    playbook(boat, "lost", &head(POINT), &steps)?;
    book(boat, "plan lost.yaml --to plan.json").await.expect(0);
    let run =
        ["playbook", "run", "lost.yaml", "--plan", "plan.json", "-i", "identity.txt", "--approvals", "said"];
    fs::create_dir(boat.path("said"))?;
    let child = boat.spawn(&run)?;
    waits(boat).await?;
    // Another run of the same key is told who has it, and does nothing.
    let second = book(boat, "run lost.yaml --yes -i identity.txt").await.expect(6);
    assert!(second.stderr.contains("has the key `control-plane`"), "{second:?}");
    // The answer is a file that is carried there by hand.
    let approve = "approve --plan plan.json --step gate --as alice --key alice.key --to said";
    book(boat, approve).await.expect(0);
    let ran: Ran = child.wait_with_output().await?.into();
    ran.expect(0);
    host.must_serve(&host.saved).await?;
    let plan: Value = serde_json::from_slice(&fs::read(boat.path("plan.json"))?)?;
    let run = plan["run"].as_str().context("a run")?;
    let undone = book(boat, &format!("undo {run}")).await.expect(0);
    host.must_serve(&host.live).await?;
    assert!(undone.stderr.contains("what was written since is in"), "{undone:?}");
    for name in crate::host::names(host.dir()).iter().filter(|name| name.contains(".restored-")) {
        fs::remove_dir_all(host.dir().join(name))?;
    }
    host.must_be_clean();
    Ok(())
}
