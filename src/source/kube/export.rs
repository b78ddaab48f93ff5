//! Pulling every object out of a cluster, at one revision.

use super::{
    Cluster, ExportedObject, Filter, KubeError, Unmatched,
    driver::{Driver, Message},
    start::Moment,
};
use crate::point::ResourceFacts;
use std::{fmt, sync::Arc};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
};

/// What [`Export::next`] gives.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "nearly every event is an object, and none of them is stored")]
pub enum Event {
    /// One object.
    Object(ExportedObject),
    /// The revision was compacted while it was being read. Whatever was given so far is to be thrown away: the export
    /// begins again at a new revision.
    Restart,
}

/// An export under way. Objects come page by page, many types mixed; those of one list keep their order. Dropping it
/// ends all requests.
///
/// A type that fails after some of its pages were given stays in the export with what was given: it is counted, and
/// listed among the failed ones with the number of objects that are there.
pub struct Export {
    messages: mpsc::Receiver<Message>,
    page: std::vec::IntoIter<ExportedObject>,
    driver: JoinHandle<()>,
    facts: Option<ResourceFacts>,
    unmatched: Vec<Unmatched>,
    types: watch::Receiver<(u64, u64)>,
    ended: bool,
}

/// Pages that wait for the consumer, beside the ones in flight.
const WAITING: usize = 2;

impl Cluster {
    /// Discovers the types, takes the revision of that moment, or the newest where none is given or it cannot be read any more, and
    /// begins to read everything that the filter asks for.
    ///
    /// What the filter cannot be meant for, a server that is gone, or credentials that are refused, are errors here; what
    /// goes wrong with one type only is in [`ResourceFacts::failed`] in the end.
    pub async fn export(&self, filter: Filter, moment: Option<Moment>) -> Result<Export, KubeError> {
        let (sender, messages) = mpsc::channel(WAITING);
        let driver = Driver::prepare(self.clone(), Arc::new(filter), moment, sender).await?;
        Ok(Export {
            unmatched: driver.unmatched().to_vec(),
            types: driver.types(),
            messages,
            page: Vec::new().into_iter(),
            driver: tokio::spawn(driver.run()),
            facts: None,
            ended: false,
        })
    }
}

impl Export {
    /// The next object; none after the last one. An error ends the export.
    pub async fn next(&mut self) -> Option<Result<Event, KubeError>> {
        loop {
            if let Some(object) = self.page.next() {
                return Some(Ok(Event::Object(object)));
            }
            if self.ended {
                return None;
            }
            match self.messages.recv().await {
                Some(Message::Page(objects)) => self.page = objects.into_iter(),
                Some(Message::Restart) => return Some(Ok(Event::Restart)),
                Some(Message::End(result)) => {
                    self.ended = true;
                    match *result {
                        Ok(facts) => self.facts = Some(facts),
                        Err(error) => return Some(Err(error)),
                    }
                }
                None => {
                    self.ended = true;
                    let reason = "the reading side is gone".to_owned();
                    return Some(Err(KubeError::Interrupted { reason }));
                }
            }
        }
    }

    /// Patterns of the filter that match nothing in the cluster, as it was when the export began: likely misspelt.
    pub fn unmatched(&self) -> &[Unmatched] {
        &self.unmatched
    }

    /// Types that have been read to their end, and how many there are.
    pub fn types(&self) -> (u64, u64) {
        *self.types.borrow()
    }

    /// What was exported; known after [`Export::next`] gave none.
    pub fn finish(mut self) -> Result<ResourceFacts, KubeError> {
        self.facts.take().ok_or(KubeError::Unfinished)
    }
}

impl Drop for Export {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl fmt::Debug for Export {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Export").field("ended", &self.ended).finish_non_exhaustive()
    }
}
