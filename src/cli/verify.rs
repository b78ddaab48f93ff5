use super::{
    Exit,
    author::Author,
    context::{Context, Keys, Trust},
    failure::Failure,
    output,
    progress::Spinner,
};
use crate::{
    catalogue::{Candidate, Catalogue, Depth, History, Level, Sample, Survey, Verdict, sample, verify},
    config::Size,
    point::PointId,
    report,
};
use jiff::Timestamp;
use serde_json::{Value, json};

/// Checks that recovery points are whole, signed, and can be opened
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Without an identity: signature, presence, sizes, SHA-256 of the stored bytes.
With -i: also a cheap proof that the identity opens every artifact.
With -i and --deep: everything is opened: SHA-256 of the plaintext, etcd's own SHA-256, every page of the database, its \
KV hash against the live members' at backup time, every object of the export against index and counts. The plaintext \
is kept in memory when three times its size is free, else in a file without a name in $TMPDIR.

Where a signing key is configured, the result is recorded in the store, signed: `lifeboat list` and `show` tell it. \
--sample draws recovery points at random, those sooner that were not verified for long.

Examples:
  lifeboat verify                                  # the newest one
  lifeboat verify --all
  lifeboat verify latest --deep -i identity.txt
  lifeboat verify --sample 3 --budget 20GiB        # every night, from cron")]
pub(super) struct Args {
    /// Recovery points: ids, beginnings of ids, or `latest` [default: latest]
    #[arg(value_name = "ID", conflicts_with_all = ["all", "sample"])]
    ids: Vec<String>,
    /// Every recovery point
    #[arg(long, conflicts_with = "sample")]
    all: bool,
    /// So many recovery points, drawn at random
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    sample: Option<u32>,
    /// Draw no more than this of stored bytes, such as 20GiB
    #[arg(long, value_name = "SIZE", requires = "sample")]
    budget: Option<Size>,
    /// Draw as another draw with this number did
    #[arg(long, value_name = "NUMBER", requires = "sample")]
    seed: Option<u64>,
    /// Open everything (needs an identity)
    #[arg(long)]
    deep: bool,
    /// Do not record the result in the store
    #[arg(long)]
    no_record: bool,
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
    let (ids, drawn) = chosen(&catalogue, &args).await?;
    let author = if args.no_record { None } else { author(context)? };
    let (mut verdicts, mut values) = (Vec::new(), Vec::new());
    for (at, id) in ids.iter().enumerate() {
        tracing::info!("verifying {id}");
        let what = format!("{id} ({} of {})", at + 1, ids.len());
        let _shown = Spinner::point(&context.global, &catalogue, id, &what).await;
        let began = Timestamp::now();
        let verdict = verify(&catalogue, id, &depth).await?;
        let mut value = serde_json::to_value(&verdict)?;
        value["record"] = json!(record(&catalogue, &verdict, began, author.as_ref()).await);
        values.push(value);
        verdicts.push(verdict);
    }
    let worst = verdicts.iter().map(Verdict::worst).max().unwrap_or(Level::Ok);
    let value = json!({"worst": worst, "points": values, "sample": drawn});
    let wrong: Vec<&str> =
        verdicts.iter().filter(|it| it.worst() == Level::Error).map(|it| it.id.as_str()).collect();
    context.say(match wrong.as_slice() {
        [] => format!("{} recovery points are what was saved", verdicts.len()),
        wrong => format!("something is wrong with {}", wrong.join(", ")),
    });
    output::result(context.global.output, &value, || report::verdicts(&verdicts, !context.global.quiet))?;
    Ok(if worst == Level::Error { Exit::Verification } else { Exit::Done })
}

/// The recovery points that were asked for, and how they were drawn, if they were.
async fn chosen(catalogue: &Catalogue, args: &Args) -> Result<(Vec<PointId>, Option<Value>), Failure> {
    if let Some(count) = args.sample {
        return draw(catalogue, count, args).await;
    }
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
    Ok((ids, None))
}

async fn draw(
    catalogue: &Catalogue,
    count: u32,
    args: &Args,
) -> Result<(Vec<PointId>, Option<Value>), Failure> {
    let Survey { points, standings, .. } = catalogue.survey(History::Newest).await?;
    if points.is_empty() {
        catalogue.resolve("latest").await?;
    }
    let candidates: Vec<Candidate> = points
        .iter()
        .map(|point| Candidate {
            id: point.id.clone(),
            bytes: point.manifest.as_ref().map_or(0, |manifest| manifest.stored_bytes()),
            verified: standings.get(&point.id).and_then(|s| Some(s.verified.as_ref()?.at)),
        })
        .collect();
    let seed = args.seed.unwrap_or_else(rand::random);
    let budget = args.budget.as_ref().map(Size::bytes);
    let Sample { chosen, left_out, bytes } =
        sample(&candidates, count as usize, budget, seed, Timestamp::now());
    tracing::info!("{} of {} recovery points were drawn with --seed {seed}", chosen.len(), candidates.len());
    if chosen.is_empty() {
        let smallest = candidates.iter().map(|c| c.bytes).min().unwrap_or_default();
        let text = format!("no recovery point fits the budget: the smallest has {}", report::bytes(smallest));
        return Err(Failure::usage(text).help("give a larger --budget, or none"));
    }
    if !left_out.is_empty() {
        let left: Vec<&str> = left_out.iter().map(PointId::as_str).collect();
        tracing::warn!("drawn, but too large for what is left of the budget: {}", left.join(", "));
    }
    let value = json!({"seed": seed, "of": candidates.len(), "bytes": bytes, "leftOut": left_out});
    Ok((chosen, Some(value)))
}

/// Who records the results; nobody without a signing key, and then it is said why.
fn author(context: &Context) -> Result<Option<Author>, Failure> {
    let (author, unsigned) = Author::if_possible(context, None)?;
    Ok(match unsigned {
        Some(why) => {
            tracing::warn!(
                "the result is not recorded in the store: {why} (--no-record leaves it without a word)"
            );
            None
        }
        None => Some(author),
    })
}

/// Records what was found. That a store does not take it says nothing of the recovery point.
async fn record(
    catalogue: &Catalogue,
    verdict: &Verdict,
    began: Timestamp,
    author: Option<&Author>,
) -> Option<PointId> {
    let ended = Timestamp::now();
    match catalogue.record_verification(verdict, began, ended, author?.borrowed()).await {
        Ok(record) => record.map(|record| record.id),
        Err(e) => {
            tracing::warn!("the result of {} is not recorded: {e}", verdict.id);
            None
        }
    }
}
