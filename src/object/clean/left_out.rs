//! What is not brought back, whoever asks: what a cluster finds out or makes by itself, and what was over.

use crate::object::{TypeName, reach::text};
use ct_codecs::{Base64, Decoder};
use jiff::Timestamp;
use serde_json::Value;

/// Types of which no object is brought back, and why.
const TYPES: &[(&str, &[&str], &str)] = &[
    ("", &["componentstatuses"], "it is found out anew whenever it is asked for"),
    ("", &["events"], "it is news of the past"),
    ("", &["nodes"], "a node makes itself known"),
    (
        "certificates.k8s.io",
        &["certificatesigningrequests", "podcertificaterequests"],
        "it is a request of the past",
    ),
    ("coordination.k8s.io", &["leasecandidates", "leases"], "it is a lock or a heartbeat of the past"),
    ("events.k8s.io", &["events"], "it is news of the past"),
    ("internal.apiserver.k8s.io", &["storageversions"], "the API servers write it"),
    ("metrics.k8s.io", &["nodes", "pods"], "it is found out anew whenever it is asked for"),
    ("resource.k8s.io", &["resourceslices"], "the drivers of the nodes write it"),
    ("storage.k8s.io", &["csinodes", "csistoragecapacities"], "the drivers of the nodes write it"),
    ("storage.k8s.io", &["volumeattachments"], "volumes are attached anew"),
];

/// By what an object shows that it is not brought back.
enum Mark {
    /// Its namespace (any, where this is empty) and name.
    Name(&'static str, &'static str),
    Annotation(&'static str),
    Label(&'static str),
    When(fn(&Value) -> bool),
}
use Mark::{Annotation, Label, Name, When};

const APF: &str = "flowcontrol.apiserver.k8s.io";
const BY_NODE: &str = "its node makes it from a file";
const BY_SERVER: &str = "the API server makes it";
const FOR_SERVICE: &str = "it is made again for its Service";
const LOCK: &str = "it is a lock of the past";
const OVER: &str = "it had ended";

/// Objects of a type that are not brought back if they have a mark, and why.
const OBJECTS: &[(&str, &str, Mark, &str)] = &[
    ("", "configmaps", Name("", "kube-root-ca.crt"), "it is made again in every namespace"),
    ("", "configmaps", Name("kube-system", "extension-apiserver-authentication"), BY_SERVER),
    ("", "endpoints", Name("default", "kubernetes"), BY_SERVER),
    ("", "endpoints", Annotation("control-plane.alpha.kubernetes.io/leader"), LOCK),
    ("", "endpoints", Annotation("endpoints.kubernetes.io/last-change-trigger-time"), FOR_SERVICE),
    ("", "endpoints", Label("endpoints.kubernetes.io/managed-by"), FOR_SERVICE),
    ("", "pods", Annotation("kubernetes.io/config.mirror"), BY_NODE),
    ("", "pods", When(is_pod_over), OVER),
    ("", "services", Name("default", "kubernetes"), BY_SERVER),
    ("apiregistration.k8s.io", "apiservices", Label("kube-aggregator.kubernetes.io/automanaged"), BY_SERVER),
    ("batch", "jobs", When(is_job_over), OVER),
    ("discovery.k8s.io", "endpointslices", Name("default", "kubernetes"), BY_SERVER),
    ("discovery.k8s.io", "endpointslices", When(is_slice_of_controller), FOR_SERVICE),
    (APF, "flowschemas", When(is_kept_by_server), BY_SERVER),
    (APF, "prioritylevelconfigurations", When(is_kept_by_server), BY_SERVER),
    ("networking.k8s.io", "ipaddresses", Label("ipaddress.kubernetes.io/managed-by"), FOR_SERVICE),
    ("networking.k8s.io", "servicecidrs", Name("", "kubernetes"), BY_SERVER),
];

/// Why an object of an export is not brought back, in a few words; `None`: it is.
pub fn left_out(kind: &TypeName, object: &Value, now: Timestamp) -> Option<String> {
    let types = TYPES.iter().filter(|(group, ..)| *group == &*kind.group);
    let marks = OBJECTS.iter().filter(|(group, resource, ..)| kind.is(group, resource));
    let of_type =
        types.filter(|(_, resources, _)| resources.contains(&&*kind.resource)).map(|(.., why)| *why);
    let of_mark = marks.filter(|(_, _, mark, _)| mark.is_on(object)).map(|(.., why)| *why);
    if let Some(why) = of_type.chain(of_mark).next() {
        return Some(why.to_owned());
    }
    if text(object, &["metadata", "deletionTimestamp"]).is_some() {
        return Some("it was being deleted".to_owned());
    }
    let end = kind.is("", "secrets").then(|| bootstrap_token_end(object)).flatten()?;
    (end <= now).then(|| format!("the token expired at {end}"))
}

impl Mark {
    fn is_on(&self, object: &Value) -> bool {
        let metadata = |way: &[&str]| object.get("metadata").and_then(|metadata| text(metadata, way));
        match self {
            Name(namespace, name) => {
                metadata(&["name"]) == Some(name)
                    && (namespace.is_empty() || metadata(&["namespace"]) == Some(namespace))
            }
            Annotation(key) => metadata(&["annotations", key]).is_some(),
            Label(key) => metadata(&["labels", key]).is_some(),
            When(holds) => holds(object),
        }
    }
}

fn is_pod_over(pod: &Value) -> bool {
    matches!(text(pod, &["status", "phase"]), Some("Succeeded" | "Failed"))
}

fn is_job_over(job: &Value) -> bool {
    let conditions = job.pointer("/status/conditions").and_then(Value::as_array);
    conditions.into_iter().flatten().any(|condition| {
        matches!(text(condition, &["type"]), Some("Complete" | "Failed"))
            && text(condition, &["status"]) == Some("True")
    })
}

/// Slices that somebody else manages stay.
fn is_slice_of_controller(slice: &Value) -> bool {
    let by = text(slice, &["metadata", "labels", "endpointslice.kubernetes.io/managed-by"]);
    matches!(by, Some("endpointslice-controller.k8s.io" | "endpointslicemirroring-controller.k8s.io"))
}

fn is_kept_by_server(object: &Value) -> bool {
    text(object, &["metadata", "annotations", "apf.kubernetes.io/autoupdate-spec"]) == Some("true")
}

/// When the token with which nodes join ends, if it does.
fn bootstrap_token_end(secret: &Value) -> Option<Timestamp> {
    if text(secret, &["type"]) != Some("bootstrap.kubernetes.io/token") {
        return None;
    }
    let bytes = Base64::decode_to_vec(text(secret, &["data", "expiration"])?, None).ok()?;
    std::str::from_utf8(&bytes).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn why(group: &str, resource: &str, object: &Value) -> Option<String> {
        left_out(&TypeName::new(group, resource), object, "2026-11-23T12:00:00Z".parse().unwrap())
    }

    fn named(namespace: &str, name: &str) -> Value {
        json!({"metadata": {"namespace": namespace, "name": name}})
    }

    fn marked(with: &str, key: &str, value: &str) -> Value {
        json!({"metadata": {"namespace": "shop", "name": "it", with: {key: value}}})
    }

    /// With which nodes join, until then (as base64).
    fn token(expiration: &str) -> Value {
        json!({"type": "bootstrap.kubernetes.io/token", "data": {"expiration": expiration}})
    }

    #[test]
    fn what_a_cluster_makes_by_itself_stays_behind() {
        let (label, annotation) = ("labels", "annotations");
        let slice = "endpointslice.kubernetes.io/managed-by";
        let update = "apf.kubernetes.io/autoupdate-spec";
        let mirror = marked(annotation, "kubernetes.io/config.mirror", "0");
        let trigger = marked(annotation, "endpoints.kubernetes.io/last-change-trigger-time", "t");
        let ip = marked(label, "ipaddress.kubernetes.io/managed-by", "ipallocator.k8s.io");
        let job =
            |of: &str, status: &str| json!({"status": {"conditions": [{"type": of, "status": status}]}});
        for (group, resource, object) in [
            ("", "configmaps", named("shop", "kube-root-ca.crt")),
            ("", "configmaps", named("kube-system", "extension-apiserver-authentication")),
            ("", "services", named("default", "kubernetes")),
            ("", "endpoints", named("default", "kubernetes")),
            ("", "endpoints", trigger),
            ("", "endpoints", marked(annotation, "control-plane.alpha.kubernetes.io/leader", "{}")),
            ("", "endpoints", marked(label, "endpoints.kubernetes.io/managed-by", "endpoint-controller")),
            ("", "pods", mirror),
            ("", "pods", json!({"status": {"phase": "Succeeded"}})),
            ("", "pods", json!({"status": {"phase": "Failed"}})),
            (
                "apiregistration.k8s.io",
                "apiservices",
                marked(label, "kube-aggregator.kubernetes.io/automanaged", "onstart"),
            ),
            ("batch", "jobs", job("Complete", "True")),
            ("batch", "jobs", job("Failed", "True")),
            ("discovery.k8s.io", "endpointslices", named("default", "kubernetes")),
            ("discovery.k8s.io", "endpointslices", marked(label, slice, "endpointslice-controller.k8s.io")),
            (
                "discovery.k8s.io",
                "endpointslices",
                marked(label, slice, "endpointslicemirroring-controller.k8s.io"),
            ),
            (APF, "flowschemas", marked(annotation, update, "true")),
            (APF, "prioritylevelconfigurations", marked(annotation, update, "true")),
            ("networking.k8s.io", "ipaddresses", ip),
            ("networking.k8s.io", "servicecidrs", json!({"metadata": {"name": "kubernetes"}})),
            // 2026-11-23T11:59:59Z, and 2026-11-23T13:00:00+01:00.
            ("", "secrets", token("MjAyNi0xMS0yM1QxMTo1OTo1OVo=")),
            ("", "secrets", token("MjAyNi0xMS0yM1QxMzowMDowMCswMTowMA==")),
            ("", "configmaps", json!({"metadata": {"deletionTimestamp": "2026-11-23T11:00:00Z"}})),
        ] {
            assert!(why(group, resource, &object).is_some(), "{resource} {object}");
        }
        for (group, resources, reason) in TYPES {
            for resource in *resources {
                assert_eq!(why(group, resource, &named("a", "b")).as_deref(), Some(*reason));
            }
        }
    }

    #[test]
    fn what_people_made_is_brought_back() {
        let (label, annotation) = ("labels", "annotations");
        for (group, resource, object) in [
            ("", "configmaps", named("kube-root-ca.crt", "settings")),
            ("", "configmaps", named("shop", "extension-apiserver-authentication")),
            ("", "services", named("shop", "kubernetes")),
            ("", "endpoints", named("shop", "external-database")),
            ("", "pods", json!({"status": {"phase": "Running"}})),
            ("apiregistration.k8s.io", "apiservices", named("", "v1beta1.metrics.k8s.io")),
            ("batch", "jobs", json!({"status": {"conditions": [{"type": "Complete", "status": "False"}]}})),
            ("batch", "jobs", json!({"status": {"conditions": [{"type": "Suspended", "status": "True"}]}})),
            (
                "discovery.k8s.io",
                "endpointslices",
                marked(label, "endpointslice.kubernetes.io/managed-by", "cluster-admins"),
            ),
            (APF, "flowschemas", marked(annotation, "apf.kubernetes.io/autoupdate-spec", "false")),
            ("networking.k8s.io", "servicecidrs", named("", "more")),
            // 2026-11-23T12:00:01Z, no time, and one that never ends.
            ("", "secrets", token("MjAyNi0xMS0yM1QxMjowMDowMVo=")),
            ("", "secrets", token("bmV2ZXI=")),
            ("", "secrets", json!({"type": "bootstrap.kubernetes.io/token", "data": {}})),
            (
                "",
                "secrets",
                json!({"type": "Opaque", "data": {"expiration": "MjAyNi0xMS0yM1QxMTo1OTo1OVo="}}),
            ),
            ("example.com", "nodes", named("", "a")),
        ] {
            assert_eq!(why(group, resource, &object), None, "{resource} {object}");
        }
    }
}
