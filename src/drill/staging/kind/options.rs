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
    /// The node's image; else `kindest/node` of the source's version.
    pub image: Option<String>,
    /// A configuration of kind.
    pub config: Option<PathBuf>,
    /// Images of this host to load into the node.
    pub load: Vec<String>,
    /// May anything in it speak to the world?
    pub egress: bool,
}

impl KindOptions {
    /// The image that fits the source's version.
    pub(super) fn image(&self, manifest: &Manifest) -> Result<String, StagingError> {
        if let Some(image) = &self.image {
            return Ok(image.clone());
        }
        let facts = manifest.artifact(&ArtifactKind::Resources).and_then(|it| it.resources.as_ref());
        let version = facts.map(|facts| facts.version.split(['+', '-']).next().unwrap_or_default());
        match version.filter(|version| version.starts_with('v')) {
            Some(version) => Ok(format!("kindest/node:{version}")),
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
