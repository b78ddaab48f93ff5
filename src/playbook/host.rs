//! What a playbook on a host works with, in place of a cluster: nothing of it needs an API server.

use crate::source::etcd::EtcdOptions;
use std::{fmt, path::PathBuf};

/// A host, and what is known on it.
pub struct OnHost {
    /// Its name.
    pub name: String,
    /// The `etcdutl` to use.
    pub etcdutl: PathBuf,
    /// How the configuration says that etcd is asked.
    pub etcd: Option<EtcdOptions>,
}

/// Without keys and passwords.
impl fmt::Debug for OnHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnHost").field("name", &self.name).finish_non_exhaustive()
    }
}
