//! Pods: shut in, protected, evicted, deleted.

use super::{
    ActionError, Class, Live, Plain, Planned, Planning,
    network::{Policies, on_host_network},
    resource::Targets,
    unique,
};
use crate::playbook::op::{Create, Delete, Evict, FieldSet, ObjectRef, Op};
use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The label by which the policy of a step selects its pods.
const ISOLATED: &str = "lifeboat.dev/isolated";
/// The labels that an isolated pod had, for whoever finds it.
const LABELS_BEFORE: &str = "lifeboat.dev/labels-before";

/// Shuts pods in.
pub(super) struct Isolate;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct IsolateArgs {
    /// The pod, or several.
    target: Targets,
    /// With which kind of policy.
    #[serde(default)]
    #[expect(dead_code, reason = "there is one method, and its name is checked")]
    method: Method,
    /// Is every label taken from it, so that no Service, controller or other policy selects it any more?
    #[serde(default = "yes")]
    relabel: bool,
    /// What it may still reach.
    #[serde(default)]
    allow_egress: Egress,
    /// Who may still reach it.
    #[serde(default)]
    allow_ingress_from: Ingress,
}

/// With which kind of policy.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
enum Method {
    /// The one that every cluster has.
    #[default]
    Auto,
    /// A NetworkPolicy.
    NetworkPolicy,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Egress {
    /// These addresses.
    #[serde(default)]
    cidrs: Vec<String>,
    /// The cluster's DNS (pods `k8s-app=kube-dns` in `kube-system`).
    #[serde(default)]
    dns: bool,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Ingress {
    /// These addresses.
    #[serde(default)]
    cidrs: Vec<String>,
    /// Every pod of these namespaces.
    #[serde(default)]
    namespaces: Vec<String>,
}

fn yes() -> bool {
    true
}

#[async_trait]
impl Plain for Isolate {
    type Args = IsolateArgs;
    const NAME: &'static str = "pod.isolate";
    const CLASS: Class = Class::Undoable;
    const FORETELLS: bool = true;
    const ABREAST: bool = true;
    const ABOUT: &'static str = "Shuts pods in by a NetworkPolicy of their own, and takes them out of every Service, controller and other policy.";

    async fn plan(with: &Planning<'_>, args: IsolateArgs) -> Result<Planned, ActionError> {
        let mut by_namespace: BTreeMap<String, Vec<Live>> = BTreeMap::new();
        for pod in args.target.find(with).await? {
            can_be_held(&pod)?;
            by_namespace.entry(pod.object.namespace.clone().unwrap_or_default()).or_default().push(pod);
        }
        let kind = with.built_in("networking.k8s.io", "networkpolicies")?;
        let mut planned = Planned::default();
        let (mut made, mut residual) = (Vec::new(), BTreeSet::new());
        let mut changes = Vec::new();
        for (namespace, pods) in by_namespace {
            let name = unique(with, &[&namespace]);
            let policies = Policies::of(with, &namespace).await?;
            let object = ObjectRef::new(kind, Some(&namespace), &name, None);
            let json = policy(&args, &namespace, &name);
            planned.ops.push(Op::Create(Create::new(object.clone(), json, with.run)));
            made.push(object.to_value());
            for pod in pods {
                let after = labels_after(&pod, args.relabel, &name);
                let (left, not_evaluated) = policies.look(&after);
                residual.extend(
                    left.allowed
                        .iter()
                        .filter(|way| way.policy.is_some())
                        .map(|way| format!("{}: {way}", pod.object)),
                );
                residual.extend(not_evaluated.iter().map(|it| format!("{it} is not evaluated")));
                planned.remarks.extend(consequence(&pod, args.relabel));
                changes.push((pod, after));
            }
        }
        // The policy stands before the first pod is in it.
        for (pod, after) in changes {
            let fields = relabelled(&pod, &after);
            planned.change(pod.object, fields);
        }
        planned.remarks.extend(residual.iter().map(|it| format!("still open: {it}")));
        planned.remarks.push("connections that stand already may survive, and only a network plugin that enforces NetworkPolicies holds the pod".to_owned());
        if args.allow_egress.dns {
            planned.remarks.push("questions to the DNS can carry data out".to_owned());
        }
        planned.result = Some(json!({"policies": made, "residual": residual}).into());
        Ok(planned)
    }
}

fn can_be_held(pod: &Live) -> Result<(), ActionError> {
    let refused = |why: &str| Err(ActionError::Refused(format!("{} {why}", pod.object)));
    if !pod.object.is("", "pods") {
        return Err(ActionError::Arguments(format!("{} is no pod", pod.object)));
    }
    if on_host_network(pod) {
        return refused(
            "is in the network of its node, where no NetworkPolicy holds it: treat the node as compromised",
        );
    }
    if pod.is_mirror_pod() {
        return refused(
            "is run by its kubelet out of a file, and the API cannot hold it: treat the node as compromised",
        );
    }
    Ok(())
}

fn policy(args: &IsolateArgs, namespace: &str, name: &str) -> Value {
    let blocks = |cidrs: &[String]| -> Vec<Value> {
        cidrs.iter().map(|cidr| json!({"ipBlock": {"cidr": cidr}})).collect()
    };
    let named = |namespace: &str| json!({"matchLabels": {"kubernetes.io/metadata.name": namespace}});
    let mut from = blocks(&args.allow_ingress_from.cidrs);
    from.extend(args.allow_ingress_from.namespaces.iter().map(|it| json!({"namespaceSelector": named(it)})));
    let mut egress = Vec::new();
    if !args.allow_egress.cidrs.is_empty() {
        egress.push(json!({"to": blocks(&args.allow_egress.cidrs)}));
    }
    if args.allow_egress.dns {
        let server = json!({"namespaceSelector": named("kube-system"), "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}}});
        let ports = json!([{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}]);
        egress.push(json!({"to": [server], "ports": ports}));
    }
    let ingress = if from.is_empty() { Vec::new() } else { vec![json!({"from": from})] };
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": namespace, "labels": {}},
        "spec": {
            "podSelector": {"matchLabels": {ISOLATED: name}},
            "policyTypes": ["Ingress", "Egress"], "ingress": ingress, "egress": egress,
        },
    })
}

/// The labels that a pod will have.
fn labels_after(pod: &Live, relabel: bool, name: &str) -> Value {
    let old = if relabel {
        Map::new()
    } else {
        pod.json["metadata"]["labels"].as_object().cloned().unwrap_or_default()
    };
    let mut labels = old;
    labels.insert(ISOLATED.to_owned(), name.into());
    Value::Object(labels)
}

fn relabelled(pod: &Live, after: &Value) -> Vec<FieldSet> {
    let before: BTreeMap<&str, &str> = pod.labels().collect();
    let gone = before.keys().filter(|name| after.get(**name).is_none());
    let mut fields: Vec<FieldSet> =
        gone.filter_map(|name| FieldSet::of(&pod.json, &["metadata", "labels", name], None)).collect();
    let noted = if fields.is_empty() { None } else { Some(json!(before).to_string().into()) };
    let new = after.as_object().into_iter().flatten();
    fields.extend(new.filter_map(|(name, value)| {
        FieldSet::of(&pod.json, &["metadata", "labels", name], Some(value.clone()))
    }));
    fields.extend(
        noted.and_then(|noted| {
            FieldSet::of(&pod.json, &["metadata", "annotations", LABELS_BEFORE], Some(noted))
        }),
    );
    fields
}

/// What the one that owns a pod does when the pod loses its labels.
fn consequence(pod: &Live, relabel: bool) -> Option<String> {
    let (kind, name, _) = pod.controller().filter(|_| relabel)?;
    let object = &pod.object;
    Some(match kind {
        "StatefulSet" => {
            format!(
                "{kind} {name} makes no other pod in the place of {object} while that exists: their names are the same"
            )
        }
        "DaemonSet" | "Job" => format!("{kind} {name} lets {object} go and starts another one"),
        _ => format!(
            "{kind} {name} lets {object} go and starts another one; taken back, it takes the pod in again and deletes one that is too many"
        ),
    })
}

/// Keeps pods from being moved.
pub(super) struct Protect;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ProtectArgs {
    /// The pod, or several.
    target: Targets,
    /// More annotations, such as the number of the incident.
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

#[async_trait]
impl Plain for Protect {
    type Args = ProtectArgs;
    const NAME: &'static str = "pod.protect";
    const CLASS: Class = Class::Undoable;
    const ABREAST: bool = true;
    const ABOUT: &'static str = "Tells autoscalers by annotations to leave pods where they are.";

    async fn plan(with: &Planning<'_>, args: ProtectArgs) -> Result<Planned, ActionError> {
        let mut wanted = BTreeMap::from([
            ("cluster-autoscaler.kubernetes.io/safe-to-evict".to_owned(), "false".to_owned()),
            ("karpenter.sh/do-not-disrupt".to_owned(), "true".to_owned()),
        ]);
        wanted.extend(args.annotations);
        let mut planned = Planned::default();
        for pod in pods(with, &args.target).await? {
            let fields = wanted.iter().filter_map(|(name, value)| {
                FieldSet::of(&pod.json, &["metadata", "annotations", name], Some(value.as_str().into()))
            });
            let fields = fields.collect();
            planned.change(pod.object, fields);
        }
        Ok(planned)
    }
}

async fn pods(with: &Planning<'_>, targets: &Targets) -> Result<Vec<Live>, ActionError> {
    let found = targets.find(with).await?;
    match found.iter().find(|it| !it.object.is("", "pods")) {
        Some(other) => Err(ActionError::Arguments(format!("{} is no pod", other.object))),
        None => Ok(found),
    }
}

/// Asks pods to go.
pub(super) struct EvictPod;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct EvictArgs {
    /// The pod, or several.
    target: Targets,
    /// How many seconds it gets to end.
    #[serde(default)]
    grace_period_seconds: Option<u32>,
    /// False deletes it whatever disruption budgets say.
    #[serde(default = "yes", rename = "respectPDB")]
    respect_pdb: bool,
}

#[async_trait]
impl Plain for EvictPod {
    type Args = EvictArgs;
    const NAME: &'static str = "pod.evict";
    const CLASS: Class = Class::HardToUndo;
    const ABOUT: &'static str = "Evicts pods, where their disruption budgets let them go.";

    async fn plan(with: &Planning<'_>, args: EvictArgs) -> Result<Planned, ActionError> {
        let mut planned = Planned::default();
        for pod in pods(with, &args.target).await? {
            planned.go(pod, args.grace_period_seconds, args.respect_pdb)?;
        }
        Ok(planned)
    }
}

/// Deletes pods.
pub(super) struct DeletePod;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct DeleteArgs {
    /// The pod, or several.
    target: Targets,
    /// How many seconds it gets to end; 0 kills it at once.
    #[serde(default)]
    grace_period_seconds: Option<u32>,
}

#[async_trait]
impl Plain for DeletePod {
    type Args = DeleteArgs;
    const NAME: &'static str = "pod.delete";
    const CLASS: Class = Class::Irreversible;
    const ABOUT: &'static str = "Deletes pods; what owns them starts others.";

    async fn plan(with: &Planning<'_>, args: DeleteArgs) -> Result<Planned, ActionError> {
        let mut planned = Planned::default();
        for pod in pods(with, &args.target).await? {
            planned.go(pod, args.grace_period_seconds, false)?;
        }
        Ok(planned)
    }
}

impl Planned {
    /// A pod has to go.
    fn go(&mut self, pod: Live, grace: Option<u32>, evict: bool) -> Result<(), ActionError> {
        if pod.is_mirror_pod() {
            let text = format!(
                "{} is run by its kubelet out of a file, and comes back: take the file away",
                pod.object
            );
            return Err(ActionError::Refused(text));
        }
        if pod.controller().is_none() {
            self.remarks.push(format!("nothing owns {}: nothing starts another one", pod.object));
        }
        self.ops.push(match evict {
            true => Op::Evict(Evict { object: pod.object, grace, within_ms: 0 }),
            false => Op::Delete(Delete { object: pod.object, propagation: None, grace, kept: None }),
        });
        Ok(())
    }
}

#[cfg(test)]
#[path = "pod_tests.rs"]
mod tests;
