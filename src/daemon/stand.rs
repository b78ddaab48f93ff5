//! How things stand with the recovery points, as Prometheus reads it.

use super::{
    board::Known,
    metrics::{Gauges, Labels, seconds},
};
use prometheus_client::registry::Registry;

/// Tells everything that is known of the recovery points.
pub(super) fn tell(registry: &mut Registry, known: &Known) {
    let mut tell = |name: &str, help: &str, rows: Vec<(Labels, f64)>| {
        let gauges = Gauges::default();
        for (labels, value) in rows {
            gauges.get_or_create(&labels).set(value);
        }
        registry.register(name, help, gauges);
    };
    let one = |value: Option<f64>| value.map(|value| (Labels::new(), value)).into_iter().collect::<Vec<_>>();
    let number = |count: usize| one(Some(count as f64));

    let it = known.objectives;
    let objectives = [("rpo", it.rpo), ("verified", it.verified), ("drilled", it.drilled)];
    let labelled =
        objectives.map(|(name, length)| Some((vec![("objective", name.to_owned())], length?.as_secs_f64())));
    tell(
        "objective_seconds",
        "How old things may be, by the configuration",
        labelled.into_iter().flatten().collect(),
    );
    tell(
        "overview_failed",
        "1 when it could not be looked how things stand the last time",
        number(known.unseen.iter().count()),
    );
    let Some((it, at)) = &known.overview else { return };
    tell("overview_timestamp_seconds", "When it was last looked how things stand", one(Some(seconds(*at))));
    tell("points", "Recovery points in the store", number(it.points.count));
    tell(
        "stored_bytes",
        "What the artifacts of all recovery points take",
        one(Some(it.points.stored_bytes as f64)),
    );
    let newest = it.points.newest_completed.as_ref().and_then(|point| point.created_at);
    tell(
        "newest_point_timestamp_seconds",
        "When the newest recovery point to rely on was begun: completed, and nothing wrong with it",
        one(newest.map(seconds)),
    );
    let passed = it.verified.last_passed.as_ref().map(|it| seconds(it.at));
    tell("last_verified_timestamp_seconds", "When a recovery point last passed a verification", one(passed));
    let failed = number(it.verified.failed.len());
    tell("failed_verifications", "Recovery points whose last verification failed", failed);
    let passed = it.drills.last_passed.as_ref().map(|it| seconds(it.ended));
    tell("last_drill_passed_timestamp_seconds", "When a drill last passed", one(passed));
    let last = it.drills.last.as_ref();
    let rto = last.and_then(|it| it.rto.measured_ms).map(|ms| ms as f64 / 1000.0);
    tell("last_drill_rto_seconds", "How long the last drill took to bring service back", one(rto));
    let rpo = last.and_then(|it| it.rpo.measured_ms).map(|ms| ms as f64 / 1000.0);
    tell("last_drill_rpo_seconds", "How old what the last drill brought back was", one(rpo));
    let owed = it.copies.iter().filter(|it| it.error.is_none());
    let owed = owed.map(|it| (vec![("store", it.store.clone())], it.owed.len() as f64));
    tell("owed_copies", "Recovery points that another store lacks and would keep", owed.collect());
    tell("open_playbook_runs", "Runs of playbooks that are not over", number(it.runs.len()));
    tell("doubts", "Things in the store that are not believed", number(it.doubts.len()));
}
