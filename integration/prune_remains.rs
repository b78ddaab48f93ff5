//! Remains of interrupted runs: they go when they are old by the store's own clock, and not before.

use crate::{
    boat::Lifeboat,
    lab::{
        LabDir,
        fill::points::{age, days},
    },
};
use anyhow::Result;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::{
    fs::{self, File},
    path::Path,
    time::SystemTime,
};

async fn prune(boat: &Lifeboat, args: &[&str]) -> Value {
    boat.run(&[&["prune", "--keep-last", "9", "-o", "json"], args].concat()).await.expect(0).json()
}

fn touch(path: &Path, at: Timestamp) -> Result<()> {
    Ok(File::open(path)?.set_modified(SystemTime::from(at))?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orphans_go_past_the_grace_and_not_before() -> Result<()> {
    let lab = LabDir::new()?;
    let boat = Lifeboat::init(lab.path(), None, None).await?;
    let maker = boat.maker("store")?;
    let now = Timestamp::now();
    let whole = maker.ago(SignedDuration::from_secs(5))?;
    // Old in all its parts; old by its id alone; old but for one object.
    let (old, by_id, partly) = (maker.ago(days(3))?, maker.ago(days(3))?, maker.ago(days(3))?);
    for id in [&old, &by_id, &partly] {
        fs::remove_file(maker.dir(id).join("manifest.json"))?;
    }
    age(&maker.dir(&by_id), now - SignedDuration::from_hours(23))?;
    touch(&maker.dir(&partly).join("manifest.json.minisig"), now - SignedDuration::from_mins(1))?;
    // Records of a recovery point that is gone, old and young.
    let (gone, lately) = (maker.ago(days(4))?, maker.ago(days(4))?);
    for id in [&gone, &lately] {
        boat.run(&["tag", id.as_str(), "x"]).await.expect(0);
        fs::remove_dir_all(maker.dir(id))?;
    }
    let tags = |id: &lifeboat::point::PointId| boat.path("store/lab/tags").join(id.as_str());
    age(&tags(&gone), now - days(2))?;

    let dry = prune(&boat, &["--dry-run"]).await;
    assert_eq!(dry["plan"]["orphans"][0]["id"], old.as_str());
    assert_eq!(dry["plan"]["orphans"].as_array().map(Vec::len), Some(1), "{dry}");
    assert_eq!(dry["plan"]["records"][0]["id"], gone.as_str());
    assert!(maker.dir(&old).exists());
    let ran = prune(&boat, &[]).await;
    assert_eq!(ran["done"]["orphans"][0], old.as_str());
    assert!(!maker.dir(&old).exists() && !tags(&gone).exists());
    assert!(maker.dir(&by_id).exists() && maker.dir(&partly).exists() && tags(&lately).exists());
    assert_eq!(ran["plan"]["waiting"], 3, "{ran}");
    // With a shorter grace, and when they have become older.
    let ran = prune(&boat, &["--orphan-grace", "22h"]).await;
    assert_eq!(ran["done"]["orphans"][0], by_id.as_str());
    age(&maker.dir(&partly), now - days(2))?;
    assert_eq!(prune(&boat, &[]).await["done"]["orphans"][0], partly.as_str());
    assert_eq!(maker.dirs(), [whole.as_str()]);
    boat.run(&["verify", "--all"]).await.expect(0);
    boat.run(&["prune", "--keep-last", "1", "--orphan-grace", "30d", "--dry-run"]).await.expect(0);
    lab.close(Ok(()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_of_ours_that_is_ahead_takes_no_running_backup_for_remains() -> Result<()> {
    let lab = LabDir::new()?;
    let boat = Lifeboat::init(lab.path(), None, None).await?;
    let maker = boat.maker("store")?;
    // By the store's clock nothing is newer than three days, and our own says that all is old.
    let long_ago = Timestamp::now() - days(3);
    maker.point("lab", long_ago, |_| {})?;
    let running = maker.point("lab", long_ago, |_| {})?;
    fs::remove_file(maker.dir(&running).join("manifest.json"))?;
    let ran = prune(&boat, &[]).await;
    assert_eq!(
        (ran["done"]["orphans"].as_array().map(Vec::len), &ran["plan"]["waiting"]),
        (Some(0), &1.into())
    );
    assert!(maker.dir(&running).exists());
    lab.close(Ok(()))
}

/// What a killed writer leaves in a directory.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn temporary_files_of_killed_writers_go_past_the_grace() -> Result<()> {
    let lab = LabDir::new()?;
    let boat = Lifeboat::init(lab.path(), None, None).await?;
    boat.edit(|text| {
        text.replacen(
            "\n#:   - name: second",
            "\n  - {name: dir, url: \"file:./dir\"}\n#:   - name: second",
            1,
        )
    })?;
    let maker = boat.maker("dir")?;
    let (whole, now) = (maker.ago(SignedDuration::from_secs(5))?, Timestamp::now());
    let (young, old) = (maker.dir(&whole).join(".part-young"), maker.dir(&whole).join(".part-old"));
    let lone = boat.path("dir/lab/points/20260101T000000Z-aaaa");
    let empty = boat.path("dir/lab/points/20260101T000000Z-bbbb");
    fs::create_dir_all(&lone)?;
    fs::create_dir_all(&empty)?;
    for path in [&young, &old, &lone.join(".part-x")] {
        fs::write(path, "half")?;
    }
    touch(&old, now - days(2))?;
    age(&lone, now - days(2))?;
    age(&empty, now - days(2))?;
    let dir = ["--store", "dir"];
    assert_eq!(
        prune(&boat, &["--store", "dir", "--dry-run"]).await["plan"]["unfinished"].as_array().map(Vec::len),
        Some(3)
    );
    let ran = prune(&boat, &dir).await;
    assert_eq!((&ran["done"]["unfinished"], &ran["done"]["bytes"]), (&2.into(), &8.into()), "{ran}");
    assert!(young.exists() && !old.exists() && !lone.exists() && !empty.exists());
    assert_eq!(maker.dirs(), [whole.as_str()]);
    boat.run(&["verify", "--all", "--store", "dir"]).await.expect(0);
    lab.close(Ok(()))
}
