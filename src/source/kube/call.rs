//! Calls on single objects beside plain reading and writing: subresources, deletions in every manner, reviews, and requests
//! that the server's audit log can be searched for.

use super::{
    Cluster, LiveList, Refusal, ResourceType, Writing, Written, fetch::Api, page::query, trouble::Failure,
};
use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use std::sync::Arc;

/// How an object is deleted.
#[derive(Debug, Clone, Default)]
pub struct Deletion {
    /// Only the one with this UID.
    pub uid: Option<String>,
    /// Only if it was not changed since it had this resourceVersion.
    pub resource_version: Option<String>,
    /// `Orphan`, `Background` or `Foreground`; none for the type's own.
    pub propagation: Option<&'static str>,
    /// How long a pod gets to end, in seconds; none for its own.
    pub grace: Option<u32>,
    /// Only try.
    pub dry_run: bool,
}

impl Deletion {
    fn options(&self) -> Bytes {
        let mut options = json!({"apiVersion": "v1", "kind": "DeleteOptions"});
        let mut set = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                options[name] = value;
            }
        };
        let mut conditions = serde_json::Map::new();
        conditions.extend(self.uid.clone().map(|uid| ("uid".to_owned(), uid.into())));
        conditions.extend(self.resource_version.clone().map(|it| ("resourceVersion".to_owned(), it.into())));
        set("preconditions", (!conditions.is_empty()).then(|| Value::Object(conditions)));
        set("propagationPolicy", self.propagation.map(Into::into));
        set("gracePeriodSeconds", self.grace.map(Into::into));
        set("dryRun", self.dry_run.then(|| json!(["All"])));
        Bytes::from(options.to_string())
    }
}

/// What somebody wants to do, as an access review asks for it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Attempt {
    /// `get`, `create`, `update`, …
    pub verb: String,
    /// The API group.
    pub group: String,
    /// The type's plural name.
    pub resource: String,
    /// A part of the object, such as `status`.
    pub subresource: Option<String>,
    /// The namespace; none for all, and for what is in none.
    pub namespace: Option<String>,
    /// The object; none for any.
    pub name: Option<String>,
}

impl Attempt {
    /// As `resourceAttributes` of a review.
    pub fn attributes(&self) -> Value {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        json!({
            "verb": self.verb, "group": self.group, "resource": self.resource,
            "subresource": text(&self.subresource), "namespace": text(&self.namespace), "name": text(&self.name),
        })
    }
}

impl Cluster {
    /// The same cluster; its requests carry this audit id, by which the server's audit log is searched.
    pub fn audited(&self, id: &str) -> Cluster {
        let mut cluster = self.clone();
        cluster.api = Arc::new(Api::audited(&self.api, id));
        cluster
    }

    /// The objects of a type that fit these selectors (as in a URL), page by page.
    pub fn selected(
        &self,
        kind: &ResourceType,
        namespace: Option<&str>,
        labels: Option<&str>,
        fields: Option<&str>,
    ) -> LiveList {
        let mut list = self.live(kind, namespace);
        list.narrow("labelSelector", labels);
        list.narrow("fieldSelector", fields);
        list
    }

    /// Puts an object, or a part of one, in the place of the one whose UID and resourceVersion it has.
    ///
    /// # Errors
    /// As for [`Cluster::replace`].
    pub async fn replace_part(
        &self,
        kind: &ResourceType,
        (namespace, name): (Option<&str>, &str),
        part: Option<&str>,
        json: &Bytes,
        how: &Writing,
    ) -> Result<Written, Refusal> {
        self.write(Method::PUT, &part_path(kind, namespace, name, part), json, how).await
    }

    /// Posts to a part of an object, such as `eviction`.
    ///
    /// # Errors
    /// When the server does not answer, or refuses.
    pub async fn post_to_part(
        &self,
        kind: &ResourceType,
        (namespace, name): (Option<&str>, &str),
        part: &str,
        json: &Bytes,
        dry_run: bool,
    ) -> Result<Value, Refusal> {
        let dry = if dry_run { "?dryRun=All" } else { "" };
        let path = format!("{}{dry}", part_path(kind, namespace, name, Some(part)));
        Ok(parsed(&self.api.post(&path, json).await?)?)
    }

    /// Deletes an object.
    ///
    /// # Errors
    /// When the server does not answer, or refuses; [`Refusal::conflicts`] when it is not the one that was meant.
    pub async fn delete_so(
        &self,
        kind: &ResourceType,
        (namespace, name): (Option<&str>, &str),
        how: &Deletion,
    ) -> Result<(), Refusal> {
        let path = kind.object_path(namespace, name);
        self.api.send(Method::DELETE, &path, "application/json", &how.options()).await?;
        Ok(())
    }

    /// Has the server review something: `authentication.k8s.io/v1`, `tokenreviews`, and the `spec`. Gives its `status`.
    ///
    /// # Errors
    /// When the server does not answer, or refuses.
    pub async fn review(
        &self,
        group_version: &str,
        resource: &str,
        kind: &str,
        spec: Value,
    ) -> Result<Value, Refusal> {
        let review = json!({"apiVersion": group_version, "kind": kind, "spec": spec});
        let answer = self
            .api
            .post(&format!("/apis/{group_version}/{resource}"), &Bytes::from(review.to_string()))
            .await?;
        Ok(parsed(&answer)?["status"].take())
    }

    /// May these credentials do this? If not, why.
    ///
    /// # Errors
    /// When the server does not answer, or cannot say.
    pub async fn may(&self, attempt: &Attempt) -> Result<Result<(), String>, Refusal> {
        let spec = json!({"resourceAttributes": attempt.attributes()});
        let (group_version, resource) = ("authorization.k8s.io/v1", "selfsubjectaccessreviews");
        let status = self.review(group_version, resource, "SelfSubjectAccessReview", spec).await?;
        if status["allowed"] == true {
            return Ok(Ok(()));
        }
        let said = ["reason", "evaluationError"].into_iter().filter_map(|name| status[name].as_str());
        let said = said.filter(|text| !text.is_empty()).collect::<Vec<_>>().join("; ");
        Ok(Err(if said.is_empty() { "no role of this user allows it".to_owned() } else { said }))
    }

    /// Who these credentials are: `userInfo` of a SelfSubjectReview.
    ///
    /// # Errors
    /// When the server does not answer, or does not know such reviews.
    pub async fn whoami(&self) -> Result<Value, Refusal> {
        let (group_version, resource) = ("authentication.k8s.io/v1", "selfsubjectreviews");
        let mut status = self.review(group_version, resource, "SelfSubjectReview", json!({})).await?;
        Ok(status["userInfo"].take())
    }

    /// What a container has logged, as the API server hands it on: no more than `largest` bytes.
    ///
    /// # Errors
    /// When the server does not answer, or refuses.
    pub async fn logs(
        &self,
        (namespace, pod): (&str, &str),
        asked: &[(&str, &str)],
        largest: usize,
    ) -> Result<Bytes, Refusal> {
        let path = format!("/api/v1/namespaces/{namespace}/pods/{pod}/log?{}", query(asked));
        Ok(self.api.get_from_kubelet(&path, largest).await?)
    }
}

fn part_path(kind: &ResourceType, namespace: Option<&str>, name: &str, part: Option<&str>) -> String {
    let part = part.map(|part| format!("/{part}")).unwrap_or_default();
    format!("{}{part}", kind.object_path(namespace, name))
}

fn parsed(json: &[u8]) -> Result<Value, Failure> {
    serde_json::from_slice(json).map_err(|error| Failure::from_json(&error))
}
