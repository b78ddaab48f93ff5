use super::{OpError, Outcome, Probe, Tried, failed};
use crate::{
    point::Digest,
    restore::static_pods::{Lies, lies, move_manifest},
};
use std::path::Path;

/// A manifest that is moved.
pub(super) struct Moved<'a> {
    pub(super) from: &'a Path,
    pub(super) to: &'a Path,
    pub(super) sha256: &'a Digest,
}

impl Moved<'_> {
    /// Where it lies, if it is the one that was meant; else what is the matter.
    fn lies(&self) -> Result<Result<Lies, OpError>, OpError> {
        let found = lies(self.from, self.to).map_err(failed)?;
        let changed = |path: &Path, how: &str| {
            Err(OpError::Changed { object: path.display().to_string(), how: how.to_owned() })
        };
        Ok(match &found {
            Lies::First(digest) if digest != self.sha256 => changed(self.from, "it holds something else"),
            Lies::Second(digest) if digest != self.sha256 => changed(self.to, "it holds something else"),
            Lies::Both => {
                changed(self.to, "a manifest lies in both places, and nobody can tell which one counts")
            }
            Lies::Nowhere => Err(OpError::Gone(self.from.display().to_string())),
            _ => Ok(found),
        })
    }

    pub(super) fn try_out(&self) -> Tried {
        match self.lies() {
            // A step before moves it there.
            Ok(Ok(_)) => Tried::NotNeeded,
            Ok(Err(e)) | Err(e) => Tried::Refused { why: e.to_string() },
        }
    }

    pub(super) fn probe(&self) -> Result<Probe, OpError> {
        Ok(match self.lies()? {
            Ok(Lies::Second(_)) => Probe::Done(Outcome::default()),
            Ok(_) => Probe::NotDone,
            Err(e) => Probe::Other(e.to_string()),
        })
    }

    pub(super) fn carry_out(&self) -> Result<(), OpError> {
        match self.lies()?? {
            Lies::Second(_) => Err(OpError::Changed {
                object: self.from.display().to_string(),
                how: format!("it lies in {} already", self.to.display()),
            }),
            _ => move_manifest(self.from, self.to).map_err(failed),
        }
    }

    pub(super) fn take_back(&self) -> Result<Outcome, OpError> {
        match self.lies()?? {
            Lies::Second(_) => {
                move_manifest(self.to, self.from).map_err(failed)?;
                Ok(Outcome::default())
            }
            _ => Ok(Outcome { said: Some("it lay there already".to_owned()), ..Outcome::default() }),
        }
    }
}
