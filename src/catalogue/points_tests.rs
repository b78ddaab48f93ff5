use super::*;
use crate::{
    point::{ClusterFacts, FormatVersion, Status, ToolFacts},
    store::{FileStore, body},
};
use jiff::Timestamp;

async fn put(store: &dyn Store, id: &str, at: &str) {
    let at: Timestamp = at.parse().unwrap();
    let manifest = Manifest {
        format: FormatVersion::CURRENT,
        id: id.parse().unwrap(),
        cluster: ClusterFacts { name: "c".into(), uid: None },
        tool: ToolFacts { name: "lifeboat".into(), version: "0".into() },
        job: String::new(),
        created_at: at,
        finished_at: at,
        status: Status::Completed,
        artifacts: Vec::new(),
        verified: Vec::new(),
        problems: Vec::new(),
        phases: Vec::new(),
    };
    let key = Key::manifest("c", &manifest.id).unwrap();
    store.put(&key, body(manifest.to_bytes().unwrap())).await.unwrap();
}

#[tokio::test]
async fn the_latest_of_one_second_is_the_one_begun_last() {
    let dir = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(FileStore::new(dir.path().to_owned(), "file:///s"));
    let catalogue = Catalogue::new(store.clone(), "c", None);
    let latest = async || catalogue.resolve("latest").await.unwrap().to_string();
    put(&*store, "20261123T084459Z-zzzz", "2026-11-23T08:44:59.9Z").await;
    put(&*store, "20261123T084500Z-mmmm", "2026-11-23T08:45:00.5Z").await;
    assert_eq!(latest().await, "20261123T084500Z-mmmm");
    put(&*store, "20261123T084500Z-aaaa", "2026-11-23T08:45:00.9Z").await;
    put(&*store, "20261123T084500Z-yyyy", "2026-11-23T08:45:00.1Z").await;
    assert_eq!(latest().await, "20261123T084500Z-aaaa");
    // What cannot be read is no match for what can; what has no manifest is no point.
    let damaged = Key::manifest("c", &"20261123T084500Z-zzzz".parse().unwrap()).unwrap();
    store.put(&damaged, body("{")).await.unwrap();
    let begun = Key::signature("c", &"20261123T084501Z-aaaa".parse().unwrap()).unwrap();
    store.put(&begun, body("x")).await.unwrap();
    assert_eq!(latest().await, "20261123T084500Z-aaaa");
    let listed = catalogue.list().await.unwrap();
    let tails: Vec<_> = listed.iter().map(|point| &point.id.as_str()[14..]).collect();
    assert_eq!(tails, ["9Z-zzzz", "0Z-zzzz", "0Z-yyyy", "0Z-mmmm", "0Z-aaaa"], "oldest first");
}
