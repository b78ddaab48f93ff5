//! What is kept for those who look into it later: manifests, logs, events, files, what a command prints, memory.

mod inside;

pub(super) use inside::{Checkpoint, Exec, Files};

use super::{
    ActionError, Class, Live, Plain, Planned, Planning, Target, resource::Targets, size::Size, span::Span,
};
use crate::playbook::op::{Collect, ObjectRef, Op};
use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeSet;

fn yes() -> bool {
    true
}

/// `target` or `targets`, and what becomes of them.
async fn all(
    with: &Planning<'_>,
    target: Option<Targets>,
    targets: Vec<Target>,
) -> Result<Vec<Live>, ActionError> {
    let mut found = match target {
        Some(target) => target.find(with).await?,
        None => Vec::new(),
    };
    found.extend(Targets::Several(targets).find(with).await?);
    Ok(found)
}

/// Keeps manifests.
pub(super) struct Manifest;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ManifestArgs {
    /// The object, or several.
    #[serde(default)]
    target: Option<Targets>,
    /// The same for several.
    #[serde(default)]
    targets: Vec<Target>,
    /// What owns them as well, up to the top.
    #[serde(default)]
    owners: bool,
    /// The service accounts of pods as well.
    #[serde(default)]
    service_account: bool,
    /// The NetworkPolicies of their namespaces as well.
    #[serde(default)]
    network_policies: bool,
    /// False keeps the values of Secrets, sealed.
    #[serde(default = "yes")]
    redact_secrets: bool,
}

#[async_trait]
impl Plain for Manifest {
    type Args = ManifestArgs;
    const NAME: &'static str = "evidence.manifest";
    const CLASS: Class = Class::Read;
    const ABREAST: bool = true;
    const ABOUT: &'static str =
        "Keeps objects as they are, and if asked what owns them, their service accounts and NetworkPolicies.";

    async fn plan(with: &Planning<'_>, args: ManifestArgs) -> Result<Planned, ActionError> {
        let mut found: BTreeSet<ObjectRef> = BTreeSet::new();
        for live in all(with, args.target, args.targets).await? {
            let namespace = live.object.namespace.clone();
            if args.service_account && live.object.is("", "pods") {
                let name = live.json["spec"]["serviceAccountName"].as_str().unwrap_or("default");
                let kind = with.built_in("", "serviceaccounts")?;
                found.extend(with.get(kind, namespace.as_deref(), name).await?.map(|it| it.object));
            }
            if let Some(namespace) = namespace.as_deref().filter(|_| args.network_policies) {
                let kind = with.built_in("networking.k8s.io", "networkpolicies")?;
                found.extend(
                    with.list(kind, Some(namespace), None, None).await?.into_iter().map(|it| it.object),
                );
            }
            match args.owners {
                true => {
                    found.extend(super::gitops::owners(with, live).await?.into_iter().map(|it| it.object))
                }
                false => drop(found.insert(live.object)),
            }
        }
        let redact = args.redact_secrets;
        let ops = found.into_iter().map(|object| Op::Collect(Collect::Manifest { object, redact }));
        Ok(Planned { ops: ops.collect(), ..Planned::default() })
    }
}

/// Keeps events.
pub(super) struct Events;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct EventsArgs {
    /// The object, or several.
    target: Targets,
}

#[async_trait]
impl Plain for Events {
    type Args = EventsArgs;
    const NAME: &'static str = "evidence.events";
    const CLASS: Class = Class::Read;
    const ABREAST: bool = true;
    const ABOUT: &'static str = "Keeps the events about objects.";

    async fn plan(with: &Planning<'_>, args: EventsArgs) -> Result<Planned, ActionError> {
        let found = args.target.find(with).await?;
        let ops = found.into_iter().map(|it| Op::Collect(Collect::Events { object: it.object }));
        Ok(Planned { ops: ops.collect(), ..Planned::default() })
    }
}

/// Keeps logs.
pub(super) struct Logs;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct LogsArgs {
    /// The pod, or several.
    target: Targets,
    /// Only of these containers; of all of them when there are none.
    #[serde(default)]
    containers: Vec<String>,
    /// What containers logged that ended before the ones that run, as well.
    #[serde(default)]
    previous: bool,
    /// Only what is not older than that when the plan is made.
    #[serde(default)]
    since: Option<Span>,
    /// Only what was logged since.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    since_time: Option<Timestamp>,
    /// No more of each.
    #[serde(default = "usual")]
    limit_bytes: Size,
}

fn usual() -> Size {
    Size(64 << 20)
}

#[async_trait]
impl Plain for Logs {
    type Args = LogsArgs;
    const NAME: &'static str = "evidence.logs";
    const CLASS: Class = Class::Read;
    const ABREAST: bool = true;
    const ABOUT: &'static str = "Keeps what the containers of pods have logged, with the time of each line.";

    async fn plan(with: &Planning<'_>, args: LogsArgs) -> Result<Planned, ActionError> {
        let since = match (args.since, args.since_time) {
            (Some(_), Some(_)) => {
                return Err(ActionError::Arguments("`since` and `sinceTime` exclude each other".to_owned()));
            }
            (Some(span), None) => {
                let span = SignedDuration::from_millis(i64::try_from(span.0).unwrap_or(i64::MAX));
                let earlier = with.now.checked_sub(span);
                Some(earlier.map_err(|_| ActionError::Arguments("`since` is too long ago".to_owned()))?)
            }
            (None, time) => time,
        };
        let mut planned = Planned::default();
        for pod in args.target.find(with).await? {
            let all = containers(&pod)?;
            if let Some(wrong) = args.containers.iter().find(|it| !all.iter().any(|(name, ..)| name == *it)) {
                return Err(ActionError::Missing(format!("container {wrong} in {}", pod.object)));
            }
            for (container, began, ended_before) in all {
                if !args.containers.is_empty() && !args.containers.contains(&container) {
                    continue;
                }
                let log = |previous| {
                    let (pod, container, limit_bytes) =
                        (pod.object.clone(), container.clone(), args.limit_bytes.0);
                    Op::Collect(Collect::Logs { pod, container, previous, since, limit_bytes })
                };
                if args.previous && ended_before {
                    planned.ops.push(log(true));
                }
                match began {
                    true => planned.ops.push(log(false)),
                    false => planned.remarks.push(format!(
                        "container {container} of {} has logged nothing: it did not start",
                        pod.object
                    )),
                }
            }
        }
        Ok(planned)
    }
}

/// The containers of a pod: did each start, and did one end before it?
fn containers(pod: &Live) -> Result<Vec<(String, bool, bool)>, ActionError> {
    if !pod.object.is("", "pods") {
        return Err(ActionError::Arguments(format!("{} is no pod", pod.object)));
    }
    let lists = [
        ("initContainers", "initContainerStatuses"),
        ("containers", "containerStatuses"),
        ("ephemeralContainers", "ephemeralContainerStatuses"),
    ];
    let items = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut found = Vec::new();
    for (list, statuses) in lists {
        let statuses = items(&pod.json["status"][statuses]);
        for container in items(&pod.json["spec"][list]) {
            let Some(name) = container["name"].as_str() else { continue };
            let status = statuses.iter().find(|it| it["name"] == name);
            let state = |name: &str| status.is_some_and(|it| it["state"][name].is_object());
            let before = status.is_some_and(|it| it["lastState"]["terminated"].is_object());
            found.push((name.to_owned(), state("running") || state("terminated") || before, before));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_ran_has_logged() {
        let object = ObjectRef {
            group: String::new(),
            version: "v1".into(),
            resource: "pods".into(),
            kind: "Pod".into(),
            namespace: Some("shop".into()),
            name: "web".into(),
            uid: None,
        };
        let json = json!({
            "spec": {"initContainers": [{"name": "i"}], "containers": [{"name": "a"}, {"name": "b"}]},
            "status": {
                "initContainerStatuses": [{"name": "i", "state": {"terminated": {"exitCode": 0}}}],
                "containerStatuses": [
                    {"name": "a", "state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": {"terminated": {"exitCode": 1}}},
                    {"name": "b", "state": {"waiting": {"reason": "ErrImagePull"}}, "lastState": {}},
                ],
            },
        });
        let found = containers(&Live { object, json: json.into() }).unwrap();
        let wanted = [("i", true, false), ("a", true, true), ("b", false, false)];
        assert_eq!(found, wanted.map(|(name, began, before)| (name.to_owned(), began, before)));
    }
}
