use super::{BackupError, Job, Part, Progress, laps::Laps, upload::Upload};
use crate::{
    point::{ArtifactKind, BackupPhase, EtcdFacts, MemberFacts, PointId, Problem, Verification},
    snapshot::RevisionScan,
    source::{
        etcd::{Agreement, Alarm, EtcdError, EtcdOptions, Member, SnapshotStream, Survey},
        kube::Moment,
    },
};
use jiff::Timestamp;
use std::time::Instant;
use tokio::sync::oneshot;

/// Each member is tried this often before the snapshot is given up.
const ROUNDS: usize = 2;

/// Saves etcd: from the best member, and from the next one when that fails in the middle. Of which moment the snapshot is gets told
/// when it has been read, before it is stored.
pub(super) async fn save(
    job: &Job,
    options: &EtcdOptions,
    id: &PointId,
    progress: &Progress,
    moment: oneshot::Sender<Moment>,
) -> Result<Part, BackupError> {
    let mut moment = Some(moment);
    let mut laps = Laps::new(progress);
    laps.begin(BackupPhase::EtcdSurvey, Instant::now());
    let survey = Survey::take(options).await?;
    let candidates = survey.candidates()?;
    let mut problems = warnings(&survey);
    let mut attempts = Vec::new();
    for member in candidates.iter().cycle().take(ROUNDS * candidates.len()) {
        laps.begin(BackupPhase::EtcdSnapshot, Instant::now());
        match from_member(job, (&survey, member), id, progress, &mut laps, &mut moment).await {
            Ok(mut part) => {
                problems.append(&mut part.problems);
                return Ok(Part { problems, phases: laps.took(Instant::now()), ..part });
            }
            Err(BackupError::Etcd(e)) if may_work_elsewhere(&e) => {
                laps.end(false, Instant::now());
                tracing::warn!("the snapshot of {} failed, trying again: {e}", member.label());
                problems.push(warning(member, format!("the snapshot failed, and was taken again: {e}")));
                attempts.push(e.to_string());
            }
            Err(e) => return Err(e),
        }
    }
    Err(EtcdError::NoSnapshot(attempts).into())
}

fn may_work_elsewhere(error: &EtcdError) -> bool {
    matches!(
        error,
        EtcdError::Idle { .. }
            | EtcdError::Broken { .. }
            | EtcdError::NotWhole { .. }
            | EtcdError::Unreachable { .. }
    )
}

fn warning(member: &Member, message: String) -> Problem {
    Problem { about: format!("etcd member {}", member.label()), message, fatal: false }
}

/// What an operator should know of the members, although a snapshot can be taken.
fn warnings(survey: &Survey) -> Vec<Problem> {
    let mut problems = Vec::new();
    if !survey.has_leader() {
        let message = "no member knows of a leader: more than half of the voting members are down or cut off. The snapshot \
                       is of what is left, and may lack what was written last; bring the others back, or restore it \
                       (`lifeboat restore etcd`)";
        problems.push(Problem { about: "etcd quorum".into(), message: message.into(), fatal: false });
    }
    for member in &survey.members {
        if let Some(failure) = &member.failure {
            problems.push(warning(member, format!("it was not asked: {failure}")));
        }
        if member.alarms.contains(&Alarm::NoSpace) {
            let message = "alarm NOSPACE: etcd refuses to write until it is compacted, defragmented and disarmed \
                           (`etcdctl alarm disarm`)";
            problems.push(warning(member, message.into()));
        }
    }
    problems
}

async fn from_member(
    job: &Job,
    (survey, member): (&Survey, &Member),
    id: &PointId,
    progress: &Progress,
    laps: &mut Laps<'_>,
    moment: &mut Option<oneshot::Sender<Moment>>,
) -> Result<Part, BackupError> {
    progress.begin_etcd(member.status.as_ref().map_or(0, |s| s.db_bytes));
    let common = survey.comparable_revision().await.unwrap_or(0);
    let at = Timestamp::now();
    let mut stream = SnapshotStream::start(member).await?;
    let mut scan = RevisionScan::new(common);
    let mut upload = Upload::start(job, id, ArtifactKind::Etcd)?;

    // The hashes are asked for when the snapshot has begun: its compact revision is then no newer than theirs, so that
    // the hash can be computed again from the file.
    let (begun, has_begun) = oneshot::channel();
    let mut begun = Some(begun);
    let pump = async {
        while let Some(chunk) = stream.next().await? {
            if let Some(begun) = begun.take() {
                let _ = begun.send(());
            }
            scan.push(&chunk);
            progress.add_etcd(chunk.len() as u64);
            if !upload.write(&chunk).await {
                break;
            }
        }
        Ok(())
    };
    let compare = async {
        let _ = has_begun.await;
        survey.compare(common).await
    };
    let agreement = match tokio::try_join!(pump, compare) {
        Ok(((), agreement)) => agreement,
        Err(e) => {
            upload.abort(job).await?;
            return Err(EtcdError::into(e));
        }
    };
    if let Some(revision) = scan.revision()
        && let Some(moment) = moment.take()
    {
        // Nobody listens where no objects are saved.
        let _ = moment.send(Moment { revision, at });
    }
    laps.begin(BackupPhase::EtcdStore, Instant::now());
    let (mut artifact, sealed, stored) = upload.finish(job).await?;
    let (Some(revision), true) = (scan.revision(), sealed.ends_with_own_digest) else {
        job.store.delete(&crate::point::Key::artifact(&job.cluster, id, &ArtifactKind::Etcd)?).await?;
        let reason = match sealed.ends_with_own_digest {
            false => "its last 32 bytes are not the SHA-256 of the others".to_owned(),
            true => format!("it does not reach revision {common}, which the member had before"),
        };
        return Err(EtcdError::NotWhole { member: member.label(), reason }.into());
    };
    let (kv_hash, verdict, problems) = conclude(&agreement, member, survey);
    artifact.etcd = Some(EtcdFacts {
        cluster_id: format!("{:x}", survey.cluster_id),
        member: member.name.clone(),
        endpoint: member.endpoint.clone(),
        version: member.status.as_ref().map(|s| s.version.clone()).unwrap_or_default(),
        storage_version: stream.storage_version().to_owned(),
        revision,
        kv_hash,
        members: survey.members.iter().map(|m| facts(m, &agreement)).collect(),
    });
    let trailer = "the SHA-256 at its end is that of the database, and its length is whole";
    let verified = vec![
        Verification { check: "etcd snapshot".into(), result: trailer.into() },
        Verification { check: "etcd revision".into(), result: format!("{revision}, read from the database") },
        Verification { check: "etcd KV hash".into(), result: verdict },
        stored,
    ];
    Ok(Part { artifacts: vec![artifact], problems, verified, cluster_uid: None, phases: Vec::new() })
}

fn conclude(
    agreement: &Agreement,
    member: &Member,
    survey: &Survey,
) -> (Option<crate::point::KvHash>, String, Vec<Problem>) {
    let about = || "etcd KV hash".to_owned();
    match agreement {
        Agreement::Agree { hash, silent } => {
            let voters = survey.members.iter().filter(|m| !m.learner).count();
            let asked = survey.members.iter().filter(|m| m.votes()).count();
            let verdict = format!(
                "{} of {voters} voting members agree on {:08x} at revision {}",
                asked - silent.len(),
                hash.hash,
                hash.revision
            );
            let unheard = |(name, reason): &(String, String)| Problem {
                about: about(),
                message: format!("{name} did not tell its hash: {reason}"),
                fatal: *name == member.label(),
            };
            (Some(*hash), verdict, silent.iter().map(unheard).collect())
        }
        Agreement::NotComparable(lines) | Agreement::Differ(lines) => {
            let message = format!("the members could not be compared: {}", lines.join("; "));
            (None, "not comparable".into(), vec![Problem { about: about(), message, fatal: true }])
        }
        Agreement::Silent(lines) => {
            let why: Vec<String> = lines.iter().map(|(name, reason)| format!("{name}: {reason}")).collect();
            let message = format!("no member told its hash: {}", why.join("; "));
            (None, "no member told it".into(), vec![Problem { about: about(), message, fatal: true }])
        }
    }
}

fn facts(member: &Member, agreement: &Agreement) -> MemberFacts {
    let mut problems: Vec<String> = member.alarms.iter().map(|a| format!("alarm {a}")).collect();
    problems.extend(member.failure.clone());
    let silent = match agreement {
        Agreement::Agree { silent, .. } => silent.iter().any(|(name, _)| *name == member.label()),
        _ => true,
    };
    MemberFacts {
        id: format!("{:x}", member.id),
        name: member.name.clone(),
        endpoint: member.endpoint.clone(),
        version: member.status.as_ref().map(|s| s.version.clone()),
        leader: member.status.as_ref().is_some_and(|s| s.leader),
        learner: member.learner,
        agrees: member.votes() && !silent,
        problems,
    }
}
