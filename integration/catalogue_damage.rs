//! Not one byte of a recovery point changes unnoticed.

use crate::saved::{Saved, saved};
use anyhow::Result;
use lifeboat::catalogue::{Depth, Level};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use std::fs;

const OBJECTS: [&str; 5] = [
    "etcd.db.zst.age",
    "resources.tar.zst.age",
    "resources.index.zst.age",
    "manifest.json",
    "manifest.json.minisig",
];

/// One byte changed, most often in the first 400 where the headers are, or the end cut off.
fn damage(rng: &mut StdRng, bytes: &mut Vec<u8>) -> String {
    let within = if rng.random_bool(0.5) { bytes.len().min(400) } else { bytes.len() };
    let at = rng.random_range(0..within);
    if rng.random_bool(0.3) {
        bytes.truncate(at);
        format!("cut at {at}")
    } else {
        let bits = rng.random_range(1..=255u8);
        bytes[at] ^= bits;
        format!("byte {at} ^ {bits:#x}")
    }
}

/// An error that names the object. Which half of a signed pair was changed, nobody can tell.
async fn is_noticed(saved: &Saved, object: &str, depth: &Depth, what: &str) -> Result<()> {
    let verdict = saved.verify(depth).await?;
    let names = |about: &str| about == object || object.starts_with(about) || about.starts_with(object);
    let noticed = verdict.findings.iter().any(|f| f.level == Level::Error && names(&f.about));
    assert!(noticed, "{object}, {what}, {depth:?}: {:#?}", verdict.findings);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_single_damages_are_noticed_and_named() -> Result<()> {
    let saved = saved().await?;
    let (key, deep) = (Depth::Key(saved.identities()?), Depth::Deep(saved.identities()?));
    assert_eq!(saved.verify(&deep).await?.worst(), Level::Ok);
    let mut rng = StdRng::seed_from_u64(0x11FE_B0A7);
    for i in 0..1000 {
        let object = OBJECTS[i % OBJECTS.len()];
        let good = fs::read(saved.object(object))?;
        let mut bad = good.clone();
        let what = damage(&mut rng, &mut bad);
        fs::write(saved.object(object), bad)?;
        is_noticed(&saved, object, &Depth::Stored, &what).await?;
        if i % 100 < OBJECTS.len() {
            is_noticed(&saved, object, &key, &what).await?;
            is_noticed(&saved, object, &deep, &what).await?;
        }
        fs::write(saved.object(object), good)?;
    }
    assert_eq!(saved.verify(&deep).await?.worst(), Level::Ok);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_object_is_named_and_a_foreign_one_too() -> Result<()> {
    let saved = saved().await?;
    for object in &OBJECTS[..3] {
        let good = fs::read(saved.object(object))?;
        fs::remove_file(saved.object(object))?;
        let ran = saved.run(&["verify"]).await.expect(4);
        assert!(ran.stdout.contains(object) && ran.stdout.contains("it is missing"), "{ran:?}");
        fs::write(saved.object(object), good)?;
    }
    fs::write(saved.object("stowaway"), "")?;
    let ran = saved.run(&["verify"]).await.expect(0);
    assert!(ran.stdout.contains("ok, with warnings") && ran.stdout.contains("stowaway"), "{ran:?}");

    fs::remove_file(saved.object("manifest.json.minisig"))?;
    let ran = saved.run(&["verify"]).await.expect(4);
    assert!(ran.stdout.contains("its signature is missing"), "{ran:?}");
    saved.run(&["show", "latest"]).await.expect(4).says("is not to be trusted: its signature is missing");

    // What is left of an interrupted run is no recovery point, and no damage.
    fs::remove_file(saved.object("manifest.json"))?;
    let ran = saved.run(&["verify", "--all"]).await.expect(0);
    assert!(ran.stdout.contains("it has no manifest"), "{ran:?}");
    Ok(())
}
