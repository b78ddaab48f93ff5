//! Whatever ends a backup, at whatever instant: the store holds whole recovery points and nothing that looks like one.

use crate::{
    boat::{Lifeboat, Ran},
    lab::{Etcd, EtcdOptions, Proxy, eventually, fill, with_etcd},
    saved::tree,
};
use anyhow::{Context, Result};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use rustix::process::{Pid, Signal, kill_process};
use std::{path::Path, time::Duration};
use tokio::time::sleep;

/// The program before an etcd that counts the bytes it sends.
struct Range {
    boat: Lifeboat,
    proxy: Proxy,
    rng: StdRng,
    /// Bytes that one backup takes from etcd.
    bytes: u64,
}

impl Range {
    async fn new(etcd: &Etcd, seed: u64) -> Result<Self> {
        fill::etcd(&etcd.client().await?, 6, seed).await?;
        let boat = Lifeboat::init(etcd.dir(), Some(etcd), None).await?;
        let proxy = Proxy::to(&etcd.endpoints()[0]).await?;
        boat.edit(|text| text.replace(&etcd.endpoints()[0], &format!("http://{}", proxy.address())))?;
        boat.backup(&["--etcd-only"]).await;
        Ok(Range { boat, bytes: proxy.to_clients(), proxy, rng: StdRng::seed_from_u64(seed) })
    }

    /// Starts a backup and sends it `signal` when a random part of the snapshot has come, or a little later than all.
    async fn strike(&mut self, signal: Signal) -> Result<Ran> {
        let (share, later) = (self.rng.random_range(0.0..1.5), self.rng.random_range(0..60));
        let goal = self.proxy.to_clients() + 1 + (self.bytes as f64 * f64::min(share, 0.999)) as u64;
        let mut child = self.boat.spawn(&["backup", "--etcd-only", "-o", "json"])?;
        let pid = Pid::from_raw(child.id().unwrap() as i32).unwrap();
        while self.proxy.to_clients() < goal && child.try_wait()?.is_none() {
            sleep(Duration::from_micros(500)).await;
        }
        if share > 1.0 {
            sleep(Duration::from_millis(later)).await;
        }
        if child.try_wait()?.is_none() {
            kill_process(pid, signal)?;
        }
        Ok(child.wait_with_output().await?.into())
    }

    fn store(&self) -> Vec<std::path::PathBuf> {
        tree(&self.boat.path("store")).into_iter().map(|(path, _)| path).collect()
    }

    async fn listed(&self) -> usize {
        let list = self.boat.run(&["list", "-o", "json"]).await.expect(0).json();
        let points = list["points"].as_array().unwrap();
        assert!(points.iter().all(|p| p["status"] == "Completed" && p["signature"] == "holds"), "{list}");
        points.len()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_instant_only_whole_points_are_there() -> Result<()> {
    with_etcd(EtcdOptions::default(), async |etcd| {
        let mut range = Range::new(etcd, 1).await?;
        let is_part = |path: &Path| path.file_name().unwrap().to_string_lossy().starts_with(".part-");
        let (mut whole, mut unfinished) = (1, 0);
        for _ in 0..30 {
            let ran = range.strike(Signal::KILL).await?;
            let now = range.listed().await;
            // One that had written its manifest may have been killed before it said so.
            assert!(now == whole + 1 || (now == whole && ran.code != 0), "{ran:?}");
            whole = now;
            unfinished = range.store().iter().filter(|path| is_part(path)).count();
        }
        assert!(unfinished >= 5, "only {unfinished} were struck in the middle of a payload");
        range.boat.verify_all().await;
        let id = range.boat.backup(&["--etcd-only"]).await["id"].clone();
        assert_eq!(range.boat.run(&["show", "latest", "-o", "json"]).await.expect(0).json()["id"], id);
        assert_eq!(range.listed().await, whole + 1);
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn told_to_stop_nothing_is_left_behind() -> Result<()> {
    with_etcd(EtcdOptions::default(), async |etcd| {
        let mut range = Range::new(etcd, 2).await?;
        let mut stopped = 0;
        for i in 0..16 {
            let (signal, name) = if i % 2 == 0 { (Signal::TERM, "SIGTERM") } else { (Signal::INT, "SIGINT") };
            let (before, points) = (range.store(), range.listed().await);
            let ran = range.strike(signal).await?;
            if ran.code == 0 {
                // The signal came when the manifest was being written.
                assert_eq!(range.listed().await, points + 1);
                continue;
            }
            let ran = ran.expect(1).says(&format!("stopped by {name}")).says("nothing was left behind");
            assert_eq!(ran.json()["error"]["code"], "failed");
            assert_eq!(range.store(), before);
            stopped += 1;
        }
        assert!(stopped >= 5, "only {stopped} were stopped in time");
        range.boat.verify_all().await;
        Ok(())
    })
    .await
}

/// What is sealed already would be an hour on its way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn told_to_stop_a_slow_line_is_not_waited_for() -> Result<()> {
    with_etcd(EtcdOptions::default(), async |etcd| {
        let range = Range::new(etcd, 4).await?;
        let before = range.store();
        range.boat.edit(|text| text.replacen("\n    url: ", "\n    bandwidth: 1KB/s\n    url: ", 1))?;
        let goal = range.proxy.to_clients() + 300_000;
        let child = range.boat.spawn(&["backup", "--etcd-only"])?;
        eventually("a snapshot that streams", Duration::from_secs(60), async || {
            Ok((range.proxy.to_clients() > goal).then_some(()))
        })
        .await?;
        sleep(Duration::from_secs(1)).await;
        kill_process(Pid::from_raw(child.id().unwrap() as i32).unwrap(), Signal::TERM)?;
        let ended = tokio::time::timeout(Duration::from_secs(120), child.wait_with_output()).await;
        Ran::from(ended.context("it does not stop")??).expect(1).says("nothing was left behind");
        assert_eq!(range.store(), before);
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_at_once_are_all_whole() -> Result<()> {
    with_etcd(EtcdOptions::default(), async |etcd| {
        let range = Range::new(etcd, 3).await?;
        let run = || range.boat.backup(&["--etcd-only", "--read-back"]);
        let (a, b, c) = tokio::join!(run(), run(), run());
        let mut ids = [&a, &b, &c].map(|m| m["id"].as_str().unwrap());
        ids.sort_unstable();
        assert!(ids[0] != ids[1] && ids[1] != ids[2], "{ids:?}");
        assert_eq!(range.listed().await, 4);
        range.boat.verify_all().await;
        Ok(())
    })
    .await
}
