//! Whether staging is of the versions that the source was of.

use super::{Check, Results};
use crate::point::{ArtifactKind, Manifest};
use std::{cmp::Ordering, time::Duration};

/// `major.minor` of `v1.35.8` or `3.6.8`.
fn minor(version: &str) -> Option<(u64, u64)> {
    let mut parts = version.trim_start_matches('v').split(['.', '-', '+']);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// Compares the versions. An older server does not know what a newer one wrote.
pub(in crate::drill) fn versions(manifest: &Manifest, server: &str, results: &mut Results) {
    let expected = "staging's API server is of the minor version that the source's was";
    let of = |kind| manifest.artifact(kind).and_then(|artifact| artifact.resources.as_ref());
    let Some(source) = of(&ArtifactKind::Resources).map(|facts| facts.version.as_str()) else {
        return results.skip("versions", expected, "the recovery point does not tell the source's version");
    };
    let mut check = Check::new("versions", expected);
    if let Some(misfit) = misfit(source, server) {
        check.found(misfit, 0);
    }
    results.end(check, format!("the source was {source}, staging is {server}"), Duration::ZERO);
}

/// Why an API server of one version does not stand for one of another.
fn misfit(source: &str, server: &str) -> Option<String> {
    let (Some(wanted), Some(found)) = (minor(source), minor(server)) else {
        return Some(format!("one of the versions cannot be read: `{source}` and `{server}`"));
    };
    let (word, danger) = match found.cmp(&wanted) {
        Ordering::Equal => return None,
        Ordering::Less => ("older", "what the newer one wrote may not be served"),
        Ordering::Greater => ("newer", "objects may be served in other versions and with other defaults"),
    };
    let (major, minor) = wanted;
    Some(format!(
        "staging's API server, {server}, is {word} than the source's, {source}: {danger}; take one of v{major}.{minor}"
    ))
}

/// Compares the UID of the namespace `kube-system`, which stands for a cluster: staging shows the source's data, and no other.
pub(in crate::drill) fn identity(manifest: &Manifest, found: Option<&str>, results: &mut Results) {
    let expected = "staging shows the data of the source: the UID of its namespace kube-system";
    let Some(wanted) = manifest.cluster.uid.as_deref() else {
        return results.skip("identity", expected, "the recovery point does not tell the source's UID");
    };
    let mut check = Check::new("identity", format!("{expected}, {wanted}"));
    if found != Some(wanted) {
        check.found("it is another cluster's data", 0);
    }
    results.end(check, found.unwrap_or("there is no such namespace"), Duration::ZERO);
}

/// Are these of one minor version? Then one server writes what the other one does.
pub(super) fn same_minor(a: &str, b: &str) -> bool {
    matches!((minor(a), minor(b)), (Some(a), Some(b)) if a == b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_minor_version_is_told_with_both() {
        assert_eq!(misfit("v1.35.8", "v1.35.0"), None);
        for (source, server, words) in [
            ("v1.35.8", "v1.34.8", "server, v1.34.8, is older than the source's, v1.35.8: what the newer"),
            (
                "v1.34.8-eks-1",
                "v1.35.8",
                "is newer than the source's, v1.34.8-eks-1: objects may be served in other",
            ),
            (
                "v1.9.0",
                "v1.10.0",
                "newer than the source's, v1.9.0: objects may be served in other versions and with other defaults; take one of v1.9",
            ),
            ("v1.35.8", "unknown", "cannot be read: `v1.35.8` and `unknown`"),
        ] {
            let told = misfit(source, server).unwrap();
            assert!(told.contains(words), "{words:?} is not in {told:?}");
        }
    }

    #[test]
    fn patches_are_one_version() {
        assert!(same_minor("v1.35.8", "v1.35.0-rc.1+x") && !same_minor("v1.35.8", "v1.34.8"));
        assert!(!same_minor("", "") && minor("v1.9.1") < minor("v1.35.0"));
    }
}
