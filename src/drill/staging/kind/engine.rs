//! Docker, or what speaks as it does: containers and networks of one staging.

use super::super::{
    StagingError,
    home::at,
    process::{Call, in_path},
};
use crate::point::Removed;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::time::sleep;

/// What the engine needs in order to be found, and nothing else: no proxies and no credentials of clouds.
const PASSED: [&str; 13] = [
    "PATH",
    "HOME",
    "TMPDIR",
    "XDG_RUNTIME_DIR",
    "XDG_CONFIG_HOME",
    "DOCKER_HOST",
    "DOCKER_CONTEXT",
    "DOCKER_CONFIG",
    "DOCKER_TLS_VERIFY",
    "DOCKER_CERT_PATH",
    "CONTAINER_HOST",
    "CONTAINERS_CONF",
    "CONTAINERS_STORAGE_CONF",
];
/// The label of everything that the engine makes for us.
const LABEL: &str = "dev.lifeboat.drill";
/// The label that kind gives to its nodes.
const KIND_LABEL: &str = "io.x-k8s.kind.cluster";
/// Where a staging remembers its engine.
const RECORD: &str = "kind.json";
/// An engine that takes longer for something small does not answer.
pub(super) const SMALL: Duration = Duration::from_secs(60);

/// Before a node is killed nothing may be starting in it: runc freezes what it starts for a moment, and where control groups are of
/// version 1 a process whose runc is killed then stays frozen, cannot be killed, and keeps the whole container.
const QUIET: &str = "systemctl stop kubelet; n=0; while pgrep runc >/dev/null && test $n -lt 40; do n=$((n + 1)); sleep 0.05; done";
/// So long is waited for that.
const PATIENCE: Duration = Duration::from_secs(15);

/// A container that is being removed already is refused, until it is gone.
const TRIES: usize = 120;

/// The engine of one staging, and what it makes there: written down before anything is made.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Engine {
    pub(super) program: PathBuf,
    environment: Vec<(String, String)>,
    /// The name of the cluster, and of its network.
    pub(super) cluster: String,
    #[serde(skip)]
    staging: PathBuf,
}

impl Engine {
    /// Finds the engine that is named; else Docker, else Podman.
    pub(super) fn find(given: Option<&Path>, drill: &str) -> Result<Self, StagingError> {
        let program = match given {
            Some(path) if path.components().count() > 1 => Some(path.to_owned()),
            Some(name) => in_path(&name.to_string_lossy()),
            None => in_path("docker").or_else(|| in_path("podman")),
        };
        let program = program.ok_or_else(|| StagingError::Program {
            program: given.map_or("docker".to_owned(), |name| name.display().to_string()),
            reason: "it is not in PATH".to_owned(),
            help: "kind needs Docker or Podman: install one, or name it in staging.kind.engine of the drill's file; \
                   `controlplane` staging needs neither"
                .to_owned(),
        })?;
        let passed = PASSED.iter().filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?)));
        let mut environment: Vec<(String, String)> = passed.collect();
        let cluster = format!("lifeboat-{}", drill.to_lowercase());
        // kind's own names for these: its nodes get a network of their own, which nobody else is in.
        for provider in ["DOCKER", "PODMAN"] {
            environment.push((format!("KIND_EXPERIMENTAL_{provider}_NETWORK"), cluster.clone()));
        }
        let name = program.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if name.contains("podman") {
            environment.push(("KIND_EXPERIMENTAL_PROVIDER".to_owned(), "podman".to_owned()));
        }
        Ok(Engine { program, environment, cluster, staging: PathBuf::new() })
    }

    /// Belongs to the staging in this directory from now on, and is found there by whoever cleans up.
    pub(super) fn settle(&mut self, staging: &Path) -> Result<(), StagingError> {
        self.staging = staging.to_owned();
        let path = staging.join(RECORD);
        let text = serde_json::to_string(self).unwrap_or_default();
        fs::write(&path, text).map_err(at(&path))
    }

    /// The engine of a staging whose drill was killed; none where none was used.
    pub(super) fn left(staging: &Path) -> Option<Self> {
        let text = fs::read_to_string(staging.join(RECORD)).ok()?;
        let mut engine: Engine = serde_json::from_str(&text).ok()?;
        engine.staging = staging.to_owned();
        Some(engine)
    }

    /// The node's name, as kind gives it.
    pub(super) fn node(&self) -> String {
        format!("{}-control-plane", self.cluster)
    }

    /// Runs a program in the engine's environment.
    pub(super) async fn call(
        &self,
        program: &Path,
        arguments: &[&str],
        input: Vec<u8>,
        within: Duration,
    ) -> Result<String, StagingError> {
        let words = arguments.iter().take(2).filter(|word| word.len() < 40);
        let base = program.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let name = words.fold(base, |name, word| format!("{name} {word}"));
        let arguments = arguments.iter().map(|word| (*word).to_owned()).collect();
        let (environment, staging) = (&self.environment, self.staging.as_path());
        Call { name, program, arguments, environment, staging, input, within }.run().await
    }

    /// Asks the engine for something small.
    pub(super) async fn ask(&self, arguments: &[&str]) -> Result<String, StagingError> {
        self.call(&self.program, arguments, Vec::new(), SMALL).await.map(|said| said.trim().to_owned())
    }

    /// Runs a script in the node.
    pub(super) async fn in_node(
        &self,
        script: &str,
        input: Vec<u8>,
        within: Duration,
    ) -> Result<String, StagingError> {
        let node = self.node();
        let arguments = ["exec", "-i", &node, "sh", "-ec", script];
        self.call(&self.program, &arguments, input, within).await
    }

    /// Makes the staging's own network: nobody else is in it.
    pub(super) async fn make_network(&self) -> Result<(), StagingError> {
        let label = format!("{LABEL}={}", self.cluster);
        self.ask(&["network", "create", "--label", &label, &self.cluster]).await.map(drop)
    }

    /// The containers of the cluster.
    async fn containers(&self) -> Result<Vec<String>, StagingError> {
        let filter = format!("label={KIND_LABEL}={}", self.cluster);
        let said = self.ask(&["ps", "--all", "--quiet", "--filter", &filter]).await?;
        Ok(said.split_whitespace().map(str::to_owned).collect())
    }

    async fn networks(&self) -> Result<Vec<String>, StagingError> {
        let filter = format!("label={LABEL}={}", self.cluster);
        let said = self.ask(&["network", "ls", "--quiet", "--filter", &filter]).await?;
        Ok(said.split_whitespace().map(str::to_owned).collect())
    }

    /// What kind made for its nodes to write to. Docker takes these away with the containers; of Podman they are volumes that
    /// outlive them, each labelled with the name of its node.
    async fn volumes(&self) -> Result<Vec<String>, StagingError> {
        let said = self.ask(&["volume", "ls", "--format", "{{.Name}} {{.Labels}}"]).await?;
        let node = format!("{}-", self.cluster);
        let volumes = said.lines().filter_map(|line| line.split_once(' '));
        Ok(volumes.filter(|(_, labels)| labels.contains(&node)).map(|(name, _)| name.to_owned()).collect())
    }

    /// Takes away the cluster, its volumes and its network, and looks whether they are gone.
    pub(super) async fn remove(&self) -> Vec<Removed> {
        let of = |what: &str, result: Result<usize, StagingError>| {
            let what = format!("{what} {}", self.cluster);
            match result {
                Ok(0) => Removed { what, gone: true, proof: "the engine knows none".to_owned() },
                Ok(n) => Removed {
                    what,
                    gone: true,
                    proof: format!("{n} removed, and the engine knows none any more"),
                },
                Err(e) => Removed { what, gone: false, proof: e.to_string() },
            }
        };
        let cluster = of("the kind cluster", self.remove_containers().await);
        let held = || Err(StagingError::Refused("its containers are still there".to_owned()));
        let (volumes, network) = match cluster.gone {
            true => (self.remove_volumes().await, self.remove_networks().await),
            false => (held(), held()),
        };
        vec![cluster, of("the volumes of", volumes), of("the network", network)]
    }

    /// An engine goes on with what it was asked for by a program that was killed: only when nothing came twice is that over.
    async fn remove_containers(&self) -> Result<usize, StagingError> {
        let (mut removed, mut quiet, mut tries) = (BTreeSet::new(), 0, 0);
        while quiet < 2 {
            let found = self.containers().await?;
            if found.is_empty() {
                quiet += 1;
                sleep(Duration::from_millis(150)).await;
                continue;
            }
            tries += 1;
            if tries == 1 {
                for container in &found {
                    // One that does not run, or does not answer, is removed as it is.
                    let arguments = ["exec", container.as_str(), "sh", "-c", QUIET];
                    let _ = self.call(&self.program, &arguments, Vec::new(), PATIENCE).await;
                }
            }
            let mut arguments = vec!["rm", "--force", "--volumes"];
            arguments.extend(found.iter().map(String::as_str));
            let asked = self.ask(&arguments).await;
            if tries > TRIES {
                asked?;
                return Err(StagingError::Refused(format!("{} are still there", found.len())));
            }
            sleep(Duration::from_millis(150)).await;
            removed.extend(found);
            quiet = 0;
        }
        Ok(removed.len())
    }

    async fn remove_volumes(&self) -> Result<usize, StagingError> {
        let found = self.volumes().await?;
        for volume in &found {
            self.ask(&["volume", "rm", "--force", volume]).await?;
        }
        nothing_left(found.len(), self.volumes().await?.len())
    }

    async fn remove_networks(&self) -> Result<usize, StagingError> {
        let found = self.networks().await?;
        for network in &found {
            self.ask(&["network", "rm", network]).await?;
        }
        nothing_left(found.len(), self.networks().await?.len())
    }
}

/// How many were removed, if none is left.
fn nothing_left(removed: usize, left: usize) -> Result<usize, StagingError> {
    match left {
        0 => Ok(removed),
        n => Err(StagingError::Refused(format!("{n} are still there"))),
    }
}
