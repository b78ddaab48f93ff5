use super::*;
use crate::point::{FormatVersion, Record, Tag, ToolFacts};
use proptest::prelude::*;

fn id(second: i64, tail: u32) -> PointId {
    PointId::new(Timestamp::from_second(second).unwrap(), tail)
}

pub(in crate::catalogue) fn recorded<T: Facts>(
    at: i64,
    tail: u32,
    facts: T,
    signature: Signature,
) -> Recorded<T> {
    let (point, id) = (id(0, 0), id(at, tail));
    let record = Record {
        format: FormatVersion::CURRENT,
        id: id.clone(),
        cluster: "c".into(),
        point: point.clone(),
        at: Timestamp::from_second(at).unwrap(),
        by: "ops@cp1".into(),
        tool: ToolFacts::current(),
        facts,
    };
    Recorded { point, id, record: Ok(record), signature }
}

fn hold(at: i64, reason: &str) -> Recorded<HoldFacts> {
    let facts = HoldFacts { action: HoldAction::Hold, reason: reason.into(), releases: BTreeSet::new() };
    recorded(at, 1, facts, Signature::Holds)
}

fn release(at: i64, of: &[&Recorded<HoldFacts>]) -> Recorded<HoldFacts> {
    let releases = of.iter().map(|r| r.id.clone()).collect();
    recorded(
        at,
        2,
        HoldFacts { action: HoldAction::Release, reason: "done".into(), releases },
        Signature::Holds,
    )
}

pub(in crate::catalogue) fn bad<T>(mut record: Recorded<T>) -> Recorded<T> {
    record.signature = Signature::Bad("its signature is missing".into());
    record
}

fn reason(records: &[Recorded<HoldFacts>]) -> Option<String> {
    held(records).map(|held| held.reason)
}

#[test]
fn a_hold_stands_until_a_release_names_it() {
    let (first, second) = (hold(10, "audit"), hold(20, "before the upgrade"));
    assert_eq!(reason(&[]), None);
    assert_eq!(reason(std::slice::from_ref(&first)).as_deref(), Some("audit"));
    let both = held(&[first.clone(), second.clone()]).unwrap();
    assert_eq!((both.reason.as_str(), both.by.as_deref()), ("before the upgrade", Some("ops@cp1")));
    assert_eq!(both.records.len(), 2);
    // One who had not seen the second hold did not release it; whose clock is late, releases all the same.
    assert_eq!(
        reason(&[first.clone(), second.clone(), release(30, &[&first])]).as_deref(),
        Some("before the upgrade")
    );
    assert_eq!(reason(&[release(5, &[&first, &second]), first.clone(), second.clone()]), None);
    let again = hold(3, "again");
    assert_eq!(
        reason(&[again, first.clone(), second.clone(), release(30, &[&first, &second])]).as_deref(),
        Some("again")
    );
}

#[test]
fn what_cannot_be_trusted_holds_and_does_not_release() {
    let first = hold(10, "audit");
    let forged = bad(release(20, &[&first]));
    let both = held(&[first.clone(), forged.clone()]).unwrap();
    assert_eq!((both.reason.as_str(), both.records.len()), ("audit", 2));
    let lone = held(std::slice::from_ref(&forged)).unwrap();
    assert!(lone.reason.contains("cannot be trusted: holds/") && lone.by.is_none(), "{lone:?}");
    let unsigned = bad(hold(10, "in a hurry"));
    let said = reason(std::slice::from_ref(&unsigned)).unwrap();
    assert!(said.starts_with("in a hurry (a record cannot be trusted") && said.contains("missing"), "{said}");
    let damaged = Recorded { record: Err("the record cannot be read".into()), ..hold(11, "") };
    assert!(reason(std::slice::from_ref(&damaged)).unwrap().contains("cannot be read"));
    // A release that can be trusted ends that too.
    assert_eq!(reason(&[damaged.clone(), forged.clone(), release(30, &[&damaged, &forged])]), None);
    // Without a public key nothing is known to be wrong.
    let unchecked = Recorded { signature: Signature::NotChecked, ..release(20, &[&first]) };
    assert_eq!(reason(&[first, unchecked]), None);
}

fn tagging(at: i64, add: &[&str], remove: &[&str]) -> Recorded<TagFacts> {
    let set = |tags: &[&str]| tags.iter().map(|tag| tag.parse::<Tag>().unwrap()).collect();
    recorded(at, 1, TagFacts { add: set(add), remove: set(remove) }, Signature::Holds)
}

#[test]
fn tags_are_the_records_in_the_order_of_their_times() {
    let records = [
        tagging(30, &["c"], &["a"]),
        tagging(10, &["a", "b=1"], &[]),
        bad(tagging(20, &["forged"], &["b=1"])),
    ];
    assert_eq!(tags(&records).into_iter().collect::<Vec<_>>(), ["b=1", "c"]);
}

proptest! {
    /// Whoever writes what into the store without the key: what was held stays held.
    #[test]
    fn nobody_releases_without_the_key(n in 1usize..5, forgeries in prop::collection::vec((0i64..100, any::<bool>(), any::<bool>()), 0..8)) {
        let mut records: Vec<_> = (0..n).map(|i| hold(i as i64 * 10, "audit")).collect();
        let holds = records.clone();
        for (at, releases, readable) in forgeries {
            let mut forged = bad(match releases {
                true => release(at, &holds.iter().collect::<Vec<_>>()),
                false => hold(at, "forged"),
            });
            if !readable {
                forged.record = Err("damaged".into());
            }
            records.push(forged);
        }
        let held = held(&records).unwrap();
        prop_assert_eq!(&held.reason, "audit");
        prop_assert_eq!(held.since.map(|t| t.as_second()), Some((n as i64 - 1) * 10));
        // And one release that names what counts ends it, however the clocks go.
        records.push(recorded(1, 9, HoldFacts { action: HoldAction::Release, reason: "x".into(), releases: held.records }, Signature::Holds));
        prop_assert_eq!(super::held(&records), None);
    }
}
