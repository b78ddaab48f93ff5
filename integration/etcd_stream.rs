//! A snapshot whose stream breaks, stalls, or runs while others write.

use crate::{
    boat::{Lifeboat, Ran, with_boat},
    etcd_outcome::{facts, nothing_kept, problems, refused, run, sound},
    lab::{Etcd, EtcdOptions, Fault, Proxy, Version, eventually},
};
use anyhow::{Context, Result};
use serde_json::Value;
use std::time::Duration;
use tokio::process::Child;

const PATIENCE: Duration = Duration::from_secs(60);
/// A database of some megabytes takes several seconds like this: time enough for something to happen.
const SLOW: Fault = Fault::Throttle { per_second: 2 << 20 };
/// More than all that is asked before a snapshot, less than the snapshot.
const STREAMING: u64 = 1 << 20;

/// An etcd with some megabytes in it, a proxy in front of each member, and a boat that knows only the proxies.
async fn behind_proxies(
    options: EtcdOptions,
    test: impl AsyncFnOnce(&Etcd, &Lifeboat, &[Proxy]) -> Result<()>,
) -> Result<()> {
    with_boat(options, 6, async |etcd, boat| {
        let mut proxies = Vec::new();
        for endpoint in etcd.endpoints() {
            let proxy = Proxy::to(endpoint).await?;
            boat.edit(|text| text.replace(endpoint, &format!("http://{}", proxy.address())))?;
            proxies.push(proxy);
        }
        boat.edit(|text| text.replace("#:   idleTimeout: 60s", "  idleTimeout: 2s"))?;
        boat.edit(|text| text.replace("#:   requestTimeout: 30s", "  requestTimeout: 3s"))?;
        test(etcd, boat, &proxies).await
    })
    .await
}

fn all(proxies: &[Proxy], fault: Fault) {
    proxies.iter().for_each(|proxy| proxy.set(fault));
}

/// Starts a backup and waits until its snapshot comes; says from which member.
async fn backup_in_mid_stream(boat: &Lifeboat, proxies: &[Proxy]) -> Result<(Child, usize)> {
    let before: Vec<u64> = proxies.iter().map(Proxy::to_clients).collect();
    let backup = boat.spawn(&["backup", "--etcd-only", "-o", "json"])?;
    let from = eventually("a snapshot on its way", PATIENCE, async || {
        Ok(proxies.iter().zip(&before).position(|(proxy, before)| proxy.to_clients() > before + STREAMING))
    });
    Ok((backup, from.await?))
}

async fn end(backup: Child) -> Result<Ran> {
    Ok(backup.wait_with_output().await?.into())
}

/// The snapshot was taken from another member than `failed`, which is named with the reason.
async fn taken_elsewhere(boat: &Lifeboat, manifest: &Value, failed: &str, reason: &str) {
    sound(boat, manifest).await;
    assert_ne!(facts(manifest)["member"], failed);
    let said = problems(manifest);
    let line = said.lines().find(|line| line.contains("was taken again")).unwrap_or_else(|| panic!("{said}"));
    assert!(line.contains(&format!("etcd member {failed} (")) && line.contains(reason), "{line}");
}

async fn member_dies(version: Version) -> Result<()> {
    behind_proxies(EtcdOptions { members: 3, version, ..Default::default() }, async |etcd, boat, proxies| {
        all(proxies, SLOW);
        let (backup, from) = backup_in_mid_stream(boat, proxies).await?;
        etcd.member(from).kill();
        all(proxies, Fault::None);
        let manifest = end(backup).await?.expect(0).json();
        taken_elsewhere(boat, &manifest, &etcd.member(from).name, "broke off after").await;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_dies_in_the_middle_is_replaced_by_another() -> Result<()> {
    member_dies(Version::V36).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_dies_in_the_middle_is_replaced_by_another_3_5() -> Result<()> {
    member_dies(Version::V35).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_stalls_is_given_up_for_another_member() -> Result<()> {
    behind_proxies(EtcdOptions { members: 3, ..Default::default() }, async |etcd, boat, proxies| {
        all(proxies, SLOW);
        let (backup, from) = backup_in_mid_stream(boat, proxies).await?;
        proxies[from].set(Fault::Stall { after: 0 });
        proxies.iter().enumerate().filter(|(i, _)| *i != from).for_each(|(_, p)| p.set(Fault::None));
        let manifest = end(backup).await?.expect(0).json();
        proxies[from].set(Fault::None);
        taken_elsewhere(boat, &manifest, &etcd.member(from).name, "sent nothing for 2 s").await;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_every_member_fails_every_attempt_is_named() -> Result<()> {
    behind_proxies(EtcdOptions { members: 3, ..Default::default() }, async |_, boat, proxies| {
        proxies[0].set(Fault::Stall { after: STREAMING });
        proxies[1].set(Fault::Cut { after: STREAMING });
        proxies[2].set(Fault::Cut { after: STREAMING });
        let ran = run(boat, &["backup", "--etcd-only", "-o", "json"]).await.expect(1).json();
        let said = ran["error"]["message"].as_str().unwrap();
        let attempts: Vec<_> = said.lines().filter_map(|line| line.strip_prefix("  - ")).collect();
        assert_eq!(attempts.len(), 6, "{said}");
        for proxy in proxies {
            assert_eq!(attempts.iter().filter(|line| line.contains(&proxy.address())).count(), 2, "{said}");
        }
        assert_eq!(attempts.iter().filter(|line| line.contains("sent nothing for 2 s")).count(), 1, "{said}");
        assert_eq!(attempts.iter().filter(|line| line.contains("broke off after")).count(), 2, "{said}");
        nothing_kept(boat).await;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_only_member_stalls_or_breaks_off_and_nothing_is_left() -> Result<()> {
    behind_proxies(EtcdOptions::default(), async |_, boat, proxies| {
        let fault = Fault::Stall { after: STREAMING };
        proxies[0].set(fault);
        refused(boat, &[&proxies[0].address(), "no answer within 3 s"]).await?;
        proxies[0].set(Fault::Cut { after: STREAMING });
        refused(boat, &[&proxies[0].address()]).await?;

        // What came to nothing does not stand in the way of the next one.
        proxies[0].set(Fault::None);
        let manifest = run(boat, &["backup", "--etcd-only", "-o", "json"]).await.expect(0).json();
        sound(boat, &manifest).await;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_program_is_stopped_in_mid_stream_and_nothing_is_left() -> Result<()> {
    behind_proxies(EtcdOptions::default(), async |_, boat, proxies| {
        all(proxies, SLOW);
        let (backup, _) = backup_in_mid_stream(boat, proxies).await?;
        let pid = rustix::process::Pid::from_raw(backup.id().context("it runs")?.try_into()?);
        rustix::process::kill_process(pid.context("a process")?, rustix::process::Signal::TERM)?;
        end(backup).await?.expect(1).says("stopped by SIGTERM").says("nothing was left behind");
        nothing_kept(boat).await;
        Ok(())
    })
    .await
}

async fn written_to_meanwhile(version: Version) -> Result<()> {
    let options = EtcdOptions { members: 3, version, ..Default::default() };
    behind_proxies(options, async |etcd, boat, proxies| {
        // The answer with the KV hash comes behind what is on its way of the snapshot, slowly.
        boat.edit(|text| text.replace("requestTimeout: 3s", "requestTimeout: 30s"))?;
        all(proxies, SLOW);
        let client = etcd.client().await?;
        let writers: Vec<_> = (0..4).map(|n| tokio::spawn(hammer(client.clone(), n))).collect();
        let before = etcd.revision().await?;
        let (backup, _) = backup_in_mid_stream(boat, proxies).await?;
        let manifest = end(backup).await?.expect(0).json();
        writers.iter().for_each(tokio::task::JoinHandle::abort);
        let after = etcd.revision().await?;
        all(proxies, Fault::None);

        let revision = facts(&manifest)["revision"].as_i64().unwrap();
        assert!(before <= revision && revision < after, "{before} <= {revision} < {after}");
        sound(boat, &manifest).await;
        let extract = ["extract", "latest", "etcd", "-i", "identity.txt", "--to", "etcd.db"];
        run(boat, &extract).await.expect(0);
        let status = crate::lab::tools::tool("etcdutl")?;
        let file = boat.path("etcd.db").display().to_string();
        let status =
            crate::lab::process::run(&status, ["snapshot", "status", &file, "-w", "json"], &[]).await?;
        assert_eq!(serde_json::from_str::<Value>(&status)?["revision"], revision);
        Ok(())
    })
    .await
}

/// Writes, overwrites and deletes until it is stopped.
async fn hammer(mut client: etcd_client::Client, writer: usize) -> Result<()> {
    for n in 0.. {
        let key = format!("/hammer/{writer}/{}", n % 50);
        match n % 7 {
            6 => drop(client.delete(key, None).await?),
            _ => drop(client.put(key, format!("{n}").repeat(100), None).await?),
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_revision_is_right_while_others_write() -> Result<()> {
    written_to_meanwhile(Version::V36).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_revision_is_right_while_others_write_3_5() -> Result<()> {
    written_to_meanwhile(Version::V35).await
}
