//! An etcd snapshot becomes a data directory again: plan, open, verify, `etcdutl snapshot restore`, put in place.
//!
//! The plaintext lives in a file that has no name, on the file system of the data directory: when this process ends, in
//! whatever way, it is gone. The new directory is made beside its place and moved there when it is whole.

mod apply;
mod error;
mod etcdutl;
mod plan;

pub use apply::{Restored, apply};
pub use error::RestoreError;
pub use etcdutl::{Etcdutl, Version};
pub use plan::{Membership, Plan, RestoreOptions, plan};
