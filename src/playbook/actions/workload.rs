//! Workloads: started again, and rolled back.

use super::{ActionError, Class, Live, Plain, Planned, Planning, resource::Targets, span::Span};
use crate::playbook::op::{Condition, FieldSet, ObjectRef, Op, Wait};
use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

const RESTARTED: &str = "kubectl.kubernetes.io/restartedAt";
const REVISION: &str = "deployment.kubernetes.io/revision";

fn ten_minutes() -> Span {
    Span(600_000)
}

/// Starts workloads again.
pub(super) struct Restart;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RestartArgs {
    /// The Deployment, StatefulSet or DaemonSet, or several.
    target: Targets,
    /// Is the step done when every pod is a new one, and ready?
    #[serde(default)]
    wait: bool,
    /// How long that may take.
    #[serde(default = "ten_minutes")]
    within: Span,
}

#[async_trait]
impl Plain for Restart {
    type Args = RestartArgs;
    const NAME: &'static str = "workload.restart";
    const CLASS: Class = Class::Undoable;
    const ABOUT: &'static str =
        "Starts the pods of workloads again, one after the other, as their strategies say.";

    async fn plan(with: &Planning<'_>, args: RestartArgs) -> Result<Planned, ActionError> {
        let mut planned = Planned::default();
        let mut waits = Vec::new();
        for live in args.target.find(with).await? {
            is_workload(&live)?;
            if live.json["spec"]["updateStrategy"]["type"] == "OnDelete" {
                planned
                    .remarks
                    .push(format!("{} starts nothing again by itself: delete its pods", live.object));
            }
            let path = ["spec", "template", "metadata", "annotations", RESTARTED];
            let field = FieldSet::of(&live.json, &path, Some(with.now.to_string().into()));
            waits.push(live.object.clone());
            planned.change(live.object, field.into_iter().collect());
        }
        planned.remarks.push("taken back, the pods are started once more".to_owned());
        planned.rolled_out(waits, args.wait, args.within);
        Ok(planned)
    }
}

impl Planned {
    fn rolled_out(&mut self, objects: Vec<ObjectRef>, wait: bool, within: Span) {
        if wait {
            let all = objects
                .into_iter()
                .map(|it| Op::Wait(Wait { until: Condition::RolledOut(it), within_ms: within.0 }));
            self.ops.extend(all);
        }
    }
}

fn is_workload(live: &Live) -> Result<(), ActionError> {
    let object = &live.object;
    if object.group != "apps"
        || !["deployments", "statefulsets", "daemonsets"].contains(&object.resource.as_str())
    {
        let text = format!("{object} has no rollout: only Deployments, StatefulSets and DaemonSets have");
        return Err(ActionError::Arguments(text));
    }
    match live.json["spec"]["paused"] == true {
        true => {
            Err(ActionError::Refused(format!("{object} is paused, and would not roll out: resume it first")))
        }
        false => Ok(()),
    }
}

/// Rolls workloads back.
pub(super) struct Rollback;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RollbackArgs {
    /// The Deployment, StatefulSet or DaemonSet, or several.
    target: Targets,
    /// To this revision; none for the one before.
    #[serde(default)]
    revision: Option<i64>,
    /// Is the step done when every pod is of that revision, and ready?
    #[serde(default)]
    wait: bool,
    /// How long that may take.
    #[serde(default = "ten_minutes")]
    within: Span,
}

#[async_trait]
impl Plain for Rollback {
    type Args = RollbackArgs;
    const NAME: &'static str = "workload.rollback";
    const CLASS: Class = Class::Undoable;
    const ABOUT: &'static str = "Brings workloads back to the template of an earlier revision.";

    async fn plan(with: &Planning<'_>, args: RollbackArgs) -> Result<Planned, ActionError> {
        let mut planned = Planned::default();
        let mut waits = Vec::new();
        for live in args.target.find(with).await? {
            is_workload(&live)?;
            let known = revisions(with, &live).await?;
            let (number, template) = chosen(&live, known, args.revision)?;
            planned.remarks.push(format!("{} goes back to revision {number}", live.object));
            let field = FieldSet::of(&live.json, &["spec", "template"], Some(template));
            waits.push(live.object.clone());
            planned.change(live.object, field.into_iter().collect());
        }
        planned.rolled_out(waits, args.wait, args.within);
        Ok(planned)
    }
}

/// The revisions of a workload that the cluster still knows, and their templates.
async fn revisions(with: &Planning<'_>, workload: &Live) -> Result<Vec<(i64, Value)>, ActionError> {
    let deployment = workload.object.is("apps", "deployments");
    let resource = if deployment { "replicasets" } else { "controllerrevisions" };
    let all =
        with.list(with.built_in("apps", resource)?, workload.object.namespace.as_deref(), None, None).await?;
    let uid = workload.object.uid.as_deref();
    let own = all.into_iter().filter(|it| it.controller().map(|(_, _, uid)| uid) == uid);
    Ok(own
        .filter_map(|it| if deployment { of_replica_set(&it.json) } else { of_revision(&it.json) })
        .collect())
}

fn of_replica_set(json: &Value) -> Option<(i64, Value)> {
    let number = json["metadata"]["annotations"][REVISION].as_str()?.parse().ok()?;
    let mut template = json["spec"]["template"].clone();
    let labels = template["metadata"]["labels"].as_object_mut();
    labels.and_then(|labels| labels.shift_remove("pod-template-hash"));
    Some((number, template))
}

fn of_revision(json: &Value) -> Option<(i64, Value)> {
    let mut template = json["data"]["spec"]["template"].clone();
    template.as_object_mut()?.shift_remove("$patch");
    Some((json["revision"].as_i64()?, template))
}

/// The revision that is meant.
fn chosen(
    workload: &Live,
    mut known: Vec<(i64, Value)>,
    wanted: Option<i64>,
) -> Result<(i64, Value), ActionError> {
    let object = &workload.object;
    known.sort_by_key(|(number, _)| *number);
    let now = without_nulls(&workload.json["spec"]["template"]);
    let other = |(_, template): &&(i64, Value)| without_nulls(template) != now;
    let found = match wanted {
        Some(number) => known.iter().find(|(n, _)| *n == number),
        None => {
            // Nothing that is newer than what it has now is a way back.
            let current =
                known.iter().rev().find(|(_, template)| without_nulls(template) == now).map(|(n, _)| *n);
            known.iter().rev().filter(|(n, _)| current.is_none_or(|current| *n < current)).find(other)
        }
    };
    let numbers = || known.iter().map(|(n, _)| n.to_string()).collect::<Vec<_>>().join(", ");
    match (found, wanted) {
        (Some(found), _) if other(&found) => Ok(found.clone()),
        (Some((number, _)), _) => {
            Err(ActionError::Refused(format!("{object} has the template of revision {number} already")))
        }
        (None, Some(number)) => Err(ActionError::Missing(format!(
            "revision {number} of {object}: the cluster knows {}",
            numbers()
        ))),
        (None, None) => Err(ActionError::Missing(format!(
            "earlier revision of {object}: the cluster knows {}",
            numbers()
        ))),
    }
}

/// Some versions of the server write out what is empty.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.iter().filter(|(_, value)| !value.is_null());
            Value::Object(kept.map(|(name, value)| (name.clone(), without_nulls(value))).collect())
        }
        Value::Array(items) => items.iter().map(without_nulls).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn workload(template: Value) -> Live {
        let object = ObjectRef {
            group: "apps".into(),
            version: "v1".into(),
            resource: "deployments".into(),
            kind: "Deployment".into(),
            namespace: Some("shop".into()),
            name: "web".into(),
            uid: Some("u".into()),
        };
        Live { object, json: json!({"spec": {"template": template}}).into() }
    }

    #[test]
    fn the_way_back_leads_to_the_one_before() {
        let known = || {
            vec![
                (3, json!({"v": 3})),
                (1, json!({"v": 1})),
                (2, json!({"v": 2, "metadata": {"creationTimestamp": null}})),
            ]
        };
        let number = |now: Value, wanted| {
            chosen(&workload(now), known(), wanted).map(|(n, _)| n).map_err(|e| e.to_string())
        };
        assert_eq!(number(json!({"v": 3}), None), Ok(2));
        assert_eq!(number(json!({"v": 2, "metadata": {}}), None), Ok(1));
        assert_eq!(number(json!({"v": 3}), Some(1)), Ok(1));
        assert!(number(json!({"v": 3}), Some(3)).unwrap_err().contains("already"));
        assert!(number(json!({"v": 3}), Some(9)).unwrap_err().contains("knows 1, 2, 3"));
        assert!(number(json!({"v": 1}), None).unwrap_err().contains("earlier revision"));
        // One that was changed by hand since goes back to the newest that is known.
        assert_eq!(number(json!({"v": 4}), None), Ok(3));
    }

    #[test]
    fn templates_are_read_from_where_each_kind_keeps_them() {
        let set = json!({"metadata": {"annotations": {REVISION: "4"}},
            "spec": {"template": {"metadata": {"labels": {"app": "web", "pod-template-hash": "x"}}, "spec": {}}}});
        assert_eq!(
            of_replica_set(&set),
            Some((4, json!({"metadata": {"labels": {"app": "web"}}, "spec": {}})))
        );
        let revision =
            json!({"revision": 2, "data": {"spec": {"template": {"$patch": "replace", "spec": {"a": 1}}}}});
        assert_eq!(of_revision(&revision), Some((2, json!({"spec": {"a": 1}}))));
        assert_eq!(of_replica_set(&json!({})), None);
        assert_eq!(of_revision(&json!({})), None);
    }
}
