//! Members that are down, behind, without a leader, or not to be trusted.

use crate::{
    boat::Lifeboat,
    etcd_outcome::{agreement, facts, problems, refused, run, saved},
    lab::{Etcd, EtcdOptions, Version, eventually, fill, with_etcd},
};
use anyhow::{Context, Result};
use etcd_client::{AlarmType, CompactionOptions};
use std::{fs, time::Duration};

const PATIENCE: Duration = Duration::from_secs(30);

/// Three members with something in them, and a boat that knows them all.
async fn with_three(
    options: EtcdOptions,
    test: impl AsyncFnOnce(&Etcd, &Lifeboat) -> Result<()>,
) -> Result<()> {
    with_etcd(EtcdOptions { members: 3, ..options }, async |etcd| {
        fill::etcd(&etcd.client().await?, 1, 1).await?;
        let boat = Lifeboat::init(etcd.dir(), Some(etcd), None).await?;
        test(etcd, &boat).await
    })
    .await
}

/// Which member leads.
async fn leader(etcd: &Etcd) -> Result<usize> {
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_lags_is_not_called_corrupt() -> Result<()> {
    with_three(EtcdOptions::default(), async |etcd, boat| {
        let behind = etcd.member((leader(etcd).await? + 1) % 3);
        let mut client = etcd.client_of(leader(etcd).await?).await?;
        for round in 0..3 {
            behind.pause()?;
            fill::etcd(&client, 1, 2 + round).await?;
            let revision = etcd_revision(&mut client).await?;
            // The others forget what the one that lags still has.
            client.compact(revision - 5, Some(CompactionOptions::new().with_physical())).await?;
            let backup = boat.spawn(&["backup", "--etcd-only", "-o", "json"])?;
            behind.resume()?;
            let output = backup.wait_with_output().await?;
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(0), "{said}\n{}", String::from_utf8_lossy(&output.stdout));
            let manifest: serde_json::Value = serde_json::from_slice(&output.stdout)?;
            crate::etcd_outcome::sound(boat, &manifest).await;
            fs::remove_dir_all(boat.path("store"))?;
        }
        Ok(())
    })
    .await
}

async fn etcd_revision(client: &mut etcd_client::Client) -> Result<i64> {
    Ok(client.status().await?.header().context("no header")?.revision())
}

async fn compacted_at_the_newest(version: Version) -> Result<()> {
    with_three(EtcdOptions { version, ..Default::default() }, async |etcd, boat| {
        let revision = etcd.revision().await?;
        let mut client = etcd.client().await?;
        client.compact(revision, Some(CompactionOptions::new().with_physical())).await?;
        // One member has not the answers of the others in its memory.
        etcd.member(1).stop().await?;
        etcd.member(1).start()?;
        etcd.healthy().await?;
        let manifest = saved(boat).await;
        assert_eq!(facts(&manifest)["revision"], revision);
        assert_eq!(facts(&manifest)["kvHash"]["compactRevision"], revision);
        assert_eq!(agreement(&manifest).0.len(), 3);
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compaction_at_the_newest_revision_does_not_hinder_the_comparison() -> Result<()> {
    compacted_at_the_newest(Version::V36).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compaction_at_the_newest_revision_does_not_hinder_the_comparison_3_5() -> Result<()> {
    compacted_at_the_newest(Version::V35).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_etcd_is_saved() -> Result<()> {
    with_etcd(EtcdOptions::default(), async |etcd| {
        let boat = Lifeboat::init(etcd.dir(), Some(etcd), None).await?;
        let manifest = saved(&boat).await;
        assert_eq!(facts(&manifest)["revision"], 1);
        run(&boat, &["inspect", "latest", "-i", "identity.txt"]).await.expect(0);
        Ok(())
    })
    .await
}
