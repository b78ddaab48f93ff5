//! A body cut into parts.

use super::super::Body;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use sha2::{Digest, Sha256};
use std::io;

/// S3 takes no more parts than that (Amazon S3 user guide, "multipart upload limits").
pub(super) const MOST_PARTS: u32 = 10_000;
/// Parts become twice as large after so many of them.
const STEP: u32 = 1_000;
/// And never larger than S3 takes.
const LARGEST: u64 = 5 << 30;

/// The size of part `number` (from 1) when the first has `first` bytes: equal for as long as objects have usual sizes, and
/// then growing, so that with parts of 8 MiB ten thousand of them hold the 5 TiB that an object can have.
pub(super) fn part_bytes(first: u64, number: u32) -> u64 {
    let doublings = number.saturating_sub(1) / STEP;
    first.saturating_mul(1 << doublings.min(30)).min(LARGEST)
}

/// A part and its SHA-256.
pub(super) struct Part {
    pub(super) bytes: Bytes,
    pub(super) sha256: [u8; 32],
}

/// Takes parts from a body.
pub(super) struct Cutter {
    body: Body,
    rest: Bytes,
    ended: bool,
}

impl Cutter {
    pub(super) fn new(body: Body) -> Self {
        Cutter { body, rest: Bytes::new(), ended: false }
    }

    /// Whether all of the body has been handed out.
    pub(super) fn ended(&self) -> bool {
        self.ended
    }

    /// The next part, of `size` bytes unless it is the last; the last can be empty.
    pub(super) async fn next(&mut self, size: u64) -> io::Result<Part> {
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let mut part = BytesMut::new();
        let mut sha256 = Sha256::new();
        while part.len() < size {
            if self.rest.is_empty() {
                match self.body.next().await {
                    Some(chunk) => self.rest = chunk?,
                    None => {
                        self.ended = true;
                        break;
                    }
                }
                if part.capacity() == 0 && !self.rest.is_empty() {
                    part.reserve(size.min(self.rest.len().max(1 << 20)));
                }
            }
            let now = self.rest.split_to(self.rest.len().min(size - part.len()));
            sha256.update(&now);
            part.extend_from_slice(&now);
        }
        Ok(Part { bytes: part.freeze(), sha256: sha256.finalize().into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn parts_put_together_are_the_body(chunks in prop::collection::vec(0usize..40, 0..20), size in 1u64..50) {
            let mut next = 0u8;
            let chunks: Vec<Bytes> = chunks.into_iter().map(|n| {
                (0..n).map(|_| { next = next.wrapping_add(1); next }).collect::<Vec<u8>>().into()
            }).collect();
            let whole = chunks.concat();
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let parts = runtime.block_on(async {
                let mut cutter = Cutter::new(Box::pin(stream::iter(chunks.into_iter().map(Ok))));
                let mut parts = Vec::new();
                while !cutter.ended() {
                    parts.push(cutter.next(size).await.unwrap());
                }
                parts
            });
            let (last, others) = parts.split_last().unwrap();
            prop_assert!(others.iter().all(|p| p.bytes.len() as u64 == size));
            prop_assert!((last.bytes.len() as u64) < size);
            prop_assert!(parts.iter().all(|p| <[u8; 32]>::from(Sha256::digest(&p.bytes)) == p.sha256));
            prop_assert_eq!(parts.iter().flat_map(|p| p.bytes.to_vec()).collect::<Vec<u8>>(), whole);
        }
    }

    #[test]
    fn ten_thousand_parts_hold_the_largest_object() {
        let all: u64 = (1..=MOST_PARTS).map(|n| part_bytes(8 << 20, n)).sum();
        assert!(all >= 5 << 40, "{all}");
        assert_eq!(part_bytes(8 << 20, 1_000), 8 << 20);
        assert!((1..=MOST_PARTS).all(|n| part_bytes(8 << 20, n) <= LARGEST));
    }
}
