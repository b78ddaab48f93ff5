use super::{
    Exit,
    author::Author,
    context::{Context, Trust},
    failure::Failure,
    output,
};
use crate::catalogue::Holding;
use jiff::Timestamp;
use serde_json::json;

/// Exempts a recovery point from retention
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The hold is a signed record beside the recovery point: retention leaves the point alone until `lifeboat release`. In a bucket \
with Object Lock every object of the point gets a legal hold as well, so that nobody can delete it. Without a signing key the \
hold is recorded unsigned, and counts all the same.

Examples:
  lifeboat hold 20261123T084500Z-k3f9 --reason audit-2026-117
  lifeboat hold latest --reason upgrade-to-1.36 --by alice")]
pub(super) struct HoldArgs {
    /// The recovery point: an id, the beginning of one, or `latest`
    #[arg(value_name = "ID")]
    id: String,
    /// Why, in one sentence that will be understood in a year
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Who holds it [default: user@host]
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    #[command(flatten)]
    trust: Trust,
}

/// Ends the holds of a recovery point
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Legal holds of the objects are lifted first, then the release is recorded, signed. It ends the holds that there are at this \
moment. When the recovery point is held all the same afterwards, by a hold that came meanwhile, the exit code is 6.

Examples:
  lifeboat release 20261123T084500Z-k3f9 --reason audit-is-closed")]
pub(super) struct ReleaseArgs {
    /// The recovery point: an id, the beginning of one, or `latest`
    #[arg(value_name = "ID")]
    id: String,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Who releases it [default: user@host]
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    #[command(flatten)]
    trust: Trust,
}

pub(super) async fn hold(context: &Context, args: HoldArgs) -> Result<Exit, Failure> {
    let catalogue = context.catalogue(&args.trust).await?;
    let id = catalogue.resolve(&args.id).await?;
    let (author, unsigned) = Author::if_possible(context, args.by)?;
    if let Some(why) = unsigned {
        tracing::warn!("the hold is not signed ({why}); it counts all the same");
    }
    let done = catalogue.hold(&id, &args.reason, author.borrowed(), Timestamp::now()).await?;
    answer(context, &id.to_string(), &done, |done| {
        let objects = legal(done.objects, "are under a legal hold of the store");
        format!("{id} is held: {}{objects}", args.reason.trim())
    })?;
    Ok(Exit::Done)
}

pub(super) async fn release(context: &Context, args: ReleaseArgs) -> Result<Exit, Failure> {
    let catalogue = context.catalogue(&args.trust).await?;
    let id = catalogue.resolve(&args.id).await?;
    let author = Author::signing(context, &catalogue, args.by)?;
    let done = catalogue.release(&id, &args.reason, author.borrowed(), Timestamp::now()).await?;
    answer(context, &id.to_string(), &done, |done| match (&done.held, &done.record) {
        (Some(held), _) => format!("{id} is still held, by what came meanwhile: {}", held.reason),
        (None, None) => format!("{id} was not held"),
        (None, Some(_)) => {
            let objects = legal(done.objects, "are no longer under a legal hold");
            format!("{id} is released: {}{objects}", args.reason.trim())
        }
    })?;
    Ok(if done.held.is_some() { Exit::Conflict } else { Exit::Done })
}

fn legal(objects: usize, what: &str) -> String {
    if objects == 0 { String::new() } else { format!("; {objects} objects {what}") }
}

fn answer(
    context: &Context,
    id: &str,
    done: &Holding,
    words: impl FnOnce(&Holding) -> String,
) -> Result<(), Failure> {
    let value = json!({"id": id, "held": done.held, "record": done.record, "legalHolds": done.objects});
    output::result(context.global.output, &value, || words(done))
}
