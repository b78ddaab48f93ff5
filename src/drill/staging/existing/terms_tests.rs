use super::*;

fn guest() -> Guest {
    Guest::new("20261123T084500Z-k3f9", false, BTreeSet::from(["metrics.k8s.io".to_owned()]))
}

fn adapted((group, resource): (&str, &str), mut object: Value) -> Value {
    guest().adapt(&TypeName::new(group, resource), &mut object);
    let labels = object["metadata"]["labels"].as_object_mut().unwrap();
    assert_eq!(labels.shift_remove(LABEL), Some("20261123T084500Z-k3f9".into()));
    if labels.is_empty() {
        object["metadata"].as_object_mut().unwrap().shift_remove("labels");
    }
    object
}

#[test]
fn what_every_cluster_has_and_what_acts_on_all_of_one_is_refused() {
    let refuses = |(group, resource): (&str, &str), namespace: Option<&str>, name: &str| {
        guest().refuses(&Identity::new(TypeName::new(group, resource), namespace, name)).is_some()
    };
    let (rbac, admission) = ("rbac.authorization.k8s.io", "admissionregistration.k8s.io");
    for (kind, namespace, name) in [
        (("", "namespaces"), None, "kube-system"),
        (("", "namespaces"), None, "default"),
        (("", "configmaps"), Some("kube-system"), "aws-auth"),
        (("", "secrets"), Some("default"), "vault"),
        (("", "serviceaccounts"), Some("shop"), "default"),
        (("", "pods"), Some("shop"), "bare"),
        (("", "persistentvolumes"), None, "disk"),
        (("storage.k8s.io", "storageclasses"), None, "fast"),
        ((rbac, "clusterroles"), None, "system:node"),
        ((rbac, "clusterroles"), None, "edit"),
        ((rbac, "clusterrolebindings"), None, "cluster-admin"),
        ((admission, "validatingwebhookconfigurations"), None, "police"),
        ((admission, "validatingadmissionpolicybindings"), None, "law"),
        (("apiregistration.k8s.io", "apiservices"), None, "v1.example.com"),
        (("flowcontrol.apiserver.k8s.io", "flowschemas"), None, "mine"),
        (("scheduling.k8s.io", "priorityclasses"), None, "system-node-critical"),
        (("metrics.k8s.io", "anything"), Some("shop"), "it"),
    ] {
        assert!(refuses(kind, namespace, name), "{kind:?} {name}");
    }
    for (kind, namespace, name) in [
        (("", "namespaces"), None, "shop"),
        (("", "serviceaccounts"), Some("shop"), "web"),
        (("", "configmaps"), Some("shop"), "default"),
        ((rbac, "clusterroles"), None, "shop-reader"),
        ((rbac, "roles"), Some("shop"), "admin"),
        (("scheduling.k8s.io", "priorityclasses"), None, "shop-first"),
        (("apps", "deployments"), Some("shop"), "web"),
        (("example.com", "pods"), Some("shop"), "x"),
    ] {
        assert!(!refuses(kind, namespace, name), "{kind:?} {name}");
    }
}

#[test]
fn workloads_are_made_without_running_and_get_back_what_they_had() {
    let guest = guest();
    for (resource, field) in [("deployments", "replicas"), ("statefulsets", "replicas")] {
        let kind = TypeName::new("apps", resource);
        let mut object = json!({"metadata": {"name": "a", "namespace": "n"}, "spec": {field: 3}});
        guest.adapt(&kind, &mut object);
        assert_eq!(object["spec"]["replicas"], 0);
        assert!(guest.drive(resource, &mut object));
        assert_eq!(object["spec"]["replicas"], 3);
    }
    let mut set = json!({"metadata": {"name": "a", "namespace": "n"}, "spec": {"template": {"spec": {}}}});
    let whole = set.clone();
    guest.adapt(&TypeName::new("apps", "daemonsets"), &mut set);
    assert!(set["spec"]["template"]["spec"]["nodeSelector"].is_object());
    assert!(guest.drive("daemonsets", &mut set));
    assert_eq!(set["spec"], whole["spec"]);
    assert!(!guest.drive("deployments", &mut json!({"metadata": {"name": "other"}})));
    // An object that is prepared twice counts once.
    guest.adapt(&TypeName::new("apps", "daemonsets"), &mut whole.clone());
    assert_eq!((guest.disarmed("workloads"), guest.disarmed("jobs")), (3, 0));
}

#[test]
fn nothing_is_reached_provisioned_or_granted() {
    let service = json!({"metadata": {"annotations": {"external-dns.alpha.kubernetes.io/hostname": "x"}}, "spec": {
        "type": "NodePort", "externalIPs": ["1.2.3.4"], "externalTrafficPolicy": "Local", "ports": [{"port": 1, "nodePort": 30000}]}});
    let wanted = json!({"metadata": {}, "spec": {"type": "ClusterIP", "ports": [{"port": 1}]}});
    assert_eq!(adapted(("", "services"), service), wanted);
    let balancer = json!({"spec": {"type": "LoadBalancer", "ports": []}});
    assert_eq!(adapted(("", "services"), balancer)["spec"], json!({"type": "ClusterIP", "ports": []}));
    let ingress = json!({"metadata": {"annotations": {"cert-manager.io/issuer": "x", "team": "a"}}, "spec": {"ingressClassName": "nginx"}});
    let made = adapted(("networking.k8s.io", "ingresses"), ingress);
    assert_eq!(made["spec"]["ingressClassName"], NOWHERE);
    assert_eq!(
        made["metadata"]["annotations"],
        json!({"team": "a", "external-dns.alpha.kubernetes.io/controller": NOWHERE})
    );
    let claim =
        json!({"spec": {"storageClassName": "fast", "volumeName": "disk", "dataSource": {"name": "s"}}});
    assert_eq!(adapted(("", "persistentvolumeclaims"), claim)["spec"], json!({"storageClassName": NOWHERE}));
    let set = json!({"spec": {"replicas": 0, "volumeClaimTemplates": [{"spec": {"storageClassName": "fast"}}],
        "template": {"spec": {"volumes": [{"ephemeral": {"volumeClaimTemplate": {"spec": {}}}}, {"emptyDir": {}}]}}}});
    let set = adapted(("apps", "statefulsets"), set);
    assert_eq!(set["spec"]["volumeClaimTemplates"][0]["spec"]["storageClassName"], NOWHERE);
    let volume = &set["spec"]["template"]["spec"]["volumes"][0];
    assert_eq!(volume["ephemeral"]["volumeClaimTemplate"]["spec"]["storageClassName"], NOWHERE);
    let account = |namespace: &str| json!({"kind": "ServiceAccount", "name": "a", "namespace": namespace});
    let subjects = json!([{"kind": "User", "name": "alice"}, account("kube-system"), account("shop")]);
    let rbac =
        |resource: &str| adapted(("rbac.authorization.k8s.io", resource), json!({"subjects": subjects}));
    assert_eq!(rbac("rolebindings")["subjects"], json!([account("shop")]));
    assert_eq!(rbac("clusterrolebindings").get("subjects"), None);
    let role =
        json!({"metadata": {"labels": {"rbac.authorization.k8s.io/aggregate-to-admin": "true", "a": "b"}}});
    assert_eq!(
        adapted(("rbac.authorization.k8s.io", "clusterroles"), role)["metadata"]["labels"],
        json!({"a": "b"})
    );
}

#[test]
fn definitions_classes_policies_and_finalizers_act_on_nobody() {
    let definition = json!({"spec": {"conversion": {"strategy": "Webhook", "webhook": {}}}});
    let kind = ("apiextensions.k8s.io", "customresourcedefinitions");
    assert_eq!(adapted(kind, definition)["spec"]["conversion"], json!({"strategy": "None"}));
    let class = adapted(("scheduling.k8s.io", "priorityclasses"), json!({"globalDefault": true, "value": 9}));
    assert_eq!((class.get("globalDefault"), &class["preemptionPolicy"]), (None, &"Never".into()));
    let policy = json!({"spec": {"policyTypes": ["Ingress", "Egress"], "egress": [{}], "ingress": [{}]}});
    let policy = adapted(("networking.k8s.io", "networkpolicies"), policy);
    assert_eq!(policy["spec"], json!({"policyTypes": ["Ingress", "Egress"], "ingress": [{}]}));
    let held = json!({"metadata": {"finalizers": ["example.com/hold", "kubernetes.io/pvc-protection"]}});
    assert_eq!(
        adapted(("", "configmaps"), held)["metadata"]["finalizers"],
        json!(["kubernetes.io/pvc-protection"])
    );
    let held = json!({"metadata": {"finalizers": ["example.com/hold"]}});
    assert_eq!(adapted(("example.com", "things"), held), json!({"metadata": {}}));
}

#[test]
fn what_has_no_such_fields_is_left_as_it_is() {
    for odd in [json!({"metadata": "text", "spec": 3}), json!({"metadata": {"labels": [1]}}), json!("text")] {
        for (group, resource) in [
            ("", "services"),
            ("", "persistentvolumeclaims"),
            ("networking.k8s.io", "ingresses"),
            ("example.com", "x"),
        ] {
            let mut object = odd.clone();
            guest().adapt(&TypeName::new(group, resource), &mut object);
        }
    }
}
