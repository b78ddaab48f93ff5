//! The lab: real servers on loopback, each in a private directory, for tests, the demo and the benchmarks.
//!
//! ```text
//!   tools (built by scripts/setup) ─▶ process ─▶ etcd ─▶ apiserver ─▶ cluster
//!                        ports, pki, dir ─┘  └─ proxy      └─ fill (data to put in)
//! ```
//!
//! Whatever is started ends with the value that stands for it, and with this program however it ends.

// Tests use one part of it, the `lab` program another.
#![allow(dead_code, unused_imports)]

pub mod apiserver;
pub mod cluster;
pub mod collector;
pub mod dir;
pub mod etcd;
pub mod fill;
pub mod kubelet;
pub mod pki;
pub mod ports;
pub mod process;
pub mod proxy;
pub mod s3;
pub mod tools;

use std::time::Duration;

use anyhow::{Result, bail};
use tokio::time::{Instant, sleep};

pub use apiserver::{ApiServer, Release};
pub use cluster::{Cluster, ClusterOptions};
pub use dir::LabDir;
pub use etcd::{Etcd, EtcdOptions, Version};
pub use kubelet::Kubelet;
pub use proxy::{Fault, Proxy};
pub use s3::{S3, S3Options};

/// Runs `test` against a fresh etcd; when it returns or panics nothing of it is left but, after a failure, the files.
pub async fn with_etcd<T>(options: EtcdOptions, test: impl AsyncFnOnce(&Etcd) -> Result<T>) -> Result<T> {
    let dir = LabDir::new()?;
    let etcd = Etcd::start(dir.path(), options).await?;
    let outcome = test(&etcd).await;
    drop(etcd);
    dir.close(outcome)
}

/// Runs `test` against a fresh cluster; as [`with_etcd`].
pub async fn with_cluster<T>(
    options: ClusterOptions,
    test: impl AsyncFnOnce(&Cluster) -> Result<T>,
) -> Result<T> {
    let dir = LabDir::new()?;
    let cluster = Cluster::start(dir.path(), options).await?;
    let outcome = test(&cluster).await;
    drop(cluster);
    dir.close(outcome)
}

/// Waits until nothing changes any more by itself: what was looked at is as it was so long before.
pub async fn at_rest<T: PartialEq>(pause: Duration, mut look: impl AsyncFnMut() -> Result<T>) -> Result<T> {
    let mut last = look().await?;
    for _ in 0..30 {
        sleep(pause).await;
        let now = look().await?;
        if now == last {
            return Ok(now);
        }
        last = now;
    }
    bail!("it does not come to rest: 30 looks, {pause:?} between them")
}

/// Asks `probe` again and again until it has an answer; an error of the probe ends the waiting.
pub async fn eventually<T>(
    what: &str,
    within: Duration,
    mut probe: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    let deadline = Instant::now() + within;
    while Instant::now() < deadline {
        if let Some(answer) = probe().await? {
            return Ok(answer);
        }
        sleep(Duration::from_millis(50)).await;
    }
    bail!("{what}: not within {within:?}")
}
