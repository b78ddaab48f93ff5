//! What a daemon stands on, from outside: the time, the store, what carries a job out.

use super::Job;
use crate::{
    catalogue::{
        Catalogue,
        overview::{Objectives, Overview},
    },
    notify::{Delivery, Message},
    point::{News, PointId, Turn, TurnOutcome},
};
use async_trait::async_trait;
use jiff::Timestamp;
use std::{collections::BTreeMap, sync::Arc};
use tokio::sync::watch;

/// Tells what time it is.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Tells a run to stop, and why.
pub type Stop = watch::Receiver<Option<Why>>;

/// Opens the store anew for each run: its credentials may have changed meanwhile.
#[async_trait]
pub trait Ground: Send + Sync {
    /// The catalogue that the jobs are about.
    ///
    /// # Errors
    /// When it cannot be opened, in words.
    async fn catalogue(&self) -> Result<Catalogue, String>;

    /// How things stand in the store at an instant, with what is owed to other stores.
    ///
    /// # Errors
    /// When that cannot be told, in words.
    async fn around(&self, now: Timestamp) -> Result<Around, String>;

    /// The certificates that the configuration names, as far as they can be read.
    async fn certificates(&self) -> Vec<Validity> {
        Vec::new()
    }
}

/// When a certificate holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// What it is for, such as `etcd-client`.
    pub of: &'static str,
    /// When it begins to hold.
    pub not_before: Timestamp,
    /// When it ceases to hold.
    pub not_after: Timestamp,
}

/// How things stand in a store.
#[derive(Debug, Clone, Default)]
pub struct Around {
    /// Its URL.
    pub store: String,
    /// Each cluster in the store, or the schedules' own only.
    pub clusters: BTreeMap<String, Overview>,
    /// What of others could not be looked at, and why.
    pub unread: Vec<String>,
}

/// Carries a job out.
#[async_trait]
pub trait Runner: Send + Sync {
    /// Carries it out; when `stop` says so, it ends soon, with nothing half-done.
    async fn run(&self, job: &Job, turn: &Turn, stop: Stop) -> Ended;
}

/// What somebody who watches over runs is given a sign of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// It begins.
    Begun,
    /// It ended well.
    Succeeded,
    /// It did not, and is not tried again.
    Failed,
}

/// Tells people, whoever waits for a sign of life, and who looks at the cluster.
#[async_trait]
pub trait Teller: Send + Sync {
    /// Tells these channels, and what became of it.
    async fn tell(&self, channels: &[String], message: &Message) -> Vec<Delivery>;

    /// Tells news to who looks at the cluster that the daemon runs in, if it does.
    async fn announce(&self, news: &News);

    /// Gives a sign to who waits for it; none where nobody does.
    async fn sign(&self, sign: Sign, turn: &Turn) -> Option<Delivery>;
}

/// What came of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// The exit code; none when it was killed or could not be started.
    pub exit: Option<u8>,
    /// The recovery point, drill or playbook's run that it made.
    pub made: Option<PointId>,
    /// What it says about it.
    pub message: Option<String>,
}

/// Why a run is to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// It took too long.
    TimedOut,
    /// The daemon ends.
    Stopped,
    /// The next one is due.
    Replaced,
    /// Others have given it up.
    GivenUp,
}

impl Why {
    /// The outcome of a run that was stopped for this.
    pub fn outcome(self) -> TurnOutcome {
        match self {
            Why::TimedOut => TurnOutcome::TimedOut,
            Why::Stopped => TurnOutcome::Stopped,
            Why::Replaced => TurnOutcome::Replaced,
            Why::GivenUp => TurnOutcome::Lost,
        }
    }

    /// In words.
    pub fn as_str(self) -> &'static str {
        match self {
            Why::TimedOut => "it took longer than its timeout allows",
            Why::Stopped => "the daemon ended",
            Why::Replaced => "the next one was due",
            Why::GivenUp => "others gave it up",
        }
    }
}

/// Everything that a configuration says to a daemon.
pub struct Setup {
    /// The cluster that is saved.
    pub cluster: String,
    /// The jobs, by the names of their schedules.
    pub jobs: BTreeMap<String, Job>,
    /// How old things may be.
    pub objectives: Objectives,
    /// The store.
    pub ground: Arc<dyn Ground>,
    /// What carries them out.
    pub runner: Arc<dyn Runner>,
    /// What tells people of it.
    pub teller: Arc<dyn Teller>,
}
