//! What is set for a bucket, and the client that follows from it.

use super::super::StoreError;
use crate::point::Key;
use aws_config::{
    BehaviorVersion, ConfigLoader, Region, default_provider::region::DefaultRegionChain,
    profile::ProfileFileCredentialsProvider, provider_config::ProviderConfig, retry::RetryConfig,
    sts::AssumeRoleProvider, timeout::TimeoutConfig,
};
use aws_sdk_s3::{
    Client,
    config::{
        Credentials, RequestChecksumCalculation, ResponseChecksumValidation, SharedHttpClient,
        StalledStreamProtectionConfig,
    },
};
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode},
};
use secrecy::{ExposeSecret, SecretString};
use std::{fmt, path::PathBuf, time::Duration};

/// Requests that fail for a passing reason are tried this often.
const ATTEMPTS: u32 = 6;
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const CONNECT: Duration = Duration::from_secs(10);
/// A transfer that stands still for so long is given up and tried again.
const STALLED: Duration = Duration::from_secs(20);

/// How to reach a bucket, and how objects are put into it.
#[derive(Debug, Clone)]
pub struct S3Options {
    /// The bucket.
    pub bucket: String,
    /// Below which key prefix, if not at the root.
    pub prefix: Option<Key>,
    /// The service's URL; AWS's own without.
    pub endpoint: Option<String>,
    /// The region.
    pub region: Option<String>,
    /// The bucket stands in the path and not in the host's name; if nothing is said, when there is an endpoint.
    pub path_style: Option<bool>,
    /// A PEM file of authorities that are trusted beside the system's.
    pub ca: Option<PathBuf>,
    /// A profile of the AWS configuration files.
    pub profile: Option<String>,
    /// Keys of its own, instead of what the AWS chain finds.
    pub credentials: Option<S3Credentials>,
    /// A role to take on.
    pub assume_role: Option<AssumeRole>,
    /// How the service encrypts what it stores.
    pub encryption: Option<Encryption>,
    /// The storage class of artifacts.
    pub storage_class: Option<String>,
    /// Tags of every object.
    pub tags: Vec<(String, String)>,
    /// Recovery points cannot be deleted for a while.
    pub lock: Option<Lock>,
    /// Objects are created with `If-None-Match`; without, the store looks before it writes.
    pub conditional_create: bool,
    /// Uploads carry SHA-256 checksums, which the service compares.
    pub checksums: bool,
    /// Bytes of a part, at first; parts grow so that ten thousand suffice.
    pub part_bytes: u64,
    /// Parts that are uploaded at once.
    pub concurrency: usize,
    /// How long the service may take until its answer begins.
    pub timeout: Duration,
}

/// Keys that are given and not looked for.
#[derive(Debug, Clone)]
pub struct S3Credentials {
    /// The access key's id.
    pub access_key_id: String,
    /// The access key.
    pub secret_access_key: SecretString,
    /// The token of a session.
    pub session_token: Option<SecretString>,
}

/// A role to take on.
#[derive(Debug, Clone)]
pub struct AssumeRole {
    /// Its ARN.
    pub arn: String,
    /// What its owner asks for.
    pub external_id: Option<String>,
}

/// How the service encrypts what it stores, beside Lifeboat's own encryption.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Encryption {
    /// With keys of S3.
    S3,
    /// With a key of KMS: this one, or the account's default.
    Kms(Option<String>),
}

/// Whether a lock can be lifted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockMode {
    /// By who has the permission to.
    Governance,
    /// By nobody.
    Compliance,
}

/// A lock on every object of a recovery point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    /// Whether it can be lifted.
    pub mode: LockMode,
    /// How long it holds, from when the object was written.
    pub period: Duration,
}

impl fmt::Display for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mode = match self.mode {
            LockMode::Governance => "governance",
            LockMode::Compliance => "compliance",
        };
        let days = self.period.as_secs() / 86_400;
        match days {
            0 => write!(f, "{mode}, {} s", self.period.as_secs()),
            _ => write!(f, "{mode}, {days} days"),
        }
    }
}

impl S3Options {
    /// Options for a bucket, everything else as it is by default.
    pub fn new(bucket: &str, prefix: Option<Key>) -> Self {
        S3Options {
            bucket: bucket.to_owned(),
            prefix,
            endpoint: None,
            region: None,
            path_style: None,
            ca: None,
            profile: None,
            credentials: None,
            assume_role: None,
            encryption: None,
            storage_class: None,
            tags: Vec::new(),
            lock: None,
            conditional_create: true,
            checksums: true,
            part_bytes: 8 << 20,
            concurrency: 4,
            timeout: Duration::from_secs(60),
        }
    }

    pub(super) async fn client(&self, url: &str) -> Result<Client, StoreError> {
        let retries = RetryConfig::standard().with_max_attempts(ATTEMPTS).with_initial_backoff(FIRST_PAUSE);
        let timeouts = TimeoutConfig::builder().connect_timeout(CONNECT).read_timeout(self.timeout).build();
        let stalled = StalledStreamProtectionConfig::enabled().grace_period(STALLED).build();
        let http = self.http(url)?;
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .retry_config(retries)
            .timeout_config(timeouts)
            .stalled_stream_protection(stalled)
            .http_client(http.clone());
        if let Some(region) = &self.region {
            loader = loader.region(Region::new(region.clone()));
        }
        let loaded = self.with_credentials(loader, http).await.load().await;
        let own_service = self.endpoint.is_some() || loaded.endpoint_url().is_some();
        let mut config = aws_sdk_s3::config::Builder::from(&loaded)
            .force_path_style(self.path_style.unwrap_or(own_service))
            // Only those asked for: other services than AWS's often know none.
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
        if let Some(endpoint) = &self.endpoint {
            config = config.endpoint_url(endpoint);
        }
        if own_service && loaded.region().is_none() {
            // Other services have one region, and most of them call it so.
            config = config.region(Region::new("us-east-1"));
        }
        if let Some(role) = &self.assume_role {
            let mut provider =
                AssumeRoleProvider::builder(&role.arn).session_name("lifeboat").configure(&loaded);
            if let Some(id) = &role.external_id {
                provider = provider.external_id(id);
            }
            config = config.credentials_provider(provider.build().await);
        }
        Ok(Client::from_conf(config.build()))
    }

    async fn with_credentials(&self, loader: ConfigLoader, http: SharedHttpClient) -> ConfigLoader {
        match (&self.credentials, &self.profile) {
            (Some(keys), _) => {
                let token = keys.session_token.as_ref().map(|t| t.expose_secret().to_owned());
                let secret = keys.secret_access_key.expose_secret();
                let keys = Credentials::new(&keys.access_key_id, secret, token, None, "lifeboat.yaml");
                loader.credentials_provider(keys)
            }
            // Just that profile: the chain would prefer variables of the environment, and go on where there is none.
            (None, Some(profile)) => {
                let config = ProviderConfig::default().with_http_client(http);
                let region = match &self.region {
                    Some(region) => Some(Region::new(region.clone())),
                    None => {
                        let chain = DefaultRegionChain::builder().profile_name(profile);
                        chain.build().region().await
                    }
                };
                let config = config.with_region(region);
                let provider = ProfileFileCredentialsProvider::builder().configure(&config);
                loader.profile_name(profile).credentials_provider(provider.profile_name(profile).build())
            }
            (None, None) => loader,
        }
    }

    fn http(&self, url: &str) -> Result<SharedHttpClient, StoreError> {
        let tls = Builder::new().tls_provider(Provider::Rustls(CryptoMode::AwsLc));
        let Some(ca) = &self.ca else { return Ok(tls.build_https()) };
        let refused = |reason: String| StoreError::Settings { store: url.to_owned(), reason };
        let pem = std::fs::read(ca).map_err(|e| refused(format!("s3.ca {}: {e}", ca.display())))?;
        if !pem.windows(27).any(|w| w == b"-----BEGIN CERTIFICATE-----") {
            return Err(refused(format!("s3.ca {}: it holds no certificate in PEM format", ca.display())));
        }
        let trusted = TrustStore::default().with_pem_certificate(pem);
        let context = TlsContext::builder().with_trust_store(trusted).build();
        Ok(tls
            .tls_context(context.map_err(|e| refused(format!("s3.ca {}: {e}", ca.display())))?)
            .build_https())
    }
}
