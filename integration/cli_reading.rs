//! Commands that read: what they show, and what they say when there is nothing to show.

use crate::saved::{SECRET, SECRET_BASE64, Saved, saved, tree};
use anyhow::Result;
use std::{fs, process::Stdio};

const KEY: [&str; 2] = ["-i", "identity.txt"];

#[tokio::test]
async fn extract_writes_once_and_only_what_was_verified() -> Result<()> {
    let saved = saved().await?;
    let extract = ["extract", "latest", "etcd", "-i", "identity.txt", "--to"];
    let to = async |file: &str| saved.run(&[&extract[..], &[file]].concat()).await;
    to("out.db").await.expect(0);
    let bytes = fs::read(saved.boat.path("out.db"))?;
    fs::write(saved.boat.path("mine"), "mine")?;
    to("mine").await.expect(6).says("mine exists: nothing is overwritten");
    assert_eq!(fs::read(saved.boat.path("mine"))?, b"mine");
    to("no/such/place.db").await.expect(1).says("no/such");
    saved.run(&["extract", "latest", "etcd", "-i", "identity.txt"]).await.expect(0);
    assert!(fs::read(saved.boat.path(&format!("{}.db", saved.id)))? == bytes);

    let piped =
        saved.boat.command(&[&extract[..], &["-"]].concat()).stderr(Stdio::inherit()).output().await?;
    assert!(piped.status.success() && piped.stdout == bytes);
    saved.run(&[&extract[..], &["-", "-o", "json"]].concat()).await.expect(2).says("leave out -o");

    let object = saved.object("etcd.db.zst.age");
    let good = fs::read(&object)?;
    // In age's header, in its first chunk, at the end; and cut short.
    for at in [60, 400, good.len() - 1, good.len()] {
        let mut bad = good.clone();
        match bad.get_mut(at) {
            Some(byte) => *byte ^= 1,
            None => bad.truncate(good.len() / 2),
        }
        fs::write(&object, bad)?;
        let before = tree(saved.boat.dir());
        to("damaged.db").await.expect(4).says("the etcd of").says("is damaged");
        to("-").await.expect(4).says("is damaged");
        assert!(tree(saved.boat.dir()) == before);
    }
    saved.run(&["extract", "latest", "resources", "-i", "identity.txt"]).await.expect(0);
    saved.forge(|m| drop(m["artifacts"].as_array_mut().unwrap().drain(1..)))?;
    let ran = saved.run(&["extract", "latest", "resources", "--to", "x", "-i", "identity.txt"]).await;
    ran.expect(1).says("holds no resources; it holds: etcd");
    Ok(())
}

#[tokio::test]
async fn inspect_reads_points_snapshots_and_members_files() -> Result<()> {
    let saved = saved().await?;
    let revision = saved.manifest()?.artifacts.into_iter().find_map(|a| a.etcd).unwrap().revision;
    saved.run(&["extract", "latest", "etcd", "--to", "snapshot.db", "-i", "identity.txt"]).await.expect(0);
    let mut member = fs::read(saved.boat.path("snapshot.db"))?;
    member.truncate(member.len() - 32);
    fs::write(saved.boat.path("member.db"), member)?;
    let mut seen = Vec::new();
    for args in [
        &["inspect", "latest", "-i", "identity.txt"][..],
        &["inspect", "snapshot.db"],
        &["inspect", "member.db"],
    ] {
        let table = saved.run(args).await.expect(0).stdout;
        assert!(table.contains(&revision.to_string()) && table.contains("secrets"), "{table}");
        let mut json = saved.run(&[args, &["-o", "json"]].concat()).await.expect(0).json();
        assert_eq!(json["revision"].as_i64(), Some(revision));
        seen.push(["kvHash", "live", "resources", "namespaces", "largest"].map(|field| json[field].take()));
    }
    assert!(seen[0] == seen[1] && seen[1] == seen[2]);

    fs::write(saved.boat.path("nonsense.db"), "nonsense".repeat(4000))?;
    saved.run(&["inspect", "nonsense.db"]).await.expect(1).says("etcd");
    fs::write(saved.boat.path("empty.db"), "")?;
    saved.run(&["inspect", "empty.db"]).await.expect(1);
    saved.run(&["inspect", "absent.db"]).await.expect(1).says("`absent.db`");
    Ok(())
}

#[tokio::test]
async fn inspect_lists_and_shows_keys_and_keeps_secrets() -> Result<()> {
    let saved = saved().await?;
    let inspect = async |args: &[&str]| saved.run(&[&["inspect", "latest"], &KEY[..], args].concat()).await;
    let listed = inspect(&["--key", "/registry/secrets/default/"]).await.expect(0).stdout;
    assert!(listed.contains("/registry/secrets/default/vault") && !listed.contains("configmaps"), "{listed}");
    let vault = ["--key", "/registry/secrets/default/vault"];
    for format in ["table", "json", "yaml"] {
        let hidden = inspect(&[&vault[..], &["-o", format]].concat()).await.expect(0).stdout;
        assert!(hidden.contains("password") && hidden.contains("vault"), "{hidden}");
        assert!(!hidden.contains(SECRET) && !hidden.contains(SECRET_BASE64), "{hidden}");
        let shown = inspect(&[&vault[..], &["--show-secrets", "-o", format]].concat()).await.expect(0).stdout;
        assert!(shown.contains(SECRET) || shown.contains(SECRET_BASE64), "{shown}");
    }
    let namespace = inspect(&["--key", "/registry/namespaces/fill-0"]).await.expect(0).stdout;
    assert!(namespace.contains("fill-0") && namespace.contains("Namespace"), "{namespace}");
    inspect(&["--key", "/registry/nothing"])
        .await
        .expect(1)
        .says("no live key begins with /registry/nothing");
    inspect(&["--show-secrets"]).await.expect(2).says("--key");
    Ok(())
}

#[tokio::test]
async fn without_a_configuration_store_and_key_are_enough() -> Result<()> {
    let saved = saved().await?;
    fs::remove_file(saved.boat.path("lifeboat.yaml"))?;
    let (url, id) = (saved.url(), saved.id.as_str());
    saved
        .run(&["list"])
        .await
        .expect(2)
        .says("no configuration file")
        .says("--store file:///path --cluster NAME");
    for with in [
        &["--store", &url][..],
        &["--store", &url, "--cluster", "lab"],
        &["--store", &url, "--public-key", "signing.pub"],
    ] {
        let run = async |args: &[&str]| saved.run(&[args, with].concat()).await.expect(0).stdout;
        assert!(run(&["list"]).await.contains(id));
        let signature = if with.contains(&"--public-key") { "holds" } else { "not checked" };
        assert!(run(&["show", "latest"]).await.contains(signature));
        run(&["verify", "--deep", "-i", "identity.txt"]).await;
        run(&["extract", "latest", "etcd", "--to", "../out.db", "-i", "identity.txt"]).await;
        run(&["inspect", "latest", "-i", "identity.txt"]).await;
        run(&["restore", "etcd", "latest", "--data-dir", "../data", "-i", "identity.txt"]).await;
        fs::remove_file(saved.dir().join("out.db"))?;
        fs::remove_dir_all(saved.dir().join("data"))?;
    }
    fs::create_dir(saved.boat.path("store/quay"))?;
    let several = saved.run(&["list", "--store", &url]).await.expect(2);
    several.says("holds several clusters: lab, quay").says("name one with --cluster");
    let other = saved.run(&["show", "latest", "--store", &url, "--cluster", "quay"]).await.expect(1);
    other.says("holds no recovery point of `quay`; it holds some of: lab");
    for bad in ["--store=ftp://x", "--store=file://host/x", "--store=:"] {
        saved.run(&["list", bad]).await.expect(2);
    }
    Ok(())
}

/// A manifest that stands in the store and is none.
fn unreadable(saved: &Saved, id: &str, manifest: &[u8]) -> Result<()> {
    let dir = saved.boat.path("store/lab/points").join(id);
    fs::create_dir_all(&dir)?;
    Ok(fs::write(dir.join("manifest.json"), manifest)?)
}

#[tokio::test]
async fn an_unreadable_point_is_listed_as_such_and_hides_no_other() -> Result<()> {
    let saved = saved().await?;
    unreadable(&saved, "20200101T000000Z-aaaa", b"{\"format\": \"1.0\"}")?;
    unreadable(&saved, "20200101T000000Z-bbbb", b"\xff\xfe nonsense")?;
    unreadable(&saved, "20200102T000000Z-cccc", &vec![b' '; 17 << 20])?;
    let listed = saved.run(&["list"]).await.expect(0).stdout;
    for tail in ["aaaa", "bbbb", "cccc"] {
        let line = listed.lines().find(|line| line.contains(tail)).unwrap();
        assert!(line.contains("unreadable: "), "{line}");
    }
    assert!(listed.lines().any(|line| line.contains(saved.id.as_str()) && line.contains("holds")));
    let verdict = saved.run(&["verify", "--all"]).await.expect(4).stdout;
    assert_eq!(verdict.matches("NOT OK").count(), 3, "{verdict}");
    assert!(verdict.contains(&format!("{}  ok", saved.id)), "{verdict}");

    saved.run(&["show", "20200101"]).await.expect(2).says("may be any of several");
    saved.run(&["show", "20200102"]).await.expect(1).says("larger than");
    saved.run(&["show", &saved.id.as_str()[..19]]).await.expect(0);
    saved.run(&["show", "1999"]).await.expect(1).says("begins with `1999`").says("lifeboat list");
    Ok(())
}

#[tokio::test]
async fn an_empty_store_is_not_one_that_is_well() -> Result<()> {
    let saved = saved().await?;
    fs::remove_dir_all(saved.boat.path("store"))?;
    let listed = saved.run(&["list"]).await.expect(0).stdout;
    assert!(listed.contains("no recovery points yet: `lifeboat backup` takes one"), "{listed}");
    assert_eq!(saved.run(&["list", "-o", "json"]).await.expect(0).json(), serde_json::json!({"points": []}));
    for args in [
        &["show", "latest"][..],
        &["verify"],
        &["verify", "--all"],
        &["extract", "latest", "etcd", "-i", "identity.txt"],
    ] {
        saved.run(args).await.expect(1).says("holds no recovery point of `lab`");
    }
    assert!(!saved.boat.path("store").exists());
    Ok(())
}
