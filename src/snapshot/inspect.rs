//! A database at a glance.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde::Serialize;

use super::check::PageReport;
use super::cluster::{Auth, Cluster};
use super::database::Database;
use super::error::Result;
use super::facts::Compaction;
use super::layout::{Place, find_prefix};
use super::live::Live;

/// What to look for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InspectOptions {
    /// The API server's `--etcd-prefix`; found from the keys if it is not given.
    pub prefix: Option<String>,
    /// How many of the biggest live objects to name.
    pub largest: usize,
}

impl Default for InspectOptions {
    fn default() -> Self {
        Self { prefix: None, largest: 10 }
    }
}

/// Objects, and the bytes of their keys and values.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// How many.
    pub count: u64,
    /// Bytes of keys and values.
    pub bytes: u64,
}

impl Tally {
    fn add(&mut self, bytes: u64) {
        self.count += 1;
        self.bytes += bytes;
    }
}

/// A live object and its size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Large {
    /// Its key.
    pub key: String,
    /// Bytes of key and value.
    pub bytes: u64,
}

/// Leases and what hangs on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Leases {
    /// Leases in the database.
    pub count: u64,
    /// Live keys that hang on a lease.
    pub attached_keys: u64,
    /// Those of them whose lease is not there.
    pub orphaned_keys: u64,
}

/// A database at a glance.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Inspection {
    /// The newest revision.
    pub revision: i64,
    /// The compact revision; -1 if the database was never compacted.
    pub compact_revision: i64,
    /// Compactions begun and finished.
    pub compaction: Compaction,
    /// Version of the layout.
    pub storage_version: Option<String>,
    /// The raft index up to which entries are in the database.
    pub consistent_index: Option<u64>,
    /// The raft term of that entry.
    pub term: Option<u64>,
    /// The raft configuration.
    pub conf_state: Option<serde_json::Value>,
    /// What the database says of its cluster.
    pub cluster: Cluster,
    /// etcd's own users.
    pub auth: Auth,
    /// Leases.
    pub leases: Leases,
    /// Bytes of the database file, without a trailer.
    pub size: u64,
    /// Bytes of the pages in use.
    pub size_in_use: u64,
    /// What the pages are used for, and what is wrong with them.
    pub pages: PageReport,
    /// Live keys.
    pub live: Tally,
    /// Revisions of all keys, tombstones among them.
    pub history: Tally,
    /// Revisions that say that a key was deleted.
    pub tombstones: u64,
    /// The API server's prefix.
    pub prefix: String,
    /// Live objects by resource.
    pub resources: BTreeMap<String, Tally>,
    /// Live objects by namespace; those without are not counted here.
    pub namespaces: BTreeMap<String, Tally>,
    /// Live keys that are no Kubernetes objects below the prefix.
    pub other: Tally,
    /// The biggest live objects, biggest first.
    pub largest: Vec<Large>,
}

/// What is remembered of each live key.
struct Brief {
    /// Bytes of key and value.
    bytes: u64,
    lease: i64,
}

impl Database {
    /// Looks through the whole database. Memory: the live keys and about 100 bytes with each, and what
    /// [`Database::check_pages`] takes.
    pub fn inspect(&self, options: &InspectOptions) -> Result<Inspection> {
        let (keys, totals) = self.live(b"", |record| Brief {
            bytes: (record.key.len() + record.value.len()) as u64,
            lease: record.lease,
        })?;
        let prefix = match &options.prefix {
            Some(prefix) => prefix.trim_end_matches('/').to_owned(),
            None => find_prefix(keys.keys().map(|key| &**key)),
        };
        let mut live = Tally::default();
        let mut other = Tally::default();
        let mut resources: BTreeMap<String, Tally> = BTreeMap::new();
        let mut namespaces: BTreeMap<String, Tally> = BTreeMap::new();
        for (key, Brief { bytes, .. }) in &keys {
            live.add(*bytes);
            let Some(place) = Place::of(key, &prefix) else {
                other.add(*bytes);
                continue;
            };
            resources.entry(place.resource).or_default().add(*bytes);
            if let Some(namespace) = place.namespace {
                namespaces.entry(namespace).or_default().add(*bytes);
            }
        }
        let compaction = self.compaction()?;
        let pages = self.check_pages()?;
        Ok(Inspection {
            revision: self.revision()?,
            compact_revision: compaction.effective(),
            compaction,
            storage_version: self.storage_version()?,
            consistent_index: self.consistent_index()?,
            term: self.term()?,
            conf_state: self.conf_state()?,
            cluster: self.cluster()?,
            auth: self.auth()?,
            leases: self.count_leases(&keys)?,
            size: self.length(),
            size_in_use: pages.used * u64::from(pages.page_size),
            pages,
            live,
            history: Tally { count: totals.revisions, bytes: totals.bytes },
            tombstones: totals.tombstones,
            prefix,
            resources,
            namespaces,
            other,
            largest: largest(&keys, options.largest),
        })
    }

    fn count_leases(&self, keys: &Live<Brief>) -> Result<Leases> {
        let leases: HashSet<i64> = self.leases()?.into_iter().collect();
        let attached = || keys.values().filter(|key| key.lease != 0);
        Ok(Leases {
            count: leases.len() as u64,
            attached_keys: attached().count() as u64,
            orphaned_keys: attached().filter(|key| !leases.contains(&key.lease)).count() as u64,
        })
    }
}

fn largest(keys: &Live<Brief>, count: usize) -> Vec<Large> {
    let mut order = BTreeSet::new();
    for (key, Brief { bytes, .. }) in keys {
        order.insert((*bytes, Reverse(key)));
        if order.len() > count {
            order.pop_first();
        }
    }
    let large = |(bytes, Reverse(key)): (u64, Reverse<&Box<[u8]>>)| Large {
        key: String::from_utf8_lossy(key).into_owned(),
        bytes,
    };
    order.into_iter().rev().map(large).collect()
}
