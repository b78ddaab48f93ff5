//! Roles and bindings together: which subject may do what, and by which binding.

use super::{Bound, Effect, RBAC, Statement, danger, text, texts};
use crate::object::{Identity, TypeName};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// Every role and binding of a cluster at one time.
#[derive(Debug, Clone, Default)]
pub struct Rbac {
    pub(super) roles: BTreeMap<Identity, BTreeSet<Right>>,
    pub(super) bindings: BTreeMap<Identity, Binding>,
}

/// What changed objects mean, by object.
pub type Changed = BTreeMap<Identity, Vec<Statement>>;

/// One verb on one thing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Right {
    pub(super) verb: String,
    pub(super) thing: Thing,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Thing {
    Resource { group: String, resource: String, name: Option<String> },
    Url(String),
}

#[derive(Debug, Clone)]
pub(super) struct Binding {
    pub(super) role: Identity,
    pub(super) subjects: BTreeSet<Subject>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Subject {
    kind: String,
    namespace: Option<String>,
    name: String,
}

impl Rbac {
    /// Takes a role or a binding in; anything else is left alone.
    pub fn insert(&mut self, object: &Identity, value: &Value) {
        match (&*object.kind.group, &*object.kind.resource) {
            (RBAC, "clusterroles" | "roles") => {
                let rules = value.get("rules").and_then(Value::as_array);
                let rights = rules.into_iter().flatten().flat_map(rights).collect();
                self.roles.insert(object.clone(), rights);
            }
            (RBAC, "clusterrolebindings" | "rolebindings") => {
                let (kind, namespace) = match text(Some(value), &["roleRef", "kind"]) {
                    "Role" => ("roles", object.namespace.as_deref()),
                    _ => ("clusterroles", None),
                };
                let name = text(Some(value), &["roleRef", "name"]);
                let role = Identity::new(TypeName::new(RBAC, kind), namespace, name);
                let subjects = value.get("subjects").and_then(Value::as_array);
                let subjects = subjects.into_iter().flatten().map(Subject::new).collect();
                self.bindings.insert(object.clone(), Binding { role, subjects });
            }
            _ => {}
        }
    }

    /// What each of the `changed` roles and bindings means, compared with what was `before`.
    ///
    /// What a binding gives is the business of the binding if it changed itself, else of its role.
    pub fn changes(before: &Rbac, after: &Rbac, changed: &BTreeSet<Identity>) -> Changed {
        let mut found = Changed::new();
        let all: BTreeSet<&Identity> = before.bindings.keys().chain(after.bindings.keys()).collect();
        for binding in all {
            let role = after.bindings.get(binding).or(before.bindings.get(binding)).map(|b| &b.role);
            let Some(cause) = [Some(binding), role].into_iter().flatten().find(|it| changed.contains(*it))
            else {
                continue;
            };
            let (was, is) = (before.given(binding), after.given(binding));
            let said = found.entry(cause.clone()).or_default();
            for (effect, from, to) in [(Effect::Grants, &was, &is), (Effect::Revokes, &is, &was)] {
                for (subject, rights) in to {
                    let had = from.get(subject);
                    let new: BTreeSet<&Right> =
                        rights.iter().copied().filter(|r| !had.is_some_and(|had| had.contains(r))).collect();
                    said.extend(sentences(effect, binding, Some(subject), &new));
                }
            }
            if let Some(bound) = after.bindings.get(binding)
                && changed.contains(binding)
                && !after.roles.contains_key(&bound.role)
            {
                let role = format!("{} {}", role_kind(&bound.role), bound.role.name);
                said.push(Statement::note(format!("it refers to {role}, which does not exist")));
            }
        }
        for role in changed.iter().filter(|it| matches!(&*it.kind.resource, "clusterroles" | "roles")) {
            let bound = |rbac: &Rbac| rbac.bindings.values().any(|b| b.role == *role);
            if bound(before) || bound(after) {
                continue;
            }
            let none = BTreeSet::new();
            let (was, is) = (before.roles.get(role).unwrap_or(&none), after.roles.get(role).unwrap_or(&none));
            let said = found.entry(role.clone()).or_default();
            said.extend(sentences(Effect::Grants, role, None, &is.difference(was).collect()));
            said.extend(sentences(Effect::Revokes, role, None, &was.difference(is).collect()));
        }
        found
    }

    /// What a binding gives to each of its subjects.
    fn given(&self, binding: &Identity) -> BTreeMap<&Subject, BTreeSet<&Right>> {
        let Some(bound) = self.bindings.get(binding) else { return BTreeMap::new() };
        let rights: BTreeSet<&Right> = self.roles.get(&bound.role).into_iter().flatten().collect();
        bound.subjects.iter().map(|subject| (subject, rights.clone())).collect()
    }
}

fn role_kind(role: &Identity) -> &'static str {
    if &*role.kind.resource == "roles" { "Role" } else { "ClusterRole" }
}

/// The rights of a rule, one by one.
fn rights(rule: &Value) -> Vec<Right> {
    let mut found = Vec::new();
    let names: Vec<Option<&str>> = match texts(rule, "resourceNames") {
        names if names.is_empty() => vec![None],
        names => names.into_iter().map(Some).collect(),
    };
    for verb in texts(rule, "verbs") {
        for group in texts(rule, "apiGroups") {
            for resource in texts(rule, "resources") {
                for name in &names {
                    let thing = Thing::Resource {
                        group: group.to_owned(),
                        resource: resource.to_owned(),
                        name: name.map(str::to_owned),
                    };
                    found.push(Right { verb: verb.to_owned(), thing });
                }
            }
        }
        for url in texts(rule, "nonResourceURLs") {
            found.push(Right { verb: verb.to_owned(), thing: Thing::Url(url.to_owned()) });
        }
    }
    found
}

/// Says who is given, or loses, these rights: things with the same verbs in one sentence. Without a subject nobody is
/// bound to the role.
fn sentences(
    effect: Effect,
    by: &Identity,
    subject: Option<&Subject>,
    rights: &BTreeSet<&Right>,
) -> Vec<Statement> {
    let namespace = by.namespace.as_deref().map(str::to_owned);
    let mut verbs_of: BTreeMap<&Thing, Vec<&str>> = BTreeMap::new();
    for right in rights {
        // URLs have no namespace: in one they are nobody's.
        if matches!(right.thing, Thing::Resource { .. }) || namespace.is_none() {
            verbs_of.entry(&right.thing).or_default().push(&right.verb);
        }
    }
    let mut things_of: BTreeMap<Vec<&str>, Vec<&Thing>> = BTreeMap::new();
    for (thing, mut verbs) in verbs_of {
        verbs.sort_by_key(|verb| (usual(verb), *verb));
        things_of.entry(verbs).or_default().push(thing);
    }
    let told = things_of.into_iter().map(|(verbs, things)| {
        let resources: Vec<String> = things.iter().map(ToString::to_string).collect();
        let place = match &namespace {
            Some(namespace) => format!("in namespace {namespace}"),
            None => "everywhere".to_owned(),
        };
        let what = format!("`{} {}` {place}", verbs.join(","), resources.join(", "));
        let text = match (effect, subject) {
            (Effect::Revokes, Some(subject)) => format!("takes {what} from {subject}"),
            (_, Some(subject)) => format!("grants {what} to {subject}"),
            (Effect::Revokes, None) => format!("no longer allows {what}; nobody is bound to it"),
            (_, None) => format!("allows {what}; nobody is bound to it"),
        };
        let mut danger: Vec<&'static str> = Vec::new();
        if effect == Effect::Grants {
            danger.extend(subject.and_then(|s| danger::of_subject(&s.kind, &s.name)));
            for thing in &things {
                let Thing::Resource { group, resource, .. } = thing else { continue };
                for why in verbs.iter().flat_map(|verb| danger::of_right(verb, group, resource)) {
                    if !danger.contains(&why) {
                        danger.push(why);
                    }
                }
            }
        }
        Statement {
            effect,
            text,
            subject: subject.map(ToString::to_string),
            namespace: namespace.clone(),
            verbs: verbs.into_iter().map(str::to_owned).collect(),
            resources,
            danger,
        }
    });
    told.collect()
}

/// The place of a verb in the usual order.
fn usual(verb: &str) -> usize {
    const USUAL: &[&str] =
        &["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"];
    USUAL.iter().position(|it| *it == verb).unwrap_or(USUAL.len())
}

impl Subject {
    fn new(value: &Value) -> Self {
        let field = |name| text(Some(value), &[name]).to_owned();
        let namespace = Some(field("namespace")).filter(|it| !it.is_empty());
        Subject { kind: field("kind"), namespace, name: field("name") }
    }

    /// Does it name this one?
    pub(super) fn is(&self, who: &Bound) -> bool {
        let place = self.kind != "ServiceAccount" || self.namespace == who.namespace;
        self.kind == who.kind && self.name == who.name && place
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} {namespace}/{}", self.kind, self.name),
            None => write!(f, "{} {}", self.kind, self.name),
        }
    }
}

impl fmt::Display for Thing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Thing::Url(url) => f.write_str(url),
            Thing::Resource { group, resource, name } => {
                match (group.as_str(), resource.as_str()) {
                    ("", "*") => f.write_str("*.core")?,
                    ("", resource) => f.write_str(resource)?,
                    (group, resource) => write!(f, "{resource}.{group}")?,
                }
                name.as_ref().map_or(Ok(()), |name| write!(f, " {name:?}"))
            }
        }
    }
}

#[cfg(test)]
#[path = "rbac_tests.rs"]
mod tests;
