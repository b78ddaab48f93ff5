//! The section about where recovery points are kept.

mod read;

use super::duration;
use super::retention::Retention;
use super::secret::SecretRef;
use super::size::{Rate, Size};
use super::values::{ClusterName, StoreUrl};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// One place where recovery points are kept.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct Store {
    /// The name by which commands speak of it (`--store NAME`).
    #[schemars(with = "ClusterName")]
    pub name: String,
    /// Where it is: `s3://bucket/prefix`, `file:///absolute/directory`, or `file:./directory` beside this file.
    pub url: StoreUrl,
    /// How to reach the bucket of an `s3://` URL, and how objects are put into it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub s3: Option<S3>,
    /// Stores, by name, to which every recovery point is copied that this one has.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    pub copy_to: Vec<String>,
    /// Most bytes a second, in each direction.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bandwidth: Option<Rate>,
    /// Which recovery points are kept here, in the place of the `retention` of all stores.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retention: Option<Retention>,
}

/// How to reach a bucket, and how objects are put into it. Without it: AWS, with what the usual chain of credentials finds
/// (environment, profile, web identity, process, instance).
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(default)]
#[non_exhaustive]
pub struct S3 {
    /// The service's URL, where it is not AWS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<ServiceUrl>,
    /// The bucket's region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The bucket stands in the URL's path and not in the host's name. Most services but AWS want it so: it is on when there
    /// is an `endpoint`, unless it is switched off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_style: Option<bool>,
    /// Authorities to trust beside the system's (PEM).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// A profile of the AWS configuration files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// Keys of its own, instead of what the usual chain finds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credentials: Option<Keys>,
    /// A role to take on with them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assume_role: Option<Role>,
    /// Encryption by the service, beside Lifeboat's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encryption: Option<ServiceEncryption>,
    /// The key for `encryption: kms`; the account's default without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kms_key: Option<String>,
    /// The storage class of objects, such as STANDARD_IA.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_class: Option<String>,
    /// Tags of every object.
    pub tags: BTreeMap<String, String>,
    /// A lock on recovery points.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object_lock: Option<ObjectLock>,
    /// Create objects with `If-None-Match`. Switch it off for a service that does not have it.
    pub conditional_create: bool,
    /// Send SHA-256 checksums for the service to compare. Switch it off for a service that does not have them.
    pub checksums: bool,
    /// Size of a part of an upload, from 5MiB; parts grow when an object is very large.
    pub part_size: Size,
    /// Parts that are uploaded at once.
    #[schemars(range(min = 1, max = 64))]
    pub concurrency: u32,
    /// How long the service may take until its answer begins.
    #[serde(serialize_with = "duration::serialize")]
    #[schemars(with = "duration::Text")]
    pub timeout: Duration,
}

impl Default for S3 {
    fn default() -> Self {
        S3 {
            endpoint: None,
            region: None,
            path_style: None,
            ca: None,
            profile: None,
            credentials: None,
            assume_role: None,
            encryption: None,
            kms_key: None,
            storage_class: None,
            tags: BTreeMap::new(),
            object_lock: None,
            conditional_create: true,
            checksums: true,
            part_size: Size::mebibytes(8),
            concurrency: 4,
            timeout: Duration::from_secs(60),
        }
    }
}

/// Keys that are given and not looked for.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct Keys {
    /// The access key's id.
    pub access_key_id: SecretRef,
    /// Where the access key is.
    pub secret_access_key: SecretRef,
    /// Where the token of a session is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_token: Option<SecretRef>,
}

/// A role to take on.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct Role {
    /// Its ARN.
    pub arn: String,
    /// What its owner asks for, if anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
}

/// Encryption by the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ServiceEncryption {
    /// With keys of S3 (SSE-S3).
    S3,
    /// With a key of KMS (SSE-KMS).
    Kms,
}

/// A lock on every object of a recovery point, from when it is written. The bucket must have Object Lock.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct ObjectLock {
    /// Who can lift it.
    pub mode: LockMode,
    /// How many days it holds; without it, as long as `retention.within` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 36_500))]
    pub days: Option<u32>,
}

/// Who can lift a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LockMode {
    /// Who has the permission to.
    Governance,
    /// Nobody, the account's root neither.
    Compliance,
}

/// The URL of a service that speaks S3.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(inline, extend("pattern" = "^https?://[^/@?#]+/?$"))]
pub struct ServiceUrl(String);

impl ServiceUrl {
    /// The text as it is written in the file.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
