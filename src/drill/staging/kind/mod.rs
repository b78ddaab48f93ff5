//! A cluster of kind: one node in a container, with a kubelet, so that workloads come up.
//!
//! ```text
//!   kind create ─▶ everything on the node stopped, nothing let out ─▶ the snapshot under its etcd ─▶ API server alone: compared
//!     ─▶ release: disarmed, then controllers and kubelet: workloads come up ─▶ the container and its network removed
//! ```

mod engine;
mod manifests;
mod node;
mod options;

use super::{
    Staging, StagingError, Workload,
    disarm::{Disarm, Disarmed},
    home::{Home, at},
    leftovers::take_away,
    process::{self, in_path},
    ready::{self, CANNOT_DECRYPT},
    service_range,
};
use crate::{
    catalogue::Catalogue,
    pipeline::Identities,
    point::{Digest, Isolation, Manifest, Program, Removed},
    restore::etcd::Membership,
    source::kube::{Cluster, Connection, Filter},
};
use async_trait::async_trait;
use engine::Engine;
use node::Node;
pub use options::KindOptions;
use options::{NODES, NodeImage, fitting};
use std::{fs, path::Path, sync::Arc, time::Duration};
use tokio::time::{Instant, sleep};

/// Somebody else may take the port that kind has found; then it finds another.
const TRIES: usize = 4;
/// How often a server is asked whether it is ready.
const ASK_EVERY: Duration = Duration::from_millis(100);
/// How often it is looked whether there is room for one that is not.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// A cluster of kind for one drill.
#[derive(Debug)]
pub struct Kind {
    options: KindOptions,
    made: Option<Made>,
    programs: Vec<Program>,
    disarmed: Option<Disarmed>,
    /// More flags of the API server.
    flags: Vec<(String, String)>,
}

/// What there is once it is provisioned.
#[derive(Debug)]
struct Made {
    home: Home,
    engine: Engine,
    node: Option<Node>,
    service_range: String,
    connection: Option<Connection>,
}

impl Kind {
    /// How long each step may take, if nobody says.
    pub const READY_WITHIN: Duration = Duration::from_secs(300);

    /// Nothing is made yet.
    pub fn new(options: KindOptions) -> Self {
        Kind { options, made: None, programs: Vec::new(), disarmed: None, flags: Vec::new() }
    }

    async fn create(&mut self, kind: &Path, image: &str) -> Result<(), StagingError> {
        let options = &self.options;
        let given = match &options.config {
            Some(path) => Some(fs::read_to_string(path).map_err(at(path))?),
            None => None,
        };
        let config = manifests::cluster(given.as_deref())?;
        let made = self.made.as_mut().ok_or_else(early)?;
        let engine = &made.engine;
        engine.make_network().await?;
        let config = made.home.write("kind-config.json", &config.to_string())?;
        let (config, own) = (config.display().to_string(), made.home.path().join("kind.kubeconfig"));
        let own = own.display().to_string();
        let name = engine.cluster.clone();
        let arguments = [
            "create",
            "cluster",
            "--name",
            &name,
            "--image",
            image,
            "--config",
            &config,
            "--kubeconfig",
            &own,
        ];
        let mut tries = 1;
        while let Err(e) = engine.call(kind, &arguments, Vec::new(), options.server.ready_within).await {
            // kind looks for a free port, lets it go and has the engine take it; what it had made so far it has taken away.
            if tries == TRIES || !e.to_string().contains("address already in use") {
                return Err(e);
            }
            tries += 1;
        }
        for image in &options.load {
            // As an archive: kind asks nobody but Docker for an image.
            let archive = made.home.path().join("image.tar");
            let path = archive.display().to_string();
            let within = options.server.ready_within;
            let save = ["save", "--output", &path, image];
            let saved = engine.call(&engine.program, &save, Vec::new(), within).await;
            saved.map_err(|e| StagingError::Program {
                program: format!("the image {image}"),
                reason: format!("the engine does not give it: {e}"),
                help: "fetch or build it on this host, or leave it out of staging.kind.loadImages".to_owned(),
            })?;
            engine.call(kind, &["load", "image-archive", &path, "--name", &name], Vec::new(), within).await?;
            fs::remove_file(&archive).map_err(at(&archive))?;
        }
        let id = engine.ask(&["inspect", "--format", "{{.Image}}", &engine.node()]).await?;
        let facts = |name: &str, version: &str, sha256| Program {
            name: name.to_owned(),
            version: version.trim().to_owned(),
            sha256,
        };
        let digest: Option<Digest> = id.trim_start_matches("sha256:").parse().ok();
        self.programs.push(facts("node image", image, digest));
        let node = Node::look(engine).await?;
        self.programs.push(facts("kubelet", &node.version, None));
        made.node = Some(node);
        Ok(())
    }
}

fn early() -> StagingError {
    StagingError::Refused("staging is used before it is provisioned".to_owned())
}

/// What a staging of this kind has left, in words.
pub(super) fn left(staging: &Path) -> Option<String> {
    Engine::left(staging)
        .map(|engine| format!("the kind cluster {} and its network, if they are there", engine.cluster))
}

/// Takes away what a staging of this kind has left.
pub(super) async fn remove_left(staging: &Path) -> Vec<Removed> {
    match Engine::left(staging) {
        Some(engine) => engine.remove().await,
        None => Vec::new(),
    }
}

#[async_trait]
impl Staging for Kind {
    fn provider(&self) -> &'static str {
        "kind"
    }

    fn name(&self) -> &str {
        &self.options.server.name
    }

    fn isolation(&self) -> Vec<Isolation> {
        let egress = match self.options.egress {
            false => {
                "before the first restored object was served, the node was closed: only answers leave it, for itself, its pods and the \
                 lookup of names; its network belongs to this drill alone"
            }
            true => {
                "the drill's file allows it (staging.kind.egress): nothing keeps the node and its pods from reaching others"
            }
        };
        let mut lines = vec![
            Isolation::new("something in staging speaks to the source or to the world", egress),
            Isolation::new(
                "the API server calls webhooks of the source",
                "the admission plugins for webhooks are off",
            ),
            Isolation::new(
                "somebody reaches staging",
                "the API server's port is bound to 127.0.0.1 of this host alone, and asks for a certificate of staging's own authority",
            ),
            Isolation::new(
                "tokens of the source hold in staging, or staging's in the source",
                "service account tokens are signed and checked with a key that was made for this drill",
            ),
            Isolation::new(
                "credentials of this host are used",
                "kind and the engine were started with what they need to find each other, and the node with nothing of ours",
            ),
            Isolation::new(
                "restored Secrets stay behind",
                "they lay in the node's volume, which was removed with it: see the clean-up",
            ),
        ];
        match &self.disarmed {
            Some(disarmed) => lines.extend(disarmed.isolation()),
            None => lines.push(Isolation::new(
                "controllers of the source act from staging",
                "no controller, no scheduler and no pod was ever started: only the API server ran",
            )),
        }
        lines
    }

    fn programs(&self) -> Vec<Program> {
        self.programs.clone()
    }

    async fn provision(&mut self, manifest: &Manifest) -> Result<(), StagingError> {
        let options = &self.options;
        let mut engine = Engine::find(options.engine.as_deref(), &options.server.name)?;
        let kind = options.kind.clone().or_else(|| in_path("kind")).ok_or_else(|| StagingError::Program {
            program: "kind".to_owned(),
            reason: "it is not in PATH".to_owned(),
            help:
                "install it (https://kind.sigs.k8s.io), or name it in staging.kind.kind of the drill's file"
                    .to_owned(),
        })?;
        let image = options.image(manifest)?;
        self.flags = options.flags()?;
        if let Some(config) = &options.server.encryption_config {
            // The API server would end over it, long after.
            fs::File::open(config).map_err(at(config))?;
        }
        let said = process::version(&kind).await.map_err(|e| StagingError::Program {
            program: "kind".to_owned(),
            reason: format!("{} does not run: {e}", kind.display()),
            help: "name another one in staging.kind.kind".to_owned(),
        })?;
        let version = said.trim().trim_start_matches("kind version ").to_owned();
        self.programs = vec![Program { name: "kind".to_owned(), version, sha256: None }];
        let home = Home::make(&options.server.base, &options.server.name)?;
        if let Err(e) = engine.settle(home.path()) {
            let _ = home.remove();
            return Err(e);
        }
        // What is made has to be known before anything can fail: it is taken away by what is known.
        let service_range = String::new();
        let made = self.made.insert(Made { home, engine, node: None, service_range, connection: None });
        let version = made.engine.ask(&["version", "--format", "{{.Server.Version}}"]).await?;
        let name = made.engine.program.file_name().map(|name| name.to_string_lossy().into_owned());
        self.programs.push(Program { name: name.unwrap_or_default(), version, sha256: None });
        let version = match image {
            NodeImage::Named(image) => return self.create(&kind, &image).await,
            NodeImage::Of(version) => version,
        };
        // What cannot be listed is fetched.
        let here = made.engine.ask(&["images", NODES, "--format", "{{.Tag}}"]).await.unwrap_or_default();
        let image = fitting(&version, &here.split_whitespace().collect::<Vec<_>>());
        self.create(&kind, &image).await.map_err(|e| match e {
            StagingError::NotReady { said, .. } if said.contains(&image) => StagingError::Program {
                program: image,
                reason: said,
                help: format!(
                    "kind has images of some patch versions only: fetch or name another one (staging.kind.image) that fits {version}"
                ),
            },
            e => e,
        })
    }

    async fn empty(&mut self) -> Result<(), StagingError> {
        let made = self.made.as_mut().ok_or_else(early)?;
        let node = made.node.as_mut().ok_or_else(early)?;
        let known = self.options.server.service_cluster_ip_range.as_deref();
        made.service_range = known.or(node.service_range()).unwrap_or(service_range::USUAL).to_owned();
        node.stop(self.options.egress).await
    }

    async fn restore_etcd(
        &mut self,
        catalogue: &Catalogue,
        manifest: &Manifest,
        identities: Arc<Identities>,
    ) -> Result<(), StagingError> {
        let made = self.made.as_mut().ok_or_else(early)?;
        let node = made.node.as_mut().ok_or_else(early)?;
        let (name, peer) = node.member()?;
        let membership = Membership {
            initial_cluster: format!("{name}={peer}"),
            name,
            initial_advertise_peer_urls: peer,
            initial_cluster_token: made.engine.cluster.clone(),
        };
        let data_dir = made.home.path().join("data");
        let (what, to) = ((catalogue, manifest, identities), (data_dir.clone(), membership));
        let known = self.options.server.service_cluster_ip_range.as_deref();
        let (found, ()) = tokio::try_join!(
            super::data::restore(what, to, &self.options.server.etcdutl, known),
            node.stop(self.options.egress)
        )?;
        let usual = || node.service_range().unwrap_or(service_range::USUAL);
        made.service_range = known.or(found.as_deref()).unwrap_or_else(usual).to_owned();
        let bytes = super::data::bytes(&data_dir).map_err(at(&data_dir))?;
        node.put_data(&data_dir, bytes).await?;
        fs::remove_dir_all(&data_dir).map_err(at(&data_dir))
    }

    async fn start(&mut self) -> Result<Connection, StagingError> {
        let end = Instant::now() + self.options.server.ready_within;
        let made = self.made.as_mut().ok_or_else(early)?;
        let node = made.node.as_ref().ok_or_else(early)?;
        let own = made.home.path().join("kind.kubeconfig");
        let text = fs::read_to_string(&own).map_err(at(&own))?;
        let kubeconfig = manifests::parse("kubeconfig", &text)?;
        let server =
            kubeconfig.pointer("/clusters/0/cluster/server").and_then(|it| it.as_str()).unwrap_or_default();
        let kubeconfig = node.administrator(server)?;
        // Of an earlier start, with other data.
        let _ = fs::remove_file(made.home.path().join("kubeconfig"));
        let kubeconfig = made.home.write("kubeconfig", &kubeconfig)?;
        let options = &self.options;
        node.start_server(&made.service_range, options.server.encryption_config.as_deref(), &self.flags)
            .await?;
        let connection = ready::connection(kubeconfig);
        let (mut last, mut looked) = (String::new(), Instant::now());
        while Instant::now() < end {
            match ready::serves(&connection, node.server_has_said(CANNOT_DECRYPT)).await {
                Ok(()) => {
                    made.connection = Some(connection.clone());
                    return Ok(connection);
                }
                Err(why) => last = why,
            }
            if looked.elapsed() > LOOK_EVERY {
                // The kubelet would start again and again what has no room.
                if let Some(full) = node.out_of_room().await {
                    return Err(full);
                }
                looked = Instant::now();
            }
            sleep(ASK_EVERY).await;
        }
        let within = options.server.ready_within.as_secs();
        Err(node.not_ready("kube-apiserver", format!("is not ready after {within} s ({last})")).await)
    }

    fn runs_workloads(&self) -> bool {
        true
    }

    async fn release(&mut self, kept: &[Workload]) -> Result<(), StagingError> {
        let end = Instant::now() + self.options.server.ready_within;
        let made = self.made.as_ref().ok_or_else(early)?;
        let (Some(node), Some(connection)) = (&made.node, &made.connection) else { return Err(early()) };
        let cluster = Cluster::connect(connection).await?;
        let kinds = cluster.discover(&Filter::default()).await?;
        let disarm = Disarm { cluster: &cluster, kinds: &kinds, mark: &self.options.server.name, kept };
        // From here on controllers may run, whatever comes: the evidence must not say that none did.
        self.disarmed = Some(disarm.run().await?);
        disarm.let_the_server_reach_kubelets().await?;
        node.start_the_rest(&made.service_range).await?;
        let ready = disarm.until_node_is_ready(&made.engine.node(), end).await;
        if let Err(why) = ready {
            let within = self.options.server.ready_within.as_secs();
            return Err(node.not_ready("the node", format!("is not ready after {within} s ({why})")).await);
        }
        Ok(())
    }

    async fn trouble(&mut self) -> Option<StagingError> {
        self.made.as_ref()?.node.as_ref()?.out_of_room().await
    }

    async fn tear_down(&mut self) -> Vec<Removed> {
        let Some(made) = self.made.take() else { return Vec::new() };
        take_away(made.home.path(), || made.home.remove()).await
    }
}
