//! Whatever ends a run of `lifeboat prune`, at whatever instant, and whoever else is at work: what is listed is whole, and
//! what is not listed goes in the end.

use crate::{
    boat::{Lifeboat, with_boat},
    lab::{
        EtcdOptions, LabDir,
        fill::points::{age, days},
    },
    saved::tree,
};
use anyhow::Result;
use jiff::{SignedDuration, Timestamp};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::Value;
use std::{collections::BTreeSet, path::Path, time::Duration};

const PRUNE: [&str; 7] = ["prune", "--keep-last", "2", "--max-delete", "100%", "-o", "json"];

/// Objects of the recovery points, as files.
fn objects(store: &Path) -> usize {
    tree(&store.join("lab/points")).iter().filter(|(_, bytes)| bytes.is_some()).count()
}

/// The ids of what is listed; each of them is whole.
async fn whole(boat: &Lifeboat) -> BTreeSet<String> {
    let list = boat.run(&["list", "-o", "json"]).await.expect(0).json();
    let verdicts = boat.run(&["verify", "--all", "--no-record", "-o", "json"]).await.expect(0).json();
    assert!(["ok", "info"].contains(&verdicts["worst"].as_str().unwrap()), "{verdicts}");
    let points = list["points"].as_array().unwrap();
    points.iter().map(|p| p["id"].as_str().unwrap().to_owned()).collect()
}

fn list(ran: &Value, what: &str) -> BTreeSet<String> {
    ran["done"][what].as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_instant_nothing_is_listed_that_is_not_whole() -> Result<()> {
    let lab = LabDir::new()?;
    let boat = Lifeboat::init(lab.path(), None, None).await?;
    let (maker, store) = (boat.maker("store")?, boat.path("store"));
    let mut rng = StdRng::seed_from_u64(23);
    let (mut midway, mut remains) = (0, 0);
    let kept = BTreeSet::from([1, 2].map(|n| maker.ago(SignedDuration::from_secs(n)).unwrap().to_string()));
    for round in 0..30 {
        for n in 0..40 {
            maker.ago(days(60 - round) + SignedDuration::from_mins(n))?;
        }
        // What a killed run leaves is as old as its recovery points were.
        let before = objects(&store);
        let goal = before - rng.random_range(1..120);
        let mut child = boat.spawn(&PRUNE)?;
        while objects(&store) > goal && child.try_wait()?.is_none() {
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
        child.start_kill()?;
        child.wait().await?;
        let (listed, there) = (whole(&boat).await, maker.dirs());
        midway += usize::from(objects(&store) > 6 && objects(&store) < before);
        remains += there.len() - listed.len();
    }
    assert!(midway >= 15 && remains > 0, "{midway} were struck midway, and left {remains}");
    let ran = boat.run(&PRUNE).await.expect(0).json();
    assert_eq!(ran["plan"]["waiting"], 0);
    assert_eq!(whole(&boat).await, kept);
    assert_eq!(objects(&store), 6);
    // A directory that was emptied a moment ago may be one in which somebody is about to write.
    for id in maker.dirs().iter().filter(|id| !kept.contains(*id)) {
        age(&store.join("lab/points").join(id), Timestamp::now() - days(2))?;
    }
    boat.run(&PRUNE).await.expect(0);
    assert_eq!(maker.dirs().into_iter().collect::<BTreeSet<_>>(), kept);
    lab.close(Ok(()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_at_once_do_the_work_of_one() -> Result<()> {
    let lab = LabDir::new()?;
    let boat = Lifeboat::init(lab.path(), None, None).await?;
    let maker = boat.maker("store")?;
    for n in 0..150 {
        maker.ago(days(9) + SignedDuration::from_mins(n))?;
    }
    let (one, other) = tokio::join!(boat.run(&PRUNE), boat.run(&PRUNE));
    let (one, other) = (one.expect(0).json(), other.expect(0).json());
    let (a, b) = (list(&one, "deleted"), list(&other, "deleted"));
    let before = list(&one, "goneBefore").len() + list(&other, "goneBefore").len();
    assert_eq!(a.union(&b).count(), 148, "{one}\n{other}");
    assert!(before <= 148 && one["done"]["spared"] == Value::Array(Vec::new()), "{one}");
    assert_eq!(whole(&boat).await.len(), 2);
    assert_eq!(maker.dirs().len(), 2);
    lab.close(Ok(()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beside_a_running_backup_nothing_of_it_is_touched() -> Result<()> {
    with_boat(EtcdOptions::default(), 4, async |_, boat| {
        let maker = boat.maker("store")?;
        for n in 1..=60 {
            maker.ago(days(n))?;
        }
        let backups = async {
            for _ in 0..6 {
                boat.backup(&["--etcd-only"]).await;
            }
        };
        let done = std::sync::atomic::AtomicBool::new(false);
        let prunes = async {
            let mut runs = 0;
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                let args = ["prune", "--keep-last", "60", "--orphan-grace", "1h"];
                boat.run(&args).await.expect(0);
                runs += 1;
            }
            runs
        };
        let ((), runs) = tokio::join!(
            async {
                backups.await;
                done.store(true, std::sync::atomic::Ordering::Relaxed);
            },
            prunes
        );
        assert!(runs > 3, "{runs}");
        boat.run(&["prune", "--keep-last", "60"]).await.expect(0);
        assert_eq!(whole(boat).await.len(), 60);
        let deep = boat.run(&["prune", "--keep-last", "6", "--max-delete", "100%"]).await.expect(0);
        assert!(deep.stdout.contains("54 of 60 recovery points deleted"), "{deep:?}");
        boat.verify_all().await;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hold_that_comes_between_plan_and_deletion_saves_the_point() -> Result<()> {
    use lifeboat::{
        catalogue::{
            Author, Catalogue,
            prune::{PruneOptions, apply, plan},
            retention::Policy,
        },
        pipeline::{Signer, Verifier},
        store::FileStore,
    };
    let lab = LabDir::new()?;
    let boat = Lifeboat::init(lab.path(), None, None).await?;
    let maker = boat.maker("store")?;
    let (first, second, third) = (maker.ago(days(3))?, maker.ago(days(2))?, maker.ago(days(1))?);
    let newest = maker.ago(SignedDuration::from_secs(1))?;
    let orphan = maker.ago(days(9))?;
    std::fs::remove_file(maker.dir(&orphan).join("manifest.json"))?;
    let store = FileStore::new(boat.path("store"), "file:///store");
    let verifier = Verifier::new(&std::fs::read_to_string(boat.path("signing.pub"))?)?;
    let catalogue = Catalogue::new(std::sync::Arc::new(store), "lab", Some(verifier));
    let options = PruneOptions {
        policy: Policy { last: 1, ..Policy::default() },
        max_delete: 100,
        grace: days(1),
        despite_clock: false,
        now: Timestamp::now(),
    };
    let made = plan(&catalogue, &options).await?;
    assert_eq!((made.going().count(), made.orphans.len()), (3, 1));
    // One is held, one goes, one is replaced, and somebody comes back to the orphan.
    let signer = Signer::new(&std::fs::read_to_string(boat.path("signing.key"))?.into(), None)?;
    let author = Author { by: "test", signer: Some(&signer) };
    catalogue.hold(&first, "wait", author, Timestamp::now()).await?;
    std::fs::remove_dir_all(maker.dir(&second))?;
    let manifest = maker.dir(&third).join("manifest.json");
    std::fs::write(&manifest, [std::fs::read(&manifest)?, b"\n".to_vec()].concat())?;
    std::fs::write(maker.dir(&orphan).join("resources.tar.zst.age"), "now")?;
    let done = apply(&catalogue, &made).await?;
    assert_eq!((done.deleted.len(), done.orphans.len(), done.failed.len()), (0, 0, 0), "{done:?}");
    assert_eq!(done.gone_before, [second]);
    let spared: BTreeSet<_> = done.spared.iter().map(|s| s.id.clone()).collect();
    assert_eq!(spared, BTreeSet::from([first.clone(), third.clone(), orphan.clone()]));
    assert!(done.spared.iter().any(|s| s.id == first && s.reason.contains("held since")), "{done:?}");
    let left = [&first, &third, &newest, &orphan].map(|id| id.to_string());
    assert_eq!(maker.dirs().into_iter().collect::<BTreeSet<_>>(), BTreeSet::from(left));
    age(&maker.dir(&orphan), Timestamp::now() - days(3))?;
    let again = apply(&catalogue, &plan(&catalogue, &options).await?).await?;
    // What was replaced has no signature that holds, and stays.
    assert_eq!((again.deleted, again.orphans), (Vec::new(), vec![orphan]));
    lab.close(Ok(()))
}
