//! Images from another registry.

use super::{BadRule, pods::pod_spec};
use crate::object::{TypeName, reach::each};
use serde_json::Value;
use std::{borrow::Cow, cmp::Reverse, collections::BTreeMap};

/// Where in the specification of a pod images are named.
const WAYS: &[&str] = &[
    "containers.*.image",
    "initContainers.*.image",
    "ephemeralContainers.*.image",
    "volumes.*.image.reference",
];

/// How names of images begin, and how they are to begin, the longest first.
#[derive(Debug, Clone, Default)]
pub(super) struct Images(Vec<(String, String)>);

impl Images {
    pub(super) fn new(rules: &BTreeMap<String, String>) -> Result<Self, BadRule> {
        let mut prefixes = Vec::with_capacity(rules.len());
        for (from, to) in rules {
            let bad = |reason: &str| Err(BadRule::new(format!("images.{from}"), reason));
            let (from, to) = (from.trim_end_matches('/'), to.trim_end_matches('/'));
            if from.is_empty()
                || to.is_empty()
                || [from, to].iter().any(|it| it.contains(char::is_whitespace))
            {
                return bad("the beginning of an image's name has no spaces and is not empty");
            }
            if !is_registry(from.split('/').next().unwrap_or_default()) {
                return bad("the name has to begin with the registry, such as `docker.io/library/nginx`");
            }
            if prefixes.iter().any(|(other, _)| other == from) {
                return bad("two rules are for the same images");
            }
            prefixes.push((from.to_owned(), to.to_owned()));
        }
        prefixes.sort_by_key(|(from, _)| Reverse(from.len()));
        Ok(Images(prefixes))
    }

    pub(super) fn rename(&self, kind: &TypeName, object: &mut Value) {
        let Some(pod) = pod_spec(kind).filter(|_| !self.0.is_empty()) else { return };
        for way in WAYS {
            each(object, &format!("{pod}.{way}"), &mut |image| {
                if let Some(other) = image.as_str().and_then(|name| self.other(name)) {
                    *image = Value::from(other);
                }
            });
        }
    }

    fn other(&self, image: &str) -> Option<String> {
        let image = written_out(image);
        self.0.iter().find_map(|(from, to)| {
            let rest = image.strip_prefix(from.as_str())?;
            (rest.is_empty() || rest.starts_with(['/', ':', '@'])).then(|| format!("{to}{rest}"))
        })
    }
}

/// The name with its registry: `nginx` is `docker.io/library/nginx`.
fn written_out(image: &str) -> Cow<'_, str> {
    match image.split_once('/') {
        None => Cow::Owned(format!("docker.io/library/{image}")),
        Some(("docker.io" | "index.docker.io", rest)) if rest.contains('/') => {
            Cow::Owned(format!("docker.io/{rest}"))
        }
        Some(("docker.io" | "index.docker.io", rest)) => Cow::Owned(format!("docker.io/library/{rest}")),
        Some((first, _)) if is_registry(first) => Cow::Borrowed(image),
        Some(_) => Cow::Owned(format!("docker.io/{image}")),
    }
}

/// What stands before the first `/` is a registry if it could be a host.
fn is_registry(first: &str) -> bool {
    first == "localhost" || first.contains(['.', ':'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn images(rules: &[(&str, &str)]) -> Result<Images, BadRule> {
        Images::new(&rules.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect())
    }

    #[test]
    fn the_longest_beginning_counts_and_ends_where_a_part_ends() {
        let rules = images(&[
            ("docker.io", "mirror.local/hub"),
            ("docker.io/library/nginx", "web.local/nginx"),
            ("quay.io/team/", "reg.local:5000/t/"),
            ("localhost:5000", "reg.local"),
        ]);
        let rules = rules.unwrap();
        for (image, wanted) in [
            ("nginx", Some("web.local/nginx")),
            ("nginx:1.27", Some("web.local/nginx:1.27")),
            ("docker.io/nginx@sha256:0a", Some("web.local/nginx@sha256:0a")),
            ("index.docker.io/library/nginx", Some("web.local/nginx")),
            ("nginx-exporter:1", Some("mirror.local/hub/library/nginx-exporter:1")),
            ("grafana/grafana", Some("mirror.local/hub/grafana/grafana")),
            ("quay.io/team/web:1", Some("reg.local:5000/t/web:1")),
            ("quay.io/teams/web:1", None),
            ("localhost:5000/a", Some("reg.local/a")),
            ("ghcr.io/docker.io/nginx", None),
        ] {
            assert_eq!(rules.other(image).as_deref(), wanted, "{image}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for rules in [
            &[("nginx", "a.local/nginx")] as &[_],
            &[("", "a.local")],
            &[("docker.io", "")],
            &[("docker.io", "a b")],
            &[("docker.io", "a.local"), ("docker.io/", "b.local")],
        ] {
            assert!(images(rules).unwrap_err().rule.starts_with("images."), "{rules:?}");
        }
    }
}
