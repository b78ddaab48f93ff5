//! What a swap of static pods refuses before anything is stopped, and that planning one touches nothing.

use crate::{
    boat::Ran,
    host::write_manifest,
    lab::process::own_mounts,
    saved::{Saved, saved, tree},
};
use anyhow::Result;
use serde_json::json;
use std::{fs, path::Path};

/// The command line that kubeadm gives etcd, on ports where nothing listens.
fn etcd(saved: &Saved, more: &[&str]) -> Vec<String> {
    let data = format!("--data-dir={}", saved.dir().join("data").display());
    let flags = [
        "etcd",
        &data,
        "--name=cp1",
        "--initial-advertise-peer-urls=http://127.0.0.1:2",
        "--initial-cluster=cp1=http://127.0.0.1:2",
        "--listen-client-urls=http://127.0.0.1:1",
        "--listen-metrics-urls=http://127.0.0.1:3",
    ];
    flags.iter().chain(more).map(|flag| (*flag).to_owned()).collect()
}

/// Manifests and data as they lie on a host, where nothing runs.
async fn host(more: &[&str]) -> Result<Saved> {
    let saved = saved().await?;
    fs::create_dir(saved.dir().join("manifests"))?;
    fs::create_dir_all(saved.dir().join("data/member/snap"))?;
    fs::write(saved.dir().join("data/member/snap/db"), "the only copy")?;
    write_manifest(&manifests(&saved), "etcd", &etcd(&saved, more), &[&saved.dir().join("data")])?;
    write_manifest(
        &manifests(&saved),
        "kube-apiserver",
        &["kube-apiserver".into(), "--secure-port=4".into()],
        &[],
    )?;
    Ok(saved)
}

fn manifests(saved: &Saved) -> std::path::PathBuf {
    saved.dir().join("manifests")
}

async fn swap(saved: &Saved, more: &[&str]) -> Ran {
    let pods = "--static-pods=../manifests";
    saved.run(&[&["restore", "etcd", "latest", "-i", "identity.txt", pods], more].concat()).await
}

/// Expects a refusal that leaves every file as it is.
async fn refused(saved: &Saved, code: i32, words: &[&str]) {
    let before = tree(saved.dir());
    for more in [&[][..], &["--dry-run"]] {
        let mut ran = swap(saved, more).await.expect(code);
        for words in words {
            ran = ran.says(words);
        }
        assert!(tree(saved.dir()) == before);
    }
}

#[tokio::test]
async fn a_dry_run_says_everything_and_touches_nothing() -> Result<()> {
    let saved = host(&[]).await?;
    let before = tree(saved.dir());
    let told = swap(&saved, &["--dry-run"]).await.expect(0).stdout;
    let kept = format!("data.before-{} (kept)", saved.id);
    for words in [
        "Would restore and swap",
        "cp1 of cp1=http://127.0.0.1:2",
        &kept,
        "etcd.yaml, kube-apiserver.yaml of",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
    let plan = swap(&saved, &["--dry-run", "-o", "json"]).await.expect(0).json();
    assert_eq!(plan["plan"]["swap"]["etcd"], json!({"clients": ["127.0.0.1:1"], "health": "127.0.0.1:3"}));
    assert_eq!(plan["plan"]["swap"]["wasHealthy"], json!(false));
    assert!(tree(saved.dir()) == before);
    Ok(())
}

#[tokio::test]
async fn a_data_directory_that_is_a_mount_point_keeps_the_old_data_inside() -> Result<()> {
    let saved = host(&[]).await?;
    let data = saved.dir().join("data");
    // A bind mount is of the same file system, and yet nothing can be moved out of it.
    let script = format!(
        "mount --bind '{0}' '{0}' && '{1}' restore etcd latest --static-pods=../manifests --dry-run -o json --etcdutl '{2}'",
        data.display(),
        env!("CARGO_BIN_EXE_lifeboat"),
        crate::lab::tools::tool("etcdutl")?.display()
    );
    let mut command = own_mounts().await?;
    let output = command.args(["sh", "-c", &script]).current_dir(saved.boat.dir()).output().await?;
    let plan = Ran::from(output).expect(0).json();
    assert_eq!(plan["plan"]["swap"]["kept"], json!(data.join(format!("before-{}", saved.id))));
    assert_eq!(plan["plan"]["swap"]["restored"], json!(data.join(format!("restored-{}", saved.id))));
    Ok(())
}

#[tokio::test]
async fn several_members_need_the_checklist() -> Result<()> {
    let two = "--initial-cluster=cp1=http://127.0.0.1:2,cp2=http://127.0.0.2:2";
    let saved = host(&[two]).await?;
    let help = "\"Restoring at three in the morning\" in the README";
    refused(&saved, 2, &["several members (cp1, cp2, by --initial-cluster in", "etcd.yaml", help]).await;
    let plan = swap(&saved, &["--dry-run", "--force-new-cluster", "-o", "json"]).await.expect(0).json();
    assert_eq!(plan["plan"]["forsaken"], json!(["cp2"]));
    assert_eq!(plan["plan"]["restore"]["membership"]["initialCluster"], "cp1=http://127.0.0.1:2");
    Ok(())
}

#[tokio::test]
async fn manifests_that_cannot_be_followed_are_named() -> Result<()> {
    let saved = host(&[]).await?;
    let file = manifests(&saved).join("etcd.yaml");
    let whole = fs::read_to_string(&file)?;
    for (text, words) in [
        ("spec: [", "it is not the manifest of a pod"),
        ("kind: Pod\n", "it is not the manifest of a pod"),
        (&whole.replace("--data-dir", "--data"), "etcd's --data-dir is missing in it"),
        (&whole.replace("path: /", "path: "), "no hostPath volume of it holds etcd's --data-dir"),
        (&whole.replace("http://127.0.0.1:1", "nowhere"), "`nowhere` is not a URL"),
        (&whole.replace("--name=cp1", "--config-file=/etc/etcd.yaml"), "--config-file"),
    ] {
        fs::write(&file, text)?;
        refused(&saved, 1, &["manifests/etcd.yaml: ", words]).await;
    }
    fs::remove_file(&file)?;
    refused(&saved, 1, &["manifests/etcd.yaml: it is not there"]).await;
    Ok(())
}

#[tokio::test]
async fn files_that_are_in_the_way_are_named() -> Result<()> {
    let saved = host(&[]).await?;
    let stopped = saved.dir().join("manifests.stopped");
    fs::create_dir(&stopped)?;
    fs::write(stopped.join("etcd.yaml"), "moved away by hand")?;
    refused(&saved, 1, &["manifests.stopped/etcd.yaml is there already", "nothing was touched"]).await;
    fs::remove_file(stopped.join("etcd.yaml"))?;
    fs::write(stopped.join("journal.jsonl"), "no journal")?;
    refused(&saved, 1, &["journal.jsonl cannot be read"]).await;
    fs::remove_dir_all(&stopped)?;

    let member = saved.dir().join("data/member");
    fs::rename(&member, saved.dir().join("elsewhere"))?;
    std::os::unix::fs::symlink(saved.dir().join("elsewhere"), &member)?;
    refused(&saved, 1, &["member is a link or a mount point"]).await;
    Ok(())
}

#[tokio::test]
async fn what_fails_before_anything_is_stopped_leaves_nothing() -> Result<()> {
    let saved = host(&[]).await?;
    let object = saved.object("etcd.db.zst.age");
    let mut bytes = fs::read(&object)?;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&object, bytes)?;
    let before = tree(saved.dir());
    swap(&saved, &[]).await.expect(4).says("is damaged");
    assert!(tree(saved.dir()) == before);
    Ok(())
}

#[tokio::test]
async fn options_that_contradict_each_other_are_wrong_usage() -> Result<()> {
    let saved = host(&[]).await?;
    for more in [
        &["--data-dir", "../data"][..],
        &["--name", "cp1"],
        &["--initial-cluster", "cp1=http://127.0.0.1:2"],
        &["--initial-cluster-token", "other"],
        &["--wait", "0s"],
        &["--wait", "5"],
    ] {
        swap(&saved, more).await.expect(2);
    }
    let args = ["restore", "etcd", "latest", "--data-dir", "../other"];
    saved.run(&[&args[..], &["--force-new-cluster"]].concat()).await.expect(2).says("--static-pods");
    saved.run(&[&args[..], &["--wait", "1m"]].concat()).await.expect(2).says("--static-pods");
    saved.run(&["restore", "etcd", "latest"]).await.expect(2).says("--data-dir");
    saved.run(&["restore", "undo", "/nowhere"]).await.expect(1).says("/nowhere");
    assert!(Path::new(&saved.dir().join("data/member/snap/db")).exists());
    Ok(())
}
