//! Nodes: closed, tainted, emptied, taken out.

use super::{ActionError, Class, Live, Plain, Planned, Planning, resource::Targets, span::Span};
use crate::playbook::op::{Condition, Delete, Evict, FieldSet, Op, Wait};
use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;

async fn node(with: &Planning<'_>, name: &str) -> Result<Live, ActionError> {
    let live = with.get(with.built_in("", "nodes")?, None, name).await?;
    live.ok_or_else(|| ActionError::Missing(format!("Node {name}")))
}

/// Lets nothing more be placed on a node.
pub(super) struct Cordon;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct CordonArgs {
    /// Its name.
    node: String,
    /// Is it kept from autoscalers that would take it away?
    #[serde(default)]
    protect_from_scale_down: bool,
}

#[async_trait]
impl Plain for Cordon {
    type Args = CordonArgs;
    const NAME: &'static str = "node.cordon";
    const CLASS: Class = Class::Undoable;
    const ABOUT: &'static str = "Lets no more pods be placed on a node.";

    async fn plan(with: &Planning<'_>, args: CordonArgs) -> Result<Planned, ActionError> {
        let live = node(with, &args.node).await?;
        let mut fields: Vec<FieldSet> =
            FieldSet::of(&live.json, &["spec", "unschedulable"], Some(true.into())).into_iter().collect();
        if args.protect_from_scale_down {
            for name in
                ["cluster-autoscaler.kubernetes.io/scale-down-disabled", "karpenter.sh/do-not-disrupt"]
            {
                fields.extend(FieldSet::of(
                    &live.json,
                    &["metadata", "annotations", name],
                    Some("true".into()),
                ));
            }
        }
        let mut planned = Planned::default();
        planned.change(live.object, fields);
        Ok(planned)
    }
}

/// Lets pods be placed on a node again.
pub(super) struct Uncordon;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct UncordonArgs {
    /// Its name.
    node: String,
}

#[async_trait]
impl Plain for Uncordon {
    type Args = UncordonArgs;
    const NAME: &'static str = "node.uncordon";
    const CLASS: Class = Class::Undoable;
    const ABOUT: &'static str = "Lets pods be placed on a node again.";

    async fn plan(with: &Planning<'_>, args: UncordonArgs) -> Result<Planned, ActionError> {
        let live = node(with, &args.node).await?;
        let field = FieldSet::of(&live.json, &["spec", "unschedulable"], None);
        let mut planned = Planned::default();
        planned.change(live.object, field.into_iter().collect());
        Ok(planned)
    }
}

/// Taints a node.
pub(super) struct Taint;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct TaintArgs {
    /// The node's name.
    node: String,
    /// The taint's key.
    key: String,
    /// Its value.
    #[serde(default)]
    value: Option<String>,
    /// What it does.
    effect: Effect,
    /// True takes the taint away.
    #[serde(default)]
    remove: bool,
}

/// What a taint does to pods that do not tolerate it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
enum Effect {
    /// None is placed there.
    NoSchedule,
    /// None is placed there if there is another node.
    PreferNoSchedule,
    /// Those that are there have to go.
    NoExecute,
}

#[async_trait]
impl Plain for Taint {
    type Args = TaintArgs;
    const NAME: &'static str = "node.taint";
    const CLASS: Class = Class::Undoable;
    const ABOUT: &'static str = "Sets a taint of a node, or takes it away.";

    async fn plan(with: &Planning<'_>, args: TaintArgs) -> Result<Planned, ActionError> {
        let live = node(with, &args.node).await?;
        let mut planned = Planned::default();
        if args.effect == Effect::NoExecute && !args.remove {
            planned.remarks.push(
                "pods that do not tolerate it are deleted at once, whatever disruption budgets say"
                    .to_owned(),
            );
        }
        let field = tainted(&live.json, &args);
        planned.change(live.object, field.into_iter().collect());
        Ok(planned)
    }
}

/// The taint alone is set: controllers write others into the same list.
fn tainted(node: &Value, args: &TaintArgs) -> Option<FieldSet> {
    let effect = match args.effect {
        Effect::NoSchedule => "NoSchedule",
        Effect::PreferNoSchedule => "PreferNoSchedule",
        Effect::NoExecute => "NoExecute",
    };
    let names = json!({"key": args.key, "effect": effect});
    let mut taint = names.clone();
    if let Some(value) = args.value.as_ref().filter(|it| !it.is_empty()) {
        taint["value"] = value.as_str().into();
    }
    let path = ["spec", "taints", &FieldSet::entry(&names)];
    FieldSet::of(node, &path, (!args.remove).then_some(taint))
}

/// Takes a node out of the cluster.
pub(super) struct DeleteNode;

#[async_trait]
impl Plain for DeleteNode {
    type Args = UncordonArgs;
    const NAME: &'static str = "node.delete";
    const CLASS: Class = Class::Irreversible;
    const ABOUT: &'static str = "Deletes the object of a node, and with it the tokens that are bound to it.";

    async fn plan(with: &Planning<'_>, args: UncordonArgs) -> Result<Planned, ActionError> {
        let live = node(with, &args.node).await?;
        let text = format!(
            "a kubelet that still runs on {} registers again: cut off or stop the machine first",
            args.node
        );
        let delete = Delete { object: live.object, propagation: None, grace: None, kept: None };
        Ok(Planned { ops: vec![Op::Delete(delete)], remarks: vec![text], result: None })
    }
}

/// Empties a node.
pub(super) struct Drain;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct DrainArgs {
    /// Its name.
    node: String,
    /// False deletes pods whatever disruption budgets say.
    #[serde(default = "yes", rename = "respectPDB")]
    respect_pdb: bool,
    /// Pods that stay, such as those that are kept as evidence.
    #[serde(default = "none")]
    exclude: Targets,
    /// How long disruption budgets are waited for, and until a pod is gone.
    #[serde(default = "ten_minutes")]
    max_wait: Span,
    /// How many seconds each pod gets to end.
    #[serde(default)]
    grace_period_seconds: Option<u32>,
}

fn yes() -> bool {
    true
}

fn none() -> Targets {
    Targets::Several(Vec::new())
}

fn ten_minutes() -> Span {
    Span(600_000)
}

#[async_trait]
impl Plain for Drain {
    type Args = DrainArgs;
    const NAME: &'static str = "node.drain";
    const CLASS: Class = Class::HardToUndo;
    const ABOUT: &'static str = "Evicts the pods of a node, but those of DaemonSets, those that the kubelet runs by itself, and those that are to stay.";

    async fn plan(with: &Planning<'_>, args: DrainArgs) -> Result<Planned, ActionError> {
        let live = node(with, &args.node).await?;
        let on_node = format!("spec.nodeName={}", args.node);
        let mut pods = with.list(with.built_in("", "pods")?, None, None, Some(&on_node)).await?;
        pods.sort_by(|a, b| a.object.cmp(&b.object));
        // A pod that was named and is gone need not stay.
        let kept: BTreeSet<(Option<String>, String)> = args.exclude.names();
        let mut planned = Planned::default();
        if live.json["spec"]["unschedulable"] != true {
            let text = format!(
                "{} is open: pods may be placed on it again unless a step before closes it (node.cordon)",
                live.object
            );
            planned.remarks.push(text);
        }
        let mut waits = Vec::new();
        for pod in pods {
            let staying = match stays(&pod) {
                None if kept.contains(&(pod.object.namespace.clone(), pod.object.name.clone())) => {
                    Some("it is to stay")
                }
                staying => staying,
            };
            if let Some(why) = staying {
                planned.remarks.push(format!("{} stays: {why}", pod.object));
                continue;
            }
            planned.remarks.extend(loses(&pod));
            waits.push(pod.object.clone());
            if pod.json["metadata"]["deletionTimestamp"].is_string() {
                continue;
            }
            let (object, grace) = (pod.object, args.grace_period_seconds);
            planned.ops.push(match args.respect_pdb {
                true => Op::Evict(Evict { object, grace, within_ms: args.max_wait.0 }),
                false => Op::Delete(Delete { object, propagation: None, grace, kept: None }),
            });
        }
        let gone = |object| Op::Wait(Wait { until: Condition::Gone(object), within_ms: args.max_wait.0 });
        planned.ops.extend(waits.into_iter().map(gone));
        Ok(planned)
    }
}

/// Why a pod is not evicted.
fn stays(pod: &Live) -> Option<&'static str> {
    if pod.is_mirror_pod() {
        Some("its kubelet runs it out of a file")
    } else if pod.controller().is_some_and(|(kind, ..)| kind == "DaemonSet") {
        Some("its DaemonSet would place it there again")
    } else {
        None
    }
}

/// What goes with a pod.
fn loses(pod: &Live) -> Vec<String> {
    let mut told = Vec::new();
    let volumes = pod.json["spec"]["volumes"].as_array().into_iter().flatten();
    let scratch: Vec<&str> =
        volumes.filter(|it| it["emptyDir"].is_object()).filter_map(|it| it["name"].as_str()).collect();
    if !scratch.is_empty() {
        told.push(format!("what {} has in {} is lost", pod.object, scratch.join(", ")));
    }
    if pod.controller().is_none() {
        told.push(format!("nothing owns {}: nothing starts another one", pod.object));
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::playbook::op::{ObjectRef, set_all};

    fn pod(json: Value) -> Live {
        let object = ObjectRef {
            group: String::new(),
            version: "v1".into(),
            resource: "pods".into(),
            kind: "Pod".into(),
            namespace: Some("shop".into()),
            name: "web".into(),
            uid: Some("u".into()),
        };
        Live { object, json: json.into() }
    }

    #[test]
    fn what_a_node_runs_for_itself_stays() {
        let owned = |kind: &str| {
            pod(
                json!({"metadata": {"ownerReferences": [{"kind": kind, "name": "x", "uid": "y", "controller": true}]}}),
            )
        };
        assert!(stays(&owned("DaemonSet")).is_some());
        assert!(stays(&owned("ReplicaSet")).is_none());
        assert!(
            stays(&pod(json!({"metadata": {"annotations": {"kubernetes.io/config.mirror": "x"}}}))).is_some()
        );
        let told = loses(&pod(
            json!({"spec": {"volumes": [{"name": "tmp", "emptyDir": {}}, {"name": "c", "configMap": {}}]}}),
        ));
        assert_eq!(
            told,
            ["what Pod shop/web has in tmp is lost", "nothing owns Pod shop/web: nothing starts another one"]
        );
    }

    #[test]
    fn a_taint_is_told_apart_by_its_key_and_effect() {
        let args = |remove: bool| {
            let json = json!({"node": "n", "key": "incident", "value": "7", "effect": "NoSchedule", "remove": remove});
            serde_json::from_value::<TaintArgs>(json).unwrap()
        };
        let mut node = json!({"spec": {"taints": [{"key": "incident", "effect": "NoExecute"}]}});
        let field = tainted(&node, &args(false)).unwrap();
        set_all(&mut node, &[field]);
        assert_eq!(
            node["spec"]["taints"][1],
            json!({"key": "incident", "effect": "NoSchedule", "value": "7"})
        );
        assert!(tainted(&node, &args(false)).is_none());
        let field = tainted(&node, &args(true)).unwrap();
        set_all(&mut node, &[field]);
        assert_eq!(node, json!({"spec": {"taints": [{"key": "incident", "effect": "NoExecute"}]}}));
    }
}
