//! Whether what the objects of staging refer to is there, too: owners, roles and their subjects, config maps and secrets and
//! claims of pods, the pods of services, the definitions of custom resources.
//!
//! A reference that leads nowhere may have led nowhere in the source: what came back otherwise is told by the comparison of the
//! objects. So this check warns, unless the drill's file wants more.

use super::{Check, Results, counted};
use crate::{
    object::{Identity, TypeName, owners},
    source::kube::ExportedObject,
};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    time::{Duration, Instant},
};

pub(super) const NAME: &str = "references";

/// What a reference is called in a finding.
type Relation = &'static str;

/// Everything that was referred to, and everything that is there.
#[derive(Debug, Default)]
pub(super) struct References {
    there: HashSet<(TypeName, Option<String>, String)>,
    uids: HashSet<String>,
    /// Labels of pods and of what makes pods, by namespace.
    labels: BTreeMap<String, Vec<BTreeMap<String, String>>>,
    wanted: Vec<Reference>,
    took: Duration,
}

/// A reference, and the object that it is in.
#[derive(Debug)]
struct Reference {
    relation: Relation,
    from: String,
    wanted: Wanted,
    /// The API server made the object by itself.
    by_default: bool,
}

/// Why what the API server binds by itself may lead nowhere.
const BY_DEFAULT: &str = "the API server binds the accounts of all controllers that there could be, and not every cluster has each";

#[derive(Debug)]
enum Wanted {
    Uid(String),
    Object(TypeName, Option<String>, String),
    Pods(String, BTreeMap<String, String>),
}

impl References {
    pub(super) fn clear(&mut self) {
        *self = References::default();
    }

    /// Takes out of an object what others may refer to and what it refers to.
    pub(super) fn see(&mut self, object: &ExportedObject) {
        let began = Instant::now();
        let kind = TypeName::new(&object.resource.group, &object.resource.resource);
        // To parse every object would take as long as to fetch it; most refer to nothing.
        let json = object.to_vec();
        let refers = tells(&kind) || String::from_utf8_lossy(&json).contains("\"ownerReferences\"");
        if refers && let Ok(value) = serde_json::from_slice::<Value>(&json) {
            let name = Identity::new(kind.clone(), object.namespace.as_deref(), &object.name).to_string();
            self.look(&kind, object.namespace.as_deref(), &name, &value);
        }
        self.there.insert((kind, object.namespace.clone(), object.name.clone()));
        self.uids.insert(object.uid.clone());
        self.took += began.elapsed();
    }

    fn look(&mut self, kind: &TypeName, namespace: Option<&str>, name: &str, value: &Value) {
        let by_default = value.pointer("/metadata/labels/kubernetes.io~1bootstrapping").is_some();
        let mut found: Vec<(Relation, Wanted)> = Vec::new();
        let mut want = |relation, wanted| found.push((relation, wanted));
        for owner in owners(value) {
            want("owner", Wanted::Uid(owner.uid.to_string()));
        }
        let core = |resource: &str, name: &str| {
            Wanted::Object(TypeName::new("", resource), namespace.map(str::to_owned), name.to_owned())
        };
        let pod = pod_of(kind, value);
        if let Some((spec, labels)) = pod {
            if let Some(account) = text(spec, "/serviceAccountName") {
                want("service account", core("serviceaccounts", account));
            }
            for volume in items(spec, "/volumes") {
                of_volume(volume, &mut |relation, resource, name| want(relation, core(resource, name)));
            }
            let containers = items(spec, "/containers").chain(items(spec, "/initContainers"));
            for container in containers {
                of_container(container, &mut |relation, resource, name| want(relation, core(resource, name)));
            }
            self.labels.entry(namespace.unwrap_or_default().to_owned()).or_default().push(labels);
        }
        if kind.is("", "services")
            && let Some(selector) = value.pointer("/spec/selector").map(texts).filter(|it| !it.is_empty())
        {
            want("pods of the service", Wanted::Pods(namespace.unwrap_or_default().to_owned(), selector));
        }
        if &*kind.group == "rbac.authorization.k8s.io" && kind.resource.ends_with("bindings") {
            let role = (text(value, "/roleRef/kind"), text(value, "/roleRef/name"));
            if let (Some(of), Some(role)) = role {
                let (resource, place) = match of {
                    "Role" => ("roles", namespace.map(str::to_owned)),
                    _ => ("clusterroles", None),
                };
                let of = TypeName::new("rbac.authorization.k8s.io", resource);
                want("role", Wanted::Object(of, place, role.to_owned()));
            }
            for subject in items(value, "/subjects") {
                let account = (text(subject, "/kind"), text(subject, "/namespace"), text(subject, "/name"));
                if let (Some("ServiceAccount"), Some(place), Some(account)) = account {
                    let of = TypeName::new("", "serviceaccounts");
                    want("subject", Wanted::Object(of, Some(place.to_owned()), account.to_owned()));
                }
            }
        }
        if kind.is("", "persistentvolumeclaims")
            && let Some(volume) = text(value, "/spec/volumeName")
        {
            let of = TypeName::new("", "persistentvolumes");
            want("volume", Wanted::Object(of, None, volume.to_owned()));
        }
        let from = |(relation, wanted)| Reference { relation, from: name.to_owned(), wanted, by_default };
        self.wanted.extend(found.into_iter().map(from));
    }

    fn leads_somewhere(&self, wanted: &Wanted) -> bool {
        match wanted {
            Wanted::Uid(uid) => self.uids.contains(uid),
            Wanted::Object(kind, namespace, name) => {
                self.there.contains(&(kind.clone(), namespace.clone(), name.clone()))
            }
            Wanted::Pods(namespace, selector) => self.labels.get(namespace).is_some_and(|pods| {
                let fits = |labels: &BTreeMap<String, String>| {
                    selector.iter().all(|(k, v)| labels.get(k) == Some(v))
                };
                pods.iter().any(fits)
            }),
        }
    }

    /// Tells which references lead nowhere.
    pub(super) fn end(&mut self, results: &mut Results) {
        if !results.wants(NAME) {
            return;
        }
        let began = Instant::now();
        let mut check = Check::new(NAME, "whatever an object of staging refers to is there");
        let mut dangling: BTreeMap<(bool, Relation), BTreeSet<(String, String)>> = BTreeMap::new();
        for Reference { relation, from, wanted, by_default } in &self.wanted {
            if !self.leads_somewhere(wanted) {
                let to = match wanted {
                    Wanted::Uid(uid) => format!("the uid {uid}"),
                    Wanted::Object(kind, namespace, name) => {
                        Identity::new(kind.clone(), namespace.as_deref(), name).to_string()
                    }
                    Wanted::Pods(..) => "labels that no pod and no template has".to_owned(),
                };
                dangling
                    .entry((*by_default, relation))
                    .or_default()
                    .insert((from.clone(), format!("{relation}: {to} is not there")));
            }
        }
        for ((by_default, relation), names) in dangling {
            let n = names.len() as u64;
            let message = format!("{relation}: {} to what is not there", counted(n, "reference"));
            check.group(message, n, by_default.then_some(BY_DEFAULT), names.into_iter().collect());
        }
        let actual = format!("{} were followed", counted(self.wanted.len() as u64, "reference"));
        results.end(check, actual, self.took + began.elapsed());
    }
}

/// Do objects of this type refer to others by themselves?
fn tells(kind: &TypeName) -> bool {
    match &*kind.group {
        "" => ["pods", "services", "persistentvolumeclaims", "replicationcontrollers"]
            .contains(&&*kind.resource),
        "apps" | "batch" | "rbac.authorization.k8s.io" => true,
        _ => false,
    }
}

/// The specification of the pods that an object is or makes, and their labels.
fn pod_of<'a>(kind: &TypeName, value: &'a Value) -> Option<(&'a Value, BTreeMap<String, String>)> {
    let at = match (&*kind.group, &*kind.resource) {
        ("", "pods") => "",
        ("batch", "cronjobs") => "/spec/jobTemplate/spec/template",
        ("apps" | "batch", "deployments" | "statefulsets" | "daemonsets" | "replicasets" | "jobs") => {
            "/spec/template"
        }
        ("", "replicationcontrollers") => "/spec/template",
        _ => return None,
    };
    let pod = value.pointer(at)?;
    let labels = pod.pointer("/metadata/labels").map(texts).unwrap_or_default();
    Some((pod.get("spec")?, labels))
}

fn of_volume(volume: &Value, want: &mut dyn FnMut(Relation, &str, &str)) {
    let mut of = |at: &str, relation, resource| {
        let source = volume.pointer(at.rsplit_once('/').map_or("", |(source, _)| source));
        let optional = source.and_then(|it| it.get("optional")).and_then(Value::as_bool).unwrap_or_default();
        if let Some(name) = text(volume, at).filter(|_| !optional) {
            want(relation, resource, name);
        }
    };
    of("/configMap/name", "config map of a volume", "configmaps");
    of("/secret/secretName", "secret of a volume", "secrets");
    of("/persistentVolumeClaim/claimName", "claim of a volume", "persistentvolumeclaims");
    for source in items(volume, "/projected/sources") {
        of_volume(&rename_secret(source), want);
    }
}

/// A projected Secret names itself otherwise than a volume's does.
fn rename_secret(source: &Value) -> Value {
    let mut source = source.clone();
    if let Some(Value::Object(secret)) = source.get_mut("secret")
        && let Some(name) = secret.get("name").cloned()
    {
        secret.insert("secretName".to_owned(), name);
    }
    source
}

fn of_container(container: &Value, want: &mut dyn FnMut(Relation, &str, &str)) {
    for (list, paths) in [
        ("/env", ["/valueFrom/configMapKeyRef", "/valueFrom/secretKeyRef"]),
        ("/envFrom", ["/configMapRef", "/secretRef"]),
    ] {
        for entry in items(container, list) {
            for (path, relation, resource) in [
                (paths[0], "config map of a variable", "configmaps"),
                (paths[1], "secret of a variable", "secrets"),
            ] {
                let Some(source) = entry.pointer(path) else { continue };
                let optional = source.get("optional").and_then(Value::as_bool).unwrap_or_default();
                if let Some(name) = text(source, "/name").filter(|_| !optional) {
                    want(relation, resource, name);
                }
            }
        }
    }
}

fn text<'a>(value: &'a Value, at: &str) -> Option<&'a str> {
    value.pointer(at).and_then(Value::as_str).filter(|text| !text.is_empty())
}

fn items<'a>(value: &'a Value, at: &str) -> impl Iterator<Item = &'a Value> {
    value.pointer(at).and_then(Value::as_array).into_iter().flatten()
}

fn texts(value: &Value) -> BTreeMap<String, String> {
    let pairs = value.as_object().into_iter().flatten();
    pairs.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
}
