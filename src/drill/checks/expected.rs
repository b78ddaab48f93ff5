//! What has to differ in staging, and why: each API server writes some objects for itself. Everything else that differs is a
//! finding.
//!
//! Source of the rules: what a kube-apiserver does after its start (`pkg/controlplane/controller`, `pkg/registry/rbac/rest`
//! and `pkg/registry/flowcontrol/ensurer` of kubernetes/kubernetes), and what one did in the project's own drills.

use crate::compare::{Became, Change};

/// What is known of staging that makes things differ.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Situation {
    /// Source and staging are of one minor version.
    pub(super) same_version: bool,
}

/// Why a difference is none that counts; nothing if it counts.
pub(super) fn expected(change: &Change, situation: Situation) -> Option<&'static str> {
    let kind = &change.kind;
    let at = |namespace: &str, name: &str| {
        change.namespace.as_deref().unwrap_or_default() == namespace && change.name == name
    };
    let changed = change.became == Became::Changed;
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
    if bootstrap && !situation.same_version && change.became != Became::Recreated {
        return Some("every API server brings the default roles up to its own version");
    }
    None
}

/// Why a type of which staging serves nothing is none that is missing.
pub(super) fn unserved(aggregated: bool) -> Option<&'static str> {
    aggregated.then_some("it is served by an aggregated API, which is not part of etcd and is not brought up")
}
