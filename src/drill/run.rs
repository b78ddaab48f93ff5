//! One drill, from the pick to the evidence.

use super::{
    broken::Broken,
    checks::{self, Ask, Command, Detail, Exec, Probe, Ready, Rehearsal, Results, Severities, Stage},
    evidence,
    keep::Keep,
    pick::{Choice, NoChoice, Rule, choose},
    resources::{self, Occupied, Restored},
    staging::{Guarded, Staging, Workload},
    timing::{Stopwatch, millis},
};
use crate::{
    catalogue::{Catalogue, CatalogueError, Depth, History, Listed, verify},
    pipeline::{Identities, Recipients, SealOptions, Signer},
    point::{ArtifactKind, DrillPlan, DrilledPoint, Evidence, Manifest, Phase, Pick, PointId, Restores},
    source::kube::{Cluster, Connection, Filter},
};
use jiff::Timestamp;
use std::{
    collections::BTreeMap,
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

/// What is to be done.
pub struct Job {
    /// The drill's id.
    pub id: PointId,
    /// What the evidence tells of its file.
    pub plan: DrillPlan,
    /// Who runs it.
    pub by: String,
    /// Which recovery point.
    pub rule: Rule,
    /// When what is rehearsed happened, if not now.
    pub incident: Option<Timestamp>,
    /// How old what comes back may be.
    pub rpo: Option<Duration>,
    /// How long it may take until service is back.
    pub rto: Option<Duration>,
    /// How long each phase may take.
    pub phases: BTreeMap<Phase, Duration>,
    /// After so long it is given up.
    pub within: Duration,
    /// How much each check counts.
    pub severities: Severities,
    /// What is asked of the objects.
    pub asks: Vec<Ask>,
    /// Workloads that have to become ready.
    pub ready: Vec<Ready>,
    /// What pods have to answer.
    pub probes: Vec<Probe>,
    /// Commands to run in pods.
    pub execs: Vec<Exec>,
    /// Commands to run against staging.
    pub commands: Vec<Command>,
    /// Playbooks to carry out in staging, and to take back.
    pub rehearsals: Vec<Rehearsal>,
    /// What exports of this cluster are narrowed to.
    pub filter: Filter,
    /// What opens the recovery point.
    pub identities: Arc<Identities>,
    /// To whom the details are sealed; without anybody there are none.
    pub seal: Option<(Recipients, SealOptions)>,
    /// How long its evidence is kept; for ever if nothing is said.
    pub keep: Option<Keep>,
    /// The drill that this one repeats.
    pub retest_of: Option<PointId>,
}

/// What came of a drill.
pub struct Outcome {
    /// The evidence, as it was recorded.
    pub evidence: Evidence,
    /// What the findings are about, by name.
    pub details: Vec<Detail>,
    /// Why the evidence is not in the store, if it is not.
    pub unrecorded: Option<CatalogueError>,
}

/// What is known so far.
pub(super) struct Progress {
    pub(super) watch: Stopwatch,
    pub(super) pick: Pick,
    pub(super) point: Option<DrilledPoint>,
    pub(super) server: Option<String>,
    /// Milliseconds from the start until service was back.
    pub(super) ready: Option<u64>,
    pub(super) results: Results,
}

/// Runs a drill. Staging is torn down whatever happens, and evidence is made of whatever came of it.
///
/// `stop` is waited for meanwhile and names the signal that it came with; `tell` hears of each phase as it begins.
pub async fn run(
    job: Job,
    mut staging: Box<dyn Staging>,
    catalogue: &Catalogue,
    signer: Option<&Signer>,
    stop: impl Future<Output = &'static str>,
    tell: &dyn Fn(Phase),
) -> Outcome {
    let (began, instant) = (Timestamp::now(), Instant::now());
    let rule = match &job.rule {
        Rule::Latest => "latest".to_owned(),
        Rule::NewestVerified => "newest-verified".to_owned(),
        Rule::Random { .. } => "random".to_owned(),
        Rule::Id(id) => id.clone(),
    };
    let mut progress = Progress {
        watch: Stopwatch::start(instant, job.phases.clone()),
        pick: Pick { rule, among: 0, window_ms: None, seed: None },
        point: None,
        server: None,
        ready: None,
        results: Results::new(job.severities.clone()),
    };
    let result = tokio::select! {
        result = attempt(&job, staging.as_mut(), catalogue, &mut progress, tell) => result,
        signal = stop => Err(Broken::Stopped(signal)),
        () = tokio::time::sleep(job.within) => Err(Broken::TooLong(job.within.as_secs())),
    };
    let result = match result {
        Err(e) => Err(e.looked_beneath(staging.as_mut()).await),
        // What staging no longer served says nothing about what was saved.
        Ok(()) if !progress.results.failed().is_empty() => {
            staging.trouble().await.map_or(Ok(()), |cause| Err(cause.into()))
        }
        Ok(()) => Ok(()),
    };
    progress.watch.end(result.is_ok(), Instant::now());
    progress.watch.begin(Phase::TearDown, Instant::now());
    tell(Phase::TearDown);
    let cleanup = staging.tear_down().await;
    progress.watch.end(cleanup.iter().all(|it| it.gone), Instant::now());
    let (mut evidence, details) =
        evidence::of(&job, staging.as_ref(), catalogue.cluster(), (began, progress, cleanup), result);
    let unrecorded = evidence::record(&job, catalogue, signer, &mut evidence, &details).await.err();
    Outcome { evidence, details, unrecorded }
}

async fn attempt(
    job: &Job,
    staging: &mut dyn Staging,
    catalogue: &Catalogue,
    progress: &mut Progress,
    tell: &dyn Fn(Phase),
) -> Result<(), Broken> {
    let begin = |progress: &mut Progress, phase| {
        progress.watch.begin(phase, Instant::now());
        tell(phase);
    };
    begin(progress, Phase::Pick);
    let listed = picked(job, catalogue, progress).await?;

    begin(progress, Phase::Fetch);
    let opening = Instant::now();
    let verdict = verify(catalogue, &listed.id, &Depth::Deep(job.identities.clone())).await?;
    // It is opened as it comes.
    progress.watch.split(verdict.waited, Phase::Open, Instant::now());
    let manifest = listed.manifest.ok();
    let has_snapshot = manifest.as_ref().is_some_and(|m| m.artifact(&ArtifactKind::Etcd).is_some());
    checks::stored(&verdict, has_snapshot, opening.elapsed(), &mut progress.results);
    let digest = verdict.manifest_sha256;
    progress.point = manifest.as_ref().zip(digest).map(|(m, digest)| evidence::drilled(m, digest, catalogue));
    let (Some(manifest), true) = (manifest, progress.results.failed().is_empty()) else {
        return Err(Broken::Unsound);
    };

    begin(progress, Phase::Provision);
    staging.provision(&manifest).await?;
    let source = Source { job, catalogue, manifest: &manifest, guarded: staging.guarded() };
    let [etcd, export] = [Restores::Etcd, Restores::Resources].map(|it| job.plan.restores.contains(&it));
    let mut beside = Duration::ZERO;
    if etcd && export {
        begin(progress, Phase::Resources);
        let began = Instant::now();
        source.restored_beside(staging, &mut progress.results).await?;
        beside = began.elapsed();
    }
    let (connection, restored) = if etcd {
        begin(progress, Phase::Restore);
        staging.restore_etcd(catalogue, &manifest, job.identities.clone()).await?;
        begin(progress, Phase::ApiReady);
        (staging.start().await?, None)
    } else {
        begin(progress, Phase::ApiReady);
        staging.empty().await?;
        let connection = staging.start().await?;
        begin(progress, Phase::Restore);
        let restored = source.restore(&connection, &mut progress.results).await?;
        (connection, Some(restored))
    };
    let served = Instant::now();
    if !staging.runs_workloads() {
        progress.ready = Some(progress.watch.since_start(served).saturating_sub(millis(beside)));
    }

    begin(progress, Phase::Checks);
    let cluster = Cluster::connect(&connection).await?;
    progress.server = Some(cluster.server().to_owned());
    source.looked_at(&cluster, &connection, restored.as_ref(), &mut progress.results).await?;
    let kubeconfig = connection.kubeconfig.clone().unwrap_or_default();
    if staging.runs_workloads() {
        begin(progress, Phase::WorkloadsReady);
        // A recovery does not wait for a comparison.
        let compared = served.elapsed() + beside;
        let kept: Vec<Workload> = job.ready.iter().map(|ask| ask.workload.clone()).collect();
        staging.release(&kept).await?;
        let kinds = cluster.discover(&Filter::default()).await?;
        checks::ready(&job.ready, &cluster, &kinds, &mut progress.results).await;
        progress.ready = Some(progress.watch.since_start(Instant::now()).saturating_sub(millis(compared)));
        begin(progress, Phase::Service);
        checks::probes(&job.probes, &cluster, &kinds, &mut progress.results).await;
        checks::execs(&job.execs, &cluster, &kinds, &mut progress.results).await;
    }
    checks::commands(&job.commands, &kubeconfig, &mut progress.results).await;
    if !job.rehearsals.is_empty() {
        begin(progress, Phase::Rehearsal);
        let (identities, runs) = (&job.identities, staging.runs_workloads());
        let stage = Stage { connection: &connection, catalogue, identities, runs };
        checks::rehearsals(&job.rehearsals, &stage, &mut progress.results).await;
    }
    Ok(())
}

/// What is brought back.
struct Source<'a> {
    job: &'a Job,
    catalogue: &'a Catalogue,
    manifest: &'a Manifest,
    guarded: Option<Guarded>,
}

impl Source<'_> {
    /// What staging is compared with.
    fn compared<'a>(
        &'a self,
        connection: &Connection,
        restored: Option<&'a Restored>,
    ) -> checks::Compared<'a> {
        checks::Compared {
            catalogue: self.catalogue,
            manifest: self.manifest,
            identities: self.job.identities.clone(),
            connection: connection.clone(),
            filter: self.job.filter.clone(),
            label: self.guarded.as_ref().map(|guarded| guarded.label.clone()),
            asks: &self.job.asks,
            restored,
        }
    }

    /// Restores the export into a staging that is ready, and holds nothing of it.
    async fn restore(&self, connection: &Connection, results: &mut Results) -> Result<Restored, Broken> {
        let began = Instant::now();
        let cluster = Cluster::connect(connection).await?;
        let identities = self.job.identities.clone();
        let terms = self.guarded.as_ref().map(|guarded| guarded.terms.clone());
        let restored =
            resources::restore(self.catalogue, self.manifest, identities, cluster, &self.job.id, terms)
                .await?;
        let restored = match restored {
            Ok(restored) => restored,
            Err(Occupied(names)) => {
                let n = names.len();
                checks::occupied(names, began.elapsed(), results);
                return Err(Broken::Occupied(n));
            }
        };
        checks::restored(&restored, began.elapsed(), results);
        Ok(restored)
    }

    /// Restores the export before the snapshot takes its place: what comes of either is compared with what was exported.
    async fn restored_beside(&self, staging: &mut dyn Staging, results: &mut Results) -> Result<(), Broken> {
        staging.empty().await?;
        let connection = staging.start().await?;
        let restored = self.restore(&connection, results).await?;
        Ok(checks::agree(self.compared(&connection, Some(&restored)), results).await?)
    }

    async fn looked_at(
        &self,
        cluster: &Cluster,
        connection: &Connection,
        restored: Option<&Restored>,
        results: &mut Results,
    ) -> Result<(), Broken> {
        let Source { job, catalogue, manifest, .. } = self;
        checks::versions(manifest, cluster.version(), results);
        if restored.is_none() {
            checks::identity(manifest, cluster.facts().await?.uid.as_deref(), results);
        }
        if manifest.artifact(&ArtifactKind::ResourcesIndex).is_some() {
            let unread = checks::compare(self.compared(connection, restored), results).await?;
            checks::encryption(catalogue, manifest, job.identities.clone(), unread, results).await?;
        } else {
            let why = "the recovery point holds no export to compare with: only etcd was saved";
            for name in ["objects", "counts", "discovery", "references", "secrets"] {
                results.skip(name, "staging serves what was exported", why);
            }
            for ask in &job.asks {
                results.refuse(&ask.name, why);
            }
        }
        Ok(())
    }
}

/// The recovery point by the drill's rule.
async fn picked(job: &Job, catalogue: &Catalogue, progress: &mut Progress) -> Result<Listed, Broken> {
    let needed = job.plan.restores.iter().map(|restores| match restores {
        Restores::Etcd => ArtifactKind::Etcd,
        Restores::Resources => ArtifactKind::Resources,
    });
    let needed: Vec<ArtifactKind> = needed.collect();
    let fits = |listed: &Listed| {
        listed
            .manifest
            .as_ref()
            .map_or(true, |manifest| needed.iter().all(|kind| manifest.artifact(kind).is_some()))
    };
    let mut points: Vec<Listed> = Vec::new();
    let mut verified = std::collections::BTreeSet::new();
    let mut among = None;
    match &job.rule {
        Rule::Latest => {
            let ids = catalogue.ids().await?;
            among = Some(ids.len() as u64);
            for id in ids.into_iter().rev() {
                // Of those of one second the ids do not tell which is the newest.
                if points.iter().any(|it| fits(it) && it.id.time() != id.time()) {
                    break;
                }
                points.extend(catalogue.point(&id).await?);
            }
        }
        Rule::Id(wanted) => {
            for id in catalogue.ids().await?.into_iter().filter(|id| id.as_str().starts_with(wanted.as_str()))
            {
                points.extend(catalogue.point(&id).await?);
            }
        }
        Rule::NewestVerified | Rule::Random { .. } => {
            let survey = catalogue.survey(History::Newest).await?;
            let passed = survey
                .standings
                .iter()
                .filter(|(_, standing)| standing.verified.as_ref().is_some_and(|verified| verified.passed));
            verified.extend(passed.map(|(id, _)| id.clone()));
            points = survey.points;
        }
    }
    let choices: Vec<Choice> = points
        .iter()
        .map(|listed| Choice {
            id: listed.id.clone(),
            begun: listed.begun(),
            fits: fits(listed),
            verified: verified.contains(&listed.id),
        })
        .collect();
    let (id, pick) = choose(&job.rule, &choices, Timestamp::now())?;
    progress.pick = Pick { among: among.unwrap_or(pick.among), ..pick };
    let listed = points.into_iter().find(|listed| listed.id == id);
    listed.ok_or_else(|| NoChoice::Nothing(format!("{id} has gone meanwhile")).into())
}
