//! Whether workloads become ready in staging; and if not, what holds them up.

use super::{Check, Results, counted};
use crate::{
    drill::staging::{WORKLOADS, Workload},
    source::kube::{Cluster, Discovery, ResourceType},
};
use futures_util::future::join_all;
use serde_json::Value;
use std::{collections::BTreeMap, time::Duration};
use tokio::time::{Instant, sleep};

/// How often is looked.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Workloads that have to become ready.
#[derive(Debug, Clone)]
pub struct Ready {
    /// The check's name.
    pub name: String,
    /// Which.
    pub workload: Workload,
    /// How long that may take.
    pub within: Duration,
}

/// Waits for all of them at once.
pub(in crate::drill) async fn ready(
    asks: &[Ready],
    cluster: &Cluster,
    kinds: &Discovery,
    results: &mut Results,
) {
    let ended = join_all(asks.iter().map(|ask| one(ask, cluster, kinds))).await;
    for (check, actual, took) in ended {
        results.end(check, actual, took);
    }
}

/// Every object of a type in a namespace.
pub(super) async fn all(
    cluster: &Cluster,
    kind: &ResourceType,
    namespace: &str,
) -> Result<Vec<Value>, String> {
    let (mut list, mut found) = (cluster.live(kind, Some(namespace)), Vec::new());
    while let Some(page) = list.next().await.map_err(|refusal| refusal.to_string())? {
        found.extend(page.iter().filter_map(|object| serde_json::from_slice(&object.json).ok()));
    }
    Ok(found)
}

/// The workloads of an ask, and why each that is not ready is not.
async fn look(
    ask: &Ready,
    cluster: &Cluster,
    kinds: &Discovery,
) -> Result<Vec<(String, Option<String>)>, String> {
    let mut found = Vec::new();
    for resource in WORKLOADS {
        let Some(kind) = kinds.find("apps", resource) else { continue };
        for object in all(cluster, kind, &ask.workload.namespace).await? {
            if ask.workload.is(resource, &object) {
                let name = object["metadata"]["name"].as_str().unwrap_or_default();
                found.push((
                    format!("{resource} {}/{name}", ask.workload.namespace),
                    behind(resource, &object),
                ));
            }
        }
    }
    Ok(found)
}

async fn one(ask: &Ready, cluster: &Cluster, kinds: &Discovery) -> (Check, String, Duration) {
    let began = Instant::now();
    let expected = format!(
        "workloads of the namespace are ready within {} s, running on staging's own node",
        ask.within.as_secs()
    );
    let mut check = Check::new(&ask.name, expected);
    let mut last = Err("there was no time to look".to_owned());
    while began.elapsed() < ask.within {
        last = look(ask, cluster, kinds).await;
        // What is not there will not come: nobody makes workloads in staging.
        if last.as_ref().is_ok_and(|found| found.iter().all(|(_, behind)| behind.is_none())) {
            break;
        }
        sleep(LOOK_EVERY).await;
    }
    let actual = match last {
        Err(why) => {
            check.found(format!("they cannot be read: {why}"), 0);
            "it could not be looked at".to_owned()
        }
        Ok(found) if found.is_empty() => {
            check.found("nothing that was restored is one of these workloads", 0);
            "there are none".to_owned()
        }
        Ok(found) => {
            let late: Vec<_> = found.iter().filter_map(|(name, why)| Some((name, why.as_ref()?))).collect();
            let actual =
                format!("{} of {} ready", found.len() - late.len(), counted(found.len() as u64, "workload"));
            if !late.is_empty() {
                let pods = match kinds.find("", "pods") {
                    Some(pods) => all(cluster, pods, &ask.workload.namespace).await.unwrap_or_default(),
                    None => Vec::new(),
                };
                tell(&mut check, &late, &pods);
            }
            actual
        }
    };
    (check, actual, began.elapsed())
}

/// The workloads that are not ready, by what holds their pods up.
fn tell(check: &mut Check, late: &[(&String, &String)], pods: &[Value]) {
    let mut groups: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    for (name, why) in late {
        let own = name.rsplit('/').next().unwrap_or_default();
        let held: Vec<(String, String)> =
            pods.iter().filter(|pod| belongs(pod, own)).filter_map(held_up).collect();
        let mut reasons: Vec<&str> = held.iter().map(|(reason, _)| reason.as_str()).collect();
        reasons.sort_unstable();
        reasons.dedup();
        let reason = if reasons.is_empty() { "its pods are not made".to_owned() } else { reasons.join(", ") };
        let told: Vec<&str> = held.iter().map(|(_, message)| message.as_str()).take(3).collect();
        groups.entry(reason).or_default().push(((*name).clone(), format!("{why}; {}", told.join("; "))));
    }
    for (reason, names) in groups {
        let n = names.len() as u64;
        check.group(format!("{} not ready: {reason}", counted(n, "workload")), n, None, names);
    }
}

/// Is it a pod of the workload of this name? A deployment's pods belong to its replica set, whose name has one more part.
fn belongs(pod: &Value, workload: &str) -> bool {
    let owners = pod["metadata"]["ownerReferences"].as_array().into_iter().flatten();
    owners.filter_map(|owner| owner["name"].as_str()).any(|owner| {
        owner == workload || owner.rsplit_once('-').is_some_and(|(before, _)| before == workload)
    })
}

/// What holds a pod up that is not ready: a word, and what is said of it.
pub(super) fn held_up(pod: &Value) -> Option<(String, String)> {
    let conditions = || pod["status"]["conditions"].as_array().into_iter().flatten();
    let condition = |name: &str| conditions().find(|condition| condition["type"] == name);
    if condition("Ready").is_some_and(|it| it["status"] == "True") {
        return None;
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    if let Some(scheduled) = condition("PodScheduled").filter(|it| it["status"] == "False") {
        return Some((text(&scheduled["reason"]), text(&scheduled["message"])));
    }
    for list in ["initContainerStatuses", "containerStatuses"] {
        for container in pod["status"][list].as_array().into_iter().flatten() {
            for state in ["waiting", "terminated"] {
                let state = &container["state"][state];
                if container["ready"] != true && state.is_object() {
                    return Some((text(&state["reason"]), text(&state["message"])));
                }
            }
        }
    }
    Some(("its containers have not become ready".to_owned(), String::new()))
}

/// Why a workload is not ready, as `kubectl rollout status` tells; nothing when it is.
fn behind(resource: &str, object: &Value) -> Option<String> {
    let number = |place: &Value, name: &str| place[name].as_u64().unwrap_or_default();
    let (spec, status) = (&object["spec"], &object["status"]);
    if number(status, "observedGeneration") < number(&object["metadata"], "generation") {
        return Some("its controller has not seen it".to_owned());
    }
    let (wanted, updated, available) = match resource {
        "daemonsets" => (
            number(status, "desiredNumberScheduled"),
            number(status, "updatedNumberScheduled"),
            number(status, "numberAvailable"),
        ),
        _ => {
            let wanted = spec["replicas"].as_u64().unwrap_or(1);
            let available = if resource == "statefulsets" { "readyReplicas" } else { "availableReplicas" };
            (wanted, number(status, "updatedReplicas"), number(status, available))
        }
    };
    let ready = updated >= wanted && available >= wanted;
    (!ready).then(|| format!("{available} of {wanted} are ready"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_workload_is_ready_when_its_controller_says_so_of_this_generation() {
        let deployment = |generation: u64, updated: u64, available: u64| {
            json!({"metadata": {"generation": 2}, "spec": {"replicas": 2}, "status": {
                "observedGeneration": generation, "updatedReplicas": updated, "availableReplicas": available,
            }})
        };
        assert_eq!(behind("deployments", &deployment(2, 2, 2)), None);
        assert!(behind("deployments", &deployment(1, 2, 2)).is_some_and(|why| why.contains("not seen")));
        assert!(behind("deployments", &deployment(2, 1, 2)).is_some());
        assert!(behind("deployments", &deployment(2, 2, 1)).is_some_and(|why| why == "1 of 2 are ready"));
        assert!(behind("statefulsets", &json!({"spec": {}, "status": {"updatedReplicas": 1}})).is_some());
    }

    #[test]
    fn what_holds_pods_up_is_told_without_names() {
        let pod = json!({
            "metadata": {"ownerReferences": [{"name": "web-5d9c"}]},
            "status": {"conditions": [{"type": "Ready", "status": "False"}], "containerStatuses": [
                {"ready": false, "state": {"waiting": {"reason": "ErrImagePull", "message": "no such image secret/x"}}},
            ]},
        });
        let mut check = Check::new("up", "");
        tell(&mut check, &[(&"deployments shop/web".to_owned(), &"0 of 1 are ready".to_owned())], &[pod]);
        assert_eq!(check.findings[0].message, "1 workload not ready: ErrImagePull");
        assert_eq!(check.details[0].what, "0 of 1 are ready; no such image secret/x");
    }
}
