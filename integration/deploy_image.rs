//! What deploy/image has: what images are built of, and that it suffices. Whole builds are too long for a test.

use crate::{deploy_case::place, kind_cluster::said, lab::tools::tool};
use anyhow::{Context, Result, ensure};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// A file's arguments with what they are if nobody says otherwise.
fn arguments(file: &str) -> Result<BTreeMap<String, String>> {
    let text = fs::read_to_string(place().join("image").join(file))?;
    let lines = text.lines().filter_map(|line| line.strip_prefix("ARG ")?.split_once('='));
    Ok(lines.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

/// How the image of a file ends: what runs in it, and as whom.
fn end(file: &str) -> Result<Vec<String>> {
    let text = fs::read_to_string(place().join("image").join(file))?;
    let last = text.split("FROM ").last().context("a stage")?;
    Ok(last.lines().filter(|line| !line.starts_with("COPY")).map(str::to_owned).collect())
}

fn version(text: &str) -> Vec<u64> {
    text.split('.').map_while(|part| part.parse().ok()).collect()
}

#[test]
fn images_are_built_of_what_is_named_by_digest() -> Result<()> {
    let (built, packed) = (arguments("Dockerfile")?, arguments("Dockerfile.prebuilt")?);
    for name in ["BUILDER", "BASE"] {
        let (_, digest) = built[name].split_once("@sha256:").with_context(|| name.to_owned())?;
        assert!(digest.len() == 64 && digest.bytes().all(|it| it.is_ascii_hexdigit()), "{digest}");
    }
    assert_eq!(built["BASE"], packed["BASE"]);
    assert_eq!(end("Dockerfile")?, end("Dockerfile.prebuilt")?);
    let (_, tag) = built["BUILDER"].split_once("/rust:").context("an image of Rust")?;
    let needed = env!("CARGO_PKG_RUST_VERSION");
    assert!(version(needed).len() == 2 && version(tag) >= version(needed), "{tag} and {needed}");
    Ok(())
}

#[test]
fn a_drill_s_programs_are_those_of_one_release() -> Result<()> {
    let of = arguments("Dockerfile.drill")?;
    let (_, release) = of["KUBE_APISERVER"].split_once(':').context("a tag")?;
    let kubeadm = tool("kubeadm")?.display().to_string();
    let named = said(&kubeadm, &["config", "images", "list", "--kubernetes-version", release])?;
    for name in ["ETCD", "KUBE_APISERVER"] {
        assert!(named.lines().any(|image| image == of[name]), "{} is not in {named}", of[name]);
    }
    Ok(())
}

/// Copies what .dockerignore leaves.
fn context(to: &Path) -> Result<()> {
    let repo = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let ignored = fs::read_to_string(repo.join(".dockerignore"))?;
    ensure!(ignored.lines().any(|line| line == "*"), "{ignored}");
    for left in ignored.lines().filter_map(|line| line.strip_prefix('!')) {
        let (from, to) = (repo.join(left).display().to_string(), to.display().to_string());
        said("cp", &["-r", &from, &to])?;
    }
    Ok(())
}

/// The same crates, profile and lints as everywhere, so that only Lifeboat itself is read anew.
#[test]
fn what_the_context_holds_can_be_compiled() -> Result<()> {
    let dir = tempfile::tempdir()?;
    context(dir.path())?;
    let manifest = dir.path().join("Cargo.toml").display().to_string();
    let target =
        Path::new(env!("CARGO_BIN_EXE_lifeboat")).parent().and_then(Path::parent).context("a target")?;
    let target = target.display().to_string();
    let arguments = [
        "check",
        "-q",
        "--locked",
        "--bin",
        "lifeboat",
        "--manifest-path",
        &manifest,
        "--target-dir",
        &target,
    ];
    said(env!("CARGO"), &arguments).map(drop)
}
