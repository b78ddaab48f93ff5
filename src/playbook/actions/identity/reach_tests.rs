use super::*;

fn live(group: &str, kind: &str, resource: &str, place: (Option<&str>, &str), json: Value) -> Live {
    let (namespace, name) = place;
    let object = ObjectRef {
        group: group.into(),
        version: "v1".into(),
        resource: resource.into(),
        kind: kind.into(),
        namespace: namespace.map(str::to_owned),
        name: name.into(),
        uid: Some(format!("uid-{name}")),
    };
    Live { object, json: json.into() }
}

const RBAC: &str = "rbac.authorization.k8s.io";

fn known() -> Known {
    let shop = |name| (Some("shop"), name);
    let account = json!({"metadata": {"annotations": {"eks.amazonaws.com/role-arn": "arn:x"}}, "imagePullSecrets": [{"name": "pull"}]});
    let account = live("", "ServiceAccount", "serviceaccounts", shop("ci"), account);
    let pod = json!({"spec": {"serviceAccountName": "ci", "volumes": [
        {"secret": {"secretName": "mounted"}}, {"persistentVolumeClaim": {"claimName": "data"}}]}});
    let pod = live("", "Pod", "pods", shop("ci-1"), pod);
    let role = |rules: Value| json!({"rules": [rules]});
    let subject = json!([{"kind": "ServiceAccount", "namespace": "shop", "name": "ci"}]);
    let group = json!([{"kind": "Group", "name": "system:serviceaccounts:shop"}]);
    let binding = |role: &str, subjects: &Value| json!({"roleRef": {"kind": "Role", "name": role}, "subjects": subjects});
    let template = |account: &str| json!({"spec": {"template": {"spec": {"serviceAccountName": account}}}});
    let secret = |namespace: &str, name: &str, json: Value| {
        SecretName::of(&live("", "Secret", "secrets", (Some(namespace), name), json))
    };
    let token = json!({"type": "kubernetes.io/service-account-token",
        "metadata": {"annotations": {"kubernetes.io/service-account.name": "ci"}}, "data": {"token": "dG9rZW4="}});
    Known {
        target: account.object.clone(),
        accounts: BTreeSet::from([Account { namespace: "shop".into(), name: "ci".into() }]),
        pods: vec![pod.clone()],
        suspects: vec![pod],
        rbac: vec![
            live(
                RBAC,
                "Role",
                "roles",
                shop("reader"),
                role(
                    json!({"verbs": ["get"], "apiGroups": [""], "resources": ["secrets"], "resourceNames": ["named"]}),
                ),
            ),
            live(
                RBAC,
                "Role",
                "roles",
                shop("lister"),
                role(json!({"verbs": ["list"], "apiGroups": [""], "resources": ["configmaps"]})),
            ),
            live(RBAC, "RoleBinding", "rolebindings", shop("by-name"), binding("reader", &subject)),
            live(RBAC, "RoleBinding", "rolebindings", shop("by-group"), binding("lister", &group)),
        ],
        service_accounts: vec![
            account,
            live("", "ServiceAccount", "serviceaccounts", shop("other"), json!({})),
        ],
        workloads: vec![
            live("apps", "Deployment", "deployments", shop("b"), template("ci")),
            live("apps", "Deployment", "deployments", shop("a"), template("ci")),
            live("apps", "Deployment", "deployments", shop("c"), template("other")),
            live(
                "batch",
                "CronJob",
                "cronjobs",
                shop("night"),
                json!({"spec": {"jobTemplate": template("ci")}}),
            ),
        ],
        claims: vec![live("", "PersistentVolumeClaim", "persistentvolumeclaims", shop("data"), json!({}))],
        secrets: vec![
            secret("shop", "named", json!({})),
            secret("shop", "mounted", json!({})),
            secret("shop", "closed", json!({})),
            secret("shop", "ci-token", token),
        ],
    }
}

fn names(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect()
}

#[test]
fn all_that_an_identity_reaches_is_told() {
    let known = known();
    let found = reach(&known);
    assert_eq!(names(&found["bindings"]), ["by-group", "by-name"]);
    assert_eq!(found["bindings"][1]["byName"], true);
    assert_eq!(found["bindings"][0]["byName"], false);
    assert_eq!(names(&found["workloads"]), ["a", "b"]);
    assert_eq!(names(&found["jobs"]), ["night"]);
    assert_eq!(names(&found["tokenSecrets"]), ["ci-token"]);
    let secrets: Vec<String> = found["readableSecrets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| format!("{}{}", it["name"].as_str().unwrap(), it["by"]))
        .collect();
    assert_eq!(secrets, ["mounted[\"pod\"]", "named[\"rule\"]", "pull[\"imagePull\"]"]);
    assert_eq!(found["readableSecrets"][2]["uid"], Value::Null);
    assert_eq!(names(&found["pvcs"]), ["data"]);
    assert_eq!(found["cloudIdentities"][0]["value"], "arn:x");
    assert_eq!(
        found["topVerbs"],
        json!([{"verb": "get", "group": "", "resource": "secrets", "namespace": "shop", "name": "named"}])
    );
    assert_eq!(found["rules"].as_array().unwrap().len(), 2);
    // The target, its role and binding, its token: what evidence is kept of.
    assert_eq!(names(&found["objects"]), ["ci-token", "ci", "by-name", "reader"]);
    assert!(!found.to_string().contains("dG9rZW4="));
    assert_eq!(known.reads_secrets_in(), Some(BTreeSet::from(["shop".to_owned()])));
}

#[test]
fn the_order_of_what_was_read_does_not_matter() {
    let mut turned = known();
    for list in [&mut turned.rbac, &mut turned.workloads, &mut turned.service_accounts] {
        list.reverse();
    }
    turned.secrets.reverse();
    assert_eq!(reach(&turned).to_string(), reach(&known()).to_string());
}

#[test]
fn who_reads_secrets_everywhere_reads_those_of_every_namespace() {
    let mut known = known();
    let rules = json!({"rules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]});
    known.rbac.push(live(RBAC, "ClusterRole", "clusterroles", (None, "all"), rules));
    let binding = json!({"roleRef": {"kind": "ClusterRole", "name": "all"}, "subjects": [{"kind": "Group", "name": "system:authenticated"}]});
    known.rbac.push(live(RBAC, "ClusterRoleBinding", "clusterrolebindings", (None, "all"), binding));
    assert_eq!(known.reads_secrets_in(), None);
    assert_eq!(names(&reach(&known)["readableSecrets"]), ["ci-token", "closed", "mounted", "named", "pull"]);
}
