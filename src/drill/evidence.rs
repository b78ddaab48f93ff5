//! The evidence of a drill: what came of it, put together, sealed and recorded.

use super::{
    broken::Broken,
    checks::{self, Detail},
    run::{Job, Progress},
    staging::Staging,
    timing::{millis, seconds},
};
use crate::{
    catalogue::{Catalogue, CatalogueError, Drill},
    pipeline::Signer,
    point::{
        ArtifactKind, Digest, DrillVerdict, DrilledArtifact, DrilledPoint, EarlierDrill, Evidence,
        FormatVersion, Manifest, Objective, Phase, Removed, StagingFacts, ToolFacts,
    },
};
use jiff::Timestamp;
use std::time::Duration;

/// So many earlier drills are told of.
const EARLIER: usize = 24;

/// Puts together what came of a drill.
pub(super) fn of(
    job: &Job,
    staging: &dyn Staging,
    cluster: &str,
    (began, progress, cleanup): (Timestamp, Progress, Vec<Removed>),
    result: Result<(), Broken>,
) -> (Evidence, Vec<Detail>) {
    let incident = job.incident.unwrap_or(began);
    let age = progress.point.as_ref().map(|point| incident.duration_since(point.taken_at));
    let rpo = Objective {
        // A point that is younger than the incident loses nothing.
        measured_ms: age.map(|age| millis(Duration::try_from(age).unwrap_or_default())),
        objective_ms: job.rpo.map(millis),
    };
    let rto = Objective { measured_ms: progress.ready, objective_ms: job.rto.map(millis) };
    let (phases, late) = progress.watch.finish();
    let mut reasons = Vec::new();
    let mut verdict = DrillVerdict::Passed;
    let mut because = |worse: DrillVerdict, reason: String| {
        if verdict == DrillVerdict::Passed {
            verdict = worse;
        }
        reasons.push(checks::plain(&reason));
    };
    let failed = progress.results.failed();
    let broken_in = phases.iter().find(|phase| !phase.done && phase.phase != Phase::TearDown);
    let place = broken_in.map(|phase| format!(" (in the phase {})", phase.phase)).unwrap_or_default();
    match &result {
        Err(e @ Broken::Stopped(_)) => because(DrillVerdict::Stopped, format!("{e}{place}")),
        Err(Broken::Unsound) if !failed.is_empty() => {}
        Err(e) => because(DrillVerdict::Failed, format!("{e}{place}")),
        Ok(()) => {}
    }
    for left in cleanup.iter().filter(|it| !it.gone) {
        because(DrillVerdict::Failed, format!("{} is still there: {}", left.what, left.proof));
    }
    for check in &failed {
        let found = check.findings.iter().filter(|it| it.expected_because.is_none());
        let found: Vec<&str> = found.map(|finding| finding.message.as_str()).collect();
        because(DrillVerdict::ChecksFailed, format!("the check `{}`: {}", check.name, found.join("; ")));
    }
    if let Err(e @ Broken::Unsound) = &result {
        because(DrillVerdict::ChecksFailed, e.to_string());
    }
    let told = |what: &str, objective: &Objective| match (objective.measured_ms, objective.objective_ms) {
        (Some(measured), Some(most)) => {
            format!("the {what} was {}, and the objective is {}", seconds(measured), seconds(most))
        }
        _ => format!("the {what} could not be measured, and it has an objective"),
    };
    for (what, objective) in [("RPO", &rpo), ("RTO", &rto)] {
        if objective.missed() {
            because(DrillVerdict::ObjectiveMissed, told(what, objective));
        }
    }
    for late in late {
        because(DrillVerdict::ObjectiveMissed, late);
    }
    let staged = phases.iter().any(|phase| phase.phase == Phase::Provision);
    let ended = Timestamp::now();
    let evidence = Evidence {
        format: FormatVersion::CURRENT,
        id: job.id.clone(),
        cluster: cluster.to_owned(),
        plan: job.plan.clone(),
        by: job.by.clone(),
        tool: ToolFacts::current(),
        began,
        ended,
        verdict,
        reasons,
        pick: progress.pick,
        point: progress.point,
        staging: staged.then(|| StagingFacts {
            provider: staging.provider().to_owned(),
            name: staging.name().to_owned(),
            server: progress.server,
            programs: staging.programs(),
        }),
        isolation: if staged { staging.isolation() } else { Vec::new() },
        phases,
        rpo,
        rto,
        checks: progress.results.checks,
        cleanup,
        details: None,
        earlier: Vec::new(),
        retain: job.keep.as_ref().map(|keep| keep.from(ended)),
        retest_of: job.retest_of.clone(),
    };
    (evidence, progress.results.details)
}

/// Stores the details, sealed, and then the evidence, which names them.
///
/// # Errors
/// When the store does not take them; the evidence is whole all the same.
pub(super) async fn record(
    job: &Job,
    catalogue: &Catalogue,
    signer: Option<&Signer>,
    evidence: &mut Evidence,
    details: &[Detail],
) -> Result<(), CatalogueError> {
    match catalogue.drills().await {
        Ok(drills) => evidence.earlier = earlier(&drills),
        // That this drill is recorded counts for more.
        Err(e) => tracing::warn!("the evidence tells nothing of earlier drills: {e}"),
    }
    if let Some((recipients, options)) = job.seal.as_ref().filter(|_| !details.is_empty()) {
        let mut plain = Vec::new();
        for detail in details {
            plain.extend(serde_json::to_vec(detail).unwrap_or_default());
            plain.push(b'\n');
        }
        let put = catalogue.put_drill_details(&job.id, &plain, recipients, *options).await?;
        evidence.details = Some(put);
    }
    catalogue.record_drill(evidence, signer).await
}

/// Drills before this one, as far as their evidence can be trusted.
fn earlier(drills: &[Drill]) -> Vec<EarlierDrill> {
    let trusted = drills.iter().filter_map(|drill| drill.trusted().ok());
    let all: Vec<EarlierDrill> = trusted
        .map(|evidence| EarlierDrill {
            id: evidence.id.clone(),
            began: evidence.began,
            name: evidence.plan.name.clone(),
            verdict: evidence.verdict,
            rpo: evidence.rpo,
            rto: evidence.rto,
        })
        .collect();
    all.get(all.len().saturating_sub(EARLIER)..).unwrap_or_default().to_vec()
}

/// What is told of the recovery point.
pub(super) fn drilled(manifest: &Manifest, manifest_sha256: Digest, catalogue: &Catalogue) -> DrilledPoint {
    let artifact = |kind| manifest.artifact(kind);
    DrilledPoint {
        id: manifest.id.clone(),
        taken_at: manifest.created_at,
        manifest_sha256,
        store: catalogue.store_url().to_owned(),
        artifacts: manifest
            .artifacts
            .iter()
            .map(|artifact| DrilledArtifact {
                kind: artifact.kind.clone(),
                stored_bytes: artifact.stored_bytes,
                plain_bytes: artifact.plain_bytes,
                stored_sha256: artifact.stored_sha256,
                plain_sha256: artifact.plain_sha256,
            })
            .collect(),
        cluster_uid: manifest.cluster.uid.clone(),
        etcd_version: artifact(&ArtifactKind::Etcd).and_then(|a| Some(a.etcd.as_ref()?.version.clone())),
        kubernetes_version: artifact(&ArtifactKind::Resources)
            .and_then(|a| Some(a.resources.as_ref()?.version.clone())),
    }
}
