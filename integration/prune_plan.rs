//! What `lifeboat prune` shows is what it does: kept recovery points stay whole, the others go, and nothing else is touched.

use crate::{
    boat::Lifeboat,
    lab::{LabDir, fill::points::days},
    saved::tree,
};
use anyhow::Result;
use jiff::{SignedDuration, Timestamp};
use lifeboat::{
    catalogue::{Author, Catalogue, Depth, verify},
    pipeline::{Signer, Verifier},
    point::{ArtifactKind, PointId, Status},
    store::FileStore,
};
use serde_json::Value;
use std::{collections::BTreeSet, fs, sync::Arc};

/// The ids that a plan lets go, and those that it keeps.
fn fates(plan: &Value) -> (BTreeSet<String>, BTreeSet<String>) {
    let points = plan["plan"]["points"].as_array().unwrap();
    let ids = |stay: bool| {
        let wanted = points.iter().filter(|p| p["kept"].as_array().unwrap().is_empty() != stay);
        wanted.map(|p| p["id"].as_str().unwrap().to_owned()).collect()
    };
    (ids(false), ids(true))
}

fn why(plan: &Value, id: &PointId) -> String {
    let points = plan["plan"]["points"].as_array().unwrap();
    let point = points.iter().find(|p| p["id"] == id.as_str()).unwrap();
    format!("{} {}", point["kept"], point["fell"])
}

fn ids(list: &Value) -> BTreeSet<String> {
    list.as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect()
}

/// A boat whose configuration has this retention.
async fn boat(lab: &LabDir, retention: &str) -> Result<Lifeboat> {
    let boat = Lifeboat::init(lab.path(), None, None).await?;
    if !retention.is_empty() {
        boat.edit(|text| format!("{text}\nretention: {{{retention}}}\n"))?;
    }
    Ok(boat)
}

/// Verifies a recovery point and records that.
async fn verified(boat: &Lifeboat, id: &PointId) -> Result<()> {
    let store = FileStore::new(boat.path("store"), "file:///store");
    let verifier = Verifier::new(&fs::read_to_string(boat.path("signing.pub"))?)?;
    let catalogue = Catalogue::new(Arc::new(store), "lab", Some(verifier));
    let signer = Signer::new(&fs::read_to_string(boat.path("signing.key"))?.into(), None)?;
    let (author, now) = (Author { by: "test", signer: Some(&signer) }, Timestamp::now());
    let verdict = verify(&catalogue, id, &Depth::Stored).await?;
    catalogue.record_verification(&verdict, now, now, author).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_plan_says_is_what_happens() -> Result<()> {
    let lab = LabDir::new()?;
    let boat = boat(&lab, "last: 3, daily: 4, monthly: 2, tags: [keep], maxDelete: 80%").await?;
    let maker = boat.maker("store")?;
    let mut points = Vec::new();
    for n in 0..40 {
        points.push(maker.ago(SignedDuration::from_hours(7 * (40 - n)))?);
    }
    // Of another job, of two halves, incomplete, not to be trusted, not to be read, of a later format; and another cluster's.
    let now = Timestamp::now();
    let other_job = maker.point("lab", now - days(90), |m| m.job = "weekly".into())?;
    let incomplete = maker.point("lab", now - days(9), |m| m.status = Status::PartiallyFailed)?;
    let newest_incomplete = maker.point("lab", now - SignedDuration::from_secs(60), |m| {
        m.status = Status::PartiallyFailed;
    })?;
    let forged = maker.ago(days(50))?;
    let manifest = maker.dir(&forged).join("manifest.json");
    fs::write(&manifest, fs::read_to_string(&manifest)?.replace("\"etcd\"", "\"etcd2\""))?;
    let unreadable = maker.ago(days(51))?;
    fs::write(maker.dir(&unreadable).join("manifest.json"), "{")?;
    let later = maker.ago(days(52))?;
    let text = fs::read_to_string(maker.dir(&later).join("manifest.json"))?;
    fs::write(maker.dir(&later).join("manifest.json"), text.replace("\"1.0\"", "\"2.0\""))?;
    let of_another = maker.point("another", now - days(300), |_| {})?;
    // Held and tagged, through the program.
    boat.run(&["hold", points[0].as_str(), "--reason", "the auditors"]).await.expect(0);
    boat.run(&["tag", points[1].as_str(), "keep"]).await.expect(0);
    boat.run(&["tag", points[2].as_str(), "other"]).await.expect(0);
    // A tag that nobody signed may be the damaged one of those that keep.
    boat.run(&["tag", points[4].as_str(), "other"]).await.expect(0);
    for file in fs::read_dir(boat.path("store/lab/tags").join(points[4].as_str()))? {
        let path = file?.path();
        if path.extension().is_some_and(|e| e == "minisig") {
            fs::remove_file(path)?;
        }
    }
    // Verified long ago, and nothing newer is.
    verified(&boat, &points[3]).await?;

    let before = tree(&boat.path("store"));
    let dry = boat.run(&["prune", "--dry-run", "-o", "json"]).await.expect(0).json();
    assert!(tree(&boat.path("store")) == before, "a dry run changed something");
    let (going, staying) = fates(&dry);
    let said = |id: &PointId| why(&dry, id);
    for (id, word) in [
        (&other_job, "newestComplete"),
        (&newest_incomplete, "noneCompleteSince"),
        (&forged, "signature does not hold"),
        (&unreadable, "notUnderstood"),
        (&later, "notUnderstood"),
        (&points[0], "the auditors"),
        (&points[1], "tagged"),
        (&points[3], "newestVerified"),
        (&points[4], "record of its tags cannot be trusted"),
        (&points[39], "\"of\":3"),
    ] {
        assert!(staying.contains(id.as_str()) && said(id).contains(word), "{word}: {}", said(id));
    }
    assert!(going.contains(incomplete.as_str()) && said(&incomplete).contains("incomplete"), "{dry}");
    assert!(going.contains(points[2].as_str()), "{dry}");
    assert!(!dry.to_string().contains(of_another.as_str()));
    assert!(going.len() > 25 && dry["done"].is_null(), "{dry}");
    let table = boat.run(&["prune", "--dry-run"]).await.expect(0).stdout;
    assert!(table.contains("would go") && table.contains("held: the auditors"), "{table}");
    assert!(table.contains("stands for it") && table.contains("would be freed"), "{table}");

    let ran = boat.run(&["prune", "-o", "json"]).await.expect(0).json();
    assert_eq!(fates(&ran), (going.clone(), staying.clone()));
    assert_eq!(ids(&ran["done"]["deleted"]), going);
    assert_eq!(ran["done"]["failed"], Value::Array(Vec::new()));
    assert_eq!(maker.dirs().into_iter().collect::<BTreeSet<_>>(), staying);
    let another = boat.path("store/another/points").join(of_another.as_str());
    assert!(another.join("manifest.json").exists() && another.join("etcd.db.zst.age").exists());
    // What is gone has no records either, and all that it took has been counted.
    assert!(!boat.path("store/lab/tags").join(points[2].as_str()).exists());
    assert!(boat.path("store/lab/holds").join(points[0].as_str()).exists());
    let freed = |files: &[(std::path::PathBuf, Option<Vec<u8>>)]| {
        let own = files.iter().filter(|(path, _)| !path.to_string_lossy().contains("/.sgwtmp"));
        own.filter_map(|(_, bytes)| bytes.as_ref()).map(Vec::len).sum::<usize>() as u64
    };
    let after = tree(&boat.path("store"));
    assert_eq!(ran["done"]["bytes"].as_u64().unwrap(), freed(&before) - freed(&after));
    for id in
        staying.iter().filter(|id| ![&forged, &unreadable, &later].iter().any(|bad| bad.as_str() == **id))
    {
        boat.run(&["verify", id, "--no-record"]).await.expect(0);
    }
    let again = boat.run(&["prune", "-o", "json"]).await.expect(0).json();
    assert_eq!(ids(&again["done"]["deleted"]), BTreeSet::new());
    lab.close(Ok(()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_looks_like_a_mistake_is_refused() -> Result<()> {
    let lab = LabDir::new()?;
    let boat = boat(&lab, "").await?;
    let maker = boat.maker("store")?;
    for n in 1..=10 {
        maker.ago(days(n))?;
    }
    let before = tree(&boat.path("store"));
    let untouched = || tree(&boat.path("store")) == before;
    // Nothing says what to keep.
    let ran = boat.run(&["prune"]).await.expect(2);
    let ran = ran.says("nothing says what to keep").says("write `retention: {last: 3");
    assert!(ran.stdout.is_empty() && untouched());
    boat.run(&["prune", "--keep-tag", "keep"]).await.expect(2);
    boat.run(&["prune", "--keep-last", "0"]).await.expect(2);
    boat.run(&["prune", "--keep-last", "1", "--time-zone", "Mars/Base"]).await.expect(2).says("IANA");
    // Too much at once.
    let ran = boat.run(&["prune", "--keep-last", "2", "-o", "json"]).await.expect(6);
    assert_eq!(ran.json()["error"]["code"], "conflict");
    ran.says("8 of 10 recovery points would go").says("--beyond-max-delete");
    assert!(untouched());
    let dry = boat.run(&["prune", "--keep-last", "2", "--dry-run"]).await.expect(0).stdout;
    assert!(dry.contains("REFUSED: 8 of 10"), "{dry}");
    // A clock that went backwards, or a recovery point from the future.
    let future = maker.point("lab", Timestamp::now() + days(2), |_| {})?;
    let ran = boat.run(&["prune", "--keep-last", "8"]).await.expect(6);
    ran.says(future.as_str()).says("--despite-clock");
    let ran = boat.run(&["prune", "--keep-last", "8", "--despite-clock", "-o", "json"]).await.expect(0);
    assert_eq!(ran.json()["done"]["deleted"].as_array().map(Vec::len), Some(2));
    assert!(maker.dir(&future).exists());
    fs::remove_dir_all(maker.dir(&future))?;
    let ran = boat.run(&["prune", "--keep-last", "2", "--beyond-max-delete", "-o", "json"]).await.expect(0);
    assert_eq!(ran.json()["done"]["deleted"].as_array().map(Vec::len), Some(6));
    boat.run(&["verify", "--all"]).await.expect(0);
    lab.close(Ok(()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_s_own_retention_and_a_job_s_own_count() -> Result<()> {
    let lab = LabDir::new()?;
    let boat = Lifeboat::init(lab.path(), None, None).await?;
    boat.edit(|text| {
        let second = "\n  - {name: second, url: \"file:./second\", retention: {last: 1, maxDelete: 100%}}\n#:   - name: second";
        format!("{}\nretention: {{last: 4}}\n", text.replacen("\n#:   - name: second", second, 1))
    })?;
    let (main, second) = (boat.maker("store")?, boat.maker("second")?);
    for n in 1..=6 {
        main.ago(days(n))?;
        second.ago(days(n))?;
        let both = |m: &mut lifeboat::point::Manifest| {
            let mut more = m.artifacts[0].clone();
            more.kind = ArtifactKind::Resources;
            more.key = "etcd.db.zst.age".into();
            m.artifacts.push(more);
        };
        main.point("lab", Timestamp::now() - days(n), both)?;
    }
    let gone = async |args: &[&str]| {
        let ran = boat.run(&[&["prune", "-o", "json"], args].concat()).await.expect(0).json();
        ran["done"]["deleted"].as_array().map(Vec::len)
    };
    assert_eq!(gone(&[]).await, Some(4));
    assert_eq!(gone(&["--store", "second"]).await, Some(5));
    assert_eq!((main.dirs().len(), second.dirs().len()), (8, 1));
    lab.close(Ok(()))
}
