//! Members that are sound, and not easily compared: they lag, have compacted, know little, or do not vote.

use crate::{
    boat::{Lifeboat, with_boat},
    etcd_members::{leader, with_three},
    etcd_outcome::{agreement, facts, problems, run, saved, sound},
    lab::{Etcd, EtcdOptions, Version, eventually, fill, ports::Port, with_etcd},
};
use anyhow::{Context, Result, bail};
use etcd_client::{CompactionOptions, MemberAddOptions};
use lifeboat::source::etcd::{self as source, Agreement, Survey};
use std::{fs, time::Duration};

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
            sound(boat, &manifest).await;
            fs::remove_dir_all(boat.path("store"))?;
        }
        Ok(())
    })
    .await
}

/// Two of one member each stand for a member that lags and one that has gone on and compacted where the first one is: so
/// they stay for as long as the test wants. etcd answers for the revision of a compaction with the hash from before it,
/// which no snapshot of today can give.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_revision_of_a_compaction_is_not_the_one_to_compare() -> Result<()> {
    with_etcd(EtcdOptions::default(), async |lags| {
        with_etcd(EtcdOptions::default(), async |ahead| {
            let put = async |etcd: &Etcd, from: i64, to: i64| -> Result<()> {
                let mut client = etcd.client().await?;
                for n in from..to {
                    client.put(format!("lab/{}", n % 7), n.to_string(), None).await?;
                }
                Ok(())
            };
            put(lags, 0, 20).await?;
            put(ahead, 0, 30).await?;
            let edge = lags.revision().await?;
            ahead.client().await?.compact(edge, Some(CompactionOptions::new().with_physical())).await?;
            let look = async |etcd: &Etcd| Survey::take(&options(etcd)).await;
            let (mut both, second) = (look(lags).await?, look(ahead).await?);
            let Agreement::Agree { hash, .. } = second.compare(edge).await? else { bail!("no answer") };
            assert!(hash.compact_revision < edge, "{hash:?}: etcd has changed");
            both.members.extend(second.members);
            let follow = async {
                tokio::time::sleep(Duration::from_secs(1)).await;
                put(lags, 20, 30).await
            };
            let (found, followed) = tokio::join!(both.comparable_revision(), follow);
            followed?;
            assert_eq!(found, Some(ahead.revision().await?));
            Ok(())
        })
        .await
    })
    .await
}

fn options(etcd: &Etcd) -> source::EtcdOptions {
    let wait = Duration::from_secs(10);
    source::EtcdOptions {
        endpoints: etcd.endpoints().to_vec(),
        tls: None,
        auth: None,
        connect_timeout: wait,
        request_timeout: wait,
        idle_timeout: wait,
    }
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
    with_boat(EtcdOptions::default(), 0, async |_etcd, boat| {
        let manifest = saved(boat).await;
        assert_eq!(facts(&manifest)["revision"], 1);
        run(boat, &["inspect", "latest", "-i", "identity.txt"]).await.expect(0);
        Ok(())
    })
    .await
}

async fn with_a_learner(version: Version) -> Result<()> {
    with_etcd(EtcdOptions { version, ..Default::default() }, async |etcd| {
        fill::etcd(&etcd.client().await?, 1, 1).await?;
        let (port, voter) = (Port::claim()?, etcd.initial_cluster());
        let peer = format!("http://{port}");
        let add = MemberAddOptions::new().with_is_learner();
        etcd.client().await?.member_add([peer.as_str()], Some(add)).await?;
        let args = vec![
            "--name=learner".to_owned(),
            format!("--listen-peer-urls={peer}"),
            format!("--initial-advertise-peer-urls={peer}"),
            format!("--initial-cluster={voter},learner={peer}"),
            "--initial-cluster-state=existing".to_owned(),
        ];
        let options = EtcdOptions { version, args, ..Default::default() };
        let learner = Etcd::prepare(&etcd.dir().join("learner"), options)?;
        learner.member(0).start()?;
        let revision = etcd.revision().await?;
        eventually("the learner has learned", Duration::from_secs(30), async || {
            learner.member(0).probe().await?;
            let Ok(mut client) = learner.client().await else { return Ok(None) };
            let status = client.status().await;
            Ok(status.is_ok_and(|s| s.header().is_some_and(|h| h.revision() == revision)).then_some(()))
        })
        .await?;

        // The voter leads, so that anyone else who could be streamed from would be preferred.
        let boat = Lifeboat::init(etcd.dir(), Some(etcd), None).await?;
        let both = format!("{}\"\n    - \"{}", learner.endpoints()[0], etcd.endpoints()[0]);
        boat.edit(|text| text.replace(&etcd.endpoints()[0], &both))?;
        let manifest = saved(&boat).await;
        assert_eq!(facts(&manifest)["member"], "etcd-0");
        assert_eq!(agreement(&manifest), (vec!["etcd-0"], vec!["learner"]));
        assert_eq!(problems(&manifest), "", "a learner is no reason to worry");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_learner_is_never_streamed_from() -> Result<()> {
    with_a_learner(Version::V36).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_learner_is_never_streamed_from_3_5() -> Result<()> {
    with_a_learner(Version::V35).await
}
