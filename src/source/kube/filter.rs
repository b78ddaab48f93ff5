use super::ResourceType;
use crate::object::{Glob, ResourcePattern};
use sha2::{Digest, Sha256};

/// What of a cluster is meant. The default is everything.
///
/// *Types*: an empty `include` means every type; `exclude` wins over `include`.
///
/// *Namespaces*: an empty `include_namespaces` means every namespace; `exclude_namespaces` wins. Both also decide
/// which `Namespace` objects are kept. When all of `include_namespaces` are plain names, each namespace is listed by itself,
/// so that a user who may read only those namespaces can export them.
///
/// *Cluster-scoped objects* are kept as long as no namespaces are asked for. With `include_namespaces`, unless
/// `cluster_scoped` says otherwise, only what those namespaces need to be brought back is kept: the `Namespace` objects
/// themselves and the custom resource definitions.
///
/// *Labels*: a selector in kubectl's syntax, for every type alike, `Namespace` objects included.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Types to export; empty for all.
    pub include: Vec<ResourcePattern>,
    /// Types to leave out.
    pub exclude: Vec<ResourcePattern>,
    /// Namespaces to export; empty for all.
    pub include_namespaces: Vec<Glob>,
    /// Namespaces to leave out.
    pub exclude_namespaces: Vec<Glob>,
    /// Keep cluster-scoped objects: all, none, or what the namespaces need.
    pub cluster_scoped: Option<bool>,
    /// A label selector, which the server applies.
    pub labels: Option<String>,
    /// Leave `metadata.managedFields` out of every object.
    pub drop_managed_fields: bool,
}

/// With more namespaces than this, one list of all and a look at each object is cheaper.
const LISTED_APART: usize = 16;

impl Filter {
    /// Is this resource of this group asked for?
    pub fn wants(&self, group: &str, resource: &str) -> bool {
        let any =
            |patterns: &[ResourcePattern]| patterns.iter().any(|pattern| pattern.matches(group, resource));
        (self.include.is_empty() || any(&self.include)) && !any(&self.exclude)
    }

    /// Is this type asked for, its scope considered?
    pub fn wants_type(&self, kind: &ResourceType) -> bool {
        self.wants(&kind.group, &kind.resource) && (kind.namespaced || self.wants_cluster_scoped(kind))
    }

    /// Is a group of which no type can be learned asked for?
    pub fn wants_group(&self, group: &str) -> bool {
        let included = self.include.is_empty() || self.include.iter().any(|pattern| pattern.means(group));
        included && !self.exclude.iter().any(|pattern| pattern.covers(group))
    }

    /// Four hexadecimal digits that stand for the namespaces and labels asked for; none when nothing is left out by them.
    /// Two that differ are of different filters. They go into manifests, which hold no names: sixteen bits fit too many
    /// guesses to confirm one.
    pub fn narrowed(&self) -> Option<String> {
        let sorted = |globs: &[Glob]| {
            let mut names: Vec<String> = globs.iter().map(ToString::to_string).collect();
            names.sort();
            names.dedup();
            names
        };
        let (include, exclude) = (sorted(&self.include_namespaces), sorted(&self.exclude_namespaces));
        if include.is_empty() && exclude.is_empty() && self.labels.is_none() && self.cluster_scoped.is_none()
        {
            return None;
        }
        let all = format!("{include:?} {exclude:?} {:?} {:?}", self.cluster_scoped, self.labels);
        let digest = Sha256::digest(all);
        Some(format!("{:02x}{:02x}", digest[0], digest[1]))
    }

    fn wants_cluster_scoped(&self, kind: &ResourceType) -> bool {
        self.cluster_scoped.unwrap_or_else(|| {
            self.include_namespaces.is_empty()
                || self.include_namespaces.iter().any(Glob::is_everything)
                || kind.is_namespaces()
                || (kind.group == "apiextensions.k8s.io" && kind.resource == "customresourcedefinitions")
        })
    }

    /// Is this namespace asked for?
    pub fn wants_namespace(&self, namespace: &str) -> bool {
        let any = |globs: &[Glob]| globs.iter().any(|glob| glob.matches(namespace));
        (self.include_namespaces.is_empty() || any(&self.include_namespaces))
            && !any(&self.exclude_namespaces)
    }

    /// Is this object of a wanted type asked for?
    pub(super) fn wants_object(&self, kind: &ResourceType, namespace: Option<&str>, name: &str) -> bool {
        match namespace {
            Some(namespace) => self.wants_namespace(namespace),
            None => !kind.is_namespaces() || self.wants_namespace(name),
        }
    }

    /// The lists that together hold a type's objects: one for the whole cluster, or one per namespace.
    pub(super) fn scopes(&self, kind: &ResourceType) -> Vec<Option<String>> {
        if !kind.namespaced
            || self.include_namespaces.is_empty()
            || self.include_namespaces.len() > LISTED_APART
        {
            return vec![None];
        }
        let names: Option<Vec<&str>> = self.include_namespaces.iter().map(Glob::literal).collect();
        match names {
            None => vec![None],
            Some(mut names) => {
                names.sort_unstable();
                names.dedup();
                names
                    .into_iter()
                    .filter(|name| self.wants_namespace(name))
                    .map(|name| Some(name.to_owned()))
                    .collect()
            }
        }
    }

    /// All type patterns, for messages.
    pub(super) fn patterns(&self) -> String {
        let list = |patterns: &[ResourcePattern]| {
            patterns.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        };
        format!("include: {}; exclude: {}", list(&self.include), list(&self.exclude))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(group: &str, resource: &str, namespaced: bool) -> ResourceType {
        ResourceType::new(group, "v1", resource, "Kind", namespaced)
    }

    fn patterns(list: &[&str]) -> Vec<ResourcePattern> {
        list.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn globs(list: &[&str]) -> Vec<Glob> {
        list.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn filters_that_narrow_alike_are_known_by_it() {
        let of = |include: &[&str], exclude: &[&str]| Filter {
            include_namespaces: globs(include),
            exclude_namespaces: globs(exclude),
            ..Filter::default()
        };
        let labels = |text: &str| Filter { labels: Some(text.to_owned()), ..Filter::default() };
        let types = Filter { include: patterns(&["secrets"]), ..Filter::default() };
        assert_eq!((of(&[], &[]).narrowed(), types.narrowed()), (None, None));
        assert_eq!(of(&["a", "b"], &[]).narrowed(), of(&["b", "a", "b"], &[]).narrowed());
        let different = [of(&["a"], &[]), of(&[], &["a"]), of(&["a", "b"], &[]), labels("a"), labels("b")];
        let mut seen: Vec<_> = different.iter().map(|filter| filter.narrowed().unwrap()).collect();
        assert!(seen.iter().all(|text| text.len() == 4));
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), different.len());
    }

    #[test]
    fn exclude_wins() {
        let filter = Filter {
            include: patterns(&["*.apps", "secrets"]),
            exclude: patterns(&["replicasets"]),
            ..Filter::default()
        };
        assert!(filter.wants("apps", "deployments") && filter.wants("", "secrets"));
        assert!(!filter.wants("apps", "replicasets") && !filter.wants("", "configmaps"));
    }

    #[test]
    fn a_group_that_cannot_be_seen_may_still_be_left_out() {
        let broken = "metrics.k8s.io";
        assert!(Filter::default().wants_group(broken));
        let without = Filter { exclude: patterns(&["*.metrics.k8s.io"]), ..Filter::default() };
        assert!(!without.wants_group(broken) && without.wants_group("apps"));
        let some = Filter { exclude: patterns(&["pods.metrics.k8s.io"]), ..Filter::default() };
        assert!(some.wants_group(broken));
        let others = Filter { include: patterns(&["*.apps"]), ..Filter::default() };
        assert!(!others.wants_group(broken));
        let plain = Filter { include: patterns(&["secrets"]), ..Filter::default() };
        assert!(!plain.wants_group(broken));
        let all = Filter { include: patterns(&["*"]), ..Filter::default() };
        assert!(all.wants_group(broken));
    }

    #[test]
    fn cluster_scoped_objects_go_when_namespaces_are_asked_for() {
        let nodes = kind("", "nodes", false);
        let crds = kind("apiextensions.k8s.io", "customresourcedefinitions", false);
        let spaces = kind("", "namespaces", false);
        let filter = |names: &[&str], cluster| Filter {
            include_namespaces: globs(names),
            cluster_scoped: cluster,
            ..Filter::default()
        };
        assert!(filter(&[], None).wants_type(&nodes));
        assert!(!filter(&["a"], None).wants_type(&nodes));
        assert!(filter(&["a"], None).wants_type(&crds) && filter(&["a"], None).wants_type(&spaces));
        assert!(filter(&["*"], None).wants_type(&nodes));
        assert!(filter(&["a"], Some(true)).wants_type(&nodes));
        assert!(!filter(&[], Some(false)).wants_type(&spaces));
        assert!(filter(&["a"], None).wants_object(&spaces, None, "a"));
        assert!(!filter(&["a"], None).wants_object(&spaces, None, "b"));
    }

    #[test]
    fn plain_names_are_listed_apart() {
        let pods = kind("", "pods", true);
        let scopes = |include: &[&str], exclude: &[&str]| {
            Filter {
                include_namespaces: globs(include),
                exclude_namespaces: globs(exclude),
                ..Filter::default()
            }
            .scopes(&pods)
        };
        assert_eq!(scopes(&[], &[]), [None]);
        assert_eq!(scopes(&["b", "a", "b"], &[]), [Some("a".to_owned()), Some("b".to_owned())]);
        assert_eq!(scopes(&["b", "a"], &["a*"]), [Some("b".to_owned())]);
        assert_eq!(scopes(&["b", "a*"], &[]), [None]);
    }
}
