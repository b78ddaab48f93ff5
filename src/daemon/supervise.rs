//! The daemon as a whole: keepers for all schedules, signals, a configuration that changes.

use super::{
    Board, Page, Setup,
    around::look_around,
    board::Trouble,
    ground::Clock,
    keeper::{Keeper, Shared},
    run::Phase,
    serve::serve,
};
use crate::point::News;
use std::{collections::BTreeSet, pin::pin, sync::Arc, time::Duration};
use thiserror::Error;
use tokio::{
    net::TcpListener,
    sync::{Notify, mpsc, watch},
    task::{JoinError, JoinSet},
    time::{sleep, timeout},
};
use tokio_util::task::TaskTracker;

/// How often it is looked whether the configuration has changed.
const LOOK: Duration = Duration::from_secs(10);
/// Processes that were asked to end, and what is to be told the store of them, have so long.
const LAST: Duration = Duration::from_secs(40);
/// People who are to be told at the end have so long to take it.
const TOLD: Duration = Duration::from_secs(15);

/// How a daemon runs.
pub struct Options {
    /// Its name: no other daemon of these schedules has it.
    pub holder: String,
    /// Runs that are under way when it is to end may go on so long.
    pub grace: Duration,
    /// The time.
    pub clock: Clock,
    /// Where it answers, if it does.
    pub listener: Option<TcpListener>,
    /// Its status page, if it has one.
    pub page: Option<Page>,
}

/// Reads the configuration again. None when it is as it was.
pub type Reload = Box<dyn FnMut() -> Result<Option<Setup>, String> + Send>;

/// Why a daemon ended without being told to.
#[derive(Debug, Error)]
pub enum DaemonError {
    /// A part of it ended.
    #[error("a part of the daemon ended, and so it ends as a whole: {0}")]
    Died(String),
    /// Runs did not end in time.
    #[error(
        "runs that were stopped did not end within {0} s: another daemon will find them without a sign of life"
    )]
    Unended(u64),
}

/// What a daemon is told from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// To end.
    End,
    /// To read the configuration again.
    Reload,
}

/// Runs until it is told to end, or nobody can tell it any more.
///
/// # Errors
/// When a part of it dies, or runs do not end in time.
pub async fn run(
    options: Options,
    setup: Setup,
    mut reload: Reload,
    board: Arc<Board>,
    mut signals: mpsc::Receiver<Signal>,
) -> Result<(), DaemonError> {
    let (setups, setup) = watch::channel(Arc::new(setup));
    let (phases, phase) = watch::channel(Phase::Keeping);
    let shared = Arc::new(Shared {
        setup,
        phase,
        clock: options.clock,
        holder: options.holder,
        board: board.clone(),
        ran: Notify::new(),
        tellings: TaskTracker::new(),
    });
    board.note(|it| {
        let setup = shared.setup.borrow();
        (it.cluster, it.objectives) = (setup.cluster.clone(), setup.objectives);
    });
    let mut keepers = Keepers { tasks: JoinSet::new(), names: BTreeSet::new() };
    keepers.complete(&shared);
    let served = async {
        match options.listener {
            Some(listener) => serve(listener, board.clone(), options.page, shared.clock.clone()).await,
            None => std::future::pending().await,
        }
    };
    let mut served = pin!(served);
    let mut around = pin!(look_around(shared.clone()));
    loop {
        let signal = tokio::select! {
            Some(ended) = keepers.tasks.join_next() => {
                keepers.ended(ended)?;
                keepers.complete(&shared);
                continue;
            }
            served = &mut served => {
                let why = served.err().map_or_else(String::new, |e| format!(": {e}"));
                return Err(DaemonError::Died(format!("nobody is answered any more{why}")));
            }
            never = &mut around => match never {},
            () = sleep(LOOK) => Signal::Reload,
            told = signals.recv() => told.unwrap_or(Signal::End),
        };
        if signal == Signal::End {
            break;
        }
        match reload() {
            // It may have been wrong meanwhile.
            Ok(None) => {
                let mut rejected = false;
                board.note(|it| rejected = it.configuration.take().is_some());
                if rejected {
                    shared.announce(News::of_configuration_accepted());
                }
            }
            Ok(Some(new)) => {
                tracing::info!("the configuration has changed, and is in force");
                board.note(|it| {
                    it.configuration = None;
                    (it.cluster, it.objectives) = (new.cluster.clone(), new.objectives);
                    it.schedules.retain(|name, _| new.jobs.contains_key(name));
                });
                setups.send_replace(Arc::new(new));
                keepers.complete(&shared);
                shared.announce(News::of_configuration_accepted());
            }
            Err(why) => {
                let mut told = false;
                let now = (shared.clock)();
                board.note(|it| {
                    told = it.configuration.as_ref().is_some_and(|before| before.why == why);
                    Trouble::seen(&mut it.configuration, why.clone(), now);
                });
                if !told {
                    shared.announce(News::of_configuration_rejected());
                    tracing::error!(
                        "the configuration as it is now cannot be used, and the one before stays in force: {why}"
                    );
                }
            }
        }
    }
    board.note(|it| it.ending = true);
    phases.send_replace(Phase::Ending);
    tracing::info!("ending: what runs has {} s to come to its end", options.grace.as_secs());
    let ended = async {
        match timeout(options.grace, keepers.all_ended()).await {
            Ok(ended) => ended,
            Err(_) => {
                tracing::warn!("what still runs is stopped");
                phases.send_replace(Phase::Stopping);
                let all = timeout(LAST, keepers.all_ended()).await;
                all.map_err(|_| DaemonError::Unended(LAST.as_secs()))?
            }
        }?;
        shared.tellings.close();
        if timeout(TOLD, shared.tellings.wait()).await.is_err() {
            tracing::error!("{} message(s) could not be delivered in time", shared.tellings.len());
        }
        Ok(())
    };
    tokio::select! {
        ended = ended => ended,
        // Whether somebody can be answered does not matter any more.
        () = async { let _ = served.await; std::future::pending().await } => Ok(()),
    }
}

/// A task for each schedule.
struct Keepers {
    tasks: JoinSet<String>,
    names: BTreeSet<String>,
}

impl Keepers {
    /// Begins those that are missing.
    fn complete(&mut self, shared: &Arc<Shared>) {
        let setup = shared.setup.borrow().clone();
        for name in setup.jobs.keys() {
            if self.names.insert(name.clone()) {
                self.tasks.spawn(Keeper::new(name, shared.clone()).keep());
            }
        }
    }

    fn ended(&mut self, ended: Result<String, JoinError>) -> Result<(), DaemonError> {
        let name = ended.map_err(|e| DaemonError::Died(e.to_string()))?;
        self.names.remove(&name);
        Ok(())
    }

    async fn all_ended(&mut self) -> Result<(), DaemonError> {
        while let Some(ended) = self.tasks.join_next().await {
            self.ended(ended)?;
        }
        Ok(())
    }
}
