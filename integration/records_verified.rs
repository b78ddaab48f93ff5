//! What a verification found is recorded, signed, and told by those who list.

use crate::{
    boat::with_boat,
    lab::EtcdOptions,
    saved::{Saved, saved},
};
use anyhow::{Context, Result, ensure};
use lifeboat::pipeline::{Signer, generate_signing_key};
use serde_json::{Value, json};
use std::{collections::BTreeSet, fs, process::Command};

async fn verified(saved: &Saved) -> Value {
    saved.run(&["list", "-o", "json"]).await.expect(0).json()["points"][0]["verified"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_verification_is_recorded_and_only_what_can_be_trusted_is_told() -> Result<()> {
    let saved = saved().await?;
    assert_eq!(verified(&saved).await, Value::Null);
    saved.run(&["verify", "--no-record"]).await.expect(0);
    assert_eq!(verified(&saved).await, Value::Null);
    let deep = ["verify", "--deep", "-i", "identity.txt", "-o", "json"];
    let verdict = saved.run(&deep).await.expect(0).json();
    let id = verdict["points"][0]["record"].as_str().context("no record")?.to_owned();
    let told = verified(&saved).await;
    assert_eq!((&told["passed"], &told["depth"]), (&json!(true), &json!("deep")));
    let listed = saved.run(&["list"]).await.expect(0).stdout;
    assert!(listed.contains("VERIFIED") && listed.contains(" ago, deep"), "{listed}");
    let shown = saved.run(&["show", "latest", "-o", "json"]).await.expect(0).json();
    let record = &shown["records"]["verifications"][0]["record"];
    assert_eq!((&record["id"], &record["outcome"]), (&json!(id), &json!("passed")), "{record:#}");
    let stored: u64 = saved.manifest()?.stored_bytes();
    assert!(
        record["bytesRead"].as_u64() > Some(stored) && record["findings"]["ok"].as_u64() > Some(9),
        "{record:#}"
    );

    // The public tool checks it, and one byte less does not pass.
    let file = format!("store/lab/verifications/{}/{id}.json", saved.id);
    let minisign = || {
        let mut command = Command::new("minisign");
        command.args(["-V", "-p", "signing.pub", "-m", &file]).current_dir(saved.boat.dir()).output()
    };
    let said = minisign()?;
    let comment = format!("lifeboat lab verifications {} {id}", saved.id);
    ensure!(said.status.success() && String::from_utf8_lossy(&said.stdout).contains(&comment), "{said:?}");

    // A flipped bit: it fails, that is recorded, and everybody is told; so is when it passed before.
    let payload = saved.object("etcd.db.zst.age");
    let good = fs::read(&payload)?;
    let mut bad = good.clone();
    bad[good.len() / 2] ^= 4;
    fs::write(&payload, bad)?;
    let verdict = saved.run(&["verify", "-o", "json"]).await.expect(4).json();
    assert!(verdict["points"][0]["record"].is_string(), "{verdict:#}");
    let told = verified(&saved).await;
    assert_eq!((&told["passed"], &told["depth"]), (&json!(false), &json!("stored")));
    assert_eq!(told["lastPassed"]["depth"], "deep");
    let listed = saved.run(&["list"]).await.expect(0).stdout;
    assert!(listed.contains("FAILED") && listed.contains("; passed "), "{listed}");
    let shown = saved.run(&["show", "latest"]).await.expect(0).stdout;
    assert!(
        shown.contains("FAILED, 1 errors; etcd.db.zst.age: the SHA-256 of the stored bytes differs"),
        "{shown}"
    );

    // Who cannot sign does not turn that into a pass.
    let dir = saved.boat.path("store/lab/verifications").join(saved.id.as_str());
    let passed: Value = serde_json::from_slice(&fs::read(dir.join(format!("{id}.json")))?)?;
    let forge = |id: &str, signer: Option<&Signer>| -> Result<()> {
        let mut record = passed.clone();
        (record["id"], record["at"]) = (json!(id), json!("2030-01-01T00:00:00Z"));
        let bytes = serde_json::to_vec(&record)?;
        if let Some(signer) = signer {
            let comment = format!("lifeboat lab verifications {} {id}", saved.id);
            fs::write(dir.join(format!("{id}.json.minisig")), signer.sign_record(&bytes, &comment)?)?;
        }
        Ok(fs::write(dir.join(format!("{id}.json")), bytes)?)
    };
    let stranger = Signer::new(&generate_signing_key()?.0, None)?;
    forge("20300101T000000Z-aaaa", None)?;
    forge("20300101T000000Z-bbbb", Some(&stranger))?;
    assert_eq!(verified(&saved).await["passed"], false);
    let ran = saved.run(&["verify"]).await.expect(4);
    for name in ["20300101T000000Z-aaaa.json", "20300101T000000Z-bbbb.json"] {
        assert!(ran.stdout.contains(name) && ran.stdout.contains("this record is not believed"), "{ran:?}");
    }

    // Mended, it passes; under another manifest, signed or not, the records say nothing of it.
    fs::write(&payload, good)?;
    saved.run(&deep).await.expect(0);
    assert_eq!(verified(&saved).await["passed"], true);
    // Less was looked at since, and the deep look is not forgotten.
    saved.run(&["verify"]).await.expect(0);
    assert_eq!(verified(&saved).await["depth"], "stored");
    let shown = saved.run(&["show", "latest", "-o", "json"]).await.expect(0).json();
    assert_eq!(shown["standing"]["depths"]["deep"]["passed"], true, "{}", shown["standing"]);
    let shown = saved.run(&["show", "latest"]).await.expect(0).stdout;
    assert!(shown.contains(" ago, stored\n  and deep        "), "{shown}");
    saved.forge(|manifest| manifest["inventedLater"] = json!(1))?;
    assert_eq!(verified(&saved).await, Value::Null);
    let shown = saved.run(&["show", "latest"]).await.expect(0).stdout;
    assert!(shown.contains("it is about another manifest than the one that is there"), "{shown}");
    saved.run(&["verify"]).await.expect(0);
    assert_eq!(verified(&saved).await["depth"], "stored");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sample_is_drawn_from_what_was_not_verified_for_long() -> Result<()> {
    with_boat(EtcdOptions::default(), 1, async |_, boat| {
        let mut all = BTreeSet::new();
        for _ in 0..4 {
            let manifest = boat.backup(&["--etcd-only"]).await;
            all.insert(manifest["id"].as_str().unwrap().to_owned());
        }
        let sample = async |args: &[&str]| {
            let ran = boat.run(&[&["verify", "-o", "json", "--sample"], args].concat()).await.expect(0);
            let json = ran.json();
            let ids = json["points"].as_array().unwrap().iter().map(|p| p["id"].as_str().unwrap().to_owned());
            (ids.collect::<BTreeSet<_>>(), json["sample"].clone())
        };
        let (first, told) = sample(&["2", "--seed", "7", "--no-record"]).await;
        assert_eq!((first.len(), &told["seed"], &told["of"]), (2, &json!(7), &json!(4)));
        assert_eq!(sample(&["2", "--seed", "7", "--no-record"]).await, (first, told.clone()));
        let (whole, _) = sample(&["9", "--no-record", "--deep", "-i", "identity.txt"]).await;
        assert_eq!(whole, all);
        // Three halves of one: one fits.
        let one = told["bytes"].as_u64().unwrap() / 2;
        let budget = format!("{}B", one * 3 / 2);
        let (few, told) = sample(&["4", "--budget", &budget, "--no-record"]).await;
        assert_eq!((few.len(), told["leftOut"].as_array().map(Vec::len)), (1, Some(3)), "{told}");
        boat.run(&["verify", "--sample", "1", "--budget", "1B"]).await.expect(2).says("fits the budget");
        for wrong in [
            &["--sample", "0"][..],
            &["--sample", "1", "--all"],
            &["--sample", "1", "latest"],
            &["--budget", "1GiB"],
            &["--seed", "1"],
            &["--sample", "1", "--budget", "much"],
        ] {
            boat.run(&[&["verify"], wrong].concat()).await.expect(2);
        }
        // What is recorded changes the draw: every one has its turn.
        let mut drawn = BTreeSet::new();
        for _ in 0..40 {
            drawn.extend(sample(&["1"]).await.0);
            if drawn == all {
                break;
            }
        }
        assert_eq!(drawn, all);
        let list = boat.run(&["list", "-o", "json"]).await.expect(0).json();
        assert!(
            list["points"].as_array().unwrap().iter().all(|p| p["verified"]["passed"] == true),
            "{list:#}"
        );
        Ok(())
    })
    .await
}
