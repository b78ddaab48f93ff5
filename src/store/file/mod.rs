//! A directory as a store, and the default: temporary file, fsync, rename that replaces nothing, fsync of the directory.

mod leftovers;
mod transfer;

use super::{Body, Meta, Object, Promises, Store, StoreError, Stored, Unfinished};
use crate::point::Key;
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;
use jiff::Timestamp;
use rustix::fs as sys;
use std::{
    fs::{self, File},
    io,
    ops::Range,
    path::{Path, PathBuf},
};
use tokio::sync::mpsc;

const TEMPORARY: &str = ".part-";

/// A directory as a store. Directories are made with mode 0700, files with 0600.
#[derive(Debug, Clone)]
pub struct FileStore {
    root: PathBuf,
    url: String,
}

impl FileStore {
    /// A store in `root`, which is made when something is first written to it.
    pub fn new(root: PathBuf, url: &str) -> Self {
        FileStore { root, url: url.trim_end_matches('/').to_owned() }
    }

    fn path(&self, key: &Key) -> PathBuf {
        key.segments().fold(self.root.clone(), |path, segment| path.join(segment))
    }

    async fn blocking<T: Send + 'static>(
        &self,
        action: &'static str,
        key: &str,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let done = tokio::task::spawn_blocking(work).await.unwrap_or_else(|e| Err(io::Error::other(e)));
        done.map_err(|e| StoreError::io(action, &self.url, key, e))
    }
}

#[async_trait]
impl Store for FileStore {
    fn url(&self) -> &str {
        &self.url
    }

    async fn put(&self, key: &Key, mut body: Body) -> Result<Stored, StoreError> {
        let (send, receive) = mpsc::channel::<Option<Bytes>>(2);
        let (root, path) = (self.root.clone(), self.path(key));
        let writing = tokio::task::spawn_blocking(move || transfer::write(&root, &path, receive));
        let mut broken = None;
        loop {
            let chunk = match body.next().await {
                Some(Ok(chunk)) => Some(chunk),
                Some(Err(e)) => {
                    broken = Some(e);
                    break;
                }
                None => None,
            };
            let last = chunk.is_none();
            // A writer that went away has its own reason, which is the one to report.
            if send.send(chunk).await.is_err() || last {
                break;
            }
        }
        drop(send);
        let written = writing.await.unwrap_or_else(|e| Err(io::Error::other(e)));
        match (broken, written) {
            (Some(e), _) => Err(StoreError::Body(e)),
            (None, Ok(bytes)) => Ok(Stored { bytes, confirmed: None }),
            (None, Err(e)) => Err(StoreError::io("write", &self.url, key.as_str(), e)),
        }
    }

    async fn get(&self, key: &Key, range: Option<Range<u64>>) -> Result<Object, StoreError> {
        let path = self.path(key);
        let (file, bytes) = self
            .blocking("read", key.as_str(), move || {
                let file = File::open(&path)?;
                let meta = file.metadata()?;
                if meta.is_file() {
                    Ok((file, meta.len()))
                } else {
                    Err(io::Error::other("it is not a file"))
                }
            })
            .await?;
        let (send, receive) = mpsc::channel(2);
        tokio::task::spawn_blocking(move || {
            if let Err(e) = transfer::read(file, range, &send) {
                // Nobody listens any more when the reader has had enough.
                let _ = send.blocking_send(Err(e));
            }
        });
        let body = futures_util::stream::unfold(receive, |mut r| async { r.recv().await.map(|c| (c, r)) });
        Ok(Object { bytes, body: Box::pin(body) })
    }

    async fn head(&self, key: &Key) -> Result<Option<Meta>, StoreError> {
        let path = self.path(key);
        let found = self.blocking("look at", key.as_str(), move || match fs::metadata(&path) {
            Ok(meta) => Ok(meta.is_file().then(|| (meta.len(), changed(&meta)))),
            Err(e) if is_absent(&e) => Ok(None),
            Err(e) => Err(e),
        });
        Ok(found.await?.map(|(bytes, modified)| Meta { key: key.clone(), bytes, modified }))
    }

    async fn list(&self, prefix: &Key) -> Result<Vec<Meta>, StoreError> {
        let (path, at) = (self.path(prefix), prefix.clone());
        self.blocking("list", prefix.as_str(), move || {
            let mut found = Vec::new();
            walk(&path, &at, &mut found)?;
            found.sort_by(|a, b| a.key.cmp(&b.key));
            Ok(found)
        })
        .await
    }

    async fn children(&self, prefix: Option<&Key>) -> Result<Vec<String>, StoreError> {
        let path = prefix.map_or_else(|| self.root.clone(), |p| self.path(p));
        let name = prefix.map_or("the root", Key::as_str).to_owned();
        self.blocking("list", &name, move || {
            let mut names: Vec<String> =
                entries(&path)?.into_iter().filter(|(_, path)| path.is_dir()).map(|(name, _)| name).collect();
            names.sort();
            Ok(names)
        })
        .await
    }

    async fn delete(&self, key: &Key) -> Result<(), StoreError> {
        let path = self.path(key);
        self.blocking("delete", key.as_str(), move || {
            match fs::remove_file(&path) {
                Err(e) if !is_absent(&e) => return Err(e),
                _ => {}
            }
            if let Some(dir) = path.parent().filter(|d| d.is_dir()) {
                sync_dir(dir)?;
                // An empty directory means nothing here; one that is in use stays.
                let _ = fs::remove_dir(dir);
            }
            Ok(())
        })
        .await
    }

    async fn delete_many(&self, keys: &[Key]) -> Vec<(Key, StoreError)> {
        let each: Vec<(Key, PathBuf)> = keys.iter().map(|key| (key.clone(), self.path(key))).collect();
        let removed = tokio::task::spawn_blocking(move || leftovers::remove(each)).await;
        match removed {
            Ok(failed) => {
                let error = |(key, e): (Key, io::Error)| {
                    let error = StoreError::io("delete", &self.url, key.as_str(), e);
                    (key, error)
                };
                failed.into_iter().map(error).collect()
            }
            Err(e) => {
                let reason = e.to_string();
                let error = |key: &Key| {
                    StoreError::io("delete", &self.url, key.as_str(), io::Error::other(reason.clone()))
                };
                keys.iter().map(|key| (key.clone(), error(key))).collect()
            }
        }
    }

    async fn unfinished(&self, prefix: &Key) -> Result<Vec<Unfinished>, StoreError> {
        let (path, at) = (self.path(prefix), prefix.clone());
        self.blocking("list", prefix.as_str(), move || {
            let mut found = Vec::new();
            leftovers::find(&path, &at, &mut found)?;
            Ok(found)
        })
        .await
    }

    async fn abort(&self, unfinished: &Unfinished) -> Result<(), StoreError> {
        let (dir, left) = (self.path(&unfinished.at), unfinished.clone());
        self.blocking("delete", unfinished.at.as_str(), move || leftovers::abort(&dir, &left)).await
    }

    async fn promises(&self) -> Result<Promises, StoreError> {
        let root = self.root.clone();
        let free_bytes = self
            .blocking("look at", "the root", move || {
                let there = root.ancestors().find(|p| p.exists()).unwrap_or(Path::new("/"));
                let stat = sys::statvfs(there)?;
                Ok(Some(stat.f_bavail.saturating_mul(stat.f_frsize)))
            })
            .await?;
        let remarks =
            vec!["a directory protects against nothing that happens to its disk: copy it elsewhere".into()];
        Ok(Promises { conditional_create: true, durable: true, free_bytes, remarks })
    }
}

fn changed(meta: &fs::Metadata) -> Option<Timestamp> {
    Timestamp::try_from(meta.modified().ok()?).ok()
}

fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

fn is_absent(e: &io::Error) -> bool {
    matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// What stands in a directory, temporary files and names that are no part of a key left out.
fn entries(dir: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    let listing = match fs::read_dir(dir) {
        Err(e) if is_absent(&e) => return Ok(Vec::new()),
        other => other?,
    };
    let mut found = Vec::new();
    for entry in listing {
        let entry = entry?;
        if let Some(name) = entry.file_name().to_str().filter(|n| Key::new(*n).is_ok()) {
            found.push((name.to_owned(), entry.path()));
        }
    }
    Ok(found)
}

fn walk(dir: &Path, at: &Key, found: &mut Vec<Meta>) -> io::Result<()> {
    for (name, path) in entries(dir)? {
        let Ok(key) = at.join(&name) else { continue };
        // A symbolic link could lead out of the store: it is not followed.
        match fs::symlink_metadata(&path) {
            Ok(meta) if meta.is_dir() => walk(&path, &key, found)?,
            Ok(meta) if meta.is_file() => {
                found.push(Meta { key, bytes: meta.len(), modified: changed(&meta) });
            }
            Ok(_) => {}
            Err(e) if is_absent(&e) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
