//! `lifeboat drill`: one file per command.

mod cleanup;
mod list;
mod note;
mod rehearsal;
mod report;
mod request;
mod run;
mod verify;

use super::{Exit, context::Context, failure::Failure};
use clap::Subcommand;

/// Prove that what is saved can be brought back
#[derive(Debug, Subcommand)]
pub(super) enum Drill {
    Run(Box<run::Args>),
    List(list::Args),
    Show(list::ShowArgs),
    Report(report::Args),
    Verify(verify::Args),
    Note(note::Args),
    Cleanup(cleanup::Args),
}

pub(super) async fn run(context: &Context, command: Drill) -> Result<Exit, Failure> {
    match command {
        Drill::Run(args) => run::run(context, *args).await,
        Drill::List(args) => list::run(context, args).await,
        Drill::Show(args) => list::show(context, args).await,
        Drill::Report(args) => report::run(context, args).await,
        Drill::Verify(args) => verify::run(context, args).await,
        Drill::Note(args) => note::run(context, args).await,
        Drill::Cleanup(args) => cleanup::run(context, args).await,
    }
}
