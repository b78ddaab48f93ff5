//! Fetching one page and handing its objects on.

use super::{
    ExportedObject, Filter, ResourceType,
    driver::Message,
    fetch::{Api, DOCUMENT},
    list::{self, Item},
    schedule::{Listing, PAGE_LIMIT, Position},
    trouble::Failure,
};
use crate::point::object_path;
use bytes::Bytes;
use std::sync::Arc;
use tokio::sync::mpsc;
use url::form_urlencoded::Serializer;

/// What all pages of a pass have in common.
pub(super) struct Reader {
    pub(super) api: Arc<Api>,
    pub(super) filter: Arc<Filter>,
    pub(super) revision: String,
    pub(super) sender: mpsc::Sender<Message>,
}

/// What came of one page.
pub(super) struct Progress {
    /// Objects that were handed on, and the bytes of their JSON.
    pub(super) objects: u64,
    pub(super) bytes: u64,
    /// Objects that the page had, and its bytes.
    pub(super) listed: usize,
    pub(super) page_bytes: usize,
    pub(super) nameless: u64,
    pub(super) revision: String,
    pub(super) next: Option<String>,
    pub(super) remaining: Option<u64>,
}

impl Reader {
    /// Fetches the list's next page, cuts it and waits until the consumer has room for it. No failure: the consumer is gone.
    pub(super) async fn read(
        self: Arc<Self>,
        mut listing: Listing,
    ) -> (Listing, Result<Progress, Option<Failure>>) {
        let result = self.page(&mut listing).await;
        (listing, result)
    }

    async fn page(&self, listing: &mut Listing) -> Result<Progress, Option<Failure>> {
        let body = self.fetch(listing).await?;
        let page = list::slice(&body, &listing.head, self.filter.drop_managed_fields)?;
        let listed = page.items.len();
        let mut objects = Vec::with_capacity(listed);
        let mut nameless = page.nameless;
        for item in page.items {
            if self.filter.wants_object(&listing.kind, item.namespace.as_deref(), &item.name) {
                match placed(&listing.kind, item) {
                    Some(object) => objects.push(object),
                    None => nameless += 1,
                }
            }
        }
        let progress = Progress {
            objects: objects.len() as u64,
            bytes: objects.iter().map(ExportedObject::len).sum(),
            listed,
            page_bytes: body.len(),
            nameless,
            revision: page.revision,
            next: page.next,
            remaining: page.remaining,
        };
        // The objects hold the page from here on.
        drop(body);
        if !objects.is_empty() {
            self.sender.send(Message::Page(objects)).await.map_err(|_| None)?;
        }
        Ok(progress)
    }

    /// The page's bytes; a page that turns out too large is asked for again with fewer objects.
    async fn fetch(&self, listing: &mut Listing) -> Result<Bytes, Failure> {
        loop {
            let uri = self.uri(listing);
            let largest = if listing.limit == 1 { DOCUMENT } else { PAGE_LIMIT };
            let body = self.api.get_as(&uri, "application/json", largest, listing.likely_bytes()).await;
            match body {
                Err(Failure::TooLarge { .. }) if listing.limit > 1 => {
                    listing.limit = (listing.limit / 4).max(1)
                }
                body => return body,
            }
        }
    }

    fn uri(&self, listing: &Listing) -> String {
        let limit = listing.limit.to_string();
        let mut pairs = vec![("limit", &*limit)];
        match &listing.position {
            Position::Revision => {
                pairs.push(("resourceVersion", &self.revision));
                pairs.push(("resourceVersionMatch", "Exact"));
            }
            Position::Newest => {}
            Position::Token(token) => pairs.push(("continue", token)),
        }
        if let Some(labels) = &self.filter.labels {
            pairs.push(("labelSelector", labels));
        }
        format!("{}?{}", listing.kind.list_path(listing.namespace.as_deref()), query(&pairs))
    }
}

/// A URL's query.
pub(super) fn query(pairs: &[(&str, &str)]) -> String {
    Serializer::new(String::new()).extend_pairs(pairs).finish()
}

fn placed(kind: &Arc<ResourceType>, item: Item) -> Option<ExportedObject> {
    let path =
        object_path(&kind.group, &kind.version, &kind.resource, item.namespace.as_deref(), &item.name)?;
    Some(ExportedObject {
        resource: kind.clone(),
        namespace: item.namespace,
        name: item.name,
        uid: item.uid,
        resource_version: item.resource_version,
        path,
        json: item.json,
    })
}
