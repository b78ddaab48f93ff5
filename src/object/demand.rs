//! What quotas count of an object ("Resource Quotas" of the Kubernetes documentation).

use super::{Quantity, TypeName};
use serde_json::Value;
use std::collections::BTreeMap;

/// Amounts by the names that quotas have for them.
pub type Amounts = BTreeMap<String, Quantity>;

/// What an object takes from a quota: at least so much, since defaults of the target may come on top.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Demand {
    /// When it is made.
    pub own: Amounts,
    /// When its controller has made its pods.
    pub of_pods: Amounts,
}

/// What quotas name without `count/` as well.
const PLAIN: &[&str] = &[
    "configmaps",
    "persistentvolumeclaims",
    "pods",
    "replicationcontrollers",
    "resourcequotas",
    "secrets",
    "services",
];
/// Resources whose requests quotas name without `requests.` as well.
const BARE: &[&str] = &["cpu", "memory", "ephemeral-storage"];
const HUGE: &str = "hugepages-";
const OLD_CLASS: &str = "volume.beta.kubernetes.io/storage-class";

impl Demand {
    /// Adds what another object takes.
    pub fn add(&mut self, more: &Demand) {
        add(&mut self.own, &more.own);
        add(&mut self.of_pods, &more.of_pods);
    }
}

fn add(to: &mut Amounts, more: &Amounts) {
    for (name, amount) in more {
        let sum = to.entry(name.clone()).or_default();
        *sum = *sum + *amount;
    }
}

/// What an object of this type takes from the quotas of its namespace.
pub fn demand(kind: &TypeName, object: &Value) -> Demand {
    let mut own = Amounts::from([(format!("count/{kind}"), Quantity::whole(1))]);
    if kind.group.is_empty() && PLAIN.contains(&&*kind.resource) {
        own.insert(kind.resource.to_string(), Quantity::whole(1));
    }
    let spec = &object["spec"];
    let pods = match (&*kind.group, &*kind.resource) {
        ("", "pods") => {
            add(&mut own, &of_pod(spec));
            0
        }
        ("", "services") => {
            add(&mut own, &of_service(spec));
            0
        }
        ("", "persistentvolumeclaims") => {
            add(&mut own, &of_claim(object));
            0
        }
        ("apps", "deployments" | "replicasets" | "statefulsets") | ("", "replicationcontrollers") => {
            spec["replicas"].as_u64().unwrap_or(1)
        }
        ("batch", "jobs") if spec["suspend"] != true => {
            let parallel = spec["parallelism"].as_u64().unwrap_or(1);
            spec["completions"].as_u64().map_or(parallel, |all| all.min(parallel))
        }
        _ => 0,
    };
    let mut of_pods = Amounts::new();
    if pods > 0 {
        let one = of_pod(&spec["template"]["spec"]);
        let count = ["pods", "count/pods"].map(|name| (name.to_owned(), Quantity::whole(1)));
        of_pods = one.into_iter().chain(count).map(|(name, amount)| (name, amount * pods)).collect();
    }
    Demand { own, of_pods }
}

fn of_service(spec: &Value) -> Amounts {
    let ports = || spec["ports"].as_array().into_iter().flatten();
    let all = ports().count();
    let (balancers, nodes) = match spec["type"].as_str() {
        Some("NodePort") => (0, all),
        Some("LoadBalancer") if spec["allocateLoadBalancerNodePorts"] == false => {
            (1, ports().filter(|port| port["nodePort"].as_u64().is_some_and(|it| it > 0)).count())
        }
        Some("LoadBalancer") => (1, all),
        _ => (0, 0),
    };
    let amounts = [("services.loadbalancers", balancers), ("services.nodeports", nodes)];
    let counted = amounts.into_iter().filter(|(_, amount)| *amount > 0);
    counted.map(|(name, amount)| (name.to_owned(), Quantity::whole(amount as u64))).collect()
}

fn of_claim(claim: &Value) -> Amounts {
    let spec = &claim["spec"];
    let storage = Quantity::read(&spec["resources"]["requests"]["storage"]).unwrap_or_default();
    let mut amounts = Amounts::from([("requests.storage".to_owned(), storage)]);
    let old = &claim["metadata"]["annotations"][OLD_CLASS];
    if let Some(class) = old.as_str().or(spec["storageClassName"].as_str()).filter(|it| !it.is_empty()) {
        let prefix = format!("{class}.storageclass.storage.k8s.io");
        amounts.insert(format!("{prefix}/requests.storage"), storage);
        amounts.insert(format!("{prefix}/persistentvolumeclaims"), Quantity::whole(1));
    }
    amounts
}

/// Requests and limits of a pod: of its containers together or, where that is more, of those that come before them.
fn of_pod(spec: &Value) -> Amounts {
    let mut amounts = Amounts::new();
    for (list, prefix) in [("requests", "requests"), ("limits", "limits")] {
        let mut all = together(spec, list);
        add(&mut all, &resources(&spec["overhead"]));
        // What is said for the pod as a whole counts instead.
        all.extend(resources(&spec["resources"][list]));
        for (name, amount) in all {
            if list == "requests" && (BARE.contains(&&*name) || name.starts_with(HUGE)) {
                amounts.insert(name.clone(), amount);
            }
            amounts.insert(format!("{prefix}.{name}"), amount);
        }
    }
    amounts
}

fn together(spec: &Value, list: &str) -> Amounts {
    let mut running = Amounts::new();
    for container in spec["containers"].as_array().into_iter().flatten() {
        add(&mut running, &resources(&container["resources"][list]));
    }
    // Those that go on running (sidecars) count beside the containers, and beside whoever starts after them.
    let (mut sidecars, mut most) = (Amounts::new(), Amounts::new());
    for container in spec["initContainers"].as_array().into_iter().flatten() {
        let mut now = resources(&container["resources"][list]);
        if container["restartPolicy"] == "Always" {
            add(&mut running, &now);
            add(&mut sidecars, &now);
            now = sidecars.clone();
        } else {
            add(&mut now, &sidecars);
        }
        at_least(&mut most, now);
    }
    at_least(&mut running, most);
    running
}

fn at_least(amounts: &mut Amounts, others: Amounts) {
    for (name, amount) in others {
        let most = amounts.entry(name).or_default();
        *most = amount.max(*most);
    }
}

fn resources(list: &Value) -> Amounts {
    let fields = list.as_object().into_iter().flatten();
    fields.filter_map(|(name, value)| Some((name.clone(), Quantity::read(value)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn amounts(of: &Amounts) -> Vec<(&str, String)> {
        of.iter().map(|(name, amount)| (&**name, amount.to_string())).collect()
    }

    fn own(resource: &str, object: Value) -> Vec<(String, String)> {
        let demand = demand(&TypeName::new("", resource), &object);
        assert_eq!(demand.of_pods, Amounts::new());
        amounts(&demand.own).into_iter().map(|(name, amount)| (name.to_owned(), amount)).collect()
    }

    fn told(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(name, amount)| ((*name).to_owned(), (*amount).to_owned())).collect()
    }

    #[test]
    fn objects_are_counted_in_two_ways() {
        assert_eq!(own("secrets", json!({})), told(&[("count/secrets", "1"), ("secrets", "1")]));
        let orders = demand(&TypeName::new("shop.example.com", "orders"), &json!({}));
        assert_eq!(amounts(&orders.own), [("count/orders.shop.example.com", "1".to_owned())]);
    }

    #[test]
    fn services_take_ports_of_nodes_and_balancers() {
        let service = |kind: &str, more: &[Value]| json!({"spec": {"type": kind, "ports": more}});
        let ports = [json!({"port": 80}), json!({"port": 443})];
        let counted = [("count/services", "1"), ("services", "1")];
        assert_eq!(own("services", service("ClusterIP", &ports)), told(&counted));
        let nodes = [&counted[..], &[("services.nodeports", "2")]].concat();
        assert_eq!(own("services", service("NodePort", &ports)), told(&nodes));
        let both = [&counted[..], &[("services.loadbalancers", "1"), ("services.nodeports", "2")]].concat();
        assert_eq!(own("services", service("LoadBalancer", &ports)), told(&both));
        let mut without = service("LoadBalancer", &ports);
        without["spec"]["allocateLoadBalancerNodePorts"] = false.into();
        let one = [&counted[..], &[("services.loadbalancers", "1")]].concat();
        assert_eq!(own("services", without), told(&one));
    }

    #[test]
    fn claims_take_storage_of_their_class() {
        let claim =
            json!({"spec": {"storageClassName": "gold", "resources": {"requests": {"storage": "5Gi"}}}});
        let expected = [
            ("count/persistentvolumeclaims", "1"),
            ("gold.storageclass.storage.k8s.io/persistentvolumeclaims", "1"),
            ("gold.storageclass.storage.k8s.io/requests.storage", "5Gi"),
            ("persistentvolumeclaims", "1"),
            ("requests.storage", "5Gi"),
        ];
        assert_eq!(own("persistentvolumeclaims", claim), told(&expected));
    }

    #[test]
    fn pods_take_what_their_containers_do_or_what_comes_before_them() {
        let asks = |cpu: &str| json!({"resources": {"requests": {"cpu": cpu}, "limits": {"cpu": cpu, "memory": "1Gi"}}});
        let mut sidecar = asks("1");
        sidecar["restartPolicy"] = "Always".into();
        let mut pod = json!({"spec": {
            "containers": [asks("500m"), asks("250m")], "initContainers": [sidecar, asks("1500m")], "overhead": {"cpu": "50m"},
        }});
        let expected = |request: &str, limit: &str| {
            let list = [
                ("count/pods", "1"),
                ("cpu", request),
                ("limits.cpu", limit),
                ("limits.memory", "3Gi"),
                ("pods", "1"),
                ("requests.cpu", request),
            ];
            told(&list)
        };
        assert_eq!(own("pods", pod.clone()), expected("2550m", "2550m"));
        pod["spec"]["resources"] = json!({"requests": {"cpu": "3"}});
        assert_eq!(own("pods", pod), expected("3", "2550m"));
        let gpu = json!({"spec": {"containers": [{"resources": {"requests": {"example.com/gpu": "2", "hugepages-2Mi": "4Mi"}}}]}});
        let counted = told(&[
            ("count/pods", "1"),
            ("hugepages-2Mi", "4Mi"),
            ("pods", "1"),
            ("requests.example.com/gpu", "2"),
            ("requests.hugepages-2Mi", "4Mi"),
        ]);
        assert_eq!(own("pods", gpu), counted);
    }

    #[test]
    fn workloads_take_what_all_their_pods_will() {
        let template = json!({"spec": {"containers": [{"resources": {"requests": {"memory": "1Gi"}}}]}});
        let of_pods = |group: &str, resource: &str, spec: Value| {
            let mut object = json!({"spec": spec});
            object["spec"]["template"] = template.clone();
            let demand = demand(&TypeName::new(group, resource), &object);
            demand.of_pods.into_iter().map(|(name, amount)| (name, amount.to_string())).collect::<Vec<_>>()
        };
        let three =
            told(&[("count/pods", "3"), ("memory", "3Gi"), ("pods", "3"), ("requests.memory", "3Gi")]);
        assert_eq!(of_pods("apps", "deployments", json!({"replicas": 3})), three);
        assert_eq!(of_pods("batch", "jobs", json!({"parallelism": 5, "completions": 3})), three);
        assert_eq!(of_pods("apps", "deployments", json!({"replicas": 0})), []);
        assert_eq!(of_pods("batch", "jobs", json!({"suspend": true})), []);
        assert_eq!(of_pods("apps", "daemonsets", json!({})), []);
    }
}
