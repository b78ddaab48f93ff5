//! How each section is read, and the rules between fields.

use super::super::decode::{Cursor, Decode, Entry, FromText};
use super::super::node::Node;
use super::super::pattern::{LabelSelector, NamespaceGlob};
use super::patch::{Merge, Operation};
use super::values::{FieldManager, ImagePrefix, KindName, NameGlob, Namespace, StorageClass};
use super::{Keep, Modifier, Rename, RestoreSpec, Select};
use crate::config::fields::Fields;
use std::collections::{BTreeMap, BTreeSet};

impl Decode for RestoreSpec {
    fn decode(at: &Cursor<'_>) -> Option<Self> {
        if matches!(at.node, Node::Null) {
            return at.fail("the file is empty; write `{}` to put back everything that can be");
        }
        let default = Self::default();
        let mut fields = at.fields()?;
        let select = fields.or("select", default.select);
        let rename = fields.or("rename", default.rename);
        let quiesce = fields.or("quiesce", default.quiesce);
        let keep = fields.or("keep", default.keep);
        let modifiers = fields.or("modifiers", default.modifiers);
        let on_conflict = fields.optional("onConflict");
        let field_manager = fields.or("fieldManager", FieldManager(default.field_manager));
        fields.finish();
        Some(Self {
            select: select?,
            rename: rename?,
            quiesce: quiesce?,
            keep: keep?,
            modifiers: modifiers?,
            on_conflict: on_conflict?,
            field_manager: field_manager?.0,
        })
    }
}

impl Decode for Select {
    fn decode(at: &Cursor<'_>) -> Option<Self> {
        let mut fields = at.fields()?;
        let kinds = kinds(&mut fields, "kinds");
        let exclude_kinds = self::kinds(&mut fields, "excludeKinds");
        let namespaces = namespaces(&mut fields, "namespaces");
        let exclude_namespaces = self::namespaces(&mut fields, "excludeNamespaces");
        let cluster_scoped = fields.optional("clusterScoped");
        let labels = labels(&mut fields);
        let names = names(&mut fields);
        let deleted_since = match fields.get("deletedSince") {
            Some(since) => since_when(&since).map(Some),
            None => Some(None),
        };
        let only_missing = fields.or("onlyMissing", false);
        fields.finish();
        Some(Self {
            kinds: kinds?,
            exclude_kinds: exclude_kinds?,
            namespaces: namespaces?,
            exclude_namespaces: exclude_namespaces?,
            cluster_scoped: cluster_scoped?,
            labels: labels?,
            names: names?,
            deleted_since: deleted_since?,
            only_missing: only_missing?,
        })
    }
}

fn kinds(fields: &mut Fields<'_>, name: &'static str) -> Option<Vec<String>> {
    Some(fields.or::<Vec<KindName>>(name, Vec::new())?.into_iter().map(|it| it.0).collect())
}

fn namespaces(fields: &mut Fields<'_>, name: &'static str) -> Option<Vec<String>> {
    let globs = fields.or::<Vec<NamespaceGlob>>(name, Vec::new())?;
    Some(globs.iter().map(|it| it.as_str().to_owned()).collect())
}

fn names(fields: &mut Fields<'_>) -> Option<Vec<String>> {
    Some(fields.or::<Vec<NameGlob>>("names", Vec::new())?.into_iter().map(|it| it.0).collect())
}

fn labels(fields: &mut Fields<'_>) -> Option<Option<String>> {
    let selector = fields.optional::<LabelSelector>("labels")?;
    Some(selector.map(|it| it.as_str().to_owned()))
}

/// An id may begin with so many digits that YAML takes it for a number.
fn since_when(at: &Cursor<'_>) -> Option<String> {
    match at.node {
        Node::Int(digits) if *digits > 0 => Some(digits.to_string()),
        _ => at.text().map(str::to_owned),
    }
}

impl Decode for Rename {
    fn decode(at: &Cursor<'_>) -> Option<Self> {
        let mut fields = at.fields()?;
        let namespaces = renamed(&mut fields, "namespaces", |it: Namespace| it.0);
        let storage_classes = renamed(&mut fields, "storageClasses", |it: StorageClass| it.0);
        let images = renamed(&mut fields, "images", |it: ImagePrefix| it.0);
        fields.finish();
        let mut targets = BTreeSet::new();
        for (old, new) in namespaces.iter().flatten() {
            if !targets.insert(new)
                && let Some(target) = at.entry("namespaces").and_then(|all| all.entry(old))
            {
                target.fail::<()>(
                    "another namespace becomes this one too: objects of one name would meet there",
                );
            }
        }
        Some(Self { namespaces: namespaces?, storage_classes: storage_classes?, images: images? })
    }
}

/// Old names and new ones.
fn renamed<T: FromText>(
    fields: &mut Fields<'_>,
    name: &'static str,
    text: fn(T) -> String,
) -> Option<BTreeMap<String, String>> {
    let Some(at) = fields.get(name) else { return Some(BTreeMap::new()) };
    let pair = |entry: &Entry<'_>| {
        let (old, new) = (T::decode(&entry.key), T::decode(&entry.value));
        Some((text(old?), text(new?)))
    };
    let pairs: Vec<Option<_>> = at.named("names, such as `old: new`")?.iter().map(pair).collect();
    pairs.into_iter().collect()
}

impl Decode for Keep {
    fn decode(at: &Cursor<'_>) -> Option<Self> {
        let mut fields = at.fields()?;
        let status = fields.or("status", false);
        let cluster_ips = fields.or("clusterIPs", false);
        let node_ports = fields.or("nodePorts", false);
        fields.finish();
        Some(Self { status: status?, cluster_ips: cluster_ips?, node_ports: node_ports? })
    }
}

impl Decode for Modifier {
    fn decode(at: &Cursor<'_>) -> Option<Self> {
        let mut fields = at.fields()?;
        let kinds = kinds(&mut fields, "kinds");
        let namespaces = namespaces(&mut fields, "namespaces");
        let (names, labels) = (names(&mut fields), labels(&mut fields));
        let json_patch = fields.optional::<Vec<Operation>>("jsonPatch");
        let merge_patch = fields.optional::<Merge>("mergePatch");
        fields.finish();
        if at.entry("jsonPatch").is_none() && at.entry("mergePatch").is_none() {
            return at.fail("changes nothing: write a `jsonPatch` or a `mergePatch`");
        }
        let operations = match json_patch? {
            Some(operations) => match serde_json::to_value(operations) {
                Ok(value) => Some(value),
                Err(error) => return at.fail(error.to_string()),
            },
            None => None,
        };
        Some(Self {
            kinds: kinds?,
            namespaces: namespaces?,
            names: names?,
            labels: labels?,
            json_patch: operations,
            merge_patch: merge_patch?.map(|it| it.0),
        })
    }
}
