//! What is known, as Prometheus reads it. Labels hold names of schedules and words of ours only, so that there are few.

use super::{
    board::{Known, Standing},
    stand,
};
use jiff::{SignedDuration, Timestamp};
use prometheus_client::{
    encoding::text::encode,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};
use std::sync::atomic::AtomicU64;

/// The type of the text.
pub(super) const TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

pub(super) type Labels = Vec<(&'static str, String)>;
type Gauges = Family<Labels, Gauge<f64, AtomicU64>>;
type Counters = Family<Labels, Counter>;

/// Everything that is known, in the text format of OpenMetrics.
///
/// # Errors
/// None that is known: it is written to memory.
pub(super) fn text(known: &Known) -> Result<String, std::fmt::Error> {
    let mut registry = Registry::with_prefix("lifeboat");
    let version = vec![("version", env!("CARGO_PKG_VERSION").to_owned())];
    labelled(&mut registry, "build", "The program that runs", [(version, 1.0)]);
    let bad = f64::from(u8::from(known.configuration.is_some()));
    single(
        &mut registry,
        "configuration_rejected",
        "1 when the configuration as it is now cannot be used",
        Some(bad),
    );
    let ahead = known.store_ahead.map(|it| it.as_secs_f64());
    single(
        &mut registry,
        "store_clock_ahead_seconds",
        "How far the store's clock is ahead of the host's",
        ahead,
    );

    let runs = Counters::default();
    registry.register("runs", "Runs of this daemon, by how they ended", runs.clone());
    let missed = Counters::default();
    registry.register("missed_runs", "Runs that were missed, as far as this daemon has seen", missed.clone());
    for (name, it) in &known.schedules {
        for (outcome, count) in &it.ended {
            runs.get_or_create(&with_outcome(of(name, it), outcome)).inc_by(*count);
        }
        missed.get_or_create(&of(name, it)).inc_by(it.missed);
    }
    let told = Counters::default();
    registry.register("notifications", "Messages and signs of life of this daemon, by channel", told.clone());
    for (channel, [delivered, lost]) in &known.deliveries {
        for (result, count) in [("delivered", delivered), ("lost", lost)] {
            let labels = vec![("channel", channel.clone()), ("result", result.to_owned())];
            told.get_or_create(&labels).inc_by(*count);
        }
    }
    for (gauge, help, value) in GAUGES {
        let rows = known.schedules.iter().filter_map(|(name, it)| Some((of(name, it), value(it)?)));
        labelled(&mut registry, gauge, help, rows);
    }
    let outcomes = known.schedules.iter().filter_map(|(name, it)| {
        let outcome = it.last.as_ref()?.1.outcome.as_str();
        Some((with_outcome(of(name, it), outcome), 1.0))
    });
    let help = "How the last run ended, wherever it ran";
    labelled(&mut registry, "schedule_last_outcome", help, outcomes);
    stand::tell(&mut registry, known);
    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(text)
}

/// A number without labels, if it is known.
pub(super) fn single(registry: &mut Registry, name: &str, help: &str, value: Option<f64>) {
    if let Some(value) = value {
        let gauge = Gauge::<f64, AtomicU64>::default();
        gauge.set(value);
        registry.register(name, help, gauge);
    }
}

/// Numbers with labels; none where nothing is known.
pub(super) fn labelled(
    registry: &mut Registry,
    name: &str,
    help: &str,
    rows: impl IntoIterator<Item = (Labels, f64)>,
) {
    let gauges = Gauges::default();
    for (labels, value) in rows {
        gauges.get_or_create(&labels).set(value);
    }
    registry.register(name, help, gauges);
}

type Value = fn(&Standing) -> Option<f64>;

/// What is told of each schedule.
const GAUGES: &[(&str, &str, Value)] = &[
    ("schedule_next_run_timestamp_seconds", "When the next run is due", |it| it.next.map(seconds)),
    ("schedule_running", "1 while this daemon is at a run", |it| {
        Some(f64::from(u8::from(it.running.is_some())))
    }),
    ("schedule_last_success_timestamp_seconds", "When a run last ended well", |it| it.succeeded.map(seconds)),
    (
        "schedule_failing_timestamp_seconds",
        "Since when runs have been failing; 0 when the last one did not",
        |it| it.last.as_ref().map(|(_, end)| end.failing.map_or(0.0, |it| seconds(it.since))),
    ),
    ("schedule_last_end_timestamp_seconds", "When the last run ended", |it| {
        it.last.as_ref().map(|(_, end)| seconds(end.ended))
    }),
    ("schedule_last_duration_seconds", "How long the last run took", |it| {
        it.last.as_ref().map(|(_, end)| end.ended.duration_since(end.began).as_secs_f64())
    }),
    ("schedule_lag_seconds", "How much later than due the last run was begun", |it| {
        it.lag.map(|it: SignedDuration| it.as_secs_f64())
    }),
    ("schedule_trouble", "1 when the schedule cannot be kept, as when the store does not answer", |it| {
        Some(f64::from(u8::from(it.trouble.is_some())))
    }),
];

fn of(name: &str, it: &Standing) -> Labels {
    vec![("schedule", name.to_owned()), ("runs", it.work.as_str().to_owned())]
}

fn with_outcome(mut labels: Labels, outcome: &str) -> Labels {
    labels.push(("outcome", outcome.to_owned()));
    labels
}

pub(super) fn seconds(at: Timestamp) -> f64 {
    at.as_duration().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        catalogue::overview::{Copies, Overview},
        daemon::{Around, Board, Work},
        notify::Delivery,
        point::{End, TurnOutcome},
    };

    #[test]
    fn everything_that_is_known_is_told() {
        let board = Board::default();
        let (began, ended) = (Timestamp::from_second(1000).unwrap(), Timestamp::from_second(1030).unwrap());
        let turn = "hourly/20261129T150000Z-1".parse().unwrap();
        let end = End::new(TurnOutcome::Completed, began, ended);
        board.ended(&turn, Work::Backup, &end, true);
        board.ended(&turn, Work::Backup, &end, true);
        board.of("prune", Work::Prune, |it| it.trouble = Some("no store".into()));
        board.delivered(&[Delivery { channel: "ops".into(), delivered: true, tries: 1, error: None }]);
        board.note(|it| it.store_ahead = Some(SignedDuration::from_millis(-1500)));
        let mut overview = Overview::default();
        overview.points.count = 3;
        overview.copies = vec![Copies { store: "away".into(), owed: Vec::new(), error: None }];
        board.note(|it| {
            let clusters = [("own".into(), overview), ("other".into(), Overview::default())].into();
            it.around = Some((Around { own: "own".into(), clusters, ..Around::default() }, ended));
            it.objectives.rpo = Some(std::time::Duration::from_secs(7200));
        });
        let text = text(&board.known()).unwrap();
        for line in [
            "lifeboat_points 3.0",
            "lifeboat_overview_failed 0.0",
            "lifeboat_overview_timestamp_seconds 1030.0",
            "lifeboat_objective_seconds{objective=\"rpo\"} 7200.0",
            "lifeboat_owed_copies{store=\"away\"} 0.0",
            "lifeboat_build{version=\"0.1.0\"} 1.0",
            "lifeboat_notifications_total{channel=\"ops\",result=\"delivered\"} 1",
            "lifeboat_notifications_total{channel=\"ops\",result=\"lost\"} 0",
            "lifeboat_schedule_failing_timestamp_seconds{schedule=\"hourly\",runs=\"backup\"} 0.0",
            "lifeboat_configuration_rejected 0.0",
            "lifeboat_store_clock_ahead_seconds -1.5",
            "lifeboat_runs_total{schedule=\"hourly\",runs=\"backup\",outcome=\"completed\"} 2",
            "lifeboat_missed_runs_total{schedule=\"hourly\",runs=\"backup\"} 0",
            "lifeboat_schedule_last_success_timestamp_seconds{schedule=\"hourly\",runs=\"backup\"} 1030.0",
            "lifeboat_schedule_last_duration_seconds{schedule=\"hourly\",runs=\"backup\"} 30.0",
            "lifeboat_schedule_last_outcome{schedule=\"hourly\",runs=\"backup\",outcome=\"completed\"} 1.0",
            "lifeboat_schedule_trouble{schedule=\"prune\",runs=\"prune\"} 1.0",
            "lifeboat_schedule_trouble{schedule=\"hourly\",runs=\"backup\"} 0.0",
            "# EOF",
        ] {
            assert!(text.lines().any(|it| it == line), "{line}\n{text}");
        }
    }
}
