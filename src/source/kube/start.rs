//! What an export begins with: the types and the revision.

use super::{Cluster, Discovery, Filter, KubeError, page::query, schedule::Listing, trouble::Failure};
use jiff::Timestamp;
use std::sync::Arc;

/// Where a pass begins.
pub(super) struct Start {
    pub(super) discovery: Discovery,
    pub(super) revision: Revision,
}

/// The export's revision, and a list that it can be looked for in.
pub(super) struct Revision {
    pub(super) number: String,
    list: String,
    pub(super) at: Timestamp,
}

/// A revision of etcd that an export is asked to be of, and when it was the newest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The revision.
    pub revision: i64,
    /// When it was the newest.
    pub at: Timestamp,
}

/// Every list that has to be read.
pub(super) fn listings(discovery: &Discovery, filter: &Filter, page_size: u32) -> Vec<Listing> {
    let mut all = Vec::new();
    for kind in &discovery.types {
        let kind = Arc::new(kind.clone());
        for namespace in filter.scopes(&kind) {
            all.push(Listing::new(kind.clone(), namespace, page_size));
        }
    }
    all
}

impl Start {
    /// Of that moment where it can still be read, and else of now.
    pub(super) async fn find(
        cluster: &Cluster,
        filter: &Filter,
        moment: Option<Moment>,
    ) -> Result<Self, KubeError> {
        check_labels(cluster, filter).await?;
        // The revision before the types: a type that is made in between is empty then, and none is missing.
        let early = Revision::of(cluster, "/api/v1/namespaces".to_owned(), moment).await;
        let discovery = cluster.discover(filter).await?;
        if discovery.types.is_empty() {
            return Err(KubeError::NothingIncluded { patterns: filter.patterns() });
        }
        let mut failure = match early {
            Ok(revision) => return Ok(Start { discovery, revision }),
            Err(failure) => failure,
        };
        for listing in listings(&discovery, filter, 1) {
            if failure.is_connection() || failure.code() == Some(401) {
                return Err(failure.into_error(&cluster.api.server, "tell its revision"));
            }
            let list = listing.kind.list_path(listing.namespace.as_deref());
            match Revision::of(cluster, list, moment).await {
                Ok(revision) => return Ok(Start { discovery, revision }),
                Err(other) => failure = other,
            }
        }
        Err(KubeError::NoRevision { reason: failure.text() })
    }
}

/// A selector that is wrong would fail every type for itself: ask once.
async fn check_labels(cluster: &Cluster, filter: &Filter) -> Result<(), KubeError> {
    let Some(selector) = &filter.labels else { return Ok(()) };
    let uri = format!("/api/v1/namespaces?{}", query(&[("limit", "1"), ("labelSelector", selector)]));
    match cluster.api.get(&uri).await {
        Err(failure) if failure.code() == Some(400) => {
            Err(KubeError::Selector { selector: selector.clone(), reason: failure.text() })
        }
        // Whatever else it is, the lists themselves will meet it.
        _ => Ok(()),
    }
}

impl Revision {
    /// That of the moment, if the list can be read at it; else the newest, as the list of one object tells it.
    async fn of(cluster: &Cluster, list: String, moment: Option<Moment>) -> Result<Self, Failure> {
        if let Some(moment) = moment
            && let Some(revision) = Self::at(cluster, &list, moment).await?
        {
            return Ok(revision);
        }
        let at = Timestamp::now();
        let body = cluster.api.get(&format!("{list}?limit=1")).await?;
        let number = super::list::revision(&body)?;
        // Servers of aggregated APIs have none.
        if number.is_empty() || number == "0" {
            return Err(Failure::Malformed(format!("{list} has no revision")));
        }
        Ok(Revision { number, list, at })
    }

    /// That of the moment, if the list can be read at it.
    async fn at(cluster: &Cluster, list: &str, moment: Moment) -> Result<Option<Self>, Failure> {
        let Moment { revision, at } = moment;
        let asked = Revision { number: revision.to_string(), list: list.to_owned(), at };
        match asked.is_alive(cluster).await {
            Ok(alive) => Ok(alive.then_some(asked)),
            // It is not the revision that is refused, and the newest would be as well.
            Err(failure) if failure.is_connection() || matches!(failure.code(), Some(401 | 403)) => {
                Err(failure)
            }
            Err(failure) => {
                tracing::warn!("revision {revision} cannot be read: {}", failure.text());
                Ok(None)
            }
        }
    }

    /// Can this revision still be read?
    pub(super) async fn is_alive(&self, cluster: &Cluster) -> Result<bool, Failure> {
        let uri = format!("{}?limit=1&resourceVersion={}&resourceVersionMatch=Exact", self.list, self.number);
        match cluster.api.get(&uri).await {
            Ok(_) => Ok(true),
            Err(failure) if failure.is_gone() => Ok(false),
            Err(failure) => Err(failure),
        }
    }
}
