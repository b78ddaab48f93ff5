//! What a server or a controller writes into an object.
//!
//! What stays, though it looks alike: finalizers and owner references (whoever puts the object back knows what became of the
//! owner); the volume name of a claim, since the volume is put back as well and waits for that claim; certificates of
//! authorities in webhooks, API services and CRDs, which often only an operator could make again; the tolerations that
//! admission adds to pods.

use super::{FREE_MAPS, SERVICE_ACCOUNT_TOKEN};
use crate::object::{
    TypeName,
    reach::{each, each_map, text},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What of an object is kept though a server or a controller set it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Keep {
    /// `status`, as it was.
    pub status: bool,
    /// The addresses of Services.
    pub cluster_ips: bool,
    /// The ports of nodes at which Services answer.
    pub node_ports: bool,
}

/// The fields of a type, at the end of a way, that go if something holds.
type Rule = (&'static str, &'static str, fn(&Value, &Keep) -> bool, &'static str, &'static [&'static str]);

const METADATA: &[&str] = &[
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "uid",
];

const CLAIM_ANNOTATIONS: &[&str] = &[
    "pv.kubernetes.io/bind-completed",
    "pv.kubernetes.io/bound-by-controller",
    "volume.alpha.kubernetes.io/selected-node",
    "volume.beta.kubernetes.io/storage-provisioner",
    "volume.kubernetes.io/selected-node",
    "volume.kubernetes.io/storage-provisioner",
];

const JOB_LABELS: &[&str] = &["controller-uid", "batch.kubernetes.io/controller-uid"];

/// The last three are derived from the classes that a pod names, and admission refuses others than its own.
const POD: &[&str] = &["nodeName", "ephemeralContainers", "overhead", "preemptionPolicy", "priority"];

const RULES: &[Rule] = &[
    ("", "namespaces", always, "spec", &["finalizers"]),
    ("", "persistentvolumeclaims", always, "metadata.annotations", CLAIM_ANNOTATIONS),
    ("", "persistentvolumes", always, "spec.claimRef", &["resourceVersion", "uid"]),
    ("", "pods", always, "spec", POD),
    ("", "secrets", is_token, "data", &["ca.crt", "namespace", "token"]),
    ("", "secrets", is_token, "metadata.annotations", &["kubernetes.io/service-account.uid"]),
    ("", "services", has_own_ip, "spec", &["clusterIP", "clusterIPs"]),
    ("", "services", without_node_ports, "spec", &["healthCheckNodePort"]),
    ("", "services", without_node_ports, "spec.ports.*", &["nodePort"]),
    ("apps", "daemonsets", always, "metadata.annotations", &["deprecated.daemonset.template.generation"]),
    ("apps", "deployments", always, "metadata.annotations", &["deployment.kubernetes.io/revision"]),
    ("batch", "jobs", is_numbered, "metadata.labels", JOB_LABELS),
    ("batch", "jobs", is_numbered, "spec.template.metadata.labels", JOB_LABELS),
    ("batch", "jobs", is_numbered, "spec", &["selector"]),
    // A controller gathers them from other roles.
    ("rbac.authorization.k8s.io", "clusterroles", is_gathered, "", &["rules"]),
];

fn always(_: &Value, _: &Keep) -> bool {
    true
}

fn is_token(secret: &Value, _: &Keep) -> bool {
    text(secret, &["type"]) == Some(SERVICE_ACCOUNT_TOKEN)
}

fn has_own_ip(service: &Value, keep: &Keep) -> bool {
    !keep.cluster_ips && text(service, &["spec", "clusterIP"]) != Some("None")
}

fn without_node_ports(_: &Value, keep: &Keep) -> bool {
    !keep.node_ports
}

/// Are a job's pods told by its uid, as they are unless somebody wrote a selector?
fn is_numbered(job: &Value, _: &Keep) -> bool {
    job.pointer("/spec/manualSelector") != Some(&Value::Bool(true))
}

fn is_gathered(role: &Value, _: &Keep) -> bool {
    role.get("aggregationRule").is_some_and(Value::is_object)
}

/// Takes out of an object what a server or a controller writes, so that what is left can be created in any cluster. What is
/// clean stays as it is.
pub fn clean(kind: &TypeName, object: &mut Value, keep: &Keep) {
    remove(object, "metadata", METADATA);
    if !keep.status {
        remove(object, "", &["status"]);
    }
    for (_, _, when, way, fields) in RULES.iter().filter(|(group, resource, ..)| kind.is(group, resource)) {
        if when(object, keep) {
            remove(object, way, fields);
        }
    }
    if kind.is("", "pods") {
        remove_token_volumes(object);
    }
    if kind.is("", "serviceaccounts") {
        let account = text(object, &["metadata", "name"]).unwrap_or_default().to_owned();
        remove_named(object, "", "secrets", &|name| is_generated(name, &format!("{account}-token-")));
    }
}

/// The fields at the end of a way, and the map that held them if anybody could have written it and nothing is left.
fn remove(object: &mut Value, way: &str, fields: &[&str]) {
    let take = |map: &mut serde_json::Map<String, Value>| map.retain(|name, _| !fields.contains(&&**name));
    each_map(object, way, &mut { take });
    let (parent, last) = way.rsplit_once('.').unwrap_or(("", way));
    if FREE_MAPS.contains(&last) {
        each_map(object, parent, &mut |map| {
            if map.get(last).and_then(Value::as_object).is_some_and(serde_json::Map::is_empty) {
                map.shift_remove(last);
            }
        });
    }
}

/// The elements of a list that have such a name, and the list if nothing is left.
fn remove_named(object: &mut Value, way: &str, list: &str, named: &dyn Fn(&str) -> bool) {
    each_map(object, way, &mut |map| {
        let Some(Value::Array(elements)) = map.get_mut(list) else { return };
        elements.retain(|element| !text(element, &["name"]).is_some_and(named));
        if elements.is_empty() {
            map.shift_remove(list);
        }
    });
}

/// The token that admission mounts into every container: projected, or a Secret's in clusters before 1.22.
fn remove_token_volumes(pod: &mut Value) {
    let account = text(pod, &["spec", "serviceAccountName"]).unwrap_or("default");
    let of_secret = format!("{account}-token-");
    let mut tokens = Vec::new();
    each(pod, "spec.volumes.*", &mut |volume| {
        let name = text(volume, &["name"]).unwrap_or_default();
        let holds = |source: &str| volume.get(source).is_some();
        if holds("projected") && is_generated(name, "kube-api-access-")
            || holds("secret") && is_generated(name, &of_secret)
        {
            tokens.push(name.to_owned());
        }
    });
    let is_token = |name: &str| tokens.iter().any(|token| token == name);
    remove_named(pod, "spec", "volumes", &is_token);
    for containers in ["spec.containers.*", "spec.initContainers.*"] {
        remove_named(pod, containers, "volumeMounts", &is_token);
    }
}

/// Did the API server make this name up from `base`? It cuts the base, and adds five characters that spell no words.
fn is_generated(name: &str, base: &str) -> bool {
    const KEPT: usize = 58;
    let base = base.get(..KEPT).unwrap_or(base);
    let random = |byte: u8| b"bcdfghjklmnpqrstvwxz2456789".contains(&byte);
    name.strip_prefix(base).is_some_and(|rest| rest.len() == 5 && rest.bytes().all(random))
}
