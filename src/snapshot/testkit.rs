//! Writes small bbolt files for tests, by hand: no server, and every page is known.

use std::fs::File;
use std::io::Write;

use sha2::{Digest, Sha256};

use super::database::Database;
use super::error::Result;
use super::meta::{MAGIC, NO_FREELIST, VERSION, fnv1a};
use super::page::{BRANCH, FREELIST, LEAF};
use super::revision::Revision;

pub(super) type Entries = Vec<(Vec<u8>, Vec<u8>)>;

/// A file to be written.
pub(super) struct Kit {
    pub page_size: usize,
    /// Elements per page: few make deep trees.
    pub fan: usize,
    /// Whether there is a list of free pages.
    pub freelist: bool,
    /// Whether small buckets lie in the pages of their parent.
    pub inline: bool,
    pub buckets: Vec<(Vec<u8>, Entries)>,
}

struct Pages {
    size: usize,
    fan: usize,
    bytes: Vec<u8>,
    free: Vec<u64>,
}

impl Kit {
    pub(super) fn new() -> Self {
        Self { page_size: 1024, fan: 4, freelist: false, inline: true, buckets: Vec::new() }
    }

    pub(super) fn put(&mut self, bucket: &str, key: &[u8], value: &[u8]) {
        let name = bucket.as_bytes();
        if !self.buckets.iter().any(|(other, _)| other == name) {
            self.buckets.push((name.to_vec(), Entries::new()));
        }
        for (_, entries) in self.buckets.iter_mut().filter(|(other, _)| other == name) {
            entries.retain(|(other, _)| other != key);
            entries.push((key.to_vec(), value.to_vec()));
            entries.sort();
        }
    }

    pub(super) fn remove(&mut self, bucket: &str, key: &[u8]) {
        for (_, entries) in self.buckets.iter_mut().filter(|(other, _)| other == bucket.as_bytes()) {
            entries.retain(|(other, _)| other != key);
        }
    }

    /// A revision of a key, as etcd writes it; without a value it is a tombstone.
    pub(super) fn revision(&mut self, main: i64, sub: i64, key: &str, value: Option<&[u8]>) {
        let mut name = Revision { main, sub }.to_bytes().to_vec();
        if value.is_none() {
            name.push(b't');
        }
        self.put("key", &name, &record(main, key, value));
    }

    pub(super) fn compaction(&mut self, scheduled: i64, finished: Option<i64>) {
        let bytes = |main| Revision { main, sub: 0 }.to_bytes();
        self.put("meta", b"scheduledCompactRev", &bytes(scheduled));
        if let Some(finished) = finished {
            self.put("meta", b"finishedCompactRev", &bytes(finished));
        }
    }

    pub(super) fn build(&self) -> Vec<u8> {
        let mut pages = Pages {
            size: self.page_size,
            fan: self.fan,
            bytes: vec![0; 2 * self.page_size],
            free: Vec::new(),
        };
        // A page that nobody refers to: free, and holding old things.
        let stale = [(b"stale".to_vec(), vec![7; 40], 0)];
        let free = pages.leaf(&stale);
        pages.free.push(free);
        let mut root: Vec<(Vec<u8>, Vec<u8>, u32)> = Vec::new();
        let mut buckets = self.buckets.clone();
        buckets.sort();
        for (name, entries) in &buckets {
            let entries: Vec<_> =
                entries.iter().map(|(key, value)| (key.clone(), value.clone(), 0)).collect();
            let inline = Pages::elements(0, LEAF, &entries);
            let value = if self.inline && inline.len() < self.page_size / 4 {
                [vec![0; 16], inline].concat()
            } else {
                [pages.tree(&entries).to_le_bytes(), [0; 8]].concat()
            };
            root.push((name.clone(), value, 1));
        }
        let root = pages.tree(&root);
        let freelist = if self.freelist { pages.freelist() } else { NO_FREELIST };
        let high_water = (pages.bytes.len() / self.page_size) as u64;
        for txid in [8u64, 9] {
            let mut meta = Vec::new();
            for word in [MAGIC, VERSION, self.page_size as u32, 0] {
                meta.extend(word.to_le_bytes());
            }
            for word in [root, 0, freelist, high_water, txid] {
                meta.extend(word.to_le_bytes());
            }
            meta.extend(fnv1a(&meta).to_le_bytes());
            let place = (txid % 2) as usize;
            let page = [header(place as u64, 4, 0, 0), meta].concat();
            pages.bytes[place * self.page_size..][..page.len()].copy_from_slice(&page);
        }
        pages.bytes
    }

    /// A leaf of the bucket `key` that no page refers to.
    pub(super) fn stray_leaf(number: u64, main: i64) -> Vec<u8> {
        let key = Revision { main, sub: 0 }.to_bytes().to_vec();
        Pages::elements(number, LEAF, &[(key, record(1, "stray", Some(b"v")), 0)])
    }

    pub(super) fn open(&self) -> Database {
        open(&self.build()).unwrap()
    }
}

impl Pages {
    fn tree(&mut self, entries: &[(Vec<u8>, Vec<u8>, u32)]) -> u64 {
        if entries.is_empty() {
            return self.leaf(&[]);
        }
        let mut level: Vec<(Vec<u8>, u64)> =
            entries.chunks(self.fan).map(|chunk| (chunk[0].0.clone(), self.leaf(chunk))).collect();
        while level.len() > 1 {
            level = level.chunks(self.fan).map(|chunk| (chunk[0].0.clone(), self.branch(chunk))).collect();
        }
        level[0].1
    }

    fn next(&self) -> u64 {
        (self.bytes.len() / self.size) as u64
    }

    fn leaf(&mut self, entries: &[(Vec<u8>, Vec<u8>, u32)]) -> u64 {
        let id = self.next();
        self.push(Self::elements(id, LEAF, entries))
    }

    fn branch(&mut self, children: &[(Vec<u8>, u64)]) -> u64 {
        let id = self.next();
        let mut elements = header(id, BRANCH, children.len() as u16, 0);
        let mut data: Vec<u8> = Vec::new();
        for (index, (key, child)) in children.iter().enumerate() {
            let position = (children.len() - index) * 16 + data.len();
            elements.extend((position as u32).to_le_bytes());
            elements.extend((key.len() as u32).to_le_bytes());
            elements.extend(child.to_le_bytes());
            data.extend(key);
        }
        elements.extend(data);
        self.push(elements)
    }

    fn freelist(&mut self) -> u64 {
        let id = self.next();
        let mut page = header(id, FREELIST, self.free.len() as u16, 0);
        page.extend(self.free.iter().flat_map(|id| id.to_le_bytes()));
        self.push(page)
    }

    fn elements(id: u64, flags: u16, entries: &[(Vec<u8>, Vec<u8>, u32)]) -> Vec<u8> {
        let mut elements = header(id, flags, entries.len() as u16, 0);
        let mut data: Vec<u8> = Vec::new();
        for (index, (key, value, kind)) in entries.iter().enumerate() {
            let position = (entries.len() - index) * 16 + data.len();
            for word in [*kind, position as u32, key.len() as u32, value.len() as u32] {
                elements.extend(word.to_le_bytes());
            }
            data.extend(key);
            data.extend(value);
        }
        elements.extend(data);
        elements
    }

    fn push(&mut self, mut page: Vec<u8>) -> u64 {
        let id = self.next();
        let run = page.len().div_ceil(self.size);
        page[12..16].copy_from_slice(&(run as u32 - 1).to_le_bytes());
        page.resize(run * self.size, 0);
        self.bytes.extend(page);
        id
    }
}

fn header(id: u64, flags: u16, count: u16, overflow: u32) -> Vec<u8> {
    let mut bytes = id.to_le_bytes().to_vec();
    bytes.extend(flags.to_le_bytes());
    bytes.extend(count.to_le_bytes());
    bytes.extend(overflow.to_le_bytes());
    bytes
}

/// A `mvccpb.KeyValue`.
fn record(main: i64, key: &str, value: Option<&[u8]>) -> Vec<u8> {
    let mut message = Vec::new();
    let mut bytes = |tag: u8, bytes: &[u8]| {
        message.push(tag << 3 | 2);
        let mut length = bytes.len();
        while length > 0x7f {
            message.push(length as u8 | 0x80);
            length >>= 7;
        }
        message.push(length as u8);
        message.extend(bytes);
    };
    bytes(1, key.as_bytes());
    if let Some(value) = value {
        bytes(5, value);
        // Created and written at this revision, for the first time, with the lease 9.
        message.extend([2 << 3, (main & 0x7f) as u8, 3 << 3, (main & 0x7f) as u8, 4 << 3, 1, 6 << 3, 9]);
    }
    message
}

/// Opens bytes as a database.
pub(super) fn open(bytes: &[u8]) -> Result<Database> {
    let mut file: File = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    Database::open(file)
}

/// What etcd sends: the database and its SHA-256.
pub(super) fn with_trailer(bytes: &[u8]) -> Vec<u8> {
    [bytes, &Sha256::digest(bytes)].concat()
}

/// A database like one of a small cluster.
pub(super) fn sample() -> Kit {
    let mut kit = Kit::new();
    kit.put("authUsers", b"x", b"y");
    kit.put("auth", b"authEnabled", &[1]);
    kit.put("alarm", &[0x08, 0x2a, 0x10, 0x01], b"");
    kit.put("members_removed", b"2b", b"removed");
    kit.put(
        "members",
        b"2a",
        br#"{"id":42,"peerURLs":["http://a:2380"],"name":"a","clientURLs":["http://a:2379"]}"#,
    );
    kit.put("cluster", b"clusterVersion", b"3.6.0");
    kit.put("meta", b"storageVersion", b"3.6.0");
    kit.put("meta", b"consistent_index", &77u64.to_be_bytes());
    kit.put("meta", b"term", &3u64.to_be_bytes());
    kit.put("meta", b"confState", br#"{"voters":[42],"auto_leave":false}"#);
    kit.put("lease", &9i64.to_be_bytes(), &[0x08, 9, 0x10, 60]);
    kit.revision(2, 0, "/registry/namespaces/default", Some(b"ns"));
    kit.revision(3, 0, "/registry/pods/default/web", Some(b"one"));
    kit.revision(4, 0, "/registry/pods/default/web", Some(&[b'v'; 3000]));
    kit.revision(4, 1, "/registry/example.com/things/default/t", Some(b"{}"));
    kit.revision(5, 0, "/registry/pods/default/old", Some(b"gone soon"));
    kit.revision(6, 0, "/registry/pods/default/old", None);
    kit.revision(7, 0, "/registry/minions/node-1", Some(b"node"));
    kit.revision(8, 0, "other", Some(b"-"));
    kit
}
