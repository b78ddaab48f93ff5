//! Where Kubernetes keeps what in etcd.

/// The prefix that API servers use unless told otherwise (`--etcd-prefix`).
const DEFAULT_PREFIX: &str = "/registry";

/// What a key stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// `pods`, or `<group>/<resource>` where the key has the group (custom resources, and CRDs and API services).
    pub resource: String,
    /// The namespace, if it is namespaced.
    pub namespace: Option<String>,
    /// The name of the object.
    pub name: String,
}

impl Place {
    /// Reads a key below `prefix`: `<resource>/<name>`, `<resource>/<namespace>/<name>`, or the same with the group
    /// before it, which one knows by the '.' in it. Names of resources are those of the API, also where the keys
    /// keep old ones (Kubernetes `default_storage_factory_builder.go`: `SpecialDefaultResourcePrefixes`).
    pub fn of(key: &[u8], prefix: &str) -> Option<Self> {
        let key = std::str::from_utf8(key).ok()?;
        let rest = key.strip_prefix(prefix)?.strip_prefix('/')?;
        let parts: Vec<&str> = rest.split('/').collect();
        let (resource, parts) = match parts.as_slice() {
            ["services", "specs", parts @ ..] => ("services".to_owned(), parts),
            ["services", "endpoints", parts @ ..] => ("endpoints".to_owned(), parts),
            ["minions", parts @ ..] => ("nodes".to_owned(), parts),
            ["controllers", parts @ ..] => ("replicationcontrollers".to_owned(), parts),
            ["ingress", parts @ ..] => ("ingresses".to_owned(), parts),
            [group, resource, parts @ ..] if group.contains('.') && !parts.is_empty() => {
                (format!("{group}/{resource}"), parts)
            }
            [resource, parts @ ..] => ((*resource).to_owned(), parts),
            [] => return None,
        };
        let (namespace, name) = match parts {
            [name] => (None, (*name).to_owned()),
            [namespace, name @ ..] if !name.is_empty() => (Some((*namespace).to_owned()), name.join("/")),
            _ => return None,
        };
        Some(Self { resource, namespace, name })
    }
}

/// Finds the prefix of the API server: what comes before the namespaces that every cluster has.
pub(super) fn find_prefix<'a>(keys: impl Iterator<Item = &'a [u8]>) -> String {
    let marks = ["/namespaces/kube-system", "/namespaces/default"];
    let before = |key: &'a [u8]| {
        let mark = marks.iter().find(|mark| key.ends_with(mark.as_bytes()))?;
        std::str::from_utf8(key).ok()?.strip_suffix(mark)
    };
    // The shortest: deeper ones could be objects that only look like it.
    keys.filter_map(before).min_by_key(|prefix| prefix.len()).unwrap_or(DEFAULT_PREFIX).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(key: &str) -> Option<(String, Option<String>, String)> {
        Place::of(key.as_bytes(), "/registry").map(|place| (place.resource, place.namespace, place.name))
    }

    #[test]
    fn knows_the_places_of_kubernetes() {
        for (key, resource, namespace, name) in [
            ("/registry/pods/team-a/web-0", "pods", Some("team-a"), "web-0"),
            ("/registry/namespaces/default", "namespaces", None, "default"),
            ("/registry/minions/node-1", "nodes", None, "node-1"),
            ("/registry/services/specs/default/kubernetes", "services", Some("default"), "kubernetes"),
            ("/registry/services/endpoints/default/kubernetes", "endpoints", Some("default"), "kubernetes"),
            ("/registry/ingress/shop/web", "ingresses", Some("shop"), "web"),
            ("/registry/ranges/serviceips", "ranges", None, "serviceips"),
            ("/registry/clusterroles/system:node", "clusterroles", None, "system:node"),
            ("/registry/health", "", None, ""),
            (
                "/registry/apiextensions.k8s.io/customresourcedefinitions/crontabs.example.com",
                "apiextensions.k8s.io/customresourcedefinitions",
                None,
                "crontabs.example.com",
            ),
            ("/registry/example.com/crontabs/team-a/tick", "example.com/crontabs", Some("team-a"), "tick"),
        ] {
            let expected = (!resource.is_empty())
                .then(|| (resource.to_owned(), namespace.map(str::to_owned), name.to_owned()));
            assert_eq!(place(key), expected, "{key}");
        }
        assert_eq!(place("compact_rev_key"), None);
        assert_eq!(
            Place::of(b"/other/pods/a/b", "/other").map(|place| place.resource),
            Some("pods".to_owned())
        );
    }
}
