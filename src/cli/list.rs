use super::{
    Exit,
    context::{Context, Trust},
    failure::Failure,
    output,
};
use crate::{
    catalogue::{History, Listed, Signature, Standing, Survey},
    point::Tag,
    report,
};
use jiff::Timestamp;
use serde_json::{Value, json};

/// Lists the recovery points in the store
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Last verified, held and tags are shown where any recovery point has them.

Examples:
  lifeboat list
  lifeboat list --held
  lifeboat list --tag before=upgrade-1.36
  lifeboat list -o json | jq -r '.points[-1].id'
  lifeboat list --store file:///srv/lifeboat --cluster prod-eu1")]
pub(super) struct Args {
    /// Only those with this tag; several times: with all of them
    #[arg(long, value_name = "TAG")]
    tag: Vec<Tag>,
    /// Only those that are held
    #[arg(long)]
    held: bool,
    #[command(flatten)]
    trust: Trust,
}

pub(super) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let catalogue = context.catalogue(&args.trust).await?;
    let Survey { mut points, standings, .. } = catalogue.survey(History::Newest).await?;
    let any = !points.is_empty();
    let nothing = Standing::default();
    let standing = |listed: &Listed| standings.get(&listed.id).unwrap_or(&nothing);
    points.retain(|listed| {
        let standing = standing(listed);
        (!args.held || standing.held.is_some())
            && args.tag.iter().all(|tag| standing.tags.contains(tag.as_str()))
    });
    let value = json!({"points": points.iter().map(|p| value(p, standing(p))).collect::<Vec<_>>()});
    output::result(context.global.output, &value, || match any && points.is_empty() {
        true => "no recovery point is like that".to_owned(),
        false => report::points(&points, &standings, Timestamp::now()),
    })?;
    Ok(Exit::Done)
}

fn value(listed: &Listed, standing: &Standing) -> Value {
    let (signature, why) = signature(&listed.signature);
    let mut value = match &listed.manifest {
        Ok(m) => json!({
            "id": m.id, "createdAt": m.created_at, "finishedAt": m.finished_at, "status": m.status,
            "job": m.job,
            "storedBytes": m.stored_bytes(), "signature": signature, "signatureProblem": why,
            "artifacts": m.artifacts.iter().map(|a| json!({
                "kind": a.kind, "key": a.key, "plainBytes": a.plain_bytes, "storedBytes": a.stored_bytes,
                "storedSha256": a.stored_sha256,
            })).collect::<Vec<_>>(),
        }),
        Err(e) => json!({"id": listed.id, "error": e, "signature": signature, "signatureProblem": why}),
    };
    value["verified"] = json!(standing.verified);
    value["held"] = json!(standing.held);
    value["tags"] = json!(standing.tags);
    value["doubts"] = json!(standing.doubts);
    value
}

pub(super) fn signature(signature: &Signature) -> (&'static str, Option<&str>) {
    match signature {
        Signature::Holds => ("holds", None),
        Signature::NotChecked => ("notChecked", None),
        Signature::Bad(why) => ("bad", Some(why)),
    }
}
