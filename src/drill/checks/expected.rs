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

/// Why a difference is none that counts; nothing if it counts.
pub(super) fn expected(change: &Change, situation: Situation<'_>) -> Option<Cow<'static, str>> {
    if let Some(restored) = situation.restored {
        let object = Identity::new(change.kind.clone(), change.namespace.as_deref(), &change.name);
        if let Some(reason) = restored.left.get(&object) {
            return Some(format!("a restore leaves it out: {reason}").into());
        }
        if matches!(change.became, Became::Recreated | Became::Changed) && restored.as_meant.contains(&object)
        {
            return Some(ANEW.into());
        }
        if change.kind.is("networking.k8s.io", "ipaddresses") && change.became == Became::Added {
            return Some("the API server notes the addresses that services were given".into());
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

/// Why a type of which staging serves nothing is none that is missing.
pub(super) fn unserved(aggregated: bool) -> Option<&'static str> {
    aggregated.then_some("it is served by an aggregated API, which is not part of etcd and is not brought up")
}
