use crate::{
    cli::{
        Exit,
        context::{Context, Trust},
        failure::Failure,
        list::signature,
        output,
    },
    report,
};
use serde_json::json;

/// Lists the drills of a cluster
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Drills that failed are kept as well as those that passed.

Examples:
  lifeboat drill list
  lifeboat drill list -o json | jq '.drills[] | {id, verdict, rto}'")]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    trust: Trust,
}

/// Shows what came of a drill
#[derive(Debug, clap::Args)]
#[command(after_help = "\
With -o json it is the evidence as it is stored.

Examples:
  lifeboat drill show latest
  lifeboat drill show 20261123 -o json | jq .checks")]
pub(in crate::cli) struct ShowArgs {
    /// The drill: an id, the beginning of one, or `latest`
    #[arg(value_name = "DRILL")]
    id: String,
    #[command(flatten)]
    trust: Trust,
}

pub(super) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let catalogue = context.catalogue(&args.trust).await?;
    let drills = catalogue.drills().await?;
    let values = drills.iter().map(|drill| {
        let (signature, why) = signature(&drill.signature);
        match &drill.evidence {
            Ok(it) => json!({
                "id": drill.id, "name": it.plan.name, "began": it.began, "ended": it.ended, "verdict": it.verdict,
                "point": it.point.as_ref().map(|point| &point.id), "rpo": it.rpo, "rto": it.rto,
                "reasons": it.reasons, "signature": signature, "signatureProblem": why,
            }),
            Err(e) => json!({"id": drill.id, "error": e, "signature": signature, "signatureProblem": why}),
        }
    });
    let value = json!({"drills": values.collect::<Vec<_>>()});
    output::result(context.global.output, &value, || report::drills(&drills))?;
    Ok(Exit::Done)
}

pub(super) async fn show(context: &Context, args: ShowArgs) -> Result<Exit, Failure> {
    let catalogue = context.catalogue(&args.trust).await?;
    let drill = catalogue.drill(&args.id).await?;
    let evidence = drill.trusted()?;
    let notes = catalogue.drill_notes(&drill.id).await?;
    output::result(context.global.output, evidence, || {
        let mut text = report::drill_text(evidence);
        for noted in &notes {
            text.push_str(&report::drill_note(noted));
        }
        text
    })?;
    Ok(Exit::Done)
}
