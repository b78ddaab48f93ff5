use crate::object::LabelSelector;
use serde_json::Value;

/// The types of workloads that can become ready, by their resources of the group `apps`.
pub(in crate::drill) const WORKLOADS: [&str; 3] = ["deployments", "statefulsets", "daemonsets"];

/// Which workloads.
#[derive(Debug, Clone)]
pub struct Workload {
    /// One of `deployments`, `statefulsets` and `daemonsets`; none for all of these.
    pub kind: Option<String>,
    /// Where they are.
    pub namespace: String,
    /// The one that is called so.
    pub name: Option<String>,
    /// Those with fitting labels.
    pub labels: Option<LabelSelector>,
}

impl Workload {
    /// Is this object one of them?
    pub(in crate::drill) fn is(&self, resource: &str, object: &Value) -> bool {
        let text = |name: &str| object["metadata"][name].as_str();
        WORKLOADS.contains(&resource)
            && self.kind.as_deref().is_none_or(|kind| kind == resource)
            && text("namespace") == Some(&self.namespace)
            && self.name.as_deref().is_none_or(|name| text("name") == Some(name))
            && self.labels.as_ref().is_none_or(|labels| labels.matches(object))
    }
}
