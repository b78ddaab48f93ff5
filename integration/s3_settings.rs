//! Settings of a store in S3, through the program: locks, tags, trust, credentials, limits.

use crate::{
    boat::Lifeboat,
    lab::{EtcdOptions, LabDir, Proxy, S3, S3Options, fill, pki::Pki, s3, with_etcd},
    s3_front::{Fate, S3Front},
};
use anyhow::{Context, Result};
use aws_sdk_s3::types::{ObjectLockLegalHoldStatus, ObjectLockMode, StorageClass};
use serde_json::Value;
use std::{fs, path::Path, time::Duration};

/// The configuration's store, at `url` and with these settings.
fn use_bucket(boat: &Lifeboat, url: &str, settings: &str) -> Result<()> {
    boat.edit(|text| {
        let from = text.find("    url: \"").unwrap();
        let to = from + text[from..].find("\n#").unwrap();
        format!("{}    url: \"{url}\"\n    s3: {{{settings}}}\n{}", &text[..from], &text[to..])
    })
}

const KEYS: &str = "credentials: {accessKeyId: {env: LAB_ID}, secretAccessKey: {env: LAB_SECRET}}";

/// Runs the program with the lab's credentials in variables that only the configuration knows.
async fn run(boat: &Lifeboat, args: &[&str]) -> crate::boat::Ran {
    let mut command = boat.command(args);
    command.env("LAB_ID", s3::ACCESS_KEY).env("LAB_SECRET", s3::SECRET_KEY);
    command.output().await.unwrap().into()
}

async fn boat(dir: &Path, etcd: &crate::lab::Etcd) -> Result<Lifeboat> {
    fill::etcd(&etcd.client().await?, 3, 5).await?;
    let boat = Lifeboat::init(dir, Some(etcd), None).await?;
    Ok(boat)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn locked_recovery_points_withstand_who_has_the_credentials() -> Result<()> {
    with_etcd(EtcdOptions::default(), async |etcd| {
        let lab = LabDir::new()?;
        let server = S3::start(lab.path(), &lab.path().join("root"), S3Options { versions: Some(lab.path().join("versions")), tls: None },
        ).await?;
        server.bucket("locked", true).await?;
        server.bucket("plain", false).await?;
        let boat = boat(etcd.dir(), etcd).await?;
        let settings = |more: &str| format!("endpoint: \"{}\", {KEYS}{more}", server.endpoint());
        let lock = ", objectLock: {mode: compliance, days: 3}, tags: {team: platform, why: \"a b+c=d\"}, storageClass: STANDARD";
        use_bucket(&boat, "s3://locked/one/two", &settings(lock))?;
        let id = run(&boat, &["backup", "--etcd-only", "-o", "json"]).await.expect(0).json()["id"].clone();
        let id = id.as_str().unwrap();
        let client = server.client();
        let names = ["etcd.db.zst.age", "manifest.json", "manifest.json.minisig"];
        for name in names {
            let key = format!("one/two/lab/points/{id}/{name}");
            let head = client.head_object().bucket("locked").key(&key).send().await?;
            assert_eq!(head.object_lock_mode(), Some(&ObjectLockMode::Compliance), "{name}");
            let until = head.object_lock_retain_until_date().context("no date")?.secs();
            let now = jiff::Timestamp::now().as_second();
            assert!((until - now - 3 * 86_400).abs() < 120, "{until}");
            assert_eq!(head.storage_class().unwrap_or(&StorageClass::Standard), &StorageClass::Standard);
            let tags = client.get_object_tagging().bucket("locked").key(&key).send().await?;
            let mut tags: Vec<_> = tags.tag_set().iter().map(|t| (t.key(), t.value())).collect();
            tags.sort_unstable();
            assert_eq!(tags, [("team", "platform"), ("why", "a b+c=d")], "{name}");
            let version = head.version_id().context("no version")?;
            let gone = client.delete_object().bucket("locked").key(&key).version_id(version).send().await;
            assert!(gone.is_err(), "{name} was deleted although it is locked");
        }
        run(&boat, &["verify", "--all", "--deep", "-i", "identity.txt"]).await.expect(0);
        let doctor = run(&boat, &["doctor", "-o", "json"]).await.json();
        let said = doctor["checks"].to_string();
        assert!(said.contains("recovery points are locked (compliance, 3 days)"), "{said}");
        assert!(said.contains("an object that exists is not overwritten") && said.contains("it can be removed"), "{said}");

        // An object that was replaced: both digests and the versions are told, without a key and with one.
        let key = format!("one/two/lab/points/{id}/etcd.db.zst.age");
        let mine = client.head_object().bucket("locked").key(&key).send().await?;
        let length = usize::try_from(mine.content_length().context("no length")?)?;
        let other = client.put_object().bucket("locked").key(&key).body(vec![7; length].into()).send().await?;
        for more in [&[][..], &["--deep", "-i", "identity.txt"]] {
            let said = run(&boat, &[&["verify", id, "--no-record", "-o", "json"], more].concat()).await.expect(4);
            let said = said.json()["points"][0]["findings"].to_string();
            let current = format!("{} of ", other.version_id().context("no version")?);
            assert!(said.contains(&current) && said.contains(mine.version_id().context("no version")?), "{said}");
            assert!(said.contains("it is ") && said.contains("and should be "), "{said}");
        }
        client.delete_object().bucket("locked").key(&key).version_id(other.version_id().unwrap()).send().await?;
        run(&boat, &["verify", id]).await.expect(0);

        // Without a number of days it lasts as long as retention keeps every point.
        boat.edit(|text| text.replace("mode: compliance, days: 3}", "mode: compliance}"))?;
        run(&boat, &["backup", "--etcd-only"]).await.expect(2).says("nothing says how long it holds");
        boat.edit(|text| format!("{text}\nretention: {{within: 5d, daily: 7}}\n"))?;
        let id = run(&boat, &["backup", "--etcd-only", "-o", "json"]).await.expect(0).json()["id"].clone();
        let key = format!("one/two/lab/points/{}/manifest.json", id.as_str().context("no id")?);
        let head = client.head_object().bucket("locked").key(&key).send().await?;
        let until = head.object_lock_retain_until_date().context("no lock")?.secs();
        let wanted = jiff::Timestamp::now().as_second() + 5 * 86_400;
        assert!((until - wanted).abs() < 300, "{until} and not {wanted}");
        boat.edit(|text| text.replace("mode: compliance}", "mode: compliance, days: 3}"))?;

        // A bucket that cannot lock must not be taken for one that does.
        boat.edit(|text| text.replace("s3://locked", "s3://plain"))?;
        run(&boat, &["backup", "--etcd-only"]).await.expect(2).says("cannot lock objects, and s3.objectLock asks");
        let said = run(&boat, &["doctor", "-o", "json"]).await.expect(1).json()["checks"].to_string();
        assert!(said.contains("cannot lock objects"), "{said}");
        assert!(client.list_objects_v2().bucket("plain").send().await?.contents().is_empty());
        lab.close(Ok(()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_legal_hold_withstands_who_has_the_credentials() -> Result<()> {
    with_etcd(EtcdOptions::default(), async |etcd| {
        let lab = LabDir::new()?;
        let versions = Some(lab.path().join("versions"));
        let server =
            S3::start(lab.path(), &lab.path().join("root"), S3Options { versions, tls: None }).await?;
        server.bucket("locked", true).await?;
        server.bucket("plain", false).await?;
        let refusing = S3Front::start(&server.endpoint(), |request, _| {
            match request.target.contains("legal-hold") && request.target.contains("etcd.db") {
                true => Fate::Refuse(403, "AccessDenied"),
                false => Fate::Pass,
            }
        })
        .await?;
        let boat = boat(etcd.dir(), etcd).await?;
        let settings = format!("endpoint: \"{}\", {KEYS}", server.endpoint());
        use_bucket(&boat, "s3://locked/one", &settings)?;
        let id = run(&boat, &["backup", "--etcd-only", "-o", "json"]).await.expect(0).json()["id"].clone();
        let id = id.as_str().unwrap();
        let client = server.client();
        let hold = ["hold", "latest", "--reason", "audit", "-o", "json"];
        let release = ["release", "latest", "--reason", "closed", "-o", "json"];
        // When the service refuses, the hold stands, and the object that lacks the lock is named; so with a release.
        boat.edit(|text| text.replace(&server.endpoint(), &refusing.endpoint()))?;
        let names_it = |ran: crate::boat::Ran, words: &str| {
            ran.expect(1).says(words).says("etcd.db.zst.age in s3://locked/one").says("AccessDenied");
        };
        names_it(run(&boat, &hold).await, "the hold is recorded and stands");
        let held = async || {
            run(&boat, &["list", "-o", "json"]).await.expect(0).json()["points"][0]["held"]["reason"].clone()
        };
        assert_eq!(held().await, "audit");
        names_it(run(&boat, &release).await, "it is not released");
        assert_eq!(held().await, "audit");
        boat.edit(|text| text.replace(&refusing.endpoint(), &server.endpoint()))?;

        assert_eq!(run(&boat, &hold).await.expect(0).json()["legalHolds"], 3);
        let names = ["etcd.db.zst.age", "manifest.json", "manifest.json.minisig"];
        let mut versions = Vec::new();
        for name in names {
            let key = format!("one/lab/points/{id}/{name}");
            let there = client.get_object_legal_hold().bucket("locked").key(&key).send().await?;
            let status = there.legal_hold().and_then(|hold| hold.status()).cloned();
            assert_eq!(status, Some(ObjectLockLegalHoldStatus::On), "{name}");
            let head = client.head_object().bucket("locked").key(&key).send().await?;
            let version = head.version_id().context("no version")?.to_owned();
            let gone = client.delete_object().bucket("locked").key(&key).version_id(&version).send().await;
            assert!(gone.is_err(), "{name} was deleted although it is held");
            versions.push((key, version));
        }
        run(&boat, &["verify", "--all", "--deep", "-i", "identity.txt"]).await.expect(0);
        let released = run(&boat, &release).await.expect(0).json();
        assert_eq!((&released["legalHolds"], &released["held"]), (&3.into(), &Value::Null));
        for (key, version) in versions {
            client.delete_object().bucket("locked").key(&key).version_id(&version).send().await?;
        }
        // Where nothing can be locked, the record is the hold.
        boat.edit(|text| text.replace("s3://locked/one", "s3://plain"))?;
        run(&boat, &["backup", "--etcd-only"]).await.expect(0);
        assert_eq!(run(&boat, &hold).await.expect(0).json()["legalHolds"], 0);
        assert_eq!(held().await, "audit");
        assert_eq!(run(&boat, &release).await.expect(0).json()["held"], Value::Null);
        lab.close(Ok(()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn url_and_environment_are_enough_to_read() -> Result<()> {
    with_etcd(EtcdOptions::default(), async |etcd| {
        let lab = LabDir::new()?;
        let server = S3::start(lab.path(), &lab.path().join("root"), S3Options::default()).await?;
        server.bucket("bucket", false).await?;
        let boat = boat(etcd.dir(), etcd).await?;
        use_bucket(&boat, "s3://bucket", &format!("endpoint: \"{}\", {KEYS}", server.endpoint()))?;
        run(&boat, &["backup", "--etcd-only"]).await.expect(0);
        fs::remove_file(boat.path("lifeboat.yaml"))?;
        let alone = |args: &[&str]| {
            let mut command = boat.command(&[args, &["--store", "s3://bucket", "--cluster", "lab"]].concat());
            command
                .env("AWS_ACCESS_KEY_ID", s3::ACCESS_KEY)
                .env("AWS_SECRET_ACCESS_KEY", s3::SECRET_KEY)
                .env("AWS_ENDPOINT_URL", server.endpoint());
            command
        };
        let listed: crate::boat::Ran = alone(&["list", "-o", "json"]).output().await?.into();
        assert_eq!(listed.expect(0).json()["points"].as_array().map(Vec::len), Some(1));
        let restore = ["restore", "etcd", "latest", "-i", "identity.txt", "--data-dir", "data"];
        let restored: crate::boat::Ran = alone(&restore).output().await?.into();
        restored.expect(0);
        assert!(boat.path("data/member/snap/db").exists());
        lab.close(Ok(()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_stay_out_of_what_is_said_and_only_whom_we_trust_is_spoken_to() -> Result<()> {
    with_etcd(EtcdOptions::default(), async |etcd| {
        let lab = LabDir::new()?;
        let server = S3::start(lab.path(), &lab.path().join("root"), S3Options::default()).await?;
        server.bucket("bucket", false).await?;
        let boat = boat(etcd.dir(), etcd).await?;
        let proxy = Proxy::to(&server.endpoint()).await?;
        let settings = format!("endpoint: \"http://{}\", {KEYS}, tags: {{a: b}}", proxy.address());
        use_bucket(&boat, "s3://bucket", &settings)?;
        for args in [
            &["-vv", "backup", "--etcd-only"][..],
            &["-vv", "doctor"],
            &["-vv", "list", "--log-format", "json"],
        ] {
            let ran = run(&boat, args).await;
            assert!(!format!("{ran:?}").contains(s3::SECRET_KEY), "{args:?}");
        }
        // With a certificate of an authority that only the configuration knows.
        let pki = Pki::open(lab.path())?;
        let (root, tls) = (lab.path().join("root"), Some(pki.server("s3")?));
        let secure = S3::start(lab.path(), &root, S3Options { tls, ..S3Options::default() }).await?;
        let plain = format!("http://{}", proxy.address());
        boat.edit(|text| text.replace(&plain, &secure.endpoint()))?;
        let said = run(&boat, &["list"]).await.expect(1).stderr;
        assert!(said.contains("s3://bucket") && said.to_lowercase().contains("certificate"), "{said}");
        let ca = pki.ca().display().to_string();
        boat.edit(|text| text.replace("tags: {a: b}", &format!("ca: {ca}")))?;
        let listed = run(&boat, &["list", "-o", "json"]).await.expect(0).json();
        assert_eq!(listed["points"].as_array().map(Vec::len), Some(1));
        boat.edit(|text| text.replace(&ca, "signing.pub"))?;
        run(&boat, &["list"]).await.expect(2).says("s3.ca").says("no certificate in PEM format");
        lab.close(Ok(()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_costs_three_listings_more_and_of_the_records_the_newest() -> Result<()> {
    with_etcd(EtcdOptions::default(), async |etcd| {
        let lab = LabDir::new()?;
        let server = S3::start(lab.path(), &lab.path().join("root"), S3Options::default()).await?;
        server.bucket("bucket", false).await?;
        let front = S3Front::start(&server.endpoint(), |_, _| Fate::Pass).await?;
        let boat = boat(etcd.dir(), etcd).await?;
        use_bucket(&boat, "s3://bucket", &format!("endpoint: \"{}\", {KEYS}", front.endpoint()))?;
        for _ in 0..3 {
            run(&boat, &["backup", "--etcd-only"]).await.expect(0);
        }
        let counts = || [front.count("ListObjectsV2"), front.count("GetObject")];
        let cost_of = async |args: &[&str]| {
            let before = counts();
            run(&boat, args).await.expect(0);
            [0, 1].map(|at| counts()[at] - before[at])
        };
        let cost = async || cost_of(&["list"]).await;
        // The recovery points and three families; manifest and signature of each.
        assert_eq!(cost().await, [4, 6]);
        for _ in 0..3 {
            run(&boat, &["verify", "--all"]).await.expect(0);
            // Records of one second have to be read to know the newest.
            tokio::time::sleep(Duration::from_millis(1100)).await;
        }
        assert_eq!(cost().await, [4, 6 + 3 * 2]);
        run(&boat, &["hold", "latest", "--reason", "audit"]).await.expect(0);
        assert_eq!(cost().await, [4, 6 + 3 * 2 + 2]);
        // Drills and runs of playbooks, of which there are none; and which clusters there are.
        assert_eq!(cost_of(&["status", "--cluster", "lab"]).await, [4 + 2, 6 + 3 * 2 + 2]);
        assert_eq!(cost_of(&["status"]).await, [4 + 3, 6 + 3 * 2 + 2]);
        lab.close(Ok(()))
    })
    .await
}

/// What `lifeboat schema config` says of a store.
#[tokio::test]
async fn the_schema_knows_every_setting() -> Result<()> {
    let lab = LabDir::new()?;
    let boat = Lifeboat::init(lab.path(), None, None).await?;
    let schema: Value = boat.run(&["schema", "config"]).await.expect(0).json();
    let s3 = schema["$defs"]["S3"]["properties"].as_object().context("no settings of S3")?;
    for setting in
        ["endpoint", "region", "pathStyle", "ca", "credentials", "assumeRole", "objectLock", "timeout"]
    {
        assert!(s3.contains_key(setting), "{setting}");
    }
    lab.close(Ok(()))
}
