//! Objects in S3-compatible storage: created with `If-None-Match`, uploaded in parts at the pace of the body, compared with
//! the checksum that the service computes.

mod confirm;
mod cut;
mod download;
mod fault;
mod legal;
mod options;
mod remove;
mod upload;
mod versions;

pub use options::{AssumeRole, Encryption, Lock, LockMode, S3Credentials, S3Options};

use super::{
    Body, Lasting, Meta, Object, Promises, Protection, Store, StoreError, Stored, Unfinished, Version,
};
use crate::point::Key;
use async_trait::async_trait;
use aws_sdk_s3::{Client, error::ProvideErrorMetadata, types::BucketVersioningStatus};
use fault::Fault;
use std::ops::Range;

/// A bucket, or what is below a prefix of it, as a store.
#[derive(Debug, Clone)]
pub struct S3Store {
    client: Client,
    options: S3Options,
    url: String,
}

impl S3Store {
    /// Makes ready to speak to the bucket. Credentials are looked for when the first request needs them.
    ///
    /// # Errors
    /// [`StoreError::Settings`] when a file of the settings cannot be read.
    pub async fn new(options: S3Options, url: &str) -> Result<Self, StoreError> {
        let url = url.trim_end_matches('/').to_owned();
        let client = options.client(&url).await?;
        Ok(S3Store { client, options, url })
    }

    fn name(&self, key: &Key) -> String {
        match &self.options.prefix {
            Some(prefix) => format!("{prefix}/{key}"),
            None => key.to_string(),
        }
    }

    /// The key of an object of the bucket; `None` for one that Lifeboat cannot have made.
    fn key(&self, name: &str) -> Option<Key> {
        let own = match &self.options.prefix {
            Some(prefix) => name.strip_prefix(prefix.as_str())?.strip_prefix('/')?,
            None => name,
        };
        Key::new(own).ok()
    }

    fn below(&self, prefix: Option<&Key>) -> String {
        match (prefix, &self.options.prefix) {
            (Some(key), _) => format!("{}/", self.name(key)),
            (None, Some(prefix)) => format!("{prefix}/"),
            (None, None) => String::new(),
        }
    }

    /// Whether the bucket has Object Lock, as far as it tells.
    async fn can_lock(&self) -> Option<bool> {
        let asked = self.client.get_object_lock_configuration().bucket(&self.options.bucket).send().await;
        match asked {
            Ok(found) => {
                Some(found.object_lock_configuration().is_some_and(|c| c.object_lock_enabled().is_some()))
            }
            Err(e) if e.code() == Some("ObjectLockConfigurationNotFoundError") => Some(false),
            Err(e) => {
                tracing::debug!("whether {} can lock objects is not known: {}", self.url, fault::told(&e));
                None
            }
        }
    }

    fn fault(&self, action: &'static str, about: &str) -> Fault<'_> {
        Fault { action, about: about.to_owned(), url: &self.url, bucket: &self.options.bucket }
    }
}

#[async_trait]
impl Store for S3Store {
    fn url(&self) -> &str {
        &self.url
    }

    async fn put(&self, key: &Key, body: Body) -> Result<Stored, StoreError> {
        upload::put(self, key, body).await
    }

    async fn get(&self, key: &Key, range: Option<Range<u64>>) -> Result<Object, StoreError> {
        download::get(self, key, range).await
    }

    async fn head(&self, key: &Key) -> Result<Option<Meta>, StoreError> {
        let found = confirm::look(self, key, false).await?;
        Ok(found.map(|found| Meta { key: key.clone(), bytes: found.bytes, modified: found.modified }))
    }

    async fn list(&self, prefix: &Key) -> Result<Vec<Meta>, StoreError> {
        let request =
            self.client.list_objects_v2().bucket(&self.options.bucket).prefix(self.below(Some(prefix)));
        let mut pages = request.into_paginator().send();
        let mut found = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|e| self.fault("list", prefix.as_str()).error(&e))?;
            for object in page.contents() {
                let bytes = object.size().and_then(|n| u64::try_from(n).ok()).unwrap_or_default();
                let modified = object.last_modified().and_then(remove::timestamp);
                let key = object.key().and_then(|name| self.key(name));
                found.extend(key.map(|key| Meta { key, bytes, modified }));
            }
        }
        found.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(found)
    }

    async fn children(&self, prefix: Option<&Key>) -> Result<Vec<String>, StoreError> {
        let below = self.below(prefix);
        let request =
            self.client.list_objects_v2().bucket(&self.options.bucket).prefix(&below).delimiter("/");
        let mut pages = request.into_paginator().send();
        let mut found = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|e| self.fault("list", &below).error(&e))?;
            let names = page.common_prefixes().iter().filter_map(|p| p.prefix()?.strip_prefix(&below));
            // What is no part of a key was not put there by Lifeboat.
            found.extend(names.map(|n| n.trim_end_matches('/').to_owned()).filter(|n| Key::new(n).is_ok()));
        }
        found.sort();
        Ok(found)
    }

    async fn delete(&self, key: &Key) -> Result<(), StoreError> {
        let asked = self.client.delete_object().bucket(&self.options.bucket).key(self.name(key)).send().await;
        match asked.map_err(|e| self.fault("delete", key.as_str()).error(&e)) {
            Ok(_) | Err(StoreError::NotFound { .. }) => Ok(()),
            Err(e) => Err(e),
        }
    }

    async fn delete_many(&self, keys: &[Key]) -> Vec<(Key, StoreError)> {
        remove::many(self, keys).await
    }

    async fn unfinished(&self, prefix: &Key) -> Result<Vec<Unfinished>, StoreError> {
        remove::unfinished(self, prefix).await
    }

    async fn abort(&self, unfinished: &Unfinished) -> Result<(), StoreError> {
        remove::abort(self, unfinished).await
    }

    fn locks(&self) -> bool {
        self.options.lock.is_some()
    }

    async fn locked(&self, key: &Key) -> Result<Option<Lasting>, StoreError> {
        Ok(confirm::look(self, key, false).await?.and_then(|found| found.lock))
    }

    async fn protection(&self) -> Result<Protection, StoreError> {
        let versioning = self.client.get_bucket_versioning().bucket(&self.options.bucket).send().await;
        let versions = matches!(&versioning, Ok(v) if v.status() == Some(&BucketVersioningStatus::Enabled));
        // Who may not ask whether there are locks looks for them.
        Ok(Protection { versions, locks: self.can_lock().await.unwrap_or(true) })
    }

    async fn versions(&self, key: &Key) -> Result<Vec<Version>, StoreError> {
        versions::of(self, key).await
    }

    async fn legal_hold(&self, key: &Key, on: bool) -> Result<bool, StoreError> {
        legal::hold(self, key, on).await
    }

    async fn promises(&self) -> Result<Promises, StoreError> {
        let bucket = &self.options.bucket;
        let mut remarks = Vec::new();
        let versioning = self.client.get_bucket_versioning().bucket(bucket).send().await;
        let versioned = matches!(&versioning, Ok(v) if v.status() == Some(&BucketVersioningStatus::Enabled));
        remarks.push(match (&versioning, versioned) {
            (_, true) => {
                "the bucket keeps versions: what is deleted or replaced can be brought back".to_owned()
            }
            (Ok(_), _) => "the bucket keeps no versions: what is deleted there is gone".to_owned(),
            (Err(e), _) => format!("whether it keeps versions is not known: {}", fault::told(e)),
        });
        let lockable = self.can_lock().await;
        if lockable == Some(false) && self.options.lock.is_some() {
            return Err(StoreError::NoLock { store: self.url.clone() });
        }
        remarks.push(match (&self.options.lock, lockable) {
            (Some(lock), _) => format!("recovery points are locked ({lock})"),
            (None, Some(true)) => "objects can be locked (s3.objectLock), and are not".to_owned(),
            (None, Some(false)) => {
                "objects cannot be locked: who has the credentials can delete them".to_owned()
            }
            (None, None) => "whether objects can be locked, these credentials may not ask".to_owned(),
        });
        if !self.options.conditional_create {
            remarks.push(
                "s3.conditionalCreate is off: two writers of one name would not notice each other".to_owned(),
            );
        }
        if !self.options.checksums {
            remarks.push(
                "s3.checksums is off: the store does not compare what it got; use --read-back".to_owned(),
            );
        }
        let conditional_create = self.options.conditional_create;
        Ok(Promises { conditional_create, durable: true, free_bytes: None, remarks })
    }
}
