//! What the service, or the way to it, answers with, in the words of the store.

use super::super::StoreError;
use aws_sdk_s3::{
    error::{ProvideErrorMetadata, SdkError},
    operation::RequestId,
};
use std::error::Error;

/// What was tried, for the error that may come of it.
pub(super) struct Fault<'a> {
    pub(super) action: &'static str,
    pub(super) about: String,
    pub(super) url: &'a str,
    pub(super) bucket: &'a str,
}

type Http = aws_sdk_s3::config::http::HttpResponse;

impl Fault<'_> {
    /// The store's error for what came back.
    pub(super) fn error<E>(&self, error: &SdkError<E, Http>) -> StoreError
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let (key, store) = (self.about.clone(), self.url.to_owned());
        let status = error.raw_response().map(|r| r.status().as_u16());
        let code = error.as_service_error().and_then(ProvideErrorMetadata::code).unwrap_or_default();
        match (code, status) {
            ("NoSuchBucket", _) => self.remote(
                error,
                &format!("there is no bucket `{}`: create it, or mend the store's URL", self.bucket),
            ),
            ("NoSuchKey" | "NotFound", _) | ("", Some(404)) => StoreError::NotFound { key, store },
            ("PreconditionFailed" | "ConditionalRequestConflict", _) | (_, Some(412)) => {
                StoreError::Exists { key, store }
            }
            _ => self.remote(error, help(code, status, error)),
        }
    }

    /// The error for an answer that cannot be worked with.
    pub(super) fn refused(&self, reason: &str) -> StoreError {
        StoreError::Remote {
            action: self.action,
            key: self.about.clone(),
            store: self.url.to_owned(),
            reason: reason.to_owned(),
            help: String::new(),
        }
    }

    /// The error for one object of a request for many.
    pub(super) fn of_one(&self, code: &str, message: &str) -> StoreError {
        let message = message.trim_end_matches('.');
        StoreError::Remote {
            action: self.action,
            key: self.about.clone(),
            store: self.url.to_owned(),
            reason: if message.is_empty() { code.to_owned() } else { format!("{code} ({message})") },
            help: match code {
                "AccessDenied" => "; it is under a lock, or these credentials may not do that".to_owned(),
                "InternalError" | "SlowDown" | "ServiceUnavailable" => "; run this again later".to_owned(),
                _ => String::new(),
            },
        }
    }

    fn remote<E>(&self, error: &SdkError<E, Http>, help: &str) -> StoreError
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        StoreError::Remote {
            action: self.action,
            key: self.about.clone(),
            store: self.url.to_owned(),
            reason: told(error),
            help: if help.is_empty() { String::new() } else { format!("; {help}") },
        }
    }
}

const NO_CREDENTIALS: &str = "there are no credentials, or they cannot be had: look at s3.credentials, s3.profile and \
                              s3.assumeRole, or at the environment (AWS_ACCESS_KEY_ID and so on)";

/// What can be done about an answer.
fn help<E>(code: &str, status: Option<u16>, error: &SdkError<E, Http>) -> &'static str {
    match (code, status) {
        ("ExpiredToken" | "TokenRefreshRequired" | "RequestExpired", _) => {
            "the credentials have expired: renew them and run this again"
        }
        ("InvalidAccessKeyId" | "InvalidToken" | "XAdminUserNotFound", _) => {
            "the service does not know this access key"
        }
        ("SignatureDoesNotMatch", _) => "the secret access key is not the one of this access key id",
        ("RequestTimeTooSkewed", _) => "the clocks of this machine and of the service differ: set this one's",
        ("AuthorizationHeaderMalformed" | "PermanentRedirect" | "IllegalLocationConstraintException", _)
        | (_, Some(301)) => "the bucket is in another region: set s3.region to it",
        ("AccessDenied" | "Forbidden" | "AllAccessDisabled", _) | ("", Some(403)) => {
            "these credentials may not do that: see the policy under \"Object storage\" in the README"
        }
        (
            "SlowDown" | "Throttling" | "ThrottlingException" | "TooManyRequests" | "RequestLimitExceeded",
            _,
        )
        | (_, Some(429)) => {
            "the service throttles: it was tried several times; lower s3.concurrency, or try later"
        }
        ("NotImplemented", _) | (_, Some(501)) => {
            "the service does not have this: s3.conditionalCreate: false, or s3.checksums: false, does without"
        }
        (code, _) if code.starts_with("KMS.") => {
            "the service cannot use the key of s3.kmsKey: it must be there, in the bucket's region and enabled, and these \
             credentials need kms:GenerateDataKey and kms:Decrypt for it"
        }
        ("InvalidRequest", _) => "if it knows no Object Lock or no checksums, switch them off for this store",
        (_, Some(500..=599)) => "it was tried several times",
        _ => match error {
            SdkError::ConstructionFailure(_) => NO_CREDENTIALS,
            SdkError::TimeoutError(_) => "is the endpoint right, and can it be reached from here?",
            // It never came to a connection.
            SdkError::DispatchFailure(failure) if failure.is_other() => NO_CREDENTIALS,
            SdkError::DispatchFailure(_) => "is the endpoint right, and can it be reached from here?",
            _ => "",
        },
    }
}

/// The answer itself: code, message and request id of the service, or what went wrong on the way.
pub(super) fn told<E>(error: &SdkError<E, Http>) -> String
where
    E: ProvideErrorMetadata + Error + 'static,
{
    match error.as_service_error() {
        Some(service) => {
            let status = error.raw_response().map(|r| r.status().as_u16()).unwrap_or_default();
            let code = service.code().map_or_else(|| format!("HTTP {status}"), str::to_owned);
            let message =
                service.message().map(|m| format!(" ({})", m.trim_end_matches('.'))).unwrap_or_default();
            let request = service.meta().request_id().map(|id| format!(", request {id}")).unwrap_or_default();
            format!("{code}{message}{request}")
        }
        None => {
            let mut said = error.to_string();
            let mut source = error.source();
            while let Some(cause) = source {
                let text = cause.to_string();
                if !said.contains(&text) {
                    said = format!("{said}: {text}");
                }
                source = cause.source();
            }
            said
        }
    }
}
