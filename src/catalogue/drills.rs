//! The evidence of drills, beside the recovery points: `<cluster>/drills/<id>/`. As with a recovery point, what makes a
//! drill exist is written last and nothing is changed afterwards; what is said of it later is a note of its own.

use super::{AT_ONCE, Author, Catalogue, CatalogueError, Signature};
use crate::{
    pipeline::{Identities, Origin, Recipients, SealOptions, Signer, open, seal},
    point::{Details, Digest, DrillNote, Evidence, Key, PointId},
    store::{self, StoreError, read_all},
};
use futures_util::{StreamExt, TryStreamExt, stream};
use sha2::{Digest as _, Sha256};
use std::{
    io::{self, Read},
    sync::Arc,
};

/// The evidence's file.
pub const EVIDENCE: &str = "evidence.json";
/// The file with the sealed details.
pub const DETAILS: &str = "details.json.zst.age";
pub(super) const NOTES: &str = "notes";
/// Evidence of thousands of findings is far smaller.
const LIMIT: u64 = 16 << 20;
/// Opened details are no larger.
const DETAILS_LIMIT: u64 = 256 << 20;

/// A drill as the store shows it.
#[derive(Debug, Clone)]
pub struct Drill {
    /// Its id.
    pub id: PointId,
    /// Its evidence, or why that cannot be read.
    pub evidence: Result<Evidence, String>,
    /// The signature over the evidence.
    pub signature: Signature,
}

/// What somebody noted about a drill, as the store shows it.
#[derive(Debug, Clone)]
pub struct Noted {
    /// The note's id.
    pub id: PointId,
    /// What it says, or why it cannot be read.
    pub note: Result<DrillNote, String>,
    /// Its signature.
    pub signature: Signature,
}

impl Drill {
    /// The evidence, if it can be read and its signature does not fail.
    ///
    /// # Errors
    /// When it cannot, or fails.
    pub fn trusted(&self) -> Result<&Evidence, CatalogueError> {
        let refused =
            |reason: &str| CatalogueError::Evidence { id: self.id.to_string(), reason: reason.into() };
        if let Signature::Bad(reason) = &self.signature {
            return Err(refused(reason));
        }
        self.evidence.as_ref().map_err(|reason| refused(reason))
    }
}

impl Noted {
    /// The note, if it can be read and its signature does not fail.
    ///
    /// # Errors
    /// When it cannot, or fails.
    pub fn trusted(&self) -> Result<&DrillNote, CatalogueError> {
        let refused =
            |reason: &str| CatalogueError::Evidence { id: self.id.to_string(), reason: reason.into() };
        if let Signature::Bad(reason) = &self.signature {
            return Err(refused(reason));
        }
        self.note.as_ref().map_err(|reason| refused(reason))
    }
}

impl Catalogue {
    /// Seals the details of a drill and stores them; to be named by the evidence that comes after.
    ///
    /// # Errors
    /// When they cannot be sealed, or the store does not take them.
    pub async fn put_drill_details(
        &self,
        drill: &PointId,
        plain: &[u8],
        recipients: &Recipients,
        options: SealOptions,
    ) -> Result<Details, CatalogueError> {
        let key = Key::drill(&self.cluster, drill)?.join(DETAILS)?;
        let (stored_bytes, stored_sha256) = self.put_sealed(drill, &key, plain, recipients, options).await?;
        Ok(Details { key: DETAILS.to_owned(), stored_bytes, stored_sha256 })
    }

    /// Seals what belongs to a drill or a run, and stores it. Gives how many bytes are stored, and their digest.
    pub(super) async fn put_sealed(
        &self,
        of: &PointId,
        key: &Key,
        plain: &[u8],
        recipients: &Recipients,
        options: SealOptions,
    ) -> Result<(u64, Digest), CatalogueError> {
        let (mut feed, sealed, sealing) = seal(recipients, options);
        let feeding = async {
            feed.write(plain).await?;
            feed.finish().await
        };
        let collecting = sealed.try_fold(Vec::new(), |mut all, part| async move {
            all.extend_from_slice(&part);
            Ok(all)
        });
        let (fed, stored) = futures_util::future::join(feeding, collecting).await;
        let failed = |source| CatalogueError::Details { id: of.to_string(), source };
        fed.map_err(failed)?;
        let sums = sealing.result().await.map_err(failed)?;
        let stored = stored.map_err(|e| failed(e.into()))?;
        self.store.put(key, store::body(stored)).await?;
        Ok((sums.stored_bytes, sums.stored_sha256))
    }

    /// Opens the details of a drill.
    ///
    /// # Errors
    /// When there are none, they are not those that the evidence names, or no identity opens them.
    pub async fn drill_details(
        &self,
        evidence: &Evidence,
        identities: Arc<Identities>,
    ) -> Result<Vec<u8>, CatalogueError> {
        let refused =
            |reason: &str| CatalogueError::Evidence { id: evidence.id.to_string(), reason: reason.into() };
        let details = evidence.details.as_ref().ok_or_else(|| refused("it has no details"))?;
        let key = Key::drill(&self.cluster, &evidence.id)?.join(DETAILS)?;
        let stored = read_all(self.store.as_ref(), &key, LIMIT).await?;
        if details.stored_sha256 != Sha256::digest(&stored).into() {
            return Err(refused("the SHA-256 of the sealed details is not the one that it names"));
        }
        let origin = Origin::new(store::body(stored), &tokio::runtime::Handle::current());
        let (mut reader, writer) = io::pipe().map_err(CatalogueError::Temporary)?;
        let opening = tokio::task::spawn_blocking(move || open(origin, &identities, DETAILS_LIMIT, writer));
        let reading = tokio::task::spawn_blocking(move || {
            let mut plain = Vec::new();
            reader.read_to_end(&mut plain).map(|_| plain)
        });
        let failed = |source| CatalogueError::Details { id: evidence.id.to_string(), source };
        let opened = opening.await.map_err(|_| CatalogueError::Stopped)?.map_err(failed)?;
        opened.plain.map_err(failed)?;
        reading.await.map_err(|_| CatalogueError::Stopped)?.map_err(CatalogueError::Temporary)
    }

    /// Stores the evidence of a drill, its signature first: the drill is there when this returns, and not before.
    ///
    /// # Errors
    /// When the store does not take it.
    pub async fn record_drill(
        &self,
        evidence: &Evidence,
        signer: Option<&Signer>,
    ) -> Result<(), CatalogueError> {
        let at = Key::drill(&self.cluster, &evidence.id)?;
        self.put_signed(&at.join(EVIDENCE)?, evidence.to_bytes()?, signer, &self.drill_comment(&evidence.id))
            .await
    }

    /// Stores a note about a drill.
    ///
    /// # Errors
    /// Without a signing key where signatures are checked; when the store does not take it.
    pub async fn note_drill(&self, note: &DrillNote, author: Author<'_>) -> Result<(), CatalogueError> {
        if self.checks_signatures() && author.signer.is_none() {
            return Err(CatalogueError::Unsigned { family: "drills" });
        }
        let at = Key::drill(&self.cluster, &note.drill)?.join(NOTES)?.join(&format!("{}.json", note.id))?;
        let comment = format!("{} {}", self.drill_comment(&note.drill), note.id);
        self.put_signed(&at, note.to_bytes()?, author.signer, &comment).await
    }

    pub(super) async fn put_signed(
        &self,
        key: &Key,
        bytes: Vec<u8>,
        signer: Option<&Signer>,
        comment: &str,
    ) -> Result<(), CatalogueError> {
        if let Some(signer) = signer {
            let signature = signer.sign_record(&bytes, comment).map_err(CatalogueError::Signing)?;
            self.store.put(&signature_of(key)?, store::body(signature)).await?;
        }
        self.store.put(key, store::body(bytes)).await?;
        Ok(())
    }

    /// The comment that is signed along with a drill's evidence: it ties the signature to its place.
    pub fn drill_comment(&self, id: &PointId) -> String {
        format!("lifeboat {} drills {id}", self.cluster)
    }

    /// All drills, oldest first.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn drills(&self) -> Result<Vec<Drill>, CatalogueError> {
        let ids = self.drill_ids().await?;
        let reads = ids.into_iter().map(|id| async move { self.read_drill(id).await });
        let found: Vec<Option<Drill>> = stream::iter(reads).buffered(AT_ONCE).try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }

    /// The newest drills, newest first, back to the first one of which `enough` is true.
    pub(super) async fn drills_back_to(
        &self,
        enough: impl Fn(&Drill) -> bool,
    ) -> Result<Vec<Drill>, CatalogueError> {
        let mut found = Vec::new();
        for id in self.drill_ids().await?.into_iter().rev() {
            let Some(drill) = self.read_drill(id).await? else { continue };
            let last = enough(&drill);
            found.push(drill);
            if last {
                break;
            }
        }
        Ok(found)
    }

    async fn drill_ids(&self) -> Result<Vec<PointId>, CatalogueError> {
        let names = self.store.children(Some(&Key::drills(&self.cluster)?)).await?;
        Ok(names.iter().filter_map(|name| name.parse().ok()).collect())
    }

    /// The drill that `wanted` means: `latest`, an id, or the beginning of one.
    ///
    /// # Errors
    /// When there is none, or there are several.
    pub async fn drill(&self, wanted: &str) -> Result<Drill, CatalogueError> {
        let mut found = Vec::new();
        for id in self.drill_ids().await?.into_iter().rev() {
            if wanted != "latest" && !id.as_str().starts_with(wanted) {
                continue;
            }
            found.extend(self.read_drill(id).await?);
            if wanted == "latest" && !found.is_empty() {
                break;
            }
        }
        match found.len() {
            0 => Err(CatalogueError::NoDrill {
                wanted: wanted.to_owned(),
                cluster: self.cluster.clone(),
                store: self.store.url().to_owned(),
            }),
            1 => Ok(found.swap_remove(0)),
            _ => {
                let ids: Vec<&str> = found.iter().map(|drill| drill.id.as_str()).collect();
                Err(CatalogueError::Ambiguous { wanted: wanted.to_owned(), candidates: ids.join(", ") })
            }
        }
    }

    /// A drill without evidence never came to its end, and is none.
    async fn read_drill(&self, id: PointId) -> Result<Option<Drill>, CatalogueError> {
        let key = Key::drill(&self.cluster, &id)?.join(EVIDENCE)?;
        let Some((bytes, signature)) = self.read_signed(&key, &self.drill_comment(&id)).await? else {
            return Ok(None);
        };
        let evidence = bytes.and_then(|bytes| Evidence::parse(&bytes).map_err(|e| e.to_string()));
        let evidence =
            evidence.and_then(|evidence| match evidence.id == id && evidence.cluster == self.cluster {
                true => Ok(evidence),
                false => Err("it says of itself that it belongs elsewhere".to_owned()),
            });
        Ok(Some(Drill { id, evidence, signature }))
    }

    /// What was noted about a drill, oldest first.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn drill_notes(&self, drill: &PointId) -> Result<Vec<Noted>, CatalogueError> {
        let place = Key::drill(&self.cluster, drill)?.join(NOTES)?;
        let mut found = Vec::new();
        for object in self.store.list(&place).await? {
            let name = object.key.segments().last().and_then(|name| name.strip_suffix(".json"));
            let Some(id) = name.and_then(|name| name.parse::<PointId>().ok()) else { continue };
            let comment = format!("{} {id}", self.drill_comment(drill));
            let Some((bytes, signature)) = self.read_signed(&object.key, &comment).await? else { continue };
            let note = bytes.and_then(|bytes| DrillNote::parse(&bytes).map_err(|e| e.to_string()));
            let note = note.and_then(|note| match note.id == id && note.drill == *drill {
                true => Ok(note),
                false => Err("it says of itself that it belongs elsewhere".to_owned()),
            });
            found.push(Noted { id, note, signature });
        }
        Ok(found)
    }

    pub(super) async fn read_signed(
        &self,
        key: &Key,
        comment: &str,
    ) -> Result<Option<(Result<Vec<u8>, String>, Signature)>, CatalogueError> {
        let bytes = match read_all(self.store.as_ref(), key, LIMIT).await {
            Ok(bytes) => bytes,
            Err(StoreError::NotFound { .. }) => return Ok(None),
            // One that cannot be read must not hide the others.
            Err(e @ StoreError::TooLarge { .. }) => {
                return Ok(Some((Err(e.to_string()), Signature::NotChecked)));
            }
            Err(e) => return Err(e.into()),
        };
        let signature = self.signature_at(&signature_of(key)?).await?;
        let signature = match self.verifier() {
            None => signature.map_or_else(|why| Signature::Bad(why.into()), |_| Signature::NotChecked),
            Some(verifier) => {
                Signature::of(signature, |signature| verifier.verify_record(&bytes, signature, comment))
            }
        };
        Ok(Some((Ok(bytes), signature)))
    }
}

pub(super) fn signature_of(key: &Key) -> Result<Key, CatalogueError> {
    Ok(Key::new(format!("{key}.minisig"))?)
}
