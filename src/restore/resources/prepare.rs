use super::{Options, ResourcesError, gather::Gathered, gather::Saved};
use crate::{object::clean, source::kube::ResourceType};
use serde_json::Value;

impl Gathered {
    /// The object as it is to be in the target: without what a server set, and rewritten. Its owner references still
    /// name the owners of old.
    pub(super) fn prepare(
        &self,
        saved: &Saved,
        kind: &ResourceType,
        options: &Options,
    ) -> Result<Value, ResourcesError> {
        let wrong = |reason: String| ResourcesError::Object { place: saved.identity.to_string(), reason };
        let json = self.spool.get(saved.place)?;
        let mut object: Value = serde_json::from_slice(&json).map_err(|_| wrong("it is not JSON".into()))?;
        clean(&saved.identity.kind, &mut object, &options.keep);
        options.rewrite.apply(&saved.identity.kind, &mut object).map_err(wrong)?;
        if let Some(terms) = &options.terms {
            terms.adapt(&saved.identity.kind, &mut object);
        }
        if kind.version != saved.version
            && let Some(fields) = object.as_object_mut()
        {
            fields.insert("apiVersion".to_owned(), kind.api_version().into());
        }
        Ok(object)
    }
}
