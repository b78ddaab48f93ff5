//! `lifeboat status`: how things stand with each cluster, by the store alone.

use crate::{
    boat::{Lifeboat, Ran, with_boat},
    drill_case::{drill, write},
    lab::{EtcdOptions, LabDir, fill::points::days, s3},
    playbook_case::book,
    playbook_run::approver,
    playbook_runbooks::file,
    saved::saved,
    store_copy,
};
use anyhow::{Context, Result};
use jiff::{SignedDuration, Timestamp};
use lifeboat::point::Status;
use serde_json::{Value, json};
use std::fs;

async fn status(boat: &Lifeboat, args: &[&str], code: i32) -> Value {
    boat.run(&[&["status", "-o", "json"], args].concat()).await.expect(code).json()
}

fn cluster<'a>(told: &'a Value, name: &str) -> &'a Value {
    let clusters = told["clusters"].as_array().unwrap();
    clusters.iter().find(|it| it["cluster"] == name).unwrap_or_else(|| panic!("no {name} in {told:#}"))
}

/// What is an error, and what it is about.
fn errors(of: &Value) -> Vec<&str> {
    let findings = of["findings"].as_array().unwrap().iter();
    findings.filter(|it| it["level"] == "error").map(|it| it["about"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_cluster_in_the_store_is_told_and_judged_by_the_age_of_what_it_has() -> Result<()> {
    with_boat(EtcdOptions::default(), 1, async |_, boat| {
        // Nothing was saved yet: without an objective that is no failure, and it is said that nothing was judged.
        let told = status(boat, &[], 0).await;
        assert_eq!((&told["judged"], &cluster(&told, "lab")["points"]["count"]), (&json!(false), &json!(0)));
        let text = boat.run(&["status"]).await.expect(0).stdout;
        assert!(text.contains("nothing is judged, for there is no objective"), "{text}");
        let told = status(boat, &["--rpo", "2h"], 5).await;
        assert_eq!(errors(cluster(&told, "lab")), ["rpo"], "{told:#}");

        let begun = Timestamp::now();
        boat.backup(&["--etcd-only"]).await;
        let listed = boat.run(&["list", "-o", "json"]).await.expect(0).json()["points"][0].clone();
        let told = status(boat, &["--rpo", "2h"], 0).await;
        let lab = cluster(&told, "lab");
        for newest in ["newest", "newestCompleted"] {
            for field in ["id", "createdAt", "status"] {
                assert_eq!(lab["points"][newest][field], listed[field], "{newest} {field}");
            }
        }
        assert_eq!(
            (&lab["points"]["count"], &lab["points"]["storedBytes"]),
            (&json!(1), &listed["storedBytes"])
        );
        let age = lab["objectives"]["rpo"]["measuredMs"].as_u64().context("an age")?;
        let most = Timestamp::now().duration_since(begun).as_millis();
        assert!(u128::from(age) <= most.unsigned_abs(), "{age} {most}");
        assert_eq!((&lab["missed"], &lab["findings"]), (&json!(false), &json!([])));

        // One that is too old, and one that has a directory and nothing in it.
        let maker = boat.maker("store")?;
        let now = Timestamp::now();
        let old = maker.point("old", now - days(5), |_| {})?;
        let incomplete = maker.point("old", now - SignedDuration::from_mins(5), |manifest| {
            manifest.status = Status::PartiallyFailed;
        })?;
        maker.point("tmp", now, |_| {})?;
        fs::remove_dir_all(boat.path("store/tmp/points"))?;
        fs::write(boat.path("store/tmp/other"), "x")?;
        // Beside clusters there is what a file system makes.
        fs::create_dir(boat.path("store/lost+found"))?;
        let told = status(boat, &["--rpo", "2h"], 5).await;
        assert_eq!(told["clusters"].as_array().map(Vec::len), Some(3), "{told:#}");
        let of = |name| (cluster(&told, name)["missed"].as_bool(), errors(cluster(&told, name)));
        assert_eq!(of("lab"), (Some(false), vec![]));
        assert_eq!(of("old"), (Some(true), vec!["rpo"]));
        assert_eq!(of("tmp"), (Some(true), vec!["rpo"]));
        let points = &cluster(&told, "old")["points"];
        assert_eq!(points["newest"]["id"], incomplete.as_str());
        assert_eq!(points["newestCompleted"]["id"], old.as_str());
        status(boat, &["--rpo", "2h", "--cluster", "lab"], 0).await;
        status(boat, &["--rpo", "6d", "--cluster", "old"], 0).await;
        status(boat, &["--rpo", "2h", "--cluster", "quay"], 5).await;
        let text = boat.run(&["status", "--rpo", "2h"]).await.expect(5).stdout;
        for words in [
            "old: OBJECTIVES MISSED\n",
            "5 d 0 h old, Completed (at most 2 h 0 min: MISSED)",
            "old, PartiallyFailed",
            "OBJECTIVES ARE MISSED in 2 clusters",
        ] {
            assert!(text.contains(words), "{words:?} is not in\n{text}");
        }

        // What the configuration says, and flags over it.
        boat.edit(|text| format!("{text}\nobjectives: {{rpo: 2h, verified: 8d}}\n"))?;
        let own = ["--cluster", "lab"];
        assert_eq!(errors(cluster(&status(boat, &own, 5).await, "lab")), ["verified"]);
        boat.run(&["verify"]).await.expect(0);
        let told = status(boat, &own, 0).await;
        let (verified, listed) = (
            &cluster(&told, "lab")["verified"],
            boat.run(&["list", "-o", "json"]).await.expect(0).json()["points"][0].clone(),
        );
        assert_eq!(verified["last"]["point"], listed["id"]);
        for field in ["at", "depth", "passed"] {
            assert_eq!(verified["last"][field], listed["verified"][field], "{field}");
        }
        assert_eq!(verified["last"], verified["lastPassed"]);
        assert_eq!(
            errors(cluster(&status(boat, &[&own[..], &["--drilled", "1d"]].concat(), 5).await, "lab")),
            ["drilled"]
        );
        boat.run(&["hold", "latest", "--reason", "audit 7"]).await.expect(0);
        assert_eq!(cluster(&status(boat, &own, 0).await, "lab")["held"][0]["reason"], "audit 7");
        boat.run(&["status", "--rpo", "soon"]).await.expect(2).says("is not an age");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_to_be_trusted_is_told_and_does_not_count() -> Result<()> {
    let lab = LabDir::new()?;
    let boat = Lifeboat::init(lab.path(), None, None).await?;
    let maker = boat.maker("store")?;
    let before = maker.ago(days(3))?;
    let newest = maker.ago(SignedDuration::from_mins(1))?;
    let told = status(&boat, &["--rpo", "2h"], 0).await;
    assert_eq!(cluster(&told, "lab")["points"]["newestCompleted"]["id"], newest.as_str());

    // A signature of another point; and it is graver than that the one before is too old.
    let signature = |id| maker.dir(id).join("manifest.json.minisig");
    let good = fs::read(signature(&newest))?;
    fs::copy(signature(&before), signature(&newest))?;
    let told = status(&boat, &["--rpo", "2h"], 4).await;
    let of = cluster(&told, "lab");
    assert_eq!(errors(of), ["rpo", "trust"], "{of:#}");
    assert_eq!(
        (&of["points"]["newest"]["id"], &of["points"]["newestCompleted"]["id"]),
        (&json!(newest), &json!(before))
    );
    let text = boat.run(&["status", "--rpo", "2h"]).await.expect(4).stdout;
    assert!(text.contains("lab: NOT TO BE TRUSTED, and OBJECTIVES MISSED"), "{text}");
    let listed = boat.run(&["list", "-o", "json"]).await.expect(0).json();
    let why = &listed["points"][1]["signatureProblem"];
    assert!(why.is_string() && of["doubts"][0]["why"] == *why, "{why} {}", of["doubts"]);
    // One that is missing is bad for who has no key, too.
    fs::remove_file(signature(&newest))?;
    let url = format!("file://{}", boat.path("store").display());
    boat.run(&["status", "--store", &url]).await.expect(4);
    fs::write(signature(&newest), good)?;
    status(&boat, &["--rpo", "2h"], 0).await;

    // Stored bytes that are others: the verification says so, and from then on the point counts for nothing.
    let payload = maker.dir(&newest).join("etcd.db.zst.age");
    let good = fs::read(&payload)?;
    fs::write(&payload, vec![b'x'; good.len()])?;
    status(&boat, &["--rpo", "2h"], 0).await;
    boat.run(&["verify", newest.as_str()]).await.expect(4);
    let told = status(&boat, &["--rpo", "4d", "--verified", "1d"], 4).await;
    let of = cluster(&told, "lab");
    assert_eq!(errors(of), ["verified", "trust"], "{of:#}");
    assert_eq!(of["points"]["newestCompleted"]["id"], before.as_str());
    assert_eq!(
        (&of["verified"]["last"]["passed"], &of["verified"]["failed"]),
        (&json!(false), &json!([newest]))
    );
    fs::write(&payload, good)?;
    boat.run(&["verify", newest.as_str()]).await.expect(0);
    status(&boat, &["--rpo", "2h", "--verified", "1d"], 0).await;

    // A point of tomorrow is one of a wrong clock.
    let ahead = maker.ago(days(-1))?;
    let told = status(&boat, &["--rpo", "2h"], 0).await;
    let of = cluster(&told, "lab");
    assert_eq!(of["points"]["newestCompleted"]["id"], newest.as_str());
    let said = of["findings"].to_string();
    assert!(said.contains(ahead.as_str()) && said.contains("a clock is wrong"), "{said}");
    lab.close(Ok(()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_that_are_owed_are_told_and_so_is_a_store_that_does_not_answer() -> Result<()> {
    let lab = LabDir::new()?;
    let boat = Lifeboat::init(lab.path(), None, None).await?;
    let maker = boat.maker("store")?;
    let (first, second) = (maker.ago(days(2))?, maker.ago(days(1))?);
    maker.point("other", Timestamp::now(), |_| {})?;
    assert_eq!(cluster(&status(&boat, &[], 0).await, "lab")["copies"], json!([]));
    store_copy::add(&boat, "url: \"file:./second\"")?;
    let told = status(&boat, &["--rpo", "3d"], 0).await;
    let of = cluster(&told, "lab");
    assert_eq!(of["copies"], json!([{"store": "second", "owed": [first, second], "error": null}]));
    assert!(of["findings"][0]["message"].as_str().unwrap().contains("lacks 2 recovery points"), "{of:#}");
    // Another cluster is another configuration's to copy.
    assert_eq!(cluster(&told, "other")["copies"], json!([]));
    boat.run(&["copy"]).await.expect(0);
    let told = status(&boat, &[], 0).await;
    let of = cluster(&told, "lab");
    assert_eq!((&of["copies"][0]["owed"], &of["findings"]), (&json!([]), &json!([])));
    let text = boat.run(&["status"]).await.expect(0).stdout;
    assert!(text.contains("second: it lacks nothing"), "{text}");

    // The second store is gone: the first one answers for what it has. The first is gone: nobody knows anything.
    for (name, text) in [("s3-id", s3::ACCESS_KEY), ("s3-secret", s3::SECRET_KEY)] {
        fs::write(boat.path(name), text)?;
    }
    let gone = "url: \"s3://gone/x\", s3: {endpoint: \"http://127.0.0.1:1\", timeout: 1s, \
                credentials: {accessKeyId: {file: s3-id}, secretAccessKey: {file: s3-secret}}}";
    boat.edit(|text| text.replace("url: \"file:./second\"", gone))?;
    let told = status(&boat, &["--rpo", "3d"], 0).await;
    let of = cluster(&told, "lab");
    assert!(of["copies"][0]["error"].is_string() && of["copies"][0]["owed"] == json!([]), "{of:#}");
    assert!(of["findings"].to_string().contains("the store `second` lacks is not known"), "{of:#}");
    let failed = boat.run(&["status", "--store", "second", "--rpo", "3d", "-o", "json"]).await.expect(1);
    assert_eq!(failed.json()["error"]["code"], "failed");
    lab.close(Ok(()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drill_counts_once_it_passed_and_no_configuration_is_needed() -> Result<()> {
    let saved = saved().await?;
    let boat = &saved.boat;
    let most = ["--drilled", "1d"];
    assert_eq!(errors(cluster(&status(boat, &most, 5).await, "lab")), ["drilled"]);
    write(boat, "", "objectives: {rto: 1ms}")?;
    let late = drill(boat, &[]).await.expect(5).json();
    let told = status(boat, &most, 5).await;
    let drills = &cluster(&told, "lab")["drills"];
    assert_eq!((&drills["last"]["id"], &drills["lastPassed"]), (&late["id"], &Value::Null));
    assert_eq!(drills["last"]["verdict"], "objective-missed");

    write(boat, "", "")?;
    let evidence = drill(boat, &[]).await.expect(0).json();
    let told = status(boat, &most, 0).await;
    let drills = &cluster(&told, "lab")["drills"];
    assert_eq!(drills["last"], drills["lastPassed"]);
    for field in ["id", "ended", "verdict", "rpo", "rto"] {
        assert_eq!(drills["lastPassed"][field], evidence[field], "{field}");
    }
    assert_eq!((&drills["last"]["name"], &drills["last"]["point"]), (&json!("rehearsal"), &json!(saved.id)));

    // Without the configuration, from anywhere.
    let elsewhere = tempfile::tempdir()?;
    let (url, key) = (saved.url(), boat.path("signing.pub").display().to_string());
    let alone = async |more: &[&str]| -> Result<Ran> {
        let args = [&["status", "--store", &url, "--public-key", &key, "-o", "json"], more].concat();
        Ok(boat.command(&args).current_dir(elsewhere.path()).output().await?.into())
    };
    let same = alone(&most).await?.expect(0).json();
    let facts = |told: &Value| {
        let mut of = cluster(told, "lab").clone();
        of.as_object_mut().unwrap().remove("objectives");
        of
    };
    assert_eq!(facts(&same), facts(&told));
    alone(&["--rpo", "1m", "--verified", "1d"]).await?.expect(5);

    // Evidence that says something else than what was signed.
    let stored = boat.path("store/lab/drills").join(evidence["id"].as_str().unwrap()).join("evidence.json");
    let text = fs::read_to_string(&stored)?;
    fs::write(&stored, text.replace("\"passed\"", "\"stopped\""))?;
    let told = status(boat, &[], 4).await;
    assert_eq!(cluster(&told, "lab")["drills"]["last"]["id"], late["id"]);
    assert!(cluster(&told, "lab")["doubts"][0]["about"].as_str().unwrap().starts_with("drill "), "{told:#}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_waits_for_somebody_is_told_until_it_is_over() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let boat = Lifeboat::init(dir.path(), None, None).await?;
    let alice = approver(&boat, "alice", "leads").await?;
    boat.edit(|text| format!("{text}\nplaybooks:\n  approvers:\n{alice}"))?;
    let runbook = file("expired-certificates");
    let mut ran = book(&boat, &format!("run {runbook} -p incident=OPS-7 --yes --no-wait")).await;
    let mut waited = Vec::new();
    while ran.code != 0 {
        let told = status(&boat, &[], 0).await;
        let runs = cluster(&told, "lab")["runs"].as_array().unwrap();
        let now = book(&boat, "status latest -o json").await.expect(0).json();
        assert_eq!((runs.len(), &runs[0]["id"]), (1, &now["run"]), "{told:#}");
        let recorded = &runs[0]["recorded"];
        assert_eq!((&recorded["playbook"], &recorded["end"]), (&now["playbook"], &now["end"]));
        assert_eq!(recorded["waitsAt"], now["waiting"]["step"], "{told:#}");
        let step = recorded["waitsAt"].as_str().context("a step")?.to_owned();
        let text = boat.run(&["status"]).await.expect(0).stdout;
        assert!(text.contains(&format!("waits at the step {step}: `lifeboat playbook approve")), "{text}");
        let told = "--told expired=all --told authorities=none --told until=2027";
        book(&boat, &format!("approve latest --step {step} --as alice --key alice.key {told}"))
            .await
            .expect(0);
        waited.push(step);
        ran = book(&boat, "resume latest --no-wait").await;
    }
    assert!(waited.len() > 3, "{waited:?}");
    assert_eq!(cluster(&status(&boat, &[], 0).await, "lab")["runs"], json!([]));
    Ok(())
}
