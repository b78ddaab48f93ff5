//! `lifeboat schedule`: what the configuration has run by itself. One file per command.

mod job;
mod next;
mod runs;

pub(super) use job::job;

use super::{Exit, context::Context, failure::Failure};
use crate::daemon::Job;
use clap::Subcommand;

/// What somebody writes who has none yet.
pub(super) const EXAMPLE: &str =
    "write what runs and when, such as `schedules: [{name: hourly, cron: \"0 * * * *\", run: {backup: {}}}]`";

/// See what runs by itself, and when
#[derive(Debug, Subcommand)]
pub(super) enum Schedule {
    Next(next::Args),
    Runs(runs::Args),
}

pub(super) async fn run(context: &Context, command: Schedule) -> Result<Exit, Failure> {
    match command {
        Schedule::Next(args) => next::run(context, args).await,
        Schedule::Runs(args) => runs::run(context, args).await,
    }
}

/// The jobs of the configuration; those that were asked for, or all.
fn jobs(context: &Context, wanted: &[String]) -> Result<Vec<Job>, Failure> {
    let loaded = context.config()?;
    let all = &loaded.config.schedules;
    if all.is_empty() {
        let text = format!("{} has no `schedules`", loaded.path.display());
        return Err(Failure::usage(text).help(EXAMPLE));
    }
    for name in wanted {
        if !all.iter().any(|it| it.name.as_str() == name) {
            let names: Vec<&str> = all.iter().map(|it| it.name.as_str()).collect();
            return Err(Failure::usage(format!(
                "no schedule is called `{name}`: there are {}",
                names.join(", ")
            )));
        }
    }
    let asked = |name: &str| wanted.is_empty() || wanted.iter().any(|it| it == name);
    Ok(all.iter().filter(|it| asked(it.name.as_str())).map(|it| job(loaded, it)).collect())
}
