//! What belongs to no recovery point: payloads without a manifest, records of points that are gone.
//!
//! What a writer is still at must never be taken for remains. Ids tell nothing: a copy to a second store writes the payloads
//! of an old id now. So every object must be older than the grace by the store's own clock. What time it is there is not
//! asked: the newest change that the store shows is a time which its clock has passed, whatever ours says, and the earlier
//! of that and of our own time is taken. Where nothing new is written nothing is found old, and nothing is lost by it.

use super::{Remains, bytes};
use crate::{
    point::{Key, PointId},
    store::{Meta, Unfinished},
};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;

/// Objects by the recovery point that they stand below: `<cluster>/<family>/<id>/…`.
pub(super) fn by_point(objects: Vec<Meta>) -> BTreeMap<PointId, Vec<Meta>> {
    let mut found: BTreeMap<PointId, Vec<Meta>> = BTreeMap::new();
    for object in objects {
        let id = object.key.segments().nth(2).and_then(|id| id.parse().ok());
        // `<family>/<id>` itself is an object of something else.
        if let Some(id) = id.filter(|_| object.key.segments().count() > 3) {
            found.entry(id).or_default().push(object);
        }
    }
    found
}

/// What was changed at that time or later is left alone. `None` when the store tells no times.
pub(super) fn threshold<'a>(
    seen: impl Iterator<Item = Option<&'a Timestamp>>,
    now: Timestamp,
    grace: SignedDuration,
) -> Option<Timestamp> {
    seen.flatten().max().map(|newest| (*newest).min(now)).and_then(|at| at.checked_sub(grace).ok())
}

/// Whether all of it was last changed before that time.
pub(super) fn is_old(objects: &[Meta], before: Option<Timestamp>) -> bool {
    let old = |at: Option<Timestamp>| at.zip(before).is_some_and(|(at, before)| at < before);
    !objects.is_empty() && objects.iter().all(|object| old(object.modified))
}

/// Whether an unfinished object gave its last sign of life before that time.
pub(super) fn is_given_up(unfinished: &Unfinished, before: Option<Timestamp>) -> bool {
    unfinished.alive.zip(before).is_some_and(|(alive, before)| alive < before)
}

/// Whether an unfinished object is of that recovery point.
pub(super) fn is_of(unfinished: &Unfinished, point: &Key) -> bool {
    unfinished.at == *point || unfinished.at.is_below(point)
}

pub(super) fn remains(id: &PointId, objects: Vec<Meta>) -> Remains {
    Remains { id: id.clone(), bytes: bytes(&objects), objects }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(key: &str, modified: Option<i64>) -> Meta {
        let modified = modified.map(|s| Timestamp::from_second(s).unwrap());
        Meta { key: Key::new(key).unwrap(), bytes: 1, modified }
    }

    #[test]
    fn the_store_s_clock_and_ours_are_both_believed_only_as_far_as_they_agree() {
        let (at, hour) = (|s| Timestamp::from_second(s).unwrap(), SignedDuration::from_hours(1));
        let of = |seen: &[i64], now| {
            let seen: Vec<Timestamp> = seen.iter().map(|s| at(*s)).collect();
            threshold(seen.iter().map(Some), at(now), hour).map(|t| t.as_second())
        };
        assert_eq!(of(&[10_000, 500], 10_001), Some(6_400));
        // Our clock is a day ahead; the store's is.
        assert_eq!(of(&[10_000], 96_400), Some(6_400));
        assert_eq!(of(&[96_400], 10_000), Some(6_400));
        assert_eq!(of(&[], 10_000), None);
    }

    #[test]
    fn one_young_object_saves_the_others() {
        let before = Some(Timestamp::from_second(1000).unwrap());
        assert!(is_old(&[meta("c/points/x/a", Some(1)), meta("c/points/x/b", Some(999))], before));
        assert!(!is_old(&[meta("c/points/x/a", Some(1)), meta("c/points/x/b", Some(1000))], before));
        assert!(!is_old(&[meta("c/points/x/a", Some(1)), meta("c/points/x/b", None)], before));
        assert!(!is_old(&[meta("c/points/x/a", Some(1))], None) && !is_old(&[], before));
    }

    #[test]
    fn only_what_stands_below_an_id_is_of_a_point() {
        let id = "20261123T084500Z-k3f9";
        let keys = [
            format!("c/points/{id}/a"),
            format!("c/points/{id}/b/c"),
            format!("c/points/{id}"),
            "c/points/x/y".into(),
        ];
        let found = by_point(keys.iter().map(|k| meta(k, None)).collect());
        assert_eq!(found.len(), 1);
        assert_eq!(found[&id.parse().unwrap()].len(), 2);
    }
}
