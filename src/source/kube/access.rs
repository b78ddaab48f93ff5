//! What the credentials may do, and how the server feels.

use super::{
    Cluster, Discovery, Filter, KubeError, ResourceType,
    trouble::{Failure, one_line},
};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use serde::Deserialize;
use serde_json::json;

/// May a type be listed?
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// Yes.
    Allowed,
    /// No, and what the server says about it.
    Denied(String),
    /// The server could not say, and why.
    Unknown(String),
}

/// What the credentials may do with a type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permission {
    /// The type.
    pub resource: ResourceType,
    /// May it be listed, in all namespaces or in those that are wanted?
    pub list: Access,
}

/// What `/readyz` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Readiness {
    /// Is the server ready?
    pub ready: bool,
    /// How many checks it made.
    pub checks: usize,
    /// Those that failed.
    pub failing: Vec<String>,
}

#[derive(Deserialize)]
struct Review {
    status: ReviewStatus,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReviewStatus {
    allowed: bool,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    evaluation_error: String,
}

impl Cluster {
    /// Asks for each type whether it may be listed where the filter wants it, many at a time. The answers are in the
    /// order of the types.
    pub async fn permissions(&self, discovery: &Discovery, filter: &Filter) -> Vec<Permission> {
        let mut reviews = Vec::new();
        for resource in &discovery.types {
            reviews.push(self.permission(resource, filter));
        }
        stream::iter(reviews).buffered(self.concurrency).collect().await
    }

    async fn permission(&self, resource: &ResourceType, filter: &Filter) -> Permission {
        let mut list = Access::Allowed;
        for namespace in filter.scopes(resource) {
            list = self.can_list(resource, namespace.as_deref()).await;
            if list != Access::Allowed {
                break;
            }
        }
        Permission { resource: resource.clone(), list }
    }

    /// May this type be listed, in all namespaces or in this one?
    pub async fn can_list(&self, resource: &ResourceType, namespace: Option<&str>) -> Access {
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {
                "group": resource.group, "version": resource.version, "resource": resource.resource,
                "verb": "list", "namespace": namespace.unwrap_or_default(),
            }},
        });
        let uri = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
        let answer = self.api.post(uri, &Bytes::from(review.to_string())).await.and_then(|body| {
            serde_json::from_slice::<Review>(&body).map_err(|error| Failure::from_json(&error))
        });
        match answer {
            Ok(Review { status }) if status.allowed => Access::Allowed,
            Ok(Review { status }) if !status.evaluation_error.is_empty() => {
                Access::Unknown(one_line(&status.evaluation_error))
            }
            Ok(Review { status }) if status.reason.is_empty() => {
                Access::Denied("no role of this user allows to list it".to_owned())
            }
            Ok(Review { status }) => Access::Denied(one_line(&status.reason)),
            Err(failure) => Access::Unknown(failure.text()),
        }
    }

    /// What the server says about itself.
    pub async fn ready(&self) -> Result<Readiness, KubeError> {
        let (status, body) = self
            .api
            .look("/readyz?verbose")
            .await
            .map_err(|failure| failure.into_error(&self.api.server, "say whether it is ready"))?;
        match status.as_u16() {
            401 => Err(KubeError::Unauthorized { server: self.api.server.clone() }),
            403 => Err(KubeError::Refused {
                server: self.api.server.clone(),
                what: "say whether it is ready".to_owned(),
                code: 403,
                reason: "the user may not read /readyz".to_owned(),
            }),
            _ => Ok(readiness(status.is_success(), &String::from_utf8_lossy(&body))),
        }
    }
}

fn readiness(ready: bool, text: &str) -> Readiness {
    let checks = text.lines().filter(|line| line.starts_with("[+]") || line.starts_with("[-]")).count();
    let failing = text.lines().filter_map(|line| line.strip_prefix("[-]")).map(one_line).collect();
    Readiness { ready, checks, failing }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verbose_answer_is_summarised() {
        let said =
            readiness(false, "[+]ping ok\n[-]etcd failed: reason withheld\n[+]log ok\nreadyz check failed\n");
        let failing = vec!["etcd failed: reason withheld".to_owned()];
        assert_eq!(said, Readiness { ready: false, checks: 3, failing });
        assert_eq!(readiness(true, "ok"), Readiness { ready: true, checks: 0, failing: vec![] });
    }
}
