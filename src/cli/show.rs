use super::{
    Exit,
    context::{Context, Trust},
    failure::Failure,
    output,
};
use crate::report;

/// Shows what is known of one recovery point, from the store alone
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  lifeboat show latest
  lifeboat show 20261123T0845 -o json")]
pub(super) struct Args {
    /// The recovery point: an id, the beginning of one, or `latest`
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    trust: Trust,
}

pub(super) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let catalogue = context.catalogue(&args.trust).await?;
    let loaded = catalogue.load(&catalogue.resolve(&args.id).await?).await?;
    output::result(context.global.output, &loaded.manifest, || {
        report::point(&loaded.manifest, &loaded.signature, catalogue.store_url())
    })?;
    Ok(Exit::Done)
}
