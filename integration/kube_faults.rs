//! An API server that is busy, forgetful, old or half broken: the export is complete and equal all the same, or says
//! what is missing.

use crate::{
    boat::{Lifeboat, Ran},
    export::{Export, Name, facts, stored},
    http_front::{Answer, Front},
    lab::{Cluster, ClusterOptions, fill, with_cluster},
};
use anyhow::Result;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, HashSet},
    sync::{Mutex, atomic::AtomicUsize, atomic::Ordering},
};

/// A cluster with some objects in it, and what a backup without faults found.
struct Calm<'a> {
    cluster: &'a Cluster,
    boat: Lifeboat,
    objects: BTreeMap<Name, Value>,
}

/// Without the heartbeats of the API server itself.
fn calm(mut objects: BTreeMap<Name, Value>) -> BTreeMap<Name, Value> {
    objects.retain(|name, _| !name.starts_with("coordination.k8s.io/leases/"));
    objects
}

impl<'a> Calm<'a> {
    async fn on(cluster: &'a Cluster) -> Result<Self> {
        fill::api(&cluster.client().await?, 160, 1).await?;
        let boat = Lifeboat::init(cluster.etcd().dir(), None, Some(cluster)).await?;
        boat.edit(|text| text.replacen("\nkubernetes:\n", "\nkubernetes:\n  pageSize: 25\n", 1))?;
        let manifest = boat.backup(&["--resources-only"]).await;
        let objects = calm(Export::read(&boat, &manifest).await?.objects);
        Ok(Self { cluster, boat, objects })
    }

    async fn backup(&self, rule: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Result<Ran> {
        let front = Front::start(self.cluster.client().await?, rule).await?;
        let kubeconfig = front.kubeconfig(self.boat.dir())?.display().to_string();
        let args = ["backup", "--resources-only", "-o", "json", "--kubeconfig", &kubeconfig];
        Ok(self.boat.run(&args).await)
    }

    /// Expects a complete export, and gives what the manifest says of it.
    async fn equal(&self, rule: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Result<Value> {
        let manifest = self.backup(rule).await?.expect(0).json();
        assert_eq!((&manifest["status"], &manifest["problems"]), (&json!("Completed"), &json!([])));
        let export = Export::read(&self.boat, &manifest).await?;
        assert_eq!(calm(export.objects), self.objects);
        Ok(facts(&manifest)?.clone())
    }

    /// Expects that nothing is stored.
    async fn fails(&self, words: &str, rule: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Result<()> {
        let before = stored(&self.boat);
        self.backup(rule).await?.expect(1).says(words);
        assert_eq!(stored(&self.boat), before);
        Ok(())
    }
}

/// The rule `fault` for the first request to each path that it concerns; the second one passes.
fn once(fault: impl Fn(&str) -> Answer + Send + Sync) -> impl Fn(&str) -> Answer + Send + Sync {
    let seen = Mutex::new(HashSet::new());
    move |path| match fault(path) {
        Answer::Real => Answer::Real,
        _ if !seen.lock().unwrap().insert(path.to_owned()) => Answer::Real,
        fault => fault,
    }
}

fn list_of(path: &str, resource: &str) -> bool {
    path.contains("resourceVersion") && path.split('?').next().unwrap_or_default().ends_with(resource)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_passes_is_waited_out() -> Result<()> {
    with_cluster(ClusterOptions::default(), async |cluster| {
        let calm = Calm::on(cluster).await?;
        let busy = once(|path| match path {
            _ if list_of(path, "/configmaps") => Answer::Status(429, Some(1), "too many requests"),
            _ if list_of(path, "/deployments") => Answer::Status(503, Some(1), "not yet"),
            "/api" => Answer::Status(429, None, "too many requests"),
            _ if path.contains("continue=") => Answer::Status(504, None, "the gateway gave up"),
            _ => Answer::Real,
        });
        assert_eq!(calm.equal(busy).await?["restarts"], 0);

        let count = AtomicUsize::new(0);
        let torn = once(move |_| match count.fetch_add(1, Ordering::Relaxed) % 7 {
            2 => Answer::Reset,
            5 => Answer::Half,
            _ => Answer::Real,
        });
        assert_eq!(calm.equal(torn).await?["restarts"], 0);

        // One token has expired, though the revision lives: the whole begins again, and has nothing twice.
        let seen = AtomicUsize::new(0);
        let expired = move |path: &str| match path.contains("/secrets?") && path.contains("continue=") {
            true if seen.fetch_add(1, Ordering::Relaxed) == 1 => Answer::Status(410, None, "too old"),
            _ => Answer::Real,
        };
        assert_eq!(calm.equal(expired).await?["restarts"], 1);

        // Types that live elsewhere have their own revisions, and say so in two ways.
        let elsewhere = |path: &str| match path {
            _ if list_of(path, "/deployments") => Answer::Status(400, None, "no such parameter"),
            _ if list_of(path, "/services") => Answer::Status(410, None, "too old"),
            _ => Answer::Real,
        };
        let facts = calm.equal(elsewhere).await?;
        let own =
            facts["counts"].as_object().unwrap().iter().filter(|(_, count)| count["ownRevision"] == true);
        let own: Vec<_> = own.map(|(kind, _)| kind.as_str()).collect();
        // What the server computes when it is asked has no revision at all.
        assert_eq!(own, ["componentstatuses/v1", "deployments.apps/v1", "services/v1"]);

        // Servers before 1.26 have one discovery document for each version of each group.
        calm.equal(|path| if path.contains('?') { Answer::Real } else { Answer::Plain }).await?;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_stays_is_said() -> Result<()> {
    with_cluster(ClusterOptions::default(), async |cluster| {
        let calm = Calm::on(cluster).await?;
        let behind = |path: &str, resource: &str| path.contains(resource) && path.contains("continue=");

        let ran = calm.backup(move |path| match behind(path, "/secrets?") {
            true => Answer::Status(500, None, "etcd says no"),
            false => Answer::Real,
        });
        let manifest = ran.await?.expect(3).json();
        let export = Export::read(&calm.boat, &manifest).await?;
        let reason = "500: etcd says no (the export has the first 25 objects)";
        assert_eq!(export.failed().into_iter().collect::<Vec<_>>(), [("secrets/v1", reason)]);
        assert_eq!(export.named("core/secrets/").len(), 25);
        assert_eq!(export.named("core/configmaps/fill-").len(), 80);

        calm.fails("and so were 5 before it", move |path| match behind(path, "/secrets?") {
            true => Answer::Status(410, None, "too old"),
            false => Answer::Real,
        })
        .await?;
        calm.fails("401 Unauthorized", move |path| match behind(path, "/secrets?") {
            true => Answer::Status(401, None, "Unauthorized"),
            false => Answer::Real,
        })
        .await?;
        calm.fails("is this a Kubernetes API server?", |_| Answer::Page("<html>log in, please</html>"))
            .await?;
        calm.boat.verify_all().await;
        Ok(())
    })
    .await
}
