//! All recovery points of a cluster, and what follows from what is recorded of them.

use super::{
    AT_ONCE, Catalogue, CatalogueError, Listed, Recorded, Records, Standing,
    ledger::Names,
    verified::{superseded, verified},
};
use crate::point::{Digest, Family, PointId, VerificationFacts};
use futures_util::{StreamExt, TryStreamExt, future, stream};
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// So many verifications that failed or cannot be trusted are looked at for one that passed.
const LOOK_BACK: usize = 30;

/// Which records of verifications are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum History {
    /// From the newest on, until one passed.
    Newest,
    /// All.
    Whole,
}

/// The recovery points, and what is recorded of them.
#[derive(Debug, Clone, Default)]
pub struct Survey {
    /// As [`Catalogue::list`] has them.
    pub points: Vec<Listed>,
    /// Of each of which anything is recorded.
    pub standings: BTreeMap<PointId, Standing>,
    /// With the whole history: the verifications of each without which the same would follow.
    pub superseded: BTreeMap<PointId, BTreeSet<PointId>>,
}

impl Catalogue {
    /// What is recorded of each recovery point of which anything is. Each family is listed once; of verifications only the
    /// newest are read.
    pub async fn standings(&self) -> Result<BTreeMap<PointId, Standing>, CatalogueError> {
        let mut survey = Survey::default();
        self.standings_of(self.record_names().await?, &BTreeMap::new(), History::Newest, &mut survey).await?;
        Ok(survey.standings)
    }

    /// The recovery points and what is recorded of them. No manifest is read twice.
    pub async fn survey(&self, history: History) -> Result<Survey, CatalogueError> {
        let (listed, names) = future::try_join(self.list_digested(), self.record_names()).await?;
        let digests =
            listed.iter().filter_map(|(point, digest)| Some((point.id.clone(), (*digest)?))).collect();
        let mut survey = Survey::default();
        self.standings_of(names, &digests, history, &mut survey).await?;
        survey.points = listed.into_iter().map(|(point, _)| point).collect();
        Ok(survey)
    }

    async fn standings_of(
        &self,
        names: BTreeMap<PointId, Names>,
        digests: &BTreeMap<PointId, Digest>,
        history: History,
        survey: &mut Survey,
    ) -> Result<(), CatalogueError> {
        // Many recovery points one record at a time, or few many at a time.
        let each = (AT_ONCE / names.len().max(1)).max(1);
        let reads = names.into_iter().map(|(id, names)| async move {
            let manifest = self.manifest_of(&id, &names, digests.get(&id).copied()).await;
            let verifications = match history {
                History::Newest => self.newest_verifications(&id, &names, manifest).await?,
                History::Whole => self.read_records(&id, &names, each).await?,
            };
            let superseded = match history {
                History::Newest => BTreeSet::new(),
                History::Whole => superseded(&verifications, manifest, Timestamp::now()),
            };
            Ok::<_, CatalogueError>((
                self.stands(&id, &names, manifest, verifications).await?,
                superseded,
                id,
            ))
        });
        let mut reads = stream::iter(reads).buffer_unordered(AT_ONCE);
        while let Some((standing, superseded, id)) = reads.try_next().await? {
            if !superseded.is_empty() {
                survey.superseded.insert(id.clone(), superseded);
            }
            survey.standings.insert(id, standing);
        }
        Ok(())
    }

    /// What is recorded of one recovery point; `manifest` is the SHA-256 of its manifest, where that is known.
    pub(super) async fn standing_of(
        &self,
        id: &PointId,
        manifest: Option<Digest>,
    ) -> Result<Standing, CatalogueError> {
        let names = self.record_names_of(id).await?;
        let manifest = self.manifest_of(id, &names, manifest).await;
        let verifications = self.newest_verifications(id, &names, manifest).await?;
        self.stands(id, &names, manifest, verifications).await
    }

    /// The verifications of a recovery point without which the same would follow.
    pub(super) async fn superseded(
        &self,
        id: &PointId,
        names: &Names,
    ) -> Result<BTreeSet<PointId>, CatalogueError> {
        let manifest = self.manifest_of(id, names, None).await;
        Ok(superseded(&self.read_all_records(id, names).await?, manifest, Timestamp::now()))
    }

    async fn stands(
        &self,
        id: &PointId,
        names: &Names,
        manifest: Option<Digest>,
        verifications: Vec<Recorded<VerificationFacts>>,
    ) -> Result<Standing, CatalogueError> {
        let (holds, tags) =
            (self.read_all_records(id, names).await?, self.read_all_records(id, names).await?);
        Ok(Records { holds, tags, verifications }.standing(manifest, Timestamp::now()))
    }

    /// The SHA-256 of the manifest, where verifications are to be compared with it.
    async fn manifest_of(&self, id: &PointId, names: &Names, known: Option<Digest>) -> Option<Digest> {
        match known {
            None if names.contains_key(&Family::Verifications) => self.manifest_digest(id).await,
            known => known,
        }
    }

    pub(super) async fn manifest_digest(&self, id: &PointId) -> Option<Digest> {
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
            let last = verified(&records, manifest, Timestamp::now()).last;
            if records.len() >= LOOK_BACK || last.is_some_and(|last| last.last_passed.is_some()) {
                break;
            }
        }
        Ok(records)
    }
}
