use crate::point::Digest;
use sha2::{Digest as _, Sha256};

const TAIL: usize = 32;

/// Digests a stream, and tells whether its last 32 bytes are the SHA-256 of all before them, which is how an etcd
/// snapshot ends: one pass of SHA-256 answers both.
pub(super) struct TailDigest {
    head: Sha256,
    tail: [u8; TAIL],
    held: usize,
}

impl TailDigest {
    pub(super) fn new() -> Self {
        TailDigest { head: Sha256::new(), tail: [0; TAIL], held: 0 }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        if bytes.len() >= TAIL {
            let (head, tail) = bytes.split_at(bytes.len() - TAIL);
            self.head.update(&self.tail[..self.held]);
            self.head.update(head);
            self.tail.copy_from_slice(tail);
            self.held = TAIL;
            return;
        }
        let out = (self.held + bytes.len()).saturating_sub(TAIL);
        self.head.update(&self.tail[..out]);
        self.tail.copy_within(out..self.held, 0);
        self.held -= out;
        self.tail[self.held..self.held + bytes.len()].copy_from_slice(bytes);
        self.held += bytes.len();
    }

    /// The digest of everything, and whether the tail is the digest of the rest.
    pub(super) fn finish(self) -> (Digest, bool) {
        let head: [u8; 32] = self.head.clone().finalize().into();
        let whole = self.head.chain_update(&self.tail[..self.held]).finalize();
        (whole.into(), self.held == TAIL && head == self.tail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn chunks_do_not_matter(bytes in prop::collection::vec(any::<u8>(), 0..300), cuts in prop::collection::vec(0usize..60, 1..40)) {
            for signed in [false, true] {
                let mut bytes = bytes.clone();
                if signed {
                    let sum = Sha256::digest(&bytes);
                    bytes.extend_from_slice(&sum);
                }
                let mut digest = TailDigest::new();
                let mut rest = bytes.as_slice();
                for cut in cuts.iter().cycle() {
                    if rest.is_empty() { break; }
                    let (now, later) = rest.split_at((*cut).clamp(1, rest.len()));
                    digest.update(now);
                    rest = later;
                }
                let (whole, own) = digest.finish();
                prop_assert_eq!(whole, Digest::from(Sha256::digest(&bytes)));
                prop_assert_eq!(own, signed);
            }
        }
    }
}
