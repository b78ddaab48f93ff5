//! Which objects are compared.

use super::CompareError;
use crate::object::{
    Glob, Identity, ResourcePattern, TypeName, Unresolved, access, is_restless, resolve, restless_types,
};

/// Which objects are compared, and what of them.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    namespaces: Vec<Glob>,
    types: Vec<(String, Wanted)>,
    /// Compare types as well whose objects change all the time by themselves.
    pub restless: bool,
    /// Compare what controllers observed (`status`) as well.
    pub status: bool,
    /// Only what says who may do what.
    pub access: bool,
}

#[derive(Debug, Clone)]
enum Wanted {
    Types(Vec<TypeName>),
    Pattern(ResourcePattern),
}

impl Wanted {
    fn matches(&self, kind: &TypeName) -> bool {
        match self {
            Wanted::Types(types) => types.contains(kind),
            Wanted::Pattern(pattern) => pattern.matches(&kind.group, &kind.resource),
        }
    }
}

impl Selection {
    /// Keeps to these namespaces (globs), and to the objects that have none if there is no glob.
    ///
    /// # Errors
    /// When one is no name of a namespace.
    pub fn in_namespaces(mut self, namespaces: &[String]) -> Result<Self, CompareError> {
        for text in namespaces {
            self.namespaces.push(text.parse()?);
        }
        Ok(self)
    }

    /// Keeps to these types, named as people do, or by patterns as in the configuration.
    pub(super) fn of_types(mut self, names: &[String], known: &[TypeName]) -> Result<Self, CompareError> {
        for name in names {
            let wanted = match resolve(name, known) {
                Ok(kind) => Wanted::Types(vec![kind]),
                Err(Unresolved::Ambiguous(kinds)) => Wanted::Types(kinds),
                Err(Unresolved::Unknown) => Wanted::Pattern(name.to_lowercase().parse()?),
            };
            self.types.push((name.clone(), wanted));
        }
        Ok(self)
    }

    /// The first of the names of types that fits none of these.
    pub(super) fn idle_type<'a>(&'a self, known: &[&TypeName]) -> Option<&'a str> {
        let idle = |(_, wanted): &&(String, Wanted)| !known.iter().any(|kind| wanted.matches(kind));
        self.types.iter().find(idle).map(|(name, _)| name.as_str())
    }

    /// Is this type asked for?
    pub(super) fn wants_type(&self, kind: &TypeName) -> bool {
        let named = self.types.iter().any(|(_, wanted)| wanted.matches(kind));
        if self.access {
            return access::is_access_type(kind) && (named || self.types.is_empty());
        }
        named || self.types.is_empty() && (self.restless || !is_restless(kind))
    }

    /// Is this object asked for?
    pub(super) fn wants(&self, object: &Identity) -> bool {
        let place = match &object.namespace {
            Some(namespace) => Some(&**namespace),
            None => object.kind.is("", "namespaces").then_some(&*object.name),
        };
        let there = self.namespaces.is_empty()
            || place.is_some_and(|place| self.namespaces.iter().any(|glob| glob.matches(place)));
        there && self.wants_type(&object.kind) && (!self.access || access::is_access_object(object))
    }

    /// Has its place in the index to be known? What a binding means is told by all roles and bindings together.
    pub(super) fn reads(&self, object: &Identity) -> bool {
        self.wants(object) || self.access && access::is_rbac(&object.kind)
    }

    /// Patterns for the types that need not be read from a live cluster.
    pub(super) fn idle_live_types(&self) -> Vec<String> {
        let all = self.restless || self.access || !self.types.is_empty();
        if all { Vec::new() } else { restless_types().collect() }
    }

    /// Patterns for the types that have to be read from a live cluster; none for all.
    pub(super) fn live_types(&self) -> Vec<String> {
        if self.access {
            let rbac = access::RBAC_TYPES.iter().map(|it| format!("{it}.rbac.authorization.k8s.io"));
            let rest =
                ["secrets.core", "serviceaccounts.core", "configmaps.core", "*.admissionregistration.k8s.io"];
            let rest = rest.into_iter().chain(["certificatesigningrequests.certificates.k8s.io"]);
            return rbac.chain(rest.map(str::to_owned)).collect();
        }
        let pattern = |kind: &TypeName| match &*kind.group {
            "" => format!("{}.core", kind.resource),
            _ => kind.to_string(),
        };
        let patterns = |(_, wanted): &(String, Wanted)| match wanted {
            Wanted::Types(types) => types.iter().map(pattern).collect(),
            Wanted::Pattern(pattern) => vec![pattern.to_string()],
        };
        self.types.iter().flat_map(patterns).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selections_keep_to_what_was_asked_for() {
        let known = ["apps deployments", " secrets", " events", "rbac.authorization.k8s.io roles"]
            .map(|it| it.split_once(' ').unwrap())
            .map(|(group, resource)| TypeName::new(group, resource));
        let object = |path: &str| Identity::of_path(path).unwrap().0;
        let web = object("apps/v1/deployments/shop/web.json");
        let event = object("core/v1/events/shop/x.json");
        let namespace = object("core/v1/namespaces/_cluster/shop.json");
        let node = object("core/v1/nodes/_cluster/a.json");
        let all = Selection::default();
        assert!(all.wants(&web) && !all.wants(&event) && all.wants(&node));
        let shop = Selection::default().in_namespaces(&["sho*".into()]).unwrap();
        assert!(shop.wants(&web) && shop.wants(&namespace) && !shop.wants(&node));
        let deploys = Selection::default().of_types(&["deploy".into(), "ev".into()], &known).unwrap();
        assert!(deploys.wants(&web) && deploys.wants(&event) && !deploys.wants(&node));
        assert_eq!(deploys.live_types(), ["deployments.apps", "events.core"]);
        let none = Selection::default().of_types(&["boats".into()], &known).unwrap();
        assert_eq!(none.idle_type(&known.iter().collect::<Vec<_>>()), Some("boats"));
        let access = Selection { access: true, ..Selection::default() };
        assert!(access.wants(&object("core/v1/configmaps/kube-system/aws-auth.json")));
        assert!(!access.wants(&object("core/v1/configmaps/shop/aws-auth.json")) && !access.wants(&web));
    }
}
