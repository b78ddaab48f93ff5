//! Reading an etcd v3 database file (bbolt), read-only and without etcd: its revision and KV hash, its keys and
//! sizes per resource, the soundness of its pages.
//!
//! ```text
//!   file ─▶ meta ─▶ page ─▶ cursor ─┬─▶ facts, kv_hash          what etcd says of itself
//!              └──▶ check           ├─▶ live ─▶ inspect         what is in it
//!   stream ─▶ scan                  └─▶ decode                  what a value is
//! ```

mod check;
mod cluster;
mod cursor;
mod database;
mod decode;
mod error;
mod facts;
mod fault;
mod freelist;
mod inspect;
mod kv_hash;
mod layout;
mod live;
mod meta;
mod page;
mod pageset;
mod revision;
mod scan;
#[cfg(test)]
mod testkit;
#[cfg(test)]
mod tests;
mod wire;

pub use check::{Finding, PageReport};
pub use cluster::{Alarm, Auth, Cluster, Member};
pub use cursor::{Cursor, Entry};
pub use database::{Bucket, Database};
pub use decode::{Decoded, Object, Secrets, decode};
pub use error::{Result, SnapshotError};
pub use facts::Compaction;
pub use fault::{Fault, Level};
pub use inspect::{InspectOptions, Inspection, Large, Leases, Tally};
pub use layout::Place;
pub use live::{KeyInfo, KeyValue};
pub use revision::{Record, Revision, Revisions};
pub use scan::RevisionScan;
