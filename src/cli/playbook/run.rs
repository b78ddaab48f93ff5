use super::{
    carry::{self, Carrying},
    prepare::{self, Given, Making, Opening},
};
use crate::{
    cli::{
        Exit,
        author::Author,
        context::{Api, Context},
        failure::Failure,
        output,
    },
    playbook::{Journal, plan::Plan},
    point::PointId,
    report,
};
use jiff::Timestamp;
use std::{
    io::{BufRead, IsTerminal, Write},
    path::{Path, PathBuf},
};

/// Carries out a playbook: its plan, and nothing else
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The plan is made and shown, and carried out once somebody says yes: at the terminal, by --yes, or by --plan with a plan that was \
made before (`lifeboat playbook plan --to`). A plan of before is made again and compared: if anything has changed since, it is \
not carried out.

Every call is written to the journal before it is made. A run that was interrupted goes on with `lifeboat playbook resume`, and is \
taken back with `lifeboat playbook undo`.

A playbook that runs on a host (`runsOn: host`) is started on that host and needs no API server; where it restores, it needs an \
identity.

Exit codes: 0 completed; 1 failed, stopped, or rolled back; 3 some steps failed and the run went on; 6 something speaks against \
the plan, it has changed, or another run has the lock.

Examples:
  lifeboat playbook run compromised-pod -p incident=INC-7 -p pod=shop/web-0
  lifeboat playbook run compromised-pod -p incident=INC-7 \\
      -p pod=shop/web-0 --dry-run
  lifeboat playbook run --plan plan.json --yes
  lifeboat playbook run etcd-quorum-loss -p incident=OPS-7 -p host=cp1 \\
      -i identity.txt")]
pub(in crate::cli) struct Args {
    /// The playbook: its name, or its file; with --plan only if it is not in the directory of playbooks
    #[arg(value_name = "PLAYBOOK", required_unless_present = "plan")]
    playbook: Option<String>,
    #[command(flatten)]
    given: Given,
    /// Carry out this plan
    #[arg(long, value_name = "FILE", conflicts_with_all = ["params", "by"])]
    plan: Option<PathBuf>,
    /// Only show the plan
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// Who starts it [default: user@host]
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    #[command(flatten)]
    carrying: Carrying,
    #[command(flatten)]
    api: Api,
    #[command(flatten)]
    opening: Opening,
}

pub(super) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let equipment = prepare::equipment(context, &args.opening, &args.api).await?;
    let given = args.plan.as_deref().map(read).transpose()?;
    let runs_on = match &given {
        Some(plan) => prepare::plan_runs_on(plan),
        None => prepare::runs_on(context, args.playbook.as_deref().unwrap_or_default())?,
    };
    let target = prepare::target(context, &args.api, runs_on).await?;
    let plan = match given {
        None => {
            let (author, _) = Author::if_possible(context, args.by.clone())?;
            let now = Timestamp::now();
            let making = Making {
                playbook: args.playbook.as_deref().unwrap_or_default(),
                given: args.given.read()?,
                run: PointId::new(now, rand::random()),
                by: author.borrowed().by.to_owned(),
                now,
            };
            prepare::planned(context, &target, &equipment, making).await?
        }
        Some(plan) => {
            let again = Making {
                playbook: args.playbook.as_deref().unwrap_or(&plan.playbook.name),
                given: plan.params.clone().into_iter().collect(),
                run: plan.run.clone(),
                by: plan.by.clone(),
                now: plan.made_at,
            };
            let again = prepare::planned(context, &target, &equipment, again).await?;
            if again.digest() != plan.digest() {
                let file = args.plan.as_deref().unwrap_or(Path::new("-")).display();
                let text = format!("what the plan {file} would do has changed since it was made");
                let help = format!("{}make a new plan, and have that approved", changed(&plan, &again));
                return Err(Failure::new(Exit::Conflict, text).help(help));
            }
            plan
        }
    };
    if args.dry_run {
        output::result(context.global.output, &plan, || report::plan_text(&plan))?;
        return Ok(if plan.can_run() { Exit::Done } else { Exit::Conflict });
    }
    if !plan.can_run() {
        eprint(&report::plan_text(&plan));
        return Err(Failure::new(Exit::Conflict, "something speaks against the plan: nothing was done"));
    }
    prepare::can_open(&plan, &equipment)?;
    if !args.yes && args.plan.is_none() {
        eprint(&report::plan_text(&plan));
        agreed()?;
    }
    let directory = carry::directory(context, &args.carrying, &plan.run)?;
    carry::begin(&directory, &plan)?;
    let journal = Journal::create(&directory.join(carry::JOURNAL))?;
    carry::out(context, (&plan, &directory), (journal, Vec::new()), &target, &equipment, &args.carrying).await
}

fn read(file: &Path) -> Result<Plan, Failure> {
    let bytes = std::fs::read(file).map_err(|e| Failure::usage(format!("{}: {e}", file.display())))?;
    serde_json::from_slice(&bytes).map_err(|e| {
        Failure::usage(format!("{} is no plan: {e}", file.display()))
            .help("`lifeboat playbook plan --to FILE` writes one")
    })
}

/// In which steps two plans differ.
fn changed(before: &Plan, now: &Plan) -> String {
    let (old, new) = (before.every_step(), now.every_step());
    let differing = new.iter().filter(|step| old.iter().find(|it| it.id == step.id) != Some(step));
    let names: Vec<&str> = differing.map(|step| step.id.as_str()).take(5).collect();
    let mut text = String::new();
    if !names.is_empty() {
        text.push_str(&format!("steps that differ: {}; ", names.join(", ")));
    }
    for finding in now.findings.iter().filter(|it| !before.findings.contains(it)).take(3) {
        text.push_str(&format!("{}; ", finding.message));
    }
    text
}

fn eprint(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// Asks whoever sits at the terminal.
fn agreed() -> Result<(), Failure> {
    if !std::io::stdin().is_terminal() {
        let text = "nobody was asked, and nothing was done: this is not a terminal";
        return Err(
            Failure::usage(text).help("write --yes, or carry out a plan that was looked at: --plan FILE")
        );
    }
    eprint("\nCarry this out? Only `yes` does it: ");
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    match answer.trim() {
        "yes" => Ok(()),
        _ => Err(Failure::new(Exit::Failed, "nothing was done")),
    }
}
