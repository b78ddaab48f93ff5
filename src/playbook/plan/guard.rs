//! What a plan must not do: guards are counted on what was resolved, and the engine's own identity is out of reach.

use super::{Finding, Level, Order, Own, Plan};
use crate::playbook::{
    actions::{Live, Planning},
    model::Guards,
    op::{FieldSet, ObjectRef, Op},
};
use std::collections::{BTreeMap, BTreeSet};

/// Looks at what a plan touches.
pub(super) async fn look(plan: &mut Plan, order: &Order<'_>, own: &Own, with: &Planning<'_>) {
    let guards = &order.playbook.guards;
    let touched: Vec<(String, Op)> = plan
        .every_step()
        .iter()
        .flat_map(|step| step.ops().iter().map(|it| (step.id.clone(), it.op.clone())))
        .collect();
    let mut found = Vec::new();
    found.extend(out_of_reach(&touched, guards, own));
    found.extend(too_much(&touched, guards));
    found.extend(twice(&touched));
    if order.cluster.is_none() {
        found.extend(idle(guards));
    } else if let Some(least) = guards.min_healthy_replicas {
        found.extend(too_few(&touched, least, with).await);
    }
    plan.findings.extend(found);
}

/// Guards that look at objects of a cluster, of which a playbook on a host touches none.
fn idle(guards: &Guards) -> Option<Finding> {
    let given = [
        ("protectedNamespaces", !guards.protected_namespaces.is_empty()),
        ("limits", !guards.limits.is_empty() || guards.min_healthy_replicas.is_some()),
    ];
    let names: Vec<&str> = given.into_iter().filter(|(_, given)| *given).map(|(name, _)| name).collect();
    let message = format!(
        "guards.{} is about objects of a cluster, and guards nothing on a host",
        names.join(" and guards.")
    );
    (!names.is_empty()).then_some(Finding { level: Level::Warning, step: None, message })
}

fn error(step: Option<&str>, message: String) -> Finding {
    Finding { level: Level::Error, step: step.map(str::to_owned), message }
}

fn objects(touched: &[(String, Op)]) -> impl Iterator<Item = (&str, &ObjectRef)> {
    touched.iter().flat_map(|(step, op)| op.objects().into_iter().map(move |object| (step.as_str(), object)))
}

/// The namespace of an object; a namespace is in itself.
fn namespace(object: &ObjectRef) -> Option<&str> {
    match object.is("", "namespaces") {
        true => Some(&object.name),
        false => object.namespace.as_deref(),
    }
}

/// The protected namespaces that an op acts in, whatever it finds there.
fn protected<'o>(op: &'o Op, protected: &'o [String]) -> impl Iterator<Item = &'o str> {
    op.places().into_iter().filter(|place| protected.iter().any(|it| it == place))
}

fn out_of_reach(touched: &[(String, Op)], guards: &Guards, own: &Own) -> Vec<Finding> {
    let mut found = Vec::new();
    for (step, op) in touched {
        for place in protected(op, &guards.protected_namespaces) {
            found.push(error(Some(step), format!("it acts in the protected namespace {place}")));
        }
    }
    for (step, object) in objects(touched) {
        let place = namespace(object);
        if let Some(place) = place.filter(|place| guards.protected_namespaces.iter().any(|it| it == place)) {
            found.push(error(Some(step), format!("{object} is in the protected namespace {place}")));
        }
        let Some((own_namespace, own_account)) = &own.account else { continue };
        let why = if place == Some(own_namespace) {
            "is in the namespace of the one who carries this out"
        } else if object.is("", "nodes") && own.node.as_deref() == Some(&object.name) {
            "is the node of the one who carries this out"
        } else if object.is("", "serviceaccounts")
            && object.name == *own_account
            && place == Some(own_namespace)
        {
            "is the identity of the one who carries this out"
        } else {
            continue;
        };
        found.push(error(Some(step), format!("{object} {why}: it is out of reach")));
    }
    found
}

fn too_much(touched: &[(String, Op)], guards: &Guards) -> Vec<Finding> {
    let all: BTreeSet<&ObjectRef> = objects(touched).map(|(_, object)| object).collect();
    let mut found = Vec::new();
    for limit in &guards.limits {
        let names: BTreeSet<String> = match limit.resource.as_str() {
            "namespaces" => all.iter().filter_map(|object| namespace(object)).map(str::to_owned).collect(),
            resource => {
                all.iter().filter(|object| object.resource == resource).map(ToString::to_string).collect()
            }
        };
        if names.len() > limit.most as usize {
            let (n, most, resource) = (names.len(), limit.most, &limit.resource);
            let some: Vec<String> = names.into_iter().take(5).collect();
            let message = format!(
                "it touches {n} {resource}, and {most} are the most (guards.limits): {}, …",
                some.join(", ")
            );
            found.push(error(None, message));
        }
    }
    found
}

/// Two steps that set the same field would undo each other's work, and neither could be taken back.
fn twice(touched: &[(String, Op)]) -> Vec<Finding> {
    let mut seen: BTreeMap<(String, &[String]), (&str, &FieldSet)> = BTreeMap::new();
    let mut deleted: BTreeMap<String, &str> = BTreeMap::new();
    let mut found = Vec::new();
    for (step, op) in touched {
        match op {
            Op::Change(change) => {
                for field in &change.fields {
                    if let Some((first, earlier)) = seen.insert((change.object.to_string(), &field.path), (step, field))
                        && first != step
                        // One that gives back what another took is planned to come after it.
                        && *field != earlier.reversed()
                    {
                        let message =
                            format!("{}: {} is set by step {first} already", change.object, field.name());
                        found.push(error(Some(step), message));
                    }
                }
            }
            Op::Delete(delete) => {
                if let Some(first) = deleted.insert(delete.object.to_string(), step) {
                    found.push(error(
                        Some(step),
                        format!("{} is deleted by step {first} already", delete.object),
                    ));
                }
            }
            _ => {}
        }
    }
    found
}

/// A pod that is taken out must leave enough ready ones of its workload.
async fn too_few(touched: &[(String, Op)], least: u32, with: &Planning<'_>) -> Vec<Finding> {
    let taken: BTreeSet<&ObjectRef> = touched
        .iter()
        .filter(|(_, op)| match op {
            Op::Delete(_) | Op::Evict(_) => true,
            // Without its labels a pod serves nobody.
            Op::Change(change) => change
                .fields
                .iter()
                .any(|it| it.path.starts_with(&["metadata".into(), "labels".into()]) && it.before.is_some()),
            _ => false,
        })
        .filter_map(|(_, op)| op.touches().map(|touch| touch.object))
        .filter(|object| object.is("", "pods"))
        .collect();
    let mut found = Vec::new();
    let mut looked = BTreeSet::new();
    for object in &taken {
        let Some(namespace) = object.namespace.as_deref() else { continue };
        if !looked.insert(namespace) {
            continue;
        }
        let pods = match with.built_in("", "pods") {
            Ok(kind) => with.list(kind, Some(namespace), None, None).await,
            Err(e) => Err(e),
        };
        let pods = match pods {
            Ok(pods) => pods,
            Err(e) => {
                found.push(error(None, format!("guards.minHealthyReplicas cannot be counted: {e}")));
                continue;
            }
        };
        let is_taken = |pod: &Live| taken.iter().any(|object| object.uid == pod.object.uid);
        let owners: BTreeSet<&str> =
            pods.iter().filter(|pod| is_taken(pod)).filter_map(|pod| Some(pod.controller()?.2)).collect();
        for owner in owners {
            let of_owner = |pod: &&Live| pod.controller().is_some_and(|(_, _, uid)| uid == owner);
            let left = pods.iter().filter(of_owner).filter(|pod| !is_taken(pod) && is_ready(pod)).count();
            if left < least as usize {
                let name = pods
                    .iter()
                    .find(of_owner)
                    .and_then(|pod| pod.controller())
                    .map(|(kind, name, _)| format!("{kind} {name}"));
                let name = name.unwrap_or_default();
                let message = format!(
                    "{left} ready pods of {name} in {namespace} would be left, and {least} have to be (guards.limits.minHealthyReplicas)"
                );
                found.push(error(None, message));
            }
        }
    }
    found
}

fn is_ready(pod: &Live) -> bool {
    let conditions = pod.json.pointer("/status/conditions").and_then(serde_json::Value::as_array);
    conditions.into_iter().flatten().any(|it| it["type"] == "Ready" && it["status"] == "True")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::playbook::{
        model::Limit,
        op::{Asked, Change, Condition, Delete, Outside, Served, Wait},
    };
    use serde_json::json;

    fn object(resource: &str, namespace: Option<&str>, name: &str) -> ObjectRef {
        ObjectRef {
            group: String::new(),
            version: "v1".into(),
            resource: resource.into(),
            kind: resource.into(),
            namespace: namespace.map(str::to_owned),
            name: name.into(),
            uid: Some(name.into()),
        }
    }

    fn change(object: ObjectRef, field: &str) -> Op {
        let fields = FieldSet::of(&json!({}), &["metadata", "labels", field], Some(json!("x")));
        Op::Change(Change::new(object, fields.into_iter().collect()))
    }

    fn said(found: Vec<Finding>) -> String {
        found.into_iter().map(|it| it.message).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn what_is_protected_and_what_is_its_own_is_out_of_reach() {
        let guards = Guards { protected_namespaces: vec!["kube-system".into()], ..Guards::default() };
        let own = Own {
            account: Some(("ops".into(), "lifeboat".into())),
            node: Some("n1".into()),
            ..Own::default()
        };
        for (touched, wanted) in [
            (object("pods", Some("kube-system"), "a"), "protected namespace kube-system"),
            (object("namespaces", None, "kube-system"), "protected namespace kube-system"),
            (object("pods", Some("ops"), "a"), "the namespace of the one"),
            (object("nodes", None, "n1"), "the node of the one"),
        ] {
            let said = said(out_of_reach(&[("s".into(), change(touched, "a"))], &guards, &own));
            assert!(said.contains(wanted), "{said}");
        }
        // So is a command in a pod; what a pod answers to a GET is not.
        let exec = |place: &str| {
            let (pod, argv) = (object("pods", Some(place), "a"), vec!["id".to_owned()]);
            Op::Outside(Outside::Exec { pod, container: None, argv, within_ms: 1 })
        };
        let serves = |asked: Asked| {
            let served = Served { namespace: "kube-system".into(), labels: "a=b".into(), asked };
            Op::Wait(Wait { until: Condition::Serves(served), within_ms: 1 })
        };
        let command = serves(Asked::Command { container: None, argv: vec!["id".into()] });
        for op in [exec("kube-system"), command] {
            let said = said(out_of_reach(&[("s".into(), op)], &guards, &own));
            assert_eq!(said, "it acts in the protected namespace kube-system");
        }
        let get = serves(Asked::Http { port: 1, path: "/".into(), expect: Vec::new(), contains: None });
        for op in [exec("shop"), get] {
            assert!(out_of_reach(&[("s".into(), op)], &guards, &own).is_empty());
        }
        let free = [
            ("s".into(), change(object("pods", Some("shop"), "a"), "a")),
            ("s".into(), change(object("nodes", None, "n2"), "a")),
        ];
        assert!(out_of_reach(&free, &guards, &own).is_empty());
    }

    #[test]
    fn limits_count_objects_and_not_calls() {
        let limits = vec![
            Limit { resource: "pods".into(), most: 1 },
            Limit { resource: "namespaces".into(), most: 1 },
        ];
        let guards = Guards { limits, ..Guards::default() };
        let pod = |namespace, name| object("pods", Some(namespace), name);
        let once =
            [("a".to_owned(), change(pod("x", "1"), "a")), ("b".to_owned(), change(pod("x", "1"), "b"))];
        assert!(too_much(&once, &guards).is_empty());
        let two =
            [("a".to_owned(), change(pod("x", "1"), "a")), ("b".to_owned(), change(pod("y", "2"), "b"))];
        let said = said(too_much(&two, &guards));
        assert!(said.contains("2 pods") && said.contains("2 namespaces"), "{said}");
    }

    #[test]
    fn no_field_is_set_by_two_steps() {
        let pod = object("pods", Some("x"), "1");
        let both = [("a".to_owned(), change(pod.clone(), "l")), ("b".to_owned(), change(pod.clone(), "l"))];
        assert!(said(twice(&both)).contains("set by step a already"));
        let Op::Change(there) = change(pod.clone(), "l") else { panic!("a change") };
        let back = there.fields.iter().map(FieldSet::reversed).collect();
        let back = Op::Change(Change::new(pod.clone(), back));
        assert!(twice(&[("a".to_owned(), Op::Change(there)), ("b".to_owned(), back)]).is_empty());
        let delete = |step: &str| {
            let object = pod.clone();
            (step.to_owned(), Op::Delete(Delete { object, propagation: None, grace: None, kept: None }))
        };
        assert!(said(twice(&[delete("a"), delete("b")])).contains("deleted by step a already"));
        assert!(
            twice(&[("a".to_owned(), change(pod.clone(), "l")), ("b".to_owned(), change(pod, "m"))])
                .is_empty()
        );
    }
}
