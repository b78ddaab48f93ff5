//! One record, in the store: signature first, record last, nothing ever changed.

use super::{AT_ONCE, Author, Catalogue, CatalogueError, Recorded, Signature};
use crate::{
    pipeline::Signer,
    point::{Facts, Family, FormatVersion, Key, PointError, PointId, Record, ToolFacts},
    store::{self, StoreError, read_all},
};
use futures_util::{StreamExt, TryStreamExt, future, stream};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// The largest record has a hundred findings.
pub(super) const RECORD_LIMIT: u64 = 1 << 20;
/// So often another id is tried when one is taken.
const TRIES: usize = 8;

/// The ids of the records of one recovery point, by family, each oldest first.
pub(super) type Names = BTreeMap<Family, Vec<PointId>>;

impl Catalogue {
    /// Writes a record.
    pub(super) async fn append<T: Facts>(
        &self,
        point: &PointId,
        facts: T,
        author: Author<'_>,
        at: Timestamp,
    ) -> Result<Record<T>, CatalogueError> {
        let mut record = Record {
            format: FormatVersion::CURRENT,
            id: PointId::new(at, rand::random()),
            cluster: self.cluster.clone(),
            point: point.clone(),
            at,
            by: author.by.to_owned(),
            tool: ToolFacts::current(),
            facts,
        };
        let mut written = self.write(&record, author.signer).await;
        for _ in 0..TRIES {
            // Somebody else had the same second and the same four characters.
            let Err(CatalogueError::Store(StoreError::Exists { .. })) = written else { break };
            record.id = PointId::new(at, rand::random());
            written = self.write(&record, author.signer).await;
        }
        written.map(|()| record)
    }

    async fn write<T: Facts>(
        &self,
        record: &Record<T>,
        signer: Option<&Signer>,
    ) -> Result<(), CatalogueError> {
        let bytes = record.to_bytes()?;
        if let Some(signer) = signer {
            let comment = comment(&self.cluster, T::FAMILY, &record.point, &record.id);
            let signature = signer.sign_record(&bytes, &comment).map_err(CatalogueError::Signing)?;
            let key = Key::record_signature(&self.cluster, T::FAMILY, &record.point, &record.id)?;
            self.store.put(&key, store::body(signature)).await?;
        }
        let key = Key::record(&self.cluster, T::FAMILY, &record.point, &record.id)?;
        self.store.put(&key, store::body(bytes)).await?;
        Ok(())
    }

    /// The names of all records. What has another form of name was not put there by Lifeboat.
    pub(super) async fn record_names(&self) -> Result<BTreeMap<PointId, Names>, CatalogueError> {
        self.names_below(|family| Key::records(&self.cluster, family)).await
    }

    pub(super) async fn record_names_of(&self, point: &PointId) -> Result<Names, CatalogueError> {
        let mut names = self.names_below(|family| Key::records_of(&self.cluster, family, point)).await?;
        Ok(names.remove(point).unwrap_or_default())
    }

    async fn names_below(
        &self,
        prefix: impl Fn(Family) -> Result<Key, PointError>,
    ) -> Result<BTreeMap<PointId, Names>, CatalogueError> {
        let lists = Family::ALL.map(|family| (family, prefix(family))).map(|(family, prefix)| async move {
            Ok::<_, CatalogueError>((family, self.store.list(&prefix?).await?))
        });
        let mut names: BTreeMap<PointId, Names> = BTreeMap::new();
        for (family, objects) in future::try_join_all(lists).await? {
            for object in objects {
                if let Some((point, id)) = name(&object.key) {
                    names.entry(point).or_default().entry(family).or_default().push(id);
                }
            }
        }
        Ok(names)
    }

    pub(super) async fn read_all_records<T: Facts>(
        &self,
        point: &PointId,
        names: &Names,
    ) -> Result<Vec<Recorded<T>>, CatalogueError> {
        self.read_records(point, names, AT_ONCE).await
    }

    /// The same, so many at once.
    pub(super) async fn read_records<T: Facts>(
        &self,
        point: &PointId,
        names: &Names,
        at_once: usize,
    ) -> Result<Vec<Recorded<T>>, CatalogueError> {
        let ids = names.get(&T::FAMILY).map(Vec::as_slice).unwrap_or_default();
        // By value: of a closure over references the compiler does not see that it may move between threads.
        let reads = ids.iter().cloned().map(|id| async move { self.read_record(point, &id).await });
        let found: Vec<Option<Recorded<T>>> = stream::iter(reads).buffered(at_once).try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }

    /// Reads a record and its signature; nothing where it has gone meanwhile.
    pub(super) async fn read_record<T: Facts>(
        &self,
        point: &PointId,
        id: &PointId,
    ) -> Result<Option<Recorded<T>>, CatalogueError> {
        let key = Key::record(&self.cluster, T::FAMILY, point, id)?;
        let recorded =
            |record, signature| Recorded { point: point.clone(), id: id.clone(), record, signature };
        let bytes = match read_all(self.store.as_ref(), &key, RECORD_LIMIT).await {
            Ok(bytes) => bytes,
            Err(StoreError::NotFound { .. }) => return Ok(None),
            // One that cannot be read must not hide the others.
            Err(e) => return Ok(Some(recorded(Err(e.to_string()), Signature::NotChecked))),
        };
        let signature = self.record_signature::<T>(point, id, &bytes).await?;
        let record = Record::<T>::parse(&bytes).map_err(|e| e.to_string()).and_then(|record| {
            match record.id == *id && record.point == *point && record.cluster == self.cluster {
                true => Ok(record),
                false => Err("it says of itself that it belongs elsewhere".to_owned()),
            }
        });
        Ok(Some(recorded(record, signature)))
    }

    async fn record_signature<T: Facts>(
        &self,
        point: &PointId,
        id: &PointId,
        bytes: &[u8],
    ) -> Result<Signature, CatalogueError> {
        let Some(verifier) = self.verifier() else { return Ok(Signature::NotChecked) };
        let key = Key::record_signature(&self.cluster, T::FAMILY, point, id)?;
        let signature = match self.signature_at(&key).await {
            Ok(signature) => signature,
            Err(e) => return Ok(Signature::Bad(format!("its signature cannot be read: {e}"))),
        };
        let comment = comment(&self.cluster, T::FAMILY, point, id);
        Ok(Signature::of(signature, |signature| verifier.verify_record(bytes, signature, &comment)))
    }
}

/// The comment that is signed along with a record: it ties the signature to its place.
fn comment(cluster: &str, family: Family, point: &PointId, id: &PointId) -> String {
    format!("lifeboat {cluster} {family} {point} {id}")
}

/// The recovery point and the record that a key names.
fn name(key: &Key) -> Option<(PointId, PointId)> {
    let mut segments = key.segments().skip(2);
    let (point, file) = (segments.next()?, segments.next()?);
    if segments.next().is_some() {
        return None;
    }
    Some((point.parse().ok()?, file.strip_suffix(".json")?.parse().ok()?))
}
