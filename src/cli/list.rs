use super::{
    Exit,
    context::{Context, Trust},
    failure::Failure,
    output,
};
use crate::{
    catalogue::{Listed, Signature},
    report,
};
use jiff::Timestamp;
use serde_json::{Value, json};

/// Lists the recovery points in the store
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  lifeboat list
  lifeboat list -o json | jq -r '.points[-1].id'
  lifeboat list --store file:///srv/lifeboat --cluster prod-eu1")]
pub(super) struct Args {
    #[command(flatten)]
    trust: Trust,
}

pub(super) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let points = context.catalogue(&args.trust).await?.list().await?;
    let value = json!({"points": points.iter().map(value).collect::<Vec<_>>()});
    output::result(context.global.output, &value, || report::points(&points, Timestamp::now()))?;
    Ok(Exit::Done)
}

fn value(listed: &Listed) -> Value {
    let (signature, why) = signature(&listed.signature);
    match &listed.manifest {
        Ok(m) => json!({
            "id": m.id, "createdAt": m.created_at, "finishedAt": m.finished_at, "status": m.status,
            "storedBytes": m.stored_bytes(), "signature": signature, "signatureProblem": why,
            "artifacts": m.artifacts.iter().map(|a| json!({
                "kind": a.kind, "key": a.key, "plainBytes": a.plain_bytes, "storedBytes": a.stored_bytes,
                "storedSha256": a.stored_sha256,
            })).collect::<Vec<_>>(),
        }),
        Err(e) => json!({"id": listed.id, "error": e, "signature": signature, "signatureProblem": why}),
    }
}

fn signature(signature: &Signature) -> (&'static str, Option<&str>) {
    match signature {
        Signature::Holds => ("holds", None),
        Signature::NotChecked => ("notChecked", None),
        Signature::Bad(why) => ("bad", Some(why)),
    }
}
