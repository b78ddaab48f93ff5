//! Holding a recovery point, and releasing it.

use super::{AT_ONCE, Author, Catalogue, CatalogueError, Held, Recorded, standing::held};
use crate::point::{Family, HoldAction, HoldFacts, Key, PointId, Record};
use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use std::collections::BTreeSet;

/// A reason is a sentence, not a document.
const LONGEST: usize = 1000;

/// What came of a hold or a release.
#[derive(Debug, Clone)]
pub struct Holding {
    /// The record that was written; none when there was nothing to release.
    pub record: Option<Record<HoldFacts>>,
    /// What holds the recovery point now.
    pub held: Option<Held>,
    /// Objects whose legal hold was set or lifted; 0 where the store has none.
    pub objects: usize,
}

impl Catalogue {
    /// Exempts a recovery point from retention: first by a record, then by the store's own legal hold on every object,
    /// where it has that.
    ///
    /// # Errors
    /// When the record was not written, and nothing is held; or when the legal hold of an object was not set, and the
    /// record stands.
    pub async fn hold(
        &self,
        id: &PointId,
        reason: &str,
        author: Author<'_>,
        now: Timestamp,
    ) -> Result<Holding, CatalogueError> {
        let facts =
            HoldFacts { action: HoldAction::Hold, reason: sentence(reason)?, releases: BTreeSet::new() };
        let record = self.append(id, facts, author, now).await?;
        let objects = self.legal_hold(id, true).await?;
        Ok(Holding { record: Some(record), held: self.held(id).await?, objects })
    }

    /// Ends every hold that there is at this moment: first the legal holds of the objects, then by a record. One that comes
    /// meanwhile stands, and what it asks for is restored.
    ///
    /// # Errors
    /// When a legal hold was not lifted or the record was not written: the recovery point is held then as before, or what
    /// is missing for that is named.
    pub async fn release(
        &self,
        id: &PointId,
        reason: &str,
        author: Author<'_>,
        now: Timestamp,
    ) -> Result<Holding, CatalogueError> {
        self.end_holds(id, None, (reason, author, now)).await
    }

    /// The hold that stands for just this reason, by its record.
    ///
    /// # Errors
    /// When the records cannot be read.
    pub async fn hold_for(&self, id: &PointId, reason: &str) -> Result<Option<PointId>, CatalogueError> {
        let records: Vec<Recorded<HoldFacts>> =
            self.read_all_records(id, &self.record_names_of(id).await?).await?;
        let standing = held(&records).map(|held| held.records).unwrap_or_default();
        let own = records.iter().find(|it| {
            let fits = |facts: &HoldFacts| facts.action == HoldAction::Hold && facts.reason == reason.trim();
            standing.contains(&it.id) && it.trusted().is_some_and(|record| fits(&record.facts))
        });
        Ok(own.map(|it| it.id.clone()))
    }

    /// Ends one hold, and no other: while another one stands, the legal holds of the objects stay.
    ///
    /// # Errors
    /// As for [`Catalogue::release`].
    pub async fn release_one(
        &self,
        id: &PointId,
        hold: &PointId,
        reason: &str,
        author: Author<'_>,
        now: Timestamp,
    ) -> Result<Holding, CatalogueError> {
        self.end_holds(id, Some(hold), (reason, author, now)).await
    }

    /// Ends one hold, or all that there are. The legal holds of the objects are lifted when none is left.
    async fn end_holds(
        &self,
        id: &PointId,
        only: Option<&PointId>,
        (reason, author, now): (&str, Author<'_>, Timestamp),
    ) -> Result<Holding, CatalogueError> {
        let reason = sentence(reason)?;
        self.must_sign(Family::Holds, author)?;
        let before = self.held(id).await?;
        let stands = |held: &&Held| only.is_none_or(|hold| held.records.contains(hold));
        let Some(held) = before.as_ref().filter(stands) else {
            return Ok(Holding { record: None, held: before, objects: 0 });
        };
        let releases = only.map_or_else(|| held.records.clone(), |hold| BTreeSet::from([hold.clone()]));
        let objects = if releases == held.records { self.legal_hold(id, false).await? } else { 0 };
        let facts = HoldFacts { action: HoldAction::Release, reason, releases };
        let record = self.append(id, facts, author, now).await?;
        let held = self.held(id).await?;
        if held.is_some() {
            self.legal_hold(id, true).await?;
        }
        Ok(Holding { record: Some(record), held, objects })
    }

    /// Brings the legal holds of the objects in line with records that came from another store: sets them where the recovery
    /// point is held, and where it is not, lifts them if `lift` says so. Returns the number of objects.
    ///
    /// # Errors
    /// When a legal hold was not set or not lifted.
    pub async fn settle(&self, id: &PointId, lift: bool) -> Result<usize, CatalogueError> {
        match self.held(id).await? {
            Some(_) => self.legal_hold(id, true).await,
            None if lift => self.legal_hold(id, false).await,
            None => Ok(0),
        }
    }

    /// Sets or lifts the legal hold of every object of a recovery point; how many it was.
    async fn legal_hold(&self, id: &PointId, on: bool) -> Result<usize, CatalogueError> {
        let objects = self.store.list(&Key::point(&self.cluster, id)?).await?;
        let asked = objects.into_iter().map(|object| async move {
            let failed = if on { CatalogueError::NotLocked } else { CatalogueError::NotUnlocked };
            self.store.legal_hold(&object.key, on).await.map_err(failed)
        });
        let done: Vec<bool> = stream::iter(asked).buffer_unordered(AT_ONCE).try_collect().await?;
        Ok(done.into_iter().filter(|done| *done).count())
    }
}

fn sentence(reason: &str) -> Result<String, CatalogueError> {
    let reason = reason.trim();
    let wrong = match reason {
        "" => "it is empty",
        _ if reason.chars().count() > LONGEST => "it is longer than a thousand characters",
        _ if reason.chars().any(char::is_control) => "it has a line break or another control character",
        _ => return Ok(reason.to_owned()),
    };
    Err(CatalogueError::Reason(wrong))
}

#[cfg(test)]
#[path = "hold_tests.rs"]
mod tests;
