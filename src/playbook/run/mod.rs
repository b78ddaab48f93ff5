//! A plan is carried out: step by step, and never a call that is not written down.

mod ask;
mod book;
mod call;
mod lease;
mod lock;
mod ops;
mod steps;
mod undo;

pub use lease::{Lease, LeaseError};
pub use lock::{HostLock, LockError};

use super::{
    Equipment, Known,
    approval::{Approver, Statement},
    host::OnHost,
    journal::{Entry, Journal, JournalError, RunEnd, What},
    plan::Plan,
    scope::Scope,
    state::State,
};
use crate::{
    point::{Digest, PointId},
    source::kube::{Cluster, Discovery},
};
use async_trait::async_trait;
use book::{Book, Settled};
use jiff::Timestamp;
use serde_json::json;
use std::{collections::BTreeMap, pin::pin, sync::Mutex, time::Duration};
use thiserror::Error;
use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

/// Where evidence goes, and where answers come from.
#[async_trait]
pub trait Keeper: Send + Sync {
    /// Seals something and stores it below the run. Gives the digest of what is stored.
    ///
    /// # Errors
    /// When it cannot be sealed, or the store does not take it.
    async fn keep(&self, run: &PointId, name: &str, bytes: Vec<u8>) -> Result<Digest, String>;

    /// What people have said about the run so far.
    ///
    /// # Errors
    /// When the store does not answer.
    async fn statements(&self, run: &PointId) -> Result<Vec<Statement>, String>;

    /// Can evidence be kept at all? If not, why.
    ///
    /// # Errors
    /// When it cannot.
    async fn ready(&self) -> Result<(), String>;
}

/// With what a plan is carried out.
pub struct Means<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// The cluster; none on a host.
    pub cluster: Option<&'a Cluster>,
    /// The host, where it runs on one.
    pub host: Option<&'a OnHost>,
    /// What it serves.
    pub kinds: &'a Discovery,
    /// Objects as the plan saw them, if that was just now.
    pub known: Option<&'a Known>,
    /// What there is beside it.
    pub equipment: &'a Equipment,
    /// Where evidence goes.
    pub keeper: &'a dyn Keeper,
    /// Those who can agree.
    pub approvers: &'a [Approver],
    /// Who carries it out.
    pub by: &'a str,
    /// What expressions know of the cluster.
    pub about: serde_json::Value,
    /// Is somebody waited for? Else the run stops there, and is resumed.
    pub wait: bool,
    /// Is it only rehearsed, in a staging cluster?
    pub rehearsal: Option<Rehearsing>,
    /// Of steps of which nobody can tell whether they were done: what somebody who looked says.
    pub assume: BTreeMap<String, bool>,
    /// Hears of every entry.
    pub tell: &'a (dyn Fn(&Entry) + Sync),
}

/// How a rehearsal differs from a run: nobody is asked, and what staging cannot show is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rehearsing {
    /// Are there controllers and kubelets?
    pub runs: bool,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// How.
    pub end: RunEnd,
    /// Why it did not complete.
    pub why: Option<String>,
    /// How many ops could not be taken back, if that was tried.
    pub left: Option<u64>,
}

/// Why a run does not go on.
#[derive(Debug, Error)]
pub enum Halt {
    /// Nothing can be written down.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Somebody stopped it.
    #[error("stopped by {0}")]
    Stopped(&'static str),
    /// Somebody has to agree, or to act, and is not waited for.
    #[error(
        "step {0} waits for somebody: see `lifeboat playbook status`, and then `lifeboat playbook resume`"
    )]
    Waits(String),
    /// Nobody can tell whether something was done.
    #[error(
        "nobody can tell whether step {step} did this before the run was interrupted: {op}; look, and resume with `--assume \
         {step}=done` or `--assume {step}=not-done`"
    )]
    Unknown {
        /// The step.
        step: String,
        /// What it is.
        op: String,
    },
    /// Another run holds the same key now.
    #[error("the lock was lost: {0}")]
    Lock(String),
    /// The playbook does not act without evidence.
    #[error("evidence cannot be kept, and the playbook does not act without: {0}")]
    Evidence(String),
    /// It took longer than the playbook allows.
    #[error("it was given up after {0} s, which the playbook allows it (`timeout`)")]
    TooLong(u64),
}

/// A run that goes on.
pub(super) struct Running<'a> {
    means: Means<'a>,
    digest: Digest,
    book: Mutex<Book>,
    settled: tokio::sync::Mutex<Settled>,
    scope: Mutex<Scope>,
    stop: watch::Receiver<Option<String>>,
    /// When the playbook's time is over.
    over: Option<Instant>,
    /// How much is under way that must not be dropped in its middle.
    held: watch::Sender<usize>,
}

/// Carries a plan out, from its beginning or from where it was interrupted: `journal` is empty, or what was written so far.
/// `stop` carries why it has to stop.
///
/// # Errors
/// When nothing can be written down any more.
pub async fn run(
    means: Means<'_>,
    journal: (Journal, Vec<Entry>),
    stop: watch::Receiver<Option<String>>,
) -> Result<Outcome, JournalError> {
    let by = means.by.to_owned();
    let within = means.plan.timeout_ms.map(Duration::from_millis);
    let mut running = Running::new(means, journal, stop);
    running.over = within.and_then(|it| Instant::now().checked_add(it));
    let fresh = running.state(|state| state.steps.is_empty() && state.end.is_none()) && running.is_new();
    let begin = match fresh {
        true => What::Begun { plan: running.digest, by },
        false => What::Resumed { by },
    };
    running.write(begin).await?;
    let went = running.steps().await;
    running.end(went).await
}

/// Takes back what a run did, as far as that is possible. Gives how many ops are left.
///
/// # Errors
/// When nothing can be written down any more.
pub async fn undo(
    means: Means<'_>,
    journal: (Journal, Vec<Entry>),
    stop: watch::Receiver<Option<String>>,
) -> Result<u64, Halt> {
    let by = means.by.to_owned();
    let running = Running::new(means, journal, stop);
    running.take_back(by).await
}

impl<'a> Running<'a> {
    fn new(
        means: Means<'a>,
        (journal, entries): (Journal, Vec<Entry>),
        stop: watch::Receiver<Option<String>>,
    ) -> Self {
        let plan = means.plan;
        let run = json!({
            "id": plan.run.as_str(), "playbook": plan.playbook.name, "by": plan.by,
            "started": plan.made_at.to_string(), "identity": plan.target.identity,
        });
        let scope = Scope::new(plan.params.clone(), run, means.about.clone());
        let digest = plan.digest();
        let book = Book { journal, state: State::of(&entries), new: entries.is_empty() };
        let (book, scope, held) = (Mutex::new(book), Mutex::new(scope), watch::channel(0).0);
        Running { means, digest, book, settled: Default::default(), scope, stop, over: None, held }
    }

    async fn end(&self, went: Result<Option<(RunEnd, String)>, Halt>) -> Result<Outcome, JournalError> {
        let (end, why) = match went {
            Ok(None) => match self.failed_steps() {
                0 => (RunEnd::Completed, None),
                n => (RunEnd::PartiallyFailed, Some(format!("{n} steps failed"))),
            },
            Ok(Some((end, why))) => (end, Some(why)),
            Err(Halt::Journal(e)) => return Err(e),
            Err(halt) => (RunEnd::Stopped, Some(halt.to_string())),
        };
        self.write(What::Ended { end, why: why.clone() }).await?;
        Ok(Outcome { end, why, left: self.state(|state| state.undone) })
    }

    /// Goes on as long as the playbook has time. What must not be dropped in its middle hears of the end as well, and is waited for.
    async fn in_time<T>(&self, steps: impl Future<Output = Result<T, Halt>>) -> Result<T, Halt> {
        let Some(over) = self.over else { return steps.await };
        let mut steps = pin!(steps);
        if let Ok(went) = timeout_at(over, &mut steps).await {
            return went;
        }
        let mut held = self.held.subscribe();
        tokio::select! {
            biased;
            _ = held.wait_for(|held| *held == 0) => {
                let allowed = self.means.plan.timeout_ms.unwrap_or_default();
                Err(Halt::TooLong(Duration::from_millis(allowed).as_secs()))
            }
            went = &mut steps => went,
        }
    }

    /// Why it has to stop, if it has to.
    fn stopped(&self) -> Result<(), Halt> {
        match self.stop.borrow().as_ref() {
            None => Ok(()),
            Some(why) if why.starts_with("SIG") => Err(Halt::Stopped(signal(why))),
            Some(why) => Err(Halt::Lock(why.clone())),
        }
    }

    /// Waits so long, or until it has to stop.
    async fn pause(&self, length: Duration) -> Result<(), Halt> {
        let mut stop = self.stop.clone();
        let stopped = async {
            if stop.wait_for(Option::is_some).await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = tokio::time::sleep(length) => Ok(()),
            () = stopped => self.stopped(),
        }
    }

    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

fn signal(name: &str) -> &'static str {
    if name == "SIGTERM" { "SIGTERM" } else { "SIGINT" }
}
