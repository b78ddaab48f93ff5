use super::{
    carry::{self, Carrying},
    prepare::{self, Opening},
};
use crate::{
    cli::{
        Exit,
        context::{Api, Context},
        failure::Failure,
    },
    playbook::{Journal, State},
};
use std::collections::BTreeMap;

/// Goes on with a run that was interrupted
#[derive(Debug, clap::Args)]
#[command(after_help = "\
What may have been done is looked for first: nothing that cannot be taken back is done twice, and nothing is left out. Where \
nobody can tell (a command in a pod, a call to elsewhere) the run stops and asks: look, and say it with --assume.

A step that made the run fail is tried again. A run that was taken back, by `undo` or by itself, is not gone on with.

Examples:
  lifeboat playbook resume latest
  lifeboat playbook resume 20261128T1 --assume collect=not-done")]
pub(in crate::cli) struct Args {
    /// The run: an id, the beginning of one, or `latest`
    #[arg(value_name = "RUN")]
    run: String,
    /// Of a step of which nobody can tell: STEP=done or STEP=not-done
    #[arg(long, value_name = "STEP=…")]
    assume: Vec<String>,
    #[command(flatten)]
    carrying: Carrying,
    #[command(flatten)]
    api: Api,
    #[command(flatten)]
    opening: Opening,
}

/// Takes back what a run did, as far as that is possible
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The newest first. What somebody else has changed since is left, and told; so is what cannot be taken back. Steps with \
`undo: none` stay.

Exit codes: 0 everything was taken back; 3 something stays.

Examples:
  lifeboat playbook undo latest
  lifeboat playbook undo 20261128T1")]
pub(in crate::cli) struct UndoArgs {
    /// The run: an id, the beginning of one, or `latest`
    #[arg(value_name = "RUN")]
    run: String,
    #[command(flatten)]
    carrying: Carrying,
    #[command(flatten)]
    api: Api,
    #[command(flatten)]
    opening: Opening,
}

pub(super) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let mut assume = BTreeMap::new();
    for text in &args.assume {
        let done = match text.rsplit_once('=') {
            Some((step, "done")) => (step, true),
            Some((step, "not-done")) => (step, false),
            _ => return Err(Failure::usage(format!("--assume {text}: write STEP=done or STEP=not-done"))),
        };
        assume.insert(done.0.to_owned(), done.1);
    }
    let journals = prepare::journals(context, args.carrying.journal.clone())?;
    let directory = journals.join(prepare::run_in(&journals, &args.run)?.as_str());
    let plan = carry::plan_in(&directory)?;
    let (journal, entries) = open(&directory)?;
    // Its steps are written down as done, and what they did is not in force any more: nothing would be done again.
    if State::of(&entries).goes_back {
        let text = format!("run {} was taken back, or that was begun: nobody can go on with it", plan.run);
        return Err(Failure::new(Exit::Conflict, text).help(format!(
            "`lifeboat playbook undo {}` brings that to its end; to do it again, start a new run",
            plan.run
        )));
    }
    let equipment = prepare::equipment(context, &args.opening, &args.api).await?;
    let runs_on = prepare::plan_runs_on(&plan);
    let target = prepare::target(context, &args.api, runs_on).await?;
    let place = (&plan, directory.as_path());
    carry::out_assuming(context, place, (journal, entries), &target, &equipment, (&args.carrying, assume))
        .await
}

/// The journal of a run; one that died before it wrote anything begins now.
fn open(directory: &std::path::Path) -> Result<(Journal, Vec<crate::playbook::Entry>), Failure> {
    let path = directory.join(carry::JOURNAL);
    match path.exists() {
        true => Ok(Journal::open(&path)?),
        false => Ok((Journal::create(&path)?, Vec::new())),
    }
}

pub(super) async fn undo(context: &Context, args: UndoArgs) -> Result<Exit, Failure> {
    let journals = prepare::journals(context, args.carrying.journal.clone())?;
    let directory = journals.join(prepare::run_in(&journals, &args.run)?.as_str());
    let plan = carry::plan_in(&directory)?;
    let (journal, entries) = open(&directory)?;
    if entries.is_empty() {
        return Err(Failure::usage(format!("run {} has done nothing", plan.run)));
    }
    let equipment = prepare::equipment(context, &args.opening, &args.api).await?;
    let runs_on = prepare::plan_runs_on(&plan);
    let target = prepare::target(context, &args.api, runs_on).await?;
    let place = (&plan, directory.as_path());
    carry::back(context, place, (journal, entries), &target, &equipment, &args.carrying).await
}
