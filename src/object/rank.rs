//! The order in which types come: what others need comes first, what acts on others last.

use super::{TypeName, access};

/// What is not named here comes behind `configmaps` and their like, before services and workloads.
const ELSE: u8 = 10;

/// Groups of types that come together. It is the order in which objects are put back: a namespace before what is in it,
/// roles before those who use them, what scales workloads and guards them behind these, webhooks, policies and APIs of other
/// servers last, since they answer for others.
const ORDER: &[(u8, &str, &[&str])] = &[
    (0, "apiextensions.k8s.io", &["customresourcedefinitions"]),
    (1, "", &["namespaces"]),
    (2, "snapshot.storage.k8s.io", &["volumesnapshotclasses"]),
    (2, "storage.k8s.io", &["storageclasses", "csidrivers", "volumeattributesclasses"]),
    (3, "", &["persistentvolumes"]),
    // A claim may be filled from a snapshot.
    (3, "snapshot.storage.k8s.io", &["volumesnapshotcontents", "volumesnapshots"]),
    (4, "", &["persistentvolumeclaims"]),
    (5, "", &["serviceaccounts"]),
    (6, "rbac.authorization.k8s.io", &["clusterroles", "roles", "clusterrolebindings", "rolebindings"]),
    (7, "", &["secrets"]),
    (8, "", &["configmaps"]),
    (9, "", &["limitranges", "resourcequotas"]),
    (9, "networking.k8s.io", &["ingressclasses"]),
    (9, "node.k8s.io", &["runtimeclasses"]),
    (9, "resource.k8s.io", &["deviceclasses"]),
    (9, "scheduling.k8s.io", &["priorityclasses"]),
    (11, "", &["services", "endpoints"]),
    (11, "discovery.k8s.io", &["endpointslices"]),
    (12, "", &["pods", "replicationcontrollers"]),
    (12, "apps", &["controllerrevisions", "daemonsets", "deployments", "replicasets", "statefulsets"]),
    (12, "batch", &["cronjobs", "jobs"]),
    (13, "autoscaling", &["horizontalpodautoscalers"]),
    (13, "policy", &["poddisruptionbudgets"]),
    (14, access::ADMISSION, access::ADMISSION_TYPES),
    (14, "apiregistration.k8s.io", &["apiservices"]),
];

/// The place of a type in the order.
pub fn rank(kind: &TypeName) -> u8 {
    let found = ORDER
        .iter()
        .find(|(_, group, resources)| *group == &*kind.group && resources.contains(&&*kind.resource));
    found.map_or(ELSE, |(rank, ..)| *rank)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_need_comes_first() {
        let order = [
            ("apiextensions.k8s.io", "customresourcedefinitions"),
            ("", "namespaces"),
            ("storage.k8s.io", "storageclasses"),
            ("snapshot.storage.k8s.io", "volumesnapshots"),
            ("", "persistentvolumeclaims"),
            ("", "serviceaccounts"),
            ("rbac.authorization.k8s.io", "roles"),
            ("", "secrets"),
            ("scheduling.k8s.io", "priorityclasses"),
            ("shop.example.com", "orders"),
            ("", "services"),
            ("apps", "deployments"),
            ("autoscaling", "horizontalpodautoscalers"),
            ("admissionregistration.k8s.io", "validatingwebhookconfigurations"),
        ];
        let ranks = order.map(|(group, resource)| rank(&TypeName::new(group, resource)));
        assert!(ranks.is_sorted_by(|a, b| a < b), "{ranks:?}");
        assert_eq!(rank(&TypeName::new("example.com", "secrets")), ELSE);
    }
}
