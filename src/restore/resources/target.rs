use crate::{
    object::TypeName,
    source::kube::{Cluster, Facts, Filter, KubeError, ResourceType},
};
use std::{collections::HashMap, sync::Arc};

/// The cluster that is restored into, and the types that it serves.
#[derive(Debug, Clone)]
pub struct Target {
    /// The cluster.
    pub cluster: Cluster,
    /// Its version and UID.
    pub facts: Facts,
    types: HashMap<TypeName, Arc<ResourceType>>,
}

/// How a type of the export is served.
#[derive(Debug, Clone)]
pub(super) enum Served {
    /// In the version in which it was saved.
    Same(Arc<ResourceType>),
    /// In another one only.
    Other(Arc<ResourceType>),
    /// Not at all.
    Not,
}

impl Target {
    /// Asks the cluster what it is and what it serves.
    ///
    /// # Errors
    /// When it does not answer, or refuses to tell.
    pub async fn learn(cluster: Cluster) -> Result<Self, KubeError> {
        let facts = cluster.facts().await?;
        let mut target = Target { cluster, facts, types: HashMap::new() };
        target.relearn().await?;
        Ok(target)
    }

    /// Asks again: definitions that were restored bring types.
    pub(super) async fn relearn(&mut self) -> Result<(), KubeError> {
        let found = self.cluster.discover(&Filter::default()).await?;
        let name = |kind: &ResourceType| TypeName::new(&kind.group, &kind.resource);
        self.types = found.types.into_iter().map(|kind| (name(&kind), Arc::new(kind))).collect();
        Ok(())
    }

    /// The types that are served.
    pub fn types(&self) -> impl Iterator<Item = &TypeName> {
        self.types.keys()
    }

    /// How a type is served, that was saved in this version.
    pub(super) fn serves(&self, kind: &TypeName, version: &str) -> Served {
        match self.types.get(kind) {
            None => Served::Not,
            Some(served) if served.version == version => Served::Same(served.clone()),
            Some(served) if served.versions.iter().any(|it| it == version) => {
                Served::Same(Arc::new(served.in_version(version)))
            }
            Some(served) => Served::Other(match served.versions.first() {
                Some(preferred) => Arc::new(served.in_version(preferred)),
                None => served.clone(),
            }),
        }
    }

    /// The type of objects that call themselves so.
    pub(super) fn of_kind(&self, group: &str, kind: &str) -> Option<(&TypeName, &Arc<ResourceType>)> {
        let fits =
            |(name, served): &(&TypeName, &Arc<ResourceType>)| *name.group == *group && served.kind == kind;
        self.types.iter().find(fits)
    }
}
