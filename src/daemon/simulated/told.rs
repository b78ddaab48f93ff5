//! People are told once, by whichever daemon says the end.

use super::*;

/// What was told: the hour and minute, what happened, and the run's name.
fn told(world: &World) -> Vec<(String, &'static str, String)> {
    let all = world.told.lock().unwrap();
    let short = |at: &Timestamp| at.strftime("%d %H:%M").to_string();
    all.iter()
        .map(|(at, event, key)| (short(at), *event, key.trim_start_matches("run-c-").to_owned()))
        .collect()
}

fn line(at: &str, event: &'static str, turn: &str) -> (String, &'static str, String) {
    (at.to_owned(), event, format!("hourly/202611{turn}"))
}

#[tokio::test(start_paused = true)]
async fn people_are_told_once_however_many_daemons_there_are_and_whichever_lives() {
    let dir = directory();
    let world = World::new(&dir, "2026-11-29T00:30:00Z");
    let start = |name| world.start(name, &[hourly()], 1);
    let (a, _b) = (start("a"), start("b"));
    world.until("2026-11-29T02:30:00Z").await;
    assert_eq!(told(&world), []);
    *world.takes.lock().unwrap() = (Duration::from_secs(60), 1);
    world.until("2026-11-29T04:30:00Z").await;
    // Another daemon takes over, and knows what was told.
    a.task.abort();
    let c = start("c");
    world.until("2026-11-29T11:30:00Z").await;
    c.task.abort();
    *world.takes.lock().unwrap() = (Duration::from_secs(60), 0);
    world.until("2026-11-29T13:30:00Z").await;
    let expected = [
        // The second try ends, and there is no third.
        line("29 03:02", "run.failed", "29T030000Z-2"),
        line("29 09:02", "run.failed", "29T090000Z-2"),
        line("29 12:01", "run.recovered", "29T120000Z-1"),
    ];
    assert_eq!(told(&world), expected);
    let failing = world.end_of(&"hourly/20261129T110000Z-2".parse().unwrap()).await.unwrap().failing.unwrap();
    assert_eq!((failing.times, failing.since.to_string().as_str()), (9, "2026-11-29T03:02:30Z"));
    let signs = world.signs.lock().unwrap();
    let count = |sign| signs.iter().filter(|it| **it == sign).count();
    assert_eq!((count(Sign::Begun), count(Sign::Succeeded), count(Sign::Failed)), (2 + 2 * 9 + 2, 4, 9));
}

#[tokio::test(start_paused = true)]
async fn what_is_missed_or_given_up_for_good_is_told_too() {
    let dir = directory();
    let world = World::new(&dir, "2026-11-29T00:30:00Z");
    let mut rule = hourly();
    rule.deadline = Some(SignedDuration::from_mins(10));
    let live = world.start("a", std::slice::from_ref(&rule), 0);
    world.until("2026-11-29T01:30:00Z").await;
    live.task.abort();
    world.until("2026-11-29T02:30:00Z").await;
    let _live = world.start("a", std::slice::from_ref(&rule), 0);
    world.until("2026-11-29T02:40:00Z").await;
    assert_eq!(told(&world), [line("29 02:30", "run.failed", "29T020000Z-1")]);
}

#[tokio::test(start_paused = true)]
async fn a_run_whose_daemon_dies_again_and_again_is_told_when_nobody_takes_it_up_any_more() {
    let dir = directory();
    let world = World::new(&dir, "2026-11-29T02:30:00Z");
    *world.takes.lock().unwrap() = (Duration::from_secs(1800), 0);
    for _ in 0..7 {
        assert_eq!(told(&world), []);
        let live = world.start("a", &[hourly()], 0);
        let first = world.log().is_empty();
        sleep(Duration::from_secs(if first { 1900 } else { 120 })).await;
        live.task.abort();
    }
    assert_eq!(world.log().len(), 6);
    assert_eq!(told(&world), [line("29 03:11", "run.failed", "29T030000Z-6")]);
}

/// What whoever looks at the cluster was told.
fn news(world: &World) -> Vec<(String, String)> {
    world.news.lock().unwrap().iter().map(|it| (it.reason.clone(), it.note.clone())).collect()
}

fn owned(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(reason, note)| ((*reason).to_owned(), (*note).to_owned())).collect()
}

#[tokio::test(start_paused = true)]
async fn news_are_told_of_each_end_that_is_one_and_of_a_run_that_was_fenced() {
    let dir = directory();
    let world = World::new(&dir, "2026-11-29T00:30:00Z");
    let _live = world.start("a", &[hourly()], 1);
    world.until("2026-11-29T01:30:00Z").await;
    *world.takes.lock().unwrap() = (Duration::from_secs(60), 1);
    world.until("2026-11-29T02:30:00Z").await;
    *world.takes.lock().unwrap() = (Duration::from_secs(600), 0);
    world.until("2026-11-29T03:30:00Z").await;
    // While it is at the next one, others say that it is lost.
    world.until("2026-11-29T04:01:00Z").await;
    let turn: Turn = "hourly/20261129T040000Z-1".parse().unwrap();
    let lost = End::new(TurnOutcome::Lost, turn.due, world.now());
    assert!(world.catalogue().await.unwrap().say(&turn, &lost).await.unwrap());
    world.until("2026-11-29T04:05:00Z").await;
    let why = "hourly: it said nothing about it on standard output";
    let fenced =
        format!("{turn}: others gave this run up, and took it up again; what it did here does not count");
    let expected = [
        ("BackupSucceeded", "hourly: completed"),
        // The second try.
        ("BackupFailed", why),
        ("BackupRecovered", "hourly: completed"),
        ("BackupFenced", &fenced),
    ];
    assert_eq!(news(&world), owned(&expected));
}

#[tokio::test(start_paused = true)]
async fn news_are_told_once_of_a_configuration_that_is_rejected_and_of_one_that_is_in_force() {
    let dir = directory();
    let world = World::new(&dir, "2026-11-29T00:30:00Z");
    let mut told = 0;
    let again: Again = Box::new(move |setup| {
        told += 1;
        match told {
            // One mistake is looked at twice; what was before comes back; then there is another configuration.
            2 | 3 => Err("lifeboat.yaml:7: url: https://hooks.example/secret".into()),
            6 => Ok(Some(setup())),
            _ => Ok(None),
        }
    });
    let _live = world.start_with("a", &[hourly()], 0, again);
    world.until("2026-11-29T00:40:00Z").await;
    let told = news(&world);
    let reasons: Vec<&str> = told.iter().map(|(reason, _)| reason.as_str()).collect();
    assert_eq!(reasons, ["ConfigurationRejected", "ConfigurationAccepted", "ConfigurationAccepted"]);
    assert!(told.iter().all(|(_, note)| !note.contains("secret")), "{told:?}");
}
