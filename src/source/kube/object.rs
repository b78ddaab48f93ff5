use super::ResourceType;
use bytes::Bytes;
use std::{fmt, sync::Arc};

/// One object, as the server sent it.
#[derive(Clone)]
pub struct ExportedObject {
    /// Its type.
    pub resource: Arc<ResourceType>,
    /// Its namespace; none for cluster-scoped objects.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// Its UID; empty where the server keeps none.
    pub uid: String,
    /// The revision of its last change; empty where the server keeps none.
    pub resource_version: String,
    /// Its place in the archive; see [`object_path`](crate::point::object_path).
    pub path: String,
    /// Its JSON, cut out of the page that it came in. Objects in a list have no `apiVersion` and `kind` of their own: the
    /// first piece holds them then. What else is missing is `managedFields` alone, if the filter says so.
    pub json: [Bytes; 3],
}

impl ExportedObject {
    /// The length of its JSON.
    pub fn len(&self) -> u64 {
        self.json.iter().map(|piece| piece.len() as u64).sum()
    }

    /// Never true: an object has at least a name.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Its JSON in one piece: a copy.
    pub fn to_vec(&self) -> Vec<u8> {
        self.json.concat()
    }
}

/// Without the JSON: it may be a Secret.
impl fmt::Debug for ExportedObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExportedObject")
            .field("path", &self.path)
            .field("bytes", &self.len())
            .finish_non_exhaustive()
    }
}
