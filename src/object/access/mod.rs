//! Who may do what: the objects that say so, and what a change of one of them means, in words.
//!
//! These are the objects that say it:
//!
//! - roles and bindings (`rbac.authorization.k8s.io`). The rules of an aggregated cluster role are written into it by a
//!   controller, so that a role that is aggregated into others shows as a change of those as well;
//! - service accounts, Secrets that hold their tokens, and tokens with which nodes join (`bootstrap.kubernetes.io/token`);
//! - webhooks and policies that admit or refuse what others write (`admissionregistration.k8s.io`);
//! - requests for certificates with which a client can speak as somebody (`certificates.k8s.io`);
//! - the config map `kube-system/aws-auth`, which on EKS maps IAM identities to users and groups (Amazon EKS user guide,
//!   "Grant IAM users access to Kubernetes with a ConfigMap").

mod admission;
mod credentials;
mod danger;
mod held;
mod rbac;
mod statement;

pub use held::{Bound, Held};
pub use rbac::{Changed, Rbac};
pub use statement::{Effect, Statement};

use super::{FieldPath, Identity, TypeName};
use serde_json::Value;

pub(super) const RBAC: &str = "rbac.authorization.k8s.io";
pub(super) const ADMISSION: &str = "admissionregistration.k8s.io";
const CERTIFICATES: &str = "certificates.k8s.io";

/// The types of roles and bindings: what any of them means is told by all of them together.
pub const RBAC_TYPES: &[&str] = &["clusterroles", "roles", "clusterrolebindings", "rolebindings"];

pub(super) const ADMISSION_TYPES: &[&str] = &[
    "mutatingwebhookconfigurations",
    "validatingwebhookconfigurations",
    "mutatingadmissionpolicies",
    "mutatingadmissionpolicybindings",
    "validatingadmissionpolicies",
    "validatingadmissionpolicybindings",
];

/// May objects of this type say who may do what?
pub fn is_access_type(kind: &TypeName) -> bool {
    let any = |group: &str, resources: &[&str]| *kind.group == *group && resources.contains(&&*kind.resource);
    any("", &["serviceaccounts", "secrets", "configmaps"])
        || is_rbac(kind)
        || any(ADMISSION, ADMISSION_TYPES)
        || any(CERTIFICATES, &["certificatesigningrequests"])
}

/// Is it a type of roles or bindings?
pub fn is_rbac(kind: &TypeName) -> bool {
    *kind.group == *RBAC && RBAC_TYPES.contains(&&*kind.resource)
}

/// May this object say who may do what, as far as its place tells? Of Secrets only their content does.
pub fn is_access_object(object: &Identity) -> bool {
    is_access_type(&object.kind)
        && (!object.kind.is("", "configmaps")
            || object.namespace.as_deref() == Some("kube-system") && &*object.name == "aws-auth")
}

/// The same for an object that was read, whose values are veiled.
pub fn says_who_may(kind: &TypeName, object: &Value) -> bool {
    !kind.is("", "secrets") || credentials::is_token(object)
}

/// Is the status of this type's objects a part of what they say?
pub fn status_counts(kind: &TypeName) -> bool {
    kind.is(CERTIFICATES, "certificatesigningrequests")
}

/// Does this field of an object of this type say who may do what?
pub fn is_access_field(kind: &TypeName, path: &FieldPath) -> bool {
    let any = |ways: &[&[&str]]| ways.iter().any(|way| path.starts_with(way));
    match (&*kind.group, &*kind.resource) {
        (RBAC, _) => any(&[&["rules"], &["aggregationRule"], &["roleRef"], &["subjects"]]),
        ("", "serviceaccounts") => any(&[
            &["secrets"],
            &["imagePullSecrets"],
            &["automountServiceAccountToken"],
            &["metadata", "annotations"],
        ]),
        ("", "secrets") => any(&[&["data"], &["type"], &["metadata", "annotations"]]),
        ("", "configmaps") => any(&[&["data"], &["binaryData"]]),
        (ADMISSION, _) => any(&[&["webhooks"], &["spec"]]),
        (CERTIFICATES, _) => any(&[&["spec"], &["status"]]),
        _ => false,
    }
}

/// What it means, in words, that this object was `before` and is `after`. For roles and bindings see [`Rbac::changes`].
pub fn describe(object: &Identity, before: Option<&Value>, after: Option<&Value>) -> Vec<Statement> {
    match (&*object.kind.group, &*object.kind.resource) {
        ("", "serviceaccounts") => credentials::service_account(object, before, after),
        ("", "secrets") => credentials::token(object, before, after),
        ("", "configmaps") => credentials::aws_auth(before, after),
        (CERTIFICATES, _) => credentials::certificate_request(before, after),
        (ADMISSION, _) => admission::describe(object, before, after),
        _ => Vec::new(),
    }
}

/// A text in an object, by the names of its fields; empty where there is none.
fn text<'a>(object: Option<&'a Value>, way: &[&str]) -> &'a str {
    let mut at = object;
    for field in way {
        at = at.and_then(|value| value.get(field));
    }
    at.and_then(Value::as_str).unwrap_or_default()
}

/// The texts of a list in an object.
fn texts<'a>(object: &'a Value, field: &str) -> Vec<&'a str> {
    let list = object.get(field).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str).collect()
}
