//! Members that are down, behind, without a leader, or not to be trusted.

use crate::{
    boat::{Lifeboat, with_boat},
    etcd_outcome::{agreement, facts, problems, refused, saved},
    lab::{Etcd, EtcdOptions, Version, eventually},
};
use anyhow::{Context, Result};
use etcd_client::AlarmType;
use std::{fs, time::Duration};

const PATIENCE: Duration = Duration::from_secs(30);

/// Three members with something in them, and a boat that knows them all.
pub async fn with_three(
    options: EtcdOptions,
    test: impl AsyncFnOnce(&Etcd, &Lifeboat) -> Result<()>,
) -> Result<()> {
    with_boat(EtcdOptions { members: 3, ..options }, 1, test).await
}

/// Which member leads.
pub async fn leader(etcd: &Etcd) -> Result<usize> {
    for i in 0..etcd.members().len() {
        let status = etcd.client_of(i).await?.status().await?;
        if status.header().is_some_and(|h| h.member_id() == status.leader()) {
            return Ok(i);
        }
    }
    anyhow::bail!("nobody leads")
}

/// Waits until member `i` has noticed that there is no quorum.
async fn leaderless(etcd: &Etcd, i: usize) -> Result<()> {
    let mut client = etcd.client_of(i).await?;
    eventually("no leader", PATIENCE, async || Ok((client.status().await?.leader() == 0).then_some(()))).await
}

async fn members_go_down(version: Version) -> Result<()> {
    with_three(EtcdOptions { version, ..Default::default() }, async |etcd, boat| {
        let leads = leader(etcd).await?;
        let [a, b] = [1, 2].map(|n| (leads + n) % 3);
        let (leads, a, b) = (etcd.member(leads), etcd.member(a), etcd.member(b));

        let manifest = saved(boat).await;
        assert_eq!(agreement(&manifest).0.len(), 3);
        assert_eq!(problems(&manifest), "");
        assert_ne!(facts(&manifest)["member"], leads.name.as_str(), "a follower can serve as well");
        fs::remove_dir_all(boat.path("store"))?;

        a.kill();
        let manifest = saved(boat).await;
        assert_eq!(agreement(&manifest).1, [a.name.as_str()]);
        let said = problems(&manifest);
        assert!(said.contains(&format!("{} ({})", a.name, a.endpoint())), "{said}");
        assert!(said.contains("nothing listens there"), "{said}");
        fs::remove_dir_all(boat.path("store"))?;

        // Of three, only the one that led is left: it can no longer agree on anything, but what it has can be saved.
        b.kill();
        leaderless(
            etcd,
            etcd.members().iter().position(|m| m.name == leads.name).context("it is one of three")?,
        )
        .await?;
        let manifest = saved(boat).await;
        assert_eq!(agreement(&manifest).0, [leads.name.as_str()]);
        let said = problems(&manifest);
        assert!(said.contains("no member knows of a leader") && said.contains("restore"), "{said}");
        fs::remove_dir_all(boat.path("store"))?;

        leads.kill();
        let endpoints: Vec<&str> = etcd.endpoints().iter().map(String::as_str).collect();
        refused(boat, &[&["no etcd member answers", "nothing listens there"], &endpoints[..]].concat()).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn as_long_as_one_member_is_left_it_is_saved() -> Result<()> {
    members_go_down(Version::V36).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn as_long_as_one_member_is_left_it_is_saved_3_5() -> Result<()> {
    members_go_down(Version::V35).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_is_of_no_use_without_quorum_and_that_is_said() -> Result<()> {
    let auth = Some(("root".to_owned(), "quorum-pa55word".to_owned()));
    with_three(EtcdOptions { auth, ..Default::default() }, async |etcd, boat| {
        etcd.member(1).kill();
        etcd.member(2).kill();
        let said = ["nobody can log in", "no leader", "member/snap/db"];
        refused(boat, &said).await
    })
    .await
}

async fn corruption(version: Version) -> Result<()> {
    with_three(EtcdOptions { version, ..Default::default() }, async |etcd, boat| {
        etcd.raise_alarm(1, AlarmType::Nospace).await?;
        let manifest = saved(boat).await;
        assert_eq!(agreement(&manifest).0.len(), 3);
        let said = problems(&manifest);
        assert!(
            said.contains("etcd-1") && said.contains("NOSPACE") && said.contains("etcdctl alarm disarm"),
            "{said}"
        );
        fs::remove_dir_all(boat.path("store"))?;
        etcd.clear_alarm(1, AlarmType::Nospace).await?;

        etcd.raise_alarm(2, AlarmType::Corrupt).await?;
        refused(boat, &["CORRUPT", "etcd-2", &etcd.endpoints()[2], "replace that member"]).await?;
        // The alarm is known to the others as well.
        etcd.member(2).kill();
        refused(boat, &["CORRUPT", "etcd-2"]).await?;
        etcd.member(2).start()?;
        etcd.healthy().await?;
        etcd.clear_alarm(2, AlarmType::Corrupt).await?;

        etcd.diverge(0).await?;
        let groups = ["on etcd-0 (", " and etcd-", "hash "];
        refused(boat, &[&["do not hold the same data", "replace the member"], &groups[..]].concat()).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn corruption_is_not_saved_and_a_full_disk_is() -> Result<()> {
    corruption(Version::V36).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn corruption_is_not_saved_and_a_full_disk_is_3_5() -> Result<()> {
    corruption(Version::V35).await
}
