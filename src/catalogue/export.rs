//! Reading an export: the archive and its index.

use super::{Catalogue, CatalogueError};
use crate::{
    pipeline::Identities,
    point::{ArtifactKind, Digest, Manifest, ObjectPlace, parse_object_path},
};
use serde::{Deserialize, Serialize};
use std::{
    io::{self, BufRead, BufReader, PipeReader, Read},
    sync::{Arc, Mutex, PoisonError},
};

/// One object never is as large as this: the API server refuses requests of more than a few MiB.
const OBJECT_LIMIT: u64 = 64 << 20;

/// One line of an export's index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IndexLine {
    /// Its place in the archive.
    pub path: String,
    /// Its UID.
    pub uid: String,
    /// Its resourceVersion.
    pub resource_version: String,
    /// Bytes of its JSON.
    pub size: u64,
    /// SHA-256 of its JSON.
    pub sha256: Digest,
}

/// Calls `visit` for every object of an archive, in its order, with its path, its place and its JSON.
///
/// # Errors
/// In words, when the archive is not one that lifeboat writes: an entry that is no regular file, a path that is not an
/// object's (one that tries to leave its directory is none), an object that is too large; or what `visit` returns.
pub fn each_entry<R: Read>(
    archive: R,
    mut visit: impl FnMut(&str, ObjectPlace, &[u8]) -> Result<(), String>,
) -> Result<u64, String> {
    let mut archive = tar::Archive::new(archive);
    let mut count = 0;
    let mut json = Vec::new();
    let damaged = |e: io::Error| format!("the archive cannot be read: {e}");
    for entry in archive.entries().map_err(damaged)? {
        let mut entry = entry.map_err(damaged)?;
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if !entry.header().entry_type().is_file() {
            return Err(format!("the entry {path:?} is not a regular file: it is refused"));
        }
        let place = parse_object_path(&path)
            .ok_or_else(|| format!("the entry {path:?} is not the path of an object: it is refused"))?;
        if entry.size() > OBJECT_LIMIT {
            return Err(format!("the entry {path:?} announces {} bytes: it is refused", entry.size()));
        }
        json.clear();
        entry.read_to_end(&mut json).map_err(damaged)?;
        visit(&path, place, &json)?;
        count += 1;
    }
    Ok(count)
}

/// Reads one line of an index; `None` at its end.
pub(super) fn next_line<R: BufRead>(index: &mut R, buf: &mut Vec<u8>) -> Result<Option<IndexLine>, String> {
    buf.clear();
    let read =
        index.take(1 << 20).read_until(b'\n', buf).map_err(|e| format!("the index cannot be read: {e}"))?;
    if read == 0 {
        return Ok(None);
    }
    serde_json::from_slice(buf).map(Some).map_err(|e| format!("a line of the index is not one: {e}"))
}

impl Catalogue {
    /// Reads the index of a recovery point's export, line by line; nothing is kept. What `visit` was given must not be
    /// believed before this returns: the digests are compared at the end.
    ///
    /// # Errors
    /// When the point has no export, its index does not open, or it is not what was saved.
    pub async fn each_line(
        &self,
        manifest: &Manifest,
        identities: Arc<Identities>,
        mut visit: impl FnMut(IndexLine) + Send + 'static,
    ) -> Result<(), CatalogueError> {
        let read = move |plain: &mut PipeReader| {
            let mut lines = BufReader::with_capacity(1 << 16, plain);
            let mut buf = Vec::new();
            while let Some(line) = next_line(&mut lines, &mut buf)? {
                visit(line);
            }
            Ok(())
        };
        self.stream(manifest, &ArtifactKind::ResourcesIndex, identities, read).await
    }

    /// Reads a recovery point's export, object by object; nothing is kept. As for [`Catalogue::each_line`], and with the
    /// same errors.
    pub async fn each_object(
        &self,
        manifest: &Manifest,
        identities: Arc<Identities>,
        mut visit: impl FnMut(&str, ObjectPlace, &[u8]) + Send + 'static,
    ) -> Result<(), CatalogueError> {
        let read = move |plain: &mut PipeReader| {
            let archive = BufReader::with_capacity(1 << 16, plain);
            let visit = |path: &str, place, json: &[u8]| {
                visit(path, place, json);
                Ok(())
            };
            each_entry(archive, visit).map(drop)
        };
        self.stream(manifest, &ArtifactKind::Resources, identities, read).await
    }

    /// The JSON of one object of a recovery point's export, by its path; none when it is not there. All of the archive is
    /// verified before.
    ///
    /// # Errors
    /// Those of [`Catalogue::each_object`].
    pub async fn object(
        &self,
        manifest: &Manifest,
        identities: Arc<Identities>,
        path: &str,
    ) -> Result<Option<Vec<u8>>, CatalogueError> {
        let found = Arc::new(Mutex::new(None));
        let (keep, wanted) = (found.clone(), path.to_owned());
        let take = move |path: &str, _, json: &[u8]| {
            if path == wanted {
                *keep.lock().unwrap_or_else(PoisonError::into_inner) = Some(json.to_vec());
            }
        };
        self.each_object(manifest, identities, take).await?;
        Ok(found.lock().unwrap_or_else(PoisonError::into_inner).take())
    }

    /// Opens an artifact into a pipe, which `read` empties meanwhile.
    async fn stream(
        &self,
        manifest: &Manifest,
        kind: &ArtifactKind,
        identities: Arc<Identities>,
        read: impl FnOnce(&mut PipeReader) -> Result<(), String> + Send + 'static,
    ) -> Result<(), CatalogueError> {
        let (mut reader, writer) = io::pipe().map_err(CatalogueError::Temporary)?;
        let reading = tokio::task::spawn_blocking(move || {
            let result = read(&mut reader);
            // To the end, so that the digests cover everything: what is damaged is explained best by them.
            io::copy(&mut reader, &mut io::sink()).map_err(|e| e.to_string()).and(result)
        });
        self.open(manifest, kind, identities, writer).await?;
        let result = reading.await.unwrap_or_else(|e| Err(e.to_string()));
        result.map_err(|reason| CatalogueError::Damaged {
            id: manifest.id.to_string(),
            artifact: kind.to_string(),
            reason,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::{TAR_END, tar_header, tar_padding};

    fn archive(path: &str, text: &str) -> Vec<u8> {
        let size = text.len() as u64;
        [&tar_header(path, size, 0).unwrap()[..], text.as_bytes(), &tar_padding(size), TAR_END].concat()
    }

    #[test]
    fn an_entry_that_is_not_an_objects_is_refused() {
        let good = archive("core/v1/pods/a/b.json", "{}");
        assert_eq!(each_entry(good.as_slice(), |_, _, _| Ok(())), Ok(1));
        for bad in ["core/v1/pods/a/b.txt", "b.json", "core/v1/pods/a/b/c.json", "core/v1/%2e%2e/a/b.json"] {
            assert!(each_entry(archive(bad, "{}").as_slice(), |_, _, _| Ok(())).is_err(), "{bad}");
        }
        let mut escaping = archive("aa/v1/pods/a/b.json", "{}");
        escaping[..2].copy_from_slice(b"..");
        assert!(each_entry(escaping.as_slice(), |_, _, _| Ok(())).is_err());
        let mut link = tar::Header::new_gnu();
        link.set_path("core/v1/pods/a/b.json").unwrap();
        link.set_entry_type(tar::EntryType::Symlink);
        link.set_link_name("/etc/passwd").unwrap();
        link.set_size(0);
        link.set_cksum();
        assert!(each_entry([link.as_bytes(), &TAR_END[..]].concat().as_slice(), |_, _, _| Ok(())).is_err());
    }
}
