use super::*;
use serde_json::json;

fn policy(name: &str, spec: Value) -> Value {
    json!({"metadata": {"name": name}, "spec": spec})
}

fn told(labels: Value, policies: &[Value]) -> (bool, bool, Vec<String>) {
    let found = exposure(&labels, policies);
    (found.isolated_ingress, found.isolated_egress, found.allowed.iter().map(ToString::to_string).collect())
}

#[test]
fn without_a_policy_everything_is_open() {
    let other = policy("other", json!({"podSelector": {"matchLabels": {"app": "db"}}}));
    let (ingress, egress, allowed) = told(json!({"app": "web"}), &[other]);
    assert_eq!((ingress, egress), (false, false));
    assert_eq!(
        allowed,
        [
            "to everything, all ports (no policy holds it back)",
            "from everything, all ports (no policy holds it back)"
        ]
    );
}

#[test]
fn a_denial_takes_nothing_away_from_what_another_policy_allows() {
    let deny = policy("deny", json!({"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}));
    let allow = policy(
        "allow",
        json!({"podSelector": {"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["db"]}]},
            "ingress": [{"from": [
                {"podSelector": {"matchLabels": {"role": "front"}}},
                {"namespaceSelector": {}},
                {"podSelector": {}, "namespaceSelector": {"matchLabels": {"team": "a"}}},
                {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}},
            ], "ports": [{"port": 80}, {"protocol": "UDP", "port": 5000, "endPort": 5010}, {"protocol": "SCTP"}, {"port": "http"}]}]}),
    );
    let ports = "TCP 80, UDP 5000-5010, SCTP all ports, TCP http (NetworkPolicy allow)";
    // A pod without the label is not in the list either.
    let (ingress, egress, allowed) = told(json!({}), &[deny.clone(), allow.clone()]);
    assert_eq!((ingress, egress), (true, true));
    let wanted = [
        format!("from 10.0.0.0/8 except 10.1.0.0/16, {ports}"),
        format!("from every pod in every namespace, {ports}"),
        format!("from every pod in namespaces (team=a), {ports}"),
        format!("from pods (role=front) in the same namespace, {ports}"),
    ];
    assert_eq!(allowed, wanted);
    let (ingress, egress, allowed) = told(json!({"app": "db"}), &[deny, allow]);
    assert_eq!((ingress, egress, allowed.len()), (true, true, 0));
}

#[test]
fn the_directions_of_a_policy_are_those_that_the_server_assumes() {
    let open = [json!({})];
    for (spec, ingress, egress) in [
        (json!({"podSelector": {}}), true, false),
        (json!({"podSelector": {}, "egress": []}), true, false),
        (json!({"podSelector": {}, "egress": open}), true, true),
        (json!({"podSelector": {}, "policyTypes": ["Egress"], "ingress": open}), false, true),
        (json!({"podSelector": {}, "policyTypes": ["Ingress"], "egress": open}), true, false),
    ] {
        let found = exposure(&json!({}), &[policy("p", spec.clone())]);
        assert_eq!((found.isolated_ingress, found.isolated_egress), (ingress, egress), "{spec}");
    }
    // A rule without peers is for everybody.
    let found =
        exposure(&json!({}), &[policy("p", json!({"podSelector": {}, "ingress": open, "egress": open}))]);
    assert!(found.allowed.iter().all(|way| way.peer == "everything" && way.policy.is_some()), "{found:?}");
    assert_eq!(found.allowed.len(), 2);
}
