//! Bindings: a subject is taken out of them, or put in again.

use super::{ActionError, Class, Live, Plain, Planned, Planning, Target};
use crate::{
    object::access::Bound,
    playbook::op::{Create, FieldSet, ObjectRef, Op},
};
use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;

pub(super) const RBAC: &str = "rbac.authorization.k8s.io";

/// A service account, a user or a group: `${params.sa}`, or a mapping that is written out.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Subject {
    /// `ServiceAccount`, `User` or `Group`.
    kind: SubjectKind,
    /// The namespace of a service account.
    #[serde(default)]
    namespace: Option<String>,
    /// Its name.
    name: String,
}

/// What a subject is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
enum SubjectKind {
    /// A service account.
    ServiceAccount,
    /// A user.
    User,
    /// A group.
    Group,
}

impl Subject {
    /// As bindings name it.
    ///
    /// # Errors
    /// When a service account has no namespace.
    pub(super) fn bound(&self) -> Result<Bound, ActionError> {
        let name = self.name.clone();
        Ok(match (self.kind, &self.namespace) {
            (SubjectKind::ServiceAccount, Some(namespace)) => Bound::service_account(namespace, &name),
            (SubjectKind::ServiceAccount, None) => {
                return Err(ActionError::Arguments(format!("ServiceAccount {name} needs a namespace")));
            }
            (SubjectKind::User, _) => Bound { kind: "User".into(), namespace: None, name },
            (SubjectKind::Group, _) => Bound { kind: "Group".into(), namespace: None, name },
        })
    }
}

fn told(who: &Bound) -> String {
    match &who.namespace {
        Some(namespace) => format!("{} {namespace}/{}", who.kind, who.name),
        None => format!("{} {}", who.kind, who.name),
    }
}

/// Takes a subject out of its bindings.
pub(super) struct Detach;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct DetachArgs {
    /// Who.
    subject: Subject,
    /// Bindings that stay as they are, by name, or by NAMESPACE/NAME.
    #[serde(default)]
    except: Vec<String>,
}

#[async_trait]
impl Plain for Detach {
    type Args = DetachArgs;
    const NAME: &'static str = "rbac.detach";
    const CLASS: Class = Class::Undoable;
    const FORETELLS: bool = true;
    const ABREAST: bool = true;
    const ABOUT: &'static str =
        "Takes a service account, a user or a group out of every role binding that names it.";

    async fn plan(with: &Planning<'_>, args: DetachArgs) -> Result<Planned, ActionError> {
        let who = args.subject.bound()?;
        not_oneself(with, &who).await?;
        let (names, groups) = (who.names(), who.groups());
        let mut planned = Planned::default();
        let (mut detached, mut by_group) = (Vec::new(), BTreeSet::new());
        for live in bindings(with).await? {
            let subjects = live.json["subjects"].as_array().cloned().unwrap_or_default();
            let group = |it: &&Value| {
                it["kind"] == "Group"
                    && it["name"].as_str().is_some_and(|name| groups.iter().any(|it| it == name))
            };
            let left: Vec<Value> =
                subjects.iter().filter(|it| !names.iter().any(|name| is(it, name))).cloned().collect();
            if left.len() == subjects.len() {
                by_group.extend(subjects.iter().find(group).map(|it| {
                    format!("{} (Group {})", live.object, it["name"].as_str().unwrap_or_default())
                }));
                continue;
            }
            if excepted(&live.object, &args.except) {
                planned.remarks.push(format!("{} still names {}", live.object, told(&who)));
                continue;
            }
            detached.push(live.object.to_value());
            let after = if left.is_empty() { None } else { Some(Value::Array(left)) };
            let field = FieldSet::of(&live.json, &["subjects"], after);
            planned.change(live.object, field.into_iter().collect());
        }
        if detached.is_empty() {
            planned.remarks.push(format!("no binding names {}", told(&who)));
        }
        let by_group = by_group.into_iter().filter(|it| !default_grant(it));
        planned
            .remarks
            .extend(by_group.map(|it| format!("{} has rights by a group, and keeps them: {it}", told(&who))));
        planned.result = Some(json!({"bindings": detached}).into());
        Ok(planned)
    }
}

/// What every cluster gives to everybody who can log in says nothing about this one.
fn default_grant(binding: &str) -> bool {
    const DEFAULT: &[&str] = &[
        "system:basic-user",
        "system:discovery",
        "system:public-info-viewer",
        "system:service-account-issuer-discovery",
    ];
    DEFAULT.iter().any(|name| binding.starts_with(&format!("ClusterRoleBinding {name} ")))
}

async fn bindings(with: &Planning<'_>) -> Result<Vec<Live>, ActionError> {
    let mut found = Vec::new();
    for resource in ["clusterrolebindings", "rolebindings"] {
        found.extend(with.list(with.built_in(RBAC, resource)?, None, None, None).await?);
    }
    found.sort_by(|a, b| a.object.cmp(&b.object));
    Ok(found)
}

/// Does a subject of a binding name this one?
fn is(subject: &Value, who: &Bound) -> bool {
    let place = who.namespace.as_deref().is_none_or(|namespace| subject["namespace"] == namespace);
    subject["kind"] == who.kind.as_str() && subject["name"] == who.name.as_str() && place
}

fn excepted(object: &ObjectRef, except: &[String]) -> bool {
    let full = object.namespace.as_ref().map(|namespace| format!("{namespace}/{}", object.name));
    except.iter().any(|it| *it == object.name || full.as_ref() == Some(it))
}

/// Who takes away their own rights cannot take anything back.
async fn not_oneself(with: &Planning<'_>, who: &Bound) -> Result<(), ActionError> {
    let own = with.cluster()?.whoami().await;
    // A server that cannot say who one is refuses the rest by itself.
    let own = own.unwrap_or(Value::Null);
    let user = who.user().is_some_and(|user| own["username"] == user.as_str());
    let groups = own["groups"].as_array().into_iter().flatten();
    let group = who.kind == "Group" && groups.into_iter().any(|it| *it == who.name.as_str());
    match user || group {
        true => Err(ActionError::Refused(format!(
            "{} is the one who carries this out, or a group of theirs",
            told(who)
        ))),
        false => Ok(()),
    }
}

/// Puts a subject into bindings.
pub(super) struct Attach;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct AttachArgs {
    /// Who.
    subject: Subject,
    /// Into these bindings, such as those that `rbac.detach` brought: `${vars.cut.bindings}`.
    #[serde(default)]
    bindings: Vec<Target>,
    /// A new binding to this role.
    #[serde(default)]
    role: Option<Role>,
}

/// A role.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Role {
    /// `Role` or `ClusterRole`.
    kind: RoleKind,
    /// Its name.
    name: String,
    /// Where it is given: none for the whole cluster.
    #[serde(default)]
    namespace: Option<String>,
}

/// What a role is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
enum RoleKind {
    /// One of a namespace.
    Role,
    /// One of the cluster.
    ClusterRole,
}

#[async_trait]
impl Plain for Attach {
    type Args = AttachArgs;
    const NAME: &'static str = "rbac.attach";
    const CLASS: Class = Class::Undoable;
    const ABOUT: &'static str = "Puts a subject into role bindings again, or makes a new one for it.";

    async fn plan(with: &Planning<'_>, args: AttachArgs) -> Result<Planned, ActionError> {
        if args.bindings.is_empty() && args.role.is_none() {
            return Err(ActionError::Arguments("neither `bindings` nor `role` says into what".to_owned()));
        }
        let who = args.subject.bound()?;
        let mut entry = json!({"kind": who.kind, "name": who.name});
        match &who.namespace {
            Some(namespace) => entry["namespace"] = namespace.as_str().into(),
            None => entry["apiGroup"] = RBAC.into(),
        }
        let mut planned = Planned::default();
        for target in &args.bindings {
            let live = with.find(target).await?;
            if live.object.group != RBAC || !live.object.resource.ends_with("bindings") {
                return Err(ActionError::Arguments(format!("{} is no role binding", live.object)));
            }
            let field = given_back(&live.json, &who, entry.clone());
            planned.change(live.object, vec![field]);
        }
        if let Some(role) = &args.role {
            planned.ops.push(binding(with, &who, entry, role)?);
        }
        Ok(planned)
    }
}

/// A binding that still names it does so because the plan is made before an earlier step takes it out.
fn given_back(binding: &Value, who: &Bound, entry: Value) -> FieldSet {
    let now = binding["subjects"].as_array().cloned().unwrap_or_default();
    let names = who.names();
    let without: Vec<Value> =
        now.iter().filter(|it| !names.iter().any(|name| is(it, name))).cloned().collect();
    let there = without.len() < now.len();
    let with = if there { now } else { [without.clone(), vec![entry]].concat() };
    let before = if without.is_empty() { None } else { Some(Value::Array(without)) };
    FieldSet { path: vec!["subjects".to_owned()], before, after: Some(Value::Array(with)) }
}

fn binding(with: &Planning<'_>, who: &Bound, entry: Value, role: &Role) -> Result<Op, ActionError> {
    let (resource, role_kind) = match (&role.namespace, role.kind) {
        (None, RoleKind::Role) => {
            return Err(ActionError::Arguments(format!(
                "Role {} is one of a namespace: say which",
                role.name
            )));
        }
        (None, RoleKind::ClusterRole) => ("clusterrolebindings", "ClusterRole"),
        (Some(_), RoleKind::Role) => ("rolebindings", "Role"),
        (Some(_), RoleKind::ClusterRole) => ("rolebindings", "ClusterRole"),
    };
    let kind = with.built_in(RBAC, resource)?;
    let unique = super::unique(with, &[&role.name, &told(who)]);
    let mut json = json!({
        "apiVersion": kind.api_version(), "kind": kind.kind, "metadata": {"name": unique, "labels": {}},
        "roleRef": {"apiGroup": RBAC, "kind": role_kind, "name": role.name}, "subjects": [entry],
    });
    if let Some(namespace) = &role.namespace {
        json["metadata"]["namespace"] = namespace.as_str().into();
    }
    let object = ObjectRef::new(kind, role.namespace.as_deref(), &unique, None);
    Ok(Op::Create(Create::new(object, json, with.run)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_given_back_before_and_after_it_was_taken() {
        let ci = Bound::service_account("shop", "ci");
        let entry = json!({"kind": "ServiceAccount", "namespace": "shop", "name": "ci"});
        let jane = json!({"kind": "User", "apiGroup": RBAC, "name": "jane"});
        let still = given_back(&json!({"subjects": [entry, jane]}), &ci, entry.clone());
        assert_eq!((still.before, still.after), (Some(json!([jane])), Some(json!([entry, jane]))));
        let taken = given_back(&json!({"subjects": [jane]}), &ci, entry.clone());
        assert_eq!((taken.before, taken.after), (Some(json!([jane])), Some(json!([jane, entry]))));
        let alone = given_back(&json!({}), &ci, entry.clone());
        assert_eq!((alone.before, alone.after), (None, Some(json!([entry]))));
    }

    #[test]
    fn subjects_are_told_apart_by_their_namespace() {
        let entry = |namespace: &str| json!({"kind": "ServiceAccount", "namespace": namespace, "name": "ci"});
        let ci = Bound::service_account("shop", "ci");
        assert!(is(&entry("shop"), &ci));
        assert!(!is(&entry("other"), &ci));
        assert!(!is(&json!({"kind": "User", "name": "ci"}), &ci));
        let user = json!({"kind": "User", "name": "system:serviceaccount:shop:ci"});
        assert!(ci.names().iter().any(|name| is(&user, name)));
        let subject: Subject =
            serde_json::from_value(json!({"kind": "ServiceAccount", "name": "ci", "uid": "u"})).unwrap();
        assert!(subject.bound().is_err());
        assert!(serde_json::from_value::<Subject>(json!({"kind": "Pod", "name": "ci"})).is_err());
    }

    #[test]
    fn what_everybody_has_is_not_told() {
        assert!(default_grant("ClusterRoleBinding system:discovery (Group system:authenticated)"));
        assert!(!default_grant("ClusterRoleBinding system:discovery-more (Group system:authenticated)"));
        assert!(!default_grant("RoleBinding a/system:discovery (Group x)"));
    }
}
