use super::*;
use serde_json::json;

fn change(modifier: Value) -> Result<Change, BadRule> {
    Change::new(2, &serde_json::from_value(modifier).unwrap())
}

fn web() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web"}}, "spec": {"replicas": 3},
    })
}

fn changed(modifier: Value) -> Result<Value, String> {
    let mut object = web();
    change(modifier).unwrap().apply(&TypeName::new("apps", "deployments"), &mut object)?;
    Ok(object)
}

#[test]
fn both_patches_change_what_they_name() {
    let by_json = changed(json!({"jsonPatch": [
        {"op": "test", "path": "/spec/replicas", "value": 3},
        {"op": "replace", "path": "/spec/replicas", "value": 1},
        {"op": "add", "path": "/metadata/labels/a~1b", "value": "c"},
    ]}));
    let mut wanted = web();
    wanted["spec"]["replicas"] = json!(1);
    wanted["metadata"]["labels"]["a/b"] = json!("c");
    assert_eq!(by_json, Ok(wanted.clone()));
    let by_merge =
        changed(json!({"mergePatch": {"metadata": {"labels": {"a/b": "c"}}, "spec": {"replicas": 1}}}));
    assert_eq!(by_merge, Ok(wanted));
}

#[test]
fn only_objects_that_are_meant_are_changed() {
    for (filter, meant) in [
        (json!({}), true),
        (json!({"kinds": ["deploy"]}), true),
        (json!({"kinds": ["Deployment"]}), true),
        (json!({"kinds": ["pods", "*.apps"]}), true),
        (json!({"kinds": ["pods"]}), false),
        (json!({"namespaces": ["sh*"]}), true),
        (json!({"namespaces": ["other"]}), false),
        (json!({"names": ["we?"]}), true),
        (json!({"names": ["db", "we"]}), false),
        (json!({"labels": "app in (web)"}), true),
        (json!({"labels": "app!=web"}), false),
        (json!({"kinds": ["deploy"], "names": ["db"]}), false),
    ] {
        let mut modifier = filter.clone();
        modifier["mergePatch"] = json!({"spec": {"paused": true}});
        assert_eq!(changed(modifier).unwrap() != web(), meant, "{filter}");
    }
    // A namespace is in itself, and other objects of the cluster are in none.
    let change =
        change(json!({"namespaces": ["shop"], "mergePatch": {"metadata": {"labels": {"a": "b"}}}})).unwrap();
    for (group, resource, meant) in
        [("", "namespaces", true), ("rbac.authorization.k8s.io", "clusterroles", false)]
    {
        let mut object = json!({"metadata": {"name": "shop"}});
        change.apply(&TypeName::new(group, resource), &mut object).unwrap();
        assert_eq!(object["metadata"]["labels"]["a"] == "b", meant);
    }
}

#[test]
fn an_object_stays_the_one_that_it_is() {
    for (patch, field) in [
        (json!({"mergePatch": {"metadata": {"name": "other"}}}), "metadata.name"),
        (json!({"mergePatch": {"metadata": {"namespace": null}}}), "metadata.namespace"),
        (json!({"mergePatch": {"metadata": null}}), "metadata.name"),
        (json!({"jsonPatch": [{"op": "replace", "path": "/kind", "value": "Pod"}]}), "kind"),
        (json!({"jsonPatch": [{"op": "remove", "path": "/apiVersion"}]}), "apiVersion"),
        (json!({"jsonPatch": [{"op": "replace", "path": "", "value": {}}]}), "apiVersion"),
    ] {
        let wanted = format!("modifiers[2] would change {field}, and so make another object of it");
        assert_eq!(changed(patch), Err(wanted));
    }
    // Naming the object is not changing it.
    assert!(changed(json!({"mergePatch": {"kind": "Deployment", "metadata": {"name": "web"}}})).is_ok());
}

#[test]
fn a_patch_that_does_not_fit_is_told_without_values() {
    for (operation, reason) in [
        (
            json!({"op": "test", "path": "/spec/replicas", "value": 7}),
            "/spec/replicas: the object has another value there",
        ),
        (
            json!({"op": "replace", "path": "/spec/x/y", "value": "password"}),
            "/spec/x/y: the object has no such place",
        ),
        (
            json!({"op": "copy", "from": "/none", "path": "/spec/y"}),
            "/spec/y: the object has nothing at `from`",
        ),
        (
            json!({"op": "move", "from": "/spec", "path": "/spec/y"}),
            "/spec/y: nothing can be moved into itself",
        ),
    ] {
        let first = json!({"op": "add", "path": "/spec/added", "value": 1});
        let wanted = format!("modifiers[2].jsonPatch[1]: {reason}");
        assert_eq!(changed(json!({"jsonPatch": [first, operation]})), Err(wanted));
    }
}

#[test]
fn what_cannot_be_meant_is_refused_with_its_place() {
    for (modifier, place) in [
        (json!({}), "modifiers[2]"),
        (json!({"mergePatch": [1]}), "modifiers[2].mergePatch"),
        (json!({"jsonPatch": {"op": "remove"}}), "modifiers[2].jsonPatch"),
        (
            json!({"jsonPatch": [{"op": "remove", "path": "/a"}, {"op": "delete", "path": "/a"}]}),
            "modifiers[2].jsonPatch[1]",
        ),
        (json!({"jsonPatch": [{"op": "remove", "path": "a"}]}), "modifiers[2].jsonPatch[0]"),
        (json!({"kinds": ["pods", "a b"], "mergePatch": {}}), "modifiers[2].kinds[1]"),
        (json!({"namespaces": ["A"], "mergePatch": {}}), "modifiers[2].namespaces[0]"),
    ] {
        assert_eq!(change(modifier).unwrap_err().rule, place);
    }
}
