//! Every object of a cluster, as the API server serves it, at one revision.
//!
//! ```text
//!  Connection ─▶ Cluster ─▶ discover ─▶ plan of lists ─▶ pages (many at a time) ─▶ slices ─▶ Export::next
//!                   │         (types, versions, filter)     │ rate limit, retries
//!                   └─ facts, ready, permissions            └─ 410 Gone: Event::Restart, from a new revision
//! ```
//!
//! The export never builds an object model: a page is fetched as bytes, cut into its items, and the cuts are handed on.

mod access;
mod backoff;
mod call;
mod certificates;
mod choose;
mod connect;
mod discovery;
mod documents;
mod driver;
mod error;
mod export;
mod fetch;
mod filter;
mod list;
mod news;
mod object;
mod page;
mod probe;
mod proxy;
mod rate;
mod schedule;
mod start;
mod trouble;
mod write;

pub use access::{Access, Permission, Readiness};
pub use call::{Attempt, Deletion};
pub use choose::{Discovery, ResourceType, Unmatched};
pub use connect::{Cluster, Connection, Facts};
pub use error::KubeError;
pub use export::{Event, Export};
pub use filter::Filter;
pub use news::Subject;
pub use object::ExportedObject;
pub use start::Moment;
pub use write::{LiveList, LiveObject, Refusal, Writing, Written};
