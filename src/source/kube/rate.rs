use std::{sync::Mutex, time::Duration};
use tokio::time::Instant;

/// A token bucket: so many requests per second, and a second's worth at once after a rest. Zero: no limit.
#[derive(Debug)]
pub(super) struct RateLimit {
    each: Duration,
    burst: Duration,
    /// When the next request may start; in the past while there is burst left.
    next: Mutex<Option<Instant>>,
}

impl RateLimit {
    pub(super) fn new(per_second: u32) -> Self {
        let each = Duration::from_secs(1).checked_div(per_second).unwrap_or_default();
        RateLimit { each, burst: Duration::from_secs(1).saturating_sub(each), next: Mutex::new(None) }
    }

    /// Waits for a turn. Turns are given in the order of the calls.
    pub(super) async fn turn(&self) {
        if self.each.is_zero() {
            return;
        }
        let turn = self.reserve(Instant::now());
        tokio::time::sleep_until(turn).await;
    }

    fn reserve(&self, now: Instant) -> Instant {
        let mut next = self.next.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let oldest = now.checked_sub(self.burst).unwrap_or(now);
        let turn = next.map_or(oldest, |next| next.max(oldest));
        *next = Some(turn + self.each);
        turn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_second_of_burst_and_then_the_rate() {
        let limit = RateLimit::new(10);
        let start = Instant::now();
        for _ in 0..10 {
            limit.turn().await;
        }
        assert!(start.elapsed() < Duration::from_millis(5), "{:?}", start.elapsed());
        for _ in 0..20 {
            limit.turn().await;
        }
        let taken = start.elapsed();
        assert!(taken >= Duration::from_secs(2) && taken < Duration::from_millis(2050), "{taken:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn rest_does_not_save_up_more_than_a_second() {
        let limit = RateLimit::new(5);
        tokio::time::sleep(Duration::from_secs(3600)).await;
        let start = Instant::now();
        for _ in 0..15 {
            limit.turn().await;
        }
        assert!(start.elapsed() >= Duration::from_secs(2), "{:?}", start.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn zero_is_no_limit() {
        let limit = RateLimit::new(0);
        let start = Instant::now();
        for _ in 0..1000 {
            limit.turn().await;
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
    }
}
