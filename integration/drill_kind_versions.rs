//! The version of a node of kind: it is chosen to fit the source's, and where it does not fit that is a finding.

use crate::{
    boat::{Lifeboat, Ran},
    drill_case::{RUN, check, failed},
    drill_kind::{Harbour, harbour},
    kind_cluster::said,
    lab::{Cluster, ClusterOptions, Release, tools},
};
use anyhow::Result;
use std::{env, fs, os::unix::fs::PermissionsExt};

/// A name of an image, which goes away again.
struct Tag(String);

impl Tag {
    fn of(image: &str, tag: &str) -> Result<Self> {
        said("docker", &["tag", image, tag])?;
        Ok(Tag(tag.to_owned()))
    }
}

impl Drop for Tag {
    fn drop(&mut self) {
        let _ = said("docker", &["rmi", "--no-prune", &self.0]);
    }
}

/// Takes the image out of the drill's file: then it is chosen.
fn choose(harbour: &Harbour) -> Result<()> {
    let path = harbour.boat.path("drill.yaml");
    let text = fs::read_to_string(&path)?;
    let without = text.replace(&format!("image: '{}', ", harbour.image), "");
    assert_ne!(text, without);
    Ok(fs::write(path, without)?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kind_takes_a_node_of_the_source_s_minor_version() -> Result<()> {
    let harbour = harbour().await?;
    harbour.write("", "")?;
    choose(&harbour)?;
    // Another patch of it is here, and one of the minor version before.
    let version = said("docker", &["run", "--rm", "--entrypoint", "kubelet", &harbour.image, "--version"])?;
    let minor: u32 = version.split('.').nth(1).unwrap().parse()?;
    let (fits, before) =
        (format!("kindest/node:v1.{minor}.999"), format!("kindest/node:v1.{}.9999", minor - 1));
    let _tags = (Tag::of(&harbour.image, &fits)?, Tag::of(&harbour.image, &before)?);
    let evidence = harbour.drill().await?.expect(0).json();
    let programs = evidence["staging"]["programs"].to_string();
    assert!(programs.contains(&fits), "{programs}");
    assert_eq!(check(&evidence, "versions")["outcome"], "passed");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kind_of_another_minor_version_is_a_finding() -> Result<()> {
    let dir = tempfile::Builder::new().prefix("lifeboat-harbour-").tempdir()?;
    let options = ClusterOptions { release: Release::Before, ..ClusterOptions::default() };
    let cluster = Cluster::start(dir.path(), options).await?;
    let boat = Lifeboat::init(dir.path(), Some(cluster.etcd()), Some(&cluster)).await?;
    boat.backup(&[]).await;
    drop(cluster);
    let harbour = Harbour::new(boat, dir)?;
    harbour.write("", "")?;
    let evidence = harbour.drill().await?.expect(4).json();
    assert!(failed(&evidence).contains(&"versions".to_owned()), "{evidence:#}");
    let found = check(&evidence, "versions")["findings"][0]["message"].as_str().unwrap().to_owned();
    let source = evidence["point"]["kubernetesVersion"].as_str().unwrap();
    assert!(found.contains(&format!("is newer than the source's, {source}: ")), "{found}");

    // The image that would fit is asked for, and where there is none it is said what to do. Those that others have here at the moment
    // are not listed.
    choose(&harbour)?;
    let docker = said("sh", &["-c", "command -v docker"])?;
    let (bin, refuses) = (harbour.boat.path("bin"), "echo \"manifest for $2 not found\" >&2; exit 1");
    fs::create_dir(&bin)?;
    let script = format!(
        "#!/bin/sh\ncase \"$1\" in pull) {refuses} ;; images) exit 0 ;; esac\nexec '{docker}' \"$@\"\n"
    );
    fs::write(bin.join("docker"), script)?;
    fs::set_permissions(bin.join("docker"), PermissionsExt::from_mode(0o700))?;
    let mut command = harbour.boat.command(&RUN);
    let (tools, usual) = (tools::bin()?, env::var_os("PATH").unwrap_or_default());
    let path = [bin, tools].into_iter().chain(env::split_paths(&usual));
    let ran: Ran = command.env("PATH", env::join_paths(path)?).output().await?.into();
    harbour.nothing_left()?;
    let reasons = ran.expect(1).json()["reasons"].to_string();
    let image = format!("kindest/node:{source}: ");
    assert!(reasons.contains(&image) && reasons.contains("another one (staging.kind.image)"), "{reasons}");
    assert!(reasons.contains("(in the phase provision)"), "{reasons}");
    Ok(())
}
