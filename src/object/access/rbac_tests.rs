use super::*;
use serde_json::json;

fn object(resource: &str, namespace: Option<&str>, name: &str) -> Identity {
    Identity::new(TypeName::new(RBAC, resource), namespace, name)
}

fn shop() -> Rbac {
    let mut rbac = Rbac::default();
    let rules =
        json!({"rules": [{"apiGroups": [""], "resources": ["pods", "pods/log"], "verbs": ["list", "get"]}]});
    rbac.insert(&object("roles", Some("shop"), "look"), &rules);
    let subjects = json!([{"kind": "ServiceAccount", "name": "ci", "namespace": "shop"}]);
    let binding = json!({"roleRef": {"kind": "Role", "name": "look"}, "subjects": subjects});
    rbac.insert(&object("rolebindings", Some("shop"), "ci-looks"), &binding);
    rbac
}

fn told(before: &Rbac, after: &Rbac, changed: &[&Identity]) -> Vec<String> {
    let changed = changed.iter().map(|it| (*it).clone()).collect();
    let all = Rbac::changes(before, after, &changed);
    all.iter()
        .flat_map(|(cause, said)| {
            said.iter().map(move |s| {
                format!(
                    "{cause}: {}{}",
                    s.text,
                    s.danger.iter().map(|d| format!(" [{d}]")).collect::<String>()
                )
            })
        })
        .collect()
}

#[test]
fn a_role_s_change_is_told_for_all_who_are_bound_to_it() {
    let (before, mut after) = (shop(), shop());
    let role = object("roles", Some("shop"), "look");
    let rules = json!({"rules": [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]},
        {"apiGroups": [""], "resources": ["pods/exec"], "verbs": ["create"]},
        {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["db"], "verbs": ["get"]},
        {"nonResourceURLs": ["/metrics"], "verbs": ["get"]},
    ]});
    after.insert(&role, &rules);
    let wanted = [
        "roles.rbac.authorization.k8s.io shop/look: grants `create pods/exec` in namespace shop to ServiceAccount shop/ci [runs commands in pods]",
        "roles.rbac.authorization.k8s.io shop/look: grants `get secrets \"db\"` in namespace shop to ServiceAccount shop/ci [reads Secrets]",
        "roles.rbac.authorization.k8s.io shop/look: grants `watch pods` in namespace shop to ServiceAccount shop/ci",
        "roles.rbac.authorization.k8s.io shop/look: takes `get,list pods/log` in namespace shop from ServiceAccount shop/ci",
    ];
    assert_eq!(told(&before, &after, &[&role]), wanted);
    assert!(told(&before, &before, &[&role]).is_empty());
    assert!(told(&before, &after, &[]).is_empty());
}

#[test]
fn a_binding_s_change_is_told_with_what_its_role_allows() {
    let (before, mut after) = (shop(), shop());
    let (role, binding) =
        (object("clusterroles", None, "cluster-admin"), object("clusterrolebindings", None, "oops"));
    let rules = json!({"rules": [
        {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}, {"nonResourceURLs": ["*"], "verbs": ["*"]},
    ]});
    let mut before = before;
    before.insert(&role, &rules);
    after.insert(&role, &rules);
    let to = |name: &str| json!({"roleRef": {"kind": "ClusterRole", "name": name}, "subjects": [{"kind": "Group", "name": "system:authenticated"}]});
    after.insert(&binding, &to("cluster-admin"));
    let name = "clusterrolebindings.rbac.authorization.k8s.io oops";
    let grants = format!(
        "{name}: grants `* *.*, *` everywhere to Group system:authenticated [for everybody who can log in] [every right there is]"
    );
    assert_eq!(told(&before, &after, &[&binding]), [grants]);
    let takes = format!("{name}: takes `* *.*, *` everywhere from Group system:authenticated");
    assert_eq!(told(&after, &before, &[&binding]), [takes]);
    after.insert(&binding, &to("gone"));
    assert_eq!(
        told(&before, &after, &[&binding]),
        [format!("{name}: it refers to ClusterRole gone, which does not exist")]
    );
}

#[test]
fn a_role_that_nobody_has_is_told_as_such() {
    let (before, mut after) = (Rbac::default(), Rbac::default());
    let role = object("clusterroles", None, "spare");
    after.insert(
        &role,
        &json!({"rules": [{"apiGroups": [RBAC], "resources": ["clusterroles"], "verbs": ["escalate"]}]}),
    );
    let text = "allows `escalate clusterroles.rbac.authorization.k8s.io` everywhere; nobody is bound to it";
    let danger = "[writes roles with rights that it does not have]";
    assert_eq!(told(&before, &after, &[&role]), [format!("clusterroles.{RBAC} spare: {text} {danger}")]);
}
