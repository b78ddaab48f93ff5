use super::{BackupError, Job, Part, Progress, laps::Laps, upload::Upload};
use crate::{
    pipeline::{TAR_END, tar_header, tar_padding},
    point::{ArtifactKind, BackupPhase, Digest, PointId, Problem, Verification},
    source::kube::{Cluster, Connection, Event, Export, ExportedObject, Filter, Moment, Unmatched},
};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use std::time::Instant;
use tokio::sync::oneshot;

/// One line of the index.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct IndexLine<'a> {
    path: &'a str,
    uid: &'a str,
    resource_version: &'a str,
    size: u64,
    sha256: Digest,
}

/// Saves the API server's objects: an archive, and the index of what is in it. They are of the moment that is told, which is the
/// snapshot's, and of now where none is.
pub(super) async fn save(
    job: &Job,
    (connection, filter): &(Connection, Filter),
    id: &PointId,
    progress: &Progress,
    moment: oneshot::Receiver<Moment>,
) -> Result<Part, BackupError> {
    let moment = moment.await.ok();
    progress.begin_export();
    let mut laps = Laps::new(progress);
    laps.begin(BackupPhase::ResourcesDiscovery, Instant::now());
    let cluster = Cluster::connect(connection).await?;
    let facts = cluster.facts().await?;
    let mut export = cluster.export(filter.clone(), moment).await?;
    laps.begin(BackupPhase::ResourcesExport, Instant::now());
    let (archive, index) = loop {
        progress.begin_objects();
        let mut archive = Upload::start(job, id, ArtifactKind::Resources)?;
        let mut index = Upload::start(job, id, ArtifactKind::ResourcesIndex)?;
        match pump(&mut export, &mut archive, &mut index, progress).await {
            Ok(true) => break (archive, index),
            Ok(false) => {
                tracing::warn!("the export's revision was compacted away: it begins again at a new one");
                archive.abort(job).await?;
                index.abort(job).await?;
            }
            Err(e) => {
                archive.abort(job).await?;
                index.abort(job).await?;
                return Err(e);
            }
        }
    };
    laps.begin(BackupPhase::ResourcesStore, Instant::now());
    let (mut archive, _, archive_stored) = archive.finish(job).await?;
    let (index, _, index_stored) = index.finish(job).await?;
    let phases = laps.took(Instant::now());
    let mut problems: Vec<Problem> = export.unmatched().iter().map(unmatched).collect();
    let resources = export.finish()?;
    problems.extend(resources.failed.iter().map(|f| Problem {
        about: f.resource.clone(),
        message: f.reason.clone(),
        fatal: true,
    }));
    let own = resources.counts.values().filter(|c| c.own_revision).count();
    let cut = match own {
        0 => format!("all {} types at revision {}", resources.counts.len(), resources.resource_version),
        n => format!(
            "{} types at revision {}, {n} at their own",
            resources.counts.len() - n,
            resources.resource_version
        ),
    };
    let part = Part {
        problems,
        verified: vec![
            Verification {
                check: "resource export".into(),
                result: format!("{} objects, {cut}", resources.objects),
            },
            archive_stored,
            index_stored,
        ],
        cluster_uid: facts.uid.clone(),
        phases,
        artifacts: {
            archive.resources = Some(resources);
            vec![archive, index]
        },
    };
    Ok(part)
}

fn unmatched(pattern: &Unmatched) -> Problem {
    Problem { about: "resources".into(), message: pattern.to_string(), fatal: false }
}

/// Writes the export into both artifacts; `false` when it has to begin again.
async fn pump(
    export: &mut Export,
    archive: &mut Upload,
    index: &mut Upload,
    progress: &Progress,
) -> Result<bool, BackupError> {
    while let Some(event) = export.next().await {
        match event? {
            Event::Restart => return Ok(false),
            Event::Object(object) => {
                // A failed upload tells its reason when it is finished.
                if !write(&object, archive, index).await? {
                    return Ok(true);
                }
                progress.add_object(export.types());
            }
        }
    }
    archive.write(TAR_END).await;
    Ok(true)
}

async fn write(
    object: &ExportedObject,
    archive: &mut Upload,
    index: &mut Upload,
) -> Result<bool, BackupError> {
    let size = object.len();
    let mut digest = Sha256::new();
    if !archive.write(&tar_header(&object.path, size, 0)?).await {
        return Ok(false);
    }
    for piece in &object.json {
        digest.update(piece);
        if !archive.write(piece).await {
            return Ok(false);
        }
    }
    let line = IndexLine {
        path: &object.path,
        uid: &object.uid,
        resource_version: &object.resource_version,
        size,
        sha256: digest.finalize().into(),
    };
    let mut line = serde_json::to_vec(&line)
        .map_err(std::io::Error::other)
        .map_err(crate::pipeline::PipelineError::Io)?;
    line.push(b'\n');
    Ok(archive.write(&tar_padding(size)).await && index.write(&line).await)
}
