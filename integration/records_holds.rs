//! Holds and tags: who has the signing key says them, and nobody else takes them back.

use crate::saved::{Saved, saved};
use anyhow::Result;
use lifeboat::{
    pipeline::{Signer, generate_signing_key},
    point::PointId,
};
use serde_json::{Value, json};
use std::{fs, path::PathBuf};

/// The records of a family, as files, oldest first.
fn records(saved: &Saved, family: &str) -> Vec<PathBuf> {
    let dir = saved.boat.path("store/lab").join(family).join(saved.id.as_str());
    let files = fs::read_dir(dir).into_iter().flatten().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files.filter(|path| path.extension().is_some_and(|e| e == "json")).collect();
    files.sort();
    files
}

/// Writes a record as it would be if `change` had been done to the newest of the family, at another second of the day.
fn forge(
    saved: &Saved,
    family: &str,
    id: &str,
    change: impl FnOnce(&mut Value),
) -> Result<(PathBuf, Vec<u8>)> {
    let newest = records(saved, family).pop().unwrap();
    let mut record: Value = serde_json::from_slice(&fs::read(&newest)?)?;
    record["id"] = json!(id);
    change(&mut record);
    let (path, bytes) = (newest.with_file_name(format!("{id}.json")), serde_json::to_vec(&record)?);
    fs::write(&path, &bytes)?;
    Ok((path, bytes))
}

async fn point(saved: &Saved) -> Value {
    saved.run(&["list", "-o", "json"]).await.expect(0).json()["points"][0].clone()
}

async fn hold(saved: &Saved, reason: &str) -> Value {
    saved.run(&["hold", "latest", "--reason", reason, "--by", "alice", "-o", "json"]).await.expect(0).json()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_who_has_the_key_releases_a_hold() -> Result<()> {
    let saved = saved().await?;
    assert_eq!(point(&saved).await["held"], Value::Null);
    saved.run(&["hold", "latest"]).await.expect(2).says("--reason");
    saved.run(&["hold", "latest", "--reason", " "]).await.expect(2).says("it is empty");
    saved.run(&["hold", "1999", "--reason", "x"]).await.expect(1).says("no recovery point");
    let held = hold(&saved, "audit 2026-117").await;
    let first: PointId = held["record"]["id"].as_str().unwrap().parse()?;
    assert_eq!((&held["held"]["by"], &held["legalHolds"]), (&json!("alice"), &json!(0)));
    assert_eq!(point(&saved).await["held"]["reason"], "audit 2026-117");
    let listed = saved.run(&["list"]).await.expect(0).stdout;
    assert!(listed.contains("HELD") && listed.contains("audit 2026-117"), "{listed}");

    // A release that nobody signed, one that somebody else signed, one that belongs to another record.
    saved.run(&["release", "latest"]).await.expect(2).says("--reason");
    let release = |record: &mut Value| {
        record["action"] = json!("release");
        record["releases"] = json!([first]);
    };
    let (unsigned, _) = forge(&saved, "holds", "20300101T000000Z-aaaa", release)?;
    let (foreign, bytes) = forge(&saved, "holds", "20300101T000000Z-bbbb", release)?;
    let comment = format!("lifeboat lab holds {} 20300101T000000Z-bbbb", saved.id);
    let stranger = Signer::new(&generate_signing_key()?.0, None)?.sign_record(&bytes, &comment)?;
    fs::write(foreign.with_extension("json.minisig"), stranger)?;
    let (moved, bytes) = forge(&saved, "holds", "20300101T000000Z-cccc", release)?;
    let key = Signer::new(&fs::read_to_string(saved.boat.path("signing.key"))?.into(), None)?;
    let elsewhere =
        key.sign_record(&bytes, "lifeboat lab holds 20200101T000000Z-aaaa 20300101T000000Z-cccc")?;
    fs::write(moved.with_extension("json.minisig"), elsewhere)?;
    let held = point(&saved).await;
    assert_eq!(held["held"]["reason"], "audit 2026-117", "{held:#}");
    assert_eq!(held["held"]["records"].as_array().map(Vec::len), Some(4), "{held:#}");
    let shown = saved.run(&["show", "latest"]).await.expect(0).stdout;
    assert_eq!(shown.matches("NOT BELIEVED").count(), 3, "{shown}");
    let verdict = saved.run(&["verify"]).await.expect(0).stdout;
    for forged in [&unsigned, &foreign, &moved] {
        let name = forged.file_name().unwrap().to_str().unwrap();
        assert!(shown.contains(name) && verdict.contains(name), "{name}\n{shown}\n{verdict}");
    }

    // Whoever has the key ends all of it, and the record of it stays.
    let released = ["release", "latest", "--reason", "closed", "-o", "json"];
    let done = saved.run(&released).await.expect(0).json();
    assert_eq!((&done["held"], &done["record"]["releases"][0]), (&Value::Null, &json!(first)));
    assert_eq!(point(&saved).await["held"], Value::Null);
    let none = saved.run(&["list", "--held"]).await.expect(0).stdout;
    assert!(none.contains("no recovery point is like that"), "{none}");
    assert_eq!(saved.run(&released).await.expect(0).json()["record"], Value::Null);
    assert_eq!(records(&saved, "holds").len(), 5);
    // Who is shown only a part of what was written sees a hold: to forget it would be the wrong mistake.
    let ours = records(&saved, "holds")
        .into_iter()
        .find(|path| path.ends_with(format!("{}.json", done["record"]["id"].as_str().unwrap())));
    let ours = ours.unwrap();
    let bytes = fs::read(&ours)?;
    for damage in [&bytes[..bytes.len() / 2], b"", &[&bytes[..60], b"\xff", &bytes[61..]].concat()] {
        fs::write(&ours, damage)?;
        assert_eq!(point(&saved).await["held"]["reason"], "audit 2026-117");
        let shown = saved.run(&["show", "latest"]).await.expect(0).stdout;
        assert!(shown.contains(&format!("Not believed      holds/{}", saved.id)), "{shown}");
    }
    fs::write(&ours, bytes)?;
    assert_eq!(point(&saved).await["held"], Value::Null);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_holds_at_once_are_two_and_a_lone_damaged_one_holds() -> Result<()> {
    let saved = saved().await?;
    let (a, b) = tokio::join!(hold(&saved, "audit"), hold(&saved, "upgrade"));
    assert_ne!(a["record"]["id"], b["record"]["id"]);
    assert_eq!(point(&saved).await["held"]["records"].as_array().map(Vec::len), Some(2));
    saved.run(&["release", "latest", "--reason", "both are over"]).await.expect(0);
    let again = hold(&saved, "again").await["record"]["id"].as_str().unwrap().to_owned();
    let newest =
        records(&saved, "holds").into_iter().find(|path| path.ends_with(format!("{again}.json"))).unwrap();
    let good = fs::read(&newest)?;
    fs::write(&newest, "{")?;
    let reason = point(&saved).await["held"]["reason"].as_str().unwrap().to_owned();
    let name = format!("holds/{}/{}", saved.id, newest.file_name().unwrap().to_str().unwrap());
    assert!(reason.contains("cannot be trusted") && reason.contains(&name), "{reason}");
    // What a later version wrote, signed and all, is not understood, and holds.
    let id = "20300101T000000Z-aaaa";
    let later = String::from_utf8(good)?.replace("\"1.0\"", "\"2.0\"").replace("\"hold\"", "\"release\"");
    let key = Signer::new(&fs::read_to_string(saved.boat.path("signing.key"))?.into(), None)?;
    let comment = format!("lifeboat lab holds {} {id}", saved.id);
    let signature = key.sign_record(later.as_bytes(), &comment)?;
    fs::write(newest.with_file_name(format!("{id}.json.minisig")), signature)?;
    fs::write(newest.with_file_name(format!("{id}.json")), later)?;
    let reason = point(&saved).await["held"]["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains(id) && reason.contains("use a newer lifeboat"), "{reason}");
    saved.run(&["release", "latest", "--reason", "it was looked at"]).await.expect(0);
    assert_eq!(point(&saved).await["held"], Value::Null);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_key_there_are_holds_and_nothing_else() -> Result<()> {
    let saved = saved().await?;
    fs::rename(saved.boat.path("signing.key"), saved.boat.path("away.key"))?;
    let ran = saved.run(&["hold", "latest", "--reason", "in a hurry"]).await.expect(0);
    ran.says("the hold is not signed").says("it counts all the same");
    let held = point(&saved).await["held"]["reason"].as_str().unwrap().to_owned();
    assert!(held.starts_with("in a hurry (") && held.contains("its signature is missing"), "{held}");
    for args in [&["release", "latest", "--reason", "x"][..], &["tag", "latest", "keep"]] {
        saved.run(args).await.expect(2).says("signing.key");
    }
    let verdict = saved.run(&["verify", "-o", "json"]).await.expect(0);
    assert_eq!(verdict.json()["points"][0]["record"], Value::Null);
    verdict.says("the result is not recorded in the store").says("signing.key");
    saved.run(&["verify", "--no-record", "-o", "json"]).await.expect(0);
    assert!(records(&saved, "verifications").is_empty() && records(&saved, "tags").is_empty());
    fs::rename(saved.boat.path("away.key"), saved.boat.path("signing.key"))?;
    // With another public key than that of the configuration, what is signed here would not be believed.
    let (_, other) = generate_signing_key()?;
    let refused = ["release", "latest", "--reason", "x", "--public-key", &other];
    saved.run(&refused).await.expect(2).says("is not the one that signatures are checked with");
    saved.run(&["release", "latest", "--reason", "x"]).await.expect(0);
    // On a machine that knows the store and nothing else, nothing can be checked, and nothing is refused.
    if std::env::var("LIFEBOAT_TEST_STORE").is_err() {
        fs::remove_file(saved.boat.path("lifeboat.yaml"))?;
        let url = saved.url();
        for args in [
            &["hold", "latest", "--reason", "x"][..],
            &["release", "latest", "--reason", "y"],
            &["tag", "latest", "a"],
        ] {
            saved.run(&[args, &["--store", &url, "--cluster", "lab"]].concat()).await.expect(0);
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tags_are_put_on_found_and_taken_off() -> Result<()> {
    let saved = saved().await?;
    let tags = async |args: &[&str]| {
        let ran = saved.run(&[&["tag", "latest", "-o", "json"], args].concat()).await.expect(0);
        serde_json::from_value::<Vec<String>>(ran.json()["tags"].clone()).unwrap()
    };
    assert!(tags(&[]).await.is_empty());
    assert_eq!(tags(&["keep", "before=upgrade-1.36"]).await, ["before=upgrade-1.36", "keep"]);
    assert_eq!(tags(&["keep"]).await.len(), 2);
    assert_eq!(records(&saved, "tags").len(), 1);
    let listed = saved.run(&["list", "--tag", "keep", "--tag", "before=upgrade-1.36"]).await.expect(0).stdout;
    assert!(listed.contains("TAGS") && listed.contains(saved.id.as_str()), "{listed}");
    let none = saved.run(&["list", "--tag", "before=never", "-o", "json"]).await.expect(0).json();
    assert_eq!(none["points"], json!([]));
    assert_eq!(tags(&["team=a", "--remove", "keep"]).await, ["before=upgrade-1.36", "team=a"]);
    // What nobody signed puts nothing on and takes nothing off.
    forge(&saved, "tags", "20300101T000000Z-aaaa", |record| {
        (record["add"], record["remove"]) = (json!(["forged"]), json!(["team=a"]));
    })?;
    assert_eq!(tags(&[]).await, ["before=upgrade-1.36", "team=a"]);
    saved.run(&["tag", "latest"]).await.expect(0).says("this record is not believed: tags/");
    for bad in ["Keep", "a b", "a=", "=", "a/b", "-x-"] {
        saved.run(&["tag", "latest", "--", bad]).await.expect(2);
    }
    saved.run(&["tag", "latest", "a", "--remove", "a"]).await.expect(2).says("put on and taken off at once");
    assert_eq!(point(&saved).await["tags"], json!(["before=upgrade-1.36", "team=a"]));
    Ok(())
}
