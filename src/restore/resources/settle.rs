//! Waiting for what the cluster does by itself: types that come to be served, namespaces that go.

use super::{Options, Plan, ResourcesError, Target, gather::Gathered, target::Served};
use crate::{
    object::TypeName,
    source::kube::{Cluster, Refusal, ResourceType},
};
use serde_json::Value;
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use tokio::time::{Instant, sleep};

const PAUSE: Duration = Duration::from_millis(200);

/// Waits until none of the namespaces that objects go into is being deleted, or the time is over. What then remains is
/// told by the plan.
///
/// # Errors
/// When the target cannot be read.
pub async fn leave_terminating(
    target: &Target,
    gathered: &Gathered,
    options: &Options,
) -> Result<(), ResourcesError> {
    let Served::Same(kind) = target.serves(&TypeName::new("", "namespaces"), "v1") else { return Ok(()) };
    let names: BTreeSet<&str> = gathered
        .objects
        .iter()
        .filter(|saved| !saved.reserve && saved.left.is_none())
        .filter_map(|saved| saved.identity.namespace.as_deref())
        .map(|name| options.rewrite.namespace(name))
        .collect();
    let ends = Instant::now() + options.wait;
    let mut list = target.cluster.live(&kind, None);
    let mut going = Vec::new();
    let failed = |e: Refusal| ResourcesError::Live { what: "namespaces".to_owned(), reason: e.message };
    while let Some(page) = list.next().await.map_err(failed)? {
        let gone = |json: &[u8]| {
            let object: Value = serde_json::from_slice(json).unwrap_or_default();
            object["metadata"]["deletionTimestamp"].is_string()
        };
        going.extend(page.into_iter().filter(|it| names.contains(&*it.name) && gone(&it.json)));
    }
    for namespace in going {
        tracing::info!(
            namespace = namespace.name,
            "waiting until the namespace that is being deleted is gone"
        );
        while Instant::now() < ends {
            let live = target.cluster.read(&kind, None, &namespace.name).await.map_err(failed)?;
            if live.is_none_or(|live| live.uid != namespace.uid) {
                break;
            }
            sleep(PAUSE).await;
        }
    }
    Ok(())
}

/// Waits until the definitions of the plan are established and their types are served, or the time is over. Gives what is
/// still not.
pub(super) async fn definitions(plan: &Plan, target: &Target, options: &Options) -> Vec<String> {
    let ends = Instant::now() + options.wait;
    let definitions = TypeName::new("apiextensions.k8s.io", "customresourcedefinitions");
    let mut late = Vec::new();
    for planned in plan.objects.iter().filter(|it| it.object.kind == definitions && it.writes()) {
        let Some(kind) = &planned.kind else { continue };
        while !is_established(&target.cluster, kind, &planned.to.name).await {
            if Instant::now() >= ends {
                late.push(planned.to.name.to_string());
                break;
            }
            sleep(PAUSE).await;
        }
    }
    let new: BTreeSet<Arc<ResourceType>> = plan
        .objects
        .iter()
        .filter(|it| it.writes())
        .filter_map(|it| it.kind.clone().map(|kind| (it, kind)))
        .filter(|(it, kind)| matches!(target.serves(&it.object.kind, &kind.version), Served::Not))
        .map(|(_, kind)| kind)
        .collect();
    for kind in new {
        // The API server serves a type some moments after it has established it.
        while target.cluster.live(&kind, None).next().await.is_err_and(|e| e.missing()) {
            if Instant::now() >= ends {
                late.push(kind.label());
                break;
            }
            sleep(PAUSE).await;
        }
    }
    late
}

async fn is_established(cluster: &Cluster, kind: &ResourceType, name: &str) -> bool {
    let Ok(Some(live)) = cluster.read(kind, None, name).await else { return false };
    let object: Value = serde_json::from_slice(&live.json).unwrap_or_default();
    let conditions = object["status"]["conditions"].as_array();
    conditions.into_iter().flatten().any(|it| it["type"] == "Established" && it["status"] == "True")
}
