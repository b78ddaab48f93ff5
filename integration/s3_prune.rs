//! Pruning a bucket: locks, versions, uploads that were never completed, many objects with few requests.

use crate::{
    boat::{Lifeboat, Ran},
    lab::{
        LabDir, S3, S3Options,
        fill::points::{age, days},
        s3,
    },
    s3_front::{Fate, Request, S3Front},
};
use anyhow::{Context, Result};
use aws_sdk_s3::{
    primitives::ByteStream,
    types::{ObjectLockLegalHold, ObjectLockLegalHoldStatus, ObjectLockRetention, ObjectLockRetentionMode},
};
use jiff::{SignedDuration, Timestamp};
use std::fs;

const KEYS: &str = "credentials: {accessKeyId: {env: LAB_ID}, secretAccessKey: {env: LAB_SECRET}}";

/// A boat whose store is a bucket at `endpoint`.
async fn boat(lab: &LabDir, endpoint: &str, bucket: &str) -> Result<Lifeboat> {
    let boat = Lifeboat::init(lab.path(), None, None).await?;
    boat.edit(|text| {
        let from = text.find("    url: \"").unwrap();
        let to = from + text[from..].find("\n#").unwrap();
        let store = format!("    url: \"s3://{bucket}\"\n    s3: {{endpoint: \"{endpoint}\", {KEYS}}}\n");
        format!("{}{store}{}", &text[..from], &text[to..])
    })?;
    Ok(boat)
}

async fn run(boat: &Lifeboat, args: &[&str]) -> Ran {
    let mut command = boat.command(args);
    command.env("LAB_ID", s3::ACCESS_KEY).env("LAB_SECRET", s3::SECRET_KEY);
    command.output().await.unwrap().into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uploads_that_were_never_completed_go_past_the_grace() -> Result<()> {
    let lab = LabDir::new()?;
    let server = S3::start(lab.path(), &lab.path().join("root"), S3Options::default()).await?;
    server.bucket("bucket", false).await?;
    let boat = boat(&lab, &server.endpoint(), "bucket").await?;
    let maker = boat.maker(server.files("bucket"))?;
    maker.ago(SignedDuration::from_secs(5))?;
    let client = server.client();
    let begin = async |key: &str| {
        let begun = client.create_multipart_upload().bucket("bucket").key(key).send().await?;
        let id = begun.upload_id().context("no id")?.to_owned();
        let part = client.upload_part().bucket("bucket").key(key).upload_id(&id).part_number(1);
        part.body(ByteStream::from(vec![7; 5 << 20])).send().await?;
        Ok::<_, anyhow::Error>(id)
    };
    let dead = begin("lab/points/20260101T000000Z-aaaa/etcd.db.zst.age").await?;
    let alive = begin("lab/points/20260101T000000Z-bbbb/etcd.db.zst.age").await?;
    let other = begin("another/points/20260101T000000Z-cccc/etcd.db.zst.age").await?;
    let prune = ["prune", "--keep-last", "5", "-o", "json"];
    let young = run(&boat, &prune).await.expect(0).json();
    assert_eq!((&young["done"]["unfinished"], &young["plan"]["waiting"]), (&0.into(), &2.into()), "{young}");
    // The bucket is a directory, and so are its uploads. All were begun three days ago, and one got a part since.
    let long_ago = Timestamp::now() - days(3);
    for upload in fs::read_dir(server.files("bucket").join(".sgwtmp/multipart"))? {
        let upload = upload?.path();
        age(&upload, long_ago)?;
    }
    let part = client.upload_part().bucket("bucket").key("lab/points/20260101T000000Z-bbbb/etcd.db.zst.age");
    part.upload_id(&alive).part_number(2).body(ByteStream::from_static(b"more")).send().await?;
    let dry = run(&boat, &[&prune[..], &["--dry-run"]].concat()).await.expect(0).json();
    assert_eq!(dry["plan"]["unfinished"][0]["id"], dead.as_str(), "{dry}");
    let ran = run(&boat, &prune).await.expect(0).json();
    assert_eq!((&ran["done"]["unfinished"], &ran["done"]["bytes"]), (&1.into(), &(5 << 20).into()), "{ran}");
    let left = client.list_multipart_uploads().bucket("bucket").send().await?;
    let mut left: Vec<&str> = left.uploads().iter().filter_map(|u| u.upload_id()).collect();
    left.sort_unstable();
    let mut expected = [alive.as_str(), other.as_str()];
    expected.sort_unstable();
    assert_eq!(left, expected);
    lab.close(Ok(()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_locked_stays_and_is_named() -> Result<()> {
    let lab = LabDir::new()?;
    let options = S3Options { versions: Some(lab.path().join("versions")), tls: None };
    let server = S3::start(lab.path(), &lab.path().join("root"), options).await?;
    server.bucket("locked", true).await?;
    let boat = boat(&lab, &server.endpoint(), "locked").await?;
    // Objects have to come through the server to have versions and locks.
    let local = boat.maker(lab.path().join("made"))?;
    let client = server.client();
    let mut ids = Vec::new();
    for n in (1..=6).rev() {
        let id = local.ago(days(n))?;
        for name in ["etcd.db.zst.age", "manifest.json.minisig", "manifest.json"] {
            let key = format!("lab/points/{id}/{name}");
            let body = ByteStream::from(fs::read(local.dir(&id).join(name))?);
            client.put_object().bucket("locked").key(key).body(body).send().await?;
        }
        ids.push(id);
    }
    // The payload of one for a year, the manifest of another by a legal hold, a third one's lock is over.
    let lock = async |id: &lifeboat::point::PointId, name: &str, until: Timestamp| {
        let retention = ObjectLockRetention::builder()
            .mode(ObjectLockRetentionMode::Governance)
            .retain_until_date(aws_sdk_s3::primitives::DateTime::from_secs(until.as_second()));
        let request = client.put_object_retention().bucket("locked").key(format!("lab/points/{id}/{name}"));
        request.retention(retention.build()).send().await.map(drop)
    };
    lock(&ids[0], "etcd.db.zst.age", Timestamp::now() + days(365)).await?;
    let hold = ObjectLockLegalHold::builder().status(ObjectLockLegalHoldStatus::On).build();
    let held =
        client.put_object_legal_hold().bucket("locked").key(format!("lab/points/{}/manifest.json", ids[1]));
    held.legal_hold(hold).send().await?;
    lock(&ids[2], "manifest.json", Timestamp::now() + SignedDuration::from_secs(2)).await?;
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;

    let prune = ["prune", "--keep-last", "2", "--max-delete", "100%", "-o", "json"];
    let ran = run(&boat, &prune).await.expect(0).json();
    let points = ran["plan"]["points"].as_array().unwrap();
    let kept = |nth: usize| points[nth]["kept"].to_string();
    assert!(kept(0).contains("locked") && kept(0).contains("until\":\"2"), "{}", kept(0));
    assert!(kept(1).contains("locked") && kept(1).contains("until\":null"), "{}", kept(1));
    let deleted: Vec<&str> =
        ran["done"]["deleted"].as_array().unwrap().iter().filter_map(|id| id.as_str()).collect();
    assert_eq!(deleted, [ids[2].as_str(), ids[3].as_str()], "{ran}");
    let said = ran["plan"]["remarks"].to_string();
    assert!(said.contains("NoncurrentVersionExpiration"), "{said}");
    run(&boat, &["verify", "--all"]).await.expect(0);
    let listed = run(&boat, &["list", "-o", "json"]).await.expect(0).json();
    assert_eq!(listed["points"].as_array().map(Vec::len), Some(4));
    // What is deleted is a version now.
    let key = format!("lab/points/{}/etcd.db.zst.age", ids[3]);
    assert!(client.head_object().bucket("locked").key(&key).send().await.is_err());
    let versions = client.list_object_versions().bucket("locked").prefix(&key).send().await?;
    assert_eq!((versions.versions().len(), versions.delete_markers().len()), (1, 1));
    let table = run(&boat, &["prune", "--keep-last", "2", "--dry-run"]).await.expect(0).stdout;
    assert!(table.contains("locked until 2") && table.contains("under legal hold"), "{table}");
    lab.close(Ok(()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_that_the_service_refuses_to_delete_are_named_and_the_rest_goes_on() -> Result<()> {
    let lab = LabDir::new()?;
    let server = S3::start(lab.path(), &lab.path().join("root"), S3Options::default()).await?;
    server.bucket("bucket", false).await?;
    let boat = boat(&lab, &server.endpoint(), "bucket").await?;
    let maker = boat.maker(server.files("bucket"))?;
    let ids = [4, 3, 2, 1].map(|n| maker.ago(days(n)).unwrap());
    // What nobody can remove, the superuser neither; where a file system does not have that, nothing can be tried.
    let payload = maker.dir(&ids[0]).join("etcd.db.zst.age");
    let lock = std::process::Command::new("chattr").arg("+i").arg(&payload).status();
    let manifest = maker.dir(&ids[1]).join("manifest.json");
    let _ = std::process::Command::new("chattr").arg("+i").arg(&manifest).status();
    if !lock.is_ok_and(|status| status.success()) {
        return lab.close(Ok(()));
    }
    let ran = run(&boat, &["prune", "--keep-last", "1", "-o", "json"]).await;
    for path in [&payload, &manifest] {
        std::process::Command::new("chattr").arg("-i").arg(path).status()?;
    }
    let ran = ran.expect(3).says("etcd.db.zst.age").json();
    let failed = ran["done"]["failed"].to_string();
    assert!(failed.contains(ids[0].as_str()) && failed.contains(ids[1].as_str()), "{failed}");
    // Whose manifest stayed is whole; whose manifest went is an orphan for the next run.
    assert!(maker.dir(&ids[1]).join("etcd.db.zst.age").exists() && !maker.dir(&ids[2]).exists());
    assert!(!maker.dir(&ids[0]).join("manifest.json").exists() && payload.exists());
    run(&boat, &["verify", "--all"]).await.expect(0);
    let again = run(&boat, &["prune", "--keep-last", "1", "-o", "json"]).await.expect(0).json();
    assert_eq!(again["done"]["deleted"][0], ids[1].as_str());
    // Its payload has been changed by nobody for four days; by the store's clock it is old.
    assert_eq!(again["done"]["orphans"][0], ids[0].as_str(), "{again}");
    lab.close(Ok(()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_may_not_or_cannot_delete_many() -> Result<()> {
    let lab = LabDir::new()?;
    let server = S3::start(lab.path(), &lab.path().join("root"), S3Options::default()).await?;
    server.bucket("bucket", false).await?;
    let front = async |status: u16, code: &'static str| {
        let fate = move |request: &Request| match request.is("DeleteObjects") {
            true => Fate::Refuse(status, code),
            false => Fate::Pass,
        };
        S3Front::start(&server.endpoint(), move |request, _| fate(request)).await
    };
    let (denied, lacking) = (front(403, "AccessDenied").await?, front(501, "NotImplemented").await?);
    let boat = boat(&lab, &denied.endpoint(), "bucket").await?;
    let maker = boat.maker(server.files("bucket"))?;
    for n in 1..=4 {
        maker.ago(days(n))?;
    }
    let prune = ["prune", "--keep-last", "1", "-o", "json"];
    let ran = run(&boat, &prune).await.expect(3).says("these credentials may not do that").json();
    assert_eq!(ran["done"]["failed"].as_array().map(Vec::len), Some(3), "{ran}");
    assert_eq!(ran["done"]["deleted"].as_array().map(Vec::len), Some(0), "{ran}");
    // Whose manifest could not be deleted is whole.
    run(&boat, &["verify", "--all", "--no-record"]).await.expect(0);
    assert_eq!(maker.dirs().len(), 4);
    boat.edit(|text| text.replace(&denied.endpoint(), &lacking.endpoint()))?;
    let ran = run(&boat, &prune).await.expect(0).json();
    assert_eq!(ran["done"]["deleted"].as_array().map(Vec::len), Some(3), "{ran}");
    assert_eq!((maker.dirs().len(), lacking.count("DeleteObject")), (1, 9));
    lab.close(Ok(()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_recovery_points_go_with_few_requests() -> Result<()> {
    let lab = LabDir::new()?;
    let server = S3::start(lab.path(), &lab.path().join("root"), S3Options::default()).await?;
    server.bucket("bucket", false).await?;
    let front = S3Front::start(&server.endpoint(), |_, _| Fate::Pass).await?;
    let boat = boat(&lab, &front.endpoint(), "bucket").await?;
    let maker = boat.maker(server.files("bucket"))?;
    let count: i64 = 10_000;
    for n in 1..=count {
        maker.ago(SignedDuration::from_mins(30 * n))?;
    }
    let lists = front.count("ListObjectsV2");
    let args = ["prune", "--keep-last", "100", "--keep-daily", "30", "--beyond-max-delete", "-o", "json"];
    let ran = run(&boat, &args).await.expect(0).json();
    let deleted = ran["done"]["deleted"].as_array().unwrap().len();
    assert!(deleted > 9_800 && ran["done"]["failed"].as_array().unwrap().is_empty(), "{deleted}");
    assert_eq!(maker.dirs().len() + deleted, count as usize);
    // Three objects each, a thousand in a request, and in batches.
    let deletes = front.count("DeleteObjects");
    assert!((30..=60).contains(&deletes), "{deletes}");
    assert_eq!(front.count("DeleteObject"), 0);
    let lists = front.count("ListObjectsV2") - lists;
    assert!((30 + 10..120).contains(&lists), "{lists}");
    run(&boat, &["verify", "--all"]).await.expect(0);
    lab.close(Ok(()))
}
