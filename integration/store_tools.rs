//! No lock-in: everything in the store opens with public tools alone.

use crate::{
    lab::tools::tool,
    saved::{SECRET, Saved, saved},
};
use anyhow::{Result, ensure};
use lifeboat::catalogue::each_entry;
use std::{fs, os::unix::fs::PermissionsExt, process::Command};

/// Runs a line of shell in the test's directory, with the store's point as `$POINT` and the boat as `$BOAT`.
fn sh(saved: &Saved, script: &str) -> Result<String> {
    let mut path = vec![saved.dir().to_owned(), tool("etcdutl")?.parent().unwrap().to_owned()];
    path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", script])
        .current_dir(saved.dir())
        .env("PATH", std::env::join_paths(path)?)
        .env("POINT", saved.object(""))
        .env("BOAT", saved.boat.dir())
        .output()?;
    ensure!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

#[tokio::test]
async fn age_zstd_etcdutl_tar_and_minisign_open_everything() -> Result<()> {
    let saved = saved().await?;
    let facts = saved.manifest()?.artifacts.into_iter().find_map(|a| a.etcd).unwrap();

    sh(&saved, "age -d -i $BOAT/identity.txt $POINT/etcd.db.zst.age | zstd -d > etcd.db")?;
    let status: serde_json::Value =
        serde_json::from_str(&sh(&saved, "etcdutl snapshot status etcd.db -w json")?)?;
    assert_eq!(status["revision"].as_i64(), Some(facts.revision), "{status}");

    sh(
        &saved,
        "mkdir out && age -d -i $BOAT/identity.txt $POINT/resources.tar.zst.age | zstd -d | tar x -C out",
    )?;
    let vault = fs::read(saved.dir().join("out/core/v1/secrets/default/vault.json"))?;
    let vault: k8s_openapi::api::core::v1::Secret = serde_json::from_slice(&vault)?;
    assert_eq!(vault.data.unwrap()["password"].0, SECRET.as_bytes());

    let index = sh(&saved, "age -d -i $BOAT/identity.txt $POINT/resources.index.zst.age | zstd -d")?;
    assert!(index.contains("core/v1/secrets/default/vault.json"));
    let said = sh(&saved, "minisign -Vm $POINT/manifest.json -p $BOAT/signing.pub")?;
    assert!(said.contains(&format!("lifeboat lab {}", saved.id)), "{said}");

    // What `lifeboat extract` writes is the same, byte for byte.
    sh(&saved, "age -d -i $BOAT/identity.txt $POINT/resources.tar.zst.age | zstd -d > resources.tar")?;
    for (artifact, file) in [("etcd", "etcd.db"), ("resources", "resources.tar")] {
        let to = saved.dir().join("extracted").display().to_string();
        saved.run(&["extract", "latest", artifact, "--to", &to, "-i", "identity.txt"]).await.expect(0);
        assert!(fs::read(&to)? == fs::read(saved.dir().join(file))?, "{artifact} differs");
        assert_eq!(fs::metadata(&to)?.permissions().mode() & 0o777, 0o600);
        fs::remove_file(to)?;
    }
    let objects = each_entry(fs::File::open(saved.dir().join("resources.tar"))?, |_, _, _| Ok(()));
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
    assert!(sh(&saved, "minisign -Vm $POINT/manifest.json -p $BOAT/signing.pub").is_err());
    assert!(sh(&saved, "age -d -i $BOAT/identity.txt $POINT/etcd.db.zst.age > damaged").is_err());
    Ok(())
}
