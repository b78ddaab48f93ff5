use super::*;
use proptest::prelude::*;
use serde_json::json;

/// Objects with everything in them that names a namespace, as `@`. What is called `shop` is none.
fn cases() -> Vec<(&'static str, &'static str, Value)> {
    let selector = json!({
        "matchLabels": {LABEL: "@", "team": "shop"},
        "matchExpressions": [
            {"key": LABEL, "operator": "In", "values": ["@", "@"]},
            {"key": "team", "operator": "In", "values": ["shop"]},
        ],
    });
    let named = json!({"namespace": "@", "name": "shop"});
    let subjects = json!([
        {"kind": "ServiceAccount", "name": "shop", "namespace": "@"},
        {"kind": "User", "name": "system:serviceaccount:@:shop"},
        {"kind": "User", "name": "shop"},
        {"kind": "Group", "name": "system:serviceaccounts:@"},
        {"kind": "Group", "name": "shop"},
    ]);
    let webhooks = json!({"webhooks": [{"name": "shop", "clientConfig": {"service": named}, "namespaceSelector": selector}]});
    let route = json!({"metadata": named, "spec": {
        "parentRefs": [named],
        "rules": [{"backendRefs": [named], "filters": [{"requestMirror": {"backendRef": named}}]}],
    }});
    let term = json!({"namespaces": ["@", "@"], "namespaceSelector": selector, "labelSelector": {"matchLabels": {LABEL: "shop"}}});
    let affinity = json!({
        "preferredDuringSchedulingIgnoredDuringExecution": [{"podAffinityTerm": term}],
        "requiredDuringSchedulingIgnoredDuringExecution": [term],
    });
    let pod = json!({
        "affinity": {"podAffinity": affinity, "podAntiAffinity": affinity}, "nodeSelector": {LABEL: "shop"},
        "containers": [{"name": "shop", "image": "shop", "env": [{"name": "NAMESPACE", "value": "shop"}]}],
    });
    vec![
        (
            "",
            "configmaps",
            json!({"metadata": {"namespace": "@", "name": "shop", "annotations": {"namespace": "shop"}}, "data": {"namespace": "shop"}}),
        ),
        ("", "namespaces", json!({"metadata": {"name": "@", "labels": {LABEL: "@", "team": "shop"}}})),
        (
            "",
            "endpoints",
            json!({"metadata": named, "subsets": [{"addresses": [{"targetRef": named}], "notReadyAddresses": [{"targetRef": named}]}]}),
        ),
        (
            "",
            "persistentvolumeclaims",
            json!({"metadata": named, "spec": {"dataSourceRef": named, "storageClassName": "shop"}}),
        ),
        (
            "",
            "persistentvolumes",
            json!({"metadata": {"name": "shop"}, "spec": {"claimRef": named, "csi": {
                "controllerExpandSecretRef": named, "controllerPublishSecretRef": named, "nodeExpandSecretRef": named,
                "nodePublishSecretRef": named, "nodeStageSecretRef": named, "volumeAttributes": {"namespace": "shop"},
            }}}),
        ),
        ("", "pods", json!({"metadata": named, "spec": pod})),
        ("apps", "deployments", json!({"metadata": named, "spec": {"template": {"spec": pod}}})),
        (
            "batch",
            "cronjobs",
            json!({"metadata": named, "spec": {"jobTemplate": {"spec": {"template": {"spec": pod}}}}}),
        ),
        (ADMISSION, "mutatingwebhookconfigurations", webhooks.clone()),
        (ADMISSION, "validatingwebhookconfigurations", webhooks),
        (
            ADMISSION,
            "validatingadmissionpolicies",
            json!({"spec": {"matchConstraints": {"namespaceSelector": selector}}}),
        ),
        (
            ADMISSION,
            "validatingadmissionpolicybindings",
            json!({"spec": {"paramRef": named, "matchResources": {"namespaceSelector": selector}}}),
        ),
        (
            "apiextensions.k8s.io",
            "customresourcedefinitions",
            json!({"spec": {"conversion": {"webhook": {"clientConfig": {"service": named}}}}}),
        ),
        ("apiregistration.k8s.io", "apiservices", json!({"spec": {"service": named}})),
        (
            "discovery.k8s.io",
            "endpointslices",
            json!({"metadata": named, "endpoints": [{"targetRef": named}]}),
        ),
        (
            APF,
            "flowschemas",
            json!({"spec": {"rules": [{"subjects": [
                {"kind": "ServiceAccount", "serviceAccount": named}, {"kind": "User", "user": {"name": "system:serviceaccount:@:shop"}},
                {"kind": "Group", "group": {"name": "system:serviceaccounts:@"}}, {"kind": "User", "user": {"name": "shop"}},
            ]}]}}),
        ),
        (GATEWAY, "httproutes", route.clone()),
        (GATEWAY, "grpcroutes", route),
        (
            GATEWAY,
            "gateways",
            json!({"metadata": named, "spec": {"listeners": [{
                "tls": {"certificateRefs": [named]}, "allowedRoutes": {"namespaces": {"selector": selector}},
            }]}}),
        ),
        (GATEWAY, "gatewayclasses", json!({"metadata": {"name": "shop"}, "spec": {"parametersRef": named}})),
        (
            GATEWAY,
            "referencegrants",
            json!({"metadata": named, "spec": {"from": [named], "to": [{"kind": "Service", "name": "shop"}]}}),
        ),
        (
            MONITORING,
            "servicemonitors",
            json!({"metadata": named, "spec": {"namespaceSelector": {"matchNames": ["@", "@"]}}}),
        ),
        ("networking.k8s.io", "ingressclasses", json!({"spec": {"parameters": named}})),
        (
            "networking.k8s.io",
            "networkpolicies",
            json!({"metadata": named, "spec": {
                "podSelector": {"matchLabels": {LABEL: "shop"}},
                "ingress": [{"from": [{"namespaceSelector": selector}, {"podSelector": {}}]}], "egress": [{"to": [{"namespaceSelector": selector}]}],
            }}),
        ),
        (RBAC, "rolebindings", json!({"metadata": named, "roleRef": {"name": "shop"}, "subjects": subjects})),
        (RBAC, "clusterrolebindings", json!({"metadata": {"name": "shop"}, "subjects": subjects})),
        ("snapshot.storage.k8s.io", "volumesnapshotcontents", json!({"spec": {"volumeSnapshotRef": named}})),
        (
            "example.com",
            "orders",
            json!({"metadata": named, "spec": {"namespace": "shop", "claimRef": {"namespace": "shop"}}}),
        ),
    ]
}

/// The object with the places that name a namespace filled in, one after the other.
fn filled(object: &Value, mut name: impl FnMut(usize) -> String) -> Value {
    let parts = object.to_string();
    let mut parts = parts.split('@');
    let first = parts.next().unwrap().to_owned();
    let text = parts.enumerate().fold(first, |text, (at, part)| text + &name(at) + part);
    serde_json::from_str(&text).unwrap()
}

fn renamed(names: &Names, case: &(&str, &str, Value), mut object: Value) -> Value {
    rename(names, &TypeName::new(case.0, case.1), &mut object);
    object
}

fn names(pairs: &[(&str, &str)]) -> Names {
    pairs.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect()
}

#[test]
fn every_place_that_names_a_namespace_is_renamed_and_no_other() {
    let names = names(&[("shop", "store"), ("other", "shop")]);
    for case in cases() {
        let object = filled(&case.2, |_| "shop".to_owned());
        assert_eq!(renamed(&names, &case, object), filled(&case.2, |_| "store".to_owned()), "{}", case.1);
    }
}

#[test]
fn every_way_of_the_table_is_tried() {
    for (group, resource, _, ways) in WAYS {
        for way in *ways {
            let mut found = false;
            for (of, is, mut object) in cases() {
                if of == *group && (*resource == "*" || is == *resource) {
                    each(&mut object, way, &mut |_| found = true);
                }
            }
            assert!(found, "{resource}.{group} {way}");
        }
    }
}

#[test]
fn names_that_cannot_be_are_refused() {
    for (pairs, reason) in [
        (
            &[("a", "c"), ("b", "c")] as &[_],
            "namespaces.b: `a` becomes `c` as well; two namespaces cannot become one",
        ),
        (&[("A", "b")], "namespaces.A: `A` is no name"),
        (&[("a", "")], "namespaces.a: `` is no name"),
        (&[("a", "b.c")], "namespaces.a: `b.c` is no name"),
    ] {
        let wrong = check(&names(pairs)).unwrap_err().to_string();
        assert!(wrong.starts_with(reason), "{wrong}");
    }
    assert_eq!(check(&names(&[("a", "b"), ("b", "a")])), Ok(()));
}

proptest! {
    #[test]
    fn namespaces_that_swap_names_keep_apart_and_come_back(
        at in 0..cases().len(), to in Just(["a", "b", "c", "d"]).prop_shuffle(), which in prop::collection::vec(0..5usize, 1..50),
    ) {
        let from = ["a", "b", "c", "d"];
        let there = names(&std::array::from_fn::<_, 4, _>(|i| (from[i], to[i])));
        let back = names(&std::array::from_fn::<_, 4, _>(|i| (to[i], from[i])));
        let case = cases().swap_remove(at);
        // One of them is not renamed.
        let name = |names: &[&str], at: usize| names.get(which[at % which.len()]).unwrap_or(&"e").to_string();
        let object = filled(&case.2, |at| name(&from, at));
        let away = renamed(&there, &case, object.clone());
        prop_assert_eq!(&away, &filled(&case.2, |at| name(&to, at)));
        prop_assert_eq!(renamed(&back, &case, away), object);
    }
}
