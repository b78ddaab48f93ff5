//! Changes by patches.

use super::{BadRule, Modifier};
use crate::object::{BadPattern, Glob, LabelSelector, ResourcePattern, TypeName, reach::text, resolve};
use json_patch::{PatchErrorKind, PatchOperation};
use serde_json::Value;

/// What makes an object the one that it is.
const SAME: &[(&str, &str)] = &[
    ("/apiVersion", "apiVersion"),
    ("/kind", "kind"),
    ("/metadata/name", "metadata.name"),
    ("/metadata/namespace", "metadata.namespace"),
];

/// A modifier that was checked.
#[derive(Debug, Clone)]
pub(super) struct Change {
    /// Where it stands: `modifiers[2]`.
    place: String,
    kinds: Vec<(String, ResourcePattern)>,
    namespaces: Vec<Glob>,
    names: Vec<Glob>,
    labels: Option<LabelSelector>,
    /// One after the other.
    patches: Vec<Patch>,
}

#[derive(Debug, Clone)]
enum Patch {
    Json(Vec<PatchOperation>),
    Merge(Value),
}

impl Change {
    pub(super) fn new(at: usize, modifier: &Modifier) -> Result<Self, BadRule> {
        let place = format!("modifiers[{at}]");
        let in_list = |list: &str, at: usize, e: BadPattern| {
            BadRule::new(format!("{place}.{list}[{at}]"), e.to_string())
        };
        let mut kinds = Vec::with_capacity(modifier.kinds.len());
        for (at, name) in modifier.kinds.iter().enumerate() {
            let pattern = name.to_lowercase().parse().map_err(|e| in_list("kinds", at, e))?;
            kinds.push((name.clone(), pattern));
        }
        let mut namespaces = Vec::with_capacity(modifier.namespaces.len());
        for (at, glob) in modifier.namespaces.iter().enumerate() {
            namespaces.push(glob.parse().map_err(|e| in_list("namespaces", at, e))?);
        }
        let mut patches = Vec::new();
        if let Some(patch) = &modifier.json_patch {
            patches.push(Patch::Json(operations(&place, patch)?));
        }
        match &modifier.merge_patch {
            Some(patch) if patch.is_object() => patches.push(Patch::Merge(patch.clone())),
            Some(_) => {
                let reason = "a merge patch is a map with the fields of the object that change";
                return Err(BadRule::new(format!("{place}.mergePatch"), reason));
            }
            None if patches.is_empty() => {
                return Err(BadRule::new(place, "`jsonPatch` or `mergePatch` says what changes"));
            }
            None => {}
        }
        let names = modifier.names.iter().map(|name| Glob::of_names(name)).collect();
        Ok(Change { place, kinds, namespaces, names, labels: modifier.labels.clone(), patches })
    }

    pub(super) fn apply(&self, kind: &TypeName, object: &mut Value) -> Result<(), String> {
        if !self.is_for(kind, object) {
            return Ok(());
        }
        let mut changed = object.clone();
        for patch in &self.patches {
            match patch {
                Patch::Merge(patch) => json_patch::merge(&mut changed, patch),
                Patch::Json(operations) => {
                    // What it leaves behind when it fails is thrown away.
                    json_patch::patch_unsafe(&mut changed, operations).map_err(|e| {
                        let reason = match e.kind {
                            PatchErrorKind::TestFailed => "the object has another value there",
                            PatchErrorKind::CannotMoveInsideItself => "nothing can be moved into itself",
                            PatchErrorKind::InvalidFromPointer => "the object has nothing at `from`",
                            _ => "the object has no such place",
                        };
                        format!("{}.jsonPatch[{}]: {}: {reason}", self.place, e.operation, e.path)
                    })?;
                }
            }
        }
        let differs = SAME.iter().find(|(pointer, _)| changed.pointer(pointer) != object.pointer(pointer));
        if let Some((_, field)) = differs {
            return Err(format!("{} would change {field}, and so make another object of it", self.place));
        }
        *object = changed;
        Ok(())
    }

    fn is_for(&self, kind: &TypeName, object: &Value) -> bool {
        let name = text(object, &["metadata", "name"]).unwrap_or_default();
        let namespace = match kind.is("", "namespaces") {
            true => Some(name),
            false => text(object, &["metadata", "namespace"]),
        };
        let is_called = |(name, pattern): &(String, ResourcePattern)| {
            pattern.matches(&kind.group, &kind.resource) || resolve(name, [kind]).is_ok()
        };
        let any = |globs: &[Glob], text: &str| globs.iter().any(|glob| glob.matches(text));
        (self.kinds.is_empty() || self.kinds.iter().any(is_called))
            && (self.namespaces.is_empty() || namespace.is_some_and(|it| any(&self.namespaces, it)))
            && (self.names.is_empty() || any(&self.names, name))
            && self.labels.as_ref().is_none_or(|labels| labels.matches(object))
    }
}

fn operations(place: &str, patch: &Value) -> Result<Vec<PatchOperation>, BadRule> {
    let Some(list) = patch.as_array() else {
        return Err(BadRule::new(format!("{place}.jsonPatch"), "a JSON patch is a list of operations"));
    };
    let mut operations = Vec::with_capacity(list.len());
    for (at, operation) in list.iter().enumerate() {
        let parsed = serde_json::from_value(operation.clone()).map_err(|e| {
            let reason = format!(
                "{e}; an operation is such as `{{\"op\": \"replace\", \"path\": \"/spec/replicas\", \"value\": 1}}`"
            );
            BadRule::new(format!("{place}.jsonPatch[{at}]"), reason)
        })?;
        operations.push(parsed);
    }
    Ok(operations)
}

#[cfg(test)]
#[path = "modifier_tests.rs"]
mod tests;
