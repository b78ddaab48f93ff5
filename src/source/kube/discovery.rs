//! Asking the API server what it serves.

use super::{
    Cluster, Discovery, Filter, KubeError, ResourceType, Unmatched,
    choose::{StorageVersions, choose, group_version, in_several_versions},
    documents::{self, Group, Root, Version},
    list::{self, Head},
    page::query,
    trouble::{Failure, one_line},
};
use crate::{object::Glob, point::ResourceProblem};
use futures_util::{StreamExt, stream};
use serde::Deserialize;

#[derive(Deserialize)]
struct Definition {
    spec: DefinitionSpec,
}

#[derive(Deserialize)]
struct DefinitionSpec {
    versions: Vec<DefinitionVersion>,
}

#[derive(Deserialize)]
struct DefinitionVersion {
    name: String,
    #[serde(default)]
    storage: bool,
}

#[derive(Deserialize)]
struct Registrations {
    items: Vec<Registration>,
}

#[derive(Deserialize)]
struct Registration {
    spec: RegistrationSpec,
    #[serde(default)]
    status: RegistrationStatus,
}

#[derive(Deserialize)]
struct RegistrationSpec {
    #[serde(default)]
    group: String,
    version: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RegistrationStatus {
    conditions: Vec<Condition>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Condition {
    r#type: String,
    status: String,
    reason: String,
    message: String,
}

impl Cluster {
    /// Every type that can be listed and read, in the version to export it in, and those that cannot and why.
    pub async fn discover(&self, filter: &Filter) -> Result<Discovery, KubeError> {
        let refused = |failure: Failure| failure.into_error(&self.api.server, "list the APIs that it serves");
        let ((core, others), registrations, unmatched) = tokio::join!(
            async { tokio::join!(self.groups("/api"), self.groups("/apis")) },
            self.unavailable_registrations(),
            self.unmatched_namespaces(filter)
        );
        let mut groups = core.map_err(refused)?;
        groups.extend(others.map_err(refused)?);
        let storage = self.storage_versions(in_several_versions(&groups, filter)).await;
        let mut found = choose(&groups, filter, &storage);
        found.unmatched.extend(unmatched);
        for (group, version, reason) in registrations {
            let name = group_version(&group, &version);
            match found.failed.iter_mut().find(|problem| problem.resource == name) {
                Some(problem) => problem.reason = reason,
                None if !filter.wants_group(&group) => {}
                // Its types are known from better days: listing them will tell for each what is wrong.
                None if found.types.iter().any(|kind| kind.group == group && kind.version == version) => {}
                None => found.failed.push(ResourceProblem { resource: name, reason }),
            }
        }
        Ok(found)
    }

    /// The groups below `/api` or `/apis`: one request, or one for each version of each group with servers before 1.26.
    async fn groups(&self, root: &str) -> Result<Vec<Group>, Failure> {
        let body = self.api.get_as(root, documents::ACCEPT, super::fetch::DOCUMENT, 0).await?;
        let mut groups = match documents::root(&body)? {
            Root::Aggregated(groups) => return Ok(groups),
            Root::Plain(groups) => groups,
        };
        let mut lookups = Vec::new();
        for group in &mut groups {
            for version in &mut group.versions {
                lookups.push(self.learn(&group.name, version));
            }
        }
        stream::iter(lookups).buffer_unordered(self.concurrency).collect::<()>().await;
        Ok(groups)
    }

    async fn learn(&self, group: &str, version: &mut Version) {
        let uri = match group {
            "" => format!("/api/{}", version.name),
            group => format!("/apis/{group}/{}", version.name),
        };
        match self.api.get(&uri).await.and_then(|body| documents::resources(&body)) {
            Ok(resources) => version.resources = resources,
            Err(failure) => version.trouble = Some(failure.text()),
        }
    }

    /// The storage versions of custom resources; whatever cannot be learned is left to the server's preference, and that is told.
    async fn storage_versions(&self, resources: Vec<(String, String)>) -> StorageVersions {
        let lookups: Vec<_> =
            resources.into_iter().map(|(group, resource)| self.storage_version(group, resource)).collect();
        let mut lookups = stream::iter(lookups).buffer_unordered(self.concurrency);
        let (mut known, mut unknown) = (StorageVersions::new(), Vec::new());
        while let Some((of, stored)) = lookups.next().await {
            match stored {
                Ok(Some(version)) => drop(known.insert(of, version)),
                // Another server's types: there is no definition of them.
                Ok(None) => {}
                Err(failure) => unknown.push((format!("{}.{}", of.1, of.0), failure.text())),
            }
        }
        unknown.sort();
        if let Some((_, reason)) = unknown.first() {
            let resources: Vec<&str> = unknown.iter().map(|(resource, _)| resource.as_str()).collect();
            tracing::warn!(
                resources = resources.join(", "),
                reason,
                "the version that these are stored in cannot be learned: they are read in the one that the server prefers"
            );
        }
        known
    }

    async fn storage_version(
        &self,
        group: String,
        resource: String,
    ) -> ((String, String), Result<Option<String>, Failure>) {
        let uri = format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{resource}.{group}");
        let stored = match self.api.get(&uri).await {
            Ok(body) => Ok(serde_json::from_slice::<Definition>(&body).ok().and_then(|definition| {
                Some(definition.spec.versions.into_iter().find(|version| version.storage)?.name)
            })),
            Err(failure) if failure.code() == Some(404) => Ok(None),
            Err(failure) => Err(failure),
        };
        ((group, resource), stored)
    }

    /// The namespaces asked for that are not there. Who may not list namespaces is told nothing of them.
    async fn unmatched_namespaces(&self, filter: &Filter) -> Vec<Unmatched> {
        let mut sought: Vec<&Glob> = filter.include_namespaces.iter().collect();
        let head = Head::new(&ResourceType::new("", "v1", "namespaces", "Namespace", false));
        let mut token = String::new();
        while !sought.is_empty() {
            let uri = format!("/api/v1/namespaces?{}", query(&[("limit", "500"), ("continue", &token)]));
            let page = self.api.get(&uri).await.and_then(|body| list::slice(&body, &head, false));
            let Ok(page) = page else { return Vec::new() };
            sought.retain(|glob| !page.items.iter().any(|item| glob.matches(&item.name)));
            match page.next {
                Some(next) => token = next,
                None => break,
            }
        }
        sought.into_iter().map(|glob| Unmatched { pattern: glob.to_string(), sought: "namespace" }).collect()
    }

    /// Registered APIs whose server does not answer: (group, version, why). The discovery documents may lack them
    /// altogether. Who may not read the registrations has the documents alone.
    async fn unavailable_registrations(&self) -> Vec<(String, String, String)> {
        let Ok(body) = self.api.get("/apis/apiregistration.k8s.io/v1/apiservices").await else {
            return Vec::new();
        };
        let Ok(list) = serde_json::from_slice::<Registrations>(&body) else {
            return Vec::new();
        };
        let unavailable = list.items.into_iter().filter_map(|registration| {
            let condition = registration
                .status
                .conditions
                .into_iter()
                .find(|condition| condition.r#type == "Available" && condition.status == "False")?;
            let reason = one_line(&format!("{}: {}", condition.reason, condition.message));
            Some((registration.spec.group, registration.spec.version, reason))
        });
        unavailable.collect()
    }
}
