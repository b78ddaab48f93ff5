//! Why a drill did not come to its end.

use super::{
    pick::NoChoice,
    staging::{Staging, StagingError},
};
use crate::{
    catalogue::CatalogueError, compare::CompareError, restore::resources::ResourcesError,
    source::kube::KubeError,
};
use thiserror::Error;

/// Why a drill did not come to its end.
#[derive(Debug, Error)]
pub(super) enum Broken {
    #[error(transparent)]
    NoChoice(#[from] NoChoice),
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    #[error(transparent)]
    Staging(#[from] StagingError),
    #[error("staging: {0}")]
    Kube(#[from] KubeError),
    #[error(transparent)]
    Compare(#[from] CompareError),
    #[error("the export: {0}")]
    Resources(#[from] ResourcesError),
    #[error("nothing was brought up: what is stored is not what was saved")]
    Unsound,
    #[error(
        "{0} objects of the export are in that cluster already, and not this drill's: nothing was made (the sealed details name them)"
    )]
    Occupied(usize),
    #[error("stopped by {0}")]
    Stopped(&'static str),
    #[error("it was given up after {0} s, which the drill's file allows it (`within`)")]
    TooLong(u64),
    /// Staging was no longer what it should be, and what was met is only what came of that.
    #[error("{cause}; what came of it: {met}")]
    Beneath { cause: Box<StagingError>, met: Box<Broken> },
}

impl Broken {
    /// Looks whether staging itself has gone wrong beneath what was met: who speaks to it only sees that it does not answer.
    pub(super) async fn looked_beneath(self, staging: &mut dyn Staging) -> Self {
        match self {
            Broken::Kube(_) | Broken::Compare(_) | Broken::Resources(_) | Broken::TooLong(_) => {
                match staging.trouble().await {
                    Some(cause) => Broken::Beneath { cause: Box::new(cause), met: Box::new(self) },
                    None => self,
                }
            }
            _ => self,
        }
    }
}
