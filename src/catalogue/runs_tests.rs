use super::*;
use crate::{
    point::{FormatVersion, ToolFacts},
    store::FileStore,
};
use jiff::Timestamp;
use std::sync::Arc;

fn record(run: &str, began: &str) -> RunRecord {
    let began: Timestamp = began.parse().unwrap();
    let digest = Digest::from([7; 32]);
    RunRecord {
        format: FormatVersion::CURRENT,
        id: PointId::new(began, rand::random()),
        run: run.parse().unwrap(),
        cluster: "c".to_owned(),
        playbook: "isolate".to_owned(),
        playbook_sha256: digest,
        plan_sha256: digest,
        journal_sha256: digest,
        journal_head: digest,
        entries: 1,
        by: "ops@cp1".to_owned(),
        tool: ToolFacts::current(),
        began,
        at: began,
        end: "stopped".to_owned(),
        over: false,
        waits_at: Some("gate".to_owned()),
        kept: Vec::new(),
    }
}

#[tokio::test]
async fn of_one_second_the_latest_is_the_one_that_began_last_and_nobody_where_that_is_not_known() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(FileStore::new(dir.path().to_owned(), "file:///store"));
    let catalogue = Catalogue::new(store, "c", None);
    let latest = async || catalogue.find_run("latest").await.map(|id| id.to_string());
    assert!(latest().await.unwrap_err().to_string().contains("latest"));
    let all = [
        ("20261129T045959Z-zzzz", "2026-11-29T05:00:00.900Z"),
        ("20261129T050000Z-mmmm", "2026-11-29T05:00:00.100Z"),
        ("20261129T050000Z-aaaa", "2026-11-29T05:00:00.700Z"),
        ("20261129T050000Z-nnnn", "2026-11-29T05:00:00.300Z"),
    ];
    for (run, began) in all {
        catalogue.record_run(&record(run, began), b"{}\n".to_vec(), None).await.unwrap();
    }
    assert_eq!(latest().await.unwrap(), "20261129T050000Z-aaaa");
    // One that began at the same instant, …
    catalogue.record_run(&record("20261129T050000Z-bbbb", all[2].1), b"{}\n".to_vec(), None).await.unwrap();
    assert!(latest().await.unwrap_err().to_string().contains("20261129T050000Z-bbbb"));
    // … which is no matter for one that was planned later, …
    let (run, began) = ("20261129T050001Z-aaaa", "2026-11-29T05:00:01Z");
    catalogue.record_run(&record(run, began), b"{}\n".to_vec(), None).await.unwrap();
    assert_eq!(latest().await.unwrap(), run);
    // … and one of its second of which there is only a plan yet.
    let begun: PointId = "20261129T050001Z-bbbb".parse().unwrap();
    catalogue.put_plan(&begun, b"{}".to_vec()).await.unwrap();
    assert!(latest().await.is_err());
    assert_eq!(catalogue.find_run("20261129T050001Z-b").await.unwrap(), begun);
}
