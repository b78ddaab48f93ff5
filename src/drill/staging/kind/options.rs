use super::super::{ServerOptions, StagingError};
use crate::point::{ArtifactKind, Manifest};
use std::path::PathBuf;

/// What a cluster of kind is made of.
#[derive(Debug, Clone)]
pub struct KindOptions {
    /// What its API server is told.
    pub server: ServerOptions,
    /// The kind to use; else the one in `PATH`.
    pub kind: Option<PathBuf>,
    /// Docker or what speaks as it does; else what is in `PATH`.
    pub engine: Option<PathBuf>,
    /// The node's image; else one of `kindest/node` that fits the source's version.
    pub image: Option<String>,
    /// A configuration of kind.
    pub config: Option<PathBuf>,
    /// Images of this host to load into the node.
    pub load: Vec<String>,
    /// May anything in it speak to the world?
    pub egress: bool,
}

/// Which image a node is made of.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NodeImage {
    /// The one that the drill's file names.
    Named(String),
    /// One that fits this version of Kubernetes.
    Of(String),
}

/// The repository of kind's own images, whose tags are versions.
pub(super) const NODES: &str = "kindest/node";

/// Minor and patch of `v1.35.8`.
fn patch(version: &str) -> Option<((u64, u64), u64)> {
    let mut parts = version.strip_prefix('v')?.splitn(3, '.');
    let mut next = || parts.next()?.parse().ok();
    Some(((next()?, next()?), next()?))
}

/// The image of this version; where it is not among the `here`, the newest patch of its minor version that is; and where there
/// is none either, it has to be fetched.
pub(super) fn fitting(version: &str, here: &[&str]) -> String {
    let wanted = patch(version).map(|(minor, _)| minor);
    let of_minor = here.iter().filter_map(|tag| {
        let (minor, patch) = patch(tag)?;
        (Some(minor) == wanted).then_some((patch, *tag))
    });
    let tag = if here.contains(&version) { None } else { of_minor.max().map(|(_, tag)| tag) };
    format!("{NODES}:{}", tag.unwrap_or(version))
}

impl KindOptions {
    /// The image that was named, or else the version of the source, which it has to fit.
    pub(super) fn image(&self, manifest: &Manifest) -> Result<NodeImage, StagingError> {
        if let Some(image) = &self.image {
            return Ok(NodeImage::Named(image.clone()));
        }
        let facts = manifest.artifact(&ArtifactKind::Resources).and_then(|it| it.resources.as_ref());
        let version = facts.map(|facts| facts.version.split(['+', '-']).next().unwrap_or_default());
        match version.filter(|version| patch(version).is_some()) {
            Some(version) => Ok(NodeImage::Of(version.to_owned())),
            None => Err(StagingError::Refused(
                "the recovery point does not tell the version of its API server: name the node's image in staging.kind.image".into(),
            )),
        }
    }

    /// Arguments as flags: the node's API server has some already, which these take the place of.
    pub(super) fn flags(&self) -> Result<Vec<(String, String)>, StagingError> {
        let each = self.server.args.iter().map(|word| {
            let flag = word.strip_prefix("--").and_then(|word| word.split_once('='));
            let (name, value) = flag.ok_or_else(|| {
                StagingError::Refused(format!("staging.kind.args: `{word}` is not of the form --name=value"))
            })?;
            Ok((name.to_owned(), value.to_owned()))
        });
        each.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_node_s_image_fits_the_source_s_version() {
        let here = ["v1.34.12", "v1.35.2", "v1.35.10", "v1.36.0", "latest", "v1.35"];
        for (version, image) in [
            ("v1.35.2", "kindest/node:v1.35.2"),
            ("v1.35.8", "kindest/node:v1.35.10"),
            ("v1.34.0", "kindest/node:v1.34.12"),
            ("v1.33.4", "kindest/node:v1.33.4"),
        ] {
            assert_eq!(fitting(version, &here), image);
        }
        assert_eq!(fitting("v1.35.8", &[]), "kindest/node:v1.35.8");
        assert_eq!((patch("v1.9.10"), patch("1.9.1"), patch("v1.9")), (Some(((1, 9), 10)), None, None));
    }
}
