//! What is recorded of recovery points: put down, and read again.

use super::{Catalogue, CatalogueError, Held, Signature, Standing, Verdict, standing::held};
use crate::{
    pipeline::Signer,
    point::{Family, HoldFacts, PointId, Record, TagFacts, VerificationFacts},
};
use jiff::{Timestamp, ToSpan};

/// Who makes a record.
#[derive(Debug, Clone, Copy)]
pub struct Author<'a> {
    /// In words: `user@host`.
    pub by: &'a str,
    /// With which key; without one the record is not signed.
    pub signer: Option<&'a Signer>,
}

/// A record as the store shows it.
#[derive(Debug, Clone)]
pub struct Recorded<T> {
    /// The recovery point under which it stands.
    pub point: PointId,
    /// The record's id.
    pub id: PointId,
    /// What it says, or why it cannot be read.
    pub record: Result<Record<T>, String>,
    /// Its signature.
    pub signature: Signature,
}

/// Everything that is recorded of one recovery point, oldest first.
#[derive(Debug, Clone)]
pub struct Records {
    /// Holds and releases.
    pub holds: Vec<Recorded<HoldFacts>>,
    /// Tags put on and taken off.
    pub tags: Vec<Recorded<TagFacts>>,
    /// Verifications.
    pub verifications: Vec<Recorded<VerificationFacts>>,
}

impl Catalogue {
    /// What is recorded of one recovery point.
    pub async fn standing(&self, id: &PointId) -> Result<Standing, CatalogueError> {
        self.standing_of(id, None).await
    }

    /// All records of one recovery point, and what follows from them.
    pub async fn records(&self, id: &PointId) -> Result<(Records, Standing), CatalogueError> {
        let names = self.record_names_of(id).await?;
        let records = Records {
            holds: self.read_all_records(id, &names).await?,
            tags: self.read_all_records(id, &names).await?,
            verifications: self.read_all_records(id, &names).await?,
        };
        let standing = records.standing(self.manifest_digest(id).await, Timestamp::now());
        Ok((records, standing))
    }

    /// Records what was found. `None` when there was no manifest, and so nothing to make a record of.
    ///
    /// # Errors
    /// When the store does not take it.
    pub async fn record_verification(
        &self,
        verdict: &Verdict,
        began: Timestamp,
        ended: Timestamp,
        author: Author<'_>,
    ) -> Result<Option<Record<VerificationFacts>>, CatalogueError> {
        match verdict.facts(began) {
            Some(facts) => Ok(Some(self.append(&verdict.id, facts, author, ended).await?)),
            None => Ok(None),
        }
    }

    /// Puts tags on a recovery point and takes others off. Returns the tags that it has then.
    ///
    /// # Errors
    /// Without a signing key, when signatures are checked: nobody would believe it.
    pub async fn tag(
        &self,
        id: &PointId,
        facts: TagFacts,
        author: Author<'_>,
        now: Timestamp,
    ) -> Result<Standing, CatalogueError> {
        self.must_sign(Family::Tags, author)?;
        let records: Vec<Recorded<TagFacts>> =
            self.read_all_records(id, &self.record_names_of(id).await?).await?;
        // Another machine's clock may be ahead; what is said now is later than what was said before.
        let newest = records.iter().filter_map(|r| Some(r.trusted()?.at)).max();
        let at = match newest {
            Some(newest) if newest >= now => newest.checked_add(1.millisecond()).unwrap_or(newest),
            _ => now,
        };
        self.append(id, facts, author, at).await?;
        self.standing(id).await
    }

    /// May this author make records of a family? Where signatures are checked nobody believes an unsigned one.
    ///
    /// # Errors
    /// When nobody would believe it.
    pub fn must_sign(&self, family: Family, author: Author<'_>) -> Result<(), CatalogueError> {
        let Some(verifier) = self.verifier() else { return Ok(()) };
        let signer = author.signer.ok_or(CatalogueError::Unsigned { family: family.as_str() })?;
        let probe = signer.sign_record(b"lifeboat", "probe").map_err(CatalogueError::Signing)?;
        let believed = verifier.verify_record(b"lifeboat", probe.as_bytes(), "probe");
        believed.map_err(|_| CatalogueError::OtherKey)
    }

    /// What holds a recovery point.
    pub(super) async fn held(&self, id: &PointId) -> Result<Option<Held>, CatalogueError> {
        Ok(held(&self.read_all_records(id, &self.record_names_of(id).await?).await?))
    }
}

#[cfg(test)]
#[path = "records_tests.rs"]
mod tests;
