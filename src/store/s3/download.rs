//! Reading an object; a connection that breaks in the middle is taken up again where it broke.

use super::{
    super::{Object, Store, StoreError},
    S3Store,
};
use crate::point::Key;
use aws_sdk_s3::{operation::get_object::GetObjectOutput, primitives::ByteStream};
use bytes::Bytes;
use futures_util::stream;
use std::{io, ops::Range, time::Duration};

/// A body that breaks is taken up again this often without a byte in between.
const ATTEMPTS: u32 = 5;
/// No object is so large (S3 takes 50 TB).
const LAST: u64 = 1 << 60;
const FIRST_PAUSE: Duration = Duration::from_millis(200);

pub(super) async fn get(store: &S3Store, key: &Key, range: Option<Range<u64>>) -> Result<Object, StoreError> {
    let empty = range.as_ref().is_some_and(|r| r.is_empty());
    let asked = range.filter(|_| !empty);
    let answer = match ask(store, key, asked.as_ref().map(|r| r.start..r.end), None).await {
        // A range that begins behind the object's end holds nothing.
        Err(StoreError::Remote { reason, .. }) if asked.is_some() && reason.starts_with("InvalidRange") => {
            let bytes = store.head(key).await?.map_or(0, |meta| meta.bytes);
            return Ok(Object { bytes, body: Box::pin(stream::empty()) });
        }
        other => other?,
    };
    let length = u64::try_from(answer.content_length().unwrap_or_default()).unwrap_or_default();
    let total = answer.content_range().and_then(|r| r.rsplit_once('/')?.1.parse().ok());
    let bytes = total.unwrap_or(length);
    if empty {
        return Ok(Object { bytes, body: Box::pin(stream::empty()) });
    }
    let start = asked.map_or(0, |r| r.start);
    if start > 0 && total.is_none() {
        let reason = "it sent all of the object when a part was asked for";
        return Err(store.fault("read a part of", key.as_str()).refused(reason));
    }
    let reading = Reading {
        store: store.clone(),
        key: key.clone(),
        etag: answer.e_tag().map(str::to_owned),
        at: start,
        end: start + length,
        body: answer.body,
        failures: 0,
    };
    let body = stream::try_unfold(reading, |mut reading| async move {
        Ok(reading.next().await?.map(|chunk| (chunk, reading)))
    });
    Ok(Object { bytes, body: Box::pin(body) })
}

async fn ask(
    store: &S3Store,
    key: &Key,
    range: Option<Range<u64>>,
    etag: Option<&str>,
) -> Result<GetObjectOutput, StoreError> {
    let mut request = store.client.get_object().bucket(&store.options.bucket).key(store.name(key));
    if let Some(range) = range {
        // A service may ignore a range whose end it cannot hold in a number.
        request = request.range(match range.end {
            0..=LAST => format!("bytes={}-{}", range.start, range.end.saturating_sub(1)),
            _ => format!("bytes={}-", range.start),
        });
    }
    request = request.set_if_match(etag.map(str::to_owned));
    request.send().await.map_err(|e| store.fault("read", key.as_str()).error(&e))
}

/// An object that is being read.
struct Reading {
    store: S3Store,
    key: Key,
    etag: Option<String>,
    at: u64,
    end: u64,
    body: ByteStream,
    failures: u32,
}

impl Reading {
    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            let reason = match self.body.next().await {
                Some(Ok(chunk)) => {
                    self.at += chunk.len() as u64;
                    self.failures = 0;
                    return Ok(Some(chunk));
                }
                None if self.at == self.end => return Ok(None),
                None => format!("the answer ended after {} of {} bytes", self.at, self.end),
                Some(Err(e)) => e.to_string(),
            };
            if self.failures >= ATTEMPTS {
                return Err(io::Error::other(reason));
            }
            tracing::warn!(
                "reading {} broke off at byte {} ({reason}): going on from there",
                self.key,
                self.at
            );
            tokio::time::sleep(jittered(FIRST_PAUSE, self.failures)).await;
            self.failures += 1;
            match ask(&self.store, &self.key, Some(self.at..self.end), self.etag.as_deref()).await {
                Ok(answer) if self.at > 0 && answer.content_range().is_none() => {
                    return Err(io::Error::other(format!(
                        "{reason}; and the store cannot go on in the middle"
                    )));
                }
                Ok(answer) => self.body = answer.body,
                // Somebody else's bytes must not be put behind the first ones.
                Err(StoreError::Exists { .. } | StoreError::NotFound { .. }) => {
                    return Err(io::Error::other("it was replaced or deleted while it was read"));
                }
                Err(e) if self.failures >= ATTEMPTS => return Err(io::Error::other(e.to_string())),
                Err(_) => self.body = ByteStream::default(),
            }
        }
    }
}

/// A pause of up to `first`, doubled for each failure before, at a random length ("full jitter").
fn jittered(first: Duration, failures: u32) -> Duration {
    first.saturating_mul(1 << failures.min(6)).mul_f64(rand::random::<f64>())
}
