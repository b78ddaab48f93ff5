//! What was read once and is as it was, is not read again.
//!
//! One listing of everything below a prefix tells what is there, how large it is and when it was written. Small objects that are as
//! they were when they were read are answered from memory, and so are all listings. Objects are never overwritten, so that what does
//! change - something was deleted, or somebody meddles - is seen by the listing.

use super::{Body, Lasting, Meta, Object, Promises, Store, StoreError, Stored, body, read_all};
use crate::point::Key;
use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Manifests, records and evidence are smaller; an object that is not is read each time.
const LARGEST: u64 = 1 << 20;
/// No more than this is kept of all objects together.
const MOST: usize = 128 << 20;

/// The bytes of small objects, and of which state of them.
#[derive(Debug, Default)]
pub struct Memory(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    objects: HashMap<Key, (Stamp, Bytes)>,
    /// What they take together.
    bytes: usize,
}

/// What a listing tells of an object.
type Stamp = (u64, Timestamp);

impl Memory {
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn recall(&self, key: &Key, stamp: Stamp) -> Option<Bytes> {
        self.lock().objects.get(key).filter(|(of, _)| *of == stamp).map(|(_, bytes)| bytes.clone())
    }

    fn keep(&self, key: &Key, stamp: Stamp, bytes: Bytes) {
        let mut kept = self.lock();
        if kept.bytes + bytes.len() <= MOST {
            kept.bytes += bytes.len();
            let before = kept.objects.insert(key.clone(), (stamp, bytes));
            kept.bytes -= before.map_or(0, |(_, before)| before.len());
        }
    }

    fn forget(&self, which: impl Fn(&Key) -> bool) {
        let mut kept = self.lock();
        kept.objects.retain(|key, _| !which(key));
        kept.bytes = kept.objects.values().map(|(_, bytes)| bytes.len()).sum();
    }
}

/// What is below a prefix of a store, to be read: as it was when it was listed.
pub struct Remembering {
    store: Arc<dyn Store>,
    memory: Arc<Memory>,
    prefix: Key,
    there: BTreeMap<Key, Meta>,
}

impl Remembering {
    /// Lists what is below `prefix`. What the memory has of it that is no longer there is forgotten.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn below(store: Arc<dyn Store>, memory: Arc<Memory>, prefix: Key) -> Result<Self, StoreError> {
        let listed = store.list(&prefix).await?;
        let there: BTreeMap<Key, Meta> = listed.into_iter().map(|meta| (meta.key.clone(), meta)).collect();
        memory.forget(|key| is_below(key, &prefix) && !there.contains_key(key));
        Ok(Remembering { store, memory, prefix, there })
    }

    /// The objects below a prefix of what was listed; none for any other prefix.
    fn known(&self, prefix: &Key) -> Option<impl Iterator<Item = &Meta>> {
        let within = *prefix == self.prefix || is_below(prefix, &self.prefix);
        let below = move |meta: &&Meta| is_below(&meta.key, prefix);
        within.then(|| self.there.values().filter(below))
    }
}

fn is_below(key: &Key, prefix: &Key) -> bool {
    key.as_str().strip_prefix(prefix.as_str()).is_some_and(|rest| rest.starts_with('/'))
}

#[async_trait]
impl Store for Remembering {
    fn url(&self) -> &str {
        self.store.url()
    }

    async fn put(&self, key: &Key, body: Body) -> Result<Stored, StoreError> {
        self.store.put(key, body).await
    }

    async fn get(&self, key: &Key, range: Option<Range<u64>>) -> Result<Object, StoreError> {
        let small = self.there.get(key).filter(|meta| meta.bytes <= LARGEST && range.is_none());
        let Some(stamp) = small.and_then(|meta| Some((meta.bytes, meta.modified?))) else {
            return self.store.get(key, range).await;
        };
        let bytes = match self.memory.recall(key, stamp) {
            Some(bytes) => bytes,
            None => {
                let bytes = Bytes::from(read_all(self.store.as_ref(), key, LARGEST).await?);
                self.memory.keep(key, stamp, bytes.clone());
                bytes
            }
        };
        Ok(Object { bytes: bytes.len() as u64, body: body(bytes) })
    }

    async fn head(&self, key: &Key) -> Result<Option<Meta>, StoreError> {
        self.store.head(key).await
    }

    async fn list(&self, prefix: &Key) -> Result<Vec<Meta>, StoreError> {
        match self.known(prefix) {
            Some(known) => Ok(known.cloned().collect()),
            None => self.store.list(prefix).await,
        }
    }

    async fn children(&self, prefix: Option<&Key>) -> Result<Vec<String>, StoreError> {
        let Some((prefix, known)) = prefix.and_then(|prefix| Some((prefix, self.known(prefix)?))) else {
            return self.store.children(prefix).await;
        };
        let depth = prefix.segments().count();
        let names = known.filter_map(|meta| {
            let mut segments = meta.key.segments().skip(depth);
            // An object directly below has no name in the middle.
            segments.next().filter(|_| segments.next().is_some())
        });
        Ok(names.map(str::to_owned).collect::<BTreeSet<_>>().into_iter().collect())
    }

    async fn delete(&self, key: &Key) -> Result<(), StoreError> {
        self.store.delete(key).await
    }

    fn locks(&self) -> bool {
        self.store.locks()
    }

    async fn locked(&self, key: &Key) -> Result<Option<Lasting>, StoreError> {
        self.store.locked(key).await
    }

    async fn promises(&self) -> Result<Promises, StoreError> {
        self.store.promises().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{FileStore, Through};
    use std::{
        fs,
        sync::atomic::{AtomicUsize, Ordering},
    };

    fn key(text: &str) -> Key {
        Key::new(text.to_owned()).unwrap()
    }

    #[tokio::test]
    async fn what_is_as_it_was_is_read_once_and_what_changed_is_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let reads = Arc::new(AtomicUsize::new(0));
        let counted = reads.clone();
        let file = Arc::new(FileStore::new(dir.path().to_owned(), "file:///s"));
        let store: Arc<dyn Store> = Arc::new(Through::new(
            file,
            |body| body,
            move |body| {
                counted.fetch_add(1, Ordering::Relaxed);
                body
            },
        ));
        for name in
            ["c/points/a/manifest.json", "c/points/b/manifest.json", "c/tags/a/x.json", "d/points/a/m"]
        {
            store.put(&key(name), body(name.as_bytes().to_vec())).await.unwrap();
        }
        let memory = Arc::new(Memory::default());
        let look = async || Remembering::below(store.clone(), memory.clone(), key("c")).await.unwrap();
        let (a, b) = (key("c/points/a/manifest.json"), key("c/points/b/manifest.json"));
        for _ in 0..3 {
            let seen = look().await;
            assert_eq!(seen.children(Some(&key("c/points"))).await.unwrap(), ["a", "b"]);
            assert_eq!(seen.children(Some(&key("c/points/a"))).await.unwrap(), Vec::<String>::new());
            assert_eq!(seen.list(&key("c/tags")).await.unwrap(), store.list(&key("c/tags")).await.unwrap());
            // Elsewhere it is the store itself that answers.
            assert_eq!(seen.children(Some(&key("d/points"))).await.unwrap(), ["a"]);
            for key in [&a, &b] {
                assert_eq!(read_all(&seen, key, 100).await.unwrap(), key.as_str().as_bytes());
            }
        }
        assert_eq!(reads.load(Ordering::Relaxed), 2);

        // Somebody meddles, and deletes.
        fs::write(dir.path().join(a.as_str()), "c/points/X/manifest.json").unwrap();
        store.delete(&b).await.unwrap();
        let seen = look().await;
        assert_eq!(read_all(&seen, &a, 100).await.unwrap(), b"c/points/X/manifest.json");
        assert!(matches!(read_all(&seen, &b, 100).await, Err(StoreError::NotFound { .. })));
        let kept = memory.lock();
        assert_eq!((kept.objects.len(), kept.bytes), (1, a.as_str().len()));
    }
}
