//! Records of verifications that newer ones supersede go with a prune, and nothing changes by it.

use crate::{
    boat::{Lifeboat, Ran},
    lab::{
        LabDir, S3, S3Options,
        fill::points::{age, days},
        s3,
    },
    store_copy::add,
};
use anyhow::Result;
use aws_sdk_s3::types::{ObjectLockLegalHold, ObjectLockLegalHoldStatus};
use jiff::{SignedDuration, Timestamp};
use lifeboat::{
    catalogue::{Aspect, Author, Catalogue, Depth, Finding, Verdict, verify},
    pipeline::{Signer, Verifier, generate_signing_key},
    point::{Level, PointId, VerifiedDepth},
    store::FileStore,
};
use serde_json::{Value, json};
use std::{collections::BTreeSet, fs, sync::Arc};

/// Records that a point was verified so many hours ago, signed with a key.
async fn record(
    boat: &Lifeboat,
    verdict: &Verdict,
    (hours, depth, level): (i64, VerifiedDepth, Level),
    signer: &Signer,
) -> Result<PointId> {
    let store = FileStore::new(boat.path("store"), "file:///store");
    let verifier = Verifier::new(&fs::read_to_string(boat.path("signing.pub"))?)?;
    let catalogue = Catalogue::new(Arc::new(store), "lab", Some(verifier));
    let mut verdict = verdict.clone();
    verdict.depth = depth;
    let message = "made by the test".to_owned();
    verdict.findings.push(Finding {
        level,
        about: "x".to_owned(),
        message,
        inside: false,
        aspect: Aspect::Whole,
    });
    let at = Timestamp::now() - SignedDuration::from_hours(hours);
    let author = Author { by: "test", signer: Some(signer) };
    let made = catalogue.record_verification(&verdict, at, at, author).await?;
    Ok(made.expect("a manifest").id)
}

fn dir(boat: &Lifeboat, id: &PointId) -> std::path::PathBuf {
    boat.path("store/lab/verifications").join(id.as_str())
}

/// The records that are there, and whether each has its signature.
fn records(boat: &Lifeboat, id: &PointId) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for file in fs::read_dir(dir(boat, id))? {
        names.insert(file?.file_name().to_string_lossy().into_owned());
    }
    let records: BTreeSet<String> =
        names.iter().filter_map(|n| n.strip_suffix(".json")).map(str::to_owned).collect();
    let signatures: BTreeSet<String> =
        names.iter().filter_map(|n| n.strip_suffix(".json.minisig")).map(str::to_owned).collect();
    assert_eq!(records, signatures);
    Ok(records)
}

async fn known(boat: &Lifeboat, id: &PointId) -> (Value, Value) {
    let shown = boat.run(&["show", id.as_str(), "-o", "json"]).await.expect(0).json();
    let listed = boat.run(&["list", "-o", "json"]).await.expect(0).json();
    (shown["standing"].clone(), listed)
}

const PRUNE: [&str; 5] = ["prune", "--keep-last", "9", "-o", "json"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn superseded_verifications_go_and_nothing_changes_by_it() -> Result<()> {
    use {Level::*, VerifiedDepth::*};
    let lab = LabDir::new()?;
    let boat = Lifeboat::init(lab.path(), None, None).await?;
    add(&boat, "url: \"file:./second\"")?;
    boat.edit(|text| text.replace("copyTo: [second]", "copyTo: []"))?;
    let maker = boat.maker("store")?;
    let (id, held) = (maker.ago(days(9))?, maker.ago(days(8))?);
    let signer = Signer::new(&fs::read_to_string(boat.path("signing.key"))?.into(), None)?;
    let stranger = Signer::new(&generate_signing_key()?.0, None)?;
    let store = Arc::new(FileStore::new(boat.path("store"), "file:///store"));
    let catalogue = Catalogue::new(store, "lab", Some(signer.verifier()?));
    let verdict = verify(&catalogue, &id, &Depth::Stored).await?;
    let of_held = verify(&catalogue, &held, &Depth::Stored).await?;
    let made = async |hours, depth, level| record(&boat, &verdict, (hours, depth, level), &signer).await;

    // The first one, a failure, the newest of each depth, those of others: all that has a reason to stay.
    let mut stay = BTreeSet::new();
    stay.insert(made(150, Stored, Ok).await?);
    let mut go = BTreeSet::from([made(149, Deep, Ok).await?]);
    stay.insert(made(148, Deep, Error).await?);
    go.insert(made(147, Key, Warning).await?);
    stay.insert(made(146, Deep, Warning).await?);
    stay.insert(made(145, Key, Ok).await?);
    stay.insert(record(&boat, &verdict, (144, Stored, Ok), &stranger).await?);
    for hours in 100..120 {
        go.insert(made(hours, Stored, Ok).await?);
        record(&boat, &of_held, (hours, Stored, Ok), &signer).await?;
    }
    for hours in 90..100 {
        stay.insert(made(hours, Stored, Ok).await?);
    }
    boat.run(&["hold", held.as_str(), "--reason", "audit"]).await.expect(0);
    let names = |ids: &BTreeSet<PointId>| ids.iter().map(PointId::to_string).collect::<BTreeSet<_>>();
    let all: BTreeSet<String> = names(&go).union(&names(&stay)).cloned().collect();
    assert_eq!(records(&boat, &id)?, all);

    // Too young, and then one half of them.
    let thinned = |ran: &Value| ran["plan"]["thinned"].clone();
    assert_eq!(thinned(&boat.run(&PRUNE).await.expect(0).json()), json!([]));
    for point in [&id, &held] {
        age(&dir(&boat, point), Timestamp::now() - days(3))?;
    }
    let young = go.first().expect("some").clone();
    let file = dir(&boat, &id).join(format!("{young}.json.minisig"));
    fs::File::open(&file)?.set_modified(std::time::SystemTime::now())?;
    let before = known(&boat, &id).await;
    assert_eq!(before.0["depths"]["deep"]["passed"], true, "{}", before.0);
    let dry = boat.run(&[&PRUNE[..], &["--dry-run"]].concat()).await.expect(0).json();
    assert_eq!((&thinned(&dry)[0]["id"], &thinned(&dry)[0]["count"]), (&json!(id), &json!(go.len() - 1)));
    assert_eq!(thinned(&dry).as_array().map(Vec::len), Some(1));
    let why = dry["plan"]["points"][0]["kept"].to_string();
    assert!(why.contains("newestVerifiedDeep"), "{why}");
    let told = boat.run(&["prune", "--keep-last", "9", "--dry-run"]).await.expect(0).stdout;
    assert!(told.contains("verifications of 1 recovery points that newer ones supersede: 21,"), "{told}");
    assert_eq!(records(&boat, &id)?, all);

    let ran = boat.run(&PRUNE).await.expect(0).json();
    assert_eq!(
        (&ran["done"]["thinned"], &ran["done"]["failed"]),
        (&json!(go.len() - 1), &json!([])),
        "{ran}"
    );
    assert_eq!(ran["done"]["bytes"], thinned(&ran)[0]["bytes"]);
    stay.insert(young);
    assert_eq!(records(&boat, &id)?, names(&stay));
    assert_eq!(records(&boat, &held)?.len(), 20);
    assert_eq!(known(&boat, &id).await, before);

    // A second store gets what a prune would leave here, and nothing of what it may have let go of itself.
    let carried = stay.len() - 2;
    boat.run(&["release", held.as_str(), "--reason", "closed"]).await.expect(0);
    boat.run(&["copy", "--to", "second"]).await.expect(0);
    let second = boat.path("second/lab/verifications");
    let count = |id: &PointId| fs::read_dir(second.join(id.as_str())).map(|d| d.count() / 2);
    assert_eq!((count(&id)?, count(&held)?), (carried, 11));
    boat.run(&["copy", "--to", "second"]).await.expect(0);
    assert_eq!((count(&id)?, count(&held)?), (carried, 11));
    lab.close(Result::Ok(()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_locked_record_stays() -> Result<()> {
    let lab = LabDir::new()?;
    let options = S3Options { versions: Some(lab.path().join("versions")), tls: None };
    let server = S3::start(lab.path(), &lab.path().join("root"), options).await?;
    server.bucket("locked", true).await?;
    let boat = Lifeboat::init(lab.path(), None, None).await?;
    let maker = boat.maker("made")?;
    let id = maker.ago(days(2))?;
    add(
        &boat,
        &format!(
            "url: \"s3://locked\", s3: {{endpoint: \"{}\", credentials: {{accessKeyId: {{env: LAB_ID}}, secretAccessKey: {{env: LAB_SECRET}}}}}}",
            server.endpoint()
        ),
    )?;
    let client = server.client();
    for name in ["etcd.db.zst.age", "manifest.json.minisig", "manifest.json"] {
        let body = fs::read(maker.dir(&id).join(name))?.into();
        client.put_object().bucket("locked").key(format!("lab/points/{id}/{name}")).body(body).send().await?;
    }
    let run = async |args: &[&str]| -> Ran {
        let mut command = boat.command(&[args, &["--store", "second"]].concat());
        command.env("LAB_ID", s3::ACCESS_KEY).env("LAB_SECRET", s3::SECRET_KEY);
        command.output().await.unwrap().into()
    };
    let mut made = Vec::new();
    for _ in 0..14 {
        let verified = run(&["verify", "-o", "json"]).await.expect(0).json();
        made.push(verified["points"][0]["record"].as_str().expect("a record").to_owned());
    }
    // The first stays; of the next three one is locked, and of another one the signature is.
    let lock = async |name: String| {
        let hold = ObjectLockLegalHold::builder().status(ObjectLockLegalHoldStatus::On).build();
        let key = format!("lab/verifications/{id}/{name}");
        client.put_object_legal_hold().bucket("locked").key(key).legal_hold(hold).send().await.map(drop)
    };
    lock(format!("{}.json", made[1])).await?;
    lock(format!("{}.json.minisig", made[2])).await?;
    age(&server.files("locked").join("lab/verifications"), Timestamp::now() - days(2))?;
    run(&["tag", "latest", "later"]).await.expect(0);
    let ran = run(&PRUNE).await.expect(0).json();
    assert_eq!(ran["done"]["thinned"], 1, "{ran}");
    let shown = run(&["show", "latest", "-o", "json"]).await.expect(0).json();
    let left = shown["records"]["verifications"].as_array().expect("records").iter();
    let left: Vec<&str> = left.filter_map(|r| r["id"].as_str()).collect();
    assert!(left.len() == 13 && !left.contains(&made[3].as_str()), "{left:?} of {made:?}");
    assert_eq!(
        (&shown["standing"]["verified"]["passed"], &shown["standing"]["doubts"]),
        (&json!(true), &json!([]))
    );
    lab.close(Ok(()))
}
