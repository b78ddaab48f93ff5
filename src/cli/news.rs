//! News of this program on the object of the cluster that it comes from: a CronJob or a Deployment, which its manifest names.

use super::{author::hostname, failure::Failure};
use crate::{
    point::News,
    source::kube::{Cluster, Connection, Subject},
};
use jiff::Timestamp;
use std::{
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::Duration,
};

/// Names the object.
const SUBJECT: &str = "LIFEBOAT_EVENTS";
/// Names the pod.
const POD: &str = "POD_NAME";
/// Nobody waits longer for news to be told.
const PATIENCE: Duration = Duration::from_secs(5);

/// Tells news, where the manifest says of what.
pub(super) struct Herald {
    subject: Option<Subject>,
    /// Why the last ones could not be told was said.
    complained: AtomicBool,
}

impl Herald {
    /// As the environment has it; one that tells nothing where it says nothing.
    pub(super) fn from_environment() -> Self {
        let subject = variable(SUBJECT).and_then(|text| {
            let read = text.parse::<Subject>();
            read.inspect_err(|why| tracing::warn!("no events are written: {SUBJECT}: {why}")).ok()
        });
        Herald { subject, complained: AtomicBool::new(false) }
    }

    /// Tells news. That it cannot be done is said once, and changes nothing else.
    pub(super) async fn tell(&self, news: &News) {
        let Some(subject) = &self.subject else { return };
        let why = match tokio::time::timeout(PATIENCE, told(subject, news)).await {
            Ok(Ok(())) => return self.complained.store(false, Relaxed),
            Ok(Err(failure)) => failure.error.to_string(),
            Err(_) => format!("the API server did not take it within {} s", PATIENCE.as_secs()),
        };
        if !self.complained.swap(true, Relaxed) {
            tracing::warn!("the event {} of {subject} could not be written: {why}", news.reason);
        }
    }
}

/// What stands in a variable of the environment, if anything does.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The token and the API server's address may have changed since the last time.
async fn told(subject: &Subject, news: &News) -> Result<(), Failure> {
    let connection = Connection { in_cluster: true, qps: 0, timeout: PATIENCE, ..Connection::default() };
    let cluster = Cluster::connect(&connection).await?;
    let instance = variable(POD).unwrap_or_else(hostname);
    let told = cluster.tell(subject, news, &instance, Timestamp::now()).await;
    told.map_err(|refusal| anyhow::Error::msg(refusal.to_string()).into())
}
