//! A random sample of recovery points, for verifying a few of many again and again. Pure: a seed in, a choice out.

use crate::point::PointId;
use jiff::Timestamp;
use rand::{RngExt, SeedableRng, rngs::StdRng};

/// A recovery point that could be drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its id.
    pub id: PointId,
    /// Bytes that reading it takes.
    pub bytes: u64,
    /// When it was last verified, if ever.
    pub verified: Option<Timestamp>,
}

/// What was drawn.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sample {
    /// In the order in which they were drawn.
    pub chosen: Vec<PointId>,
    /// Drawn, and left out because the rest of the budget was too small for them.
    pub left_out: Vec<PointId>,
    /// Bytes of those chosen.
    pub bytes: u64,
}

/// Draws up to `count` recovery points that have no more than `budget` bytes together.
///
/// The chance of each grows with the time since it was last verified, and one that never was counts for twice the longest
/// of them. Equal seeds draw equally.
pub fn sample(
    candidates: &[Candidate],
    count: usize,
    budget: Option<u64>,
    seed: u64,
    now: Timestamp,
) -> Sample {
    let waited = |at: Timestamp| now.as_second().saturating_sub(at.as_second()).max(1) as f64;
    let longest = candidates.iter().filter_map(|c| c.verified).map(waited).fold(1.0, f64::max);
    let mut rng = StdRng::seed_from_u64(seed);
    // Each waits for its turn, at random, and those of greater weight come sooner: a draw without replacement (Efraimidis
    // and Spirakis, "Weighted random sampling with a reservoir").
    let mut turns: Vec<(f64, &Candidate)> = candidates
        .iter()
        .map(|candidate| {
            let weight = candidate.verified.map_or(2.0 * longest, waited);
            let chance: f64 = rng.random();
            (-(1.0 - chance).ln() / weight, candidate)
        })
        .collect();
    turns.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut sample = Sample::default();
    for (_, candidate) in turns {
        if sample.chosen.len() == count {
            break;
        }
        let bytes = sample.bytes.saturating_add(candidate.bytes);
        if budget.is_some_and(|budget| bytes > budget) {
            sample.left_out.push(candidate.id.clone());
        } else {
            sample.chosen.push(candidate.id.clone());
            sample.bytes = bytes;
        }
    }
    sample
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    const NOW: i64 = 1_000_000_000;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn candidates(of: &[(u64, Option<i64>)]) -> Vec<Candidate> {
        let one = |(n, (bytes, ago)): (usize, &(u64, Option<i64>))| Candidate {
            id: PointId::new(at(n as i64), 0),
            bytes: *bytes,
            verified: ago.map(|ago| at(NOW - ago)),
        };
        of.iter().enumerate().map(one).collect()
    }

    proptest! {
        #[test]
        fn never_more_than_asked_for(
            of in prop::collection::vec((0u64..1000, prop::option::of(-10i64..1_000_000)), 0..30),
            count in 0usize..10, budget in prop::option::of(0u64..3000), seed: u64,
        ) {
            let all = candidates(&of);
            let drawn = sample(&all, count, budget, seed, at(NOW));
            prop_assert_eq!(&drawn, &sample(&all, count, budget, seed, at(NOW)));
            prop_assert!(drawn.chosen.len() <= count);
            let told: BTreeSet<_> = drawn.chosen.iter().chain(&drawn.left_out).collect();
            prop_assert_eq!(told.len(), drawn.chosen.len() + drawn.left_out.len());
            let bytes: u64 = all.iter().filter(|c| drawn.chosen.contains(&c.id)).map(|c| c.bytes).sum();
            prop_assert_eq!(bytes, drawn.bytes);
            prop_assert!(budget.is_none_or(|budget| bytes <= budget));
            // Nothing that would have fitted was passed over.
            if drawn.chosen.len() < count {
                prop_assert_eq!(told.len(), all.len());
                let rest = all.iter().filter(|c| drawn.left_out.contains(&c.id));
                for left in rest {
                    prop_assert!(left.bytes.saturating_add(bytes) > budget.unwrap_or(u64::MAX));
                }
            }
        }

    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(8))]
        #[test]
        fn each_that_fits_is_drawn_some_day(of in prop::collection::vec((0u64..100, prop::option::of(1i64..100)), 1..8), begin in 0u64..1_000_000) {
            let all = candidates(&of);
            let drawn: BTreeSet<PointId> =
                (begin..begin + 30_000).flat_map(|seed| sample(&all, 1, Some(100), seed, at(NOW)).chosen).collect();
            prop_assert_eq!(drawn.len(), all.len());
        }
    }

    #[test]
    fn what_was_not_verified_for_long_is_drawn_more_often() {
        let all = candidates(&[(1, Some(3_600)), (1, Some(10 * 3_600)), (1, None)]);
        let mut times = [0i32; 3];
        for seed in 0..31_000 {
            let first = &sample(&all, 1, None, seed, at(NOW)).chosen[0];
            times[all.iter().position(|c| c.id == *first).unwrap()] += 1;
        }
        // One to ten to twice ten.
        for (times, wanted) in times.iter().zip([1_000, 10_000, 20_000]) {
            assert!((times - wanted).abs() < wanted / 8 + 100, "{times} and not {wanted}");
        }
    }
}
