//! How things stand with the recovery points, as Prometheus reads it.

use super::{
    board::Known,
    ground::Validity,
    metrics::{labelled, seconds, single},
};
use crate::{
    catalogue::overview::PointLock,
    point::{BackupPhase, Level},
};
use jiff::Timestamp;
use prometheus_client::registry::Registry;

/// Tells everything that is known of the recovery points.
pub(super) fn tell(registry: &mut Registry, known: &Known) {
    let it = known.objectives;
    let objectives = [("rpo", it.rpo), ("verified", it.verified), ("drilled", it.drilled)];
    let rows =
        objectives.map(|(name, length)| Some((vec![("objective", name.to_owned())], length?.as_secs_f64())));
    labelled(
        registry,
        "objective_seconds",
        "How old things may be, by the configuration",
        rows.into_iter().flatten(),
    );
    let unseen = known.unseen.iter().count() as f64;
    single(
        registry,
        "overview_failed",
        "1 when it could not be looked how things stand the last time",
        Some(unseen),
    );

    let certificates = |when: fn(&Validity) -> Timestamp| {
        known.certificates.iter().map(move |it| (vec![("certificate", it.of.to_owned())], seconds(when(it))))
    };
    labelled(
        registry,
        "certificate_not_before_timestamp_seconds",
        "When a certificate that the configuration names begins to hold",
        certificates(|it| it.not_before),
    );
    labelled(
        registry,
        "certificate_expiry_timestamp_seconds",
        "When a certificate that the configuration names ceases to hold",
        certificates(|it| it.not_after),
    );

    let own = known.around.as_ref().and_then(|(around, at)| Some((around.clusters.get(&known.cluster)?, at)));
    let Some((it, at)) = own else { return };
    let owed = it.copies.iter().filter(|it| it.error.is_none());
    let owed = owed.map(|it| (vec![("store", it.store.clone())], it.owed.len() as f64));
    labelled(registry, "owed_copies", "Recovery points that another store lacks and would keep", owed);
    let unknown = it
        .copies
        .iter()
        .map(|it| (vec![("store", it.store.clone())], f64::from(u8::from(it.error.is_some()))));
    labelled(registry, "owed_copies_unknown", "1 when it is not known what another store lacks", unknown);
    let doubts = [Level::Warning, Level::Error].map(|level| {
        let count = it.doubts.iter().filter(|doubt| doubt.level == level).count();
        (vec![("level", level.to_string())], count as f64)
    });
    labelled(registry, "doubts", "Things in the store that are not believed", doubts);
    let (points, drills) = (&it.points, &it.drills);
    let newest = points.newest_completed.as_ref().and_then(|point| point.created_at);
    let taken = points.newest_completed.as_ref().and_then(|point| point.taken.as_ref());
    let phases = taken.into_iter().flat_map(|taken| &taken.phases);
    // Names that somebody else invented would be labels without end.
    let known = phases.filter(|it| !matches!(it.phase, BackupPhase::Other(_)));
    let rows = known.map(|it| (vec![("phase", it.phase.to_string())], it.took_ms as f64 / 1000.0));
    labelled(registry, "newest_point_phase_duration_seconds", "How long each phase of taking it took", rows);
    let lock = points.newest_completed.as_ref().and_then(|point| point.lock);
    let took = taken.zip(newest).map(|(taken, begun)| taken.finished_at.duration_since(begun).as_secs_f64());
    let measured = |ms: Option<u64>| ms.map(|ms| ms as f64 / 1000.0);
    let last = drills.last.as_ref();
    for (name, help, value) in [
        ("overview_timestamp_seconds", "When it was last looked how things stand", Some(seconds(*at))),
        ("points", "Recovery points in the store", Some(points.count as f64)),
        ("stored_bytes", "What the artifacts of all recovery points take", Some(points.stored_bytes as f64)),
        (
            "newest_point_timestamp_seconds",
            "When the newest recovery point to rely on was begun: completed, and nothing wrong with it",
            newest.map(seconds),
        ),
        ("newest_point_duration_seconds", "How long that one took", took),
        (
            "newest_point_plain_bytes",
            "What was saved in it, before it was compressed",
            taken.map(|it| it.plain_bytes as f64),
        ),
        ("newest_point_stored_bytes", "What it takes in the store", taken.map(|it| it.stored_bytes as f64)),
        (
            "newest_point_lock_end_timestamp_seconds",
            "When the first lock on it ends, where the store locks; 0 when something of it has none",
            lock.and_then(|lock| match lock {
                PointLock::Missing => Some(0.0),
                PointLock::Until(until) => Some(seconds(until)),
                PointLock::LegalHold => None,
            }),
        ),
        ("held_points", "Recovery points that retention may not delete", Some(it.held.len() as f64)),
        (
            "last_verified_timestamp_seconds",
            "When a recovery point last passed a verification",
            it.verified.last_passed.as_ref().map(|it| seconds(it.at)),
        ),
        (
            "failed_verifications",
            "Recovery points whose last verification failed",
            Some(it.verified.failed.len() as f64),
        ),
        ("unverified_points", "Recovery points that were never verified", Some(it.verified.never as f64)),
        (
            "oldest_unverified_point_timestamp_seconds",
            "When the oldest of them was begun",
            it.verified.oldest_never.map(seconds),
        ),
        ("last_drill_timestamp_seconds", "When a drill last ended", last.map(|it| seconds(it.ended))),
        (
            "last_drill_passed_timestamp_seconds",
            "When a drill last passed",
            drills.last_passed.as_ref().map(|it| seconds(it.ended)),
        ),
        (
            "last_drill_rto_seconds",
            "How long the last drill took to bring service back",
            last.and_then(|it| measured(it.rto.measured_ms)),
        ),
        (
            "last_drill_rpo_seconds",
            "How old what the last drill brought back was",
            last.and_then(|it| measured(it.rpo.measured_ms)),
        ),
        ("open_playbook_runs", "Runs of playbooks that are not over", Some(it.runs.len() as f64)),
        (
            "oldest_open_playbook_run_timestamp_seconds",
            "When the oldest of them began",
            it.runs.iter().filter_map(|run| run.id.time()).min().map(seconds),
        ),
    ] {
        single(registry, name, help, value);
    }
}
