//! The evidence of playbooks, beside the recovery points: `<cluster>/playbooks/<run>/`. Nothing is overwritten: a run that is
//! resumed or taken back gets another record, and another copy of its journal, and the newest counts.

use super::{AT_ONCE, Catalogue, CatalogueError, Signature, drills::signature_of};
use crate::{
    pipeline::{Recipients, SealOptions, Signer},
    point::{Digest, Key, PointId, RunRecord},
    store::{self, StoreError, read_all},
};
use futures_util::{StreamExt, TryStreamExt, stream};

const APPROVALS: &str = "approvals";
const RECORDS: &str = "records";
const ARTIFACTS: &str = "artifacts";
/// The plan of a run.
const PLAN: &str = "plan.json";
/// Plans and journals are far smaller.
const LIMIT: u64 = 256 << 20;

/// A run as the store shows it.
#[derive(Debug, Clone)]
pub struct Run {
    /// Its id.
    pub id: PointId,
    /// Its newest record, or why that cannot be read; none while it has none.
    pub record: Option<Result<RunRecord, String>>,
    /// The signature over the record.
    pub signature: Signature,
}

/// What somebody says about a run: its bytes and its signature, checked by whoever knows who may say so.
#[derive(Debug, Clone)]
pub struct Said {
    /// The statement.
    pub bytes: Vec<u8>,
    /// The signature's text.
    pub signature: Vec<u8>,
}

impl Catalogue {
    fn run_key(&self, run: &PointId) -> Result<Key, CatalogueError> {
        Ok(Key::run(&self.cluster, run)?)
    }

    /// Where everything about a run is.
    ///
    /// # Errors
    /// When the cluster's name is none.
    pub fn run_place(&self, run: &PointId) -> Result<String, CatalogueError> {
        Ok(format!("{}/{}", self.store.url(), self.run_key(run)?))
    }

    /// The comment that is signed along with a run's record: it ties the signature to its place.
    pub fn run_comment(&self, run: &PointId) -> String {
        format!("lifeboat {} playbooks {run}", self.cluster)
    }

    /// Seals something that a run collected and stores it. Gives the digest of what is stored.
    ///
    /// # Errors
    /// When its name is none, it cannot be sealed, or the store does not take it.
    pub async fn keep_evidence(
        &self,
        run: &PointId,
        name: &str,
        plain: &[u8],
        recipients: &Recipients,
        options: SealOptions,
    ) -> Result<Digest, CatalogueError> {
        let key = self.run_key(run)?.join(&format!("{ARTIFACTS}/{name}.zst.age"))?;
        match self.put_sealed(run, &key, plain, recipients, options).await {
            // A try before this one stored it, and was interrupted: both are kept.
            Err(CatalogueError::Store(StoreError::Exists { .. })) => {
                let again = format!(
                    "{ARTIFACTS}/{name}.{}.zst.age",
                    PointId::new(jiff::Timestamp::now(), rand::random())
                );
                let key = self.run_key(run)?.join(&again)?;
                Ok(self.put_sealed(run, &key, plain, recipients, options).await?.1)
            }
            put => Ok(put?.1),
        }
    }

    /// Does the store answer?
    ///
    /// # Errors
    /// When it does not.
    pub async fn runs_can_be_read(&self) -> Result<(), CatalogueError> {
        self.store.children(Some(&Key::runs(&self.cluster)?)).await?;
        Ok(())
    }

    /// Stores a run's plan.
    ///
    /// # Errors
    /// When the store does not take it.
    pub async fn put_plan(&self, run: &PointId, plan: Vec<u8>) -> Result<(), CatalogueError> {
        match self.store.put(&self.run_key(run)?.join(PLAN)?, store::body(plan)).await {
            Err(StoreError::Exists { .. }) => Ok(()),
            put => Ok(put.map(drop)?),
        }
    }

    /// A run's plan.
    ///
    /// # Errors
    /// When there is none.
    pub async fn plan_of(&self, run: &PointId) -> Result<Vec<u8>, CatalogueError> {
        Ok(read_all(self.store.as_ref(), &self.run_key(run)?.join(PLAN)?, LIMIT).await?)
    }

    /// Stores a record of a run with the journal as it was then; its signature first: the record is there when this returns.
    ///
    /// # Errors
    /// When the store does not take it.
    pub async fn record_run(
        &self,
        record: &RunRecord,
        journal: Vec<u8>,
        signer: Option<&Signer>,
    ) -> Result<(), CatalogueError> {
        let place = self.run_key(&record.run)?.join(RECORDS)?;
        self.store.put(&place.join(&format!("{}.jsonl", record.id))?, store::body(journal)).await?;
        let key = place.join(&format!("{}.json", record.id))?;
        self.put_signed(&key, record.to_bytes()?, signer, &self.run_comment(&record.run)).await
    }

    /// All runs, oldest first.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn runs(&self) -> Result<Vec<Run>, CatalogueError> {
        let names = self.store.children(Some(&Key::runs(&self.cluster)?)).await?;
        let ids: Vec<PointId> = names.iter().filter_map(|name| name.parse().ok()).collect();
        let reads = ids.into_iter().map(|id| async move { self.run(&id).await });
        stream::iter(reads).buffered(AT_ONCE).try_collect().await
    }

    /// The run that `wanted` means: `latest`, an id, or the beginning of one. Of runs that were planned in the same second the latest is
    /// the one that began last, if the records of all of them tell.
    ///
    /// # Errors
    /// When there is none, or there are several.
    pub async fn find_run(&self, wanted: &str) -> Result<PointId, CatalogueError> {
        let names = self.store.children(Some(&Key::runs(&self.cluster)?)).await?;
        let mut ids: Vec<PointId> = names.iter().filter_map(|name| name.parse().ok()).collect();
        match (wanted, ids.last().map(PointId::time)) {
            ("latest", Some(newest)) => ids.retain(|id| id.time() == newest),
            _ => ids.retain(|id| id.as_str().starts_with(wanted)),
        }
        if wanted == "latest"
            && ids.len() > 1
            && let Some(last) = self.began_last(&ids).await?
        {
            return Ok(last);
        }
        match ids.len() {
            0 => Err(CatalogueError::NoRun {
                wanted: wanted.to_owned(),
                cluster: self.cluster.clone(),
                store: self.store.url().to_owned(),
            }),
            1 => Ok(ids.swap_remove(0)),
            _ => {
                let candidates = ids.iter().map(PointId::as_str).collect::<Vec<_>>().join(", ");
                Err(CatalogueError::Ambiguous { wanted: wanted.to_owned(), candidates })
            }
        }
    }

    /// The one of these that began last, where the records of all of them tell.
    async fn began_last(&self, ids: &[PointId]) -> Result<Option<PointId>, CatalogueError> {
        let mut began = Vec::new();
        for id in ids {
            let Some(Ok(record)) = self.run(id).await?.record else { return Ok(None) };
            began.push((record.began, id));
        }
        began.sort();
        Ok(match began[..] {
            [.., (before, _), (last, id)] if before < last => Some(id.clone()),
            _ => None,
        })
    }

    /// One run.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn run(&self, id: &PointId) -> Result<Run, CatalogueError> {
        let place = self.run_key(id)?.join(RECORDS)?;
        let objects = self.store.list(&place).await?;
        let names = objects.iter().filter_map(|it| it.key.segments().last()?.strip_suffix(".json"));
        let mut records: Vec<PointId> = names.filter_map(|name| name.parse().ok()).collect();
        records.sort();
        let newest = records.last().map(PointId::time);
        let mut found = Run { id: id.clone(), record: None, signature: Signature::NotChecked };
        // Of those of one second the names do not tell which is the newest.
        for record in records.iter().filter(|record| Some(record.time()) == newest) {
            let Some(run) = self.read_run(id, &place.join(&format!("{record}.json"))?).await? else {
                continue;
            };
            let at = |run: &Run| run.record.as_ref().and_then(|it| it.as_ref().ok()).map(|it| it.at);
            if found.record.is_none() || at(&run) >= at(&found) {
                found = run;
            }
        }
        Ok(found)
    }

    async fn read_run(&self, id: &PointId, key: &Key) -> Result<Option<Run>, CatalogueError> {
        let read = self.read_signed(key, &self.run_comment(id)).await?;
        let Some((bytes, signature)) = read else { return Ok(None) };
        let record = bytes.and_then(|bytes| RunRecord::parse(&bytes).map_err(|e| e.to_string()));
        let record = record.and_then(|record| match record.run == *id && record.cluster == self.cluster {
            true => Ok(record),
            false => Err("it says of itself that it belongs elsewhere".to_owned()),
        });
        Ok(Some(Run { id: id.clone(), record: Some(record), signature }))
    }

    /// The journal that belongs to a record.
    ///
    /// # Errors
    /// When it is not there, or not the one that the record was signed over.
    pub async fn journal_of(&self, record: &RunRecord) -> Result<Vec<u8>, CatalogueError> {
        use sha2::Digest as _;
        let key = self.run_key(&record.run)?.join(&format!("{RECORDS}/{}.jsonl", record.id))?;
        let bytes = read_all(self.store.as_ref(), &key, LIMIT).await?;
        if Digest::from(sha2::Sha256::digest(&bytes)) != record.journal_sha256 {
            let reason = "the journal's SHA-256 is not the one that was signed".to_owned();
            return Err(CatalogueError::Evidence { id: record.run.to_string(), reason });
        }
        Ok(bytes)
    }

    /// Stores what somebody says about a run.
    ///
    /// # Errors
    /// When the store does not take it.
    pub async fn put_statement(&self, run: &PointId, id: &PointId, said: Said) -> Result<(), CatalogueError> {
        let key = self.run_key(run)?.join(&format!("{APPROVALS}/{id}.json"))?;
        self.store.put(&signature_of(&key)?, store::body(said.signature)).await?;
        self.store.put(&key, store::body(said.bytes)).await?;
        Ok(())
    }

    /// What people say about a run, oldest first.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn statements(&self, run: &PointId) -> Result<Vec<Said>, CatalogueError> {
        let place = self.run_key(run)?.join(APPROVALS)?;
        let mut found = Vec::new();
        for object in self.store.list(&place).await? {
            if !object.key.as_str().ends_with(".json") {
                continue;
            }
            let bytes = read_all(self.store.as_ref(), &object.key, 1 << 20).await?;
            match read_all(self.store.as_ref(), &signature_of(&object.key)?, 1 << 20).await {
                Ok(signature) => found.push(Said { bytes, signature }),
                Err(StoreError::NotFound { .. }) => {}
                Err(e) => return Err(e.into()),
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
#[path = "runs_tests.rs"]
mod tests;
