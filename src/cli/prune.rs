use super::{
    Exit,
    context::{Context, Trust},
    failure::Failure,
    output,
    retention::{Keep, length, policy},
};
use crate::{
    catalogue::prune::{Plan, PruneOptions, apply, plan},
    report,
};
use jiff::Timestamp;
use serde_json::json;

/// Deletes the recovery points and the evidence that retention lets go of
#[derive(Debug, clap::Args)]
#[command(after_help = "\
What is kept is in `retention` of the configuration. The newest complete recovery point, the newest verified ones, what is \
held or locked, and what cannot be read or has a wrong signature stay in any case. Counts apply to each job, and to each \
set of kinds of artifacts, by themselves; only the configured cluster is touched.

The evidence of a drill is kept as long as the drill's file said when it ran (`evidence: {keep: 7y}`; for ever, if it said nothing), and \
the newest of each name in any case.

The manifest goes first: killed at any instant, nothing is listed that is not whole. Remains of interrupted runs are removed \
when they are older than `orphanGrace`. A run that would delete more than `maxDelete` of the points, or that finds one from \
the future, is refused (exit code 6).

Examples:
  lifeboat prune --dry-run
  lifeboat prune
  lifeboat prune --dry-run --keep-last 3 --keep-daily 7 --keep-within 2d
  lifeboat prune --store second -o json | jq .done.deleted")]
pub(super) struct Args {
    /// Show what would go and why, and delete nothing
    #[arg(long)]
    dry_run: bool,
    /// Go on although more would go than `maxDelete` allows
    #[arg(long)]
    beyond_max_delete: bool,
    /// Go on although a recovery point is from the future; it stays, and is not counted
    #[arg(long)]
    despite_clock: bool,
    #[command(flatten)]
    trust: Trust,
    #[command(flatten)]
    keep: Keep,
}

pub(super) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let retention = context.retention_with(&args.keep)?;
    let catalogue = context.catalogue(&args.trust).await?;
    if !catalogue.checks_signatures() {
        tracing::warn!(
            "signatures are not checked (signing.publicKey, or --public-key): who can write to the store can decide what is kept"
        );
    }
    let options = PruneOptions {
        policy: policy(&retention),
        max_delete: if args.beyond_max_delete { 100 } else { retention.max_delete.percent() },
        grace: length(&retention.orphan_grace),
        despite_clock: args.despite_clock,
        now: Timestamp::now(),
    };
    let plan = plan(&catalogue, &options).await?;
    if args.dry_run {
        let value = json!({"dryRun": true, "plan": plan, "done": null});
        context.say("it was only shown what would go".to_owned());
        output::result(context.global.output, &value, || report::prune(&plan, None))?;
        return Ok(Exit::Done);
    }
    refused(&plan)?;
    let done = apply(&catalogue, &plan).await?;
    let value = json!({"dryRun": false, "plan": plan, "done": done});
    output::result(context.global.output, &value, || report::prune(&plan, Some(&done)))?;
    let errors: Vec<&str> = done.failed.iter().map(|it| it.error.as_str()).collect();
    context.say(format!("deleted {} recovery points{}", done.deleted.len(), output::not_all(&errors)));
    for failed in &done.failed {
        tracing::error!("{}", failed.error);
    }
    Ok(if done.failed.is_empty() { Exit::Done } else { Exit::Partial })
}

fn refused(plan: &Plan) -> Result<(), Failure> {
    if plan.refusals.is_empty() {
        return Ok(());
    }
    let all: Vec<String> = plan.refusals.iter().map(ToString::to_string).collect();
    let text = format!("nothing was deleted: {}", all.join("; "));
    Err(Failure::new(Exit::Conflict, text)
        .help("`lifeboat prune --dry-run` shows every recovery point and why"))
}
