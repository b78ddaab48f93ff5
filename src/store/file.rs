//! A directory as a store, and the default: temporary file, fsync, rename that replaces nothing, fsync of the directory.

use super::{Body, Meta, Object, Promises, Store, StoreError, Stored};
use crate::point::Key;
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;
use rustix::fs::{self as sys, RenameFlags};
use std::{
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom, Write},
    ops::Range,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};
use tokio::sync::mpsc;

const CHUNK: usize = 1 << 20;
/// What was written goes to the disk after this many bytes, so that the last fsync has little left to wait for.
const SYNC: usize = 16 << 20;
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
        let writing = tokio::task::spawn_blocking(move || write(&root, &path, receive));
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
            if let Err(e) = read(file, range, &send) {
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
            Ok(meta) => Ok(meta.is_file().then_some(meta.len())),
            Err(e) if is_absent(&e) => Ok(None),
            Err(e) => Err(e),
        });
        Ok(found.await?.map(|bytes| Meta { key: key.clone(), bytes }))
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

fn write(root: &Path, path: &Path, chunks: mpsc::Receiver<Option<Bytes>>) -> io::Result<u64> {
    let dir = path.parent().unwrap_or(root);
    let written = write_in(dir, path, chunks);
    if written.is_err() {
        // An empty directory means nothing here; one that is in use stays.
        let _ = fs::remove_dir(dir);
    }
    written
}

/// Makes a temporary file; again when its directory goes away meanwhile, because another write into it failed.
fn temporary(dir: &Path) -> io::Result<tempfile::NamedTempFile> {
    let make = || {
        make_dirs(dir)?;
        tempfile::Builder::new()
            .prefix(TEMPORARY)
            .make_in(dir, |p| File::options().write(true).create_new(true).mode(0o600).open(p))
    };
    make().or_else(|e| if is_absent(&e) { make() } else { Err(e) })
}

fn write_in(dir: &Path, path: &Path, mut chunks: mpsc::Receiver<Option<Bytes>>) -> io::Result<u64> {
    let mut file = temporary(dir)?;
    let (mut bytes, mut unsynced) = (0, 0);
    loop {
        match chunks.blocking_recv() {
            Some(Some(chunk)) => {
                file.write_all(&chunk)?;
                bytes += chunk.len() as u64;
                unsynced += chunk.len();
                if unsynced >= SYNC {
                    file.as_file().sync_data()?;
                    unsynced = 0;
                }
            }
            Some(None) => break,
            None => {
                return Err(io::Error::new(io::ErrorKind::Interrupted, "the object was not sent to its end"));
            }
        }
    }
    file.as_file().sync_all()?;
    match sys::renameat_with(sys::CWD, file.path(), sys::CWD, path, RenameFlags::NOREPLACE) {
        Ok(()) => {
            // The name is gone by now; the guard must not remove what another writer may put there.
            let _ = file.into_temp_path().keep();
        }
        // A file system without that flag: a hard link does not replace either.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => fs::hard_link(file.path(), path)?,
        Err(e) => return Err(e.into()),
    }
    sync_dir(dir)?;
    fs::metadata(path).map(|m| m.len()).and_then(|there| {
        if there == bytes {
            Ok(bytes)
        } else {
            Err(io::Error::other(format!("{there} of {bytes} bytes are there")))
        }
    })
}

fn read(mut file: File, range: Option<Range<u64>>, to: &mpsc::Sender<io::Result<Bytes>>) -> io::Result<()> {
    let range = range.unwrap_or(0..u64::MAX);
    file.seek(SeekFrom::Start(range.start))?;
    let mut left = range.end.saturating_sub(range.start);
    while left > 0 {
        let want = left.min(CHUNK as u64);
        let mut chunk = Vec::with_capacity(want as usize);
        let n = (&mut file).take(want).read_to_end(&mut chunk)?;
        if n == 0 || to.blocking_send(Ok(chunk.into())).is_err() {
            break;
        }
        left -= n as u64;
    }
    Ok(())
}

/// Makes what is missing of `dir`, and makes each new name durable in its parent.
fn make_dirs(dir: &Path) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    if let Some(parent) = dir.parent() {
        make_dirs(parent)?;
    }
    match fs::DirBuilder::new().mode(0o700).create(dir) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(e),
        _ => {}
    }
    dir.parent().map_or(Ok(()), sync_dir)
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
            Ok(meta) if meta.is_file() => found.push(Meta { key, bytes: meta.len() }),
            Ok(_) => {}
            Err(e) if is_absent(&e) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::{body, read_all};
    use super::*;
    use futures_util::stream;
    use std::os::unix::fs::PermissionsExt;

    fn key(text: &str) -> Key {
        Key::new(text).unwrap()
    }

    fn store() -> (tempfile::TempDir, FileStore) {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("store");
        (dir, FileStore::new(root.clone(), &format!("file://{}", root.display())))
    }

    #[tokio::test]
    async fn an_object_is_created_once_and_read_back() {
        let (dir, store) = store();
        let bytes: Vec<u8> = (0..3_000_000u32).map(|i| i as u8).collect();
        let put = store.put(&key("c/points/a/x"), body(bytes.clone())).await.unwrap();
        assert_eq!(put.bytes, bytes.len() as u64);
        assert_eq!(read_all(&store, &key("c/points/a/x"), u64::MAX).await.unwrap(), bytes);
        let again = store.put(&key("c/points/a/x"), body("other")).await;
        assert!(matches!(again, Err(StoreError::Exists { .. })), "{again:?}");
        assert_eq!(read_all(&store, &key("c/points/a/x"), u64::MAX).await.unwrap(), bytes);
        let part = store.get(&key("c/points/a/x"), Some(5..9)).await.unwrap();
        let part: Vec<_> = part.body.map(|c| c.unwrap()).collect().await;
        assert_eq!(part.concat(), &bytes[5..9]);
        assert_eq!(
            store.list(&key("c")).await.unwrap(),
            [Meta { key: key("c/points/a/x"), bytes: put.bytes }]
        );
        assert_eq!(store.children(Some(&key("c/points"))).await.unwrap(), ["a"]);
        let mode = |p: &str| fs::metadata(dir.path().join(p)).unwrap().permissions().mode() & 0o777;
        assert_eq!(
            (mode("store"), mode("store/c/points/a"), mode("store/c/points/a/x")),
            (0o700, 0o700, 0o600)
        );
        store.delete(&key("c/points/a/x")).await.unwrap();
        assert!(store.list(&key("c")).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_body_that_fails_leaves_nothing() {
        let (dir, store) = store();
        let broken = stream::iter([Ok(Bytes::from_static(b"half")), Err(io::Error::other("gone"))]);
        let put = store.put(&key("c/x"), Box::pin(broken)).await;
        assert!(matches!(put, Err(StoreError::Body(_))), "{put:?}");
        assert!(!dir.path().join("store/c").exists());
    }

    #[tokio::test]
    async fn of_two_writers_one_wins() {
        let (_dir, store) = store();
        let writes = (0..8).map(|i| {
            let store = store.clone();
            async move { store.put(&key("c/x"), body(vec![i; 100_000])).await.is_ok() }
        });
        let won = futures_util::future::join_all(writes).await;
        assert_eq!(won.iter().filter(|w| **w).count(), 1);
        let there = read_all(&store, &key("c/x"), u64::MAX).await.unwrap();
        assert_eq!(there, vec![won.iter().position(|w| *w).unwrap() as u8; 100_000]);
    }

    #[tokio::test]
    async fn links_and_foreign_names_are_not_followed() {
        let (dir, store) = store();
        store.put(&key("c/x"), body("x")).await.unwrap();
        let root = dir.path().join("store/c");
        std::os::unix::fs::symlink("/etc", root.join("etc")).unwrap();
        fs::write(root.join(".part-abc"), "left by a crash").unwrap();
        fs::write(root.join("with space"), "").unwrap();
        assert_eq!(store.list(&key("c")).await.unwrap().len(), 1);
    }
}
