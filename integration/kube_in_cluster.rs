//! As in a pod: a service account's token and authority, mounted where Kubernetes mounts them.

use crate::{
    boat::{Lifeboat, Ran},
    export::Export,
    lab::{Cluster, ClusterOptions, fill, process::own_mounts, with_cluster},
    live,
};
use anyhow::{Context, Result};
use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};
use tokio::process::Command;

const BACKUP: &[&str] = &["backup", "-o", "json"];

/// Puts the directory `$1` where a pod has its service account, for the program behind it alone.
const MOUNT: &str = "
mount -t tmpfs none /var/run
mkdir -p /var/run/secrets/kubernetes.io/serviceaccount
mount --bind \"$1\" /var/run/secrets/kubernetes.io/serviceaccount
shift
exec \"$@\"";

/// What a pod of a service account is given.
pub struct Pod<'a> {
    cluster: &'a Cluster,
    /// The program in it.
    pub boat: Lifeboat,
    account: PathBuf,
}

impl<'a> Pod<'a> {
    /// One of the service account `backup`, with the role that README.md gives it.
    async fn new(cluster: &'a Cluster, settings: &str) -> Result<Self> {
        let role =
            include_str!("../README.md").split("```yaml\n").find(|block| block.contains("ClusterRole"));
        fill::apply(&cluster.client().await?, role.and_then(|r| r.split("```").next()).context("a role")?)
            .await?;
        cluster.kubectl(&["create", "serviceaccount", "backup"]).await?;
        let bind = ["create", "clusterrolebinding", "backup", "--clusterrole=lifeboat"];
        cluster.kubectl(&[&bind[..], &["--serviceaccount=default:backup"]].concat()).await?;

        let boat = Lifeboat::init(cluster.etcd().dir(), None, None).await?;
        Self::mounted(cluster, boat, "default", settings)
    }

    /// One of this namespace, which has no token yet.
    pub fn mounted(cluster: &'a Cluster, boat: Lifeboat, namespace: &str, settings: &str) -> Result<Self> {
        let section = format!("\nkubernetes:\n  inCluster: true\n{settings}");
        boat.edit(|text| text.replacen("\nkubernetes:\n", &section, 1))?;
        let account = boat.path("serviceaccount");
        fs::create_dir(&account)?;
        fs::copy(cluster.pki().ca(), account.join("ca.crt"))?;
        fs::write(account.join("namespace"), namespace)?;
        Ok(Pod { cluster, boat, account })
    }

    /// A token of the account that is good as long as the Secret of this name is there.
    async fn token(&self, secret: &str) -> Result<String> {
        self.cluster.kubectl(&["create", "secret", "generic", secret]).await?;
        let bound =
            ["create", "token", "backup", "--bound-object-kind=Secret", "--bound-object-name", secret];
        Ok(self.cluster.kubectl(&bound).await?.trim().to_owned())
    }

    /// Replaces the token, as a kubelet does.
    pub fn give(&self, token: &str) -> Result<()> {
        fs::write(self.account.join("new"), token)?;
        Ok(fs::rename(self.account.join("new"), self.account.join("token"))?)
    }

    /// The program as a process of the pod.
    pub async fn command(&self, args: &[&str]) -> Result<Command> {
        let url = self.cluster.url();
        let (host, port) = url.trim_start_matches("https://").split_once(':').context("a port")?;
        let account = self.account.to_str().context("a path")?;
        let own = ["sh", "-euc", MOUNT, "sh", account, env!("CARGO_BIN_EXE_lifeboat")];
        let mut command = self.boat.prepared(own_mounts().await?, &[&own, args].concat());
        command.env("KUBERNETES_SERVICE_HOST", host).env("KUBERNETES_SERVICE_PORT", port);
        Ok(command)
    }

    pub async fn run(&self, args: &[&str]) -> Result<Ran> {
        Ok(self.command(args).await?.output().await?.into())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_account_exports_everything_that_it_may_list() -> Result<()> {
    with_cluster(ClusterOptions::default(), async |cluster| {
        let client = cluster.client().await?;
        fill::shop(&client).await?;
        let pod = Pod::new(cluster, "").await?;
        pod.run(BACKUP).await?.expect(1).says("no credentials for").says("serviceaccount/token");
        pod.give("no token at all")?;
        pod.run(BACKUP).await?.expect(1).says("does not accept the credentials (401 Unauthorized)");

        pod.give(&pod.token("first").await?)?;
        let manifest = pod.run(BACKUP).await?.expect(0).json();
        assert_eq!(
            (manifest["status"].as_str(), &manifest["problems"]),
            (Some("Completed"), &serde_json::json!([]))
        );
        let export = Export::read(&pod.boat, &manifest).await?;
        let live = live::everything(&client).await?;
        assert!(live.len() > 100);
        let missing: Vec<_> = live.keys().filter(|name| !export.objects.contains_key(*name)).collect();
        assert!(missing.is_empty(), "{missing:?}");

        let found = pod.run(&["doctor", "-o", "json"]).await?.json();
        let checks = found["checks"].as_array().context("checks")?;
        let holds: Vec<_> = checks.iter().filter(|it| it["about"] == "certificate kubernetes-ca").collect();
        assert!(holds.len() == 1 && holds[0]["level"] == "ok", "{found:#}");
        let place = "(/var/run/secrets/kubernetes.io/serviceaccount/ca.crt)";
        assert!(holds[0]["message"].as_str().is_some_and(|it| it.ends_with(place)), "{found:#}");

        fs::remove_file(pod.account.join("ca.crt"))?;
        pod.run(BACKUP).await?.expect(1).says("check that the pod mounts its service account");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_is_replaced_meanwhile_is_read_again() -> Result<()> {
    // A token is looked at again when it is 50 s old, and the API server remembers for 10 s that one was good.
    let (reread, remembered) = (Duration::from_secs(52), Duration::from_secs(11));
    with_cluster(ClusterOptions::default(), async |cluster| {
        fill::api(&cluster.client().await?, 80, 1).await?;
        // Some ninety requests, and as many seconds.
        let pod = Pod::new(cluster, "  qps: 1\n  pageSize: 10\n").await?;
        let (first, second) = (pod.token("first").await?, pod.token("second").await?);
        pod.give(&first)?;
        let began = Instant::now();
        let mut backup = pod.command(BACKUP).await?;
        let backup =
            backup.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn()?;
        tokio::time::sleep(Duration::from_secs(5)).await;
        pod.give(&second)?;
        tokio::time::sleep(reread.saturating_sub(began.elapsed())).await;
        cluster.kubectl(&["delete", "secret", "first"]).await?;
        let dead = began.elapsed() + remembered;
        let manifest = Ran::from(backup.wait_with_output().await?).expect(0).json();
        assert!(began.elapsed() > dead, "it was done after {:?}: too early to tell", began.elapsed());
        assert_eq!(manifest["status"], "Completed");

        pod.give(&first)?;
        pod.run(BACKUP).await?.expect(1).says("401 Unauthorized");
        Ok(())
    })
    .await
}
