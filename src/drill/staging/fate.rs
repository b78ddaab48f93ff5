//! What becomes of each restored object before controllers start: pure, and so the rules are all here.

use serde_json::{Value, json};

/// Annotations by which a DNS controller would tell the world where the source's services are.
const DNS: &str = "external-dns.alpha.kubernetes.io/";

/// What becomes of an object.
#[derive(Debug, PartialEq)]
pub(super) enum Fate {
    /// It is harmless.
    Left,
    /// It goes.
    Deleted,
    /// It stays, changed.
    Changed(Value),
}

/// What becomes of an object.
pub(super) fn fate(resource: &str, object: Value, kept: bool, mark: &str) -> Fate {
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default();
    match resource {
        "pods" | "nodes" => Fate::Deleted,
        // New controllers wait until the source's have let go of these.
        "leases" if namespace == "kube-node-lease" => Fate::Deleted,
        "leases" if namespace == "kube-system" && name.starts_with("kube-") => Fate::Deleted,
        "deployments" | "statefulsets" | "daemonsets" if kept => Fate::Changed(runnable(object, mark)),
        "deployments" | "statefulsets" | "replicasets" | "replicationcontrollers" => {
            set(object, &["spec", "replicas"], 0.into())
        }
        "daemonsets" => {
            let nowhere = json!({"lifeboat.dev/drill": "nowhere"});
            set(object, &["spec", "template", "spec", "nodeSelector"], nowhere)
        }
        "jobs" if object["status"]["completionTime"].is_string() => Fate::Left,
        "cronjobs" | "jobs" => set(object, &["spec", "suspend"], true.into()),
        "services" | "ingresses" => quiet(object),
        _ => Fate::Left,
    }
}

/// A field is given this value.
fn set(mut object: Value, path: &[&str], value: Value) -> Fate {
    let place = path.iter().fold(&mut object, |place, name| &mut place[*name]);
    if *place == value {
        return Fate::Left;
    }
    *place = value;
    Fate::Changed(object)
}

/// No balancer is asked for, and no DNS controller finds anything.
fn quiet(mut object: Value) -> Fate {
    let before = object.clone();
    if let Some(annotations) = object.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
        annotations.retain(|name, _| !name.starts_with(DNS));
    }
    if object["spec"]["type"] == "LoadBalancer"
        && let Some(spec) = object["spec"].as_object_mut()
    {
        spec.insert("type".to_owned(), "ClusterIP".into());
        // What only a balancer has is refused with other types.
        for name in [
            "allocateLoadBalancerNodePorts",
            "externalTrafficPolicy",
            "healthCheckNodePort",
            "loadBalancerClass",
        ] {
            spec.remove(name);
        }
        for port in spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
            port.as_object_mut().map(|port| port.remove("nodePort"));
        }
    }
    if object == before { Fate::Left } else { Fate::Changed(object) }
}

/// A workload for the only node there is, with the images that it has. The mark makes its controller begin anew, so that what
/// its status says is of staging.
fn runnable(mut object: Value, mark: &str) -> Value {
    object["spec"]["template"]["metadata"]["annotations"]["lifeboat.dev/drill"] = mark.into();
    let spec = &mut object["spec"]["template"]["spec"];
    if let Some(spec) = spec.as_object_mut() {
        for name in ["nodeSelector", "nodeName", "topologySpreadConstraints"] {
            spec.remove(name);
        }
        if let Some(affinity) = spec.get_mut("affinity").and_then(Value::as_object_mut) {
            affinity.remove("nodeAffinity");
            affinity.remove("podAntiAffinity");
        }
        let tolerations = spec.entry("tolerations").or_insert_with(|| json!([]));
        if let Some(tolerations) = tolerations.as_array_mut() {
            tolerations.push(json!({"key": "node-role.kubernetes.io/control-plane", "operator": "Exists"}));
        }
        for list in ["initContainers", "containers"] {
            for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
                container["imagePullPolicy"] = "IfNotPresent".into();
            }
        }
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn changed(fate: Fate) -> Value {
        match fate {
            Fate::Changed(object) => object,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn whatever_acts_by_itself_is_held_back() {
        let at = |resource: &str, object: Value| fate(resource, object, false, "d");
        for resource in ["pods", "nodes"] {
            assert_eq!(at(resource, json!({})), Fate::Deleted, "{resource}");
        }
        for resource in ["deployments", "statefulsets", "replicasets", "replicationcontrollers"] {
            assert_eq!(changed(at(resource, json!({"spec": {"replicas": 3}})))["spec"]["replicas"], 0);
            // One replica is what no number means.
            assert_eq!(changed(at(resource, json!({"spec": {}})))["spec"]["replicas"], 0);
            assert_eq!(at(resource, json!({"spec": {"replicas": 0}})), Fate::Left);
        }
        let set =
            changed(at("daemonsets", json!({"spec": {"template": {"spec": {"nodeSelector": {"a": "b"}}}}})));
        assert_eq!(set["spec"]["template"]["spec"]["nodeSelector"], json!({"lifeboat.dev/drill": "nowhere"}));
        assert_eq!(changed(at("cronjobs", json!({"spec": {"suspend": false}})))["spec"]["suspend"], true);
        assert_eq!(at("jobs", json!({"status": {"completionTime": "x"}})), Fate::Left);
        assert_eq!(changed(at("jobs", json!({"spec": {}})))["spec"]["suspend"], true);
        let lease = |namespace: &str, name: &str| json!({"metadata": {"namespace": namespace, "name": name}});
        assert_eq!(at("leases", lease("kube-system", "kube-scheduler")), Fate::Deleted);
        assert_eq!(at("leases", lease("shop", "kube-scheduler")), Fate::Left);
    }

    #[test]
    fn services_ask_for_nothing_outside() {
        let service = json!({
            "metadata": {"annotations": {"external-dns.alpha.kubernetes.io/hostname": "shop.example.com", "team": "a"}},
            "spec": {"type": "LoadBalancer", "loadBalancerClass": "x", "ports": [{"port": 80, "nodePort": 30000}]},
        });
        let quiet = changed(fate("services", service, false, "d"));
        assert_eq!(quiet["metadata"]["annotations"], json!({"team": "a"}));
        assert_eq!(quiet["spec"], json!({"type": "ClusterIP", "ports": [{"port": 80}]}));
        assert_eq!(fate("services", json!({"spec": {"type": "ClusterIP"}}), false, "d"), Fate::Left);
    }

    #[test]
    fn a_workload_that_is_asked_for_begins_anew_on_the_only_node() {
        let object = json!({"spec": {"replicas": 2, "template": {"spec": {
            "nodeSelector": {"zone": "a"}, "affinity": {"nodeAffinity": {}, "podAffinity": {}},
            "containers": [{"image": "a", "imagePullPolicy": "Always"}],
        }}}});
        let made = changed(fate("deployments", object, true, "d7"));
        let template = &made["spec"]["template"];
        assert_eq!(made["spec"]["replicas"], 2);
        assert_eq!(template["metadata"]["annotations"]["lifeboat.dev/drill"], "d7");
        assert_eq!(template["spec"]["containers"][0]["imagePullPolicy"], "IfNotPresent");
        assert_eq!(template["spec"]["affinity"], json!({"podAffinity": {}}));
        assert!(template["spec"].get("nodeSelector").is_none());
    }
}
