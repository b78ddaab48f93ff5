//! The shipped playbook for a lost quorum, on a host whose static pods run: carried out, killed at each line, and taken back.

use crate::{
    boat::{Lifeboat, Ran},
    host::{Host, names},
    lab::eventually,
    playbook_case::{book, journal},
    playbook_crash::killed,
    playbook_run::approver,
    playbook_runbooks::file,
    playbook_runbooks_killed::Lines,
};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::{collections::BTreeSet, fs, process::Stdio, time::Duration};
use tokio::process::{Child, Command};

/// What people are asked for, in this order.
const ASKED: [&str; 6] = ["count", "fence", "whole", "gate", "rejoin", "lost"];
const RESUME: &str = "resume latest --no-wait -i identity.txt";

/// The playbook and its parameters, on a host where two people may approve.
async fn line(host: &Host) -> Result<String> {
    let boat = &host.boat;
    let people = [approver(boat, "alice", "leads").await?, approver(boat, "bob", "leads").await?];
    boat.edit(|text| format!("{text}\nplaybooks:\n  approvers:\n{}", people.concat()))?;
    Ok(format!(
        "{} -p incident=OPS-7 -p host=cp1 -p point=latest -p archives={} -p manifests={}",
        file("etcd-quorum-loss"),
        host.dir().join("kept").display(),
        host.manifests().display()
    ))
}

/// Both people answer the step that a run waits at.
async fn answer(boat: &Lifeboat, ran: &Ran) -> Result<String> {
    let status = book(boat, "status latest -o json").await.expect(0).json();
    let step = status["waiting"]["step"].as_str().with_context(|| format!("{ran:?} {status:#}"))?;
    let told = "--told members=all --told archives=none --told verified=yes --told lost=nothing";
    for name in ["alice", "bob"] {
        book(boat, &format!("approve latest --step {step} --as {name} --key {name}.key {told}"))
            .await
            .expect(0);
    }
    Ok(step.to_owned())
}

/// Goes on with a run that waits for people, who answer, until it has come to its end. `done` is what they do at a step before it goes on.
async fn carried_out(
    boat: &Lifeboat,
    mut ran: Ran,
    mut done: impl AsyncFnMut(&str) -> Result<()>,
) -> Result<()> {
    let mut asked = Vec::new();
    while ran.code == 1 {
        let step = answer(boat, &ran).await?;
        done(&step).await?;
        asked.push(step);
        ensure!(asked.len() <= ASKED.len(), "{asked:?}: {ran:?}");
        ran = book(boat, RESUME).await;
    }
    ran.expect(0).says("COMPLETED");
    assert_eq!(asked, ASKED);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn playbook_runbook_of_lost_quorum_is_carried_out_on_host_and_taken_back() -> Result<()> {
    let host = Host::start().await?;
    let boat = &host.boat;
    let line = line(&host).await?;
    let plan = book(boat, &format!("plan {line} -o json")).await.expect(0).json();
    ensure!(!plan["findings"].to_string().contains("error"), "{:#}", plan["findings"]);
    let ran = book(boat, &format!("run {line} --yes --no-wait -i identity.txt")).await;
    carried_out(boat, ran, async |_| Ok(())).await?;
    host.must_serve(&host.saved).await?;
    ensure!(names(&host.dir().join("kept")).len() == 1, "the data of before is kept");
    let page = book(boat, "timeline latest --format html").await.expect(0).stdout;
    ensure!(page.contains("</html>") && page.contains("OPS-7"));
    book(boat, "undo latest").await.expect(0);
    host.must_serve(&host.live).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn playbook_runbook_of_lost_quorum_killed_at_each_line_ends_as_if_it_had_not_been() -> Result<()> {
    let host = Host::start().await?;
    let boat = &host.boat;
    let mut words = format!("run {} --yes --no-wait -i identity.txt", line(&host).await?);
    let (mut lines, mut kills, mut asked) = (Lines::default(), 0, Vec::new());
    let ran = loop {
        ensure!(kills + asked.len() < 200, "it never comes to its end");
        let ended = killed(boat, &words, lines.news(boat)).await?;
        // What it told before it died is not news.
        lines.news(boat)();
        words = RESUME.to_owned();
        match ended {
            None => kills += 1,
            Some(ran) if ran.code == 1 => asked.push(answer(boat, &ran).await?),
            Some(ran) => break ran,
        }
    };
    ran.expect(0).says("COMPLETED");
    assert_eq!(asked, ASKED, "nobody is asked twice");
    ensure!(kills >= 20, "killed {kills} times");
    host.must_serve(&host.saved).await?;
    ensure!(
        names(&host.dir().join("kept")).len() == 1,
        "the data of before is kept once: {:?}",
        names(&host.dir().join("kept"))
    );

    // And on the way back.
    let mut kills = 0;
    let ran = loop {
        ensure!(kills < 50, "it never comes to its end");
        match killed(boat, "undo latest", lines.news(boat)).await? {
            None => kills += 1,
            Some(ran) => break ran,
        }
        lines.news(boat)();
    };
    ran.expect(0);
    ensure!(kills >= 2, "killed {kills} times");
    let twice = journal(boat)?.iter().filter(|it| it["what"] == "undone" && it["step"] == "restore").count();
    assert_eq!(twice, 1, "it is taken back once");
    host.must_serve(&host.live).await
}

/// A host whose etcd is lost joins the one that goes on, as `kubeadm join` has it do: with no data, and known before it comes.
async fn join(host: &Host, other: usize) -> Result<Child> {
    let etcd = &host.etcd;
    let (member, first) = (etcd.member(other), etcd.access().of(0));
    fs::remove_dir_all(&member.data_dir)?;
    let peer = format!("--peer-urls={}", member.peer_url());
    // Two of two must be there before a third may come.
    eventually("a member may come", Duration::from_secs(60), async || {
        Ok(first.etcdctl(&["member", "add", &member.name, &peer]).await.ok())
    })
    .await?;
    let there = etcd.initial_cluster_of(other + 1);
    let of_all = member.command();
    let (program, arguments) = of_all.split_first().context("a command")?;
    let mut command = Command::new(program);
    command.args(arguments.iter().filter(|it| !it.starts_with("--initial-cluster=")));
    command.args([&format!("--initial-cluster={there}"), "--initial-cluster-state=existing"]);
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let child = child.spawn()?;
    eventually("it serves", Duration::from_secs(60), async || {
        Ok(etcd.access().of(other).etcdctl(&["endpoint", "health"]).await.ok())
    })
    .await?;
    Ok(child)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn playbook_runbook_of_lost_quorum_brings_three_members_back_of_one() -> Result<()> {
    let host = Host::start_among(3).await?;
    let boat = &host.boat;
    let line = line(&host).await?;
    for lost in [1, 2] {
        host.etcd.member(lost).kill();
    }
    let ran = book(boat, &format!("run {line} --yes --no-wait -i identity.txt")).await;
    let seen = journal(boat)?;
    let look = seen.iter().rfind(|it| it["what"] == "step-ended" && it["step"] == "look");
    let seen = &look.context("it looked")?["result"];
    assert_eq!((&seen["answering"], &seen["quorum"]), (&json!(1), &json!(false)), "{seen:#}");
    let mut others = Vec::new();
    carried_out(boat, ran, async |step| {
        if step == "rejoin" {
            for other in [1, 2] {
                others.push(join(&host, other).await?);
            }
        }
        Ok(())
    })
    .await?;
    host.must_serve(&host.saved).await?;

    // All three have what was saved, and nothing else.
    eventually("the members agree", Duration::from_secs(60), async || {
        let said = host.etcd.etcdctl(&["endpoint", "hashkv", "-w", "json"]).await?;
        let said: Value = serde_json::from_str(&said)?;
        let all = said.as_array().context("a list")?;
        let of = |it: &Value| (it["HashKV"]["hash"].to_string(), it["HashKV"]["hash_revision"].to_string());
        let hashes: BTreeSet<_> = all.iter().map(of).collect();
        Ok((all.len() == 3 && hashes.len() == 1).then_some(()))
    })
    .await?;
    let members = host.etcd.etcdctl(&["member", "list"]).await?;
    assert_eq!(members.lines().filter(|line| line.contains("started")).count(), 3, "{members}");
    Ok(())
}
