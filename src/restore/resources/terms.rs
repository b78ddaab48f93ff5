use crate::object::{Identity, TypeName};
use serde_json::Value;
use std::fmt::Debug;

/// What the target asks of a restore, beside the rules that people write: it is somebody's, and others use it too.
pub trait Terms: Debug + Send + Sync {
    /// Why an object is not taken in; nothing if it is.
    fn refuses(&self, object: &Identity) -> Option<&'static str>;

    /// Makes of an object, which was cleaned and rewritten, what may be there. The same object always becomes the same.
    fn adapt(&self, kind: &TypeName, object: &mut Value);
}
