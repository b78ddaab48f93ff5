//! Where in the export of one recovery point an object is, told by its index alone.

use super::{
    CompareError,
    find::ambiguous,
    read::{Shared, locked},
    side::{Coverage, facts},
};
use crate::{
    catalogue::{Catalogue, CatalogueError},
    object::{Identity, TypeName, Unresolved, resolve},
    pipeline::Identities,
    point::{ArtifactKind, Manifest},
};
use std::{collections::BTreeMap, sync::Arc};

/// As many names are told when the one that was asked for is not among them.
const TOLD: usize = 8;

/// An object as people name it.
#[derive(Debug, Clone)]
pub struct Named {
    /// Its type, as people call it.
    pub kind: String,
    /// Its namespace; not needed where only one has such an object.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

/// The object that is meant, and its place in the archive.
///
/// # Errors
/// When no type is called so or more than one, when there is no such object or there are more, each with what there is; when
/// the index cannot be read.
pub async fn locate(
    catalogue: &Catalogue,
    manifest: &Manifest,
    identities: Arc<Identities>,
    what: &Named,
) -> Result<(Identity, String), CompareError> {
    let id = manifest.id.to_string();
    let Some(facts) = facts(manifest) else {
        let present = manifest.artifacts.iter().map(|it| it.kind.to_string()).collect::<Vec<_>>().join(", ");
        let kind = ArtifactKind::Resources.to_string();
        return Err(CatalogueError::NoArtifact { id, kind, present }.into());
    };
    let label = |label: &String| TypeName::of_label(label).map(|(kind, _)| kind);
    let types: Vec<TypeName> = facts.counts.keys().filter_map(label).collect();
    let kind = resolve(&what.kind, &types).map_err(|e| match e {
        Unresolved::Ambiguous(kinds) => ambiguous(&what.kind, &kinds),
        Unresolved::Unknown => {
            let held = facts.counts.iter().filter(|(_, count)| count.objects > 0);
            let held = held.filter_map(|(name, _)| label(name)).map(|kind| kind.to_string());
            let held = held.collect::<Vec<_>>().join(", ");
            CompareError::Asked(format!(
                "no type is called `{}` in {id}; it has objects of {held}",
                what.kind
            ))
        }
    })?;
    let near = Shared::<Near>::default();
    let (filled, asked, wanted) = (near.clone(), kind.clone(), what.clone());
    let look = move |line: crate::catalogue::IndexLine| {
        if let Some((object, _)) = Identity::of_path(&line.path).filter(|(object, _)| object.kind == asked) {
            locked(&filled).add(object, line.path, &wanted);
        }
    };
    catalogue.each_line(manifest, identities, look).await?;
    let near = std::mem::take(&mut *locked(&near));
    near.only(&id, &kind, what).map_err(|e| match (e, Coverage::new(facts).lacks(&kind)) {
        (CompareError::NoObject { id, object, there }, Some(why)) => {
            let there = format!("{there}; not everything of this type was saved: {why}");
            CompareError::NoObject { id, object, there }
        }
        (e, _) => e,
    })
}

/// The objects of the type that have something to do with the name.
#[derive(Debug, Default)]
struct Near {
    /// Those of that name, by their namespaces, with their places.
    called: BTreeMap<Option<Arc<str>>, (Identity, String)>,
    /// The first names of the others in the namespace, or in all, and how many there are.
    others: Vec<String>,
    count: usize,
}

impl Near {
    fn add(&mut self, object: Identity, path: String, what: &Named) {
        let there = what.namespace.is_none() || object.namespace.as_deref() == what.namespace.as_deref();
        if *object.name == *what.name {
            self.called.insert(object.namespace.clone(), (object, path));
        } else if there {
            self.count += 1;
            if self.others.len() < TOLD {
                self.others.push(match (&object.namespace, &what.namespace) {
                    (Some(namespace), None) => format!("{namespace}/{}", object.name),
                    _ => object.name.into(),
                });
            }
        }
    }

    /// The one that is meant.
    fn only(mut self, id: &str, kind: &TypeName, what: &Named) -> Result<(Identity, String), CompareError> {
        let places = self.called.keys().flatten().map(|it| &**it).collect::<Vec<_>>().join(", ");
        if let Some(namespace) = &what.namespace {
            if let Some(found) = self.called.remove(&Some(Arc::from(namespace.as_str()))) {
                return Ok(found);
            }
            let there = match (self.called.len(), self.called.contains_key(&None)) {
                (0, _) => self.those(&format!("in {namespace}")),
                (_, true) => "it belongs to no namespace: leave out --namespace".to_owned(),
                (_, false) => format!("one of this name is in {places}"),
            };
            let object = format!("{kind} {namespace}/{}", what.name);
            return Err(CompareError::NoObject { id: id.to_owned(), object, there });
        }
        if self.called.len() > 1 {
            return Err(CompareError::Asked(format!(
                "{kind} {} is in several namespaces of {id}: {places}; say which with --namespace",
                what.name
            )));
        }
        let found = self.called.pop_first().map(|(_, found)| found);
        found.ok_or_else(|| {
            let (object, there) = (format!("{kind} {}", what.name), self.those("of this type"));
            CompareError::NoObject { id: id.to_owned(), object, there }
        })
    }

    fn those(&self, place: &str) -> String {
        let more = self.count - self.others.len();
        match (self.count, more) {
            (0, _) => format!("there is none {place}"),
            (_, 0) => format!("{place} there is {}", self.others.join(", ")),
            _ => format!("{place} there is {} and {more} more", self.others.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(paths: &[&str], namespace: Option<&str>, name: &str) -> String {
        let what =
            Named { kind: "cm".into(), namespace: namespace.map(str::to_owned), name: name.to_owned() };
        let mut near = Near::default();
        for path in paths {
            let path = format!("core/v1/configmaps/{path}.json");
            near.add(Identity::of_path(&path).unwrap().0, path, &what);
        }
        match near.only("ID", &TypeName::new("", "configmaps"), &what) {
            Ok((_, path)) => path,
            Err(e) => e.to_string(),
        }
    }

    #[test]
    fn what_is_meant_is_found_and_what_is_there_is_told() {
        let all = ["pay/a", "pay/settings", "shop/settings", "shop/z", "_cluster/whole"];
        for (namespace, name, wanted) in [
            (None, "a", "core/v1/configmaps/pay/a.json"),
            (Some("shop"), "settings", "core/v1/configmaps/shop/settings.json"),
            (None, "whole", "core/v1/configmaps/_cluster/whole.json"),
            (
                None,
                "settings",
                "configmaps settings is in several namespaces of ID: pay, shop; say which with --namespace",
            ),
            (Some("shop"), "a", "ID holds no configmaps shop/a; one of this name is in pay"),
            (
                Some("shop"),
                "whole",
                "ID holds no configmaps shop/whole; it belongs to no namespace: leave out --namespace",
            ),
            (Some("shop"), "b", "ID holds no configmaps shop/b; in shop there is settings, z"),
            (Some("quay"), "b", "ID holds no configmaps quay/b; there is none in quay"),
            (
                None,
                "b",
                "ID holds no configmaps b; of this type there is pay/a, pay/settings, shop/settings, shop/z, whole",
            ),
        ] {
            assert_eq!(only(&all, namespace, name), wanted);
        }
        let many: Vec<String> = (10..30).map(|n| format!("pay/a{n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(
            only(&many, Some("pay"), "b")
                .ends_with("in pay there is a10, a11, a12, a13, a14, a15, a16, a17 and 12 more")
        );
    }
}
