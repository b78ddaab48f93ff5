//! Images of this host that a drill in kind loads into its node, of either engine.

use crate::{
    drill_case::check,
    drill_kind::{harbour, place},
    kind_cluster::said,
};
use anyhow::Result;
use std::path::Path;

/// What a workload of the harbour runs, and no node has.
pub const UNSHIPPED: &str = "registry.example.com/not/here:1";
/// That workload has to come up.
pub const COMES_UP: &str =
    "checks:\n- {name: shipped, workload: {namespace: harbour, name: unshipped, readyWithin: 2m}}";

/// An image of an engine, gone when dropped.
pub struct Image {
    engine: String,
    name: String,
}

impl Image {
    /// One that the engine has, or is about to have.
    pub fn of(engine: &str, name: &str) -> Self {
        Image { engine: engine.to_owned(), name: name.to_owned() }
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        let _ = said(&self.engine, &["rmi", &self.name]);
    }
}

/// Makes the engine know an image of that name: a program that waits, and these programs of this host with their libraries.
pub fn make(engine: &str, scratch: &Path, name: &str, programs: &[&str]) -> Result<Image> {
    let root = scratch.join("image");
    let (source, to) = (place().join("workload").display().to_string(), root.display().to_string());
    let build = "mkdir \"$1\"; cd \"$0\" && CGO_ENABLED=0 go build -trimpath -o \"$1/workload\" .";
    said("sh", &["-ec", build, &source, &to])?;
    let copy = "cp --parents -L \"$0\" $(ldd \"$0\" | grep -o '/[^ ]*') \"$1\"; test -x \"$1$0\"";
    for program in programs {
        said("sh", &["-ec", copy, program, &to])?;
    }
    let import = "tar -C \"$0\" -c . | \"$1\" import -c 'ENTRYPOINT [\"/workload\"]' - \"$2\"";
    said("sh", &["-ec", import, &to, engine, name])?;
    std::fs::remove_dir_all(root)?;
    Ok(Image::of(engine, name))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kind_runs_what_was_loaded_and_tells_what_cannot_be() -> Result<()> {
    let harbour = harbour().await?;
    let _image = make("docker", harbour.boat.dir(), UNSHIPPED, &[])?;
    harbour.write(&format!("loadImages: ['{UNSHIPPED}']"), COMES_UP)?;
    let evidence = harbour.drill().await?.expect(0).json();
    assert_eq!(check(&evidence, "shipped")["actual"], "1 of 1 workload ready");

    harbour.write("loadImages: ['registry.example.com/never/made:1']", "")?;
    let evidence = harbour.drill().await?.expect(1).json();
    let reasons = evidence["reasons"].to_string();
    assert!(reasons.contains("registry.example.com/never/made:1"), "{reasons}");
    Ok(())
}
