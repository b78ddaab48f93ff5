//! etcd as a source: every member looked at, the KV hashes compared, the snapshot streamed.
//!
//! A [`Survey`] is taken first. [`Survey::candidates`] says from whom to stream, [`Survey::compare`] whether the members
//! hold the same data. Each member has a client of its own: a client of several endpoints would spread maintenance
//! calls over all of them.

mod agreement;
mod certificate;
mod connect;
mod error;
mod member;
mod snapshot;
mod survey;

pub use agreement::{Agreement, Answer, judge};
pub use certificate::server_certificate;
pub use connect::{Connection, EtcdOptions, TlsFiles};
pub use error::EtcdError;
pub use member::{Alarm, Member, MemberStatus};
pub use snapshot::SnapshotStream;
pub use survey::Survey;
