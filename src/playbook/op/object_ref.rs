use crate::{object::plain, source::kube::ResourceType};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;

/// An object, pinned by its UID once it is there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectRef {
    /// The API group; empty for the core.
    #[serde(default)]
    pub group: String,
    /// The version that it is read and written in.
    pub version: String,
    /// Its type: the plural name.
    pub resource: String,
    /// Its kind.
    pub kind: String,
    /// Its namespace; none for cluster-scoped objects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// Its UID; none for one that is still to be made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
}

impl ObjectRef {
    /// An object of this type.
    pub fn new(kind: &ResourceType, namespace: Option<&str>, name: &str, uid: Option<&str>) -> Self {
        ObjectRef {
            group: kind.group.clone(),
            version: kind.version.clone(),
            resource: kind.resource.clone(),
            kind: kind.kind.clone(),
            namespace: namespace.map(str::to_owned),
            name: name.to_owned(),
            uid: uid.map(str::to_owned),
        }
    }

    /// Its type.
    pub fn resource_type(&self) -> ResourceType {
        ResourceType {
            group: self.group.clone(),
            version: self.version.clone(),
            resource: self.resource.clone(),
            kind: self.kind.clone(),
            namespaced: self.namespace.is_some(),
            versions: vec![self.version.clone()],
        }
    }

    /// Its namespace and name.
    pub fn place(&self) -> (Option<&str>, &str) {
        (self.namespace.as_deref(), &self.name)
    }

    /// Is it of this type?
    pub fn is(&self, group: &str, resource: &str) -> bool {
        self.group == group && self.resource == resource
    }

    /// As expressions see it: what names it, and nothing else.
    pub fn to_value(&self) -> Value {
        let mut value = serde_json::json!({
            "apiVersion": self.resource_type().api_version(), "kind": self.kind, "name": self.name,
        });
        if let Some(namespace) = &self.namespace {
            value["namespace"] = namespace.as_str().into();
        }
        if let Some(uid) = &self.uid {
            value["uid"] = uid.as_str().into();
        }
        value
    }
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} {namespace}/{}", self.kind, plain(&self.name)),
            None => write!(f, "{} {}", self.kind, plain(&self.name)),
        }
    }
}
