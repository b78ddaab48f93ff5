//! Reading and writing single objects: what a restore needs beside the export.

use super::{
    Cluster, Deletion, ResourceType,
    list::{self, Head},
    page::query,
    trouble::Failure,
};
use bytes::Bytes;
use http::Method;
use serde::Deserialize;
use std::fmt;

/// The answer to a write, cut down to what has to be known of it: the object as a whole is known already.
const METADATA_ONLY: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json";

/// How objects are written.
#[derive(Debug, Clone)]
pub struct Writing {
    /// The name under which `managedFields` tell who wrote.
    pub manager: String,
    /// Only try: the server does everything but store it, and answers with what it would have stored.
    pub dry_run: bool,
    /// Refuse fields that the server does not know, which it would drop without a word.
    pub strict: bool,
}

/// What the server made of a write.
#[derive(Debug, Clone)]
pub struct Written {
    /// The object's UID.
    pub uid: String,
    /// Its resourceVersion.
    pub resource_version: String,
    /// The object after a dry run; its metadata otherwise.
    pub json: Bytes,
}

/// One object of the live cluster.
#[derive(Clone)]
pub struct LiveObject {
    /// Its namespace; none for cluster-scoped objects.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// Its resourceVersion.
    pub resource_version: String,
    /// Its JSON; out of a list, it is just what an export of the same version of it holds.
    pub json: Vec<u8>,
}

/// Without the JSON: it may be a Secret.
impl fmt::Debug for LiveObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = (self.namespace.as_deref().unwrap_or_default(), &*self.name);
        f.debug_struct("LiveObject").field("place", &place).finish_non_exhaustive()
    }
}

/// Why the server did not do what it was asked for, when it was asked patiently.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status; none if there was no answer.
    pub code: Option<u16>,
    /// The reason in one word, as `metav1.StatusReason` has it: `AlreadyExists`, `Invalid`, …
    pub reason: String,
    /// The server's message, or what the network said.
    pub message: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Refusal {
    /// An object of that name is there already.
    pub fn exists(&self) -> bool {
        self.reason == "AlreadyExists"
    }

    /// The object, or the type, is not there.
    pub fn missing(&self) -> bool {
        self.code == Some(404)
    }

    /// Somebody else wrote it meanwhile.
    pub fn conflicts(&self) -> bool {
        self.reason == "Conflict"
    }

    /// The server finds the object itself wrong: a field that cannot be changed, for one.
    pub fn invalid(&self) -> bool {
        self.code == Some(422)
    }

    /// Nobody answers, or the credentials are refused: whatever else is asked will fail alike.
    pub fn is_for_all(&self) -> bool {
        matches!(self.code, None | Some(401))
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        let message = failure.text();
        match failure {
            Failure::Status { code, reason, .. } => Refusal { code: Some(code), reason, message },
            _ => Refusal { code: None, reason: String::new(), message },
        }
    }
}

/// A list of live objects.
pub struct LiveList {
    cluster: Cluster,
    path: String,
    /// Names and values of selectors.
    selectors: Vec<(&'static str, String)>,
    head: Head,
    /// Of the next page; none behind the last one.
    token: Option<String>,
    restarts: u32,
}

impl LiveList {
    /// Only what fits this selector.
    pub(super) fn narrow(&mut self, selector: &'static str, value: Option<&str>) {
        self.selectors.extend(value.map(|value| (selector, value.to_owned())));
    }

    /// Only objects with fitting labels, by a selector in kubectl's syntax.
    #[must_use]
    pub fn labelled(mut self, selector: &str) -> Self {
        self.narrow("labelSelector", Some(selector));
        self
    }

    /// The next page; `None` after the last one. When the list takes so long that it has to begin again, objects come
    /// twice.
    ///
    /// # Errors
    /// When the server does not answer, or refuses.
    pub async fn next(&mut self) -> Result<Option<Vec<LiveObject>>, Refusal> {
        let limit = self.cluster.page_size.to_string();
        loop {
            let Some(token) = &self.token else { return Ok(None) };
            let mut pairs = vec![("limit", limit.as_str())];
            pairs.extend(self.selectors.iter().map(|(name, value)| (*name, value.as_str())));
            if !token.is_empty() {
                pairs.push(("continue", token));
            }
            let page = match self.cluster.api.get(&format!("{}?{}", self.path, query(&pairs))).await {
                Ok(body) => list::slice(&body, &self.head, false)?,
                Err(failure) if failure.is_gone() && self.restarts < 3 => {
                    (self.token, self.restarts) = (Some(String::new()), self.restarts + 1);
                    continue;
                }
                Err(failure) => return Err(failure.into()),
            };
            self.token = page.next;
            let objects = page.items.into_iter().map(|item| LiveObject {
                namespace: item.namespace,
                name: item.name,
                uid: item.uid,
                resource_version: item.resource_version,
                json: item.json.concat(),
            });
            return Ok(Some(objects.collect()));
        }
    }
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    metadata: Metadata,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Metadata {
    uid: String,
    resource_version: String,
}

impl Cluster {
    /// One object; `None` if it is not there.
    ///
    /// # Errors
    /// When the server does not answer, or refuses.
    pub async fn read(
        &self,
        kind: &ResourceType,
        namespace: Option<&str>,
        name: &str,
    ) -> Result<Option<LiveObject>, Refusal> {
        match self.api.get(&kind.object_path(namespace, name)).await {
            Ok(json) => {
                let Metadata { uid, resource_version } = metadata(&json)?;
                let namespace = namespace.map(str::to_owned);
                let json = json.to_vec();
                Ok(Some(LiveObject { namespace, name: name.to_owned(), uid, resource_version, json }))
            }
            Err(failure) if failure.code() == Some(404) => Ok(None),
            Err(failure) => Err(failure.into()),
        }
    }

    /// Every object of a type, of one namespace or of all, page by page.
    pub fn live(&self, kind: &ResourceType, namespace: Option<&str>) -> LiveList {
        LiveList {
            cluster: self.clone(),
            path: kind.list_path(namespace),
            selectors: Vec::new(),
            head: Head::new(kind),
            token: Some(String::new()),
            restarts: 0,
        }
    }

    /// Makes an object.
    ///
    /// # Errors
    /// When the server does not answer, or refuses. [`Refusal::exists`] may also mean that an attempt whose answer was
    /// lost has made it.
    pub async fn create(
        &self,
        kind: &ResourceType,
        namespace: Option<&str>,
        json: &Bytes,
        how: &Writing,
    ) -> Result<Written, Refusal> {
        self.write(Method::POST, &kind.list_path(namespace), json, how).await
    }

    /// Puts an object in the place of the one whose UID and resourceVersion it has; its status is left.
    ///
    /// # Errors
    /// When the server does not answer, or refuses; [`Refusal::conflicts`] when the object was changed meanwhile.
    pub async fn replace(
        &self,
        kind: &ResourceType,
        namespace: Option<&str>,
        name: &str,
        json: &Bytes,
        how: &Writing,
    ) -> Result<Written, Refusal> {
        self.write(Method::PUT, &kind.object_path(namespace, name), json, how).await
    }

    /// Sets an object's status, for types whose status is a subresource: of others it is written with the object.
    ///
    /// # Errors
    /// As for [`Cluster::replace`]; [`Refusal::missing`] where the status is no subresource.
    pub async fn replace_status(
        &self,
        kind: &ResourceType,
        namespace: Option<&str>,
        name: &str,
        json: &Bytes,
        how: &Writing,
    ) -> Result<Written, Refusal> {
        self.replace_part(kind, (namespace, name), Some("status"), json, how).await
    }

    /// Deletes an object, if it still is the one with this UID; what it owns stays.
    ///
    /// # Errors
    /// When the server does not answer, or refuses; [`Refusal::conflicts`] when another object has its name.
    pub async fn delete(
        &self,
        kind: &ResourceType,
        namespace: Option<&str>,
        name: &str,
        uid: &str,
    ) -> Result<(), Refusal> {
        let how = Deletion { uid: Some(uid.to_owned()), propagation: Some("Orphan"), ..Deletion::default() };
        self.delete_so(kind, (namespace, name), &how).await
    }

    /// The same without grace: a pod goes though no kubelet says that it has ended.
    ///
    /// # Errors
    /// As for [`Cluster::delete`].
    pub async fn delete_at_once(
        &self,
        kind: &ResourceType,
        namespace: Option<&str>,
        name: &str,
        uid: &str,
    ) -> Result<(), Refusal> {
        let how = Deletion {
            uid: Some(uid.to_owned()),
            propagation: Some("Orphan"),
            grace: Some(0),
            ..Deletion::default()
        };
        self.delete_so(kind, (namespace, name), &how).await
    }

    /// The same, and what it owns goes with it, a moment later.
    ///
    /// # Errors
    /// As for [`Cluster::delete`].
    pub async fn delete_with_all(
        &self,
        kind: &ResourceType,
        namespace: Option<&str>,
        name: &str,
        uid: &str,
    ) -> Result<(), Refusal> {
        let how =
            Deletion { uid: Some(uid.to_owned()), propagation: Some("Background"), ..Deletion::default() };
        self.delete_so(kind, (namespace, name), &how).await
    }

    pub(super) async fn write(
        &self,
        method: Method,
        path: &str,
        json: &Bytes,
        how: &Writing,
    ) -> Result<Written, Refusal> {
        let mut pairs = vec![("fieldManager", how.manager.as_str())];
        pairs.push(("fieldValidation", if how.strict { "Strict" } else { "Warn" }));
        if how.dry_run {
            pairs.push(("dryRun", "All"));
        }
        let accept = if how.dry_run { "application/json" } else { METADATA_ONLY };
        let json = self.api.send(method, &format!("{path}?{}", query(&pairs)), accept, json).await?;
        let Metadata { uid, resource_version } = metadata(&json)?;
        Ok(Written { uid, resource_version, json })
    }
}

fn metadata(json: &[u8]) -> Result<Metadata, Failure> {
    let answer: Answer = serde_json::from_slice(json).map_err(|error| Failure::from_json(&error))?;
    Ok(answer.metadata)
}
