//! What is known, as Prometheus reads it. Labels hold the cluster, names of schedules and stores, and words of ours only, so that
//! there are few.

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
    let whose = [("cluster".into(), known.cluster.clone().into())];
    let mut registry = Registry::with_prefix_and_labels("lifeboat", whose.into_iter());
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
    ("schedule_running_since_timestamp_seconds", "When the run that this daemon is at began", |it| {
        it.running.as_ref().map(|(_, began)| seconds(*began))
    }),
    ("schedule_last_missed_timestamp_seconds", "When this daemon last saw that runs were missed", |it| {
        it.missed_at.map(seconds)
    }),
    ("schedule_last_success_timestamp_seconds", "When a run last ended well", |it| it.succeeded.map(seconds)),
    (
        "schedule_failing_timestamp_seconds",
        "Since when runs have been failing; 0 when the last one did not",
        |it| it.last.as_ref().map(|(_, end)| end.failing.map_or(0.0, |it| seconds(it.since))),
    ),
    ("schedule_failed_in_a_row", "Times of the schedule since the last that completed", |it| {
        it.last.as_ref().map(|(_, end)| end.failing.map_or(0.0, |it| f64::from(it.times)))
    }),
    ("schedule_last_end_timestamp_seconds", "When the last run ended", |it| {
        it.last.as_ref().map(|(_, end)| seconds(end.ended))
    }),
    ("schedule_last_duration_seconds", "How long the last run took", |it| {
        it.last.as_ref().map(|(_, end)| end.ended.duration_since(end.began).as_secs_f64())
    }),
    (
        "schedule_lag_seconds",
        "How much later than due the last run was begun, where it was begun by this daemon",
        |it| it.lag.map(|it: SignedDuration| it.as_secs_f64()),
    ),
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
        catalogue::overview::{
            Copies, Distrust, Drills, LastDrill, NewestPoint, OpenRun, Overview, PointLock, Taken,
            Verification,
        },
        daemon::{Around, Board, Validity, Work},
        notify::Delivery,
        point::{BackupPhase, DrillVerdict, End, Level, Objective, Status, Took, TurnOutcome, VerifiedDepth},
    };
    use std::{collections::BTreeSet, time::Duration};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// An overview in which nothing is missing.
    fn overview() -> Overview {
        let id = || "20261129T110000Z-aaaa".parse().unwrap();
        let mut it = Overview::default();
        let took = |phase, took_ms| Took { phase, took_ms };
        let phases = vec![took(BackupPhase::EtcdSnapshot, 2500), took(BackupPhase::Other("x".into()), 1)];
        let taken = Some(Taken { finished_at: at(930), plain_bytes: 5000, stored_bytes: 700, phases });
        let lock = Some(PointLock::Until(at(8000)));
        let (created_at, status) = (Some(at(900)), Some(Status::Completed));
        it.points.newest_completed = Some(NewestPoint { id: id(), created_at, status, taken, lock });
        (it.points.count, it.points.stored_bytes) = (3, 2100);
        let depth = VerifiedDepth::Deep;
        (it.verified.never, it.verified.oldest_never) = (2, Some(at(700)));
        it.verified.last_passed = Some(Verification { point: id(), at: at(950), depth, passed: true });
        let measured = |ms| Objective { measured_ms: Some(ms), objective_ms: None };
        let (rpo, rto, verdict) = (measured(2500), measured(90_000), DrillVerdict::Passed);
        let drill = LastDrill { id: id(), name: "d".into(), ended: at(960), verdict, point: None, rpo, rto };
        it.drills = Drills { last: Some(drill.clone()), last_passed: Some(drill), ..Drills::default() };
        let unknown = Some("no answer".to_owned());
        it.copies = vec![
            Copies { store: "away".into(), owed: vec![id()], error: None },
            Copies { store: "far".into(), owed: Vec::new(), error: unknown },
        ];
        it.runs = vec![OpenRun { id: id(), recorded: None }];
        it.doubts = vec![Distrust { level: Level::Error, about: "a".into(), why: "b".into() }];
        it
    }

    fn known() -> Known {
        let board = Board::default();
        let turn = "hourly/20261129T150000Z-1".parse().unwrap();
        let end = End::new(TurnOutcome::Completed, at(1000), at(1030));
        board.ended(&turn, Work::Backup, &end, true);
        board.ended(&turn, Work::Backup, &end, true);
        board.of("hourly", Work::Backup, |it| {
            (it.next, it.lag) = (Some(at(2000)), Some(SignedDuration::from_secs(4)));
            it.running = Some((turn.clone(), at(1040)));
            it.miss(2, at(1050));
        });
        board.of("prune", Work::Prune, |it| it.trouble = Some("no store".into()));
        board.delivered(&[Delivery { channel: "ops".into(), delivered: true, tries: 1, error: None }]);
        board.note(|it| {
            it.cluster = "lab".into();
            it.store_ahead = Some(SignedDuration::from_millis(-1500));
            it.certificates = vec![Validity { of: "etcd-client", not_before: at(600), not_after: at(5000) }];
            let clusters = [("lab".into(), overview()), ("other".into(), Overview::default())].into();
            it.around = Some((Around { clusters, ..Around::default() }, at(1030)));
            it.objectives.rpo = Some(Duration::from_secs(7200));
        });
        board.known()
    }

    #[test]
    fn everything_that_is_known_is_told() {
        let text = text(&known()).unwrap();
        for line in [
            "points{cluster=\"lab\"} 3.0",
            "overview_failed{cluster=\"lab\"} 0.0",
            "overview_timestamp_seconds{cluster=\"lab\"} 1030.0",
            "newest_point_timestamp_seconds{cluster=\"lab\"} 900.0",
            "newest_point_duration_seconds{cluster=\"lab\"} 30.0",
            "newest_point_plain_bytes{cluster=\"lab\"} 5000.0",
            "newest_point_phase_duration_seconds{cluster=\"lab\",phase=\"etcd-snapshot\"} 2.5",
            "newest_point_lock_end_timestamp_seconds{cluster=\"lab\"} 8000.0",
            "unverified_points{cluster=\"lab\"} 2.0",
            "oldest_unverified_point_timestamp_seconds{cluster=\"lab\"} 700.0",
            "last_drill_timestamp_seconds{cluster=\"lab\"} 960.0",
            "last_drill_rto_seconds{cluster=\"lab\"} 90.0",
            "objective_seconds{cluster=\"lab\",objective=\"rpo\"} 7200.0",
            "owed_copies{cluster=\"lab\",store=\"away\"} 1.0",
            "owed_copies_unknown{cluster=\"lab\",store=\"away\"} 0.0",
            "owed_copies_unknown{cluster=\"lab\",store=\"far\"} 1.0",
            "open_playbook_runs{cluster=\"lab\"} 1.0",
            "oldest_open_playbook_run_timestamp_seconds{cluster=\"lab\"} 1795950000.0",
            "doubts{cluster=\"lab\",level=\"error\"} 1.0",
            "doubts{cluster=\"lab\",level=\"warning\"} 0.0",
            "certificate_expiry_timestamp_seconds{cluster=\"lab\",certificate=\"etcd-client\"} 5000.0",
            "certificate_not_before_timestamp_seconds{cluster=\"lab\",certificate=\"etcd-client\"} 600.0",
            "notifications_total{cluster=\"lab\",channel=\"ops\",result=\"delivered\"} 1",
            "notifications_total{cluster=\"lab\",channel=\"ops\",result=\"lost\"} 0",
            "schedule_failing_timestamp_seconds{cluster=\"lab\",schedule=\"hourly\",runs=\"backup\"} 0.0",
            "build{cluster=\"lab\",version=\"0.1.0\"} 1.0",
            "configuration_rejected{cluster=\"lab\"} 0.0",
            "store_clock_ahead_seconds{cluster=\"lab\"} -1.5",
            "runs_total{cluster=\"lab\",schedule=\"hourly\",runs=\"backup\",outcome=\"completed\"} 2",
            "missed_runs_total{cluster=\"lab\",schedule=\"hourly\",runs=\"backup\"} 2",
            "schedule_last_missed_timestamp_seconds{cluster=\"lab\",schedule=\"hourly\",runs=\"backup\"} 1050.0",
            "schedule_last_success_timestamp_seconds{cluster=\"lab\",schedule=\"hourly\",runs=\"backup\"} 1030.0",
            "schedule_last_duration_seconds{cluster=\"lab\",schedule=\"hourly\",runs=\"backup\"} 30.0",
            "schedule_failed_in_a_row{cluster=\"lab\",schedule=\"hourly\",runs=\"backup\"} 0.0",
            "schedule_last_outcome{cluster=\"lab\",schedule=\"hourly\",runs=\"backup\",outcome=\"completed\"} 1.0",
            "schedule_trouble{cluster=\"lab\",schedule=\"prune\",runs=\"prune\"} 1.0",
            "schedule_trouble{cluster=\"lab\",schedule=\"hourly\",runs=\"backup\"} 0.0",
        ] {
            assert!(text.lines().any(|it| it.strip_prefix("lifeboat_") == Some(line)), "{line}\n{text}");
        }
        assert!(!text.contains("phase=\"x\"") && text.ends_with("# EOF\n"));
    }

    #[test]
    fn a_point_without_a_lock_is_told_and_one_that_is_held_has_no_end() {
        let told = |lock| {
            let mut known = known();
            let own = known.around.as_mut().unwrap().0.clusters.get_mut("lab").unwrap();
            own.points.newest_completed.as_mut().unwrap().lock = lock;
            let text = text(&known).unwrap();
            let line = text.lines().find_map(|line| line.strip_prefix("lifeboat_newest_point_lock_end_"));
            line.map(|line| line.rsplit_once(' ').unwrap().1.to_owned())
        };
        assert_eq!(told(Some(PointLock::Missing)).as_deref(), Some("0.0"));
        assert_eq!((told(Some(PointLock::LegalHold)), told(None)), (None, None));
    }

    /// What is exported: names, each with the labels beside `cluster`.
    fn exported(text: &str) -> BTreeSet<(String, String)> {
        let rows = text.lines().filter(|line| !line.starts_with('#')).map(|line| {
            let (name, rest) = line.split_once('{').unwrap();
            let labels = rest.split_once('}').unwrap().0.split(',').skip(1);
            let labels: Vec<&str> = labels.map(|it| it.split_once('=').unwrap().0).collect();
            (name.to_owned(), labels.join(", "))
        });
        rows.collect()
    }

    #[test]
    fn the_readme_lists_what_is_told_and_nothing_else() {
        let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
        let rows = readme.lines().filter_map(|line| {
            let mut cells = line.strip_prefix("| `lifeboat_")?.split('|');
            let name = cells.next()?.trim().trim_end_matches('`');
            Some((format!("lifeboat_{name}"), cells.next()?.trim().replace('`', "")))
        });
        assert_eq!(exported(&text(&known()).unwrap()), rows.collect());
    }

    #[test]
    fn how_late_a_run_began_is_told_until_one_runs_elsewhere() {
        let board = Board::default();
        let lag = |due: u32, here| {
            let turn = format!("hourly/20261129T{due:02}0000Z-1").parse().unwrap();
            board.ended(&turn, Work::Backup, &End::new(TurnOutcome::Failed, at(1), at(2)), here);
            board.known().schedules["hourly"].lag
        };
        let late = Some(SignedDuration::from_secs(9));
        board.of("hourly", Work::Backup, |it| it.lag = late);
        assert_eq!(lag(1, true), late);
        // As the store tells it afterwards.
        assert_eq!(lag(1, false), late);
        assert_eq!(lag(2, false), None);
    }
}
