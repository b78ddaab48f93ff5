use super::{
    super::standing::tests::{bad, recorded},
    *,
};
use crate::{catalogue::Records, point::FindingCounts};
use proptest::{collection::vec, prelude::*, sample::select};

fn verification(at: i64, outcome: Outcome, manifest: u8) -> Recorded<VerificationFacts> {
    of_depth(at, 1, VerifiedDepth::Deep, outcome, manifest)
}

fn of_depth(
    at: i64,
    tail: u32,
    depth: VerifiedDepth,
    outcome: Outcome,
    manifest: u8,
) -> Recorded<VerificationFacts> {
    let facts = VerificationFacts {
        depth,
        outcome,
        began: Timestamp::from_second(at).unwrap(),
        manifest_sha256: Digest::from([manifest; 32]),
        findings: FindingCounts::default(),
        problems: Vec::new(),
        bytes_read: 7,
    };
    recorded(at, tail, facts, Signature::Holds)
}

#[test]
fn the_newest_verification_that_can_be_trusted_counts() {
    let present = Some(Digest::from([1; 32]));
    let (passed, failed) = (verification(10, Outcome::Passed, 1), verification(20, Outcome::Failed, 1));
    let (forged, other) = (bad(verification(30, Outcome::Passed, 1)), verification(40, Outcome::Passed, 2));
    let ahead = verification(3_700, Outcome::Passed, 1);
    let now = Timestamp::from_second(50).unwrap();
    let Verified { last, doubts, .. } =
        verified(&[ahead, other, forged, failed, passed.clone()], present, now);
    let last = last.unwrap();
    assert_eq!((last.at.as_second(), last.passed), (20, false));
    assert_eq!(last.last_passed.map(|p| p.at.as_second()), Some(10));
    assert_eq!(doubts.len(), 3, "{doubts:?}");
    assert!(doubts[0].why.contains("from the future"), "{doubts:?}");
    assert_eq!(verified(&[passed], None, now).last, None);
}

fn now() -> Timestamp {
    Timestamp::from_second(10_000).unwrap()
}

const PRESENT: [u8; 32] = [1; 32];

fn depths(records: &[Recorded<VerificationFacts>]) -> Vec<(VerifiedDepth, bool, Option<i64>)> {
    let found = verified(records, Some(Digest::from(PRESENT)), now()).depths;
    found.into_iter().map(|(depth, d)| (depth, d.passed, d.last_passed.map(|at| at.as_second()))).collect()
}

#[test]
fn a_look_at_less_does_not_hide_what_went_further() {
    use {Outcome::*, VerifiedDepth::*};
    let of = |at, depth, outcome| of_depth(at, 1, depth, outcome, 1);
    let mut records = vec![of(10, Deep, Passed), of(20, Stored, Passed), of(30, Stored, Passed)];
    assert_eq!(depths(&records), [(Stored, true, Some(30)), (Deep, true, Some(10))]);
    records.push(of(40, Deep, Failed));
    records.push(of(50, Stored, Passed));
    assert_eq!(depths(&records), [(Stored, true, Some(50)), (Deep, false, Some(10))]);
    records.push(bad(of(60, Deep, Passed)));
    records.push(of(70, Key, Passed));
    assert_eq!(depths(&records), [(Stored, true, Some(50)), (Key, true, Some(70)), (Deep, false, Some(10))]);
}

#[test]
fn what_is_superseded_is_what_passed_between_the_first_and_the_newest() {
    use {Outcome::*, VerifiedDepth::*};
    let of = |at, depth, outcome| of_depth(at, 1, depth, outcome, 1);
    let mut records =
        vec![of(0, Stored, Passed), of(1, Stored, Passed), of(2, Deep, Passed), of(3, Deep, Passed)];
    records.extend([of(4, Stored, Failed), of(5, Stored, Passed), of_depth(6, 1, Stored, Passed, 2)]);
    records.extend((10..20).map(|at| of(at, Stored, Passed)));
    let gone = |records: &[_]| -> Vec<i64> {
        let gone = superseded(records, Some(Digest::from(PRESENT)), now());
        gone.iter().map(|id| id.time().unwrap().as_second()).collect()
    };
    assert_eq!(gone(&records), [1, 2, 5]);
    assert_eq!(gone(&records[..11]), [0; 0]);
    // Nobody knows which of them to believe.
    records[16].signature = Signature::NotChecked;
    assert_eq!(gone(&records), [0; 0]);
}

prop_compose! {
    /// Few times, so that several fall into one second, and some into the future.
    fn any_verification()(
        at in prop_oneof![0..60i64, 9_990..20_000i64],
        depth in select(vec![VerifiedDepth::Stored, VerifiedDepth::Key, VerifiedDepth::Deep]),
        outcome in select(vec![Outcome::Passed, Outcome::Passed, Outcome::Passed, Outcome::Failed]),
        manifest in select(vec![1u8, 1, 1, 1, 2]),
        trusted in select(vec![true, true, true, true, true, false]),
    ) -> (i64, VerifiedDepth, Outcome, u8, bool) {
        (at, depth, outcome, manifest, trusted)
    }
}

fn made(of: &[(i64, VerifiedDepth, Outcome, u8, bool)]) -> Vec<Recorded<VerificationFacts>> {
    let one = |(nth, (at, depth, outcome, manifest, trusted)): (usize, &(_, _, _, _, bool))| {
        let record = of_depth(*at, nth as u32, *depth, *outcome, *manifest);
        if *trusted { record } else { bad(record) }
    };
    of.iter().enumerate().map(one).collect()
}

proptest! {
    /// Whatever part of what is superseded goes, the same follows, now and later, and of what comes later.
    #[test]
    fn thinning_changes_no_standing(
        of in vec(any_verification(), 0..60),
        part in vec(any::<bool>(), 60),
        then in vec(any_verification(), 0..4),
        later in 0..20_000i64,
    ) {
        let mut records = made(&of);
        let present = Some(Digest::from(PRESENT));
        let gone = superseded(&records, present, now());
        let standing = |verifications: &[_], at| {
            let verifications = verifications.to_vec();
            Records { holds: Vec::new(), tags: Vec::new(), verifications }.standing(present, at)
        };
        let mut left: Vec<_> = records
            .iter()
            .zip(&part)
            .filter(|(record, part)| !(**part && gone.contains(&record.id)))
            .map(|(record, _)| record.clone())
            .collect();
        prop_assert_eq!(standing(&records, now()), standing(&left, now()));
        prop_assert!(left.len() >= records.len().min(RECENT));
        let all = |records: &[Recorded<VerificationFacts>], outcome| {
            let facts = records.iter().filter_map(|r| r.trusted()).filter(|r| r.facts.outcome == outcome);
            facts.map(|r| r.id.clone()).collect::<Vec<_>>()
        };
        prop_assert_eq!(all(&records, Outcome::Failed), all(&left, Outcome::Failed));
        // A second time no more goes than the first time would have taken, and at last nothing.
        prop_assert!(superseded(&left, present, now()).is_subset(&gone));
        left.retain(|record| !gone.contains(&record.id));
        prop_assert!(superseded(&left, present, now()).is_empty());
        let after = now() + SignedDuration::from_secs(later);
        let news = made(&then);
        records.extend(news.clone());
        left.extend(news);
        prop_assert_eq!(standing(&records, after), standing(&left, after));
    }
}
