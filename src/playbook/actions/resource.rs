//! Any object: labelled, patched, made, deleted.

use super::{ActionError, Class, Live, Plain, Planned, Planning, Target};
use crate::playbook::{
    AT_A_TIME,
    op::{Change, Create, Delete, FieldSet, ObjectRef, Op, Propagation},
};
use async_trait::async_trait;
use futures_util::{StreamExt, TryStreamExt, stream};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use std::{collections::BTreeMap, sync::Arc};

/// One object, or several.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum Targets {
    /// One.
    One(Target),
    /// Several.
    Several(Vec<Target>),
}

impl Targets {
    /// Their namespaces and names.
    pub(super) fn names(&self) -> std::collections::BTreeSet<(Option<String>, String)> {
        let all = match self {
            Targets::One(target) => std::slice::from_ref(target),
            Targets::Several(targets) => targets,
        };
        all.iter().map(|it| (it.namespace.clone(), it.name.clone())).collect()
    }

    /// All of them, as they are now.
    pub(super) async fn find(&self, with: &Planning<'_>) -> Result<Vec<Live>, ActionError> {
        let all = match self {
            Targets::One(target) => std::slice::from_ref(target),
            Targets::Several(targets) => targets,
        };
        let reads: Vec<_> = all.iter().map(|target| with.find(target)).collect();
        stream::iter(reads).buffered(AT_A_TIME).try_collect().await
    }
}

/// Sets labels.
pub(super) struct Label;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct MarkArgs {
    /// The object, or several.
    target: Targets,
    /// What is set.
    #[serde(default)]
    set: BTreeMap<String, String>,
    /// What is removed.
    #[serde(default)]
    remove: Vec<String>,
}

#[async_trait]
impl Plain for Label {
    type Args = MarkArgs;
    const NAME: &'static str = "resource.label";
    const CLASS: Class = Class::Undoable;
    const ABREAST: bool = true;
    const ABOUT: &'static str = "Sets and removes labels of objects.";

    async fn plan(with: &Planning<'_>, args: MarkArgs) -> Result<Planned, ActionError> {
        marked(with, args, "labels").await
    }
}

/// Sets annotations.
pub(super) struct Annotate;

#[async_trait]
impl Plain for Annotate {
    type Args = MarkArgs;
    const NAME: &'static str = "resource.annotate";
    const CLASS: Class = Class::Undoable;
    const ABREAST: bool = true;
    const ABOUT: &'static str = "Sets and removes annotations of objects.";

    async fn plan(with: &Planning<'_>, args: MarkArgs) -> Result<Planned, ActionError> {
        marked(with, args, "annotations").await
    }
}

async fn marked(with: &Planning<'_>, args: MarkArgs, which: &str) -> Result<Planned, ActionError> {
    if args.set.is_empty() && args.remove.is_empty() {
        return Err(ActionError::Arguments("neither `set` nor `remove` says what to do".to_owned()));
    }
    let mut planned = Planned::default();
    for live in args.target.find(with).await? {
        let set = args.set.iter().map(|(name, value)| (name, Some(value.as_str().into())));
        let all = set.chain(args.remove.iter().map(|name| (name, None)));
        let fields =
            all.filter_map(|(name, value)| FieldSet::of(&live.json, &["metadata", which, name], value));
        planned.change(live.object, fields.collect());
    }
    Ok(planned)
}

impl Planned {
    /// Adds a change; where the fields hold that already it is only told.
    pub(super) fn change(&mut self, object: ObjectRef, fields: Vec<FieldSet>) {
        match fields.is_empty() {
            true => self.remarks.push(format!("{object} is so already")),
            false => self.ops.push(Op::Change(Change::new(object, fields))),
        }
    }
}

/// Sets fields.
pub(super) struct Patch;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct PatchArgs {
    /// The object, or several.
    target: Targets,
    /// Fields as they are to be; null removes one (RFC 7396, a merge patch). A list is replaced as a whole.
    patch: serde_json::Map<String, Value>,
}

#[async_trait]
impl Plain for Patch {
    type Args = PatchArgs;
    const NAME: &'static str = "resource.patch";
    const CLASS: Class = Class::Undoable;
    const ABREAST: bool = true;
    const ABOUT: &'static str = "Sets fields of objects by a merge patch.";

    async fn plan(with: &Planning<'_>, args: PatchArgs) -> Result<Planned, ActionError> {
        let patch = Value::Object(args.patch);
        let mut planned = Planned::default();
        for live in args.target.find(with).await? {
            if live.object.is("", "secrets")
                && (patch.get("data").is_some() || patch.get("stringData").is_some())
            {
                let text = "the values of a Secret are not patched: a plan and a journal would hold them in the clear";
                return Err(ActionError::Refused(text.to_owned()));
            }
            let mut fields = Vec::new();
            leaves(&live.json, &patch, &mut Vec::new(), &mut fields);
            planned.change(live.object, fields);
        }
        Ok(planned)
    }
}

/// The fields that a merge patch sets.
fn leaves(object: &Value, patch: &Value, path: &mut Vec<String>, found: &mut Vec<FieldSet>) {
    let Value::Object(fields) = patch else { return };
    for (name, value) in fields {
        path.push(name.clone());
        match value {
            Value::Object(_) => leaves(object, value, path, found),
            value => {
                let path: Vec<&str> = path.iter().map(String::as_str).collect();
                let after = if value.is_null() { None } else { Some(value.clone()) };
                found.extend(FieldSet::of(object, &path, after));
            }
        }
        path.pop();
    }
}

/// Makes an object, or brings one to what it should be.
pub(super) struct Apply;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ApplyArgs {
    /// The object, as in a manifest.
    manifest: serde_json::Map<String, Value>,
}

#[async_trait]
impl Plain for Apply {
    type Args = ApplyArgs;
    const NAME: &'static str = "resource.apply";
    const CLASS: Class = Class::Undoable;
    const ABOUT: &'static str = "Makes an object; one that is there gets the fields that the manifest names.";

    async fn plan(with: &Planning<'_>, args: ApplyArgs) -> Result<Planned, ActionError> {
        let manifest = Value::Object(args.manifest);
        let text = |pointer: &str| manifest.pointer(pointer).and_then(Value::as_str);
        let (Some(called), Some(version), Some(name)) =
            (text("/kind"), text("/apiVersion"), text("/metadata/name"))
        else {
            return Err(ActionError::Arguments(
                "a manifest needs apiVersion, kind and metadata.name".to_owned(),
            ));
        };
        let kind = with.kind(called, Some(version))?;
        if kind.group.is_empty() && kind.resource == "secrets" {
            let text =
                "a Secret is not written down in a playbook: a plan and a journal would hold it in the clear";
            return Err(ActionError::Refused(text.to_owned()));
        }
        let namespace = text("/metadata/namespace");
        if kind.namespaced && namespace.is_none() {
            return Err(ActionError::Arguments(format!("{called} {name} needs metadata.namespace")));
        }
        let mut planned = Planned::default();
        match with.get(kind, namespace, name).await? {
            None => {
                let object = ObjectRef::new(kind, namespace, name, None);
                planned.ops.push(Op::Create(Create::new(object, manifest, with.run)));
            }
            Some(live) => {
                let mut fields = Vec::new();
                leaves(&live.json, &manifest, &mut Vec::new(), &mut fields);
                planned.change(live.object, fields);
            }
        }
        Ok(planned)
    }
}

/// Deletes objects.
pub(super) struct DeleteResource;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct DeleteArgs {
    /// The object, or several.
    target: Targets,
    /// What becomes of what it owns: `orphan`, `background` or `foreground`.
    #[serde(default)]
    propagation_policy: Option<Propagation>,
    /// `keep`: it can be made again from what it was. Secrets are never kept so.
    #[serde(default)]
    pre_image: PreImage,
}

/// Is it kept as it was?
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum PreImage {
    /// Yes.
    #[default]
    Keep,
    /// No.
    Drop,
}

#[async_trait]
impl Plain for DeleteResource {
    type Args = DeleteArgs;
    const NAME: &'static str = "resource.delete";
    const CLASS: Class = Class::HardToUndo;
    const ABOUT: &'static str =
        "Deletes objects; they can be made again from what they were, with a new UID.";

    async fn plan(with: &Planning<'_>, args: DeleteArgs) -> Result<Planned, ActionError> {
        let mut planned = Planned::default();
        for live in args.target.find(with).await? {
            let secret = live.object.is("", "secrets");
            let namespace = live.object.is("", "namespaces");
            let keep = args.pre_image == PreImage::Keep && !secret && !namespace;
            if secret && args.pre_image == PreImage::Keep {
                planned
                    .remarks
                    .push(format!("{} is not kept: a journal would hold it in the clear", live.object));
            }
            if namespace {
                planned.remarks.push(format!(
                    "everything in {} goes with it, and only a recovery point brings it back",
                    live.object
                ));
            }
            planned.ops.push(Op::Delete(Delete {
                object: live.object,
                propagation: args.propagation_policy,
                grace: None,
                kept: keep.then(|| Arc::unwrap_or_clone(live.json)),
            }));
        }
        Ok(planned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_merge_patch_is_the_fields_that_it_sets() {
        let object = json!({"metadata": {"name": "a", "labels": {"x": "1"}}, "spec": {"l": [1], "keep": 1}});
        let patch = json!({"metadata": {"labels": {"x": null, "y": "2"}}, "spec": {"l": [1, 2], "keep": 1}});
        let mut fields = Vec::new();
        leaves(&object, &patch, &mut Vec::new(), &mut fields);
        let said: Vec<String> = fields.iter().map(ToString::to_string).collect();
        assert_eq!(
            said,
            [
                "metadata.labels.x: \"1\" -> (absent)",
                "metadata.labels.y: (absent) -> \"2\"",
                "spec.l: [1] -> [1,2]"
            ]
        );
    }
}
