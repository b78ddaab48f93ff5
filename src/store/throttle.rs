//! A store that takes no more than its share of a line.

use super::{Body, Store, Through};
use bytes::Bytes;
use futures_util::StreamExt;
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// Bytes go in pieces of at most this size, so that a limit of a few kilobytes a second is kept too.
const PIECE: usize = 64 << 10;

/// `store`, of whose bodies no more than so many bytes pass in a second, all of them together.
pub fn throttled(store: Arc<dyn Store>, bytes_per_second: u64) -> Through {
    let gate = Arc::new(Gate::new(bytes_per_second));
    let other = gate.clone();
    Through::new(store, move |body| slow(&gate, body), move |body| slow(&other, body))
}

/// The body, at the pace of the gate.
fn slow(gate: &Arc<Gate>, body: Body) -> Body {
    let gate = gate.clone();
    let pieces = body.flat_map(|chunk| futures_util::stream::iter(pieces(chunk)));
    Box::pin(pieces.then(move |piece| {
        let gate = gate.clone();
        async move {
            if let Ok(bytes) = &piece {
                tokio::time::sleep_until(gate.pass(bytes.len(), Instant::now())).await;
            }
            piece
        }
    }))
}

fn pieces(chunk: std::io::Result<Bytes>) -> Vec<std::io::Result<Bytes>> {
    match chunk {
        Err(e) => vec![Err(e)],
        Ok(mut bytes) => {
            let mut out = Vec::with_capacity(bytes.len() / PIECE + 1);
            while bytes.len() > PIECE {
                out.push(Ok(bytes.split_to(PIECE)));
            }
            out.push(Ok(bytes));
            out
        }
    }
}

/// When the next bytes may pass.
struct Gate {
    bytes_per_second: u64,
    free_at: Mutex<Option<Instant>>,
}

impl Gate {
    fn new(bytes_per_second: u64) -> Self {
        Gate { bytes_per_second: bytes_per_second.max(1), free_at: Mutex::new(None) }
    }

    /// Books the passage of so many bytes, and says when it is theirs. Time that was not used is not saved up.
    fn pass(&self, bytes: usize, now: Instant) -> Instant {
        let mut free_at = self.free_at.lock().unwrap_or_else(PoisonError::into_inner);
        let begin = free_at.map_or(now, |at| at.max(now));
        let takes = Duration::from_secs_f64(bytes as f64 / self.bytes_per_second as f64);
        *free_at = Some(begin + takes);
        begin
    }
}

#[cfg(test)]
mod tests {
    use super::super::body;
    use super::*;
    use futures_util::future::join;

    #[tokio::test(start_paused = true)]
    async fn bytes_take_the_time_that_the_limit_gives_them() {
        let gate = Arc::new(Gate::new(100_000));
        let sent = vec![7; 1_000_000];
        let collect = async |body: Body| {
            let pieces: Vec<Bytes> = body.map(|piece| piece.unwrap()).collect().await;
            assert!(pieces.iter().all(|piece| piece.len() <= PIECE));
            pieces.concat()
        };
        let begin = Instant::now();
        // Both share the line.
        let (a, b) = (slow(&gate, body(sent.clone())), slow(&gate, body(sent.clone())));
        assert_eq!(join(collect(a), collect(b)).await, (sent.clone(), sent));
        let took = begin.elapsed().as_secs_f64();
        assert!((19.0..=20.1).contains(&took), "{took}");
    }
}
