//! What a restore made goes again: just that, and only where nobody has changed it. Namespaces and definitions go last, and not while
//! something is left in them that is somebody else's.

use super::{
    super::{Doing, ObjectRef, OpError, Outcome, change::read},
    AT_ONCE, Made, Restore,
    made::{self, changed},
};
use crate::source::kube::{Deletion, Filter, ResourceType};
use futures_util::{StreamExt, future::BoxFuture, stream};
use serde_json::Value;
use std::{collections::BTreeSet, time::Duration};
use tokio::time::sleep;

/// How often an object is read again that a controller writes to at the same moment.
const TRIES: u32 = 5;
/// So many of those that stay are named.
const TOLD: usize = 10;

/// What became of one object.
enum Went {
    Gone,
    Stays(String),
    Again(String),
}

impl Restore {
    pub(in crate::playbook::op) async fn take_back(
        &self,
        outcome: &Outcome,
        with: &Doing<'_>,
    ) -> Result<Outcome, OpError> {
        let known = outcome.brought.as_ref().and_then(|it| serde_json::from_value(it["made"].clone()).ok());
        let all: Vec<Made> = match known {
            Some(made) => made,
            // It died, or failed, in the middle.
            None => made::find(self, with.cluster()?).await?,
        };
        let total = all.len();
        let mut waves: [Vec<Made>; 3] = Default::default();
        for made in all {
            waves[wave(&made.object)].push(made);
        }
        let (mut gone, mut stays, mut again) = (0, Vec::new(), Vec::new());
        for wave in waves {
            let mut asked: Vec<BoxFuture<'_, Went>> = Vec::new();
            for made in &wave {
                asked.push(Box::pin(self.remove(made, with)));
            }
            let went: Vec<Went> = stream::iter(asked).buffer_unordered(AT_ONCE).collect().await;
            for went in went {
                match went {
                    Went::Gone => gone += 1,
                    Went::Stays(why) => stays.push(why),
                    Went::Again(why) => again.push(why),
                }
            }
        }
        let some = |list: &[String]| list.iter().take(TOLD).cloned().collect::<Vec<_>>().join("; ");
        if !again.is_empty() {
            let object = format!("{} of {total} objects that were made", again.len());
            return Err(OpError::Server { object, why: some(&again), again: true });
        }
        if !stays.is_empty() {
            let text = format!(
                "{gone} of {total} objects that were made are deleted, and {} stay: {}",
                stays.len(),
                some(&stays)
            );
            return Err(OpError::NotUndoable(text));
        }
        Ok(Outcome { said: Some(format!("{gone} objects that were made are deleted")), ..Outcome::default() })
    }

    async fn remove(&self, made: &Made, with: &Doing<'_>) -> Went {
        let cluster = match with.cluster() {
            Ok(cluster) => cluster,
            Err(e) => return Went::Stays(e.to_string()),
        };
        let mut last = String::new();
        for _ in 0..TRIES {
            let (live, json) = match read(&made.object, with).await {
                Ok(found) => found,
                Err(OpError::Gone(_)) => return Went::Gone,
                Err(e @ OpError::Server { again: true, .. }) => return Went::Again(e.to_string()),
                Err(e) => return Went::Stays(e.to_string()),
            };
            if json["metadata"]["deletionTimestamp"].is_string() {
                return Went::Gone;
            }
            if let Some(how) = changed(&json, &self.manager, made.fields.as_ref()) {
                return Went::Stays(format!("{}: {how}", made.object));
            }
            match holds(&made.object, &json, with).await {
                Ok(0) => {}
                Ok(n) => {
                    return Went::Stays(format!(
                        "{}: it holds {n} objects that were not made by this",
                        made.object
                    ));
                }
                Err(e) => return Went::Again(format!("{}: what is in it is not known: {e}", made.object)),
            }
            let deletion = Deletion {
                uid: Some(live.uid),
                resource_version: Some(live.resource_version),
                propagation: Some("Background"),
                ..Deletion::default()
            };
            match cluster.delete_so(&made.object.resource_type(), made.object.place(), &deletion).await {
                Ok(_) => return Went::Gone,
                Err(refusal) if refusal.missing() => return Went::Gone,
                Err(refusal) if refusal.conflicts() => {
                    last = refusal.message;
                    sleep(Duration::from_millis(100)).await;
                }
                Err(refusal) => {
                    return match OpError::server(&made.object, refusal) {
                        e @ OpError::Server { again: true, .. } => Went::Again(e.to_string()),
                        e => Went::Stays(e.to_string()),
                    };
                }
            }
        }
        Went::Again(format!("{}: {last}", made.object))
    }
}

/// What others are in goes after them.
fn wave(object: &ObjectRef) -> usize {
    if object.is("", "namespaces") {
        2
    } else if object.is("apiextensions.k8s.io", "customresourcedefinitions")
        || object.is("", "persistentvolumes")
    {
        1
    } else {
        0
    }
}

/// How many objects would go with a namespace, or with a definition.
async fn holds(object: &ObjectRef, json: &Value, with: &Doing<'_>) -> Result<usize, OpError> {
    let is_namespace = object.is("", "namespaces");
    if !is_namespace && !object.is("apiextensions.k8s.io", "customresourcedefinitions") {
        return Ok(0);
    }
    let found =
        with.cluster()?.discover(&Filter::default()).await.map_err(|e| OpError::Failed(e.to_string()))?;
    let (group, plural) = (&json["spec"]["group"], &json["spec"]["names"]["plural"]);
    let inside = |kind: &&ResourceType| match is_namespace {
        true => kind.namespaced,
        false => *group == kind.group.as_str() && *plural == kind.resource.as_str(),
    };
    let place = is_namespace.then_some(object.name.as_str());
    let mut others = BTreeSet::new();
    for kind in found.types.iter().filter(inside) {
        made::list(with.cluster()?, kind, place, |it, json| {
            if !by_itself(&it, json) {
                others.insert(it);
            }
        })
        .await?;
    }
    Ok(others.len())
}

/// Does it go by itself, or come by itself with a namespace?
fn by_itself(object: &ObjectRef, json: &Value) -> bool {
    let metadata = &json["metadata"];
    let goes = metadata["deletionTimestamp"].is_string();
    let owned = metadata["ownerReferences"].as_array().is_some_and(|owners| !owners.is_empty());
    let comes = matches!(
        (object.resource.as_str(), object.name.as_str()),
        ("serviceaccounts", "default")
            | ("configmaps", "kube-root-ca.crt")
            | ("events" | "endpoints" | "endpointslices", _)
    );
    goes || owned || comes
}
