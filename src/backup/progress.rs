use super::Lap;
use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
};

/// How far a run is, for whoever wants to show it. Nothing waits for a reader that counts.
#[derive(Debug, Default)]
pub struct Progress {
    etcd_bytes: AtomicU64,
    etcd_expected: AtomicU64,
    export: AtomicBool,
    objects: AtomicU64,
    types_read: AtomicU64,
    types: AtomicU64,
    phases: Mutex<Vec<Lap>>,
}

impl Progress {
    /// The phases that have ended, in the order in which they did.
    pub fn phases(&self) -> Vec<Lap> {
        self.phases.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn end_phase(&self, lap: Lap) {
        self.phases.lock().unwrap_or_else(PoisonError::into_inner).push(lap);
    }

    /// Bytes of the etcd snapshot that have come, and about how many are expected.
    pub fn etcd(&self) -> (u64, u64) {
        (self.etcd_bytes.load(Relaxed), self.etcd_expected.load(Relaxed))
    }

    /// Has the export begun? It waits for the snapshot.
    pub fn has_begun_export(&self) -> bool {
        self.export.load(Relaxed)
    }

    /// Objects that have been exported.
    pub fn objects(&self) -> u64 {
        self.objects.load(Relaxed)
    }

    /// Types of which every object has been exported, and how many there are; none before that is known.
    pub fn types(&self) -> (u64, u64) {
        (self.types_read.load(Relaxed), self.types.load(Relaxed))
    }

    pub(super) fn begin_etcd(&self, expected: u64) {
        self.etcd_bytes.store(0, Relaxed);
        self.etcd_expected.store(expected, Relaxed);
    }

    pub(super) fn add_etcd(&self, bytes: u64) {
        self.etcd_bytes.fetch_add(bytes, Relaxed);
    }

    pub(super) fn begin_export(&self) {
        self.export.store(true, Relaxed);
    }

    pub(super) fn begin_objects(&self) {
        self.objects.store(0, Relaxed);
    }

    pub(super) fn add_object(&self, (read, types): (u64, u64)) {
        self.objects.fetch_add(1, Relaxed);
        self.types_read.store(read, Relaxed);
        self.types.store(types, Relaxed);
    }
}
