use super::{Selection, Terms, select::TypeSet};
use crate::object::{Keep, Rewrite, TypeName};
use serde::{Deserialize, Serialize};
use std::{sync::Arc, time::Duration};

/// What is done with an object that is there already, and differs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OnConflict {
    /// It is left as it is.
    #[default]
    Skip,
    /// It becomes what it was when it was saved.
    Update,
    /// The same; where the server refuses that since a field cannot be changed, it is deleted and made again.
    Recreate,
    /// Nothing at all is restored.
    Fail,
}

/// What is done with objects that are there already, and differ.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// For types that are not named.
    pub default: OnConflict,
    /// For some types; the first that fits counts.
    pub types: Vec<(TypeSet, OnConflict)>,
}

impl Policy {
    pub(super) fn of(&self, kind: &TypeName) -> OnConflict {
        let named = self.types.iter().find(|(types, _)| types.matches(kind));
        named.map_or(self.default, |(_, policy)| *policy)
    }
}

/// How objects are restored.
#[derive(Debug, Clone)]
pub struct Options {
    /// Which.
    pub select: Selection,
    /// What becomes another in the target.
    pub rewrite: Rewrite,
    /// What the target asks, where it asks anything.
    pub terms: Option<Arc<dyn Terms>>,
    /// What is kept though a server set it.
    pub keep: Keep,
    /// What is done with what is there.
    pub policy: Policy,
    /// Only what is not there at all.
    pub only_missing: bool,
    /// Let the server try every write before there is one.
    pub try_out: bool,
    /// Let the server drop fields that it does not know, instead of refusing the object.
    pub drop_unknown_fields: bool,
    /// Who writes, as `managedFields` tell it.
    pub manager: String,
    /// Requests in flight at the same time.
    pub concurrency: usize,
    /// How long namespaces may take to be gone, and types to be served.
    pub wait: Duration,
}
