//! Which object: its type without the version, its namespace, its name.

use super::{plain, rank};
use crate::point::{ObjectPlace, parse_object_path};
use serde::{Serialize, Serializer};
use std::{fmt, sync::Arc};

/// A type whatever its version: `deployments.apps`, or `pods` for the core.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TypeName {
    /// The API group; empty for the core.
    pub group: Arc<str>,
    /// The plural name.
    pub resource: Arc<str>,
}

impl TypeName {
    /// The type of this resource in this group.
    pub fn new(group: &str, resource: &str) -> Self {
        TypeName { group: group.into(), resource: resource.into() }
    }

    /// Reads a type as manifests name it, `<resource>.<group>/<version>`, and gives it and its version.
    pub fn of_label(label: &str) -> Option<(Self, &str)> {
        let (name, version) = label.split_once('/')?;
        let (resource, group) = name.split_once('.').unwrap_or((name, ""));
        Some((TypeName::new(group, resource), version))
    }

    /// Is it this resource of this group?
    pub fn is(&self, group: &str, resource: &str) -> bool {
        &*self.group == group && &*self.resource == resource
    }
}

impl fmt::Display for TypeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.group {
            "" => f.pad(&self.resource),
            group => f.pad(&format!("{}.{group}", self.resource)),
        }
    }
}

impl Serialize for TypeName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// An object, whatever version of the API it is read in: an object that was read as `v1beta1` and is now read as `v1` is
/// the same one. Identities sort by the rank of their type, then by type, namespace and name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identity {
    rank: u8,
    /// Its type.
    pub kind: TypeName,
    /// Its namespace; none for cluster-scoped objects.
    pub namespace: Option<Arc<str>>,
    /// Its name.
    pub name: Box<str>,
}

impl Identity {
    /// The object of this type, namespace and name.
    pub fn new(kind: TypeName, namespace: Option<&str>, name: &str) -> Self {
        Identity { rank: rank(&kind), kind, namespace: namespace.map(Arc::from), name: name.into() }
    }

    /// The object at this place of an export, and the version it is in.
    pub fn of_path(path: &str) -> Option<(Self, String)> {
        parse_object_path(path).map(Identity::of_place)
    }

    /// The same for a place that was read.
    pub fn of_place(place: ObjectPlace) -> (Self, String) {
        let kind = TypeName::new(&place.group, &place.resource);
        let identity = Identity::new(kind, place.namespace.as_deref(), &place.name);
        (identity, place.version)
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} {namespace}/{}", self.kind, plain(&self.name)),
            None => write!(f, "{} {}", self.kind, plain(&self.name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_no_part_of_an_object_s_identity() {
        let (old, was) = Identity::of_path("apps/v1beta1/deployments/shop/web.json").unwrap();
        let (new, is) = Identity::of_path("apps/v1/deployments/shop/web.json").unwrap();
        assert_eq!((old.clone(), was.as_str(), is.as_str()), (new, "v1beta1", "v1"));
        assert_eq!(old.to_string(), "deployments.apps shop/web");
        assert_eq!(TypeName::of_label("deployments.apps/v1"), Some((old.kind, "v1")));
        assert_eq!(TypeName::of_label("pods/v1").unwrap().0, TypeName::new("", "pods"));
        assert_eq!(Identity::of_path("nonsense"), None);
    }
}
