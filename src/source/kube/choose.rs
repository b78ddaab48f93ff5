//! Which types are exported, and in which of their versions.

use super::{
    Filter,
    documents::{Group, Resource},
};
use crate::{
    object::ResourcePattern,
    point::{ExcludedBy, ResourceProblem},
};
use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    fmt,
};

/// A type of the cluster, in the version that it is exported in.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ResourceType {
    /// The API group; empty for the core.
    pub group: String,
    /// The version.
    pub version: String,
    /// The plural name, as in URLs.
    pub resource: String,
    /// The kind, as in the objects.
    pub kind: String,
    /// Do its objects live in namespaces?
    pub namespaced: bool,
    /// Every version that the server can list it in, in the server's order of preference.
    pub versions: Vec<String>,
}

/// What there is to export.
#[derive(Debug, Clone, Default)]
pub struct Discovery {
    /// The types to export, each once.
    pub types: Vec<ResourceType>,
    /// Types left out on purpose, by [`ResourceType::label`].
    pub excluded: BTreeMap<String, ExcludedBy>,
    /// Types and group versions of which nothing can be learned, though the filter asks for them.
    pub failed: Vec<ResourceProblem>,
    /// Patterns of the filter that match nothing in this cluster: likely misspelt.
    pub unmatched: Vec<Unmatched>,
}

impl Discovery {
    /// The type of this resource; none if the server does not serve it, or the filter leaves it out.
    pub fn find(&self, group: &str, resource: &str) -> Option<&ResourceType> {
        self.types.iter().find(|kind| kind.group == group && kind.resource == resource)
    }
}

/// A pattern of the filter that matches nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unmatched {
    /// The pattern.
    pub pattern: String,
    /// What it was to match: a type or a namespace.
    pub sought: &'static str,
}

impl fmt::Display for Unmatched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` matches no {} of this cluster: is it misspelt?", self.pattern, self.sought)
    }
}

/// The versions that custom resources are stored in, by group and resource.
pub(super) type StorageVersions = HashMap<(String, String), String>;

impl ResourceType {
    pub(super) fn new(group: &str, version: &str, resource: &str, kind: &str, namespaced: bool) -> Self {
        ResourceType {
            group: group.to_owned(),
            version: version.to_owned(),
            resource: resource.to_owned(),
            kind: kind.to_owned(),
            namespaced,
            versions: vec![version.to_owned()],
        }
    }

    /// `<resource>.<group>/<version>`, the group left out for the core: the name of the type in manifests.
    pub fn label(&self) -> String {
        label(&self.group, &self.version, &self.resource)
    }

    /// The `apiVersion` of its objects.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    /// The URL's path of the list of all its objects, or of those of a namespace.
    pub(super) fn list_path(&self, namespace: Option<&str>) -> String {
        let base = match &*self.group {
            "" => format!("/api/{}", self.version),
            group => format!("/apis/{group}/{}", self.version),
        };
        match namespace {
            Some(namespace) => format!("{base}/namespaces/{namespace}/{}", self.resource),
            None => format!("{base}/{}", self.resource),
        }
    }

    /// The same type in another of its versions.
    pub fn in_version(&self, version: &str) -> Self {
        ResourceType { version: version.to_owned(), ..self.clone() }
    }

    /// The URL's path of one object.
    pub(super) fn object_path(&self, namespace: Option<&str>, name: &str) -> String {
        format!("{}/{}", self.list_path(namespace), segment(name))
    }

    pub(super) fn is_namespaces(&self) -> bool {
        self.group.is_empty() && self.resource == "namespaces"
    }
}

/// A name as a part of a URL's path. Names of roles may hold nearly everything.
fn segment(name: &str) -> Cow<'_, str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b':');
    if name.bytes().all(plain) {
        return Cow::Borrowed(name);
    }
    let encode = |byte: u8| match plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    name.bytes().map(encode).collect::<String>().into()
}

/// A resource that shows the objects of another group a second time. `*`: every resource that the other group has under
/// the same name.
struct Twin {
    group: &'static str,
    resource: &'static str,
    of_group: &'static str,
    of_resource: &'static str,
}

const fn twin(
    group: &'static str,
    resource: &'static str,
    of_group: &'static str,
    of_resource: &'static str,
) -> Twin {
    Twin { group, resource, of_group, of_resource }
}

const TWINS: &[Twin] = &[
    twin("events.k8s.io", "events", "", "events"),
    twin("extensions", "*", "apps", "*"),
    twin("extensions", "*", "networking.k8s.io", "*"),
    twin("extensions", "*", "policy", "*"),
    twin("authorization.openshift.io", "*", "rbac.authorization.k8s.io", "*"),
    twin("project.openshift.io", "projects", "", "namespaces"),
];

/// Custom resources (their groups have a dot) that can be listed in several versions: their storage version matters.
pub(super) fn in_several_versions(groups: &[Group], filter: &Filter) -> Vec<(String, String)> {
    let mut several = Vec::new();
    for group in groups.iter().filter(|group| group.name.contains('.')) {
        for (resource, versions) in by_resource(group) {
            if versions.iter().filter(|(_, it)| readable(it)).count() > 1
                && filter.wants(&group.name, resource)
            {
                several.push((group.name.clone(), resource.to_owned()));
            }
        }
    }
    several
}

/// Chooses every type once.
///
/// A resource that is served in several versions has each object once, in storage: it is read in the server's preferred
/// version, or in the next one that can be listed. Custom resources are read in their storage version where that is served:
/// no conversion can then lose a field or, with its webhook gone, refuse the whole type.
pub(super) fn choose(groups: &[Group], filter: &Filter, storage: &StorageVersions) -> Discovery {
    let mut found = Discovery::default();
    let mut seen: Vec<(String, String)> = Vec::new();
    for group in groups {
        for version in &group.versions {
            if let Some(trouble) = &version.trouble
                && filter.wants_group(&group.name)
            {
                let resource = group_version(&group.name, &version.name);
                found.failed.push(ResourceProblem { resource, reason: trouble.clone() });
            }
        }
        for (resource, versions) in by_resource(group) {
            seen.push((group.name.clone(), resource.to_owned()));
            let listable: Vec<_> = versions.iter().filter(|(_, resource)| readable(resource)).collect();
            let stored = storage.get(&(group.name.clone(), resource.to_owned()));
            let Some((version, chosen)) = listable
                .iter()
                .find(|(version, _)| Some(*version) == stored.map(String::as_str))
                .or(listable.first())
            else {
                let first = versions.first().map_or("", |(version, _)| version);
                found.excluded.insert(label(&group.name, first, resource), ExcludedBy::NotListable);
                continue;
            };
            let mut kind = ResourceType::new(&group.name, version, resource, &chosen.kind, chosen.namespaced);
            kind.versions = listable.iter().map(|(version, _)| (*version).to_owned()).collect();
            if !filter.wants_type(&kind) {
                found.excluded.insert(kind.label(), ExcludedBy::Configuration);
            } else if !plain(&kind) {
                let reason =
                    "its name has characters that a URL cannot carry, or its kind is empty".to_owned();
                found.failed.push(ResourceProblem { resource: kind.label(), reason });
            } else {
                for other in kind.versions.iter().filter(|other| *other != version) {
                    found.excluded.insert(label(&kind.group, other, resource), ExcludedBy::SameObjects);
                }
                found.types.push(kind);
            }
        }
    }
    drop_twins(&mut found);
    let unmatched = |pattern: &&ResourcePattern| {
        !seen.iter().any(|(group, resource)| pattern.matches(group, resource))
            && !groups.iter().any(|group| pattern.covers(&group.name))
    };
    let named = |pattern: &ResourcePattern| Unmatched { pattern: pattern.to_string(), sought: "type" };
    found.unmatched = filter.include.iter().chain(&filter.exclude).filter(unmatched).map(named).collect();
    found
}

/// `<group>/<version>`, or `<version>` for the core.
pub(super) fn group_version(group: &str, version: &str) -> String {
    if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") }
}

fn label(group: &str, version: &str, resource: &str) -> String {
    if group.is_empty() { format!("{resource}/{version}") } else { format!("{resource}.{group}/{version}") }
}

fn readable(resource: &Resource) -> bool {
    let can = |verb| resource.verbs.iter().any(|it| it == verb);
    can("list") && can("get")
}

fn plain(kind: &ResourceType) -> bool {
    let plain =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'));
    let named = |text: &str| !text.is_empty() && plain(text);
    plain(&kind.group) && named(&kind.version) && named(&kind.resource) && named(&kind.kind)
}

/// Each resource's versions, in order of preference.
fn by_resource(group: &Group) -> BTreeMap<&str, Vec<(&str, &Resource)>> {
    let mut map: BTreeMap<&str, Vec<(&str, &Resource)>> = BTreeMap::new();
    for version in &group.versions {
        for resource in &version.resources {
            map.entry(&resource.name).or_default().push((&version.name, resource));
        }
    }
    map
}

/// Only what is in the export already can replace a twin: a filter that asks for the twin alone gets it.
fn drop_twins(found: &mut Discovery) {
    let kept: Vec<(String, String)> =
        found.types.iter().map(|kind| (kind.group.clone(), kind.resource.clone())).collect();
    let has = |group: &str, resource: &str| kept.iter().any(|(g, r)| g == group && r == resource);
    let twins = &mut found.excluded;
    found.types.retain(|kind| {
        let twin = TWINS.iter().any(|twin| {
            let of = if twin.of_resource == "*" { &*kind.resource } else { twin.of_resource };
            let this = kind.group == twin.group && (twin.resource == "*" || kind.resource == twin.resource);
            this && has(twin.of_group, of)
        });
        if twin {
            twins.insert(kind.label(), ExcludedBy::SameObjects);
        }
        !twin
    });
}

#[cfg(test)]
#[path = "choose_tests.rs"]
mod tests;
