use super::{
    Doing, ObjectRef, OpError, Outcome, Served,
    change::{attempt, read},
};
use crate::source::kube::{Attempt, Writing};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{fmt, time::Duration};
use tokio::time::{Instant, sleep};

/// How often the server is asked.
const ASK_EVERY: Duration = Duration::from_millis(250);

/// Waits until something is so.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Wait {
    /// What is waited for.
    pub until: Condition,
    /// How long, in milliseconds.
    pub within_ms: u64,
}

/// What is waited for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Condition {
    /// So long has passed.
    Elapsed,
    /// A workload has rolled out what it says, and every replica is ready.
    RolledOut(ObjectRef),
    /// An object is gone.
    Gone(ObjectRef),
    /// A pod, a node or whatever has this condition is ready.
    Ready(ObjectRef),
    /// A container has ended, whatever it ended with.
    Ended {
        /// The pod.
        pod: ObjectRef,
        /// The container.
        container: String,
    },
    /// An object has been written since: it is of another version than this one.
    Written {
        /// Which.
        object: ObjectRef,
        /// Its `resourceVersion` of before.
        since: String,
    },
    /// A pod answers as it should.
    Serves(Served),
    /// An API server refuses to make this object, as a policy says that was made before. It is only tried.
    Refused {
        /// Which.
        object: ObjectRef,
        /// All of it.
        json: Value,
        /// What the refusal says: the policy's name.
        says: String,
    },
}

impl Wait {
    pub(super) fn rights(&self) -> Vec<Attempt> {
        if let Condition::Serves(served) = &self.until {
            return served.rights();
        }
        let verb = if matches!(self.until, Condition::Refused { .. }) { "create" } else { "get" };
        self.object().map(|object| attempt(object, verb, None)).into_iter().collect()
    }

    fn object(&self) -> Option<&ObjectRef> {
        match &self.until {
            Condition::Elapsed | Condition::Serves(_) => None,
            Condition::RolledOut(object) | Condition::Gone(object) | Condition::Ready(object) => Some(object),
            Condition::Ended { pod: object, .. }
            | Condition::Written { object, .. }
            | Condition::Refused { object, .. } => Some(object),
        }
    }

    /// Does it only look?
    pub(super) fn reads(&self) -> bool {
        match &self.until {
            Condition::Serves(served) => served.reads(),
            _ => true,
        }
    }

    /// Waits.
    ///
    /// # Errors
    /// When it does not become so in time, with what was lacking last.
    pub async fn carry_out(&self, with: &Doing<'_>) -> Result<Outcome, OpError> {
        let within = Duration::from_millis(self.within_ms);
        if self.until == Condition::Elapsed {
            sleep(within).await;
            return Ok(Outcome::default());
        }
        let end = Instant::now() + within;
        loop {
            match self.look(with, end.saturating_duration_since(Instant::now())).await? {
                Ok(said) => return Ok(Outcome { said, ..Outcome::default() }),
                Err(lacking) => self.again(end, &lacking).await?,
            }
        }
    }

    /// Looks once: what there is to say of it when it is so, or what lacks.
    async fn look(
        &self,
        with: &Doing<'_>,
        left: Duration,
    ) -> Result<Result<Option<String>, String>, OpError> {
        let object = match &self.until {
            Condition::Elapsed => return Ok(Ok(None)),
            Condition::Serves(served) => return Ok(served.ask(with, left).await?.map(Some)),
            Condition::Refused { object, json, says } => {
                let lacking = refused(object, json, says, with).await;
                return Ok(lacking.map_or_else(|| Ok(Some(format!("{says} refuses"))), Err));
            }
            Condition::RolledOut(object) | Condition::Gone(object) | Condition::Ready(object) => object,
            Condition::Ended { pod: object, .. } | Condition::Written { object, .. } => object,
        };
        let lacking = match (read(object, with).await, &self.until) {
            (Err(OpError::Gone(_) | OpError::Replaced { .. }), Condition::Gone(_)) => None,
            (Err(e @ OpError::Replaced { .. }), _) => return Err(e),
            (Err(e), _) => Some(e.to_string()),
            (Ok(_), Condition::Gone(_)) => Some("it is still there".to_owned()),
            (Ok((_, json)), Condition::RolledOut(_)) => lacks(&json),
            (Ok((_, json)), Condition::Ended { container, .. }) => running(&json, container),
            (Ok((_, json)), Condition::Written { since, .. }) => {
                let same = json["metadata"]["resourceVersion"] == since.as_str();
                same.then(|| "it is as it was".to_owned())
            }
            (Ok((_, json)), _) => unready(&json),
        };
        Ok(lacking.map_or(Ok(None), Err))
    }

    /// Waits until it is time to ask again.
    async fn again(&self, end: Instant, lacking: &str) -> Result<(), OpError> {
        if Instant::now() >= end {
            let within = self.within_ms / 1000;
            return Err(OpError::Failed(format!("{self}, {within} s long, and in vain: {lacking}")));
        }
        sleep(ASK_EVERY).await;
        Ok(())
    }
}

/// What lacks until a policy refuses an object.
async fn refused(object: &ObjectRef, json: &Value, says: &str, with: &Doing<'_>) -> Option<String> {
    let how = Writing { manager: with.manager.to_owned(), dry_run: true, strict: true };
    let body = Bytes::from(json.to_string());
    let cluster = match with.cluster() {
        Ok(cluster) => cluster,
        Err(e) => return Some(e.to_string()),
    };
    match cluster.create(&object.resource_type(), object.namespace.as_deref(), &body, &how).await {
        Ok(_) => Some("the API server still lets it through".to_owned()),
        Err(refusal) if refusal.message.contains(says) => None,
        Err(refusal) => Some(format!("it is refused for another reason: {refusal}")),
    }
}

/// What lacks until a container of a pod has ended.
fn running(pod: &Value, container: &str) -> Option<String> {
    let lists = ["containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"];
    let all = lists.iter().flat_map(|name| pod["status"][*name].as_array().into_iter().flatten());
    let Some(status) = all.into_iter().find(|it| it["name"] == container) else {
        return Some("the container has not started".to_owned());
    };
    let state = &status["state"];
    match (state["terminated"].is_object(), state["waiting"]["reason"].as_str()) {
        (true, _) => None,
        (false, Some(reason)) => Some(format!("the container waits: {reason}")),
        (false, None) => Some("the container runs".to_owned()),
    }
}

/// What a workload lacks until it has rolled out: the rules of `kubectl rollout status`.
pub fn lacks(workload: &Value) -> Option<String> {
    let number = |pointer: &str| workload.pointer(pointer).and_then(Value::as_i64);
    let (generation, seen) = (number("/metadata/generation"), number("/status/observedGeneration"));
    if seen < generation {
        return Some("its controller has not seen the change".to_owned());
    }
    let daemon = workload["kind"] == "DaemonSet";
    let (wanted, updated, ready) = match daemon {
        true => {
            ("/status/desiredNumberScheduled", "/status/updatedNumberScheduled", "/status/numberAvailable")
        }
        false => ("/spec/replicas", "/status/updatedReplicas", "/status/readyReplicas"),
    };
    let wanted = number(wanted).unwrap_or(i64::from(!daemon));
    let (updated, ready) = (number(updated).unwrap_or(0), number(ready).unwrap_or(0));
    let all = if daemon { wanted } else { number("/status/replicas").unwrap_or(0) };
    if updated < wanted {
        Some(format!("{updated} of {wanted} replicas are of the new template"))
    } else if ready < wanted {
        Some(format!("{ready} of {wanted} replicas are ready"))
    } else if all > wanted {
        Some(format!("{} old replicas are still there", all - wanted))
    } else {
        None
    }
}

/// Why an object that has such a condition is not ready.
pub fn unready(object: &Value) -> Option<String> {
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array);
    let ready =
        conditions.into_iter().flatten().find(|it| it["type"] == "Ready" || it["type"] == "Available");
    match ready {
        Some(condition) if condition["status"] == "True" => None,
        Some(condition) => Some(condition["message"].as_str().unwrap_or("it is not ready").to_owned()),
        None => Some("it has not said whether it is ready".to_owned()),
    }
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.until {
            Condition::Elapsed => write!(f, "wait {} ms", self.within_ms),
            Condition::RolledOut(object) => write!(f, "wait until {object} has rolled out"),
            Condition::Gone(object) => write!(f, "wait until {object} is gone"),
            Condition::Ready(object) => write!(f, "wait until {object} is ready"),
            Condition::Ended { pod, container } => {
                write!(f, "wait until container {container} of {pod} has ended")
            }
            Condition::Written { object, .. } => write!(f, "wait until {object} has been written"),
            Condition::Serves(served) => served.fmt(f),
            Condition::Refused { object, says, .. } => {
                write!(f, "wait until {says} refuses to make {object}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_container_has_ended_when_its_status_says_so() {
        let pod =
            |state: Value| json!({"status": {"ephemeralContainerStatuses": [{"name": "a", "state": state}]}});
        assert_eq!(running(&pod(json!({"terminated": {"exitCode": 1}})), "a"), None);
        assert!(
            running(&pod(json!({"waiting": {"reason": "ErrImagePull"}})), "a")
                .unwrap()
                .contains("ErrImagePull")
        );
        assert!(running(&pod(json!({"running": {}})), "a").unwrap().contains("runs"));
        assert!(running(&pod(json!({"terminated": {}})), "b").unwrap().contains("not started"));
    }

    #[test]
    fn a_rollout_is_over_when_nothing_old_is_left() {
        let deployment = |status: Value| {
            lacks(
                &json!({"kind": "Deployment", "metadata": {"generation": 2}, "spec": {"replicas": 2}, "status": status}),
            )
        };
        let status = |seen: i64, updated: i64, ready: i64, all: i64| json!({"observedGeneration": seen, "updatedReplicas": updated, "readyReplicas": ready, "replicas": all});
        assert!(deployment(status(1, 2, 2, 2)).unwrap().contains("has not seen"));
        assert!(deployment(status(2, 1, 2, 2)).unwrap().contains("1 of 2 replicas are of the new"));
        assert!(deployment(status(2, 2, 1, 2)).unwrap().contains("1 of 2 replicas are ready"));
        assert!(deployment(status(2, 2, 2, 3)).unwrap().contains("1 old"));
        assert_eq!(deployment(status(2, 2, 2, 2)), None);
        let daemon = json!({"kind": "DaemonSet", "metadata": {"generation": 1},
            "status": {"observedGeneration": 1, "desiredNumberScheduled": 1, "updatedNumberScheduled": 1, "numberAvailable": 1}});
        assert_eq!(lacks(&daemon), None);
    }
}
