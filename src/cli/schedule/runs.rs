use super::super::{
    Exit,
    context::{Context, Trust},
    failure::Failure,
    output,
};
use crate::{
    point::{Claim, End, Turn, TurnOutcome},
    report,
};
use jiff::Timestamp;
use serde_json::json;

/// Lists the runs that daemons began, and how they ended
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Of each schedule the store keeps the runs of its last twenty times and some before. They are not signed: what a run made proves \
itself, as every recovery point does.

Examples:
  lifeboat schedule runs
  lifeboat schedule runs hourly -o json | jq -r '.runs[-1].outcome'")]
pub(in crate::cli) struct Args {
    /// Only of these schedules
    #[arg(value_name = "NAME")]
    names: Vec<String>,
}

pub(super) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let catalogue = context.catalogue(&Trust::default()).await?;
    let mut names = catalogue.schedules().await?;
    names.retain(|name| args.names.is_empty() || args.names.contains(name));
    let mut runs: Vec<(Turn, Option<Claim>, Option<End>)> = Vec::new();
    for name in &names {
        for (turn, shown) in catalogue.turns(name).await? {
            let end = if shown.ended { Some(catalogue.end_of(&turn).await?) } else { None };
            // It tells since when a schedule is known, and is none that ran.
            if end.as_ref().is_some_and(|end| end.outcome == TurnOutcome::Known) {
                continue;
            }
            let claim = catalogue.legible::<Claim>(&turn).await?;
            runs.push((turn, claim, end));
        }
    }
    runs.sort_by_key(|(turn, claim, _)| claim.as_ref().map_or(turn.due, |claim| claim.at));
    let value = json!({"runs": runs.iter().map(|(turn, claim, end)| json!({
        "schedule": turn.schedule, "run": turn, "due": turn.due, "attempt": turn.attempt,
        "holder": claim.as_ref().map(|it| &it.holder), "claimed": claim.as_ref().map(|it| it.at),
        "missedBefore": claim.as_ref().map_or(0, |it| it.missed),
        "outcome": end.as_ref().map_or("running", |it| it.outcome.as_str()),
        "began": end.as_ref().map(|it| it.began), "ended": end.as_ref().map(|it| it.ended),
        "made": end.as_ref().and_then(|it| it.made.as_ref()), "message": end.as_ref().and_then(|it| it.message.as_ref()),
    })).collect::<Vec<_>>()});
    output::result(context.global.output, &value, || report::turns(&runs, Timestamp::now()))?;
    Ok(Exit::Done)
}
