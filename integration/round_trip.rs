//! The main job: a live cluster is saved, destroyed, and brought back equal.

use crate::{
    boat::with_boat,
    lab::{Etcd, EtcdOptions, Version},
};
use anyhow::Result;
use etcd_client::{GetOptions, KeyValue};

/// Every key below `/` at a revision: key, value, create and mod revision, version, lease.
type All = Vec<(Vec<u8>, Vec<u8>, i64, i64, i64, i64)>;

async fn everything(etcd: &Etcd, revision: i64) -> Result<All> {
    let mut client = etcd.client().await?;
    let mut all = All::new();
    let mut from = vec![0];
    loop {
        // A page stays below the client's limit of 4 MiB for a message.
        let options = GetOptions::new().with_from_key().with_revision(revision).with_limit(200);
        let page = client.get(from, Some(options)).await?;
        all.extend(page.kvs().iter().map(|kv: &KeyValue| {
            let (key, value) = (kv.key().to_vec(), kv.value().to_vec());
            (key, value, kv.create_revision(), kv.mod_revision(), kv.version(), kv.lease())
        }));
        match page.kvs().last() {
            Some(last) if page.more() => from = [last.key(), &[0]].concat(),
            _ => return Ok(all),
        }
    }
}

async fn etcd_round_trip(options: EtcdOptions, restored: EtcdOptions) -> Result<()> {
    with_boat(options, 3, async |etcd, boat| {
        let manifest = boat.backup(&["--etcd-only", "--read-back"]).await;
        let revision = manifest["artifacts"][0]["etcd"]["revision"].as_i64().unwrap();
        assert_eq!(revision, etcd.revision().await?);
        let before = everything(etcd, revision).await?;
        assert!(before.len() > 500, "{} keys", before.len());
        boat.verify_all().await;

        for i in 0..etcd.endpoints().len() {
            etcd.member(i).kill();
        }
        // The same members on new directories, restored with the key alone.
        let again = Etcd::prepare(&etcd.dir().join("again"), restored)?;
        for i in 0..again.endpoints().len() {
            let member = again.member(i);
            let data_dir = member.data_dir.display().to_string();
            boat.run(&[
                "restore",
                "etcd",
                "latest",
                "-i",
                "identity.txt",
                "--data-dir",
                &data_dir,
                "--name",
                &member.name,
                "--initial-cluster",
                &again.initial_cluster(),
                "--initial-advertise-peer-urls",
                &member.peer_url(),
            ])
            .await
            .expect(0);
        }
        again.boot().await?;
        let after = everything(&again, 0).await?;
        assert_eq!(before.len(), after.len());
        for (a, b) in before.iter().zip(&after) {
            assert_eq!(a, b, "{}", String::from_utf8_lossy(&a.0));
        }
        assert!(again.revision().await? >= revision + 1_000_000_000);
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_member_comes_back_equal() -> Result<()> {
    etcd_round_trip(EtcdOptions::default(), EtcdOptions::default()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_members_with_tls_and_a_user_come_back_equal() -> Result<()> {
    let secured = || EtcdOptions {
        members: 3,
        tls: true,
        auth: Some(("root".into(), "round-trip-pa55word".into())),
        ..EtcdOptions::default()
    };
    etcd_round_trip(secured(), secured()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn etcd_3_5_comes_back_equal() -> Result<()> {
    let older = || EtcdOptions { version: Version::V35, ..EtcdOptions::default() };
    etcd_round_trip(older(), older()).await
}
