use super::{
    Exit,
    context::{Context, Trust},
    failure::Failure,
    output,
    progress::Spinner,
    retention::policy,
};
use crate::{
    catalogue::{
        Carried, CarriedDrills, Catalogue, CatalogueError, Copied, carry, carry_drills, copy, owed,
        owed_and_kept,
    },
    point::PointId,
    report,
    store::Store,
};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;
use std::sync::Arc;

/// Copies recovery points to another store
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Payloads go first and the manifest last, as in a backup, and every payload is compared with the manifest on its way. What \
an earlier try left there is used, after its SHA-256 was compared. Nothing is overwritten, and nothing of the first store is \
touched.

Holds, tags and recorded verifications go along, and so do the evidence of drills and the notes about them; those that cannot be \
trusted stay behind, but for holds. In a bucket with \
Object Lock the legal holds follow.

Without --to the points go to every store that `copyTo` names. `lifeboat backup` does the same by itself.

Examples:
  lifeboat copy                                    # everything that is missing
  lifeboat copy latest --to second
  lifeboat copy --store second --to main           # and the way back")]
pub(super) struct Args {
    /// Recovery points: ids, beginnings of ids, or `latest` [default: all that are missing there]
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    /// The store, by its name in the configuration; repeatable [default: copyTo of the store]
    #[arg(long, value_name = "NAME")]
    to: Vec<String>,
    #[command(flatten)]
    trust: Trust,
}

/// What became of the copies to one store.
#[derive(Debug, Serialize)]
pub(super) struct Outcome {
    store: String,
    url: String,
    records: Carried,
    drills: CarriedDrills,
    copied: Vec<Copied>,
    failed: Vec<Failed>,
}

#[derive(Debug, Serialize)]
struct Failed {
    id: Option<String>,
    error: String,
}

pub(super) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let from = context.catalogue(&args.trust).await?;
    let names = if args.to.is_empty() { copy_to(context)? } else { args.to.clone() };
    if names.is_empty() {
        let text = "there is no store to copy to: name one with --to, or under the store's `copyTo`";
        return Err(Failure::usage(text));
    }
    let mut outcomes = Vec::new();
    for name in &names {
        let to = context.catalogue_in(context.configured(Some(name)).await?, &args.trust).await?;
        if to.store_url() == from.store_url() {
            return Err(Failure::usage(format!("`{name}` is the store that would be copied from")));
        }
        let mut ids = Vec::new();
        for id in &args.ids {
            ids.push(from.resolve(id).await?);
        }
        if args.ids.is_empty() {
            ids = owes(context, name, &from, &to).await?;
        }
        outcomes.push(all(context, name, &from, &to, ids).await);
    }
    let copied: usize = outcomes.iter().map(|it| it.copied.len()).sum();
    let errors: Vec<&str> = outcomes.iter().flat_map(|it| &it.failed).map(|it| it.error.as_str()).collect();
    context.say(format!("copied {copied} recovery points{}", output::not_all(&errors)));
    output::result(context.global.output, &json!({"stores": outcomes}), || table(&outcomes))?;
    Ok(exit(&outcomes))
}

/// Copies what is missing to every store that `copyTo` names. What fails is told, and never more than that: the recovery
/// point is complete where it was written.
pub(super) async fn after_backup(context: &Context, trust: &Trust) -> Result<bool, Failure> {
    let mut paid = true;
    for name in copy_to(context)? {
        let outcome = one_store(context, &name, trust).await;
        let failed = match outcome {
            Ok(outcome) => outcome.failed,
            Err(e) => vec![Failed { id: None, error: e.error.to_string() }],
        };
        for failure in &failed {
            let id = failure.id.as_deref().unwrap_or("every recovery point that is missing there");
            tracing::error!(
                "the copy of {id} to the store `{name}` is owed: {}; the next backup tries again, and so does `lifeboat copy`",
                failure.error
            );
            paid = false;
        }
    }
    Ok(paid)
}

async fn one_store(context: &Context, name: &str, trust: &Trust) -> Result<Outcome, Failure> {
    let from = context.catalogue(trust).await?;
    let to = context.catalogue_in(context.configured(Some(name)).await?, trust).await?;
    let ids = owes(context, name, &from, &to).await?;
    Ok(all(context, name, &from, &to, ids).await)
}

/// How many recovery points a store lacks.
pub(super) async fn debt(context: &Context, name: &str, store: Arc<dyn Store>) -> Result<usize, Failure> {
    let trust = Trust::default();
    let from = context.catalogue(&trust).await?;
    let to = context.catalogue_in(store, &trust).await?;
    Ok(owes(context, name, &from, &to).await?.len())
}

/// What a store lacks, and would keep.
pub(super) async fn owes(
    context: &Context,
    name: &str,
    from: &Catalogue,
    to: &Catalogue,
) -> Result<Vec<PointId>, Failure> {
    Ok(match context.retention(Some(name))? {
        Some(retention) => owed_and_kept(from, to, &policy(&retention), Timestamp::now()).await?,
        None => owed(from, to).await?,
    })
}

/// The names of the stores that are copied to.
pub(super) fn copy_to(context: &Context) -> Result<Vec<String>, Failure> {
    if context.global.store.as_deref().is_some_and(|s| s.contains(':')) {
        return Ok(Vec::new());
    }
    let config = &context.config()?.config;
    Ok(config.store(context.global.store.as_deref())?.copy_to.clone())
}

async fn all(context: &Context, name: &str, from: &Catalogue, to: &Catalogue, ids: Vec<PointId>) -> Outcome {
    let (mut copied, mut failed) = (Vec::new(), Vec::new());
    // Before the recovery points: one that is held never stands there without its hold.
    let mut records = carry(from, to, &ids).await.unwrap_or_else(|e| {
        let id = Some("the records of recovery points".to_owned());
        failed.push(Failed { id, error: e.to_string() });
        Carried::default()
    });
    for doubt in &records.left {
        tracing::warn!("this record is not believed, and was not copied: {doubt}");
    }
    let drills = carry_drills(from, to, Timestamp::now()).await.unwrap_or_else(|e| {
        failed.push(Failed { id: Some("the evidence of drills".to_owned()), error: e.to_string() });
        CarriedDrills::default()
    });
    for (what, why) in &drills.left {
        tracing::warn!("{what} is not believed, and was not copied: {why}");
    }
    for (at, id) in ids.iter().enumerate() {
        let what = format!("{id} to {name} ({} of {})", at + 1, ids.len());
        let _shown = Spinner::point(&context.global, from, id, &what).await;
        match copy(from, to, id).await {
            Ok(done) => copied.push(done),
            Err(e) => {
                let unreachable = matches!(e, CatalogueError::Store(_));
                failed.push(Failed { id: Some(id.to_string()), error: e.to_string() });
                if unreachable {
                    // The others would wait for the same store in vain; they stay owed.
                    let rest = ids[at + 1..].iter();
                    failed.extend(
                        rest.map(|id| Failed { id: Some(id.to_string()), error: "not tried".into() }),
                    );
                    break;
                }
            }
        }
    }
    // The objects have to be there for the store to hold them. Each time anew: an earlier try may have failed.
    for (id, sent) in std::mem::take(&mut records.holds) {
        if let Err(e) = to.settle(&id, sent).await {
            failed.push(Failed { id: Some(id.to_string()), error: e.to_string() });
        }
    }
    Outcome { store: name.to_owned(), url: to.store_url().to_owned(), records, drills, copied, failed }
}

fn exit(outcomes: &[Outcome]) -> Exit {
    let failed = outcomes.iter().any(|o| !o.failed.is_empty());
    let copied = outcomes.iter().any(|o| !o.copied.is_empty() || o.records.sent > 0 || o.drills.sent() > 0);
    match (failed, copied) {
        (false, _) => Exit::Done,
        (true, true) => Exit::Partial,
        (true, false) => Exit::Failed,
    }
}

fn table(outcomes: &[Outcome]) -> String {
    let mut rows = Vec::new();
    for outcome in outcomes {
        let to = format!("{} ({})", outcome.store, outcome.url);
        let sent = (outcome.records.sent, outcome.drills.sent());
        if sent.0 > 0 {
            let what = format!("{} records of recovery points sent", sent.0);
            rows.push(vec![to.clone(), "-".into(), what]);
        }
        if sent.1 > 0 {
            let (evidence, notes) = (outcome.drills.evidence.len(), outcome.drills.notes);
            let what = format!("evidence of {evidence} drills and {notes} notes sent");
            rows.push(vec![to.clone(), "-".into(), what]);
        }
        if sent == (0, 0) && outcome.copied.is_empty() && outcome.failed.is_empty() {
            rows.push(vec![to.clone(), "-".into(), "nothing is missing there".into()]);
        }
        for done in &outcome.copied {
            let what = match done.sent {
                0 => "was there already, and is the same".to_owned(),
                _ => format!("{} sent, {} objects were there", report::bytes(done.bytes), done.already),
            };
            rows.push(vec![to.clone(), done.id.to_string(), what]);
        }
        for failed in &outcome.failed {
            rows.push(vec![
                to.clone(),
                failed.id.clone().unwrap_or_default(),
                format!("FAILED: {}", failed.error),
            ]);
        }
    }
    report::table(&["to", "recovery point", "outcome"], rows)
}
