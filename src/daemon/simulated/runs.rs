//! No run is lost, and none is doubled.

use super::*;

/// Three daemons over ten days, of which one or two are killed and started again every few hours, in the middle of runs too.
#[tokio::test(start_paused = true)]
async fn of_three_daemons_that_die_no_run_is_lost_and_none_is_doubled() {
    let dir = directory();
    let world = World::new(&dir, "2026-03-20T00:10:00Z");
    let mut rules = vec![hourly(), rule("seldom", "30 */3 * * *", "Europe/Berlin", Overlap::Forbid)];
    rules[0].jitter = SignedDuration::from_mins(5);
    let mut random = StdRng::seed_from_u64(7);
    let names = ["a", "b", "c"];
    let mut daemons = names.map(|name| Some(world.start(name, &rules, 0)));
    let mut kills = 0;
    while world.now() < "2026-03-30T00:10:00Z".parse().unwrap() {
        *world.takes.lock().unwrap() = (Duration::from_secs(random.random_range(1..480)), 0);
        sleep(Duration::from_secs(random.random_range(60..2 * 3600))).await;
        if random.random_bool(0.7) {
            // In the middle of a run.
            let into = random.random_range(3600..3900) - world.now().as_second() % 3600;
            sleep(Duration::from_secs(into.unsigned_abs())).await;
        }
        let which = random.random_range(0..3);
        match daemons[which].take() {
            // One of them lives always.
            Some(live) if daemons.iter().any(Option::is_some) => {
                live.task.abort();
                kills += 1;
            }
            Some(live) => daemons[which] = Some(live),
            None => daemons[which] = Some(world.start(names[which], &rules, 0)),
        }
    }
    sleep(Duration::from_secs(1200)).await;
    let log = world.log();
    let interrupted = log.iter().filter(|it| it.ended.is_none()).count();
    assert!(kills > 40 && interrupted > 3, "{kills} kills, {interrupted} interrupted");
    for rule in &rules {
        let mut due = rule.cron.next_after(world.begin, &rule.zone).unwrap();
        let mut completed: BTreeMap<Timestamp, u32> = BTreeMap::new();
        for it in log.iter().filter(|it| it.turn.schedule == rule.name && it.ended.is_some()) {
            *completed.entry(it.turn.due).or_default() += 1;
        }
        let mut all = 0;
        while due < world.now() - SignedDuration::from_mins(30) {
            assert_eq!(completed.get(&due), Some(&1), "{} of {due}", rule.name);
            due = rule.cron.next_after(due, &rule.zone).unwrap();
            all += 1;
        }
        assert!(all > 70 && completed.len() <= all + 2, "{all}, {}", completed.len());
        let mut ran: Vec<_> = log.iter().filter(|it| it.turn.schedule == rule.name).collect();
        ran.sort_by_key(|it| it.began);
        for pair in ran.windows(2) {
            assert!(pair[0].ended.is_none_or(|ended| ended <= pair[1].began), "{pair:?}");
            assert!(pair[1].began >= rule.begins(pair[1].turn.due), "{pair:?}");
        }
        // What was long ago is forgotten.
        let kept = world.catalogue().await.unwrap().turns(&rule.name).await.unwrap();
        assert!((20..60).contains(&kept.len()), "{}", kept.len());
    }
}

#[tokio::test(start_paused = true)]
async fn of_what_was_missed_while_none_ran_the_newest_is_made_up_for() {
    let dir = directory();
    let world = World::new(&dir, "2026-11-29T00:30:00Z");
    let live = world.start("a", &[hourly()], 0);
    world.until("2026-11-29T02:30:00Z").await;
    live.task.abort();
    world.until("2026-11-29T07:30:00Z").await;
    let live = world.start("b", &[hourly()], 0);
    world.until("2026-11-29T08:30:00Z").await;
    let due: Vec<String> = world.log().iter().map(|it| it.turn.name()).collect();
    assert_eq!(due, ["20261129T010000Z-1", "20261129T020000Z-1", "20261129T070000Z-1", "20261129T080000Z-1"]);
    assert_eq!(live.board.known().schedules["hourly"].missed, 4);
    // Within half an hour it would not have been made up for.
    live.task.abort();
    world.until("2026-11-29T12:45:00Z").await;
    let mut rule = hourly();
    rule.deadline = Some(SignedDuration::from_mins(30));
    let live = world.start("b", &[rule], 0);
    world.until("2026-11-29T13:30:00Z").await;
    assert_eq!(world.log().last().unwrap().turn.name(), "20261129T130000Z-1");
    assert_eq!(live.board.known().schedules["hourly"].missed, 4);
    let missed: Turn = "hourly/20261129T120000Z-1".parse().unwrap();
    assert_eq!(world.end_of(&missed).await.unwrap().outcome, TurnOutcome::Missed);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_outlasts_its_period_is_waited_for_or_replaced() {
    for (overlap, expected) in [
        (
            Overlap::Forbid,
            vec![("20261129T010000Z-1", None), ("20261129T030000Z-1", None), ("20261129T060000Z-1", None)],
        ),
        (
            Overlap::Replace,
            vec![
                ("20261129T010000Z-1", Some(Why::Replaced)),
                ("20261129T020000Z-1", Some(Why::Replaced)),
                ("20261129T030000Z-1", Some(Why::Replaced)),
            ],
        ),
    ] {
        let dir = directory();
        let world = World::new(&dir, "2026-11-29T00:30:00Z");
        *world.takes.lock().unwrap() = (Duration::from_secs(9000), 0);
        let _live = [
            world.start("a", &[rule("hourly", "0 * * * *", "UTC", overlap)], 0),
            world.start("b", &[rule("hourly", "0 * * * *", "UTC", overlap)], 0),
        ];
        world.until("2026-11-29T06:10:00Z").await;
        let ran: Vec<_> = world.log().into_iter().take(3).map(|it| (it.turn.name(), it.why)).collect();
        let expected: Vec<_> = expected.into_iter().map(|(name, why)| (name.to_owned(), why)).collect();
        assert_eq!(ran, expected, "{overlap:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_fails_is_tried_again_and_what_takes_too_long_is_stopped() {
    let dir = directory();
    let world = World::new(&dir, "2026-11-29T00:59:00Z");
    *world.takes.lock().unwrap() = (Duration::from_secs(10), 1);
    let live = world.start("a", &[hourly()], 2);
    world.until("2026-11-29T01:30:00Z").await;
    let began: Vec<_> = world.log().iter().map(|it| (it.turn.attempt, it.began.to_string())).collect();
    let expected = [(1, "2026-11-29T01:00:00Z"), (2, "2026-11-29T01:00:40Z"), (3, "2026-11-29T01:01:50Z")];
    assert_eq!(began, expected.map(|(attempt, at)| (attempt, at.to_owned())));
    assert_eq!(live.board.known().schedules["hourly"].ended["failed"], 3);

    *world.takes.lock().unwrap() = (Duration::from_secs(7 * 3600), 0);
    world.until("2026-11-29T08:30:00Z").await;
    let stopped = world.log()[3].clone();
    assert_eq!((stopped.turn.name().as_str(), stopped.why), ("20261129T020000Z-1", Some(Why::TimedOut)));
    let end = world.end_of(&stopped.turn).await.unwrap();
    assert_eq!(
        (end.outcome, end.ended.to_string().as_str()),
        (TurnOutcome::TimedOut, "2026-11-29T08:00:00Z")
    );
}

#[tokio::test(start_paused = true)]
async fn a_daemon_that_is_told_to_end_lets_what_runs_come_to_its_end_or_stops_it_and_another_takes_it_up() {
    let dir = directory();
    let world = World::new(&dir, "2026-11-29T00:59:00Z");
    *world.takes.lock().unwrap() = (Duration::from_secs(200), 0);
    let live = world.start("a", &[hourly()], 0);
    world.until("2026-11-29T01:01:00Z").await;
    live.signals.send(Signal::End).await.unwrap();
    live.task.await.unwrap().unwrap();
    assert_eq!(world.log()[0].ended.unwrap().to_string(), "2026-11-29T01:03:20Z");
    assert_eq!(world.end_of(&world.log()[0].turn).await.unwrap().outcome, TurnOutcome::Completed);

    *world.takes.lock().unwrap() = (Duration::from_secs(1200), 0);
    let live = world.start("a", &[hourly()], 0);
    world.until("2026-11-29T02:01:00Z").await;
    live.signals.send(Signal::End).await.unwrap();
    live.task.await.unwrap().unwrap();
    let stopped = world.log()[1].clone();
    assert_eq!(
        (stopped.why, world.end_of(&stopped.turn).await.unwrap().outcome),
        (Some(Why::Stopped), TurnOutcome::Stopped)
    );
    let _live = world.start("b", &[hourly()], 0);
    world.until("2026-11-29T02:50:00Z").await;
    assert_eq!(world.log()[2].turn, stopped.turn.again());
    assert!(world.log()[2].ended.is_some());
}

/// In Berlin the night of the 29th of March has no half past two, and that of the 25th of October has it twice.
#[tokio::test(start_paused = true)]
async fn what_is_daily_runs_once_a_day_whatever_the_clock_does() {
    for (begin, end) in
        [("2026-03-27T12:00:00Z", "2026-03-31T12:00:00Z"), ("2026-10-23T12:00:00Z", "2026-10-27T12:00:00Z")]
    {
        let dir = directory();
        let world = World::new(&dir, begin);
        let daily = rule("daily", "30 2 * * *", "Europe/Berlin", Overlap::Forbid);
        let _live = [
            world.start("a", std::slice::from_ref(&daily), 0),
            world.start("b", std::slice::from_ref(&daily), 0),
        ];
        world.until(end).await;
        let days: Vec<i8> =
            world.log().iter().map(|it| it.began.to_zoned(daily.zone.clone()).day()).collect();
        let first = begin.parse::<Timestamp>().unwrap().to_zoned(daily.zone).day() + 1;
        assert_eq!(days, (first..first + 4).collect::<Vec<_>>());
    }
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_ahead_and_back_stops_nothing() {
    let dir = directory();
    let world = World::new(&dir, "2026-11-29T00:30:00Z");
    let live = world.start("a", &[hourly()], 0);
    world.until("2026-11-29T02:30:00Z").await;
    *world.set.lock().unwrap() = SignedDuration::from_hours(24 * 365);
    sleep(Duration::from_secs(600)).await;
    // A year of runs was missed, as it seems, and one is made up for.
    assert_eq!(world.log().last().unwrap().turn.name(), "20271129T020000Z-1");
    *world.set.lock().unwrap() = SignedDuration::ZERO;
    world.until("2026-11-29T05:30:00Z").await;
    let due: Vec<String> = world.log().iter().map(|it| it.turn.name()).skip(3).collect();
    assert_eq!(due, ["20261129T030000Z-1", "20261129T040000Z-1", "20261129T050000Z-1"]);
    assert!(live.board.known().store_ahead.is_some());
}

/// A run of a daemon that was killed is found by the same daemon at once when it is started again.
#[tokio::test(start_paused = true)]
async fn a_daemon_that_is_started_again_takes_its_run_up_at_once() {
    let dir = directory();
    let world = World::new(&dir, "2026-11-29T00:59:00Z");
    *world.takes.lock().unwrap() = (Duration::from_secs(600), 0);
    let live = world.start("a", &[hourly()], 0);
    world.until("2026-11-29T01:05:00Z").await;
    live.task.abort();
    let _live = world.start("a", &[hourly()], 0);
    world.until("2026-11-29T01:05:05Z").await;
    let log = world.log();
    assert_eq!((log.len(), log[1].turn.clone()), (2, log[0].turn.again()));
    let end = world.end_of(&log[0].turn).await.unwrap();
    assert_eq!(
        (end.outcome, end.message.as_deref()),
        (TurnOutcome::Lost, Some("its daemon was started again"))
    );
    assert_eq!(end.format, FormatVersion::CURRENT);
}
