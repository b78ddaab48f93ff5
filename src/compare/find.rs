//! In which recovery points an object is, and when it changed: told by the indexes alone.

use super::{
    CompareError,
    read::{Shared, locked},
    runs::{Hit, Hits, Run, State, add},
    side::{Coverage, facts},
};
use crate::{
    catalogue::{Catalogue, CatalogueError, Listed, Signature},
    object::{Glob, Identity, TypeName, Unresolved, resolve},
    pipeline::Identities,
    point::{Manifest, PointId},
};
use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use serde::Serialize;
use std::{collections::BTreeMap, sync::Arc};

/// Indexes that are read at once.
const AT_ONCE: usize = 4;

/// What is looked for.
#[derive(Debug, Clone)]
pub struct Find {
    /// The type, as people call it.
    pub kind: String,
    /// The name; `*` stands for any run of characters, `?` for one.
    pub name: String,
    /// The namespace, alike; every one without it.
    pub namespace: Option<String>,
    /// Only points that are not older.
    pub since: Option<Timestamp>,
}

/// What was found.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Found {
    /// The type that was looked for.
    #[serde(rename = "type")]
    pub kind: TypeName,
    /// The recovery points that were searched, oldest first.
    pub searched: Vec<PointId>,
    /// Those that were not, and why.
    pub not_searched: Vec<NotSearched>,
    /// The objects, by namespace and name.
    pub objects: Vec<FoundObject>,
    /// Why the first of those that cannot be read cannot.
    #[serde(skip)]
    pub trouble: Option<CompareError>,
}

/// A recovery point that was not searched.
#[derive(Debug, Clone, Serialize)]
pub struct NotSearched {
    /// The recovery point.
    pub id: PointId,
    /// Why.
    pub reason: String,
}

/// An object, over all recovery points.
#[derive(Debug, Serialize)]
pub struct FoundObject {
    /// Its namespace; none for cluster-scoped objects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// What it was, run by run of points in which it was the same, oldest first.
    pub runs: Vec<Run>,
}

/// Searches the indexes of all recovery points.
///
/// A point that cannot be read is named in the result, and the first reason kept as its trouble.
///
/// # Errors
/// When the type is not known or not clear, there is nothing to search in, or nothing could be searched.
pub async fn find(
    catalogue: &Catalogue,
    identities: Arc<Identities>,
    what: &Find,
) -> Result<Found, CompareError> {
    let mut listed = catalogue.list().await?;
    if listed.is_empty() {
        catalogue.resolve("latest").await?;
    }
    let since = |it: &Listed| it.id.time() >= what.since;
    if what.since.is_some() {
        listed.retain(since);
    }
    let all = listed.len();
    let kind = kind(&what.kind, listed.iter().filter_map(|it| it.manifest.as_ref().ok()))?;
    let Some(kind) = kind else { return Err(CompareError::NoExports { points: all }) };
    let mut found =
        Found { kind, searched: Vec::new(), not_searched: Vec::new(), objects: Vec::new(), trouble: None };
    let searches = listed.into_iter().map(|point| {
        let (kind, identities) = (found.kind.clone(), identities.clone());
        async move { (point.id.clone(), search(catalogue, identities, point, kind, what).await) }
    });
    let mut searches = stream::iter(searches.collect::<Vec<_>>()).buffered(AT_ONCE);
    let mut objects = BTreeMap::<Identity, Vec<Run>>::new();
    // What a point without the object says of it.
    let mut silence: Vec<(PointId, State)> = Vec::new();
    while let Some((id, searched)) = searches.next().await {
        match searched {
            Ok(Ok((hits, complete))) => {
                let nothing = if complete { State::Absent } else { State::Unknown };
                add(&mut objects, &silence, &id, hits, nothing);
                silence.push((id.clone(), nothing));
                found.searched.push(id);
            }
            Ok(Err(reason)) => found.not_searched.push(NotSearched { id, reason }),
            Err(e) => {
                found.not_searched.push(NotSearched { id, reason: e.to_string() });
                found.trouble.get_or_insert(e);
            }
        }
    }
    if found.searched.is_empty() {
        return Err(found.trouble.unwrap_or(CompareError::NoExports { points: all }));
    }
    found.objects = objects
        .into_iter()
        .map(|(object, runs)| FoundObject {
            namespace: object.namespace.as_deref().map(str::to_owned),
            name: object.name.into(),
            runs,
        })
        .collect();
    Ok(found)
}

/// The type that is meant; none if no point knows any.
fn kind<'a>(
    name: &str,
    manifests: impl Iterator<Item = &'a Manifest>,
) -> Result<Option<TypeName>, CompareError> {
    let labels = manifests.filter_map(facts).flat_map(|facts| facts.counts.keys());
    let types: Vec<TypeName> =
        labels.filter_map(|label| TypeName::of_label(label)).map(|(kind, _)| kind).collect();
    if types.is_empty() {
        return Ok(None);
    }
    resolve(name, &types).map(Some).map_err(|e| match e {
        Unresolved::Unknown => CompareError::UnknownType { name: name.to_owned() },
        Unresolved::Ambiguous(kinds) => ambiguous(name, &kinds),
    })
}

/// Says which types a name may mean, so that each can be written.
pub(super) fn ambiguous(name: &str, kinds: &[TypeName]) -> CompareError {
    let full = |kind: &TypeName| match &*kind.group {
        "" => format!("{kind}.core"),
        _ => kind.to_string(),
    };
    let candidates = kinds.iter().map(full).collect::<Vec<_>>().join(", ");
    CompareError::Ambiguous { name: name.to_owned(), candidates }
}

/// What one point holds of it, and whether it would hold it; or why it is not searched.
async fn search(
    catalogue: &Catalogue,
    identities: Arc<Identities>,
    point: Listed,
    kind: TypeName,
    what: &Find,
) -> Result<Result<(Hits, bool), String>, CompareError> {
    let id = point.id.to_string();
    let untrusted = |reason| CompareError::Catalogue(CatalogueError::NotTrusted { id, reason });
    let manifest = match (point.manifest, point.signature) {
        (_, Signature::Bad(reason)) | (Err(reason), _) => return Err(untrusted(reason)),
        (Ok(manifest), _) => manifest,
    };
    let Some(facts) = facts(&manifest) else {
        return Ok(Err("it holds no resource export".to_owned()));
    };
    let complete = Coverage::new(facts).lacks(&kind).is_none();
    let (name, namespace) = (Glob::of_names(&what.name), what.namespace.as_deref().map(Glob::of_names));
    let hits = Shared::<Hits>::default();
    let filled = hits.clone();
    let look = move |line: crate::catalogue::IndexLine| {
        let Some((object, _)) = Identity::of_path(&line.path) else { return };
        let there = namespace
            .as_ref()
            .is_none_or(|glob| object.namespace.as_deref().is_some_and(|it| glob.matches(it)));
        if object.kind == kind && there && name.matches(&object.name) {
            let hit = Hit {
                path: line.path,
                uid: line.uid,
                resource_version: line.resource_version,
                size: line.size,
                sha256: line.sha256,
            };
            locked(&filled).insert(object, hit);
        }
    };
    catalogue.each_line(&manifest, identities, look).await?;
    let hits = std::mem::take(&mut *locked(&hits));
    Ok(Ok((hits, complete)))
}
