//! A cluster that is there already, and that others use too. It has to be named in the configuration, and the cluster that was saved is
//! refused. The export is restored beside what is there: nothing that exists is changed, everything that is made carries a label and is
//! made harmless at once, for the controllers of that cluster run; and only what carries the label is taken away.
//!
//! ```text
//!   kubeconfig ─▶ only its context ─▶ admit (named, not the source) ─▶ record ─▶ restore on the terms of a guest ─▶ release ─▶ sweep
//! ```

mod admit;
mod kubeconfig;
mod record;
mod release;
mod sweep;
mod terms;

use super::{Guarded, Staging, StagingError, Workload, home::Home, home::at, leftovers::take_away};
use crate::{
    catalogue::Catalogue,
    pipeline::Identities,
    point::{Isolation, Manifest, Program, Removed},
    source::kube::{Cluster, Connection, Filter},
};
pub use admit::Allowed;
use admit::{Found, admit, named};
use async_trait::async_trait;
use record::{KUBECONFIG, Record, connection};
pub(super) use record::{left, remove_left};
use release::Release;
use std::{fs, path::PathBuf, sync::Arc, time::Duration};
use sweep::{aggregated, selector};
use terms::Guest;
use tokio::time::timeout;

/// So long is waited for the source to tell who it is: it may be gone.
const PATIENCE: Duration = Duration::from_secs(10);

/// A cluster that is there already.
#[derive(Debug, Clone)]
pub struct ExistingOptions {
    /// In which directory staging makes its own.
    pub base: PathBuf,
    /// What its own is called: the drill's id.
    pub name: String,
    /// How the cluster is reached.
    pub kubeconfig: PathBuf,
    /// The context in it.
    pub context: String,
    /// The clusters that drills may use.
    pub allowed: Vec<Allowed>,
    /// How the cluster is reached that the configuration saves.
    pub source: Option<Connection>,
    /// May what runs there for the drill speak to the world?
    pub egress: bool,
    /// How long it may take until everything is gone again.
    pub ready_within: Duration,
}

/// A cluster that is there already, as a staging.
#[derive(Debug)]
pub struct Existing {
    options: ExistingOptions,
    made: Option<Made>,
    /// Who the cluster is, and how it was told from the source.
    told: Option<(Record, String)>,
    programs: Vec<Program>,
    guest: Option<Arc<Guest>>,
    /// How many workloads were let run, once they were.
    released: Option<usize>,
}

/// What there is once it is provisioned.
#[derive(Debug)]
struct Made {
    home: Home,
    connection: Connection,
}

fn early() -> StagingError {
    StagingError::Refused("staging is used before it is provisioned".to_owned())
}

impl Existing {
    /// How long it may take until everything is gone again, if nobody says.
    pub const READY_WITHIN: Duration = Duration::from_secs(300);

    /// Nothing is made yet.
    pub fn new(options: ExistingOptions) -> Self {
        Existing { options, made: None, told: None, programs: Vec::new(), guest: None, released: None }
    }

    /// What the configuration's own cluster is, as far as that can be told; and in words what cannot.
    async fn source(&self) -> (Option<Found>, String) {
        let Some(source) = &self.options.source else {
            return (None, "there is no configuration that names the source".to_owned());
        };
        let server = match source.address().await {
            Ok(server) => server,
            Err(e) => return (None, format!("the address of the source is not known ({e})")),
        };
        let asked = async { Cluster::connect(source).await?.facts().await };
        let uid = match timeout(PATIENCE, asked).await {
            Ok(Ok(facts)) => facts.uid,
            _ => None,
        };
        let told = match &uid {
            Some(uid) => format!("the source is at {server}, and its UID is {uid}"),
            None => format!("the source is at {server}, and does not tell its UID now"),
        };
        (Some(Found { server, uid }), told)
    }
}

#[async_trait]
impl Staging for Existing {
    fn provider(&self) -> &'static str {
        "existing"
    }

    fn name(&self) -> &str {
        &self.options.name
    }

    fn isolation(&self) -> Vec<Isolation> {
        let Some((record, source)) = &self.told else {
            return vec![Isolation::new(
                "the drill changes a cluster that it must not change",
                "no cluster was admitted, and nothing was made in any",
            )];
        };
        let n = |how: &str| self.guest.as_ref().map_or(0, |guest| guest.disarmed(how));
        let speech = match self.options.egress {
            true => "the drill's file allows it (staging.existing.egress)".to_owned(),
            false => format!(
                "before a workload was let run, a network policy closed its namespace: only the drill's own pods and the lookup of names are \
                 reached; {} policies of the source that let something out were closed, too. Where the cluster's network does not heed \
                 policies, this keeps nothing",
                n("policies")
            ),
        };
        let ran = match self.released {
            None => "no workload was let run".to_owned(),
            Some(n) => format!("{n} workloads, which checks ask for, got their replicas back for the checks"),
        };
        vec![
            Isolation::new(
                "the drill changes the source",
                format!(
                    "the cluster is named in drills.existing of the configuration; it is at {}, and the UID of its namespace kube-system is \
                     {}, which is not the recovery point's; {source}",
                    record.server, record.uid
                ),
            ),
            Isolation::new(
                "the drill changes what others have in that cluster",
                format!(
                    "objects were only made, in namespaces that the drill made, and none was changed: where one of that name was there the \
                     drill would have ended before anything was made. Each carries the label {}, by which alone it was found and deleted",
                    selector(&record.drill)
                ),
            ),
            Isolation::new(
                "controllers of that cluster act on what was restored",
                format!(
                    "{} workloads were made without replicas or kept from every node, {} jobs and cron jobs suspended, {} definitions made without \
                     their conversion webhook; bare pods, admission webhooks and policies, APIs of other servers and classes were not made; {ran}",
                    n("workloads"),
                    n("jobs"),
                    n("conversions"),
                ),
            ),
            Isolation::new(
                "disks of the source are used or deleted, or new ones made",
                format!(
                    "no volume and no snapshot was made, and {} claims wait for a class that is not there",
                    n("claims")
                ),
            ),
            Isolation::new(
                "balancers, ports of nodes and names in DNS move to staging",
                format!(
                    "{} services and ingresses lost their type, their outer addresses, their class and the annotations of controllers for names",
                    n("ways in")
                ),
            ),
            Isolation::new(
                "somebody gets rights in that cluster",
                format!(
                    "{} roles and bindings add nothing to the cluster's own roles, and give rights to none but accounts in the drill's namespaces; \
                     {} priority classes are nobody's default and displace nobody",
                    n("rights"),
                    n("priorities")
                ),
            ),
            Isolation::new("something that runs for the drill speaks to the source or to the world", speech),
            Isolation::new(
                "restored Secrets are read by others",
                "whoever may read Secrets in all of that cluster could read these as long as the drill ran, and backups of that cluster that \
                 were taken meanwhile hold them; in its API they are deleted: see the clean-up",
            ),
        ]
    }

    fn programs(&self) -> Vec<Program> {
        self.programs.clone()
    }

    async fn provision(&mut self, manifest: &Manifest) -> Result<(), StagingError> {
        let options = &self.options;
        let allowed = named(&options.allowed, &options.context)?;
        let text = fs::read_to_string(&options.kubeconfig).map_err(at(&options.kubeconfig))?;
        let only = kubeconfig::only(&text, &options.context, &options.kubeconfig)?;
        let home = Home::make(&options.base, &options.name)?;
        let connection = connection(home.path());
        let written = home.write(KUBECONFIG, &only.to_string());
        let made = self.made.insert(Made { home, connection: connection.clone() });
        let path = made.home.path().to_owned();
        written?;
        let cluster = Cluster::connect(&connection).await?;
        let facts = cluster.facts().await?;
        let (source, told) = self.source().await;
        let found = Found { server: cluster.server().to_owned(), uid: facts.uid };
        let uid = admit(&found, &allowed, manifest.cluster.uid.as_deref(), source.as_ref())?;
        let kinds = cluster.discover(&Filter::default()).await?;
        let elsewhere = aggregated(&cluster, &kinds).await;
        let elsewhere = elsewhere.map_err(|e| {
            StagingError::Refused(format!("its APIs cannot be listed: {e}; nothing was changed"))
        })?;
        let record = Record {
            drill: options.name.clone(),
            server: found.server,
            uid,
            within_seconds: options.ready_within.as_secs(),
        };
        // What is made has to be known before anything is: it is taken away by what is known.
        record.keep(&path)?;
        let version = cluster.version().to_owned();
        self.programs = vec![Program { name: "kube-apiserver".to_owned(), version, sha256: None }];
        self.guest = Some(Arc::new(Guest::new(&options.name, options.egress, elsewhere)));
        self.told = Some((record, told));
        Ok(())
    }

    async fn empty(&mut self) -> Result<(), StagingError> {
        Ok(())
    }

    async fn restore_etcd(
        &mut self,
        _: &Catalogue,
        _: &Manifest,
        _: Arc<Identities>,
    ) -> Result<(), StagingError> {
        let text = "the etcd of a cluster that others use is never touched: restore `[resources]`, or use another staging";
        Err(StagingError::Refused(text.to_owned()))
    }

    async fn start(&mut self) -> Result<Connection, StagingError> {
        self.made.as_ref().map(|made| made.connection.clone()).ok_or_else(early)
    }

    fn guarded(&self) -> Option<Guarded> {
        let terms = self.guest.clone()?;
        Some(Guarded { label: selector(&self.options.name), terms })
    }

    fn runs_workloads(&self) -> bool {
        true
    }

    async fn release(&mut self, kept: &[Workload]) -> Result<(), StagingError> {
        let (Some(made), Some(guest)) = (&self.made, &self.guest) else { return Err(early()) };
        let cluster = Cluster::connect(&made.connection).await?;
        let kinds = cluster.discover(&Filter::default()).await?;
        let egress = self.options.egress;
        let release = Release { cluster: &cluster, kinds: &kinds, drill: &self.options.name, guest, egress };
        self.released = Some(release.run(kept).await?);
        Ok(())
    }

    async fn tear_down(&mut self) -> Vec<Removed> {
        let Some(made) = self.made.take() else { return Vec::new() };
        take_away(made.home.path(), || made.home.remove()).await
    }
}
