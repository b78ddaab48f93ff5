//! The frame of every store that wraps another one.

use super::{
    Body, Lasting, Meta, Object, Promises, Protection, Store, StoreError, Stored, Unfinished, Version,
};
use crate::point::Key;
use async_trait::async_trait;
use std::{ops::Range, sync::Arc};

type Passage = Box<dyn Fn(Body) -> Body + Send + Sync>;

/// A store whose bodies pass through something on their way in and out; all else is the store's own.
pub struct Through {
    store: Arc<dyn Store>,
    inward: Passage,
    outward: Passage,
}

impl Through {
    /// `store`, with `inward` around what is put and `outward` around what is read.
    pub fn new(
        store: Arc<dyn Store>,
        inward: impl Fn(Body) -> Body + Send + Sync + 'static,
        outward: impl Fn(Body) -> Body + Send + Sync + 'static,
    ) -> Self {
        Through { store, inward: Box::new(inward), outward: Box::new(outward) }
    }
}

#[async_trait]
impl Store for Through {
    fn url(&self) -> &str {
        self.store.url()
    }

    async fn put(&self, key: &Key, body: Body) -> Result<Stored, StoreError> {
        self.store.put(key, (self.inward)(body)).await
    }

    async fn get(&self, key: &Key, range: Option<Range<u64>>) -> Result<Object, StoreError> {
        let object = self.store.get(key, range).await?;
        Ok(Object { body: (self.outward)(object.body), ..object })
    }

    async fn head(&self, key: &Key) -> Result<Option<Meta>, StoreError> {
        self.store.head(key).await
    }

    async fn list(&self, prefix: &Key) -> Result<Vec<Meta>, StoreError> {
        self.store.list(prefix).await
    }

    async fn children(&self, prefix: Option<&Key>) -> Result<Vec<String>, StoreError> {
        self.store.children(prefix).await
    }

    async fn delete(&self, key: &Key) -> Result<(), StoreError> {
        self.store.delete(key).await
    }

    async fn delete_many(&self, keys: &[Key]) -> Vec<(Key, StoreError)> {
        self.store.delete_many(keys).await
    }

    async fn unfinished(&self, prefix: &Key) -> Result<Vec<Unfinished>, StoreError> {
        self.store.unfinished(prefix).await
    }

    async fn abort(&self, unfinished: &Unfinished) -> Result<(), StoreError> {
        self.store.abort(unfinished).await
    }

    fn locks(&self) -> bool {
        self.store.locks()
    }

    async fn locked(&self, key: &Key) -> Result<Option<Lasting>, StoreError> {
        self.store.locked(key).await
    }

    async fn protection(&self) -> Result<Protection, StoreError> {
        self.store.protection().await
    }

    async fn versions(&self, key: &Key) -> Result<Vec<Version>, StoreError> {
        self.store.versions(key).await
    }

    async fn legal_hold(&self, key: &Key, on: bool) -> Result<bool, StoreError> {
        self.store.legal_hold(key, on).await
    }

    async fn promises(&self) -> Result<Promises, StoreError> {
        self.store.promises().await
    }
}
