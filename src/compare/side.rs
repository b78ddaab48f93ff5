//! What is compared: recovery points, and the live cluster.

use crate::{
    object::TypeName,
    point::{ArtifactKind, ExcludedBy, Manifest, PointId, ResourceFacts},
    source::kube::{Connection, ExportedObject, Filter},
};
use jiff::Timestamp;
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

/// A side as it is asked for.
pub enum Asked {
    /// A recovery point.
    Point(Box<Manifest>),
    /// The live cluster.
    Live(Box<Live>),
}

/// How the live cluster is read.
pub struct Live {
    /// How it is reached.
    pub connection: Connection,
    /// Which of its objects are read.
    pub filter: Filter,
    /// Who else wants to see every object that is read.
    pub observer: Option<Arc<Mutex<dyn Observer>>>,
}

impl Live {
    /// Read for the comparison alone.
    pub fn new((connection, filter): (Connection, Filter)) -> Self {
        Live { connection, filter, observer: None }
    }
}

/// Sees every object of the live cluster that is read.
pub trait Observer: Send {
    /// One more object.
    fn object(&mut self, object: &ExportedObject);

    /// What was seen until now is read again.
    fn restart(&mut self);
}

/// A side as it was found.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Side {
    /// The recovery point, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub point: Option<PointId>,
    /// The live cluster's address, if it is that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub live: Option<String>,
    /// When its objects were as they are in it.
    pub at: Timestamp,
    /// The cluster's UID.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_uid: Option<String>,
    /// What the export says of itself: counts, and types that failed.
    #[serde(skip)]
    pub resources: ResourceFacts,
    #[serde(skip)]
    pub(super) narrowed: Option<String>,
    #[serde(skip)]
    pub(super) coverage: Coverage,
}

impl Side {
    pub(super) fn of_point(manifest: &Manifest, facts: &ResourceFacts) -> Self {
        Side {
            point: Some(manifest.id.clone()),
            live: None,
            at: facts.at,
            cluster_uid: manifest.cluster.uid.clone(),
            resources: facts.clone(),
            narrowed: facts.narrowed.clone(),
            coverage: Coverage::new(facts),
        }
    }
}

/// What is known of a recovery point's export; nothing if it has none.
pub(super) fn facts(manifest: &Manifest) -> Option<&ResourceFacts> {
    manifest.artifact(&ArtifactKind::ResourcesIndex)?;
    manifest.artifact(&ArtifactKind::Resources)?.resources.as_ref()
}

/// Of which types an export holds everything that there was.
#[derive(Debug, Clone, Default)]
pub(super) struct Coverage {
    held: BTreeSet<TypeName>,
    lacking: BTreeMap<TypeName, String>,
    /// Groups whose types could not be learned.
    groups: BTreeMap<String, String>,
}

impl Coverage {
    pub(super) fn new(facts: &ResourceFacts) -> Self {
        let mut found = Coverage::default();
        let name = |label: &str| TypeName::of_label(label).map(|(kind, _)| kind);
        found.held.extend(facts.counts.keys().filter_map(|label| name(label)));
        for (label, why) in &facts.excluded {
            let Some(kind) = name(label).filter(|kind| !found.held.contains(kind)) else { continue };
            if *why == ExcludedBy::Configuration {
                found.lacking.insert(kind, "it was left out by the configuration".to_owned());
            }
        }
        for failed in &facts.failed {
            // It is a type, or a group and version.
            if let Some(kind) = name(&failed.resource) {
                found.lacking.insert(kind, failed.reason.clone());
            }
            let group = failed.resource.split_once('/').map_or("", |(group, _)| group);
            found.groups.insert(group.to_owned(), failed.reason.clone());
        }
        found
    }

    /// Why objects of this type may be missing, though they were there.
    pub(super) fn lacks(&self, kind: &TypeName) -> Option<&str> {
        let of_type = self.lacking.get(kind);
        let of_group = || self.groups.get(&*kind.group).filter(|_| !self.held.contains(kind));
        of_type.or_else(of_group).map(String::as_str)
    }

    /// Every type that is known of it.
    pub(super) fn types(&self) -> impl Iterator<Item = &TypeName> {
        self.held.iter().chain(self.lacking.keys())
    }

    /// Types that the configuration left out.
    pub(super) fn left_out(facts: &ResourceFacts) -> impl Iterator<Item = TypeName> {
        let chosen = facts.excluded.iter().filter(|(_, why)| **why == ExcludedBy::Configuration);
        chosen.filter_map(|(label, _)| TypeName::of_label(label)).map(|(kind, _)| kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::point::ResourceProblem;

    #[test]
    fn what_was_not_exported_is_not_taken_for_absent() {
        let problem =
            |resource: &str| ResourceProblem { resource: resource.into(), reason: "refused".into() };
        let excluded = [
            ("secrets/v1", ExcludedBy::Configuration),
            ("deployments.apps/v1beta1", ExcludedBy::SameObjects),
            ("tokenreviews.authentication.k8s.io/v1", ExcludedBy::NotListable),
        ];
        let facts = ResourceFacts {
            version: String::new(),
            resource_version: String::new(),
            restarts: 0,
            at: Timestamp::UNIX_EPOCH,
            objects: 0,
            counts: ["pods/v1", "deployments.apps/v1"]
                .map(|label| (label.to_owned(), Default::default()))
                .into(),
            excluded: excluded.map(|(label, why)| (label.to_owned(), why)).into(),
            failed: vec![problem("pods/v1"), problem("metrics.k8s.io/v1beta1")],
            narrowed: None,
        };
        let coverage = Coverage::new(&facts);
        let lacks = |group: &str, resource: &str| coverage.lacks(&TypeName::new(group, resource)).is_some();
        assert!(lacks("", "pods") && lacks("", "secrets") && lacks("metrics.k8s.io", "nodes"));
        assert!(!lacks("apps", "deployments") && !lacks("apps", "statefulsets") && !lacks("", "services"));
    }
}
