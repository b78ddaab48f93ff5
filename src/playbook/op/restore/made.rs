//! What a restore made: told by the name under which it wrote, whatever became of the run.

use super::{super::create::empty, AT_ONCE, ObjectRef, OpError, Restore};
use crate::{
    object::{Identity, TypeName},
    point::Digest,
    restore::resources::Terms,
    source::kube::{Cluster, Filter, Refusal, ResourceType},
};
use futures_util::{StreamExt, TryStreamExt, future::BoxFuture, stream};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// More namespaces than that are listed together.
const APART: usize = 8;
/// Who writes by himself, as part of a cluster. What they add to an object is no change of it.
const CONTROLLERS: &[&str] = &[
    "kube-controller-manager",
    "kube-scheduler",
    "kube-apiserver",
    "kubelet",
    "cloud-controller-manager",
    "k3s",
    "rke2",
];

/// Something that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made {
    /// Which, with its UID.
    #[serde(flatten)]
    pub object: ObjectRef,
    /// SHA-256 of the names of the fields that were written: who changes one of them later takes it over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fields: Option<Digest>,
}

/// The annotation by which an object is known that holds nothing but its name: of such a one nobody is told who wrote it.
const MADE_BY: &str = "lifeboat.dev/made-by";

/// Who makes an object that holds nothing but its name is written down in it.
#[derive(Debug)]
pub(super) struct Marked(pub(super) String);

impl Terms for Marked {
    fn refuses(&self, _: &Identity) -> Option<&'static str> {
        None
    }

    fn adapt(&self, _: &TypeName, object: &mut Value) {
        let mut rest = object.clone();
        if let Some(fields) = rest.as_object_mut() {
            fields.retain(|name, _| name != "apiVersion" && name != "kind");
            if let Some(metadata) = fields.get_mut("metadata").and_then(Value::as_object_mut) {
                metadata.retain(|name, _| name != "name" && name != "namespace");
            }
        }
        // That of each namespace is made by a controller at the same moment.
        let by_itself = object["kind"] == "ServiceAccount" && object["metadata"]["name"] == "default";
        if empty(&rest) && !by_itself {
            object["metadata"]["annotations"][MADE_BY] = self.0.as_str().into();
        }
    }
}

/// Types of which a restore makes nothing.
fn never(kind: &ResourceType) -> bool {
    let name = TypeName::new(&kind.group, &kind.resource);
    crate::object::is_restless(&name)
}

/// Everything that was made, wherever it can be.
pub(super) async fn find(restore: &Restore, cluster: &Cluster) -> Result<Vec<Made>, OpError> {
    let found = cluster.discover(&Filter::default()).await.map_err(|e| OpError::Failed(e.to_string()))?;
    let places: Vec<&str> = restore.places().into_iter().collect();
    let mut asked: Vec<(&ResourceType, Option<&str>)> = Vec::new();
    for kind in found.types.iter().filter(|kind| !never(kind)) {
        match kind.namespaced {
            true if places.len() <= APART => asked.extend(places.iter().map(|place| (kind, Some(*place)))),
            _ => asked.push((kind, None)),
        }
    }
    let mut lists: Vec<BoxFuture<'_, Result<Vec<Made>, OpError>>> = Vec::new();
    for (kind, place) in asked {
        lists.push(Box::pin(of_type(restore, cluster, kind, place)));
    }
    let lists: Vec<Vec<Made>> = stream::iter(lists).buffer_unordered(AT_ONCE).try_collect().await?;
    let mut made: Vec<Made> = lists.into_iter().flatten().collect();
    made.sort_by(|a, b| a.object.cmp(&b.object));
    Ok(made)
}

async fn of_type(
    restore: &Restore,
    cluster: &Cluster,
    kind: &ResourceType,
    place: Option<&str>,
) -> Result<Vec<Made>, OpError> {
    let mut made = Vec::new();
    let each = |object: ObjectRef, json: &Value| {
        if let Some(own) = own(json, &restore.manager) {
            made.push(Made { object, fields: Some(digest(own)) });
        }
    };
    list(cluster, kind, place, each).await?;
    Ok(made)
}

/// Every object of a type.
pub(super) async fn list(
    cluster: &Cluster,
    kind: &ResourceType,
    place: Option<&str>,
    mut each: impl FnMut(ObjectRef, &Value),
) -> Result<(), OpError> {
    let wrong = |refusal: Refusal| {
        let again = refusal.code.is_none_or(|code| code == 429 || code >= 500);
        OpError::Server { object: kind.label(), why: refusal.message, again }
    };
    let mut pages = cluster.selected(kind, place, None, None);
    loop {
        let page = match pages.next().await {
            Ok(Some(page)) => page,
            Ok(None) => return Ok(()),
            // A type that is not served any more has no objects.
            Err(refusal) if refusal.missing() => return Ok(()),
            Err(refusal) => return Err(wrong(refusal)),
        };
        for live in page {
            let object = ObjectRef::new(kind, live.namespace.as_deref(), &live.name, Some(&live.uid));
            let json = serde_json::from_slice(&live.json)
                .map_err(|_| OpError::Failed(format!("what the API server sent of {object} is no JSON")))?;
            each(object, &json);
        }
    }
}

/// What this manager wrote of an object.
fn own<'a>(json: &'a Value, manager: &str) -> Option<&'a Value> {
    let entries = json["metadata"]["managedFields"].as_array()?;
    entries.iter().find(|it| it["manager"] == manager && it["subresource"].is_null())
}

fn digest(entry: &Value) -> Digest {
    Digest::from(Sha256::digest(entry["fieldsV1"].to_string()))
}

/// Who has changed an object since this manager made it; nothing if nobody has but the cluster's own controllers.
pub(super) fn changed(json: &Value, manager: &str, fields: Option<&Digest>) -> Option<String> {
    let Some(own) = own(json, manager) else {
        return Some("nothing of what was made is left of it".to_owned());
    };
    let entries = json["metadata"]["managedFields"].as_array();
    let writes = |it: &&Value| {
        let who = it["manager"].as_str().unwrap_or_default();
        who != manager && it["subresource"] != "status" && !CONTROLLERS.contains(&who)
    };
    if let Some(other) = entries.into_iter().flatten().find(writes) {
        return Some(format!("{} has written to it", other["manager"].as_str().unwrap_or("somebody")));
    }
    let same = fields.is_none_or(|fields| *fields == digest(own));
    (!same).then(|| "fields of it are not what was made".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_holds_nothing_but_its_name_is_marked() {
        let marked = |mut object: Value| {
            let kind = TypeName::new("", "serviceaccounts");
            Marked("lifeboat-a".into()).adapt(&kind, &mut object);
            object["metadata"]["annotations"][MADE_BY] == "lifeboat-a"
        };
        let bare = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "a", "namespace": "b"}});
        assert!(marked(bare.clone()));
        assert!(marked(json!({"kind": "ConfigMap", "metadata": {"name": "a", "labels": {}}, "data": null})));
        let mut labelled = bare.clone();
        labelled["metadata"]["labels"] = json!({"a": "b"});
        assert!(!marked(labelled));
        assert!(!marked(json!({"kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"a": ""}})));
    }

    #[test]
    fn who_wrote_an_object_tells_whether_it_is_as_it_was_made() {
        let entry = |manager: &str, subresource: Value, fields: Value| {
            let mut entry = json!({"manager": manager, "fieldsV1": fields});
            if !subresource.is_null() {
                entry["subresource"] = subresource;
            }
            entry
        };
        let made = entry("lifeboat-a", Value::Null, json!({"f:data": {"f:a": {}}}));
        let with = |entries: Vec<Value>| json!({"metadata": {"managedFields": entries}});
        let fields = digest(&made);
        let all = |json: &Value| changed(json, "lifeboat-a", Some(&fields));
        let status = entry("kubectl", json!("status"), json!({"f:status": {}}));
        let controller = entry("kube-controller-manager", Value::Null, json!({"f:spec": {}}));
        assert_eq!(all(&with(vec![made.clone(), status, controller])), None);
        let edited =
            with(vec![made.clone(), entry("kubectl-edit", Value::Null, json!({"f:data": {"f:b": {}}}))]);
        assert_eq!(all(&edited).unwrap(), "kubectl-edit has written to it");
        let scaled = with(vec![made.clone(), entry("kubectl", json!("scale"), json!({"f:spec": {}}))]);
        assert!(all(&scaled).is_some());
        // Who removes a field leaves no name, but the field is not there any more.
        let removed = with(vec![entry("lifeboat-a", Value::Null, json!({"f:data": {}}))]);
        assert_eq!(all(&removed).unwrap(), "fields of it are not what was made");
        assert_eq!(changed(&removed, "lifeboat-a", None), None, "of a run that died nobody knows");
        assert!(all(&with(vec![entry("lifeboat-b", Value::Null, json!({}))])).is_some());
    }
}
