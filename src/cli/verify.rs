use super::{
    Exit,
    context::{Context, Keys, Trust},
    failure::Failure,
    output,
    progress::Spinner,
};
use crate::{
    catalogue::{Depth, Level, Verdict, verify},
    report,
};
use serde_json::json;

/// Checks that recovery points are whole, signed, and can be opened
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Without an identity: signature, presence, sizes, SHA-256 of the stored bytes.
With -i: also a cheap proof that the identity opens every artifact.
With -i and --deep: everything is opened: SHA-256 of the plaintext, etcd's own SHA-256, every page of the database, its \
KV hash against the live members' at backup time, every object of the export against index and counts. The plaintext \
is kept in memory when three times its size is free, else in a file without a name in $TMPDIR.

Examples:
  lifeboat verify                                  # the newest one
  lifeboat verify --all
  lifeboat verify latest --deep -i identity.txt")]
pub(super) struct Args {
    /// Recovery points: ids, beginnings of ids, or `latest` [default: latest]
    #[arg(value_name = "ID", conflicts_with = "all")]
    ids: Vec<String>,
    /// Every recovery point
    #[arg(long)]
    all: bool,
    /// Open everything (needs an identity)
    #[arg(long)]
    deep: bool,
    #[command(flatten)]
    keys: Keys,
    #[command(flatten)]
    trust: Trust,
}

pub(super) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let catalogue = context.catalogue(&args.trust).await?;
    let depth = match (args.deep, args.keys.given().is_empty()) {
        (true, _) => Depth::Deep(args.keys.load()?),
        (false, false) => Depth::Key(args.keys.load()?),
        (false, true) => Depth::Stored,
    };
    let mut ids = Vec::new();
    if args.all {
        ids = catalogue.ids().await?;
        if ids.is_empty() {
            // Nothing is not a store that is well.
            catalogue.resolve("latest").await?;
        }
    } else if args.ids.is_empty() {
        ids.push(catalogue.resolve("latest").await?);
    }
    for id in &args.ids {
        ids.push(catalogue.resolve(id).await?);
    }
    let mut verdicts = Vec::new();
    for (at, id) in ids.iter().enumerate() {
        tracing::info!("verifying {id}");
        let stored = match Spinner::shows(&context.global) {
            true => catalogue.load(id).await.map_or(0, |point| point.manifest.stored_bytes()),
            false => 0,
        };
        let what = format!("{id} ({} of {})", at + 1, ids.len());
        let _shown = Spinner::reading(&context.global, &what, stored);
        verdicts.push(verify(&catalogue, id, &depth).await?);
    }
    let worst = verdicts.iter().map(Verdict::worst).max().unwrap_or(Level::Ok);
    let value = json!({"worst": worst, "points": verdicts});
    output::result(context.global.output, &value, || report::verdicts(&verdicts, !context.global.quiet))?;
    Ok(if worst == Level::Error { Exit::Verification } else { Exit::Done })
}
