use super::{
    Exit,
    context::{Context, Trust},
    failure::Failure,
    list::signature,
    output,
};
use crate::{
    catalogue::{Recorded, Records},
    point::Facts,
    report,
};
use jiff::Timestamp;
use serde_json::{Value, json};

/// Shows what is known of one recovery point, from the store alone
#[derive(Debug, clap::Args)]
#[command(after_help = "\
With -o json it is the manifest; `standing` and `records` are added to it: holds, tags and recorded verifications.

Examples:
  lifeboat show latest
  lifeboat show 20261123T0845 -o json
  lifeboat show latest -o json | jq .standing.verified")]
pub(super) struct Args {
    /// The recovery point: an id, the beginning of one, or `latest`
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    trust: Trust,
}

pub(super) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let catalogue = context.catalogue(&args.trust).await?;
    let id = catalogue.resolve(&args.id).await?;
    let loaded = catalogue.load(&id).await?;
    let (records, standing) = catalogue.records(&id).await?;
    let mut value = serde_json::to_value(&loaded.manifest)?;
    if let Some(fields) = value.as_object_mut() {
        fields.insert("standing".to_owned(), serde_json::to_value(&standing)?);
        fields.insert("records".to_owned(), all(&records));
    }
    output::result(context.global.output, &value, || {
        let recorded = (&records, &standing);
        report::point(&loaded.manifest, &loaded.signature, catalogue.store_url(), recorded, Timestamp::now())
    })?;
    Ok(Exit::Done)
}

fn all(records: &Records) -> Value {
    json!({
        "holds": records.holds.iter().map(one).collect::<Vec<_>>(),
        "tags": records.tags.iter().map(one).collect::<Vec<_>>(),
        "verifications": records.verifications.iter().map(one).collect::<Vec<_>>(),
    })
}

fn one<T: Facts>(recorded: &Recorded<T>) -> Value {
    let (signature, why) = signature(&recorded.signature);
    let (record, error) = match &recorded.record {
        Ok(record) => (Some(record), None),
        Err(e) => (None, Some(e)),
    };
    json!({"id": recorded.id, "signature": signature, "signatureProblem": why, "record": record, "error": error})
}
