//! What some subjects may do, right by right: the answer to what a stolen credential is good for.

use super::danger;
use super::rbac::{Rbac, Right, Thing};
use crate::object::Identity;
use serde::Serialize;

/// One right that somebody has, and by which binding.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Held {
    /// The namespace in which it holds; everywhere without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The API group; `*` for any.
    pub group: String,
    /// The type, with its subresource behind a slash; `*` for any.
    pub resource: String,
    /// The verb; `*` for any.
    pub verb: String,
    /// Only of this object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Whom the binding names: the subject itself, or a group that it is in.
    pub via: String,
    /// The binding.
    #[serde(skip)]
    pub binding: Identity,
    /// Why it deserves a look.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub danger: Vec<&'static str>,
}

impl Held {
    /// Does it cover this verb on objects of this type?
    pub fn covers(&self, verb: &str, group: &str, resource: &str) -> bool {
        let fits = |held: &str, asked: &str| held == "*" || held == asked;
        fits(&self.verb, verb) && fits(&self.group, group) && fits(&self.resource, resource)
    }
}

/// Somebody, as the subjects of bindings name them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bound {
    /// `ServiceAccount`, `User` or `Group`.
    pub kind: String,
    /// The namespace of a service account.
    pub namespace: Option<String>,
    /// The name.
    pub name: String,
}

impl Bound {
    /// A service account.
    pub fn service_account(namespace: &str, name: &str) -> Self {
        Bound { kind: "ServiceAccount".into(), namespace: Some(namespace.into()), name: name.into() }
    }

    fn plain(kind: &str, name: String) -> Self {
        Bound { kind: kind.into(), namespace: None, name }
    }

    /// The user as whom it speaks to the API server; none for a group.
    pub fn user(&self) -> Option<String> {
        match (self.kind.as_str(), &self.namespace) {
            ("ServiceAccount", Some(namespace)) => {
                Some(format!("system:serviceaccount:{namespace}:{}", self.name))
            }
            ("User", _) => Some(self.name.clone()),
            _ => None,
        }
    }

    /// The groups that it is in, as far as they follow from what it is.
    pub fn groups(&self) -> Vec<String> {
        let mut found = Vec::new();
        match (self.kind.as_str(), &self.namespace) {
            ("ServiceAccount", Some(namespace)) => {
                found.push("system:serviceaccounts".to_owned());
                found.push(format!("system:serviceaccounts:{namespace}"));
            }
            ("User", _) if self.name.starts_with("system:node:") => found.push("system:nodes".to_owned()),
            ("Group", _) => return vec![self.name.clone()],
            _ => {}
        }
        found.push("system:authenticated".to_owned());
        found
    }

    /// The same one, under every name that a binding may have for it, without the groups that it is in.
    pub fn names(&self) -> Vec<Bound> {
        let mut found = vec![self.clone()];
        found.extend(self.user().filter(|_| self.kind != "User").map(|user| Bound::plain("User", user)));
        if let Some((namespace, name)) =
            self.name.strip_prefix("system:serviceaccount:").and_then(|it| it.split_once(':'))
            && self.kind == "User"
        {
            found.push(Bound::service_account(namespace, name));
        }
        found
    }

    /// The same, with the groups that it is in.
    pub fn all_names(&self) -> Vec<Bound> {
        let mut found = self.names();
        found.extend(self.groups().into_iter().map(|group| Bound::plain("Group", group)));
        found.dedup();
        found
    }
}

impl Rbac {
    /// The bindings that name one of these.
    pub fn bindings_of(&self, who: &[Bound]) -> Vec<&Identity> {
        let names = |subject: &super::rbac::Subject| who.iter().any(|it| subject.is(it));
        self.bindings
            .iter()
            .filter(|(_, it)| it.subjects.iter().any(names))
            .map(|(binding, _)| binding)
            .collect()
    }

    /// The role that a binding gives.
    pub fn role_of(&self, binding: &Identity) -> Option<&Identity> {
        self.bindings.get(binding).map(|it| &it.role)
    }

    /// Every right that one of these has, in order.
    pub fn held(&self, who: &[Bound]) -> Vec<Held> {
        let mut found = Vec::new();
        for (binding, bound) in &self.bindings {
            for subject in bound.subjects.iter().filter(|subject| who.iter().any(|it| subject.is(it))) {
                for Right { verb, thing } in self.roles.get(&bound.role).into_iter().flatten() {
                    let Thing::Resource { group, resource, name } = thing else { continue };
                    found.push(Held {
                        namespace: binding.namespace.as_deref().map(str::to_owned),
                        group: group.clone(),
                        resource: resource.clone(),
                        verb: verb.clone(),
                        name: name.clone(),
                        via: subject.to_string(),
                        binding: binding.clone(),
                        danger: danger::of_right(verb, group, resource),
                    });
                }
            }
        }
        found.sort();
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::TypeName;
    use serde_json::json;

    fn identity(resource: &str, namespace: Option<&str>, name: &str) -> Identity {
        Identity::new(TypeName::new(super::super::RBAC, resource), namespace, name)
    }

    #[test]
    fn rights_come_by_name_as_a_user_and_by_groups() {
        let mut rbac = Rbac::default();
        let role = |verb: &str, resource: &str| json!({"rules": [{"verbs": [verb], "apiGroups": [""], "resources": [resource]}]});
        rbac.insert(&identity("clusterroles", None, "read"), &role("get", "secrets"));
        rbac.insert(&identity("roles", Some("shop"), "list"), &role("list", "pods"));
        rbac.insert(&identity("clusterroles", None, "watch"), &role("watch", "nodes"));
        let binding = |kind: &str, role: &str, subject: serde_json::Value| json!({"roleRef": {"kind": kind, "name": role}, "subjects": [subject]});
        let account = json!({"kind": "ServiceAccount", "namespace": "shop", "name": "ci"});
        rbac.insert(
            &identity("clusterrolebindings", None, "a"),
            &binding("ClusterRole", "read", account.clone()),
        );
        let user = json!({"kind": "User", "name": "system:serviceaccount:shop:ci"});
        rbac.insert(&identity("rolebindings", Some("shop"), "b"), &binding("Role", "list", user));
        let group = json!({"kind": "Group", "name": "system:serviceaccounts:shop"});
        rbac.insert(&identity("clusterrolebindings", None, "c"), &binding("ClusterRole", "watch", group));
        let other = json!({"kind": "ServiceAccount", "namespace": "other", "name": "ci"});
        rbac.insert(&identity("clusterrolebindings", None, "d"), &binding("ClusterRole", "watch", other));

        let ci = Bound::service_account("shop", "ci");
        let told = |who: &[Bound]| -> Vec<String> {
            rbac.held(who)
                .iter()
                .map(|it| format!("{} {} {:?}", it.verb, it.resource, it.namespace.as_deref()))
                .collect()
        };
        assert_eq!(told(&ci.names()), ["get secrets None", "list pods Some(\"shop\")"]);
        assert_eq!(
            told(&ci.all_names()),
            ["watch nodes None", "get secrets None", "list pods Some(\"shop\")"]
        );
        assert_eq!(rbac.bindings_of(&ci.names()).len(), 2);
        assert_eq!(rbac.held(&ci.names())[0].danger, ["reads Secrets"]);
        // Whoever is named as a user is found under the other name too.
        let user =
            Bound { kind: "User".into(), namespace: None, name: "system:serviceaccount:shop:ci".into() };
        assert_eq!(told(&user.names()), told(&ci.names()));
    }

    #[test]
    fn a_wildcard_covers_what_it_stands_for() {
        let held = |verb: &str, group: &str, resource: &str| Held {
            namespace: None,
            group: group.into(),
            resource: resource.into(),
            verb: verb.into(),
            name: None,
            via: String::new(),
            binding: identity("rolebindings", None, "x"),
            danger: Vec::new(),
        };
        assert!(held("*", "*", "*").covers("get", "", "secrets"));
        assert!(held("get", "", "secrets").covers("get", "", "secrets"));
        assert!(!held("get", "", "secrets").covers("list", "", "secrets"));
        assert!(!held("*", "apps", "*").covers("get", "", "secrets"));
    }
}
