//! On what terms a cluster that others use too takes in what is restored: what would act on it as a whole, or on the world, is not
//! made or made harmless, and everything that is made carries the drill's label. Pure, and so the rules are all here.
//!
//! What acts, and by which field that is held back, is told by the Kubernetes API reference, and by the documentation of external-dns and
//! cert-manager for their annotations.

use super::super::{
    disarm::TYPES,
    fate::{Fate, fate},
};
use crate::{
    object::{Identity, TypeName},
    restore::resources::Terms,
};
use serde_json::{Map, Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
};

/// The label of everything that a drill makes in a cluster that is not its own.
pub(in crate::drill) const LABEL: &str = "lifeboat.dev/drill";
/// A class that no cluster has: nothing is provisioned, and nothing is served.
const NOWHERE: &str = "lifeboat-drill-nowhere";
/// Namespaces that every cluster has.
const SYSTEM: [&str; 4] = ["default", "kube-system", "kube-public", "kube-node-lease"];
/// Finalizers that Kubernetes itself sets, and takes away. Nobody may be there to take away any other.
const FINALIZERS: [&str; 2] = ["kubernetes.io/pvc-protection", "customresourcecleanup.apiextensions.k8s.io"];
/// By these a controller of the cluster would act for a host's name.
const OF_NAMES: [&str; 4] = [
    "external-dns.alpha.kubernetes.io/",
    "cert-manager.io/",
    "acme.cert-manager.io/",
    "kubernetes.io/ingress.class",
];

const COMMON: &str = "every cluster has it, and this one's is left alone";
const IN_COMMON: &str = "it lives in a namespace that every cluster has, beside what is there";
const WHOLE: &str = "it would act on the whole cluster";
const DISKS: &str = "it names a disk or a snapshot of the source, or would have one made";
const PODS: &str = "it would run at once";
const ELSEWHERE: &str = "another server of that cluster would answer for it";

/// Types that are not taken in, and why.
const REFUSED: &[(&str, &[&str], &str)] = &[
    ("", &["pods"], PODS),
    ("", &["persistentvolumes"], DISKS),
    (
        "snapshot.storage.k8s.io",
        &["volumesnapshotclasses", "volumesnapshotcontents", "volumesnapshots"],
        DISKS,
    ),
    ("storage.k8s.io", &["storageclasses", "csidrivers", "volumeattributesclasses"], DISKS),
    ("networking.k8s.io", &["ingressclasses", "servicecidrs", "ipaddresses"], WHOLE),
    ("apiregistration.k8s.io", &["apiservices"], WHOLE),
    ("flowcontrol.apiserver.k8s.io", &["flowschemas", "prioritylevelconfigurations"], WHOLE),
];

/// What was made harmless, by the places of objects, so that each counts once.
#[derive(Debug, Default)]
struct Seen {
    disarmed: BTreeMap<&'static str, BTreeSet<(String, String, String)>>,
    /// What workloads had that makes them run.
    drives: BTreeMap<(String, String, String), Value>,
}

/// The terms of an existing cluster, for one drill.
#[derive(Debug)]
pub(super) struct Guest {
    drill: String,
    egress: bool,
    /// Groups that other servers of the cluster answer for.
    aggregated: BTreeSet<String>,
    seen: Mutex<Seen>,
}

impl Guest {
    pub(super) fn new(drill: &str, egress: bool, aggregated: BTreeSet<String>) -> Self {
        Guest { drill: drill.to_owned(), egress, aggregated, seen: Mutex::default() }
    }

    /// How many objects were made harmless in this way.
    pub(super) fn disarmed(&self, how: &str) -> usize {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.disarmed.get(how).map_or(0, BTreeSet::len)
    }

    /// Gives a workload back what makes it run; `false` if it is not known.
    pub(super) fn drive(&self, resource: &str, object: &mut Value) -> bool {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(drive) = seen.drives.get(&place(resource, object)) else { return false };
        let way = driven_by(resource);
        if let Some((last, parents)) = way.split_last()
            && let Some(map) = inside(object, parents)
        {
            match drive {
                Value::Null => map.shift_remove(*last),
                drive => map.insert((*last).to_owned(), drive.clone()),
            };
        }
        true
    }

    fn note(&self, how: &'static str, resource: &str, object: &Value) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.disarmed.entry(how).or_default().insert(place(resource, object));
    }
}

fn place(resource: &str, object: &Value) -> (String, String, String) {
    let text = |name: &str| object["metadata"][name].as_str().unwrap_or_default().to_owned();
    (resource.to_owned(), text("namespace"), text("name"))
}

/// The field that makes a workload run.
fn driven_by(resource: &str) -> &'static [&'static str] {
    match resource {
        "daemonsets" => &["spec", "template", "spec", "nodeSelector"],
        _ => &["spec", "replicas"],
    }
}

/// The map at the end of a way, made where there is nothing; nothing where something else is.
fn inside<'a>(object: &'a mut Value, way: &[&str]) -> Option<&'a mut Map<String, Value>> {
    let mut map = object.as_object_mut()?;
    for name in way {
        let next = map.entry(*name).or_insert(Value::Null);
        if next.is_null() {
            *next = json!({});
        }
        map = next.as_object_mut()?;
    }
    Some(map)
}

/// The map at the end of a way, where there is one.
fn there<'a>(object: &'a mut Value, way: &[&str]) -> Option<&'a mut Map<String, Value>> {
    way.iter().try_fold(object, |value, name| value.get_mut(*name))?.as_object_mut()
}

impl Terms for Guest {
    fn refuses(&self, object: &Identity) -> Option<&'static str> {
        let Identity { kind, namespace, name, .. } = object;
        if let Some(namespace) = namespace.as_deref() {
            if SYSTEM.contains(&namespace) {
                return Some(IN_COMMON);
            }
            if kind.is("", "serviceaccounts") && &**name == "default" {
                return Some("its controller makes it in every namespace");
            }
        }
        let of_all = &*kind.group == "rbac.authorization.k8s.io"
            && namespace.is_none()
            && (name.starts_with("system:") || ["admin", "cluster-admin", "edit", "view"].contains(&&**name))
            || kind.is("", "namespaces") && SYSTEM.contains(&&**name)
            || kind.is("scheduling.k8s.io", "priorityclasses") && name.starts_with("system-");
        if of_all {
            return Some(COMMON);
        }
        if &*kind.group == "admissionregistration.k8s.io" {
            return Some(WHOLE);
        }
        if self.aggregated.contains(&*kind.group) {
            return Some(ELSEWHERE);
        }
        let of_type = |(group, resources, _): &&(&str, &[&str], &str)| {
            *group == &*kind.group && resources.contains(&&*kind.resource)
        };
        REFUSED.iter().find(of_type).map(|(.., why)| *why)
    }

    fn adapt(&self, kind: &TypeName, object: &mut Value) {
        let (group, resource) = (&*kind.group, &*kind.resource);
        if let Some(labels) = inside(object, &["metadata", "labels"]) {
            labels.insert(LABEL.to_owned(), self.drill.clone().into());
        }
        keep_finalizers(object);
        if TYPES.contains(&(group, resource)) {
            if super::super::WORKLOADS.contains(&resource) {
                let drive = driven_by(resource).iter().try_fold(&*object, |value, name| value.get(*name));
                let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
                seen.drives.insert(place(resource, object), drive.cloned().unwrap_or_default());
            }
            if let Fate::Changed(changed) = fate(resource, object.clone(), false, &self.drill) {
                self.note(how(resource), resource, object);
                *object = changed;
            }
        }
        let change: fn(&mut Value) = match (group, resource) {
            ("", "services") => closed,
            ("networking.k8s.io", "ingresses") => unserved,
            ("networking.k8s.io", "networkpolicies") if !self.egress => inwards,
            ("", "persistentvolumeclaims") => unprovisioned,
            ("apps", "deployments" | "statefulsets" | "daemonsets") => without_disks,
            ("apiextensions.k8s.io", "customresourcedefinitions") => unconverted,
            ("scheduling.k8s.io", "priorityclasses") => humble,
            ("rbac.authorization.k8s.io", "clusterroles") => alone,
            ("rbac.authorization.k8s.io", "clusterrolebindings") => powerless,
            ("rbac.authorization.k8s.io", "rolebindings") => of_accounts,
            _ => return,
        };
        let before = object.clone();
        change(object);
        if *object != before {
            self.note(how(resource), resource, &before);
        }
    }
}

/// What it is called in the evidence.
fn how(resource: &str) -> &'static str {
    match resource {
        "cronjobs" | "jobs" => "jobs",
        "services" | "ingresses" => "ways in",
        "persistentvolumeclaims" => "claims",
        "clusterroles" | "clusterrolebindings" | "rolebindings" => "rights",
        "customresourcedefinitions" => "conversions",
        "networkpolicies" => "policies",
        "priorityclasses" => "priorities",
        _ => "workloads",
    }
}

fn keep_finalizers(object: &mut Value) {
    let Some(metadata) = there(object, &["metadata"]) else { return };
    let Some(list) = metadata.get_mut("finalizers").and_then(Value::as_array_mut) else { return };
    list.retain(|it| it.as_str().is_some_and(|it| FINALIZERS.contains(&it)));
    if list.is_empty() {
        metadata.shift_remove("finalizers");
    }
}

fn without_names(object: &mut Value) {
    let Some(metadata) = there(object, &["metadata"]) else { return };
    let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) else { return };
    annotations.retain(|name, _| !OF_NAMES.iter().any(|prefix| name.starts_with(prefix)));
    if annotations.is_empty() {
        metadata.shift_remove("annotations");
    }
}

/// No port of a node is opened, and no address is claimed.
fn closed(service: &mut Value) {
    without_names(service);
    let Some(spec) = there(service, &["spec"]) else { return };
    spec.shift_remove("externalIPs");
    if spec.get("type").and_then(Value::as_str) == Some("NodePort") {
        spec.insert("type".to_owned(), "ClusterIP".into());
        spec.shift_remove("externalTrafficPolicy");
        for port in spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
            port.as_object_mut().map(|port| port.shift_remove("nodePort"));
        }
    }
}

/// No controller takes it for its own, and none publishes its names.
fn unserved(ingress: &mut Value) {
    without_names(ingress);
    if let Some(annotations) = inside(ingress, &["metadata", "annotations"]) {
        annotations.insert("external-dns.alpha.kubernetes.io/controller".to_owned(), NOWHERE.into());
    }
    if let Some(spec) = inside(ingress, &["spec"]) {
        spec.insert("ingressClassName".to_owned(), NOWHERE.into());
    }
}

/// It lets nothing out: that is for the drill's own policy.
fn inwards(policy: &mut Value) {
    let Some(spec) = there(policy, &["spec"]) else { return };
    // What it says of that way without a rule closes it.
    if spec.shift_remove("egress").is_some() {
        spec.entry("policyTypes").or_insert_with(|| json!(["Ingress", "Egress"]));
    }
}

/// The claims that its pods would have made wait as all others do.
fn without_disks(workload: &mut Value) {
    let templates = workload.pointer_mut("/spec/volumeClaimTemplates").and_then(Value::as_array_mut);
    templates.into_iter().flatten().for_each(unprovisioned);
    let volumes = workload.pointer_mut("/spec/template/spec/volumes").and_then(Value::as_array_mut);
    for volume in volumes.into_iter().flatten() {
        volume.pointer_mut("/ephemeral/volumeClaimTemplate").map(unprovisioned);
    }
}

/// It waits for a class that is not there, and nobody fills it.
fn unprovisioned(claim: &mut Value) {
    if let Some(annotations) = there(claim, &["metadata", "annotations"]) {
        annotations.shift_remove("volume.beta.kubernetes.io/storage-class");
    }
    let Some(spec) = inside(claim, &["spec"]) else { return };
    for name in ["volumeName", "dataSource", "dataSourceRef", "volumeAttributesClassName"] {
        spec.shift_remove(name);
    }
    spec.insert("storageClassName".to_owned(), NOWHERE.into());
}

fn unconverted(definition: &mut Value) {
    let Some(spec) = there(definition, &["spec"]) else { return };
    if spec.get("conversion").is_some_and(|it| it["strategy"] == "Webhook") {
        spec.insert("conversion".to_owned(), json!({"strategy": "None"}));
    }
}

/// It is nobody's by itself, and drives nobody away.
fn humble(class: &mut Value) {
    let Some(class) = class.as_object_mut() else { return };
    if class.get("globalDefault") == Some(&Value::Bool(true)) {
        class.shift_remove("globalDefault");
    }
    class.insert("preemptionPolicy".to_owned(), "Never".into());
}

/// It adds nothing to roles that the cluster has.
fn alone(role: &mut Value) {
    let Some(labels) = there(role, &["metadata", "labels"]) else { return };
    labels.retain(|name, _| !name.starts_with("rbac.authorization.k8s.io/aggregate-to-"));
}

/// Nobody gets rights in the whole cluster by it.
fn powerless(binding: &mut Value) {
    if let Some(binding) = binding.as_object_mut() {
        binding.shift_remove("subjects");
    }
}

/// In a namespace of the drill only accounts that live in such a one have rights.
fn of_accounts(binding: &mut Value) {
    let Some(binding) = binding.as_object_mut() else { return };
    let Some(subjects) = binding.get_mut("subjects").and_then(Value::as_array_mut) else { return };
    subjects.retain(|it| {
        let home = it["namespace"].as_str().unwrap_or_default();
        it["kind"] == "ServiceAccount" && !SYSTEM.contains(&home)
    });
    if subjects.is_empty() {
        binding.shift_remove("subjects");
    }
}

#[cfg(test)]
#[path = "terms_tests.rs"]
mod tests;
