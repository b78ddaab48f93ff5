//! A set of page numbers.

/// A bit for each page below the high-water mark.
#[derive(Debug)]
pub(super) struct PageSet {
    bits: Vec<u64>,
    pages: u64,
}

impl PageSet {
    /// The caller has compared `pages` with the length of the file, so that it can be believed.
    pub(super) fn new(pages: u64) -> Self {
        let words = usize::try_from(pages.div_ceil(64)).unwrap_or(usize::MAX);
        Self { bits: vec![0; words], pages }
    }

    pub(super) fn contains(&self, page: u64) -> bool {
        page < self.pages && self.bits[(page / 64) as usize] >> (page % 64) & 1 == 1
    }

    /// Adds a run of pages; whether none of them was there before.
    pub(super) fn insert(&mut self, first: u64, run: u64) -> bool {
        let mut new = true;
        for page in first..first.saturating_add(run).min(self.pages) {
            let (word, bit) = (&mut self.bits[(page / 64) as usize], 1 << (page % 64));
            new &= *word & bit == 0;
            *word |= bit;
        }
        new
    }

    pub(super) fn len(&self) -> u64 {
        self.bits.iter().map(|word| u64::from(word.count_ones())).sum()
    }
}
