//! What has to differ in staging, and why: each API server writes some objects for itself. Everything else that differs is a
//! finding.
//!
//! Source of the rules: what a kube-apiserver does after its start (`pkg/controlplane/controller`, `pkg/registry/rbac/rest`
//! and `pkg/registry/flowcontrol/ensurer` of kubernetes/kubernetes), and what one did in the project's own drills.

use crate::{
    compare::{Became, Change},
    drill::resources::Restored,
    object::Identity,
};
use std::borrow::Cow;

/// What is known of staging that makes things differ.
#[derive(Clone, Copy)]
pub(super) struct Situation<'a> {
    /// Source and staging are of one minor version.
    pub(super) same_version: bool,
    /// What is there was restored from the export.
    pub(super) restored: Option<&'a Restored>,
}

/// What every object is that was restored from an export.
pub(super) const ANEW: &str = "each object is a new one: a restore leaves out what binds it to its old cluster (UIDs, addresses and ports of \
                               services, tokens, which volume a claim has, `status`), and the cluster gives that anew";

/// What every object is that was restored from an export into a cluster that others use.
const GUEST: &str = "each object is a new one, as out of any restore, and what would act there is as the drill made it: without replicas, without                      a class, without rights outside its namespaces; and each carries the drill's label. No other field differs";

/// Is this why objects differ that were restored as they were meant to be?
pub(super) fn is_anew(reason: &str) -> bool {
    reason == ANEW || reason == GUEST
}

/// Why a difference is none that counts; nothing if it counts.
pub(super) fn expected(change: &Change, situation: Situation<'_>) -> Option<Cow<'static, str>> {
    if let Some(restored) = situation.restored {
        let object = Identity::new(change.kind.clone(), change.namespace.as_deref(), &change.name);
        if let Some(reason) = restored.left.get(&object) {
            return Some(format!("a restore leaves it out: {reason}").into());
        }
        if matches!(change.became, Became::Recreated | Became::Changed) && restored.as_meant.contains(&object)
        {
            return Some(if restored.harmless { GUEST } else { ANEW }.into());
        }
        let of_service =
            change.kind.is("", "endpoints") || change.kind.is("discovery.k8s.io", "endpointslices");
        if restored.harmless && of_service && change.became == Became::Added {
            return Some("controllers of that cluster make these for services, with their labels".into());
        }
    }
    by_server(change, situation).map(Cow::Borrowed)
}

/// Why a difference is the API server's own.
fn by_server(change: &Change, situation: Situation<'_>) -> Option<&'static str> {
    let kind = &change.kind;
    let at = |namespace: &str, name: &str| {
        change.namespace.as_deref().unwrap_or_default() == namespace && change.name == name
    };
    // What was restored has another UID, whatever else differs.
    let made_anew = situation.restored.is_some() && change.became == Became::Recreated;
    let changed = change.became == Became::Changed || made_anew;
    let only_status = changed && change.fields.iter().all(|field| field.path.starts_with(&["status"]));
    if kind.is("", "configmaps") && at("kube-system", "extension-apiserver-authentication") && changed {
        return Some("every API server writes its own certificate authorities here");
    }
    if change.became == Became::Added && is_made_by_itself(change) {
        return Some("every API server makes these for itself when they are not there");
    }
    if kind.is("apiregistration.k8s.io", "apiservices") && only_status {
        return Some(
            "whether an aggregated API answers is found out anew, and staging reaches none of the source's",
        );
    }
    if &*kind.group == "flowcontrol.apiserver.k8s.io" && (only_status || !situation.same_version) {
        return Some("every API server brings its own flow control objects up to date");
    }
    if kind.is("networking.k8s.io", "servicecidrs") && only_status {
        return Some("every API server judges the address ranges of services anew");
    }
    let bootstrap = &*kind.group == "rbac.authorization.k8s.io"
        && (change.name.starts_with("system:")
            || ["admin", "edit", "view", "cluster-admin"].contains(&&*change.name));
    if bootstrap && !situation.same_version && (made_anew || change.became != Became::Recreated) {
        return Some("every API server brings the default roles up to its own version");
    }
    None
}

/// Is it what an API server makes after its start, some of it only after it said that it is ready: the service by which pods reach it,
/// the system's namespaces, a note of each address that a service has, the authorities that it trusts, and since when it looks for
/// tokens of the old kind?
fn is_made_by_itself(change: &Change) -> bool {
    let kind = &change.kind;
    let at = |namespace: Option<&str>, names: &[&str]| {
        change.namespace.as_deref() == namespace && names.contains(&&*change.name)
    };
    let way_in = ["services", "endpoints"].iter().any(|it| kind.is("", it))
        || kind.is("discovery.k8s.io", "endpointslices");
    way_in && at(Some("default"), &["kubernetes"])
        || kind.is("", "namespaces")
            && at(None, &["default", "kube-node-lease", "kube-public", "kube-system"])
        || kind.is("networking.k8s.io", "servicecidrs") && at(None, &["kubernetes"])
        || kind.is("networking.k8s.io", "ipaddresses")
        || kind.is("", "configmaps")
            && at(
                Some("kube-system"),
                &[
                    "extension-apiserver-authentication",
                    "kube-apiserver-legacy-service-account-token-tracking",
                ],
            )
}

/// Why a type of which staging serves nothing is none that is missing.
pub(super) fn unserved(aggregated: bool) -> Option<&'static str> {
    aggregated.then_some("it is served by an aggregated API, which is not part of etcd and is not brought up")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::TypeName;

    #[test]
    fn what_an_api_server_makes_is_its_own_and_nothing_else_is() {
        let change = |became, (group, resource), namespace: Option<&str>, name: &str| Change {
            became,
            kind: TypeName::new(group, resource),
            namespace: namespace.map(str::to_owned),
            name: name.to_owned(),
            uid_before: None,
            uid_after: None,
            by: None,
            fields: Vec::new(),
            says: Vec::new(),
        };
        let situation = Situation { same_version: true, restored: None };
        let is = |change: &Change| expected(change, situation).is_some();
        let service = ("", "services");
        assert!(is(&change(Became::Added, service, Some("default"), "kubernetes")));
        assert!(is(&change(Became::Added, ("", "namespaces"), None, "kube-public")));
        assert!(is(&change(Became::Added, ("networking.k8s.io", "ipaddresses"), None, "10.0.0.1")));
        let trusted = (("", "configmaps"), "extension-apiserver-authentication");
        assert!(is(&change(Became::Added, trusted.0, Some("kube-system"), trusted.1)));
        assert!(!is(&change(Became::Added, trusted.0, Some("shop"), trusted.1)));
        assert!(!is(&change(Became::Removed, trusted.0, Some("kube-system"), trusted.1)));
        assert!(!is(&change(Became::Removed, service, Some("default"), "kubernetes")));
        assert!(!is(&change(Became::Added, service, Some("shop"), "kubernetes")));
        assert!(!is(&change(Became::Added, ("", "namespaces"), None, "shop")));
    }

    #[test]
    fn what_was_restored_differs_only_where_a_restore_means_it_to() {
        let object = |name: &str| Identity::new(TypeName::new("apps", "deployments"), Some("shop"), name);
        let restored = Restored {
            outcomes: Vec::new(),
            left: [(object("owned"), "its controller makes it again".to_owned())].into(),
            as_meant: [object("web")].into(),
            harmless: false,
        };
        let situation = Situation { same_version: true, restored: Some(&restored) };
        let told = |became, name: &str| {
            let change = Change {
                became,
                kind: TypeName::new("apps", "deployments"),
                namespace: Some("shop".to_owned()),
                name: name.to_owned(),
                uid_before: None,
                uid_after: None,
                by: None,
                fields: Vec::new(),
                says: Vec::new(),
            };
            expected(&change, situation).map(Cow::into_owned)
        };
        assert_eq!(told(Became::Recreated, "web").as_deref(), Some(ANEW));
        assert!(
            told(Became::Removed, "owned").is_some_and(|why| why.ends_with("its controller makes it again"))
        );
        for (became, name) in
            [(Became::Removed, "web"), (Became::Recreated, "other"), (Became::Added, "other")]
        {
            assert_eq!(told(became, name), None, "{name}");
        }
    }
}
