//! Who can reach a pod, and what it can reach, as NetworkPolicies say: they add up, so that one which denies everything takes
//! nothing away from what another allows.

use super::labels::LabelSelector;
use serde::Serialize;
use serde_json::Value;

/// What is left open to a pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Exposure {
    /// Does only that come in which a policy allows?
    pub isolated_ingress: bool,
    /// Does only that go out which a policy allows?
    pub isolated_egress: bool,
    /// The policies that select the pod.
    pub policies: Vec<String>,
    /// What is allowed.
    pub allowed: Vec<Way>,
}

/// One way that is open.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Way {
    /// `ingress` or `egress`.
    pub direction: &'static str,
    /// The policy that allows it; none where no policy holds anything back.
    pub policy: Option<String>,
    /// Who is at the other end.
    pub peer: String,
    /// On which ports of the one that is called.
    pub ports: String,
}

impl Way {
    /// Everything, since nothing holds it back.
    fn open(direction: &'static str) -> Self {
        Way { direction, policy: None, peer: EVERYTHING.to_owned(), ports: ALL_PORTS.to_owned() }
    }
}

impl std::fmt::Display for Way {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let from = if self.direction == INGRESS { "from" } else { "to" };
        write!(f, "{from} {}, {}", self.peer, self.ports)?;
        match &self.policy {
            Some(policy) => write!(f, " (NetworkPolicy {policy})"),
            None => f.write_str(" (no policy holds it back)"),
        }
    }
}

const EVERYTHING: &str = "everything";
const ALL_PORTS: &str = "all ports";
const INGRESS: &str = "ingress";
const EGRESS: &str = "egress";

impl Exposure {
    /// That of a pod which no policy can hold, such as one in the network of its node.
    pub fn open() -> Self {
        let allowed = vec![Way::open(EGRESS), Way::open(INGRESS)];
        Exposure { isolated_ingress: false, isolated_egress: false, policies: Vec::new(), allowed }
    }
}

/// What is left open to a pod with these labels by the NetworkPolicies of its namespace.
pub fn exposure<'a>(labels: &Value, policies: impl IntoIterator<Item = &'a Value>) -> Exposure {
    let mut found = Exposure {
        isolated_ingress: false,
        isolated_egress: false,
        policies: Vec::new(),
        allowed: Vec::new(),
    };
    for policy in policies {
        let spec = &policy["spec"];
        if !LabelSelector::of(&spec["podSelector"]).fits(labels) {
            continue;
        }
        let name = policy["metadata"]["name"].as_str().unwrap_or_default();
        found.policies.push(name.to_owned());
        let (ingress, egress) = types(spec);
        found.isolated_ingress |= ingress;
        found.isolated_egress |= egress;
        for (counts, direction, rules, peers) in
            [(ingress, INGRESS, "ingress", "from"), (egress, EGRESS, "egress", "to")]
        {
            if counts {
                let rules = spec[rules].as_array().into_iter().flatten();
                found
                    .allowed
                    .extend(rules.flat_map(|rule| ways(direction, name, &rule[peers], &rule["ports"])));
            }
        }
    }
    if !found.isolated_ingress {
        found.allowed.push(Way::open(INGRESS));
    }
    if !found.isolated_egress {
        found.allowed.push(Way::open(EGRESS));
    }
    found.policies.sort();
    found.allowed.sort();
    found.allowed.dedup();
    found
}

/// Which directions a policy counts for. One that does not say counts for what comes in, and for what goes out only if it has
/// rules about that.
fn types(spec: &Value) -> (bool, bool) {
    match spec["policyTypes"].as_array().filter(|types| !types.is_empty()) {
        Some(types) => (types.iter().any(|it| it == "Ingress"), types.iter().any(|it| it == "Egress")),
        None => (true, spec["egress"].as_array().is_some_and(|rules| !rules.is_empty())),
    }
}

fn ways(direction: &'static str, policy: &str, peers: &Value, ports: &Value) -> Vec<Way> {
    let ports = match ports.as_array().filter(|ports| !ports.is_empty()) {
        None => ALL_PORTS.to_owned(),
        Some(ports) => ports.iter().map(port).collect::<Vec<_>>().join(", "),
    };
    let way = |peer: String| Way { direction, policy: Some(policy.to_owned()), peer, ports: ports.clone() };
    match peers.as_array().filter(|peers| !peers.is_empty()) {
        None => vec![way(EVERYTHING.to_owned())],
        Some(peers) => peers.iter().map(|it| way(peer(it))).collect(),
    }
}

fn port(port: &Value) -> String {
    let protocol = port["protocol"].as_str().unwrap_or("TCP");
    let first = match &port["port"] {
        Value::String(name) => name.clone(),
        Value::Number(number) => number.to_string(),
        _ => return format!("{protocol} {ALL_PORTS}"),
    };
    match port["endPort"].as_i64() {
        Some(last) => format!("{protocol} {first}-{last}"),
        None => format!("{protocol} {first}"),
    }
}

fn peer(peer: &Value) -> String {
    if let Some(range) = peer["ipBlock"]["cidr"].as_str() {
        let except = peer["ipBlock"]["except"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let except = except.collect::<Vec<_>>();
        return match except.is_empty() {
            true => range.to_owned(),
            false => format!("{range} except {}", except.join(", ")),
        };
    }
    let selected = |field: &Value, every: &str, some: &str| {
        let selector = LabelSelector::of(field);
        if selector.is_empty() { every.to_owned() } else { format!("{some} ({selector})") }
    };
    let pods = selected(&peer["podSelector"], "every pod", "pods");
    let place = match &peer["namespaceSelector"] {
        Value::Null => "the same namespace".to_owned(),
        namespaces => selected(namespaces, "every namespace", "namespaces"),
    };
    format!("{pods} in {place}")
}

#[cfg(test)]
#[path = "exposure_tests.rs"]
mod tests;
