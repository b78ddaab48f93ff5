//! Whatever ends a backup to S3, or a copy to it, at whatever instant: the bucket lists whole recovery points only.

use crate::{
    boat::{Lifeboat, with_boat},
    lab::{
        EtcdOptions, LabDir, S3, S3Options,
        fill::points::{age, days},
        s3,
    },
};
use anyhow::Result;
use jiff::Timestamp;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// A boat that writes to a directory and knows a bucket, where its large objects have several parts.
struct Shore {
    server: S3,
    rng: StdRng,
}

/// What the bucket holds.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    /// Recovery points that a listing shows.
    whole: usize,
    /// Those that have objects and no manifest.
    begun: usize,
    /// Uploads that were begun and neither completed nor aborted.
    underway: usize,
}

impl Shore {
    async fn new(lab: &LabDir, boat: &Lifeboat, seed: u64) -> Result<Self> {
        let server = S3::start(lab.path(), &lab.path().join("root"), S3Options::default()).await?;
        server.bucket("shore", false).await?;
        for (name, text) in [("shore-id", s3::ACCESS_KEY), ("shore-secret", s3::SECRET_KEY)] {
            std::fs::write(boat.path(name), text)?;
        }
        let (endpoint, region) = (server.endpoint(), s3::REGION);
        let keys = "credentials: {accessKeyId: {file: shore-id}, secretAccessKey: {file: shore-secret}}";
        let s3 = format!("s3: {{endpoint: \"{endpoint}\", region: {region}, partSize: 5MiB, {keys}}}");
        let store = format!("  - {{name: shore, url: \"s3://shore/boats\", {s3}}}\n#:   - name: second");
        boat.edit(|text| text.replacen("#:   - name: second", &store, 1))?;
        Ok(Shore { server, rng: StdRng::seed_from_u64(seed) })
    }

    /// Runs the program and kills it at an instant before `longest`; how long it took, when it had come to its end by then.
    async fn strike(
        &mut self,
        boat: &Lifeboat,
        args: &[&str],
        longest: Duration,
    ) -> Result<Option<Duration>> {
        let begin = Instant::now();
        let mut child = boat.spawn(args)?;
        let instant = longest.mul_f64(self.rng.random_range(0.2..1.1));
        if tokio::time::timeout(instant, child.wait()).await.is_ok() {
            return Ok(Some(begin.elapsed()));
        }
        child.start_kill()?;
        child.wait().await?;
        Ok(None)
    }

    async fn found(&self, boat: &Lifeboat) -> Result<Found> {
        let list = boat.run(&["list", "--store", "shore", "-o", "json"]).await.expect(0).json();
        let points = list["points"].as_array().unwrap();
        assert!(points.iter().all(|p| p["status"] == "Completed" && p["signature"] == "holds"), "{list}");
        let client = self.server.client();
        let mut names: BTreeMap<String, bool> = BTreeMap::new();
        for object in
            client.list_objects_v2().bucket("shore").prefix("boats/lab/points/").send().await?.contents()
        {
            let (point, name) = object.key().unwrap().rsplit_once('/').unwrap();
            *names.entry(point.to_owned()).or_default() |= name == "manifest.json";
        }
        let underway = client.list_multipart_uploads().bucket("shore").send().await?.uploads().len();
        let begun = names.values().filter(|whole| !**whole).count();
        assert_eq!(names.len() - begun, points.len(), "{names:?}");
        Ok(Found { whole: points.len(), begun, underway })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_instant_the_bucket_lists_whole_points_only() -> Result<()> {
    with_boat(EtcdOptions::default(), 60, async |_, boat| {
        let lab = LabDir::new()?;
        let mut shore = Shore::new(&lab, boat, 31).await?;
        boat.backup(&["--etcd-only"]).await;
        for args in [&["backup", "--etcd-only", "--store", "shore"][..], &["copy", "--to", "shore"]] {
            let begin = Instant::now();
            boat.run(args).await.expect(0);
            let mut longest = begin.elapsed();
            let before = shore.found(boat).await?;
            let (mut ended, mut killed) = (0, 0);
            while killed < 8 && ended < 20 {
                if args[0] == "copy" {
                    boat.backup(&["--etcd-only"]).await;
                }
                match shore.strike(boat, args, longest).await? {
                    // How long a run takes depends on what else the machine does.
                    Some(took) => (ended, longest) = (ended + 1, longest.min(took)),
                    None => killed += 1,
                }
            }
            let found = shore.found(boat).await?;
            println!("{}: {ended} ended, {killed} killed; {found:?}", args[0]);
            assert_eq!(killed, 8, "{ended} came to their end");
            assert!(found.whole >= before.whole + ended, "{found:?}");
            let left = |found: &Found| found.begun + found.underway;
            assert!(left(&found) > left(&before), "none was struck in the middle of an upload: {found:?}");
        }
        let verify = ["verify", "--store", "shore", "--all", "--deep", "-i", "identity.txt"];
        boat.run(&verify).await.expect(0);
        // What is owed is paid by the next run.
        boat.run(&["copy", "--to", "shore"]).await.expect(0);
        let list = boat.run(&["list", "-o", "json"]).await.expect(0).json();
        let before = shore.found(boat).await?;
        assert!(before.whole >= list["points"].as_array().unwrap().len());
        // What the killed ones left is young, and by that may be somebody's work; once it is old it goes.
        let prune = ["prune", "--store", "shore", "--keep-last", "99", "-o", "json"];
        let waiting = boat.run(&prune).await.expect(0).json();
        assert_eq!(shore.found(boat).await?, before, "{waiting}");
        age(&shore.server.files("shore"), Timestamp::now() - days(3))?;
        boat.backup(&["--etcd-only", "--store", "shore"]).await;
        let pruned = boat.run(&prune).await.expect(0).json();
        assert_eq!(pruned["done"]["unfinished"], before.underway, "{pruned}");
        let clean = Found { whole: before.whole + 1, begun: 0, underway: 0 };
        assert_eq!(shore.found(boat).await?, clean);
        boat.run(&verify).await.expect(0);
        lab.close(Ok(()))
    })
    .await
}
