//! `lifeboat daemon`: from the configuration to the daemon, and from the system's signals.

mod page;
mod setup;

use super::{Exit, author::hostname, context::Context, failure::Failure};
use crate::daemon::{self, Board, Options, Signal};
use jiff::Timestamp;
use std::sync::Arc;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};

/// Runs what the configuration's `schedules` say, when they say it
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Several daemons may run for one store: each run is begun by one of them, and taken up by another when that dies. Each needs a name \
of its own, and the clocks must agree within a minute. A configuration that changes is read again within ten seconds, and at once \
after SIGHUP; one that is wrong is told, and the one before stays in force.

On SIGTERM nothing more begins; what runs has `daemon.grace` to come to its end, and is stopped then.

Examples:
  lifeboat daemon
  lifeboat daemon --name cp1 --log-format json")]
pub(super) struct Args {
    /// The name of this daemon, which no other one has [default: the host's]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

pub(super) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let holder = name(args.name.unwrap_or_else(hostname))?;
    let path = context.config()?.path.clone();
    let mut source = setup::Source::new(context.global.clone(), path);
    let (setup, settings) = source.first()?;
    let board = Arc::new(Board::default());
    let listener = match settings.listen {
        None => None,
        Some(listen) => {
            let bound = TcpListener::bind(listen.address()).await;
            Some(bound.map_err(|e| {
                Failure::new(Exit::Failed, format!("{} cannot be listened on: {e}", listen.address()))
                    .help("`daemon.listen` says where; another daemon may be there already")
            })?)
        }
    };
    exclusive(context).await;
    let names: Vec<&str> = setup.jobs.keys().map(String::as_str).collect();
    tracing::info!("{holder} keeps {}", names.join(", "));
    let page = settings.page.then(|| page::page(&holder));
    let options = Options { holder, grace: settings.grace, clock: Arc::new(Timestamp::now), listener, page };
    let signals = signals()?;
    let reload = Box::new(move || source.again());
    daemon::run(options, setup, reload, board, signals).await?;
    tracing::info!("ended");
    Ok(Exit::Done)
}

/// Says when daemons cannot rely on the store to tell them apart. One that does not answer now may do so later.
async fn exclusive(context: &Context) {
    let promises = async { Ok::<_, Failure>(context.store().await?.promises().await?) };
    match promises.await {
        Ok(promises) if promises.conditional_create => {}
        Ok(_) => tracing::warn!(
            "the store cannot promise that nothing is created twice (see `lifeboat doctor`): let no second daemon run for it"
        ),
        Err(failure) => tracing::warn!("the store does not answer: {}", failure.error),
    }
}

fn name(given: String) -> Result<String, Failure> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    if given.is_empty() || given.len() > 253 || !given.chars().all(fits) {
        let text = "a daemon's name has letters, digits, `-`, `.` and `_`, 253 at most";
        return Err(Failure::usage(text).help("give it one with --name"));
    }
    Ok(given)
}

/// What the system tells.
fn signals() -> Result<mpsc::Receiver<Signal>, Failure> {
    let (told, signals) = mpsc::channel(8);
    for (kind, tell) in [
        (SignalKind::terminate(), Signal::End),
        (SignalKind::interrupt(), Signal::End),
        (SignalKind::hangup(), Signal::Reload),
    ] {
        let mut stream = signal(kind)?;
        let told = told.clone();
        tokio::spawn(async move { while stream.recv().await.is_some() && told.send(tell).await.is_ok() {} });
    }
    Ok(signals)
}
