use std::time::Duration;

const BASE: Duration = Duration::from_millis(200);
const CAP: Duration = Duration::from_secs(10);
/// A server may ask for more patience than ours, but not for any amount of it.
const LONGEST: Duration = Duration::from_secs(60);

/// How long to wait before the next try: full jitter below an exponentially growing, capped bound, on top of what the
/// server asked for. `roll` is a random number from 0 to 1.
pub(super) fn pause(tries: u32, asked: Option<Duration>, roll: f64) -> Duration {
    let bound = BASE.saturating_mul(1u32 << tries.saturating_sub(1).min(16)).min(CAP);
    let roll = if roll.is_finite() { roll.clamp(0.0, 1.0) } else { 1.0 };
    match asked {
        // Everyone was told the same time: without jitter everyone would be back at the same time.
        Some(asked) => asked.min(LONGEST) + bound.min(Duration::from_secs(1)).mul_f64(roll),
        None => bound.mul_f64(roll),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn grows_and_is_bounded() {
        assert_eq!(pause(1, None, 1.0), Duration::from_millis(200));
        assert_eq!(pause(2, None, 1.0), Duration::from_millis(400));
        assert_eq!(pause(2, None, 0.5), Duration::from_millis(200));
        assert_eq!(pause(60, None, 1.0), CAP);
        assert_eq!(pause(1, Some(Duration::from_secs(3)), 0.0), Duration::from_secs(3));
        assert_eq!(pause(1, Some(Duration::from_secs(86_400)), 0.0), LONGEST);
    }

    proptest! {
        #[test]
        fn never_less_than_asked_and_never_endless(tries: u32, asked in 0u64..200, roll: f64) {
            let asked = Duration::from_secs(asked);
            let wait = pause(tries, Some(asked), roll);
            prop_assert!(wait >= asked.min(LONGEST) && wait <= LONGEST + Duration::from_secs(1));
            prop_assert!(pause(tries, None, roll) <= CAP);
        }
    }
}
