//! No lock-in: everything in the store opens with public tools alone.

use crate::{
    boat::{Lifeboat, with_boat},
    lab::{EtcdOptions, tools},
    saved::{SECRET, saved},
};
use anyhow::{Result, ensure};
use lifeboat::catalogue::each_entry;
use std::{env, ffi::OsString, fs, os::unix::fs::PermissionsExt, process::Command};

/// The search path, with the boat's own directory and etcd's programs before it.
fn search_path(boat: &Lifeboat) -> Result<OsString> {
    let own = [boat.dir().to_owned(), tools::bin()?];
    Ok(env::join_paths(own.into_iter().chain(env::split_paths(&env::var_os("PATH").unwrap_or_default())))?)
}

/// Runs lines of shell in the boat's directory; `$POINT` is the only recovery point.
fn sh(boat: &Lifeboat, script: &str) -> Result<String> {
    let script = format!("POINT=$(echo store/lab/points/*)\n{script}");
    let mut command = Command::new("bash");
    command.args(["-euo", "pipefail", "-c", &script]).current_dir(boat.dir()).env("PATH", search_path(boat)?);
    let output = command.output()?;
    ensure!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

#[tokio::test]
async fn age_zstd_etcdutl_tar_and_minisign_open_everything() -> Result<()> {
    let saved = saved().await?;
    let boat = &saved.boat;
    let facts = saved.manifest()?.artifacts.into_iter().find_map(|a| a.etcd).unwrap();

    sh(boat, "age -d -i identity.txt $POINT/etcd.db.zst.age | zstd -d > etcd.db")?;
    let status: serde_json::Value =
        serde_json::from_str(&sh(boat, "etcdutl snapshot status etcd.db -w json")?)?;
    assert_eq!(status["revision"].as_i64(), Some(facts.revision), "{status}");

    sh(boat, "mkdir out; age -d -i identity.txt $POINT/resources.tar.zst.age | zstd -d | tar x -C out")?;
    let vault = fs::read(boat.path("out/core/v1/secrets/default/vault.json"))?;
    let vault: k8s_openapi::api::core::v1::Secret = serde_json::from_slice(&vault)?;
    assert_eq!(vault.data.unwrap()["password"].0, SECRET.as_bytes());

    let index = sh(boat, "age -d -i identity.txt $POINT/resources.index.zst.age | zstd -d")?;
    assert!(index.contains("core/v1/secrets/default/vault.json"));
    let said = sh(boat, "minisign -Vm $POINT/manifest.json -p signing.pub")?;
    assert!(said.contains(&format!("lifeboat lab {}", saved.id)), "{said}");

    // What `lifeboat extract` writes is the same, byte for byte.
    sh(boat, "age -d -i identity.txt $POINT/resources.tar.zst.age | zstd -d > resources.tar")?;
    for (artifact, file) in [("etcd", "etcd.db"), ("resources", "resources.tar")] {
        let to = format!("extracted-{file}");
        saved.run(&["extract", "latest", artifact, "--to", &to, "-i", "identity.txt"]).await.expect(0);
        assert!(fs::read(boat.path(&to))? == fs::read(boat.path(file))?, "{artifact} differs");
        assert_eq!(fs::metadata(boat.path(&to))?.permissions().mode() & 0o777, 0o600);
    }
    let objects = each_entry(fs::File::open(boat.path("resources.tar"))?, |_, _, _| Ok(()));
    assert_eq!(objects, Ok(index.lines().count() as u64));
    Ok(())
}

#[tokio::test]
async fn damage_of_one_byte_is_seen_by_minisign_and_age() -> Result<()> {
    let saved = saved().await?;
    for name in ["manifest.json", "etcd.db.zst.age"] {
        let mut bytes = fs::read(saved.object(name))?;
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(saved.object(name), bytes)?;
    }
    assert!(sh(&saved.boat, "minisign -Vm $POINT/manifest.json -p signing.pub").is_err());
    assert!(sh(&saved.boat, "age -d -i identity.txt $POINT/etcd.db.zst.age > damaged").is_err());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_minisign_made_signs_what_minisign_accepts() -> Result<()> {
    with_boat(EtcdOptions::default(), 0, async |_etcd, boat| {
        let public = |boat: &Lifeboat| sh(boat, "tail -n 1 signing.pub");
        let before = public(boat)?;
        sh(boat, "minisign -G -W -f -p signing.pub -s signing.key; chmod 600 signing.key")?;
        boat.run(&["backup", "--etcd-only"]).await.expect(2).says("does not belong to signing.publicKey");
        let now = public(boat)?;
        boat.edit(|text| text.replace(before.trim(), now.trim()))?;
        boat.backup(&["--etcd-only"]).await;
        boat.verify_all().await;
        sh(boat, "minisign -Vm $POINT/manifest.json -p signing.pub")?;
        Ok(())
    })
    .await
}

/// An age plugin that speaks the protocol and wraps file keys in nothing at all.
const PLUGIN: &str = r#"#!/bin/bash
while read -r _ name rest; do
    read -r body
    line=$body
    while [ ${#line} = 64 ]; do read -r line; done
    case "$name $rest" in
        "wrap-file-key "* | "recipient-stanza 0 toy") key=$body ;;
        "done "*) break ;;
    esac
done
answer() { printf -- '-> %s\n%s\n' "$1" "$key" && read -r _ && read -r _; }
case "$1" in
    --age-plugin=recipient-v1) answer 'recipient-stanza 0 toy' ;;
    --age-plugin=identity-v1) [ -z "$key" ] || answer 'file-key 0' ;;
esac
printf -- '-> done\n\n'
"#;
const TOY_RECIPIENT: &str = "age1toy1d35kvetzdashgkk5zru";
const TOY_IDENTITY: &str = "AGE-PLUGIN-TOY-1D35KVETZDASHGXEJSA5";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_recipient_and_one_of_a_plugin_open_it_too() -> Result<()> {
    with_boat(EtcdOptions::default(), 1, async |_etcd, boat| {
        fs::write(boat.path("age-plugin-toy"), PLUGIN)?;
        fs::set_permissions(boat.path("age-plugin-toy"), fs::Permissions::from_mode(0o700))?;
        fs::write(boat.path("toy.txt"), TOY_IDENTITY)?;
        let second = sh(boat, "age-keygen -o second.txt 2>/dev/null; age-keygen -y second.txt")?;
        let more = format!("  recipients:\n    - {}\n    - {TOY_RECIPIENT}\n", second.trim());
        boat.edit(|text| text.replace("  recipients:\n", &more))?;

        let run = async |line: &str| -> Result<()> {
            let args: Vec<&str> = line.split(' ').collect();
            let output = boat.command(&args).env("PATH", search_path(boat)?).output().await?;
            ensure!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
            Ok(())
        };
        run("backup --etcd-only").await?;
        for identity in ["identity", "second", "toy"] {
            run(&format!("verify --deep -i {identity}.txt")).await?;
            run(&format!("extract latest etcd -i {identity}.txt --to {identity}.lifeboat")).await?;
            sh(boat, &format!("age -d -i {identity}.txt $POINT/etcd.db.zst.age | zstd -d > {identity}.age"))?;
            sh(boat, &format!("cmp {identity}.age {identity}.lifeboat; cmp {identity}.age identity.age"))?;
        }
        Ok(())
    })
    .await
}
