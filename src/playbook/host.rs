//! What a playbook on a host works with, in place of a cluster: nothing of it needs an API server.

use crate::{catalogue::Catalogue, pipeline::Identities, source::etcd::EtcdOptions};
use std::{fmt, path::PathBuf, sync::Arc};

/// A host, and what is known on it.
pub struct OnHost<'a> {
    /// Its name.
    pub name: String,
    /// The recovery points.
    pub catalogue: &'a Catalogue,
    /// Who can open them, if that was told.
    pub identities: Option<Arc<Identities>>,
    /// The `etcdutl` to use.
    pub etcdutl: PathBuf,
    /// How the configuration says that etcd is asked.
    pub etcd: Option<EtcdOptions>,
}

/// Without keys and passwords.
impl fmt::Debug for OnHost<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnHost").field("name", &self.name).finish_non_exhaustive()
    }
}
