use super::*;
use crate::object::exposure;
use std::sync::Arc;

fn pod(labels: Value, owner: Option<&str>) -> Live {
    let object = ObjectRef {
        group: String::new(),
        version: "v1".into(),
        resource: "pods".into(),
        kind: "Pod".into(),
        namespace: Some("shop".into()),
        name: "web".into(),
        uid: Some("u".into()),
    };
    let owners: Vec<Value> = owner
        .iter()
        .map(|kind| json!({"kind": kind, "name": "o", "uid": "ou", "controller": true}))
        .collect();
    Live {
        object,
        json: json!({"metadata": {"name": "web", "labels": labels, "ownerReferences": owners}, "spec": {}})
            .into(),
    }
}

fn args(json: Value) -> IsolateArgs {
    let mut json = json;
    json["target"] = json!({"kind": "Pod", "namespace": "shop", "name": "web"});
    serde_json::from_value(json).unwrap()
}

#[test]
fn the_policy_allows_what_was_asked_for_and_nothing_else() {
    let labels = json!({ISOLATED: "p"});
    let closed = policy(&args(json!({})), "shop", "p");
    let found = exposure(&labels, [&closed]);
    assert!(found.isolated_ingress && found.isolated_egress && found.allowed.is_empty(), "{found:?}");
    // It selects no other pod.
    assert!(exposure(&json!({"app": "web"}), [&closed]).policies.is_empty());
    let open = json!({"allowEgress": {"cidrs": ["10.0.0.0/8"], "dns": true}, "allowIngressFrom": {"namespaces": ["ir"], "cidrs": ["::1/128"]}});
    let found = exposure(&labels, [&policy(&args(open), "shop", "p")]);
    let told: Vec<String> = found.allowed.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "to 10.0.0.0/8, all ports (NetworkPolicy p)",
            "to pods (k8s-app=kube-dns) in namespaces (kubernetes.io/metadata.name=kube-system), UDP 53, TCP 53 (NetworkPolicy p)",
            "from ::1/128, all ports (NetworkPolicy p)",
            "from every pod in namespaces (kubernetes.io/metadata.name=ir), all ports (NetworkPolicy p)",
        ]
    );
}

#[test]
fn a_pod_that_is_relabelled_keeps_no_label_and_can_be_given_them_back() {
    let pod = pod(json!({"app": "web", "pod-template-hash": "1"}), Some("ReplicaSet"));
    let after = labels_after(&pod, true, "p");
    assert_eq!(after, json!({ISOLATED: "p"}));
    let told: Vec<String> = relabelled(&pod, &after).iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "metadata.labels.app: \"web\" -> (absent)",
            "metadata.labels.pod-template-hash: \"1\" -> (absent)",
            "metadata.labels[\"lifeboat.dev/isolated\"]: (absent) -> \"p\"",
            "metadata.annotations[\"lifeboat.dev/labels-before\"]: (absent) -> \"{\\\"app\\\":\\\"web\\\",\\\"pod-template-hash\\\":\\\"1\\\"}\"",
        ]
    );
    let kept = labels_after(&pod, false, "p");
    assert_eq!(kept["app"], "web");
    assert_eq!(relabelled(&pod, &kept).len(), 1);
}

#[test]
fn what_no_policy_holds_is_refused() {
    let mut host = pod(json!({}), None);
    Arc::make_mut(&mut host.json)["spec"]["hostNetwork"] = true.into();
    assert!(can_be_held(&host).unwrap_err().to_string().contains("network of its node"));
    let mut mirror = pod(json!({}), None);
    Arc::make_mut(&mut mirror.json)["metadata"]["annotations"] = json!({"kubernetes.io/config.mirror": "x"});
    assert!(can_be_held(&mirror).unwrap_err().to_string().contains("out of a file"));
    assert!(Planned::default().go(mirror, None, true).is_err());
    assert!(can_be_held(&pod(json!({}), None)).is_ok());
}

#[test]
fn what_the_owner_does_is_told() {
    let told = |owner: &str| consequence(&pod(json!({}), Some(owner)), true).unwrap();
    assert!(told("StatefulSet").contains("makes no other pod"));
    assert!(told("ReplicaSet").contains("deletes one that is too many"));
    assert_eq!(consequence(&pod(json!({}), Some("ReplicaSet")), false), None);
    assert_eq!(consequence(&pod(json!({}), None), true), None);
}
