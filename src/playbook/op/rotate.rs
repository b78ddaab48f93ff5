use super::{
    Doing, ObjectRef, OpError, Outcome, Probe, Tried,
    change::{attempt, read},
};
use crate::source::kube::{Attempt, Writing};
use bytes::Bytes;
use rand::RngExt as _;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The annotation that tells by which step of which run a Secret was given a new value.
const ROTATED: &str = "lifeboat.dev/rotated";

/// Puts a new value, which nobody has seen, into a Secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rotate {
    /// The Secret.
    pub object: ObjectRef,
    /// Which of its values.
    pub key: String,
    /// So many characters.
    pub length: u16,
    /// Of these.
    pub alphabet: String,
    /// The step of the run.
    pub mark: String,
}

impl Rotate {
    pub(super) fn stays(&self) -> String {
        format!(
            "the value of {} in {} is another one: the old one is sealed, and is not put back",
            self.key, self.object
        )
    }

    pub(super) fn rights(&self) -> Vec<Attempt> {
        vec![attempt(&self.object, "get", None), attempt(&self.object, "update", None)]
    }

    pub(super) async fn try_out(&self, with: &Doing<'_>) -> Tried {
        match self.write(with, true).await {
            Ok(_) => Tried::Accepted,
            Err(e) => Tried::Refused { why: e.to_string() },
        }
    }

    pub(super) async fn probe(&self, with: &Doing<'_>) -> Result<Probe, OpError> {
        match read(&self.object, with).await {
            Ok((_, json)) if json["metadata"]["annotations"][ROTATED] == self.mark.as_str() => {
                Ok(Probe::Done(Outcome::default()))
            }
            Ok(_) => Ok(Probe::NotDone),
            Err(e @ OpError::Server { .. }) => Err(e),
            Err(e) => Ok(Probe::Other(e.to_string())),
        }
    }

    /// Does it.
    ///
    /// # Errors
    /// When it is another Secret, or the server refuses.
    pub async fn carry_out(&self, with: &Doing<'_>) -> Result<Outcome, OpError> {
        self.write(with, false).await
    }

    async fn write(&self, with: &Doing<'_>, dry_run: bool) -> Result<Outcome, OpError> {
        // What was read is replaced, and nothing that somebody has written meanwhile: its resourceVersion goes along.
        let (_, mut json) = read(&self.object, with).await?;
        json["stringData"][&self.key] = self.value().into();
        json["metadata"]["annotations"][ROTATED] = self.mark.as_str().into();
        let how = Writing { manager: with.manager.to_owned(), dry_run, strict: true };
        let body = Bytes::from(json.to_string());
        let kind = self.object.resource_type();
        let written = with.cluster()?.replace_part(&kind, self.object.place(), None, &body, &how).await;
        written.map_err(|refusal| OpError::server(&self.object, refusal))?;
        Ok(Outcome::default())
    }

    fn value(&self) -> String {
        let letters: Vec<char> = self.alphabet.chars().collect();
        let mut random = rand::rng();
        (0..self.length).filter_map(|_| letters.get(random.random_range(0..letters.len().max(1)))).collect()
    }
}

impl fmt::Display for Rotate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "put a new value of {} characters into {} of {}", self.length, self.key, self.object)
    }
}
