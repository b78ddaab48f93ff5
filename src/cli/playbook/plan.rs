use super::prepare::{self, Given, Making, Opening};
use crate::{
    cli::{
        Exit,
        author::Author,
        context::{Api, Context},
        failure::Failure,
        output,
    },
    point::PointId,
    report,
};
use jiff::Timestamp;
use std::{io::Write, path::PathBuf};

/// Shows what a playbook would do, and changes nothing
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Objects are resolved to their UIDs, every write is tried by the API server (dryRun=All), rights are asked for (those for taking it back, \
too), limits are counted, and what speaks against the plan is told.

With --to the plan is written to a file: `lifeboat playbook run --plan FILE` carries out just that, after it has made sure that \
nothing has changed since. Approvals are bound to the plan's digest.

A playbook that runs on a host (`runsOn: host`) is planned on that host, without an API server.

Exit codes: 0 it could be run; 6 something speaks against it.

Examples:
  lifeboat playbook plan compromised-pod -p incident=INC-7 -p pod=shop/web-0
  lifeboat playbook plan compromised-pod -p incident=INC-7 \\
      -p pod=shop/web-0 --to plan.json")]
pub(in crate::cli) struct Args {
    /// The playbook: its name, or its file
    #[arg(value_name = "PLAYBOOK")]
    playbook: String,
    #[command(flatten)]
    given: Given,
    /// Where the plan is written: a file that does not exist yet
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    /// Who starts it [default: user@host]
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    #[command(flatten)]
    api: Api,
    #[command(flatten)]
    opening: Opening,
}

pub(super) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let equipment = prepare::equipment(context, &args.opening, &args.api).await?;
    let runs_on = prepare::runs_on(context, &args.playbook)?;
    let target = prepare::target(context, &args.api, runs_on).await?;
    let (author, _) = Author::if_possible(context, args.by.clone())?;
    let now = Timestamp::now();
    let making = Making {
        playbook: &args.playbook,
        given: args.given.read()?,
        run: PointId::new(now, rand::random()),
        by: author.borrowed().by.to_owned(),
        now,
    };
    let plan = prepare::planned(context, &target, &equipment, making).await?;
    if let Some(to) = &args.to {
        let mut file = output::beside(to)?;
        file.write_all(&plan.to_bytes())?;
        output::put(file, to)?;
    }
    output::result(context.global.output, &plan, || report::plan_text(&plan))?;
    Ok(if plan.can_run() { Exit::Done } else { Exit::Conflict })
}
