//! What differs between a side and the next, as far as the indexes tell.

use super::{
    index::{Entry, Index},
    select::Selection,
    side::Side,
};
use crate::{
    object::{Identity, TypeName, access},
    point::Digest,
};
use serde::Serialize;
use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
};

/// An object that is on one side only, or not the same on both.
#[derive(Debug)]
pub(super) struct Difference {
    pub(super) object: Identity,
    pub(super) before: Option<Entry>,
    pub(super) after: Option<Entry>,
}

impl Difference {
    /// What is read of it on a side. What came or went is told by its place; what it allows only by what is in it.
    pub(super) fn read(&self, after: bool, access: bool) -> Option<&Entry> {
        let both = self.before.is_some() && self.after.is_some();
        let entry = if after { &self.after } else { &self.before };
        entry.as_ref().filter(|_| both || access)
    }

    /// Is it there on both sides, with another UID?
    pub(super) fn is_another(&self) -> bool {
        match (&self.before, &self.after) {
            (Some(before), Some(after)) => {
                before.uid != after.uid && !before.uid.is_empty() && !after.uid.is_empty()
            }
            _ => false,
        }
    }
}

/// A type that one of two sides does not hold, or not all of it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NotCompared {
    /// The type.
    #[serde(rename = "type")]
    pub kind: TypeName,
    /// The side that lacks it: `before` or `after`.
    pub side: &'static str,
    /// Why.
    pub reason: String,
}

/// From one side to the next.
#[derive(Debug, Default)]
pub(super) struct Step {
    pub(super) differences: Vec<Difference>,
    pub(super) unchanged: u64,
    pub(super) not_compared: Vec<NotCompared>,
    /// Objects that are read in another version of their API than before, by type.
    pub(super) versions: BTreeSet<(TypeName, String, String)>,
    /// All roles and bindings of both sides, where any of them differs.
    pub(super) rbac: Option<[BTreeMap<Identity, Digest>; 2]>,
}

impl Step {
    pub(super) fn between(sides: [&Side; 2], indexes: [&Index; 2], selection: &Selection) -> Self {
        let mut step = Step { not_compared: not_compared(sides, selection), ..Step::default() };
        let [before, after] = indexes.map(|index| &index.entries);
        let mut rbac_differs = false;
        for (object, was, is) in both(before, after) {
            if let (Some(was), Some(is)) = (was, is)
                && was.version != is.version
            {
                step.versions.insert((object.kind.clone(), was.version.to_string(), is.version.to_string()));
            }
            if was.map(|it| it.sha256) == is.map(|it| it.sha256) {
                step.unchanged += u64::from(selection.wants(object));
                continue;
            }
            // Who does not hold a type says nothing about whether an object of it was there.
            let silent = |there: Option<&Entry>, side: &Side| {
                there.is_none() && side.coverage.lacks(&object.kind).is_some()
            };
            if silent(was, sides[0]) || silent(is, sides[1]) {
                continue;
            }
            rbac_differs |= access::is_rbac(&object.kind);
            step.differences.push(Difference {
                object: object.clone(),
                before: was.cloned(),
                after: is.cloned(),
            });
        }
        if selection.access && rbac_differs && step.knows_rbac() {
            step.rbac = Some([before, after].map(|entries| {
                let all = entries.iter().filter(|(object, _)| access::is_rbac(&object.kind));
                all.map(|(object, entry)| (object.clone(), entry.sha256)).collect()
            }));
        }
        step
    }

    /// Are all types of roles and bindings on both sides? Else nothing can be said of what they mean.
    fn knows_rbac(&self) -> bool {
        !self.not_compared.iter().any(|it| access::is_rbac(&it.kind))
    }

    /// The objects that have to be read, of the side before or of the one after.
    pub(super) fn needs(&self, after: bool, access: bool) -> impl Iterator<Item = (&Identity, &Digest)> {
        let at = usize::from(after);
        let differing = self.differences.iter().filter_map(move |difference| {
            difference.read(after, access).map(|entry| (&difference.object, &entry.sha256))
        });
        differing.chain(self.rbac.iter().flat_map(move |rbac| rbac[at].iter()))
    }
}

/// The objects of both sides in their order, each once.
fn both<'a>(
    before: &'a BTreeMap<Identity, Entry>,
    after: &'a BTreeMap<Identity, Entry>,
) -> impl Iterator<Item = (&'a Identity, Option<&'a Entry>, Option<&'a Entry>)> {
    let (mut before, mut after) = (before.iter().peekable(), after.iter().peekable());
    std::iter::from_fn(move || {
        let order = match (before.peek(), after.peek()) {
            (Some((a, _)), Some((b, _))) => a.cmp(b),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return None,
        };
        let was = if order.is_le() { before.next() } else { None };
        let is = if order.is_ge() { after.next() } else { None };
        let object = was.or(is)?.0;
        Some((object, was.map(|it| it.1), is.map(|it| it.1)))
    })
}

fn not_compared(sides: [&Side; 2], selection: &Selection) -> Vec<NotCompared> {
    let types: BTreeSet<&TypeName> = sides.iter().flat_map(|side| side.coverage.types()).collect();
    let mut found = Vec::new();
    for kind in types.into_iter().filter(|kind| selection.wants_type(kind)) {
        for (side, name) in sides.iter().zip(["before", "after"]) {
            if let Some(reason) = side.coverage.lacks(kind) {
                found.push(NotCompared { kind: kind.clone(), side: name, reason: reason.to_owned() });
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_object_of_both_sides_comes_once(old: BTreeSet<u8>, new: BTreeSet<u8>) {
            let entries = |names: &BTreeSet<u8>| {
                let entry = || Entry { version: "v1".into(), uid: "u".into(), sha256: [0; 32].into() };
                let object = |n: &u8| Identity::new(TypeName::new("", "pods"), Some("a"), &format!("{n:03}"));
                names.iter().map(|n| (object(n), entry())).collect::<BTreeMap<_, _>>()
            };
            let (before, after) = (entries(&old), entries(&new));
            let found: Vec<_> = both(&before, &after).collect();
            let wanted: BTreeSet<&Identity> = before.keys().chain(after.keys()).collect();
            prop_assert!(found.iter().map(|it| it.0).eq(wanted));
            prop_assert!(found.iter().all(|(it, was, is)| *was == before.get(*it) && *is == after.get(*it)));
        }
    }
}
