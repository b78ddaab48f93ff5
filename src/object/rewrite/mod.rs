//! What becomes another in the target: namespaces, storage classes, images, how much runs, and whatever a modifier says.
//!
//! ```text
//!   cleaned object ─▶ namespaces ─▶ storage classes ─▶ images ─▶ quiesce ─▶ modifiers, one by one
//! ```
//!
//! So a modifier is shown names as they are in the target. What is only text to Kubernetes is left alone: annotations,
//! environment variables, arguments, config maps, parameters of storage classes, expressions of policies. There, a modifier
//! helps.

mod bad;
mod images;
mod modifier;
mod namespaces;
mod pods;
mod quiesce;
mod rules;
mod storage;

#[cfg(test)]
mod cases;

pub use bad::BadRule;
pub use rules::{Modifier, Rules};

use super::{Identity, TypeName};
use images::Images;
use modifier::Change;
use serde_json::Value;

/// Rules that were checked, and make another object of one.
#[derive(Debug, Clone, Default)]
pub struct Rewrite {
    rules: Rules,
    images: Images,
    changes: Vec<Change>,
}

impl Rewrite {
    /// Checks the rules.
    ///
    /// # Errors
    /// When one cannot be meant: it says which, and why.
    pub fn new(rules: Rules) -> Result<Self, BadRule> {
        namespaces::check(&rules.namespaces)?;
        storage::check(&rules.storage_classes)?;
        let images = Images::new(&rules.images)?;
        let changes = rules.modifiers.iter().enumerate().map(|(at, it)| Change::new(at, it));
        Ok(Rewrite { changes: changes.collect::<Result<_, _>>()?, images, rules })
    }

    /// The rules, as they were given.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Does every object stay as it is?
    pub fn is_nothing(&self) -> bool {
        self.rules == Rules::default()
    }

    /// What a namespace is called in the target.
    pub fn namespace<'a>(&'a self, name: &'a str) -> &'a str {
        self.rules.namespaces.get(name).map_or(name, String::as_str)
    }

    /// Which object it is in the target.
    pub fn identity(&self, identity: &Identity) -> Identity {
        let is_namespace = identity.kind.is("", "namespaces");
        let name = if is_namespace { self.namespace(&identity.name) } else { &identity.name };
        let namespace = identity.namespace.as_deref().map(|name| self.namespace(name));
        Identity::new(identity.kind.clone(), namespace, name)
    }

    /// Rewrites a cleaned object.
    ///
    /// # Errors
    /// When a modifier does not fit the object, or would make another object of it. Then the object may be half rewritten.
    pub fn apply(&self, kind: &TypeName, object: &mut Value) -> Result<(), String> {
        let rules = &self.rules;
        if !rules.namespaces.is_empty() {
            namespaces::rename(&rules.namespaces, kind, object);
        }
        if !rules.storage_classes.is_empty() {
            storage::rename(&rules.storage_classes, kind, object);
        }
        self.images.rename(kind, object);
        if rules.quiesce {
            quiesce::stop(kind, object);
        }
        self.changes.iter().try_for_each(|change| change.apply(kind, object))
    }
}
