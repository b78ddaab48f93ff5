//! From the configuration's stores to stores that work.

use super::{context::Context, failure::Failure};
use crate::{
    config::{self, Location, StoreUrl},
    point::Key,
    store::{FileStore, S3Store, Store, s3, throttled},
};
use secrecy::ExposeSecret;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

const DAY: Duration = Duration::from_secs(86_400);

impl Context {
    /// The store that was asked for, else the first of the configuration.
    pub(super) async fn store(&self) -> Result<Arc<dyn Store>, Failure> {
        if let Some(url) = self.global.store.as_deref().filter(|s| s.contains(':')) {
            return self.open(&url.parse()?, &std::env::current_dir()?, &config::S3::default(), None).await;
        }
        self.configured(self.global.store.as_deref()).await
    }

    /// A store of the configuration; the first without a name.
    pub(super) async fn configured(&self, name: Option<&str>) -> Result<Arc<dyn Store>, Failure> {
        let loaded = self.config()?;
        let store = loaded.config.store(name)?;
        let set = store.s3.clone().unwrap_or_default();
        let within = loaded.config.retention(store).and_then(|r| Some(r.within.as_ref()?.length()));
        let lock = set.object_lock.as_ref().map(|lock| of_points(&store.name, lock, within)).transpose()?;
        let opened = self.open(&store.url, &loaded.base, &set, lock).await?;
        Ok(match &store.bandwidth {
            Some(limit) => Arc::new(throttled(opened, limit.bytes_per_second())),
            None => opened,
        })
    }

    async fn open(
        &self,
        url: &StoreUrl,
        base: &Path,
        set: &config::S3,
        lock: Option<s3::Lock>,
    ) -> Result<Arc<dyn Store>, Failure> {
        Ok(match url.locate(base) {
            Location::Directory(path) => Arc::new(directory(&path)),
            Location::Bucket { bucket, prefix } => {
                let options = self.bucket(&bucket, &prefix, set)?;
                Arc::new(S3Store::new(s3::S3Options { lock, ..options }, url.as_str()).await?)
            }
        })
    }

    fn bucket(&self, bucket: &str, prefix: &str, set: &config::S3) -> Result<s3::S3Options, Failure> {
        let resolve = |path: &PathBuf| Ok::<_, Failure>(self.config()?.resolve(path));
        let credentials = match &set.credentials {
            None => None,
            Some(keys) => Some(s3::S3Credentials {
                access_key_id: self.secret(&keys.access_key_id)?.expose_secret().to_owned(),
                secret_access_key: self.secret(&keys.secret_access_key)?,
                session_token: keys.session_token.as_ref().map(|t| self.secret(t)).transpose()?,
            }),
        };
        Ok(s3::S3Options {
            endpoint: set.endpoint.as_ref().map(|e| e.as_str().to_owned()),
            region: set.region.clone(),
            path_style: set.path_style,
            ca: set.ca.as_ref().map(resolve).transpose()?,
            profile: set.profile.clone(),
            credentials,
            assume_role: set
                .assume_role
                .as_ref()
                .map(|role| s3::AssumeRole { arn: role.arn.clone(), external_id: role.external_id.clone() }),
            encryption: set.encryption.map(|how| match how {
                config::ServiceEncryption::S3 => s3::Encryption::S3,
                config::ServiceEncryption::Kms => s3::Encryption::Kms(set.kms_key.clone()),
            }),
            storage_class: set.storage_class.clone(),
            tags: set.tags.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
            conditional_create: set.conditional_create,
            checksums: set.checksums,
            part_bytes: set.part_size.bytes(),
            concurrency: set.concurrency as usize,
            timeout: set.timeout,
            ..s3::S3Options::new(bucket, below(prefix)?)
        })
    }
}

fn below(prefix: &str) -> Result<Option<Key>, Failure> {
    Ok(if prefix.is_empty() { None } else { Some(Key::new(prefix)?) })
}

fn directory(path: &Path) -> FileStore {
    let shown = url::Url::from_file_path(path).map_or_else(|()| path.display().to_string(), String::from);
    FileStore::new(path.to_owned(), &shown)
}

/// The lock on recovery points. Of the rules of retention only `within` promises a point an age: which of an hour's or a day's
/// points will be the one that is kept, nobody knows when it is written.
fn of_points(store: &str, lock: &config::ObjectLock, within: Option<Duration>) -> Result<s3::Lock, Failure> {
    let period = lock.days.map(|days| DAY * days).or(within).ok_or_else(|| {
        let text = format!("the store `{store}` has s3.objectLock, and nothing says how long it holds");
        Failure::usage(text).help("give it `days`, or set `retention.within`: it then holds as long as that")
    })?;
    let mode = match lock.mode {
        config::LockMode::Governance => s3::LockMode::Governance,
        config::LockMode::Compliance => s3::LockMode::Compliance,
    };
    Ok(s3::Lock { mode, period })
}
