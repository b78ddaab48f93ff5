//! Custom resource definitions that are restored: types that will be served, though they are not yet.

use crate::{object::TypeName, source::kube::ResourceType};
use serde_json::Value;
use std::{collections::HashMap, sync::Arc};

/// The types that definitions bring.
#[derive(Debug, Clone, Default)]
pub(super) struct Definitions(HashMap<TypeName, (usize, Arc<ResourceType>)>);

/// The type that a definition (`apiextensions.k8s.io/v1`) brings, with the versions that it serves, the stored one first.
fn defined(definition: &Value) -> Option<(TypeName, ResourceType)> {
    let spec = definition.get("spec")?;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let (group, names) = (text(spec.get("group")?)?, spec.get("names")?);
    let resource = text(names.get("plural")?)?;
    let served = spec.get("versions")?.as_array()?.iter().filter(|version| version["served"] == true);
    let (stored, others): (Vec<_>, Vec<_>) = served.partition(|version| version["storage"] == true);
    let versions: Vec<String> =
        stored.into_iter().chain(others).filter_map(|version| text(version.get("name")?)).collect();
    let kind = ResourceType {
        version: versions.first()?.clone(),
        kind: text(names.get("kind")?)?,
        namespaced: spec.get("scope").and_then(Value::as_str) == Some("Namespaced"),
        versions,
        resource,
        group,
    };
    Some((TypeName::new(&kind.group, &kind.resource), kind))
}

impl Definitions {
    /// Enters a definition, and where it is to be found.
    pub(super) fn add(&mut self, definition: &Value, at: usize) {
        if let Some((name, kind)) = defined(definition) {
            self.0.insert(name, (at, Arc::new(kind)));
        }
    }

    /// The definition of a type, and the type in this version if it is served, else in the one that is stored.
    pub(super) fn get(&self, kind: &TypeName, version: &str) -> Option<(usize, Arc<ResourceType>)> {
        let (at, found) = self.0.get(kind)?;
        Some(match found.versions.iter().any(|it| it == version) {
            true => (*at, Arc::new(found.in_version(version))),
            false => (*at, found.clone()),
        })
    }

    /// The type of objects that call themselves so.
    pub(super) fn of_kind(&self, group: &str, kind: &str) -> Option<(&TypeName, &Arc<ResourceType>)> {
        let mut all = self.0.iter().map(|(name, (_, it))| (name, it));
        all.find(|(name, it)| *name.group == *group && it.kind == kind)
    }

    /// Every type that is defined.
    pub(super) fn types(&self) -> impl Iterator<Item = &TypeName> {
        self.0.keys()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_a_definition_serves_is_known_before_it_is_served() {
        let version = |name: &str, served: bool, storage: bool| json!({"name": name, "served": served, "storage": storage});
        let definition = json!({"spec": {
            "group": "shop.example.com", "scope": "Namespaced", "names": {"plural": "orders", "kind": "Order"},
            "versions": [version("v1alpha1", false, false), version("v1beta1", true, false), version("v1", true, true)],
        }});
        let mut definitions = Definitions::default();
        definitions.add(&definition, 7);
        definitions.add(&json!({"spec": {}}), 8);
        let orders = TypeName::new("shop.example.com", "orders");
        let version =
            |asked: &str| definitions.get(&orders, asked).map(|(at, kind)| (at, kind.version.clone()));
        assert_eq!(version("v1beta1"), Some((7, "v1beta1".into())));
        assert_eq!(version("v1alpha1"), Some((7, "v1".into())));
        assert_eq!(definitions.of_kind("shop.example.com", "Order").map(|(name, _)| name), Some(&orders));
        assert_eq!(definitions.get(&TypeName::new("", "orders"), "v1"), None);
    }
}
