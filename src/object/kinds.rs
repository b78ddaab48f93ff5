//! What people call a type: `deployments`, `deployment`, `deploy`, `Deployment`, `deployments.apps`, `deployments.v1.apps`.
//!
//! Which types there are is told by who asks. Short names and kinds are known for the types that Kubernetes brings along
//! (`kubectl api-resources`); for others a store knows the plural alone, and the singular is guessed from it.

use super::TypeName;
use std::collections::BTreeSet;

/// A type's plural, group, and the other names that it has in lower case: the singular (which is the kind) and short names.
const KNOWN: &[(&str, &str, &str)] = &[
    ("bindings", "", "binding"),
    ("componentstatuses", "", "componentstatus cs"),
    ("configmaps", "", "configmap cm"),
    ("endpoints", "", "endpoints ep"),
    ("events", "", "event ev"),
    ("limitranges", "", "limitrange limits"),
    ("namespaces", "", "namespace ns"),
    ("nodes", "", "node no"),
    ("persistentvolumeclaims", "", "persistentvolumeclaim pvc"),
    ("persistentvolumes", "", "persistentvolume pv"),
    ("pods", "", "pod po"),
    ("podtemplates", "", "podtemplate"),
    ("replicationcontrollers", "", "replicationcontroller rc"),
    ("resourcequotas", "", "resourcequota quota"),
    ("secrets", "", "secret"),
    ("serviceaccounts", "", "serviceaccount sa"),
    ("services", "", "service svc"),
    ("controllerrevisions", "apps", "controllerrevision"),
    ("daemonsets", "apps", "daemonset ds"),
    ("deployments", "apps", "deployment deploy"),
    ("replicasets", "apps", "replicaset rs"),
    ("statefulsets", "apps", "statefulset sts"),
    ("horizontalpodautoscalers", "autoscaling", "horizontalpodautoscaler hpa"),
    ("cronjobs", "batch", "cronjob cj"),
    ("jobs", "batch", "job"),
    ("certificatesigningrequests", "certificates.k8s.io", "certificatesigningrequest csr"),
    ("leases", "coordination.k8s.io", "lease"),
    ("endpointslices", "discovery.k8s.io", "endpointslice"),
    ("ingressclasses", "networking.k8s.io", "ingressclass"),
    ("ingresses", "networking.k8s.io", "ingress ing"),
    ("networkpolicies", "networking.k8s.io", "networkpolicy netpol"),
    ("runtimeclasses", "node.k8s.io", "runtimeclass"),
    ("poddisruptionbudgets", "policy", "poddisruptionbudget pdb"),
    ("priorityclasses", "scheduling.k8s.io", "priorityclass pc"),
    ("storageclasses", "storage.k8s.io", "storageclass sc"),
    ("customresourcedefinitions", "apiextensions.k8s.io", "customresourcedefinition crd crds"),
];

/// What was asked for, split into name, version and group as kubectl does it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Asked<'a> {
    name: &'a str,
    rest: Option<&'a str>,
}

/// Why a name does not tell which type is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unresolved {
    /// No type is called so.
    Unknown,
    /// Types of several groups are.
    Ambiguous(Vec<TypeName>),
}

/// The one type of `types` that is called `text`.
///
/// # Errors
/// When there is none, or more than one.
pub fn resolve<'a>(
    text: &str,
    types: impl IntoIterator<Item = &'a TypeName>,
) -> Result<TypeName, Unresolved> {
    let lower = text.to_lowercase();
    let asked = match lower.split_once('.') {
        Some((name, rest)) => Asked { name, rest: Some(rest) },
        None => Asked { name: &lower, rest: None },
    };
    let fits: BTreeSet<(u8, &TypeName)> =
        types.into_iter().filter_map(|kind| Some((asked.fits(kind)?, kind))).collect();
    let best = fits.first().map(|(how, _)| *how);
    let fits: Vec<&TypeName> =
        fits.iter().filter(|(how, _)| Some(*how) == best).map(|(_, kind)| *kind).collect();
    match fits.as_slice() {
        [] => Err(Unresolved::Unknown),
        [only] => Ok((*only).clone()),
        several => Err(Unresolved::Ambiguous(several.iter().map(|kind| (*kind).clone()).collect())),
    }
}

impl Asked<'_> {
    /// How well a type fits: by its plural before any other of its names.
    fn fits(&self, kind: &TypeName) -> Option<u8> {
        if !self.rest.is_none_or(|rest| names_group(rest, &kind.group)) {
            return None;
        }
        let known = KNOWN.iter().find(|(plural, group, _)| kind.is(group, plural));
        // Figures of pods and nodes are no pods and nodes.
        let figures = u8::from(&*kind.group == "metrics.k8s.io" && self.rest.is_none()) * 2;
        let called = match known {
            Some((_, _, names)) => names.split(' ').any(|name| name == self.name),
            None => plurals(self.name).any(|plural| plural == *kind.resource),
        };
        match *kind.resource == *self.name {
            true => Some(figures),
            false => called.then_some(figures + 1),
        }
    }
}

/// `apps`, or `v1.apps`; the core is `core`, or `v1`.
fn names_group(rest: &str, group: &str) -> bool {
    let group = if group.is_empty() { "core" } else { group };
    let is_version = |text: &str| {
        text.strip_prefix('v').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    rest == group
        || match rest.split_once('.') {
            Some((version, rest)) => is_version(version) && rest == group,
            None => is_version(rest) && group == "core",
        }
}

/// The plurals that a singular may have.
fn plurals(singular: &str) -> impl Iterator<Item = String> {
    let ies = singular.strip_suffix('y').map(|stem| format!("{stem}ies"));
    [format!("{singular}s"), format!("{singular}es")].into_iter().chain(ies)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_found_by_any_of_their_names() {
        let types: Vec<TypeName> = [
            ("", "pods"),
            ("", "services"),
            ("apps", "deployments"),
            ("metrics.k8s.io", "pods"),
            ("networking.k8s.io", "networkpolicies"),
            ("shop.example.com", "orders"),
            ("other.example.com", "policies"),
            ("serving.knative.dev", "services"),
        ]
        .map(|(group, resource)| TypeName::new(group, resource))
        .into();
        let found = |text: &str| resolve(text, &types).map(|kind| kind.to_string());
        for name in
            ["deployments", "deployment", "deploy", "Deployment", "deployments.apps", "deploy.v1.apps"]
        {
            assert_eq!(found(name).unwrap(), "deployments.apps", "{name}");
        }
        for (name, wanted) in [
            ("netpol", "networkpolicies.networking.k8s.io"),
            ("order", "orders.shop.example.com"),
            ("Policy", "policies.other.example.com"),
            ("svc", "services"),
            ("pods", "pods"),
            ("services.core", "services"),
            ("services.v1", "services"),
            ("pods.metrics.k8s.io", "pods.metrics.k8s.io"),
        ] {
            assert_eq!(found(name).unwrap(), wanted);
        }
        let Err(Unresolved::Ambiguous(several)) = found("services") else { panic!("services is clear") };
        assert_eq!(several.len(), 2);
        assert_eq!(found("ships"), Err(Unresolved::Unknown));
        assert_eq!(found("deployments.extensions"), Err(Unresolved::Unknown));
        assert_eq!(found(""), Err(Unresolved::Unknown));
    }
}
