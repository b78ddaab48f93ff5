//! Writing an object: at once when it is small, else in parts.

use super::{
    super::{Body, Store, StoreError, Stored},
    Encryption, LockMode, S3Store,
    confirm::{Sent, TOKEN, confirm, written_after_all},
    cut::{Cutter, MOST_PARTS, Part, part_bytes},
};
use crate::point::Key;
use aws_sdk_s3::{
    primitives::DateTime,
    types::{
        ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart, ObjectLockMode, ServerSideEncryption,
        StorageClass,
    },
};
use aws_smithy_types::base64;
use sha2::{Digest, Sha256};
use std::time::SystemTime;
use tokio::task::JoinSet;

/// Parts on their way have no more bytes than this together, as long as one of them has no more.
const BUDGET: u64 = 48 << 20;

/// What the service is told of every object, however it is uploaded.
struct Traits {
    token: String,
    encryption: Option<ServerSideEncryption>,
    kms_key: Option<String>,
    storage_class: Option<StorageClass>,
    tagging: Option<String>,
    lock: Option<ObjectLockMode>,
    until: Option<DateTime>,
    checksum: Option<ChecksumAlgorithm>,
}

impl Traits {
    fn new(store: &S3Store, key: &Key) -> Self {
        let options = &store.options;
        // Only what belongs to a recovery point: a probe could not be removed again.
        let lock = options.lock.as_ref().filter(|_| key.segments().nth(1) == Some("points"));
        let mut tags = url::form_urlencoded::Serializer::new(String::new());
        tags.extend_pairs(&options.tags);
        Traits {
            token: format!("{:032x}", rand::random::<u128>()),
            encryption: options.encryption.as_ref().map(|e| match e {
                Encryption::S3 => ServerSideEncryption::Aes256,
                Encryption::Kms(_) => ServerSideEncryption::AwsKms,
            }),
            kms_key: match &options.encryption {
                Some(Encryption::Kms(key)) => key.clone(),
                _ => None,
            },
            storage_class: options.storage_class.as_deref().map(StorageClass::from),
            // A service may take `+` for itself and not for a space.
            tagging: Some(tags.finish().replace('+', "%20")).filter(|t| !t.is_empty()),
            lock: lock.map(|l| match l.mode {
                LockMode::Governance => ObjectLockMode::Governance,
                LockMode::Compliance => ObjectLockMode::Compliance,
            }),
            until: lock.map(|l| DateTime::from(SystemTime::now() + l.period)),
            checksum: options.checksums.then_some(ChecksumAlgorithm::Sha256),
        }
    }
}

/// Creates an object from `body`.
pub(super) async fn put(store: &S3Store, key: &Key, body: Body) -> Result<Stored, StoreError> {
    if !store.options.conditional_create && store.head(key).await?.is_some() {
        return Err(StoreError::Exists { key: key.to_string(), store: store.url.clone() });
    }
    let mut cutter = Cutter::new(body);
    let first = cutter.next(store.options.part_bytes).await.map_err(StoreError::Body)?;
    let traits = Traits::new(store, key);
    if cutter.ended() {
        return put_whole(store, key, first, traits).await;
    }
    let upload = Upload::begin(store, key, traits).await?;
    match upload.parts(first, &mut cutter).await {
        Ok(parts) => upload.complete(parts).await,
        Err(e) => {
            upload.abort().await;
            Err(e)
        }
    }
}

async fn put_whole(store: &S3Store, key: &Key, part: Part, traits: Traits) -> Result<Stored, StoreError> {
    let ours = base64::encode(part.sha256);
    let (bytes, locked) = (part.bytes.len() as u64, traits.lock.is_some());
    let request = store
        .client
        .put_object()
        .bucket(&store.options.bucket)
        .key(store.name(key))
        .metadata(TOKEN, &traits.token)
        .set_server_side_encryption(traits.encryption)
        .set_ssekms_key_id(traits.kms_key)
        .set_storage_class(traits.storage_class)
        .set_tagging(traits.tagging)
        .set_object_lock_mode(traits.lock)
        .set_object_lock_retain_until_date(traits.until)
        .set_checksum_sha256(traits.checksum.map(|_| ours.clone()))
        .set_if_none_match(store.options.conditional_create.then(|| "*".to_owned()))
        .body(part.bytes.into());
    let theirs = match request.send().await {
        Ok(answer) => answer.checksum_sha256,
        Err(e) => {
            let error = store.fault("write", key.as_str()).error(&e);
            written_after_all(store, key, &traits.token, error).await?.checksum
        }
    };
    let sent = Sent { bytes, token: &traits.token, sha256: ours, locked };
    confirm(store, key, sent, theirs, "its SHA-256, computed by the store, is ours").await
}

/// An upload in parts.
struct Upload<'a> {
    store: &'a S3Store,
    key: &'a Key,
    id: String,
    token: String,
    checksums: bool,
    locked: bool,
}

impl<'a> Upload<'a> {
    async fn begin(store: &'a S3Store, key: &'a Key, traits: Traits) -> Result<Self, StoreError> {
        let (checksums, locked) = (traits.checksum.is_some(), traits.lock.is_some());
        let request = store
            .client
            .create_multipart_upload()
            .bucket(&store.options.bucket)
            .key(store.name(key))
            .metadata(TOKEN, &traits.token)
            .set_server_side_encryption(traits.encryption)
            .set_ssekms_key_id(traits.kms_key)
            .set_storage_class(traits.storage_class)
            .set_tagging(traits.tagging)
            .set_object_lock_mode(traits.lock)
            .set_object_lock_retain_until_date(traits.until)
            .set_checksum_algorithm(traits.checksum);
        let begun = request.send().await.map_err(|e| store.fault("write", key.as_str()).error(&e))?;
        let nameless =
            || store.fault("write", key.as_str()).refused("the service began an upload and gave it no id");
        let id = begun.upload_id.ok_or_else(nameless)?;
        Ok(Upload { store, key, id, token: traits.token, checksums, locked })
    }

    /// Uploads the parts, several at once, as the body brings them.
    async fn parts(&self, first: Part, cutter: &mut Cutter) -> Result<Parts, StoreError> {
        let mut underway = JoinSet::new();
        let mut parts = Parts::default();
        let mut next = first;
        loop {
            let (number, size) = (parts.begun + 1, next.bytes.len() as u64);
            if number > MOST_PARTS {
                let (key, limit) = (self.key.to_string(), parts.bytes);
                return Err(StoreError::TooLarge { key, limit });
            }
            while underway.len() >= self.at_once(size) {
                parts.done(underway.join_next().await)?;
            }
            parts.begun = number;
            parts.bytes += size;
            parts.digests.update(next.sha256);
            underway.spawn(self.upload(number, next));
            if cutter.ended() {
                break;
            }
            next = cutter
                .next(part_bytes(self.store.options.part_bytes, number + 1))
                .await
                .map_err(StoreError::Body)?;
            if next.bytes.is_empty() {
                break;
            }
            while let Some(done) = underway.try_join_next() {
                parts.done(Some(done))?;
            }
        }
        while !underway.is_empty() {
            parts.done(underway.join_next().await)?;
        }
        Ok(parts)
    }

    fn at_once(&self, size: u64) -> usize {
        let fit = usize::try_from(BUDGET / size.max(1)).unwrap_or(usize::MAX);
        self.store.options.concurrency.min(fit).max(1)
    }

    fn upload(
        &self,
        number: u32,
        part: Part,
    ) -> impl Future<Output = Result<CompletedPart, StoreError>> + Send + 'static {
        let (store, key, number) = (self.store.clone(), self.key.clone(), number.cast_signed());
        let ours = self.checksums.then(|| base64::encode(part.sha256));
        let request = store
            .client
            .upload_part()
            .bucket(&store.options.bucket)
            .key(store.name(&key))
            .upload_id(&self.id)
            .part_number(number)
            .set_checksum_sha256(ours.clone())
            .body(part.bytes.into());
        async move {
            let done = request.send().await.map_err(|e| store.fault("write", key.as_str()).error(&e))?;
            Ok(CompletedPart::builder()
                .part_number(number)
                .set_e_tag(done.e_tag)
                .set_checksum_sha256(ours)
                .build())
        }
    }

    /// Makes an object of the parts.
    async fn complete(&self, mut parts: Parts) -> Result<Stored, StoreError> {
        parts.completed.sort_by_key(|part| part.part_number());
        let count = parts.completed.len();
        let list = CompletedMultipartUpload::builder().set_parts(Some(parts.completed)).build();
        let conditional = self.store.options.conditional_create.then(|| "*".to_owned());
        let request = self
            .store
            .client
            .complete_multipart_upload()
            .bucket(&self.store.options.bucket)
            .key(self.store.name(self.key))
            .upload_id(&self.id)
            .set_if_none_match(conditional)
            .multipart_upload(list);
        let theirs = match request.send().await {
            Ok(answer) => answer.checksum_sha256,
            Err(e) => {
                let error = self.store.fault("write", self.key.as_str()).error(&e);
                match written_after_all(self.store, self.key, &self.token, error).await {
                    Ok(there) => there.checksum,
                    Err(e) => {
                        self.abort().await;
                        return Err(e);
                    }
                }
            }
        };
        // The checksum of an object in parts is that of the parts' checksums (Amazon S3 user guide, "checking object
        // integrity", composite checksums).
        let ours = format!("{}-{count}", base64::encode(parts.digests.finalize()));
        let words = format!("the SHA-256 of its {count} parts, computed by the store, are ours");
        let sent = Sent { bytes: parts.bytes, token: &self.token, sha256: ours, locked: self.locked };
        confirm(self.store, self.key, sent, theirs, &words).await
    }

    /// Removes the parts. When even that fails, they are left to `prune`, or to a rule of the bucket.
    async fn abort(&self) {
        let request = self.store.client.abort_multipart_upload().bucket(&self.store.options.bucket);
        if let Err(e) = request.key(self.store.name(self.key)).upload_id(&self.id).send().await {
            let error = self.store.fault("remove what was uploaded of", self.key.as_str()).error(&e);
            if !matches!(error, StoreError::NotFound { .. }) {
                tracing::warn!("{error}; it takes room until it is aborted (upload {})", self.id);
            }
        }
    }
}

/// How far an upload has come.
#[derive(Default)]
struct Parts {
    begun: u32,
    bytes: u64,
    digests: Sha256,
    completed: Vec<CompletedPart>,
}

impl Parts {
    fn done(
        &mut self,
        part: Option<Result<Result<CompletedPart, StoreError>, tokio::task::JoinError>>,
    ) -> Result<(), StoreError> {
        let cancelled = |e| StoreError::Body(std::io::Error::other(e));
        if let Some(part) = part {
            self.completed.push(part.map_err(cancelled)??);
        }
        Ok(())
    }
}
