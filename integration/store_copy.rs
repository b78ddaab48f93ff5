//! Recovery points in a second store: the same bytes, whole or not there, and owed until they are.

use crate::{
    boat::{Lifeboat, with_boat},
    lab::{EtcdOptions, LabDir, S3, S3Options, fill::points::days, s3},
    saved::tree,
};
use anyhow::Result;
use jiff::SignedDuration;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::Value;
use std::{collections::BTreeMap, fs, path::Path, time::Duration};

/// Adds a store to the configuration, to which the first one copies.
pub fn add(boat: &Lifeboat, second: &str) -> Result<()> {
    boat.edit(|text| {
        let end = text.find("\n#:   - name: second").unwrap();
        let (before, after) = text.split_at(end);
        format!("{}\n    copyTo: [second]\n  - {{name: second, {second}}}\n{after}", before.trim_end())
    })
}

/// The objects of a directory's recovery points by name.
fn objects(store: &Path) -> BTreeMap<String, Vec<u8>> {
    let root = store.join("lab/points");
    let files = tree(&root).into_iter().filter_map(|(path, bytes)| Some((path, bytes?)));
    let named = files.map(|(path, bytes)| (path.strip_prefix(&root).unwrap().display().to_string(), bytes));
    named.filter(|(name, _)| !name.contains("/.")).collect()
}

async fn listed(boat: &Lifeboat, store: &str) -> Vec<String> {
    let list = boat.run(&["list", "--store", store, "-o", "json"]).await.expect(0).json();
    let points = list["points"].as_array().unwrap();
    points.iter().map(|p| p["id"].as_str().unwrap().to_owned()).collect()
}

fn outcome(ran: &Value, what: &str) -> usize {
    ran["stores"][0][what].as_array().unwrap().len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_has_every_byte_and_nothing_that_is_damaged() -> Result<()> {
    with_boat(EtcdOptions::default(), 2, async |_, boat| {
        let first = boat.backup(&["--etcd-only"]).await["id"].as_str().unwrap().to_owned();
        boat.backup(&["--etcd-only"]).await;
        add(boat, "url: \"file:./second\"")?;
        let (here, there) = (boat.path("store"), boat.path("second"));
        let copied = boat.run(&["copy", "-o", "json"]).await.expect(0).json();
        assert_eq!(outcome(&copied, "copied"), 2);
        assert!(objects(&here) == objects(&there) && objects(&there).len() == 6);
        assert_eq!(outcome(&boat.run(&["copy", "-o", "json"]).await.expect(0).json(), "copied"), 0);
        let verify = ["verify", "--store", "second", "--all", "--deep", "-i", "identity.txt"];
        boat.run(&verify).await.expect(0);
        // A backup copies what it made.
        boat.backup(&["--etcd-only"]).await;
        assert!(objects(&here) == objects(&there) && objects(&there).len() == 9);
        // And the way back.
        fs::remove_dir_all(here.join("lab/points").join(&first))?;
        boat.run(&["copy", &first, "--store", "second", "--to", "main"]).await.expect(0);
        assert!(objects(&here) == objects(&there));

        // What an interrupted copy left is used; what is something else is not overwritten, and not believed.
        let (payload, manifest) = (format!("{first}/etcd.db.zst.age"), format!("{first}/manifest.json"));
        let file = |name: &str| there.join("lab/points").join(name);
        fs::remove_file(file(&manifest))?;
        let again = boat.run(&["copy", &first, "-o", "json"]).await.expect(0).json();
        assert_eq!(again["stores"][0]["copied"][0]["already"], 2, "{again}");
        fs::remove_file(file(&manifest))?;
        let mut bytes = fs::read(file(&payload))?;
        bytes[1000] ^= 1;
        fs::write(file(&payload), &bytes)?;
        let refused = boat.run(&["copy", "-o", "json"]).await.expect(1).json();
        let said = refused["stores"][0]["failed"][0]["error"].as_str().unwrap();
        assert!(said.contains("is another object") && fs::read(file(&payload))? == bytes, "{said}");
        assert!(!file(&manifest).exists());
        // What is damaged here does not come to be there.
        fs::remove_file(file(&payload))?;
        fs::write(here.join("lab/points").join(&payload), &bytes)?;
        let refused = boat.run(&["copy", "-o", "json"]).await.expect(1).json();
        let said = refused["stores"][0]["failed"][0]["error"].as_str().unwrap();
        assert!(
            said.contains("is damaged") && !file(&payload).exists() && !file(&manifest).exists(),
            "{said}"
        );
        for args in
            [&["copy", "--to", "nowhere"][..], &["copy", "--to", "main"], &["copy", "--store", "second"]]
        {
            boat.run(args).await.expect(2);
        }
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_store_that_is_down_is_owed_and_paid() -> Result<()> {
    with_boat(EtcdOptions::default(), 2, async |_, boat| {
        let lab = LabDir::new()?;
        let server = S3::start(lab.path(), &lab.path().join("root"), S3Options::default()).await?;
        server.bucket("away", false).await?;
        fs::write(boat.path("away-id"), s3::ACCESS_KEY)?;
        fs::write(boat.path("away-secret"), s3::SECRET_KEY)?;
        let keys = "credentials: {accessKeyId: {file: away-id}, secretAccessKey: {file: away-secret}}";
        let nowhere = "http://127.0.0.1:1";
        add(boat, &format!("url: \"s3://away/x\", s3: {{endpoint: \"{nowhere}\", {keys}, timeout: 2s}}"))?;
        for _ in 0..2 {
            let ran = boat.run(&["backup", "--etcd-only", "-o", "json"]).await.expect(3);
            assert_eq!(ran.json()["status"], "Completed");
            ran.says("the store `second` is owed").says("the next backup tries again");
        }
        boat.run(&["backup", "--etcd-only", "--allow-partial"]).await.expect(0).says("is owed");
        assert_eq!(listed(boat, "main").await.len(), 3);
        let doctor = async || boat.run(&["doctor", "-o", "json"]).await.json()["checks"].to_string();
        let said = doctor().await;
        assert!(said.contains("can it be reached from here"), "{said}");
        boat.edit(|text| text.replace(nowhere, &server.endpoint()))?;
        let said = doctor().await;
        assert!(said.contains("it lacks 3 recovery points"), "{said}");
        let ran = boat.run(&["backup", "--etcd-only"]).await.expect(0);
        assert!(!ran.stderr.contains("owed"), "{ran:?}");
        assert_eq!(listed(boat, "second").await, listed(boat, "main").await);
        let said = doctor().await;
        assert!(said.contains("it has a copy of every recovery point"), "{said}");
        let files = server.files("away").join("x");
        assert!(objects(&files) == objects(&boat.path("store")) && objects(&files).len() == 12);
        lab.close(Ok(()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_instant_a_copy_is_whole_or_not_there() -> Result<()> {
    with_boat(EtcdOptions::default(), 3, async |_, boat| {
        boat.backup(&["--etcd-only"]).await;
        add(boat, "url: \"file:./second\", bandwidth: 8MB/s")?;
        let (here, there) = (boat.path("store"), boat.path("second"));
        let mut rng = StdRng::seed_from_u64(9);
        let (mut unfinished, mut finished) = (0, 0);
        for _ in 0..16 {
            let mut child = boat.spawn(&["copy"])?;
            tokio::time::sleep(Duration::from_millis(rng.random_range(20..450))).await;
            child.start_kill()?;
            child.wait().await?;
            match listed(boat, "second").await.len() {
                0 => unfinished += 1,
                _ => {
                    finished += 1;
                    assert!(objects(&here) == objects(&there));
                    boat.run(&["verify", "--store", "second", "--all"]).await.expect(0);
                    fs::remove_dir_all(&there)?;
                }
            }
        }
        assert!(unfinished >= 3, "{unfinished} and {finished}");
        boat.run(&["copy"]).await.expect(0);
        assert!(objects(&here) == objects(&there));
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_retention_dropped_over_there_is_not_brought_back() -> Result<()> {
    let lab = LabDir::new()?;
    let boat = Lifeboat::init(lab.path(), None, None).await?;
    add(&boat, "url: \"file:./second\", retention: {last: 2, daily: 3, maxDelete: 100%}")?;
    let maker = boat.maker("store")?;
    for n in 1..=8 {
        maker.ago(days(n))?;
    }
    let copied = async || outcome(&boat.run(&["copy", "-o", "json"]).await.expect(0).json(), "copied");
    // An empty store gets what it would keep, and prune has nothing to do there.
    assert_eq!(copied().await, 3);
    let prune = ["prune", "--store", "second", "-o", "json"];
    assert_eq!(boat.run(&prune).await.expect(0).json()["done"]["deleted"].as_array().map(Vec::len), Some(0));
    // What is newer takes the place of what is older.
    for n in 0..3 {
        maker.ago(SignedDuration::from_mins(10 + n))?;
    }
    assert_eq!(copied().await, 2);
    assert_eq!(boat.run(&prune).await.expect(0).json()["done"]["deleted"].as_array().map(Vec::len), Some(1));
    assert_eq!((copied().await, listed(&boat, "second").await.len()), (0, 4));
    let said = boat.run(&["doctor", "-o", "json"]).await.json()["checks"].to_string();
    assert!(said.contains("it has a copy of every recovery point that it keeps"), "{said}");
    // Whoever names one gets it, and a hold keeps it there.
    let oldest = maker.dirs()[0].clone();
    boat.run(&["copy", &oldest]).await.expect(0);
    boat.run(&["hold", &oldest, "--reason", "x", "--store", "second"]).await.expect(0);
    boat.run(&prune).await.expect(0);
    assert!(listed(&boat, "second").await.contains(&oldest));
    lab.close(Ok(()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn holds_tags_and_verifications_go_along() -> Result<()> {
    with_boat(EtcdOptions::default(), 1, async |_, boat| {
        boat.backup(&["--etcd-only"]).await;
        boat.run(&["hold", "latest", "--reason", "audit"]).await.expect(0);
        boat.run(&["tag", "latest", "keep"]).await.expect(0);
        boat.run(&["verify"]).await.expect(0);
        add(boat, "url: \"file:./second\"")?;
        let copied = boat.run(&["copy", "-o", "json"]).await.expect(0).json();
        assert_eq!(copied["stores"][0]["records"]["sent"], 3, "{copied}");
        let there = async || {
            let list = boat.run(&["list", "--store", "second", "-o", "json"]).await.expect(0).json();
            let point = list["points"][0].clone();
            (point["held"]["reason"].clone(), point["tags"].clone(), point["verified"]["passed"].clone())
        };
        assert_eq!(there().await, ("audit".into(), serde_json::json!(["keep"]), true.into()));
        let families = ["holds", "tags", "verifications"];
        let all = |store: &str| families.map(|f| tree(&boat.path(store).join("lab").join(f)).len());
        assert_eq!(all("second"), all("store"));
        // Nothing is owed but records: the next backup takes them along. What is damaged stays, unless it holds.
        boat.run(&["release", "latest", "--reason", "closed"]).await.expect(0);
        boat.run(&["hold", "latest", "--reason", "again"]).await.expect(0);
        for family in ["holds", "tags"] {
            let files = tree(&boat.path("store/lab").join(family));
            let newest = files.into_iter().rfind(|(path, _)| path.extension().is_some_and(|e| e == "json"));
            let damaged = newest.unwrap().0.with_file_name("20300101T000000Z-aaaa.json");
            fs::write(damaged, "{")?;
        }
        let copied = boat.run(&["copy", "-o", "json"]).await.expect(0);
        assert_eq!(copied.json()["stores"][0]["records"]["sent"], 3, "{copied:?}");
        copied.says("this record is not believed, and was not copied: tags/");
        assert_eq!(there().await.0, "again");
        boat.backup(&["--etcd-only"]).await;
        let before = all("second");
        boat.run(&["verify", "--all"]).await.expect(0);
        assert_eq!(all("second"), before);
        boat.backup(&["--etcd-only"]).await;
        assert_eq!(all("second")[2], all("store")[2]);
        Ok(())
    })
    .await
}
