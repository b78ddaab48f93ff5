//! The reading side of an export: decides which page is next and what a failure means.

use super::{
    Cluster, ExportedObject, Filter, KubeError, ResourceType, Unmatched,
    page::{Progress, Reader},
    schedule::{Listing, Position, Queue},
    start::{Moment, Start, listings},
    trouble::Failure,
};
use crate::point::{ResourceFacts, ResourceProblem};
use std::{
    collections::{BTreeMap, HashMap},
    ops::ControlFlow,
    sync::Arc,
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};

/// What the reading side tells the consumer.
pub(super) enum Message {
    Page(Vec<ExportedObject>),
    Restart,
    End(Box<Result<ResourceFacts, KubeError>>),
}

/// How often an export begins again before it gives up.
const RESTARTS: u32 = 5;

pub(super) struct Driver {
    cluster: Cluster,
    filter: Arc<Filter>,
    sender: mpsc::Sender<Message>,
    start: Start,
    types: watch::Sender<(u64, u64)>,
}

/// Why a pass ended without a result.
enum Halt {
    Compacted,
    Fatal(KubeError),
    /// The consumer is gone.
    Abandoned,
}

impl Driver {
    pub(super) async fn prepare(
        cluster: Cluster,
        filter: Arc<Filter>,
        moment: Option<Moment>,
        sender: mpsc::Sender<Message>,
    ) -> Result<Self, KubeError> {
        let start = Start::find(&cluster, &filter, moment).await?;
        Ok(Driver { cluster, filter, sender, start, types: watch::Sender::default() })
    }

    pub(super) fn unmatched(&self) -> &[Unmatched] {
        &self.start.discovery.unmatched
    }

    /// Types that have been read to their end, and how many there are.
    pub(super) fn types(&self) -> watch::Receiver<(u64, u64)> {
        self.types.subscribe()
    }

    pub(super) async fn run(mut self) {
        let mut restarts = 0;
        let result = loop {
            match self.pass(restarts).await {
                Ok(facts) => break Ok(facts),
                Err(Halt::Abandoned) => return,
                Err(Halt::Fatal(error)) => break Err(error),
                Err(Halt::Compacted) if restarts == RESTARTS => {
                    break Err(KubeError::Outrun { revision: self.start.revision.number, restarts });
                }
                Err(Halt::Compacted) => {
                    restarts += 1;
                    tracing::warn!(
                        restarts,
                        revision = self.start.revision.number,
                        "compacted: beginning again"
                    );
                    if self.sender.send(Message::Restart).await.is_err() {
                        return;
                    }
                    match Start::find(&self.cluster, &self.filter, None).await {
                        Ok(start) => self.start = start,
                        Err(error) => break Err(error),
                    }
                }
            }
        };
        // Nobody is left to be told: the consumer dropped the export.
        let _ = self.sender.send(Message::End(Box::new(result))).await;
    }

    /// Reads everything once.
    async fn pass(&self, restarts: u32) -> Result<ResourceFacts, Halt> {
        let Start { discovery, revision } = &self.start;
        let reader = Arc::new(Reader {
            api: self.cluster.api.clone(),
            filter: self.filter.clone(),
            revision: revision.number.clone(),
            sender: self.sender.clone(),
        });
        let mut facts = ResourceFacts {
            version: self.cluster.version().to_owned(),
            resource_version: revision.number.clone(),
            restarts,
            at: revision.at,
            objects: 0,
            counts: BTreeMap::new(),
            excluded: discovery.excluded.clone(),
            failed: discovery.failed.clone(),
            narrowed: self.filter.narrowed(),
        };
        let mut queue = Queue::default();
        let mut unread: HashMap<Arc<ResourceType>, usize> = HashMap::new();
        for listing in listings(discovery, &self.filter, self.cluster.page_size) {
            *unread.entry(listing.kind.clone()).or_default() += 1;
            queue.put(listing);
        }
        self.types.send_replace((0, unread.len() as u64));
        // Dropping the set at any return below ends the requests that are still under way.
        let mut running = JoinSet::new();
        loop {
            while running.len() < self.cluster.concurrency {
                let Some(listing) = queue.take() else { break };
                running.spawn(reader.clone().read(listing));
            }
            let Some(ended) = running.join_next().await else { break };
            let (listing, result) =
                ended.map_err(|error| Halt::Fatal(KubeError::Interrupted { reason: error.to_string() }))?;
            let kind = listing.kind.clone();
            let again = match result {
                Ok(progress) => self.account(listing, progress, &mut facts),
                Err(Some(failure)) => self.judge(listing, failure, &mut facts).await,
                Err(None) => ControlFlow::Break(Halt::Abandoned),
            };
            match again {
                ControlFlow::Continue(Some(listing)) => queue.put(listing),
                ControlFlow::Continue(None) => {
                    unread.entry(kind.clone()).and_modify(|lists| *lists -= 1);
                    if unread.get(&kind) == Some(&0) {
                        self.types.send_modify(|(read, _)| *read += 1);
                    }
                }
                ControlFlow::Break(halt) => {
                    // No page of this pass may reach the consumer behind what it is told next.
                    running.shutdown().await;
                    return Err(halt);
                }
            }
        }
        facts.objects = facts.counts.values().map(|count| count.objects).sum();
        facts.failed.sort_by(|a, b| a.resource.cmp(&b.resource));
        Ok(facts)
    }

    fn account(
        &self,
        listing: Listing,
        page: Progress,
        facts: &mut ResourceFacts,
    ) -> ControlFlow<Halt, Option<Listing>> {
        let count = facts.counts.entry(listing.kind.label()).or_default();
        count.objects += page.objects;
        count.bytes += page.bytes;
        let foreign = listing.position == Position::Revision && page.revision != self.start.revision.number;
        count.own_revision |= foreign || listing.position == Position::Newest;
        if page.nameless > 0 {
            let reason = format!("{} objects have no name and were left out", page.nameless);
            facts.failed.push(ResourceProblem { resource: listing.kind.label(), reason });
        }
        let mut next = listing;
        next.done += page.objects;
        ControlFlow::Continue(next.advance(
            page.next,
            page.listed,
            page.page_bytes,
            page.remaining,
            self.cluster.page_size,
        ))
    }

    /// What a page that cannot be had means: for the list, for the pass, for the whole.
    async fn judge(
        &self,
        mut listing: Listing,
        failure: Failure,
        facts: &mut ResourceFacts,
    ) -> ControlFlow<Halt, Option<Listing>> {
        let server = &self.cluster.api.server;
        let first = listing.position == Position::Revision;
        if failure.code() == Some(401) || matches!(failure, Failure::Credentials(_)) {
            return ControlFlow::Break(Halt::Fatal(failure.into_error(server, "go on reading")));
        }
        if first && failure.refuses_revision() {
            listing.position = Position::Newest;
            return ControlFlow::Continue(Some(listing));
        }
        if failure.is_gone() || failure.is_connection() {
            match self.start.revision.is_alive(&self.cluster).await {
                // The revision is there, but not for this type: it is kept in an etcd of its own.
                Ok(true) if failure.is_gone() && first => {
                    listing.position = Position::Newest;
                    return ControlFlow::Continue(Some(listing));
                }
                _ if failure.is_gone() => return ControlFlow::Break(Halt::Compacted),
                Ok(true) => {}
                Ok(false) => return ControlFlow::Break(Halt::Compacted),
                Err(also) if also.is_connection() => {
                    return ControlFlow::Break(Halt::Fatal(
                        failure.into_error(server, &listing.kind.label()),
                    ));
                }
                Err(_) => {}
            }
        }
        let mut reason = failure.text();
        if let Some(namespace) = &listing.namespace {
            reason = format!("in the namespace {namespace}: {reason}");
        }
        if listing.done > 0 {
            reason = format!("{reason} (the export has the first {} objects)", listing.done);
        }
        tracing::warn!(resource = listing.kind.label(), reason, "not exported");
        facts.failed.push(ResourceProblem { resource: listing.kind.label(), reason });
        ControlFlow::Continue(None)
    }
}
