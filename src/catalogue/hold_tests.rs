use super::*;
use crate::{
    pipeline::{Signer, generate_signing_key},
    store::{Body, FileStore, Meta, Object, Promises, Store, StoreError, Stored, body},
};
use async_trait::async_trait;
use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{Arc, Mutex},
};

/// A store with legal holds, in which somebody holds the recovery point whenever a legal hold is lifted.
struct Meddling {
    inner: Arc<FileStore>,
    holds: Mutex<BTreeMap<Key, bool>>,
    other: Mutex<Option<Catalogue>>,
    refuses: Mutex<Option<Key>>,
}

#[async_trait]
impl Store for Meddling {
    fn url(&self) -> &str {
        self.inner.url()
    }
    async fn put(&self, key: &Key, body: Body) -> Result<Stored, StoreError> {
        self.inner.put(key, body).await
    }
    async fn get(&self, key: &Key, range: Option<Range<u64>>) -> Result<Object, StoreError> {
        self.inner.get(key, range).await
    }
    async fn head(&self, key: &Key) -> Result<Option<Meta>, StoreError> {
        self.inner.head(key).await
    }
    async fn list(&self, prefix: &Key) -> Result<Vec<Meta>, StoreError> {
        self.inner.list(prefix).await
    }
    async fn children(&self, prefix: Option<&Key>) -> Result<Vec<String>, StoreError> {
        self.inner.children(prefix).await
    }
    async fn delete(&self, key: &Key) -> Result<(), StoreError> {
        self.inner.delete(key).await
    }
    async fn promises(&self) -> Result<Promises, StoreError> {
        self.inner.promises().await
    }
    async fn legal_hold(&self, key: &Key, on: bool) -> Result<bool, StoreError> {
        if self.refuses.lock().unwrap().as_ref() == Some(key) {
            return Err(StoreError::Settings { store: "s3://b".into(), reason: format!("{key} is refused") });
        }
        self.holds.lock().unwrap().insert(key.clone(), on);
        let other = self.other.lock().unwrap().take_if(|_| !on);
        if let Some(other) = other {
            let author = Author { by: "another", signer: None };
            other.hold(&point(), "meanwhile", author, Timestamp::UNIX_EPOCH).await.unwrap();
        }
        Ok(true)
    }
}

fn point() -> PointId {
    "20231123T084500Z-k3f9".parse().unwrap()
}

#[tokio::test]
async fn a_hold_that_comes_during_a_release_stands_with_its_legal_holds() {
    let dir = tempfile::tempdir().unwrap();
    let inner = Arc::new(FileStore::new(dir.path().to_owned(), "file:///s"));
    let manifest = Key::manifest("c", &point()).unwrap();
    inner.put(&manifest, body("{}")).await.unwrap();
    inner.put(&Key::signature("c", &point()).unwrap(), body("x")).await.unwrap();
    let store = Arc::new(Meddling {
        inner: inner.clone(),
        holds: Mutex::default(),
        other: Mutex::new(None),
        refuses: Mutex::new(Some(manifest.clone())),
    });
    let signer = Signer::new(&generate_signing_key().unwrap().0, None).unwrap();
    let catalogue = Catalogue::new(store.clone(), "c", Some(signer.verifier().unwrap()));
    let author = Author { by: "ops", signer: Some(&signer) };
    let now = Timestamp::now();

    // A legal hold that fails is an error that names the object; the hold stands, and does so until all is undone.
    let failed = catalogue.hold(&point(), "audit", author, now).await.unwrap_err().to_string();
    assert!(failed.contains("stands") && failed.contains("manifest.json is refused"), "{failed}");
    let failed = catalogue.release(&point(), "over", author, now).await.unwrap_err().to_string();
    assert!(failed.contains("not released") && failed.contains("manifest.json is refused"), "{failed}");
    assert_eq!(catalogue.held(&point()).await.unwrap().unwrap().reason, "audit");
    *store.refuses.lock().unwrap() = None;
    assert_eq!(catalogue.hold(&point(), "audit", author, now).await.unwrap().objects, 2);

    // The other one's clock is half a century late.
    *store.other.lock().unwrap() = Some(Catalogue::new(inner, "c", None));
    let done = catalogue.release(&point(), "over", author, now).await.unwrap();
    let held = done.held.unwrap();
    assert!(held.reason.starts_with("meanwhile (") && held.records.len() == 1, "{held:?}");
    assert!(store.holds.lock().unwrap().values().all(|on| *on));
    let done = catalogue.release(&point(), "over", author, now).await.unwrap();
    assert!(done.held.is_none() && store.holds.lock().unwrap().values().all(|on| !*on));
}
