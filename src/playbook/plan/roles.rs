//! The rights of a plan as roles: no more than it needs, by name where Kubernetes can tell names apart.

use super::Plan;
use crate::source::kube::Attempt;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// A rule: group, resource with its part, verb -> names; no name at all is every object.
type Rules = BTreeMap<(String, String), BTreeMap<Option<String>, BTreeSet<String>>>;

/// A ClusterRole, Roles and their bindings for a service account, as a `List`.
pub fn roles(plan: &Plan, (namespace, name): (&str, &str), lease: &str) -> Value {
    let mut by_place: BTreeMap<Option<String>, Rules> = BTreeMap::new();
    let mut add = |attempt: &Attempt| {
        let part = attempt.subresource.as_ref().map(|part| format!("/{part}")).unwrap_or_default();
        let rules = by_place.entry(attempt.namespace.clone()).or_default();
        let of = rules.entry((attempt.group.clone(), format!("{}{part}", attempt.resource))).or_default();
        of.entry(attempt.name.clone()).or_default().insert(attempt.verb.clone());
    };
    for step in plan.every_step() {
        for planned in step.ops() {
            let (needed, back) = planned.op.rights();
            needed.iter().for_each(&mut add);
            if step.undo {
                back.iter().for_each(&mut add);
            }
        }
    }
    let plain =
        |verb: &str, group: &str, resource: &str, namespace: Option<&str>, name: Option<&str>| Attempt {
            verb: verb.to_owned(),
            group: group.to_owned(),
            resource: resource.to_owned(),
            subresource: None,
            namespace: namespace.map(str::to_owned),
            name: name.map(str::to_owned),
        };
    // What planning itself looks at.
    add(&plain("get", "", "namespaces", None, Some("kube-system")));
    add(&plain("list", "", "nodes", None, None));
    add(&plain("list", "apps", "daemonsets", None, None));
    if plan.concurrency.is_some() {
        for verb in ["get", "create", "update"] {
            add(&plain(verb, "coordination.k8s.io", "leases", Some(lease), None));
        }
    }
    let role = format!("lifeboat-playbook-{}", plan.playbook.name);
    let subject = json!([{"kind": "ServiceAccount", "namespace": namespace, "name": name}]);
    let api = "rbac.authorization.k8s.io/v1";
    let mut items = Vec::new();
    for (place, rules) in &by_place {
        let (kind, binding) = match place {
            None => ("ClusterRole", "ClusterRoleBinding"),
            Some(_) => ("Role", "RoleBinding"),
        };
        let mut metadata = json!({"name": role});
        if let Some(place) = place {
            metadata["namespace"] = place.as_str().into();
        }
        items.push(json!({"apiVersion": api, "kind": kind, "metadata": metadata, "rules": rules_of(rules)}));
        items.push(json!({
            "apiVersion": api, "kind": binding, "metadata": metadata, "subjects": subject,
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role},
        }));
    }
    json!({"apiVersion": "v1", "kind": "List", "items": items})
}

fn rules_of(rules: &Rules) -> Vec<Value> {
    let mut out = Vec::new();
    for ((group, resource), by_name) in rules {
        let everywhere: BTreeSet<&String> = by_name.get(&None).into_iter().flatten().collect();
        // Names with equal verbs are one rule.
        let mut by_verbs: BTreeMap<Vec<&String>, Vec<&String>> = BTreeMap::new();
        for (name, verbs) in by_name {
            let Some(name) = name else { continue };
            let verbs: Vec<&String> = verbs.iter().filter(|verb| !everywhere.contains(verb)).collect();
            if !verbs.is_empty() {
                by_verbs.entry(verbs).or_default().push(name);
            }
        }
        if !everywhere.is_empty() {
            out.push(json!({"apiGroups": [group], "resources": [resource], "verbs": everywhere}));
        }
        for (verbs, names) in by_verbs {
            out.push(json!({"apiGroups": [group], "resources": [resource], "resourceNames": names, "verbs": verbs}));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_equal_verbs_are_one_rule() {
        let mut rules = Rules::new();
        let of = rules.entry((String::new(), "pods".into())).or_default();
        let verbs = |all: &[&str]| all.iter().map(|it| (*it).to_owned()).collect::<BTreeSet<_>>();
        of.insert(Some("a".into()), verbs(&["get", "update"]));
        of.insert(Some("b".into()), verbs(&["get", "update"]));
        of.insert(Some("c".into()), verbs(&["delete", "create"]));
        of.insert(None, verbs(&["create"]));
        assert_eq!(
            rules_of(&rules),
            [
                json!({"apiGroups": [""], "resources": ["pods"], "verbs": ["create"]}),
                json!({"apiGroups": [""], "resources": ["pods"], "resourceNames": ["c"], "verbs": ["delete"]}),
                json!({"apiGroups": [""], "resources": ["pods"], "resourceNames": ["a", "b"], "verbs": ["get", "update"]}),
            ]
        );
    }
}
