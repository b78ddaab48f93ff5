//! The API server's discovery documents, the aggregated form and the older one, brought into one shape.

use super::trouble::Failure;
use serde::{Deserialize, Deserializer};

/// A group and what it serves, versions in the server's order of preference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) name: String,
    pub(super) versions: Vec<Version>,
}

/// One version of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Version {
    pub(super) name: String,
    pub(super) resources: Vec<Resource>,
    /// The document is old or missing, since the server behind it does not answer; and why, if that is known.
    pub(super) trouble: Option<String>,
}

/// One resource of a version, without its subresources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Resource {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) namespaced: bool,
    pub(super) verbs: Vec<String>,
}

/// What `/api` or `/apis` answered.
#[derive(Debug)]
pub(super) enum Root {
    /// Everything at once.
    Aggregated(Vec<Group>),
    /// Only the names: each version is to be asked for its resources.
    Plain(Vec<Group>),
}

/// The media types of `/api` and `/apis`: the aggregated form if the server has it.
pub(super) const ACCEPT: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,\
    application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";

#[derive(Deserialize)]
#[serde(tag = "kind")]
enum RootDocument {
    #[serde(rename = "APIGroupDiscoveryList")]
    Aggregated {
        #[serde(default, deserialize_with = "nullable")]
        items: Vec<WireGroup>,
    },
    #[serde(rename = "APIGroupList")]
    Groups {
        #[serde(default, deserialize_with = "nullable")]
        groups: Vec<PlainGroup>,
    },
    #[serde(rename = "APIVersions")]
    Core {
        #[serde(default, deserialize_with = "nullable")]
        versions: Vec<String>,
    },
}

#[derive(Deserialize)]
struct WireGroup {
    #[serde(default)]
    metadata: WireName,
    #[serde(default, deserialize_with = "nullable")]
    versions: Vec<WireVersion>,
}

#[derive(Deserialize, Default)]
struct WireName {
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
struct WireVersion {
    version: String,
    #[serde(default, deserialize_with = "nullable")]
    resources: Vec<WireResource>,
    #[serde(default)]
    freshness: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireResource {
    resource: String,
    #[serde(default)]
    response_kind: Option<WireKind>,
    #[serde(default)]
    scope: String,
    #[serde(default, deserialize_with = "nullable")]
    verbs: Vec<String>,
}

#[derive(Deserialize)]
struct WireKind {
    #[serde(default)]
    kind: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PlainGroup {
    name: String,
    #[serde(default, deserialize_with = "nullable")]
    versions: Vec<PlainVersion>,
    #[serde(default)]
    preferred_version: Option<PlainVersion>,
}

#[derive(Deserialize, PartialEq, Eq, Clone)]
struct PlainVersion {
    version: String,
}

#[derive(Deserialize)]
struct PlainResources {
    #[serde(deserialize_with = "nullable")]
    resources: Vec<PlainResource>,
}

#[derive(Deserialize)]
struct PlainResource {
    name: String,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    namespaced: bool,
    #[serde(default, deserialize_with = "nullable")]
    verbs: Vec<String>,
}

/// Go writes a list with nothing in it as `null` where it has not been told otherwise.
fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Reads the answer of `/api` or `/apis`.
pub(super) fn root(body: &[u8]) -> Result<Root, Failure> {
    let document: RootDocument = serde_json::from_slice(body).map_err(|error| Failure::from_json(&error))?;
    let unasked = |name| Version { name, resources: Vec::new(), trouble: None };
    Ok(match document {
        RootDocument::Aggregated { items } => Root::Aggregated(items.into_iter().map(Group::from).collect()),
        RootDocument::Core { versions } => {
            let versions = versions.into_iter().map(unasked).collect();
            Root::Plain(vec![Group { name: String::new(), versions }])
        }
        RootDocument::Groups { groups } => Root::Plain(
            groups
                .into_iter()
                .map(|group| {
                    let mut versions = group.versions;
                    // A stable sort: the preferred one comes first, the others keep their order.
                    versions.sort_by_key(|version| group.preferred_version.as_ref() != Some(version));
                    let versions = versions.into_iter().map(|version| unasked(version.version)).collect();
                    Group { name: group.name, versions }
                })
                .collect(),
        ),
    })
}

/// Reads the answer of `/api/v1` or `/apis/<group>/<version>`.
pub(super) fn resources(body: &[u8]) -> Result<Vec<Resource>, Failure> {
    let list: PlainResources = serde_json::from_slice(body).map_err(|error| Failure::from_json(&error))?;
    let whole = list.resources.into_iter().filter(|resource| !resource.name.contains('/'));
    Ok(whole
        .map(|it| Resource { name: it.name, kind: it.kind, namespaced: it.namespaced, verbs: it.verbs })
        .collect())
}

impl From<WireGroup> for Group {
    fn from(group: WireGroup) -> Self {
        Group { name: group.metadata.name, versions: group.versions.into_iter().map(Version::from).collect() }
    }
}

impl From<WireVersion> for Version {
    fn from(version: WireVersion) -> Self {
        let stale = version.freshness == "Stale";
        Version {
            name: version.version,
            resources: version.resources.into_iter().map(Resource::from).collect(),
            trouble: stale
                .then(|| "the server behind this API does not answer (discovery is stale)".to_owned()),
        }
    }
}

impl From<WireResource> for Resource {
    fn from(resource: WireResource) -> Self {
        Resource {
            name: resource.resource,
            kind: resource.response_kind.map(|kind| kind.kind).unwrap_or_default(),
            namespaced: resource.scope == "Namespaced",
            verbs: resource.verbs,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_come_out_alike() {
        let Root::Aggregated(new) = root(
            br#"{"kind":"APIGroupDiscoveryList","apiVersion":"apidiscovery.k8s.io/v2","metadata":{},"items":[{"metadata":{"name":"apps","creationTimestamp":null},
            "versions":[{"version":"v1","freshness":"Current","resources":[{"resource":"deployments","responseKind":{"group":"","version":"","kind":"Deployment"},
            "scope":"Namespaced","singularResource":"deployment","verbs":["get","list"],"subresources":[{"subresource":"scale","verbs":["get"]}]}]}]}]}"#,
        )
        .unwrap() else {
            panic!("not aggregated")
        };
        let Root::Plain(mut old) = root(
            br#"{"kind":"APIGroupList","apiVersion":"v1","groups":[{"name":"apps","versions":[{"groupVersion":"apps/v1beta1","version":"v1beta1"},
            {"groupVersion":"apps/v1","version":"v1"}],"preferredVersion":{"groupVersion":"apps/v1","version":"v1"}}]}"#,
        )
        .unwrap() else {
            panic!("not plain")
        };
        assert_eq!(old[0].versions.iter().map(|it| &*it.name).collect::<Vec<_>>(), ["v1", "v1beta1"]);
        old[0].versions.truncate(1);
        old[0].versions[0].resources = resources(
            br#"{"kind":"APIResourceList","groupVersion":"apps/v1","resources":[{"name":"deployments","singularName":"","namespaced":true,"kind":"Deployment","verbs":["get","list"]},
            {"name":"deployments/scale","namespaced":true,"kind":"Scale","verbs":["get"]}]}"#,
        )
        .unwrap();
        assert_eq!(new, old);
    }

    #[test]
    fn a_stale_group_is_known_as_such() {
        let Root::Aggregated(groups) = root(
            br#"{"kind":"APIGroupDiscoveryList","items":[{"metadata":{"name":"metrics.k8s.io"},"versions":[{"version":"v1beta1","freshness":"Stale"}]}]}"#,
        )
        .unwrap() else {
            panic!("not aggregated")
        };
        assert!(groups[0].versions[0].trouble.is_some());
    }

    #[test]
    fn what_is_no_discovery_document_is_an_error() {
        assert!(resources(br#"{"resources":[{"name":"a","verbs":null}]}"#).is_ok());
        assert!(root(b"<html>").is_err());
        assert!(root(br#"{"kind":"Status"}"#).is_err());
        assert!(root(br#"{"kind":"APIGroupDiscoveryList","items":[{"versions":[{}]}]}"#).is_err());
        assert!(resources(b"[]").is_err());
    }
}
