//! Each rule with an object that it is for, and the laws that hold for all of them.

use super::*;
use crate::object::TypeName;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn cleaned(group: &str, resource: &str, object: &Value, keep: &Keep) -> Value {
    let mut object = object.clone();
    clean(&TypeName::new(group, resource), &mut object, keep);
    object
}

/// An object with everything that is cleaned away in any type, and what is left of it.
fn cases() -> Vec<(&'static str, &'static str, Value, Value)> {
    let job = |manual: bool| {
        json!({
            "kind": "Job",
            "metadata": {"name": "j", "labels": {"app": "x", "controller-uid": "1", "batch.kubernetes.io/controller-uid": "1"}},
            "spec": {
                "manualSelector": manual,
                "selector": {"matchLabels": {"batch.kubernetes.io/controller-uid": "1"}},
                "template": {"metadata": {"labels": {"controller-uid": "1", "batch.kubernetes.io/controller-uid": "1"}}, "spec": {}},
            },
        })
    };
    vec![
        (
            "",
            "configmaps",
            json!({
                "kind": "ConfigMap",
                "metadata": {
                    "name": "a", "namespace": "n", "uid": "u", "resourceVersion": "1", "generation": 1, "creationTimestamp": "t",
                    "deletionTimestamp": "t", "deletionGracePeriodSeconds": 0, "selfLink": "/a", "managedFields": [{"manager": "m"}],
                    "finalizers": ["f"], "ownerReferences": [{"kind": "X", "name": "x", "uid": "y"}],
                    "labels": {"a": "b"}, "annotations": {"kubernetes.io/service-account.uid": "stays", "pv.kubernetes.io/bind-completed": "yes"},
                },
                "data": {"token": "stays"}, "status": {"a": 1},
            }),
            json!({
                "kind": "ConfigMap",
                "metadata": {
                    "name": "a", "namespace": "n", "finalizers": ["f"], "ownerReferences": [{"kind": "X", "name": "x", "uid": "y"}],
                    "labels": {"a": "b"}, "annotations": {"kubernetes.io/service-account.uid": "stays", "pv.kubernetes.io/bind-completed": "yes"},
                },
                "data": {"token": "stays"},
            }),
        ),
        (
            "",
            "namespaces",
            json!({"kind": "Namespace", "metadata": {"name": "n", "labels": {"kubernetes.io/metadata.name": "n"}}, "spec": {"finalizers": ["kubernetes"]}}),
            json!({"kind": "Namespace", "metadata": {"name": "n", "labels": {"kubernetes.io/metadata.name": "n"}}, "spec": {}}),
        ),
        (
            "",
            "services",
            json!({"kind": "Service", "metadata": {"name": "s"}, "spec": {
                "type": "LoadBalancer", "clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"], "healthCheckNodePort": 30001,
                "ports": [{"name": "web", "port": 80, "nodePort": 30080}, {"name": "tls", "port": 443, "nodePort": 30443}],
            }}),
            json!({"kind": "Service", "metadata": {"name": "s"}, "spec": {
                "type": "LoadBalancer", "ports": [{"name": "web", "port": 80}, {"name": "tls", "port": 443}],
            }}),
        ),
        (
            "",
            "services",
            json!({"kind": "Service", "spec": {"clusterIP": "None", "clusterIPs": ["None"]}}),
            json!({"kind": "Service", "spec": {"clusterIP": "None", "clusterIPs": ["None"]}}),
        ),
        (
            "",
            "pods",
            json!({"kind": "Pod", "spec": {
                "nodeName": "node-1", "priority": 0, "preemptionPolicy": "Never", "overhead": {"cpu": "1"}, "priorityClassName": "high",
                "serviceAccountName": "web", "serviceAccount": "web", "ephemeralContainers": [{"name": "debug"}],
                "tolerations": [{"key": "node.kubernetes.io/not-ready"}],
                "containers": [
                    {"name": "a", "volumeMounts": [{"name": "kube-api-access-x2v4z", "mountPath": "/var/run"}]},
                    {"name": "b", "volumeMounts": [{"name": "data", "mountPath": "/data"}, {"name": "web-token-bcdfg", "mountPath": "/t"}]},
                ],
                "initContainers": [{"name": "c", "volumeMounts": [{"name": "kube-api-access-x2v4z", "mountPath": "/var/run"}]}],
                "volumes": [
                    {"name": "kube-api-access-x2v4z", "projected": {"sources": []}}, {"name": "data"},
                    {"name": "web-token-bcdfg", "secret": {}}, {"name": "kube-api-access-mine", "projected": {}},
                ],
            }}),
            json!({"kind": "Pod", "spec": {
                "priorityClassName": "high", "serviceAccountName": "web", "serviceAccount": "web",
                "tolerations": [{"key": "node.kubernetes.io/not-ready"}],
                "containers": [{"name": "a"}, {"name": "b", "volumeMounts": [{"name": "data", "mountPath": "/data"}]}],
                "initContainers": [{"name": "c"}],
                "volumes": [{"name": "data"}, {"name": "kube-api-access-mine", "projected": {}}],
            }}),
        ),
        (
            "batch",
            "jobs",
            job(false),
            json!({"kind": "Job", "metadata": {"name": "j", "labels": {"app": "x"}}, "spec": {
                "manualSelector": false, "template": {"metadata": {}, "spec": {}},
            }}),
        ),
        ("batch", "jobs", job(true), job(true)),
        (
            "",
            "secrets",
            json!({
                "kind": "Secret", "type": SERVICE_ACCOUNT_TOKEN, "data": {"token": "t", "ca.crt": "c", "namespace": "n", "extra": "e"},
                "metadata": {"annotations": {"kubernetes.io/service-account.name": "web", "kubernetes.io/service-account.uid": "u"}},
            }),
            json!({
                "kind": "Secret", "type": SERVICE_ACCOUNT_TOKEN, "data": {"extra": "e"},
                "metadata": {"annotations": {"kubernetes.io/service-account.name": "web"}},
            }),
        ),
        (
            "",
            "secrets",
            json!({"kind": "Secret", "type": "Opaque", "data": {"token": "t"}}),
            json!({"kind": "Secret", "type": "Opaque", "data": {"token": "t"}}),
        ),
        (
            "",
            "serviceaccounts",
            json!({"kind": "ServiceAccount", "metadata": {"name": "web"}, "secrets": [{"name": "web-token-bcdfg"}, {"name": "web-token-mine"}]}),
            json!({"kind": "ServiceAccount", "metadata": {"name": "web"}, "secrets": [{"name": "web-token-mine"}]}),
        ),
        (
            "",
            "persistentvolumeclaims",
            json!({"kind": "PersistentVolumeClaim", "spec": {"volumeName": "pv-1"}, "metadata": {"annotations": {
                "pv.kubernetes.io/bind-completed": "yes", "pv.kubernetes.io/bound-by-controller": "yes",
                "volume.kubernetes.io/selected-node": "node-1", "volume.kubernetes.io/storage-provisioner": "csi",
                "volume.beta.kubernetes.io/storage-provisioner": "csi", "volume.alpha.kubernetes.io/selected-node": "node-1",
            }}}),
            json!({"kind": "PersistentVolumeClaim", "spec": {"volumeName": "pv-1"}, "metadata": {}}),
        ),
        (
            "",
            "persistentvolumes",
            json!({"kind": "PersistentVolume", "spec": {"claimRef": {"namespace": "n", "name": "c", "uid": "u", "resourceVersion": "1"}}}),
            json!({"kind": "PersistentVolume", "spec": {"claimRef": {"namespace": "n", "name": "c"}}}),
        ),
        (
            "apps",
            "deployments",
            json!({"kind": "Deployment", "metadata": {"annotations": {"deployment.kubernetes.io/revision": "3", "team": "a"}}}),
            json!({"kind": "Deployment", "metadata": {"annotations": {"team": "a"}}}),
        ),
        (
            "apps",
            "daemonsets",
            json!({"kind": "DaemonSet", "metadata": {"annotations": {"deprecated.daemonset.template.generation": "3"}}}),
            json!({"kind": "DaemonSet", "metadata": {}}),
        ),
    ]
}

#[test]
fn what_a_server_or_a_controller_wrote_goes() {
    for (group, resource, object, wanted) in cases() {
        assert_eq!(cleaned(group, resource, &object, &Keep::default()), wanted, "{resource}");
    }
}

#[test]
fn what_is_asked_for_is_kept() {
    let service = json!({"status": {"a": 1}, "spec": {"clusterIP": "10.0.0.1", "healthCheckNodePort": 1, "ports": [{"nodePort": 2}]}});
    let with = |keep: Keep| cleaned("", "services", &service, &keep);
    let all = Keep { status: true, cluster_ips: true, node_ports: true };
    assert_eq!(with(all), service);
    let ip = Keep { cluster_ips: true, ..Keep::default() };
    assert_eq!(with(ip), json!({"spec": {"clusterIP": "10.0.0.1", "ports": [{}]}}));
    let ports = Keep { node_ports: true, ..Keep::default() };
    assert_eq!(with(ports), json!({"spec": {"healthCheckNodePort": 1, "ports": [{"nodePort": 2}]}}));
}

/// The one that replaces `live`.
fn replacing(kind: (&str, &str), live: &Value, wanted: &Value) -> Value {
    let of_live = cleaned(kind.0, kind.1, live, &Keep::default());
    let mut wanted = cleaned(kind.0, kind.1, wanted, &Keep::default());
    carry_over(live, &of_live, &mut wanted);
    wanted
}

#[test]
fn a_service_keeps_its_address_and_each_port_its_own() {
    let live = json!({"metadata": {"resourceVersion": "7"}, "spec": {"clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"], "ports": [
        {"name": "a", "port": 1, "nodePort": 30001}, {"name": "b", "port": 2, "nodePort": 30002},
    ]}, "status": {"loadBalancer": {}}});
    let wanted = json!({"metadata": {"resourceVersion": "3"}, "spec": {"clusterIP": "10.9.9.9", "ports": [
        {"name": "c", "port": 3, "nodePort": 30009}, {"name": "b", "port": 22, "nodePort": 30001},
    ], "selector": {"app": "x"}}});
    let result = json!({"metadata": {"resourceVersion": "7"}, "spec": {"clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"], "ports": [
        {"name": "c", "port": 3}, {"name": "b", "port": 22, "nodePort": 30002},
    ], "selector": {"app": "x"}}, "status": {"loadBalancer": {}}});
    assert_eq!(replacing(("", "services"), &live, &wanted), result);
}

#[test]
fn nothing_of_what_nobody_wants_comes_back_with_it() {
    let live = json!({"spec": {"claimRef": {"name": "c", "uid": "u"}, "capacity": 1}});
    assert_eq!(
        replacing(("", "persistentvolumes"), &live, &json!({"spec": {"capacity": 2}})),
        json!({"spec": {"capacity": 2}})
    );
    let live = json!({"metadata": {"annotations": {"deployment.kubernetes.io/revision": "3", "team": "a"}}});
    let wanted = json!({"metadata": {}});
    let result = json!({"metadata": {"annotations": {"deployment.kubernetes.io/revision": "3"}}});
    assert_eq!(replacing(("apps", "deployments"), &live, &wanted), result);
    let live = json!({"kind": "PersistentVolumeClaim", "spec": {"volumeName": "pv-1", "a": 1}});
    let pending = json!({"kind": "PersistentVolumeClaim", "spec": {"a": 2}});
    let result = json!({"kind": "PersistentVolumeClaim", "spec": {"a": 2, "volumeName": "pv-1"}});
    assert_eq!(replacing(("", "persistentvolumeclaims"), &live, &pending), result);
}

/// What tells objects, elements and rules apart stays when the rest is thinned out.
const TELLING: &[&str] = &[
    "name",
    "kind",
    "type",
    "port",
    "mountPath",
    "metadata",
    "spec",
    "claimRef",
    "manualSelector",
    "clusterIP",
    "secret",
    "serviceAccountName",
    "volumeName",
    "volumes",
    "projected",
];

/// Leaves out fields and elements, and changes values, as the numbers say.
fn thinned(value: &Value, numbers: &mut impl Iterator<Item = u8>) -> Value {
    match value {
        Value::Object(map) => {
            let mut left = Map::new();
            for (name, value) in map {
                if TELLING.contains(&&**name) && value.is_string() {
                    left.insert(name.clone(), value.clone());
                } else if TELLING.contains(&&**name) || numbers.next().unwrap_or(0) % 4 != 1 {
                    left.insert(name.clone(), thinned(value, numbers));
                }
            }
            Value::Object(left)
        }
        Value::Array(list) => {
            // A mount of a volume that is not there is no pod.
            let is_told = |it: &Value| it.get("projected").or(it.get("secret")).is_some();
            let mut stays = |it: &&Value| is_told(it) || numbers.next().unwrap_or(0) % 4 != 1;
            let stays: Vec<&Value> = list.iter().filter(&mut stays).collect();
            Value::Array(stays.into_iter().map(|value| thinned(value, numbers)).collect())
        }
        Value::String(text) if numbers.next().unwrap_or(0) % 4 == 2 => json!(format!("{text}-other")),
        other => other.clone(),
    }
}

prop_compose! {
    fn pairs()(at in 0..cases().len(), one in prop::collection::vec(any::<u8>(), 0..60), other in prop::collection::vec(any::<u8>(), 0..60))
        -> (&'static str, &'static str, Value, Value) {
        let (group, resource, object, _) = cases().swap_remove(at);
        let mut live = thinned(&object, &mut one.into_iter());
        live["status"] = json!({"seen": true});
        (group, resource, live, thinned(&object, &mut other.into_iter()))
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]
    #[test]
    fn what_is_clean_stays_as_it_is((group, resource, object, _) in pairs(), status: bool, cluster_ips: bool, node_ports: bool) {
        let keep = Keep { status, cluster_ips, node_ports };
        let once = cleaned(group, resource, &object, &keep);
        prop_assert_eq!(&cleaned(group, resource, &once, &keep), &once);
    }

    #[test]
    fn an_object_that_replaces_itself_stays_as_it_is((group, resource, live, _) in pairs()) {
        prop_assert_eq!(&replacing((group, resource), &live, &live), &live);
    }

    #[test]
    fn what_is_wanted_is_there_and_so_is_what_was_cleaned_away((group, resource, live, wanted) in pairs()) {
        let result = replacing((group, resource), &live, &wanted);
        prop_assert_eq!(cleaned(group, resource, &result, &Keep::default()), cleaned(group, resource, &wanted, &Keep::default()));
        prop_assert_eq!(&result["status"], &live["status"]);
        prop_assert_eq!(result.pointer("/metadata/uid"), live.pointer("/metadata/uid"));
        prop_assert_eq!(result.pointer("/spec/nodeName"), live.pointer("/spec/nodeName"));
    }
}
