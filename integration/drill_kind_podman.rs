//! A drill whose node Podman makes.

use crate::{
    boat::Ran,
    drill_case::{RUN, check, failed, nothing_left, signal},
    drill_kind::{Harbour, harbour, made_by},
    drill_kind_images::{COMES_UP, UNSHIPPED, make},
    kind_cluster::said,
    lab::tools,
};
use anyhow::{Context, Result};
use rustix::process::Signal;
use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf, process::Stdio, time::Duration};

/// A node is made of a whole system, beside other tests that make one.
const LIMIT: Duration = Duration::from_secs(300);

/// A Podman whose images and networks are its own, kept among the tools.
struct Podman {
    conf: PathBuf,
    storage: PathBuf,
    /// The same for whoever runs it by hand.
    program: PathBuf,
}

impl Podman {
    fn set_up(harbour: &mut Harbour) -> Result<Self> {
        let data = tools::bin()?.parent().context("a place for tools")?.join("podman");
        let (run, data) = ("/run/lifeboat-podman", data.display().to_string());
        let less = crate::drill_kind::place().join("runc-with-less");
        let conf = format!(
            "[engine]\nruntime = \"less\"\ntmp_dir = \"{run}/libpod\"\n[engine.runtimes]\nless = [\"{}\"]\n\
             [network]\nnetwork_config_dir = \"{data}/networks\"\n",
            less.display()
        );
        let storage =
            format!("[storage]\ndriver = \"overlay\"\nrunroot = \"{run}\"\ngraphroot = \"{data}/data\"\n");
        let path = |name: &str| harbour.boat.path(name);
        let podman =
            Podman { conf: path("containers.conf"), storage: path("storage.conf"), program: path("podman") };
        fs::write(&podman.conf, conf)?;
        fs::write(&podman.storage, storage)?;
        let found = said("sh", &["-c", "command -v podman"])?;
        let (conf, storage) = (podman.conf.display(), podman.storage.display());
        let script = format!(
            "#!/bin/sh\nCONTAINERS_CONF='{conf}' CONTAINERS_STORAGE_CONF='{storage}' exec '{found}' \"$@\"\n"
        );
        fs::write(&podman.program, script)?;
        fs::set_permissions(&podman.program, fs::Permissions::from_mode(0o700))?;
        // What was made here has no registry, and says so.
        let image = format!("localhost/{}", harbour.image);
        let (by_hand, is_there) = (podman.by_hand(), ["image", "exists", &image]);
        if said(&by_hand, &is_there).is_err() {
            let load = "docker save \"$0\" | \"$1\" load";
            said("sh", &["-ec", load, &harbour.image, &by_hand])?;
        }
        harbour.image = image;
        Ok(podman)
    }

    fn by_hand(&self) -> String {
        self.program.display().to_string()
    }

    /// A drill with this engine; Docker would be found first.
    fn begin(&self, harbour: &Harbour) -> Result<tokio::process::Child> {
        let mut command = harbour.boat.command(&RUN);
        command.env("AWS_SECRET_ACCESS_KEY", "planted").env("HTTPS_PROXY", "http://planted.invalid");
        command.env("CONTAINERS_CONF", &self.conf).env("CONTAINERS_STORAGE_CONF", &self.storage);
        Ok(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?)
    }

    async fn drill(&self, harbour: &Harbour) -> Result<Ran> {
        let child = self.begin(harbour)?;
        Ok(tokio::time::timeout(LIMIT, child.wait_with_output()).await.context("stuck")??.into())
    }

    fn nothing_left(&self, harbour: &Harbour) -> Result<()> {
        nothing_left(&harbour.boat);
        for id in fs::read_dir(harbour.boat.path("store/lab/drills"))? {
            let id = id?.file_name().to_string_lossy().into_owned();
            assert_eq!(made_by(&self.by_hand(), &id)?, Vec::<String>::new());
        }
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kind_of_podman_brings_back_service_and_is_taken_away_also_after_a_kill() -> Result<()> {
    let mut harbour = harbour().await?;
    let podman = Podman::set_up(&mut harbour)?;
    let _image = make(&podman.by_hand(), harbour.boat.dir(), UNSHIPPED, &[])?;
    let config = format!("engine: podman, loadImages: ['{UNSHIPPED}'], readyWithin: 4m");
    let more = format!(
        "{COMES_UP}\n\
         - {{name: store-is-up, workload: {{namespace: harbour, name: store, readyWithin: 3m}}}}\n\
         - {{name: it-sells, http: {{namespace: harbour, labels: app=store, port: 8080, contains: bread}}}}\n\
         - {{name: look, command: {{argv: [sh, look.sh], timeout: 30s}}}}"
    );
    // What the node was given.
    let look = format!(
        "id=$(basename \"$(dirname \"$KUBECONFIG\")\" | tr A-Z a-z)\n\
         '{}' inspect lifeboat-$id-control-plane > seen\n",
        podman.by_hand()
    );
    fs::write(harbour.boat.path("look.sh"), look)?;
    harbour.write(&config, &more)?;
    let evidence = podman.drill(&harbour).await?.expect(0).json();
    assert_eq!((evidence["verdict"].as_str(), failed(&evidence)), (Some("passed"), Vec::new()));
    for name in ["objects", "store-is-up", "it-sells", "shipped"] {
        assert_eq!(check(&evidence, name)["outcome"], "passed", "{name}");
    }
    let programs = evidence["staging"]["programs"].to_string();
    assert!(programs.contains("podman") && programs.contains("sha256"), "{programs}");
    let seen = fs::read_to_string(harbour.boat.path("seen"))?;
    assert!(seen.contains("container=podman") && !seen.contains("planted"), "{seen}");
    podman.nothing_left(&harbour)?;

    let mut child = podman.begin(&harbour)?;
    let id = harbour.begun(&podman.by_hand()).await?;
    signal(&child, Signal::KILL)?;
    child.wait().await?;
    // Whoever cleans up need not have the variables: they are written down.
    let cleanup = ["drill", "cleanup", "--directory", "staging"];
    let told = harbour.boat.run_within(LIMIT, &cleanup).await.expect(0).stdout;
    assert!(told.contains("the kind cluster") && told.contains("is gone"), "{told}");
    assert_eq!(made_by(&podman.by_hand(), &id)?, Vec::<String>::new());
    podman.nothing_left(&harbour)
}
