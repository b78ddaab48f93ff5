//! `lifeboat restore etcd --static-pods` on a real etcd and a real API server that a kubelet runs: there, and back.

use crate::{
    host::{Host, names, write_manifest},
    lab::{Etcd, EtcdOptions, Kubelet, eventually},
    saved::{SECRET, saved, tree},
};
use anyhow::Result;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use std::{fs, os::unix::fs::MetadataExt, os::unix::fs::PermissionsExt, time::Duration};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_old_objects_are_served_again_and_the_way_back_is_open() -> Result<()> {
    let host = Host::start().await?;
    fs::set_permissions(host.data_dir(), fs::Permissions::from_mode(0o750))?;
    let root = rustix::process::getuid().is_root();
    if root {
        std::os::unix::fs::chown(host.data_dir().join("member"), Some(1234), Some(1234))?;
    }
    let child = host.begin(&["-o", "json"])?;
    eventually("it stops the servers", Duration::from_secs(60), async || {
        Ok(host.dir().join("manifests.stopped/etcd.yaml").exists().then_some(()))
    })
    .await?;
    // The connection of who started it breaks off.
    kill_process(Pid::from_raw(child.id().unwrap() as i32).unwrap(), Signal::HUP)?;
    let ran: crate::boat::Ran = child.wait_with_output().await?.into();
    let swapped = ran.expect(0).says("starting the API server").json();
    host.must_serve(&host.saved).await?;
    assert_eq!(names(&host.manifests()), ["etcd.yaml", "kube-apiserver.yaml", "kube-scheduler.yaml"]);
    assert_eq!(fs::metadata(host.data_dir())?.mode() & 0o777, 0o750);
    let owner = |name: &str| fs::metadata(host.data_dir().join(name)).map(|found| found.uid());
    assert!(!root || (owner("member")?, owner("member/snap/db")?) == (1234, 1234));

    let kept = swapped["swap"]["kept"].as_str().unwrap();
    assert_eq!(names(kept.as_ref()), ["member"]);
    let last = swapped["next"].as_array().unwrap().last().unwrap().as_str().unwrap();
    assert!(last.contains(kept) && last.contains("restore undo"), "{last}");
    let old = format!("{kept}/member/snap/db");
    let later = "/registry/secrets/default/later-1";
    host.boat.run(&["inspect", &old, "--key", later]).await.expect(0);

    let told = host.undo(&["--dry-run"]).await.expect(0).stdout;
    assert!(told.contains("bring the data of before back"), "{told}");
    host.must_serve(&host.saved).await?;
    let undone = host.undo(&[]).await.expect(0).stdout;
    assert!(undone.contains("move the new data to"), "{undone}");
    host.must_serve(&host.live).await?;
    // What was written since the swap is not thrown away.
    let restored = swapped["swap"]["restored"].as_str().unwrap();
    fs::remove_dir_all(restored)?;
    host.must_be_clean();
    let nothing = host.undo(&[]).await.expect(0).stdout;
    assert!(nothing.contains("There is nothing to undo"), "{nothing}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_at_once_one_wins() -> Result<()> {
    let host = Host::start().await?;
    let (a, b) = tokio::join!(host.swap(&[]), host.swap(&[]));
    let (won, lost) = if a.code == 0 { (a, b) } else { (b, a) };
    won.expect(0);
    let lost = lost.expect(6);
    assert!(lost.stderr.contains("another swap of static pods is at work"), "{lost:?}");
    host.must_serve(&host.saved).await?;
    // Once more, with what the first one kept still there.
    let again = host.swap(&["-o", "json"]).await.expect(0).json();
    assert!(again["swap"]["kept"].as_str().unwrap().ends_with("-2"), "{again}");
    host.must_serve(&host.saved).await
}

/// The data of a host is lost, and its cluster had three members: it goes on alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_three_becomes_the_only_member() -> Result<()> {
    let saved = saved().await?;
    saved.forge(|manifest| {
        let facts = &mut manifest["artifacts"][0]["etcd"];
        let member = facts["members"][0].clone();
        let named = |name: &str| {
            let mut other = member.clone();
            other["name"] = json!(name);
            other
        };
        facts["members"] = json!([named("etcd-0"), named("etcd-1"), named("etcd-2")]);
    })?;
    let etcd = Etcd::prepare(saved.dir(), EtcdOptions { members: 3, ..EtcdOptions::default() })?;
    let manifests = saved.dir().join("manifests");
    fs::create_dir(&manifests)?;
    let mut command = etcd.member(0).command();
    command.push("--initial-cluster-state=existing".into());
    write_manifest(&manifests, "etcd", &command, &[saved.dir()])?;
    let _kubelet = Kubelet::start(&manifests, saved.dir());
    let pods = format!("--static-pods={}", manifests.display());
    let args = ["restore", "etcd", "latest", "-i", "identity.txt", "--wait", "60s", &pods];
    saved.run(&args).await.expect(2).says("etcd-0, etcd-1, etcd-2").says("--force-new-cluster");

    let forced = [&args[..], &["--force-new-cluster", "-o", "json"]].concat();
    let swapped = saved.run(&forced).await.expect(0).json();
    let next = swapped["next"].to_string();
    assert!(next.contains("etcd-1, etcd-2 no longer belong to etcd"), "{next}");
    assert!(next.contains("restart every API server"), "{next}");
    let access = etcd.access().of(0);
    let listed: serde_json::Value =
        serde_json::from_str(&access.etcdctl(&["member", "list", "-w", "json"]).await?)?;
    assert_eq!(listed["members"].as_array().unwrap().len(), 1);
    let found = access.client().await?.get("/registry/secrets/default/vault", None).await?;
    let value = String::from_utf8_lossy(found.kvs()[0].value()).into_owned();
    assert!(value.contains(SECRET));

    // Back to where there was no data at all.
    saved.run(&["restore", "undo", manifests.to_str().unwrap(), "--wait", "10s"]).await.expect(0);
    let restored = swapped["swap"]["restored"].as_str().unwrap();
    assert!(tree(restored.as_ref()).iter().any(|(path, _)| path.ends_with("member/snap/db")));
    assert!(!saved.dir().join("manifests.stopped").exists());
    Ok(())
}
