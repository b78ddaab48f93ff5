//! A disk that runs full in a node of kind: the drill fails, says where, and takes everything away.

use crate::{
    drill_case::check,
    drill_kind::{Harbour, harbour, place},
    kind_cluster::said,
};
use anyhow::Result;
use serde_json::{Value, json};
use std::{fs, os::unix::fs::PermissionsExt, path::Path};

/// A small disk of the engine's, which lasts as long as a container that holds it. Gone when dropped.
struct Disk(String);

impl Disk {
    fn make(image: &str, size: &str) -> Result<Self> {
        let name = format!("lifeboat-disk-{:08x}", rand::random::<u32>());
        let disk = Disk(name.clone());
        let options = ["--opt", "type=tmpfs", "--opt", "device=tmpfs", "--opt", &format!("o=size={size}")];
        said("docker", &[&["volume", "create"], &options[..], &[&name]].concat())?;
        let volume = format!("{name}:/disk");
        let holds = ["run", "--detach", "--name", &name, "--volume", &volume, "--entrypoint", "sleep"];
        said("docker", &[&holds[..], &[image, "infinity"]].concat())?;
        Ok(disk)
    }

    /// Where the engine has it.
    fn path(&self) -> Result<String> {
        said("docker", &["volume", "inspect", "--format", "{{.Mountpoint}}", &self.0])
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = said("docker", &["rm", "--force", "--volumes", &self.0]);
        let _ = said("docker", &["volume", "rm", &self.0]);
    }
}

/// Writes a drill whose node keeps its etcd on this disk; before the engine is asked for what fits this pattern of a shell, the disk
/// is filled.
fn write(harbour: &Harbour, disk: &Disk, pattern: &str, more: &str) -> Result<()> {
    let mut config: Value = serde_yaml::from_str(&fs::read_to_string(place().join("cluster.yaml"))?)?;
    let mounts = json!([{"hostPath": disk.path()?, "containerPath": "/var/lib/etcd"}]);
    config["nodes"] = json!([{"role": "control-plane", "extraMounts": mounts}]);
    fs::write(harbour.boat.path("small.yaml"), config.to_string())?;
    let fill =
        format!("docker exec {} sh -c 'dd if=/dev/zero of=/disk/ballast bs=64k' >/dev/null 2>&1", disk.0);
    let script = format!("#!/bin/sh\ncase \"$*\" in {pattern}) {fill} ;; esac\nexec docker \"$@\"\n");
    let engine = harbour.boat.path("docker");
    fs::write(&engine, script)?;
    fs::set_permissions(&engine, PermissionsExt::from_mode(0o700))?;
    let text = format!(
        "apiVersion: lifeboat.dev/v1\nkind: Drill\nname: rehearsal\nstaging: {{kind: {{directory: staging, image: '{}', \
         config: small.yaml, engine: '{}'}}}}\n{more}\n",
        harbour.image,
        engine.display()
    );
    Ok(fs::write(harbour.boat.path("drill.yaml"), text)?)
}

/// Why the drill failed; the first reason names the node's disk.
async fn full(harbour: &Harbour) -> Result<String> {
    let evidence = harbour.drill().await?.expect(1).json();
    let reason = evidence["reasons"][0].as_str().unwrap_or_default().to_owned();
    let node = format!("lifeboat-{}-control-plane", evidence["id"].as_str().unwrap().to_lowercase());
    assert!(
        reason.starts_with(&format!("the disk is full in /var/lib/etcd of the node {node}: ")),
        "{reason}"
    );
    assert!(reason.contains("mount a place with more by `extraMounts`"), "{reason}");
    assert_eq!(evidence["verdict"], "failed");
    assert!(evidence["cleanup"].as_array().unwrap().iter().all(|it| it["gone"] == true), "{evidence:#}");
    assert_eq!(check(&evidence, "digests")["outcome"], "passed");
    harbour.boat.run(&["drill", "verify", "latest"]).await.expect(0);
    assert!(!Path::new(&harbour.boat.path("staging/data")).exists());
    Ok(reason)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kind_with_a_disk_that_runs_full_says_where() -> Result<()> {
    let harbour = harbour().await?;
    // A cluster that was just made has room there, and what was restored has not.
    let small = Disk::make(&harbour.image, "100m")?;
    write(&harbour, &small, "never", "")?;
    let reason = full(&harbour).await?;
    assert!(reason.contains(" bytes are free, and what was restored needs about "), "{reason}");
    assert!(reason.ends_with("(in the phase restore)"), "{reason}");
    drop(small);

    // While it is copied into the node.
    let large = Disk::make(&harbour.image, "300m")?;
    write(&harbour, &large, "cp*", "")?;
    let reason = full(&harbour).await?;
    assert!(reason.to_lowercase().contains("no space left on device"), "{reason}");
    assert!(reason.ends_with("(in the phase restore)"), "{reason}");
    drop(large);

    // When an empty etcd is started for the export.
    let large = Disk::make(&harbour.image, "300m")?;
    write(&harbour, &large, "*'sh -es'", "restore: [resources]")?;
    let reason = full(&harbour).await?;
    assert!(reason.ends_with("(in the phase api-ready)"), "{reason}");
    Ok(())
}
