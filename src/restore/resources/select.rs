use super::ResourcesError;
use crate::object::{Glob, Identity, LabelSelector, ResourcePattern, TypeName, Unresolved, resolve};
use serde_json::Value;
use std::collections::HashSet;
use strsim::damerau_levenshtein;

/// Types, named as people do or by patterns.
#[derive(Debug, Clone, Default)]
pub struct TypeSet(Vec<Wanted>);

#[derive(Debug, Clone)]
enum Wanted {
    Type(TypeName),
    Pattern(ResourcePattern),
}

impl TypeSet {
    /// Reads names of types; `known` are the types that there are.
    ///
    /// # Errors
    /// When a name may be several types, or fits none.
    pub fn new(names: &[String], known: &[TypeName]) -> Result<Self, ResourcesError> {
        let mut found = Vec::new();
        for name in names {
            found.push(match resolve(name, known) {
                Ok(kind) => Wanted::Type(kind),
                Err(Unresolved::Ambiguous(kinds)) => {
                    let kinds: Vec<String> = kinds.iter().map(ToString::to_string).collect();
                    let text = format!("`{name}` may be any of {}: write one of these", kinds.join(", "));
                    return Err(ResourcesError::Asked(text));
                }
                Err(Unresolved::Unknown) => {
                    let pattern: ResourcePattern = name.to_lowercase().parse().map_err(|e| {
                        ResourcesError::Asked(format!("`{name}` is no name of a type, and no pattern: {e}"))
                    })?;
                    // A slip of the pen would restore nothing, or what was to be left out.
                    if !known.iter().any(|kind| pattern.matches(&kind.group, &kind.resource)) {
                        return Err(ResourcesError::Asked(unknown(name, known)));
                    }
                    Wanted::Pattern(pattern)
                }
            });
        }
        Ok(TypeSet(found))
    }

    /// Is this type one of them?
    pub fn matches(&self, kind: &TypeName) -> bool {
        self.0.iter().any(|wanted| match wanted {
            Wanted::Type(it) => it == kind,
            Wanted::Pattern(pattern) => pattern.matches(&kind.group, &kind.resource),
        })
    }

    /// No name was given.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What is said of a name that no type has: which ones are called nearly so.
fn unknown(name: &str, known: &[TypeName]) -> String {
    const SHOWN: usize = 3;
    let wanted = name.to_lowercase();
    let group = wanted.strip_prefix("*.");
    let far = |kind: &TypeName| match group {
        Some(group) => damerau_levenshtein(group, &kind.group),
        None => {
            damerau_levenshtein(&wanted, &kind.resource).min(damerau_levenshtein(&wanted, &kind.to_string()))
        }
    };
    let mut near: Vec<(usize, String)> =
        known.iter().map(|kind| (far(kind), kind.to_string())).filter(|(far, _)| *far <= 3).collect();
    near.sort();
    let best = near.first().map(|(far, _)| *far);
    near.retain(|(far, _)| Some(*far) == best);
    let near: Vec<String> = near.into_iter().take(SHOWN).map(|(_, name)| format!("`{name}`")).collect();
    let help = match near.as_slice() {
        [] => "`lifeboat show ID` tells the types of a recovery point".to_owned(),
        near => format!("did you mean {}?", near.join(" or ")),
    };
    format!("no type that was saved or that the cluster serves is called `{name}`; {help}")
}

/// Which of the saved objects are meant. The default is all of them.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// These types; none for all.
    pub types: TypeSet,
    /// And not these.
    pub without_types: TypeSet,
    /// These namespaces; none for all.
    pub namespaces: Vec<Glob>,
    /// And not these.
    pub without_namespaces: Vec<Glob>,
    /// Objects that have no namespace: all, none, or with `namespaces` the namespaces alone.
    pub cluster_scoped: Option<bool>,
    /// Objects with these labels.
    pub labels: Option<LabelSelector>,
    /// Objects with these names; none for all.
    pub names: Vec<Glob>,
    /// Objects that were there then.
    pub among: Option<HashSet<Identity>>,
}

impl Selection {
    /// Is this object meant?
    pub(super) fn wants(&self, object: &Identity, json: &Value) -> bool {
        self.wants_type(&object.kind)
            && self.wants_place(object)
            && (self.names.is_empty() || self.names.iter().any(|glob| glob.matches(&object.name)))
            && self.labels.as_ref().is_none_or(|labels| labels.matches(json))
            && self.among.as_ref().is_none_or(|among| among.contains(object))
    }

    fn wants_type(&self, kind: &TypeName) -> bool {
        (self.types.is_empty() || self.types.matches(kind)) && !self.without_types.matches(kind)
    }

    fn wants_place(&self, object: &Identity) -> bool {
        let is_namespace = object.kind.is("", "namespaces");
        let place = match &object.namespace {
            Some(namespace) => Some(&**namespace),
            None => is_namespace.then_some(&*object.name),
        };
        let any = |globs: &[Glob], place: &str| globs.iter().any(|glob| glob.matches(place));
        match place {
            Some(place) => {
                let wanted = self.namespaces.is_empty() || any(&self.namespaces, place);
                let scoped = !is_namespace || self.cluster_scoped != Some(false);
                wanted && !any(&self.without_namespaces, place) && scoped
            }
            None => self.cluster_scoped.unwrap_or(self.namespaces.is_empty()),
        }
    }

    /// May an object that was not asked for come along where others need it?
    pub(super) fn brings_along(&self) -> bool {
        self.cluster_scoped != Some(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_fits_no_type_is_an_error_that_tells_the_nearest() {
        let known = [("", "secrets"), ("apps", "deployments"), ("shop.example.com", "orders")]
            .map(|(group, resource)| TypeName::new(group, resource));
        let set = |name: &str| TypeSet::new(&[name.to_owned()], &known).map_err(|e| e.to_string());
        for good in ["secret", "deploy", "Deployment", "*.apps", "*s", "*.shop.example.com", "orders.*"] {
            assert!(set(good).is_ok(), "{good}");
        }
        for (bad, near) in [
            ("secerts", "did you mean `secrets`?"),
            ("deploymens.apps", "did you mean `deployments.apps`?"),
            ("*.shop.exmaple.com", "did you mean `orders.shop.example.com`?"),
            ("volcanoes", "`lifeboat show ID` tells"),
            ("z*", "`lifeboat show ID` tells"),
        ] {
            let text = set(bad).unwrap_err();
            assert!(text.contains(&format!("`{bad}`")) && text.contains(near), "{text}");
        }
    }
}
