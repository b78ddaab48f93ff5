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
        [store.head(&key("c/points/a/x")).await.unwrap().unwrap()]
    );
    assert_eq!(store.children(Some(&key("c/points"))).await.unwrap(), ["a"]);
    let mode = |p: &str| fs::metadata(dir.path().join(p)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("store"), mode("store/c/points/a"), mode("store/c/points/a/x")), (0o700, 0o700, 0o600));
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
