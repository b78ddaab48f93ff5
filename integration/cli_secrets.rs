//! However much is logged, no secret is.

use crate::{
    boat::{Lifeboat, Ran},
    lab::{ClusterOptions, EtcdOptions, fill, with_cluster, with_etcd},
    saved::{SECRET, SECRET_BASE64},
};
use anyhow::Result;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, api::PostParams};
use std::fs;

/// Words that must never be seen, and the program that must not say them.
struct Silence {
    boat: Lifeboat,
    secrets: Vec<String>,
}

impl Silence {
    /// Keeps the boat's own keys secret, and `more`.
    fn new(boat: Lifeboat, more: &[&str]) -> Result<Self> {
        let mut secrets: Vec<String> = more.iter().map(ToString::to_string).collect();
        for file in ["identity.txt", "signing.key"] {
            let text = fs::read_to_string(boat.path(file))?;
            // Its second half: the first characters of keys of a kind are all the same.
            let key = text.lines().last().unwrap();
            secrets.push(key[key.len() / 2..].to_owned());
        }
        Ok(Silence { boat, secrets })
    }

    /// Runs a command as talkative as can be, in both forms of the log.
    async fn run(&self, line: &str, code: i32) -> Ran {
        let mut last = None;
        for form in ["text", "json"] {
            let line = line.replace("{form}", form);
            let args: Vec<&str> = line.split(' ').chain(["-vvv", "--log-format", form]).collect();
            let ran = self.boat.run(&args).await.expect(code);
            for secret in &self.secrets {
                assert!(
                    !ran.stdout.contains(secret) && !ran.stderr.contains(secret),
                    "{line} shows {secret}"
                );
            }
            last = Some(ran);
        }
        last.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_and_secrets_are_in_no_output() -> Result<()> {
    with_cluster(ClusterOptions::default(), async |cluster| {
        let vault: Secret = serde_json::from_value(
            serde_json::json!({"metadata": {"name": "vault"}, "stringData": {"password": SECRET}}),
        )?;
        Api::namespaced(cluster.client().await?, "default").create(&PostParams::default(), &vault).await?;
        let boat = Lifeboat::init(cluster.etcd().dir(), Some(cluster.etcd()), Some(cluster)).await?;
        let silence = Silence::new(boat, &[SECRET, SECRET_BASE64, "PRIVATE KEY"])?;
        for line in [
            "doctor",
            "backup",
            "list",
            "show latest",
            "verify --all --deep -i identity.txt",
            "extract latest resources --to {form}.tar -i identity.txt",
            "inspect latest -i identity.txt",
            "inspect latest -i identity.txt --key /registry/secrets/",
            "inspect latest -i identity.txt --key /registry/secrets/default/vault",
            "inspect latest -i identity.txt --key /registry/secrets/default/vault -o json",
            "restore etcd latest -i identity.txt --data-dir {form}.data",
        ] {
            let said = silence.run(line, 0).await.stderr;
            assert!(!said.is_empty() || !["doctor", "backup"].contains(&line), "{line} logs nothing");
        }
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_password_of_etcd_is_in_no_output() -> Result<()> {
    let password = "lantern-harbour-tide";
    let options = EtcdOptions { auth: Some(("root".into(), password.into())), ..EtcdOptions::default() };
    with_etcd(options, async |etcd| {
        fill::etcd(&etcd.client().await?, 1, 9).await?;
        let boat = Lifeboat::init(etcd.dir(), Some(etcd), None).await?;
        let silence = Silence::new(boat, &[password])?;
        silence.run("doctor", 1).await;
        silence.run("backup --etcd-only", 0).await;
        fs::write(silence.boat.path("etcd-password"), "lantern-harbour-tides")?;
        silence.run("backup --etcd-only", 1).await;
        Ok(())
    })
    .await
}
