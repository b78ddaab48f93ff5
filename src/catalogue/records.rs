//! What is recorded of recovery points: put down, and read again.

use super::{
    AT_ONCE, Catalogue, CatalogueError, Held, Listed, Signature, Standing, Verdict,
    ledger::Names,
    standing::{held, verified},
};
use crate::{
    pipeline::Signer,
    point::{Digest, Family, HoldFacts, PointId, Record, TagFacts, VerificationFacts},
};
use futures_util::{StreamExt, TryStreamExt, future, stream};
use jiff::{Timestamp, ToSpan};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

/// So many verifications that failed or cannot be trusted are looked at for one that passed.
const LOOK_BACK: usize = 30;

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
    /// What is recorded of each recovery point of which anything is. Each family is listed once; of verifications only the
    /// newest are read.
    pub async fn standings(&self) -> Result<BTreeMap<PointId, Standing>, CatalogueError> {
        self.standings_of(self.record_names().await?, &BTreeMap::new()).await
    }

    /// The recovery points, as [`Catalogue::list`] has them, and what is recorded of them. No manifest is read twice.
    pub async fn survey(&self) -> Result<(Vec<Listed>, BTreeMap<PointId, Standing>), CatalogueError> {
        let (listed, names) = future::try_join(self.list_digested(), self.record_names()).await?;
        let digests =
            listed.iter().filter_map(|(point, digest)| Some((point.id.clone(), (*digest)?))).collect();
        let standings = self.standings_of(names, &digests).await?;
        Ok((listed.into_iter().map(|(point, _)| point).collect(), standings))
    }

    /// What is recorded of one recovery point.
    pub async fn standing(&self, id: &PointId) -> Result<Standing, CatalogueError> {
        self.standing_of(id, None).await
    }

    /// The same, when the SHA-256 of its manifest is known.
    pub(super) async fn standing_of(
        &self,
        id: &PointId,
        manifest: Option<Digest>,
    ) -> Result<Standing, CatalogueError> {
        let names = self.record_names_of(id).await?;
        self.stands(id, &names, manifest).await
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

    pub(super) fn must_sign(&self, family: Family, author: Author<'_>) -> Result<(), CatalogueError> {
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

    async fn standings_of(
        &self,
        names: BTreeMap<PointId, Names>,
        digests: &BTreeMap<PointId, Digest>,
    ) -> Result<BTreeMap<PointId, Standing>, CatalogueError> {
        let reads = names.into_iter().map(|(id, names)| async move {
            let standing = self.stands(&id, &names, digests.get(&id).copied()).await?;
            Ok::<_, CatalogueError>((id, standing))
        });
        stream::iter(reads).buffer_unordered(AT_ONCE).try_collect().await
    }

    async fn stands(
        &self,
        id: &PointId,
        names: &Names,
        manifest: Option<Digest>,
    ) -> Result<Standing, CatalogueError> {
        let manifest = match manifest {
            None if names.contains_key(&Family::Verifications) => self.manifest_digest(id).await,
            known => known,
        };
        let records = Records {
            holds: self.read_all_records(id, names).await?,
            tags: self.read_all_records(id, names).await?,
            verifications: self.newest_verifications(id, names, manifest).await?,
        };
        Ok(records.standing(manifest, Timestamp::now()))
    }

    async fn manifest_digest(&self, id: &PointId) -> Option<Digest> {
        let bytes = self.manifest_bytes(id).await.ok().flatten()?;
        Some(Sha256::digest(&bytes).into())
    }

    /// Reads verifications from the newest on, until one passed.
    async fn newest_verifications(
        &self,
        id: &PointId,
        names: &Names,
        manifest: Option<Digest>,
    ) -> Result<Vec<Recorded<VerificationFacts>>, CatalogueError> {
        let ids = names.get(&Family::Verifications).map(Vec::as_slice).unwrap_or_default();
        let mut records = Vec::new();
        // Of those of one second the names do not tell which is the newest.
        for same in ids.chunk_by(|a, b| a.time() == b.time()).rev() {
            for record in same {
                records.extend(self.read_record(id, record).await?);
            }
            let (last, _) = verified(&records, manifest, Timestamp::now());
            if records.len() >= LOOK_BACK || last.is_some_and(|last| last.last_passed.is_some()) {
                break;
            }
        }
        Ok(records)
    }
}

#[cfg(test)]
#[path = "records_tests.rs"]
mod tests;
