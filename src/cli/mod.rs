//! The command line: one file per command, exit codes, what goes to standard output.

mod author;
mod backup;
mod certificates;
mod context;
mod copy;
mod daemon;
mod diff;
mod doctor;
mod drill;
mod extract;
mod failure;
mod find;
mod get;
mod handed;
mod hold;
mod init;
mod inspect;
mod list;
mod news;
mod notify;
mod output;
mod playbook;
mod progress;
mod prune;
mod resources;
mod restore;
mod restore_request;
mod retention;
mod schedule;
mod schema;
mod show;
mod since;
mod status;
mod stores;
mod swap;
mod tag;
mod trace;
mod verify;
mod yaml;

pub use failure::Exit;

use crate::point::{News, TurnOutcome};
use clap::{CommandFactory, Parser, Subcommand, ValueEnum, error::ErrorKind};
use context::{Context, Global, LogFormat};
use failure::Failure;
use jiff::Timestamp;
use news::Herald;
use std::{process::ExitCode, time::Instant};
use tracing::Instrument;

const LONG: &str = "\
Lifeboat saves a Kubernetes cluster's state - etcd snapshots and exports of every object - encrypted, compressed and \
verified, into a store that needs nothing else to restore from.

Start with `lifeboat init`, then `lifeboat doctor`, then `lifeboat backup`.";

const AFTER: &str = "\
Exit codes:
  0  done
  1  failed
  2  wrong usage or configuration
  3  partially failed: a recovery point was stored, and something is missing in it; or not everything could be restored, or
     deleted
  4  verification failed: what is stored, or came back in a drill, is not what was saved, or is not signed by the expected key
  5  objective missed: a drill brought everything back, but too late, or something too old; or `status` found the newest
     recovery point, verification or drill too old
  6  locked or in conflict: something is there already, somebody else is at work, or too much would be deleted

Examples:
  lifeboat init --cluster prod-eu1 --etcd-endpoints https://127.0.0.1:2379
  lifeboat backup
  lifeboat verify latest --deep -i identity.txt
  lifeboat restore etcd latest --data-dir /var/lib/etcd-restored -i identity.txt
  lifeboat drill run -i identity.txt";

#[derive(Debug, Parser)]
#[command(name = "lifeboat", version, about = "Saves a Kubernetes cluster's state and brings it back", long_about = LONG,
          after_help = AFTER, disable_help_subcommand = true)]
struct Arguments {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Init(init::Args),
    Doctor(doctor::Args),
    Backup(backup::Args),
    Status(status::Args),
    List(list::Args),
    Show(show::Args),
    Verify(verify::Args),
    Hold(hold::HoldArgs),
    Release(hold::ReleaseArgs),
    Tag(tag::Args),
    Copy(copy::Args),
    Prune(Box<prune::Args>),
    Diff(Box<diff::Args>),
    Find(find::Args),
    Get(get::Args),
    Extract(extract::Args),
    Inspect(inspect::Args),
    /// Bring back what was saved
    #[command(subcommand)]
    Restore(Restore),
    #[command(subcommand)]
    Drill(drill::Drill),
    #[command(subcommand)]
    Playbook(playbook::Playbook),
    #[command(subcommand)]
    Schedule(schedule::Schedule),
    Daemon(daemon::Args),
    Schema(schema::Args),
    Completions(schema::Completions),
    Man(schema::Man),
}

#[derive(Debug, Subcommand)]
enum Restore {
    Etcd(Box<restore::Args>),
    Resources(Box<resources::Args>),
    Undo(swap::UndoArgs),
}

impl Command {
    /// What a schedule would call it, if it is one of what schedules run.
    fn runs(&self) -> Option<&'static str> {
        Some(match self {
            Command::Backup(_) => "backup",
            Command::Prune(_) => "prune",
            Command::Verify(_) => "verify",
            Command::Copy(_) => "copy",
            Command::Status(_) => "status",
            Command::Drill(drill::Drill::Run(_)) => "drill",
            Command::Playbook(playbook::Playbook::Run(_)) => "playbook",
            _ => return None,
        })
    }
}

/// The command line as clap knows it: what is written about it can be checked against it.
pub fn command() -> clap::Command {
    Arguments::command()
}

/// How a result is written to standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Table,
    /// One JSON document.
    Json,
    /// YAML, for people.
    Yaml,
}

/// Runs the program and returns its exit code.
pub async fn main() -> ExitCode {
    let began = (Timestamp::now(), Instant::now());
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(e) => return usage(&e),
    };
    let (format, log_format) = (arguments.global.output, arguments.global.log_format);
    // A daemon is silent otherwise, and its log is all that is seen of it.
    let told = u8::from(matches!(arguments.command, Command::Daemon(_)));
    output::start_log(&arguments.global, told);
    let runs = arguments.command.runs();
    let turn = handed::turn();
    let context = Context::new(arguments.global, trace::begin(runs, turn.as_deref(), began));
    let running = async {
        let told = |failure: &Failure| output::failure(format, log_format, failure);
        carry_out(&context, arguments.command).await.inspect_err(told)
    };
    let result = running.instrument(trace::span(turn.as_deref(), &context.trace)).await;
    let (exit, said) = match result {
        Ok(exit) => (exit, context.said().map(str::to_owned)),
        Err(failure) => (failure.exit, Some(output::without_identities(&failure.error.to_string()))),
    };
    if let Some(runs) = runs {
        let outcome = TurnOutcome::of_exit(exit as u8);
        let news = News::of_command(runs, outcome, said.as_deref());
        // Of the runs that a daemon begins the daemon tells.
        if turn.is_none() {
            Herald::from_environment().tell(&news).await;
        }
        trace::end(&context.trace, outcome, exit, &news).await;
    }
    exit.into()
}

async fn carry_out(context: &Context, asked: Command) -> Result<Exit, Failure> {
    match asked {
        Command::Init(args) => init::run(context, args),
        Command::Doctor(args) => doctor::run(context, args).await,
        Command::Backup(args) => backup::run(context, args).await,
        Command::Status(args) => status::run(context, args).await,
        Command::List(args) => list::run(context, args).await,
        Command::Show(args) => show::run(context, args).await,
        Command::Verify(args) => verify::run(context, args).await,
        Command::Hold(args) => hold::hold(context, args).await,
        Command::Release(args) => hold::release(context, args).await,
        Command::Tag(args) => tag::run(context, args).await,
        Command::Copy(args) => copy::run(context, args).await,
        Command::Prune(args) => prune::run(context, *args).await,
        Command::Diff(args) => diff::run(context, *args).await,
        Command::Find(args) => find::run(context, args).await,
        Command::Get(args) => get::run(context, args).await,
        Command::Extract(args) => extract::run(context, args).await,
        Command::Inspect(args) => inspect::run(context, args).await,
        Command::Restore(Restore::Etcd(args)) => restore::run(context, *args).await,
        Command::Restore(Restore::Resources(args)) => resources::run(context, *args).await,
        Command::Restore(Restore::Undo(args)) => swap::undo(context, args).await,
        Command::Drill(command) => drill::run(context, command).await,
        Command::Playbook(command) => playbook::run(context, command).await,
        Command::Schedule(command) => schedule::run(context, command).await,
        Command::Daemon(args) => daemon::run(context, args).await,
        Command::Schema(args) => schema::schema(args),
        Command::Completions(args) => schema::completions(args, command()),
        Command::Man(args) => schema::man(&args, command()),
    }
}

fn usage(error: &clap::Error) -> ExitCode {
    let shown = matches!(
        error.kind(),
        ErrorKind::DisplayHelp
            | ErrorKind::DisplayVersion
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    );
    let given: Vec<String> = std::env::args().collect();
    let json = given.windows(2).any(|w| matches!(w[0].as_str(), "-o" | "--output") && w[1] == "json")
        || given.iter().any(|a| a == "-ojson" || a == "--output=json");
    let text = error.render().to_string();
    let safe = output::without_identities(&text);
    if !shown && json {
        output::failure(Format::Json, LogFormat::Text, &Failure::usage(safe.trim()));
    } else if safe != text {
        output::failure(Format::Table, LogFormat::Text, &Failure::usage(safe.trim()));
    } else {
        // A closed pipe is no reason to complain.
        let _ = error.print();
    }
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        ExitCode::SUCCESS
    } else {
        Exit::Usage.into()
    }
}
