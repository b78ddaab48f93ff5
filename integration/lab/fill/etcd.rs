//! Straight into etcd, as fast as it takes it.

use std::ops::AddAssign;

use anyhow::Result;
use etcd_client::{Client, PutOptions, Txn, TxnOp};
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::task::JoinSet;

use super::objects::{Object, object};

const WRITERS: u64 = 16;
const OPERATIONS: u64 = 64;

/// What was written.
#[derive(Clone, Copy, Debug, Default)]
pub struct Filled {
    /// Keys that are there now.
    pub keys: u64,
    /// Values that were written over an older one.
    pub updates: u64,
    /// Keys that were deleted again.
    pub deletes: u64,
    /// Bytes of keys and values.
    pub bytes: u64,
}

impl AddAssign for Filled {
    fn add_assign(&mut self, other: Self) {
        self.keys += other.keys;
        self.updates += other.updates;
        self.deletes += other.deletes;
        self.bytes += other.bytes;
    }
}

/// Writes objects until about so many megabytes (of 2^20) are in etcd; the same objects for the same seed.
pub async fn etcd(client: &Client, megabytes: u64, seed: u64) -> Result<Filled> {
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        writers.spawn(write(
            client.clone(),
            (megabytes << 20) / WRITERS,
            seed.wrapping_mul(WRITERS) + writer,
        ));
    }
    let mut total = Filled::default();
    while let Some(filled) = writers.join_next().await {
        total += filled??;
    }
    Ok(total)
}

async fn write(mut client: Client, bytes: u64, seed: u64) -> Result<Filled> {
    let mut rng = StdRng::seed_from_u64(seed);
    let (mut filled, mut lease) = (Filled::default(), 0);
    for batch in 0.. {
        if filled.bytes >= bytes {
            break;
        }
        // Kubernetes, too, gives a thousand events one lease.
        if batch % 64 == 0 {
            lease = client.lease_grant(24 * 3600, None).await?.id();
        }
        // The key has to differ between writers: the number of the object does.
        let first = ((seed << 40) | (batch * OPERATIONS)) & (u64::MAX >> 1);
        let objects: Vec<_> = (first..first + OPERATIONS).map(|i| object(&mut rng, i)).collect();
        let deletes: Vec<_> =
            objects.iter().filter(|_| batch % 8 == 0).step_by(9).map(|o| o.key.clone()).collect();
        let updates: Vec<_> = objects
            .iter()
            .zip(first..)
            .filter(|_| batch % 8 == 1)
            .step_by(3)
            .map(|(old, i)| Object { key: old.key.clone(), ..object(&mut rng, i) })
            .collect();
        filled.keys += OPERATIONS - deletes.len() as u64;
        filled.updates += updates.len() as u64;
        filled.deletes += deletes.len() as u64;
        for objects in [objects, updates] {
            filled.bytes += objects.iter().map(|o| (o.key.len() + o.value.len()) as u64).sum::<u64>();
            let puts = objects.into_iter().map(|object| put(object, lease));
            commit(&mut client, puts.collect()).await?;
        }
        commit(&mut client, deletes.into_iter().map(|key| TxnOp::delete(key, None)).collect()).await?;
    }
    Ok(filled)
}

fn put(object: Object, lease: i64) -> TxnOp {
    let options = object.leased.then(|| PutOptions::new().with_lease(lease));
    TxnOp::put(object.key, object.value, options)
}

async fn commit(client: &mut Client, operations: Vec<TxnOp>) -> Result<()> {
    if !operations.is_empty() {
        client.txn(Txn::new().and_then(operations)).await?;
    }
    Ok(())
}
