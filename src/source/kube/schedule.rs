//! In which order pages are fetched, and how large they may be.

use super::{ResourceType, list::Head};
use std::{
    cmp::Ordering,
    collections::{BinaryHeap, VecDeque},
    sync::Arc,
};

/// What a page should weigh: large enough that requests cost little, small enough that all pages in flight fit into memory.
pub(super) const PAGE_TARGET: usize = 2 << 20;
/// A page that grows beyond this is dropped and asked for again with fewer objects.
pub(super) const PAGE_LIMIT: usize = 8 << 20;
/// Nothing is known of a type's objects before the first page.
const FIRST_PAGE: u32 = 100;

/// A list that is being read: of one type, in one namespace or in all.
#[derive(Debug, Clone)]
pub(super) struct Listing {
    pub(super) kind: Arc<ResourceType>,
    pub(super) head: Arc<Head>,
    pub(super) namespace: Option<String>,
    pub(super) position: Position,
    /// Objects in the next page at most.
    pub(super) limit: u32,
    /// What one object weighed so far, on average.
    pub(super) weight: usize,
    /// Objects still to come, as far as known.
    pub(super) remaining: u64,
    /// Objects handed on so far.
    pub(super) done: u64,
}

/// Where a list goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Position {
    /// At its beginning, at the export's revision.
    Revision,
    /// At its beginning, at whatever revision is the newest.
    Newest,
    /// Behind the last page; the token holds the revision.
    Token(String),
}

impl Listing {
    pub(super) fn new(kind: Arc<ResourceType>, namespace: Option<String>, page_size: u32) -> Self {
        let head = Arc::new(Head::new(&kind));
        let limit = FIRST_PAGE.min(page_size).max(1);
        Listing {
            kind,
            head,
            namespace,
            position: Position::Revision,
            limit,
            weight: 0,
            remaining: 0,
            done: 0,
        }
    }

    /// Moves behind a page of so many objects and bytes. Without a token the list is read.
    pub(super) fn advance(
        mut self,
        token: Option<String>,
        objects: usize,
        bytes: usize,
        remaining: Option<u64>,
        page_size: u32,
    ) -> Option<Self> {
        self.position = Position::Token(token?);
        // With a label selector the server does not count: then it is taken for a long list.
        self.remaining = remaining.unwrap_or_else(|| u64::from(page_size) * 10);
        if let Some(weight) = bytes.checked_div(objects) {
            self.weight = weight.max(1);
            let fits = u32::try_from(PAGE_TARGET / self.weight).unwrap_or(u32::MAX);
            // The next objects may be larger than these: grow step by step.
            self.limit = fits.min(self.limit.saturating_mul(8)).min(page_size).max(1);
        }
        Some(self)
    }

    /// What the next page will likely weigh, with some room.
    pub(super) fn likely_bytes(&self) -> usize {
        let objects = u64::from(self.limit).min(self.remaining.max(1));
        let bytes = usize::try_from(objects).unwrap_or(usize::MAX).saturating_mul(self.weight);
        bytes.saturating_add(bytes / 8).clamp(16 << 10, PAGE_LIMIT)
    }
}

/// Lists in the order in which their next page is fetched: beginnings first, in the order they were put in, since nobody
/// knows yet how long they are; then the longest, which would otherwise be what everything waits for in the end.
#[derive(Debug, Default)]
pub(super) struct Queue {
    beginnings: VecDeque<Listing>,
    under_way: BinaryHeap<ByLength>,
}

impl Queue {
    pub(super) fn put(&mut self, listing: Listing) {
        match listing.position {
            Position::Token(_) => self.under_way.push(ByLength(listing)),
            _ => self.beginnings.push_back(listing),
        }
    }

    pub(super) fn take(&mut self) -> Option<Listing> {
        self.beginnings.pop_front().or_else(|| self.under_way.pop().map(|next| next.0))
    }
}

#[derive(Debug)]
struct ByLength(Listing);

impl Ord for ByLength {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.remaining.cmp(&other.0.remaining)
    }
}

impl PartialOrd for ByLength {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for ByLength {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for ByLength {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn listing(name: &str) -> Listing {
        Listing::new(Arc::new(ResourceType::new("", "v1", name, "Kind", true)), None, 500)
    }

    fn token() -> Option<String> {
        Some("t".to_owned())
    }

    #[test]
    fn beginnings_first_then_the_longest() {
        let mut queue = Queue::default();
        queue.put(listing("short").advance(token(), 100, 1000, Some(5), 500).unwrap());
        queue.put(listing("long").advance(token(), 100, 1000, Some(9000), 500).unwrap());
        queue.put(listing("one"));
        queue.put(listing("two"));
        let order: Vec<_> = std::iter::from_fn(|| queue.take()).map(|it| it.kind.resource.clone()).collect();
        assert_eq!(order, ["one", "two", "long", "short"]);
    }

    #[test]
    fn pages_grow_to_the_size_asked_for_and_shrink_for_large_objects() {
        let small = listing("small").advance(token(), 100, 100 * 2000, Some(9000), 500).unwrap();
        assert_eq!(small.limit, 500);
        assert!(small.likely_bytes() >= 500 * 2000);
        let large = small.advance(token(), 500, 500 << 20, Some(8500), 500).unwrap();
        assert_eq!(large.limit, 2);
        let small = large.advance(token(), 2, 2000, Some(8000), 500).unwrap();
        assert_eq!(small.limit, 16);
        assert!(small.advance(None, 16, 1000, None, 500).is_none());
    }

    proptest! {
        #[test]
        fn a_page_asks_for_at_least_one_and_at_most_what_is_wanted(
            pages in prop::collection::vec((0usize..1000, 0usize..1 << 30), 1..20), page_size in 1u32..5000,
        ) {
            let mut it = listing("any");
            for (objects, bytes) in pages {
                it = it.advance(token(), objects, bytes, None, page_size).unwrap();
                prop_assert!(it.limit >= 1 && it.limit <= page_size.max(FIRST_PAGE));
                prop_assert!(it.likely_bytes() <= PAGE_LIMIT);
            }
        }
    }
}
