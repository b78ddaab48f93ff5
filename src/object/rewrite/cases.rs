//! Rules one by one, and all of them together.

use super::*;
use proptest::prelude::*;
use serde_json::json;

fn rewrite(rules: Value) -> Rewrite {
    Rewrite::new(serde_json::from_value(rules).unwrap()).unwrap()
}

fn rewritten(rules: Value, group: &str, resource: &str, object: &Value) -> Value {
    let mut object = object.clone();
    rewrite(rules).apply(&TypeName::new(group, resource), &mut object).unwrap();
    object
}

#[test]
fn storage_classes_are_replaced_wherever_a_volume_is_asked_for() {
    let claim = |class: &str| {
        let annotation = json!({"volume.beta.kubernetes.io/storage-class": class, "team": "slow"});
        json!({"metadata": {"name": "slow", "annotations": annotation}, "spec": {"storageClassName": class, "volumeName": "slow"}})
    };
    let set = |class: &str| {
        let ephemeral = json!({"volumeClaimTemplate": {"spec": {"storageClassName": class}}});
        json!({"spec": {
            "volumeClaimTemplates": [claim(class), claim("other")],
            "template": {"spec": {"volumes": [{"name": "slow", "ephemeral": ephemeral}]}},
        }})
    };
    let rules = json!({"storageClasses": {"slow": "fast", "fast": "fastest"}});
    for (group, resource, before, after) in [
        ("", "persistentvolumeclaims", claim("slow"), claim("fast")),
        ("", "persistentvolumes", claim("fast"), claim("fastest")),
        ("apps", "statefulsets", set("slow"), set("fast")),
        ("storage.k8s.io", "storageclasses", claim("slow"), claim("slow")),
    ] {
        assert_eq!(rewritten(rules.clone(), group, resource, &before), after, "{resource}");
    }
}

#[test]
fn images_are_replaced_in_every_container() {
    let pod = |image: &str| {
        let containers = json!([{"name": "a", "image": image}, {"name": "b", "image": "quay.io/b"}]);
        json!({
            "containers": containers, "initContainers": containers, "ephemeralContainers": containers,
            "volumes": [{"name": "docker.io", "image": {"reference": image}}],
        })
    };
    let template = |image: &str| json!({"spec": {"template": {"spec": pod(image)}}});
    let cron = |image: &str| json!({"spec": {"jobTemplate": template(image)}});
    let (old, new) = ("nginx:1", "mirror.local/library/nginx:1");
    let rules = json!({"images": {"docker.io": "mirror.local"}});
    for (group, resource, before, after) in [
        ("", "pods", json!({"spec": pod(old)}), json!({"spec": pod(new)})),
        (
            "",
            "podtemplates",
            json!({"template": {"spec": pod(old)}}),
            json!({"template": {"spec": pod(new)}}),
        ),
        ("", "replicationcontrollers", template(old), template(new)),
        ("apps", "daemonsets", template(old), template(new)),
        ("apps", "deployments", template(old), template(new)),
        ("apps", "replicasets", template(old), template(new)),
        ("apps", "statefulsets", template(old), template(new)),
        ("batch", "jobs", template(old), template(new)),
        ("batch", "cronjobs", cron(old), cron(new)),
        ("example.com", "apps", template(old), template(old)),
    ] {
        assert_eq!(rewritten(rules.clone(), group, resource, &before), after, "{resource}");
    }
}

#[test]
fn what_is_quiesced_does_not_run() {
    let before = json!({"spec": {"replicas": 3, "template": {}}});
    let none = json!({"spec": {"replicas": 0, "template": {}}});
    let suspended = json!({"spec": {"replicas": 3, "template": {}, "suspend": true}});
    for (group, resource, after) in [
        ("", "replicationcontrollers", &none),
        ("apps", "deployments", &none),
        ("apps", "replicasets", &none),
        ("apps", "statefulsets", &none),
        ("batch", "cronjobs", &suspended),
        ("batch", "jobs", &suspended),
        ("apps", "daemonsets", &before),
        ("example.com", "deployments", &before),
    ] {
        assert_eq!(rewritten(json!({"quiesce": true}), group, resource, &before), *after, "{resource}");
    }
    let by_default = rewritten(json!({"quiesce": true}), "apps", "deployments", &json!({"spec": {}}));
    assert_eq!(by_default, json!({"spec": {"replicas": 0}}));
}

#[test]
fn a_modifier_has_the_last_word() {
    let rules = json!({
        "namespaces": {"shop": "store"}, "quiesce": true, "images": {"docker.io": "mirror.local"},
        "modifiers": [
            {"namespaces": ["store"], "jsonPatch": [{"op": "test", "path": "/spec/replicas", "value": 0}]},
            {"names": ["web"], "mergePatch": {"spec": {"replicas": 1}}},
            {"namespaces": ["shop"], "mergePatch": {"spec": {"replicas": 2}}},
        ],
    });
    let object = json!({"metadata": {"name": "web", "namespace": "shop"}, "spec": {"replicas": 3}});
    let wanted = json!({"metadata": {"name": "web", "namespace": "store"}, "spec": {"replicas": 1}});
    assert_eq!(rewritten(rules.clone(), "apps", "deployments", &object), wanted);
    let rules: Rules = serde_json::from_value(rules).unwrap();
    assert_eq!(serde_json::from_value::<Rules>(serde_json::to_value(&rules).unwrap()).unwrap(), rules);
    assert_eq!(Rewrite::new(rules.clone()).unwrap().rules(), &rules);
}

#[test]
fn identities_are_renamed_as_their_objects_are() {
    let rules = rewrite(json!({"namespaces": {"shop": "store", "store": "shop"}}));
    for (group, resource, namespace, name, wanted) in [
        ("", "pods", Some("shop"), "shop", "pods store/shop"),
        ("", "namespaces", None, "store", "namespaces shop"),
        ("", "persistentvolumes", None, "shop", "persistentvolumes shop"),
        ("apps", "deployments", Some("other"), "web", "deployments.apps other/web"),
    ] {
        let identity = Identity::new(TypeName::new(group, resource), namespace, name);
        assert_eq!(rules.identity(&identity).to_string(), wanted);
        let mut object = json!({"metadata": {"name": name, "namespace": namespace}});
        rules.apply(&identity.kind, &mut object).unwrap();
        assert_eq!(object["metadata"]["name"], *rules.identity(&identity).name);
    }
}

#[test]
fn rules_that_cannot_be_meant_are_refused_with_their_place() {
    for (rules, place) in [
        (json!({"namespaces": {"a": "c", "b": "c"}}), "namespaces.b"),
        (json!({"storageClasses": {"a": ""}}), "storageClasses.a"),
        (json!({"images": {"nginx": "a.local/nginx"}}), "images.nginx"),
        (
            json!({"modifiers": [{"mergePatch": {}}, {"jsonPatch": [{"op": "no"}]}]}),
            "modifiers[1].jsonPatch[0]",
        ),
    ] {
        let refused = Rewrite::new(serde_json::from_value(rules).unwrap()).unwrap_err();
        assert_eq!(refused.rule, place, "{refused}");
    }
    assert!(serde_json::from_value::<Rules>(json!({"quiesced": true})).is_err());
}

fn objects() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![Just(json!("a")), Just(json!(3)), Just(Value::Null)];
    let field = "(metadata|namespace|name|spec|template|containers|image|replicas|subjects|kind|x)";
    leaf.prop_recursive(5, 40, 4, move |inner| {
        prop_oneof![
            prop::collection::vec((field, inner.clone()), 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            prop::collection::vec(inner, 0..3).prop_map(Value::Array),
        ]
    })
}

proptest! {
    #[test]
    fn without_rules_nothing_changes(object in objects(), at in 0..4usize) {
        let none = Rewrite::new(Rules::default()).unwrap();
        let (group, resource) =
            [("", "pods"), ("apps", "deployments"), ("", "namespaces"), ("rbac.authorization.k8s.io", "rolebindings")][at];
        let mut same = object.clone();
        none.apply(&TypeName::new(group, resource), &mut same).unwrap();
        prop_assert!(none.is_nothing());
        prop_assert_eq!(same, object);
    }

    #[test]
    fn no_shape_of_an_object_is_too_odd(mut object in objects(), at in 0..4usize) {
        let rules = rewrite(json!({
            "namespaces": {"a": "b"}, "storageClasses": {"a": "b"}, "images": {"docker.io": "b.local"}, "quiesce": true,
        }));
        let (group, resource) =
            [("", "pods"), ("apps", "deployments"), ("", "namespaces"), ("rbac.authorization.k8s.io", "rolebindings")][at];
        prop_assert_eq!(rules.apply(&TypeName::new(group, resource), &mut object), Ok(()));
    }
}
