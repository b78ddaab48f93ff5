//! A swap of static pods that is killed at any instant, and its way back, which is killed as well.

use crate::host::{Host, names};
use anyhow::Result;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use std::{
    fs,
    time::{Duration, Instant},
};
use tokio::{process::Child, time::sleep};

const ROUNDS: u32 = 6;

async fn kill_after(mut child: Child, time: Duration) -> Result<()> {
    sleep(time).await;
    child.kill().await?;
    Ok(())
}

/// Removes what is kept of a swap that had come to its end.
fn forget(host: &Host) -> Result<()> {
    for name in names(host.dir()).iter().filter(|name| name.contains(".restored-")) {
        fs::remove_dir_all(host.dir().join(name))?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_instant_the_way_back_leads_to_what_was_before() -> Result<()> {
    let host = Host::start().await?;
    let began = Instant::now();
    host.swap(&[]).await.expect(0);
    let swap = began.elapsed();
    let began = Instant::now();
    host.undo(&[]).await.expect(0);
    let back = began.elapsed();
    forget(&host)?;
    host.must_serve(&host.live).await?;
    let mut rng = StdRng::seed_from_u64(9);
    for round in 0..ROUNDS {
        // One instant of each part of it.
        let part = (f64::from(round) + rng.random_range(0.0..1.0)) / f64::from(ROUNDS);
        kill_after(host.begin(&[])?, swap.mul_f64(part)).await?;
        let journal = fs::read_to_string(host.dir().join("manifests.stopped/journal.jsonl"));
        if journal.is_ok_and(|journal| !journal.contains("finished")) {
            host.swap(&[]).await.expect(6).says("was not brought to its end").says("lifeboat restore undo");
            if round % 2 == 0 {
                let manifests = host.manifests().display().to_string();
                let undo = host.boat.spawn(&["restore", "undo", &manifests])?;
                kill_after(undo, back.mul_f64(rng.random_range(0.0..1.0))).await?;
            }
        }
        host.undo(&[]).await.expect(0);
        forget(&host)?;
        host.must_serve(&host.live).await?;
        host.must_be_clean();
    }
    Ok(())
}
