//! The evidence of drills: how long it is kept, and that it goes along to a second store.

use crate::{
    boat::Lifeboat,
    lab::{
        LabDir, S3, S3Options,
        fill::points::{age, days},
        s3,
    },
    saved::tree,
    store_copy::add,
};
use anyhow::Result;
use aws_sdk_s3::{
    primitives::{ByteStream, DateTime},
    types::{ObjectLockRetention, ObjectLockRetentionMode},
};
use jiff::Timestamp;
use lifeboat::{
    catalogue::{Author, Catalogue},
    pipeline::{Signer, Verifier},
    point::{DrillNote, Evidence, FormatVersion, PointId, ToolFacts},
    store::FileStore,
};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Records drills of any age as a drill records them, in a directory that is a store.
struct Recorder {
    catalogue: Catalogue,
    signer: Signer,
    root: PathBuf,
}

impl Recorder {
    fn new(boat: &Lifeboat, store: &Path) -> Result<Self> {
        let signer = Signer::new(&fs::read_to_string(boat.path("signing.key"))?.into(), None)?;
        let verifier = Verifier::new(&fs::read_to_string(boat.path("signing.pub"))?)?;
        fs::create_dir_all(store)?;
        let files = FileStore::new(store.to_owned(), &format!("file://{}", store.display()));
        let catalogue = Catalogue::new(Arc::new(files), "lab", Some(verifier));
        Ok(Recorder { catalogue, signer, root: store.join("lab/drills") })
    }

    /// A drill that ended so many days ago, and says of its evidence to be kept so.
    async fn drill(&self, name: &str, ago: i64, retain: Value) -> Result<PointId> {
        let at = Timestamp::now() - days(ago);
        let id = PointId::new(at, rand::random());
        let mut evidence = json!({
            "format": FormatVersion::CURRENT, "id": id, "cluster": "lab",
            "plan": {"name": name, "restores": ["etcd"]},
            "by": "me", "tool": ToolFacts::current(), "began": at, "ended": at, "verdict": "passed",
            "pick": {"rule": "latest", "among": 1},
            "phases": [], "rpo": {}, "rto": {}, "checks": [], "cleanup": [],
        });
        if !retain.is_null() {
            evidence["retain"] = retain;
        }
        let evidence: Evidence = serde_json::from_value(evidence)?;
        self.catalogue.record_drill(&evidence, Some(&self.signer)).await?;
        Ok(id)
    }

    async fn note(&self, drill: &PointId, action: &str) -> Result<()> {
        let at = Timestamp::now();
        let note = DrillNote {
            format: FormatVersion::CURRENT,
            id: PointId::new(at, rand::random()),
            cluster: "lab".into(),
            drill: drill.clone(),
            at,
            by: "me".into(),
            tool: ToolFacts::current(),
            finding: None,
            action: action.into(),
            owner: None,
            due: None,
            retested_by: None,
        };
        Ok(self.catalogue.note_drill(&note, Author { by: "me", signer: Some(&self.signer) }).await?)
    }

    fn there(&self, id: &PointId) -> bool {
        tree(&self.root.join(id.as_str())).iter().any(|(_, bytes)| bytes.is_some())
    }
}

fn over(days_ago: i64) -> Value {
    json!({"until": Timestamp::now() - days(days_ago)})
}

#[track_caller]
fn planned<'a>(ran: &'a Value, id: &PointId) -> &'a Value {
    let drills = ran["plan"]["drills"].as_array().unwrap();
    drills.iter().find(|it| it["id"] == id.as_str()).unwrap_or_else(|| panic!("{id}: {ran:#}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn evidence_goes_when_its_time_is_over_and_never_the_newest_nor_what_is_doubtful() -> Result<()> {
    let lab = LabDir::new()?;
    let boat = Lifeboat::init(lab.path(), None, None).await?;
    let recorder = Recorder::new(&boat, &boat.path("store"))?;
    let old = recorder.drill("quarterly", 900, over(1)).await?;
    recorder.note(&old, "buy a larger disk").await?;
    let forged = recorder.drill("quarterly", 800, over(1)).await?;
    let last =
        recorder.drill("quarterly", 700, json!({"until": Timestamp::now() - days(9), "last": 3})).await?;
    let young = recorder.drill("quarterly", 600, json!({"until": Timestamp::now() + days(9)})).await?;
    let newest = recorder.drill("quarterly", 500, over(1)).await?;
    let unsaid = recorder.drill("yearly", 1000, Value::Null).await?;
    let only = recorder.drill("yearly", 400, over(1)).await?;
    let file = recorder.root.join(forged.as_str()).join("evidence.json");
    fs::write(&file, fs::read_to_string(&file)?.replace("\"passed\"", "\"failed\""))?;
    // A drill that was killed long ago, after it had sealed its details, and one that may be about to record its evidence.
    let (killed, alive) = (PointId::new(Timestamp::now() - days(3), 7), PointId::new(Timestamp::now(), 8));
    for id in [&killed, &alive] {
        fs::create_dir_all(recorder.root.join(id.as_str()))?;
        fs::write(recorder.root.join(id.as_str()).join("details.json.zst.age"), "sealed")?;
    }
    age(&recorder.root.join(killed.as_str()), Timestamp::now() - days(3))?;

    let prune = ["prune", "--keep-last", "5", "-o", "json"];
    let dry = boat.run(&[&prune[..], &["--dry-run"]].concat()).await.expect(0).json();
    let kept = |id: &PointId| planned(&dry, id)["kept"].to_string();
    assert_eq!(kept(&old), "[]");
    assert!(kept(&forged).contains("notUnderstood") && kept(&last).contains("\"place\":3"), "{dry:#}");
    assert!(kept(&young).contains("until") && kept(&newest).contains("newest"), "{dry:#}");
    assert!(kept(&unsaid).contains("nothingSaid") && kept(&only).contains("newest"), "{dry:#}");
    assert_eq!(
        (dry["plan"]["drillRemains"].as_array().unwrap().len(), &dry["plan"]["waiting"]),
        (1, &1.into())
    );
    let table = boat.run(&["prune", "--keep-last", "5", "--dry-run"]).await.expect(0).stdout;
    for told in [
        "would go",
        "its time was over on",
        "number 3 of the last 3 of its name",
        "it does not say how long it is kept",
        "evidence of 1 of 7 drills",
    ] {
        assert!(table.contains(told), "{told}: {table}");
    }
    assert!(recorder.there(&old), "a dry run deletes nothing");

    let ran = boat.run(&prune).await.expect(0).json();
    assert_eq!(ran["done"]["drills"], json!([old]));
    assert!(!recorder.there(&old) && !recorder.there(&killed) && recorder.there(&alive));
    for id in [&forged, &last, &young, &newest, &unsaid, &only] {
        assert!(recorder.there(id), "{id}");
    }
    let again = boat.run(&prune).await.expect(0).json();
    assert_eq!(again["done"]["drills"], json!([]));

    // One run that would delete nearly all of it looks like a clock that is wrong.
    for n in 0..9 {
        recorder.drill("weekly", 300 - n, over(1)).await?;
    }
    let refused = boat.run(&prune).await.expect(6);
    let said = refused.stdout + &refused.stderr;
    assert!(said.contains("the evidence of 8 of 15 drills would go"), "{said}");
    let ran = boat.run(&[&prune[..], &["--beyond-max-delete"]].concat()).await.expect(0).json();
    assert_eq!(ran["done"]["drills"].as_array().unwrap().len(), 8);
    lab.close(Ok(()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn evidence_that_a_bucket_has_locked_stays_and_is_named() -> Result<()> {
    let lab = LabDir::new()?;
    let versions = Some(lab.path().join("versions"));
    let server = S3::start(lab.path(), &lab.path().join("root"), S3Options { versions, tls: None }).await?;
    server.bucket("locked", true).await?;
    let boat = Lifeboat::init(lab.path(), None, None).await?;
    let recorder = Recorder::new(&boat, &lab.path().join("made"))?;
    let mut ids = Vec::new();
    for ago in [30, 20, 10] {
        ids.push(recorder.drill("quarterly", ago, over(1)).await?);
    }
    fs::write(boat.path("s3-id"), s3::ACCESS_KEY)?;
    fs::write(boat.path("s3-secret"), s3::SECRET_KEY)?;
    let keys = "credentials: {accessKeyId: {file: s3-id}, secretAccessKey: {file: s3-secret}}";
    boat.edit(|text| {
        let line =
            text.lines().find(|line| line.trim_start().starts_with("url: \"file:")).unwrap().to_owned();
        text.replacen(
            &line,
            &format!("    url: \"s3://locked\"\n    s3: {{endpoint: \"{}\", {keys}}}", server.endpoint()),
            1,
        )
    })?;
    let client = server.client();
    for id in &ids {
        for name in ["evidence.json.minisig", "evidence.json"] {
            let body = ByteStream::from(fs::read(recorder.root.join(id.as_str()).join(name))?);
            let key = format!("lab/drills/{id}/{name}");
            client.put_object().bucket("locked").key(key).body(body).send().await?;
        }
    }
    let until = Timestamp::now() + days(365);
    let retention = ObjectLockRetention::builder()
        .mode(ObjectLockRetentionMode::Governance)
        .retain_until_date(DateTime::from_secs(until.as_second()));
    let key = format!("lab/drills/{}/evidence.json", ids[0]);
    client.put_object_retention().bucket("locked").key(key).retention(retention.build()).send().await?;
    let ran = boat.run(&["prune", "--keep-last", "5", "-o", "json"]).await.expect(0).json();
    let kept = planned(&ran, &ids[0])["kept"].to_string();
    assert!(kept.contains("\"rule\":\"locked\"") && kept.contains("until\":\"2"), "{kept}");
    assert_eq!(ran["done"]["drills"], json!([ids[1]]));
    let left = boat.run(&["drill", "list", "-o", "json"]).await.expect(0).stdout;
    assert!(
        left.contains(ids[0].as_str()) && !left.contains(ids[1].as_str()) && left.contains(ids[2].as_str()),
        "{left}"
    );
    lab.close(Ok(()))
}

/// Copies to a second store, and looks what came there.
async fn carried(boat: &Lifeboat, second: &Path, recorder: &Recorder) -> Result<()> {
    let (a, b) = (
        recorder.drill("quarterly", 20, over(1)).await?,
        recorder.drill("quarterly", 10, Value::Null).await?,
    );
    let forged = recorder.drill("quarterly", 5, Value::Null).await?;
    recorder.note(&b, "buy a larger disk").await?;
    let file = recorder.root.join(forged.as_str()).join("evidence.json");
    fs::write(&file, fs::read_to_string(&file)?.replace("\"passed\"", "\"failed\""))?;
    let copied = boat.run(&["copy", "-o", "json"]).await.expect(0);
    assert!(copied.stderr.contains("is not believed, and was not copied"), "{}", copied.stderr);
    let copied = copied.json();
    // What prune would let go of at once is not sent.
    assert_eq!(copied["stores"][0]["drills"]["evidence"], json!([b]), "{copied:#}");
    assert_eq!(copied["stores"][0]["drills"]["notes"], 1);
    let there = second.join("lab/drills");
    let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    let ids: Vec<String> = fs::read_dir(&there)?.map(name).collect();
    assert_eq!(ids, [b.to_string()], "{a}");
    for entry in ["evidence.json", "evidence.json.minisig"] {
        let of = |root: &Path| fs::read(root.join(b.as_str()).join(entry)).unwrap();
        assert_eq!(of(&there), of(&recorder.root), "{entry}");
    }
    boat.run(&["drill", "verify", "latest", "--store", "second"]).await.expect(0);
    let again = boat.run(&["copy", "-o", "json"]).await.expect(0).json();
    assert_eq!(
        (&again["stores"][0]["drills"]["evidence"], &again["stores"][0]["drills"]["notes"]),
        (&json!([]), &0.into())
    );
    // A note that comes later goes alone.
    recorder.note(&b, "it was bought").await?;
    let later = boat.run(&["copy", "-o", "json"]).await.expect(0).json();
    assert_eq!(
        (&later["stores"][0]["drills"]["evidence"], &later["stores"][0]["drills"]["notes"]),
        (&json!([]), &1.into())
    );
    let shown = boat.run(&["drill", "show", b.as_str(), "--store", "second"]).await.expect(0).stdout;
    assert!(shown.contains("buy a larger disk") && shown.contains("it was bought"), "{shown}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn evidence_and_notes_go_along_to_a_second_directory() -> Result<()> {
    let lab = LabDir::new()?;
    let boat = Lifeboat::init(lab.path(), None, None).await?;
    add(&boat, "url: \"file:./second\"")?;
    let recorder = Recorder::new(&boat, &boat.path("store"))?;
    carried(&boat, &boat.path("second"), &recorder).await?;
    lab.close(Ok(()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn evidence_and_notes_go_along_to_a_bucket() -> Result<()> {
    let lab = LabDir::new()?;
    let server = S3::start(lab.path(), &lab.path().join("root"), S3Options::default()).await?;
    server.bucket("away", false).await?;
    let boat = Lifeboat::init(lab.path(), None, None).await?;
    fs::write(boat.path("away-id"), s3::ACCESS_KEY)?;
    fs::write(boat.path("away-secret"), s3::SECRET_KEY)?;
    let keys = "credentials: {accessKeyId: {file: away-id}, secretAccessKey: {file: away-secret}}";
    add(&boat, &format!("url: \"s3://away\", s3: {{endpoint: \"{}\", {keys}}}", server.endpoint()))?;
    let recorder = Recorder::new(&boat, &boat.path("store"))?;
    carried(&boat, &server.files("away"), &recorder).await?;
    lab.close(Ok(()))
}
