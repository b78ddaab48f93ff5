use super::{EtcdError, Member, error::chain};
use bytes::Bytes;
use etcd_client::SnapshotStreaming;
use std::time::Duration;

/// bbolt's files grow by whole pages, and etcd appends a SHA-256 of 32 bytes (`etcdutl snapshot restore` checks the same).
const ALIGNMENT: u64 = 512;
const TRAILER: u64 = 32;

/// A snapshot as it comes from a member: the database, and behind it 32 bytes of SHA-256.
pub struct SnapshotStream {
    stream: SnapshotStreaming,
    member: String,
    idle: Duration,
    bytes: u64,
    storage_version: String,
}

impl SnapshotStream {
    /// Asks `member` for a snapshot. It is of the moment at which the member gets the request.
    pub async fn start(member: &Member) -> Result<Self, EtcdError> {
        let Some(connection) = &member.connection else {
            return Err(EtcdError::NoCandidate(vec![format!("{}: it does not answer", member.label())]));
        };
        let mut maintenance = connection.client.maintenance_client();
        let stream = connection.ask(maintenance.snapshot()).await?;
        let idle = connection.idle_timeout();
        Ok(SnapshotStream { stream, member: member.label(), idle, bytes: 0, storage_version: String::new() })
    }

    /// The next piece; `None` at the end, when the length is that of a whole snapshot. The trailing SHA-256 is for the
    /// caller to compare, who digests the bytes anyway.
    ///
    /// # Errors
    /// When nothing comes for the idle timeout, when the stream breaks off, or when it ends too early.
    pub async fn next(&mut self) -> Result<Option<Bytes>, EtcdError> {
        loop {
            let message = tokio::time::timeout(self.idle, self.stream.message())
                .await
                .map_err(|_| EtcdError::Idle { member: self.member.clone(), after: self.idle })?
                .map_err(|e| EtcdError::Broken {
                    member: self.member.clone(),
                    bytes: self.bytes,
                    reason: chain(&e),
                })?;
            match message {
                // The last messages announce no remaining bytes and still carry some: only the end of the stream counts.
                Some(message) if message.0.blob.is_empty() => continue,
                Some(message) => {
                    self.bytes += message.0.blob.len() as u64;
                    if self.storage_version.is_empty() {
                        self.storage_version.clone_from(&message.0.version);
                    }
                    return Ok(Some(Bytes::from(message.0.blob)));
                }
                None if self.bytes <= TRAILER || self.bytes % ALIGNMENT != TRAILER => {
                    let reason = format!("{} bytes are not whole pages and a SHA-256", self.bytes);
                    return Err(EtcdError::NotWhole { member: self.member.clone(), reason });
                }
                None => return Ok(None),
            }
        }
    }

    /// The storage version that the member named; empty before etcd 3.6.
    pub fn storage_version(&self) -> &str {
        &self.storage_version
    }

    /// The member that it comes from.
    pub fn member(&self) -> &str {
        &self.member
    }
}
