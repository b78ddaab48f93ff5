//! What `lifeboat restore etcd` refuses, and what it leaves when it does: nothing.

use crate::{
    boat::{Lifeboat, Ran},
    lab::{Etcd, EtcdOptions, process::own_mounts},
    saved::{Saved, saved, tree},
};
use anyhow::Result;
use serde_json::Value;
use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf, process::Command};

async fn restore(saved: &Saved, more: &[&str]) -> Ran {
    let args = ["restore", "etcd", "latest", "-i", "identity.txt", "--data-dir", "../data"];
    saved.run(&[&args, more].concat()).await
}

/// A program in the test's directory.
fn script(saved: &Saved, name: &str, text: &str) -> Result<PathBuf> {
    let path = saved.dir().join(name);
    fs::write(&path, format!("#!/bin/sh\n{text}\n"))?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700))?;
    Ok(path)
}

/// Is there nothing beside the boat?
fn left_nothing(saved: &Saved) -> bool {
    fs::read_dir(saved.dir()).unwrap().all(|e| {
        let name = e.unwrap().file_name();
        name == "boat" || name == "etcdutl-fake"
    })
}

#[tokio::test]
async fn a_directory_in_use_stays_as_it_is() -> Result<()> {
    let saved = saved().await?;
    let data = saved.dir().join("data");
    fs::create_dir_all(data.join("member/snap"))?;
    fs::write(data.join("member/snap/db"), "the only copy")?;
    let before = tree(&data);
    for more in [&[][..], &["--dry-run"]] {
        restore(&saved, more).await.expect(6).says("is not empty: nothing was touched").says("keep it!");
        assert_eq!(tree(&data), before);
    }
    fs::remove_dir_all(&data)?;
    fs::write(&data, "not even a directory")?;
    restore(&saved, &[]).await.expect(6).says("nothing was touched");
    assert_eq!(fs::read(&data)?, b"not even a directory");
    Ok(())
}

#[tokio::test]
async fn a_dry_run_says_everything_and_does_nothing() -> Result<()> {
    let saved = saved().await?;
    let before = tree(saved.dir());
    let revision = saved.manifest()?.artifacts.into_iter().find_map(|a| a.etcd).unwrap().revision;
    let args = ["restore", "etcd", "latest", "--data-dir", "../data", "--dry-run"];
    let told = saved.run(&args).await.expect(0).stdout;
    for words in
        ["Would restore", saved.id.as_str(), &format!("{revision} becomes {}", revision + 1_000_000_000)]
    {
        assert!(told.contains(words), "{words}: {told}");
    }
    assert!(tree(saved.dir()) == before);
    Ok(())
}

#[tokio::test]
async fn options_that_contradict_each_other_are_wrong_usage() -> Result<()> {
    let saved = saved().await?;
    let two = "a=http://10.0.0.1:2380,b=http://10.0.0.2:2380";
    let own = "--initial-advertise-peer-urls";
    for (more, words) in [
        (&["--bump-revision", "0"][..], "give --no-mark-compacted too"),
        (&["--initial-cluster", two], "does not name this member, `default`"),
        (&["--name", "b", "--initial-cluster", two], "gives `b` the peer URL http://10.0.0.2:2380"),
        (&["--name", "a", "--initial-cluster", "a:http"], "`a:http` is not name=peer-url"),
        (&["--name", "b", "--initial-cluster", two, own, "http://10.0.0.1:2380"], "gives `b` the peer URL"),
        (&["--initial-cluster-token", ""], "must not be empty"),
        (&["--bump-revision=-1"], "--bump-revision"),
        (&["--cluster", "../lab"], "cannot be a name"),
    ] {
        restore(&saved, more).await.expect(2).says(words);
    }
    assert!(left_nothing(&saved));
    Ok(())
}

#[tokio::test]
async fn a_wrong_key_is_told_from_damage() -> Result<()> {
    let saved = saved().await?;
    let made = Command::new("age-keygen").arg("-o").arg(saved.boat.path("other.txt")).output()?;
    assert!(made.status.success());
    let args = ["restore", "etcd", "latest", "--data-dir", "../data"];
    saved.run(&args).await.expect(2).says("give its file with -i");
    saved
        .run(&[&args[..], &["-i", "other.txt"]].concat())
        .await
        .expect(2)
        .says("none of the identities given");
    let object = saved.object("etcd.db.zst.age");
    let good = fs::read(&object)?;
    // In the header, where age itself would say that the key is a wrong one, and in the middle.
    for at in [60, good.len() / 2] {
        let mut bad = good.clone();
        bad[at] ^= 1;
        fs::write(&object, bad)?;
        restore(&saved, &[]).await.expect(4).says("is damaged: the SHA-256 of the stored bytes differs");
    }
    assert!(left_nothing(&saved));
    Ok(())
}

#[tokio::test]
async fn an_etcdutl_that_does_not_serve_is_said_to_be_wanting() -> Result<()> {
    let saved = saved().await?;
    let help = "github.com/etcd-io/etcd/releases";
    restore(&saved, &["--etcdutl", "/nowhere/etcdutl"]).await.expect(1).says("cannot be run").says(help);
    let fake = "../etcdutl-fake";
    for (text, words) in [
        ("echo 'etcdutl version: 3.4.0'", "is 3.4.0, and this needs 3.6 or newer"),
        ("echo hello", "it does not tell its version"),
        (r#"[ "$1" = version ] && echo 'etcdutl version: 3.6.9'"#, "cannot raise revisions"),
    ] {
        script(&saved, "etcdutl-fake", text)?;
        restore(&saved, &["--etcdutl", fake]).await.expect(1).says(words).says(help);
    }
    let able = r#"case "$*" in version) echo 'etcdutl version: 3.6.9' ;; *--help) echo --bump-revision ;;"#;
    script(&saved, "etcdutl-fake", &format!("{able} *) echo 'no luck today' >&2; exit 7 ;; esac"))?;
    let ran = restore(&saved, &["--etcdutl", fake]).await.expect(1);
    ran.says("etcdutl failed (exit status: 7), and nothing was left behind").says("no luck today");
    // One that says that all is well, and made nothing, or something else.
    script(&saved, "etcdutl-fake", &format!("{able} esac"))?;
    restore(&saved, &["--etcdutl", fake]).await.expect(1).says("member/snap/db");
    let junk = r#"d=$(echo "$*" | sed 's/.*--data-dir=\([^ ]*\).*/\1/'); mkdir -p $d/member/snap; echo junk > $d/member/snap/db"#;
    script(&saved, "etcdutl-fake", &format!("{able} *) {junk} ;; esac"))?;
    restore(&saved, &["--etcdutl", fake]).await.expect(1).says("the restored database cannot be read");
    assert!(left_nothing(&saved));
    Ok(())
}

#[tokio::test]
async fn too_little_room_is_found_before_anything_is_done() -> Result<()> {
    let saved = saved().await?;
    let small = saved.dir().join("small");
    fs::create_dir(&small)?;
    let script = format!(
        "mount -t tmpfs -o size=16m none '{0}' && '{1}' restore etcd latest -i identity.txt --data-dir '{0}/data' --etcdutl '{2}'",
        small.display(),
        env!("CARGO_BIN_EXE_lifeboat"),
        crate::lab::tools::tool("etcdutl")?.display()
    );
    let mut command = own_mounts().await?;
    let output = command.args(["sh", "-c", &script]).current_dir(saved.boat.dir()).output().await?;
    Ran::from(output).expect(1).says("bytes free, and restoring needs about").says("free some space first");
    Ok(())
}

#[tokio::test]
async fn every_member_gets_the_same_values_and_the_data_is_the_same() -> Result<()> {
    let saved = saved().await?;
    let look = async |what: &str| -> Value {
        saved.run(&["inspect", what, "-i", "identity.txt", "-o", "json"]).await.expect(0).json()
    };
    let before = look("latest").await;
    let all = "a=http://10.0.0.1:2380,b=http://10.0.0.2:2380,c=http://10.0.0.3:2380";
    let mut plans = Vec::new();
    for (name, url) in all.split(',').map(|m| m.split_once('=').unwrap()) {
        let data = format!("../{name}");
        let args = ["restore", "etcd", "latest", "-i", "identity.txt", "-o", "json", "--data-dir", &data];
        let member = ["--name", name, "--initial-cluster", all, "--initial-advertise-peer-urls", url];
        let mut restored = saved.run(&[&args[..], &member].concat()).await.expect(0).json();
        assert!(restored["next"][1].as_str().unwrap().contains("On each other host"), "{restored}");
        let after = look(&format!("{data}/member/snap/db")).await;
        let members = after["cluster"]["members"].as_array().unwrap();
        assert_eq!(members.iter().map(|m| m["name"].as_str().unwrap()).collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!((&after["live"], &after["resources"]), (&before["live"], &before["resources"]));
        let raised = before["revision"].as_i64().unwrap() + 1_000_000_000;
        assert!(after["revision"].as_i64().unwrap() >= raised, "{}", after["revision"]);
        assert_eq!(after["compactRevision"].as_i64(), Some(raised), "{after}");
        let plan = restored["plan"].take();
        plans.push(["restoredRevision", "bumpRevision", "markCompacted"].map(|field| plan[field].clone()));
    }
    assert!(plans[0] == plans[1] && plans[1] == plans[2], "{plans:?}");

    let unraised = ["--bump-revision", "0", "--no-mark-compacted"];
    restore(&saved, &unraised).await.expect(0);
    let after = look("../data/member/snap/db").await;
    assert_eq!((&after["revision"], &after["kvHash"]), (&before["revision"], &before["kvHash"]));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_restored_can_be_saved_and_verified_again() -> Result<()> {
    let saved = saved().await?;
    restore(&saved, &[]).await.expect(0);
    let options = EtcdOptions {
        data_dir: Some(saved.dir().join("data")),
        args: vec!["--force-new-cluster".into()],
        ..EtcdOptions::default()
    };
    let etcd = Etcd::start(&saved.dir().join("etcd"), options).await?;
    let boat = Lifeboat::init(etcd.dir(), Some(&etcd), None).await?;
    for compact in [false, true] {
        etcd.put("after", "the restore").await?;
        if compact {
            etcd.etcdctl(&["compact", &etcd.revision().await?.to_string()]).await?;
            etcd.put("after", "the compaction").await?;
        }
        boat.backup(&["--etcd-only"]).await;
        let verdict = boat.verify_all().await;
        assert_eq!(verdict["worst"], "ok", "{verdict:#}");
    }
    boat.run(&["inspect", "latest", "-i", "identity.txt"]).await.expect(0);
    Ok(())
}
