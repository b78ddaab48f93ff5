//! Where objects live. Nothing is ever overwritten: an object is created whole, or not at all.

mod error;
mod file;
mod remember;
pub mod s3;
mod throttle;
mod through;

pub use error::StoreError;
pub use file::FileStore;
pub use remember::{Memory, Remembering};
pub use s3::S3Store;
pub use throttle::throttled;
pub use through::Through;

use crate::point::{Digest, Key};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, stream::BoxStream};
use jiff::Timestamp;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use std::{io, ops::Range};

/// Objects that are removed at once where a store has no better way.
const AT_ONCE: usize = 8;

/// The bytes of an object on their way in. An error in the stream means that the object must not come into being.
pub type Body = BoxStream<'static, io::Result<Bytes>>;

/// An object as a listing shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meta {
    /// Its name.
    pub key: Key,
    /// Its size in bytes.
    pub bytes: u64,
    /// When it was last changed, by the store's own clock, if the store tells.
    pub modified: Option<Timestamp>,
}

/// What a writer began and never came to the end of. No listing of objects shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unfinished {
    /// The object that it was to become, or the directory that it lies in.
    #[serde(serialize_with = "as_text")]
    pub at: Key,
    /// By what the store knows it.
    pub id: String,
    /// Its last sign of life, by the store's own clock.
    pub alive: Option<Timestamp>,
    /// The bytes that it takes.
    pub bytes: u64,
}

fn as_text<S: serde::Serializer>(key: &Key, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(key)
}

/// A lock that keeps an object from being deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lasting {
    /// Until then.
    Until(Timestamp),
    /// Until somebody lifts it.
    LegalHold,
}

/// How a store protects what is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Protection {
    /// It keeps what is deleted as a version that is no longer current.
    pub versions: bool,
    /// Its objects may have locks.
    pub locks: bool,
}

/// One of the versions of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// The store's name for it.
    pub id: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// When it was written, by the store's clock.
    pub modified: Option<Timestamp>,
    /// It is what a reader gets.
    pub current: bool,
}

/// An object that was just created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its size in bytes, as the store has it.
    pub bytes: u64,
    /// How the store itself confirmed the content, in words, if it did.
    pub confirmed: Option<String>,
}

/// An object on its way out.
pub struct Object {
    /// The size of the whole object, in bytes.
    pub bytes: u64,
    /// The bytes asked for.
    pub body: Body,
}

/// What a store can promise, as far as it can tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promises {
    /// Creating an object fails when it exists already, whoever else writes.
    pub conditional_create: bool,
    /// When a write has returned, it survives a loss of power.
    pub durable: bool,
    /// Bytes that are free, where that is known.
    pub free_bytes: Option<u64>,
    /// What an operator should know, in words.
    pub remarks: Vec<String>,
}

/// A place that holds objects by key.
#[async_trait]
pub trait Store: Send + Sync {
    /// The store's URL, without secrets.
    fn url(&self) -> &str;

    /// Creates an object from `body` and returns what the store has then. When anything fails, nothing is left.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when there is one already; [`StoreError::Body`] when `body` failed.
    async fn put(&self, key: &Key, body: Body) -> Result<Stored, StoreError>;

    /// Reads an object, or a part of it.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is none.
    async fn get(&self, key: &Key, range: Option<Range<u64>>) -> Result<Object, StoreError>;

    /// An object's size, or `None` when there is none.
    async fn head(&self, key: &Key) -> Result<Option<Meta>, StoreError>;

    /// The objects below `prefix`, sorted by key.
    async fn list(&self, prefix: &Key) -> Result<Vec<Meta>, StoreError>;

    /// The names that stand directly below `prefix` and have objects below them, sorted; below the root for `None`.
    async fn children(&self, prefix: Option<&Key>) -> Result<Vec<String>, StoreError>;

    /// Removes an object. One that is not there is no error.
    async fn delete(&self, key: &Key) -> Result<(), StoreError>;

    /// Removes objects, and returns those that could not be removed. One that is not there is no error.
    async fn delete_many(&self, keys: &[Key]) -> Vec<(Key, StoreError)> {
        one_by_one(self, keys).await
    }

    /// What writers began below `prefix` and have not come to the end of; those that are still at it among them.
    async fn unfinished(&self, prefix: &Key) -> Result<Vec<Unfinished>, StoreError> {
        let _ = prefix;
        Ok(Vec::new())
    }

    /// Removes what a writer left. One that has come to its end meanwhile is no error.
    async fn abort(&self, unfinished: &Unfinished) -> Result<(), StoreError> {
        let _ = unfinished;
        Ok(())
    }

    /// Whether what is put there of recovery points is to be locked.
    fn locks(&self) -> bool {
        false
    }

    /// The lock on an object, if it has one.
    async fn locked(&self, key: &Key) -> Result<Option<Lasting>, StoreError> {
        let _ = key;
        Ok(None)
    }

    /// How the store protects what is deleted.
    async fn protection(&self) -> Result<Protection, StoreError> {
        Ok(Protection::default())
    }

    /// The versions of an object that the store keeps, newest first; none where it keeps none.
    async fn versions(&self, key: &Key) -> Result<Vec<Version>, StoreError> {
        let _ = key;
        Ok(Vec::new())
    }

    /// Puts an object under a legal hold, as S3 calls it, or lifts it: while it is on, nobody can delete the object. `false`
    /// where the store knows no such thing.
    async fn legal_hold(&self, _key: &Key, _on: bool) -> Result<bool, StoreError> {
        Ok(false)
    }

    /// What the store can promise.
    async fn promises(&self) -> Result<Promises, StoreError>;
}

/// Removes objects with a request for each.
async fn one_by_one<S: Store + ?Sized>(store: &S, keys: &[Key]) -> Vec<(Key, StoreError)> {
    let each = futures_util::stream::iter(keys.to_vec()).map(|key| async move {
        let failed = store.delete(&key).await.err();
        failed.map(|e| (key, e))
    });
    each.buffer_unordered(AT_ONCE).filter_map(std::future::ready).collect().await
}

/// Reads a small object whole; one of more than `limit` bytes is refused.
pub async fn read_all(store: &dyn Store, key: &Key, limit: u64) -> Result<Vec<u8>, StoreError> {
    let mut object = store.get(key, None).await?;
    let mut bytes = Vec::new();
    while let Some(chunk) = object.body.next().await {
        bytes.extend_from_slice(&chunk.map_err(|e| StoreError::io("read", store.url(), key.as_str(), e))?);
        if bytes.len() as u64 > limit {
            return Err(StoreError::TooLarge { key: key.to_string(), limit });
        }
    }
    Ok(bytes)
}

/// The SHA-256 of an object's bytes as the store gives them back, read through once.
pub async fn sha256(store: &dyn Store, key: &Key) -> Result<Digest, StoreError> {
    let mut object = store.get(key, None).await?;
    let mut digest = Sha256::new();
    while let Some(chunk) = object.body.next().await {
        digest.update(&chunk.map_err(|e| StoreError::io("read", store.url(), key.as_str(), e))?);
    }
    Ok(digest.finalize().into())
}

/// A body of bytes that are at hand.
pub fn body(bytes: impl Into<Bytes>) -> Body {
    let bytes = bytes.into();
    Box::pin(futures_util::stream::once(async move { Ok(bytes) }))
}
