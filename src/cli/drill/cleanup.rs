use super::request::configured_base;
use crate::{
    cli::{Exit, context::Context, failure::Failure, output},
    drill::staging::{clean_up, leftovers},
};
use serde_json::json;
use std::path::PathBuf;

/// Takes away what drills have left that were killed
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A drill takes everything away that it made, whatever happens to it; only one that was killed (`kill -9`, a loss of power) cannot. \
What it left is found by its mark: directories of staging whose drill no longer lives, the processes that belong to them, and the objects in \
an existing cluster that carry the drill's label. \
Every `lifeboat drill run` does this first. Nothing without the mark is ever touched, and a drill that runs is left alone.

Examples:
  lifeboat drill cleanup --dry-run
  lifeboat drill cleanup
  lifeboat drill cleanup --directory /var/lib/lifeboat-drills")]
pub(in crate::cli) struct Args {
    /// Where drills were made [default: drills.directory, else a directory for temporary files]
    #[arg(long, value_name = "DIR")]
    directory: Option<PathBuf>,
    /// Only say what there is
    #[arg(long)]
    dry_run: bool,
}

pub(super) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let base = args.directory.map_or_else(|| configured_base(context), Ok)?;
    let base = std::path::absolute(base)?;
    let nothing = || format!("Drills have left nothing in {}", base.display());
    if args.dry_run {
        let found = leftovers(&base)?;
        let all: Vec<_> = found.iter().map(|it| json!({"drill": it.drill, "what": it.what})).collect();
        output::result(context.global.output, &json!({"dryRun": true, "leftovers": all}), || {
            let lines =
                found.iter().map(|it| format!("{} would be taken away: {}", it.drill, it.what.join(", ")));
            if found.is_empty() { nothing() } else { lines.collect::<Vec<_>>().join("\n") }
        })?;
        return Ok(Exit::Done);
    }
    let removed = clean_up(&base).await?;
    let all: Vec<_> =
        removed.iter().map(|(drill, removed)| json!({"drill": drill, "removed": removed})).collect();
    output::result(context.global.output, &json!({"leftovers": all}), || {
        let lines = removed.iter().flat_map(|(drill, removed)| {
            removed.iter().map(move |it| {
                let word = if it.gone { "is gone" } else { "IS STILL THERE" };
                format!("{drill}: {} {word}: {}", it.what, it.proof)
            })
        });
        if removed.is_empty() { nothing() } else { lines.collect::<Vec<_>>().join("\n") }
    })?;
    let gone = removed.iter().flat_map(|(_, removed)| removed).all(|it| it.gone);
    Ok(if gone { Exit::Done } else { Exit::Failed })
}
