use super::super::{
    Exit,
    context::{Context, Trust},
    failure::Failure,
    output,
};
use crate::{
    daemon::{Job, Past, upcoming},
    report::{self, Planned},
};
use jiff::Timestamp;
use serde_json::json;

/// Shows what will run next, and why
#[derive(Debug, clap::Args)]
#[command(after_help = "\
What was missed, and what failed and is tried again, is known from the store. Where that does not answer, only the times \
are shown, and the exit code is 1.

Examples:
  lifeboat schedule next
  lifeboat schedule next -n 50 hourly
  lifeboat schedule next -o json | jq -r '.runs[0].begins'")]
pub(in crate::cli) struct Args {
    /// Only of these schedules
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// How many
    #[arg(short = 'n', long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..))]
    number: u16,
}

pub(super) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let jobs = super::jobs(context, &args.names)?;
    let now = Timestamp::now();
    let (pasts, trouble) = pasts(context, &jobs, now).await;
    let mut runs: Vec<Planned<'_>> = Vec::new();
    for (job, past) in jobs.iter().zip(&pasts) {
        let next = upcoming(job, past, now, args.number.into());
        runs.extend(next.into_iter().map(|next| Planned { job, next }));
    }
    runs.sort_by(|a, b| (a.next.begins, &a.next.schedule).cmp(&(b.next.begins, &b.next.schedule)));
    runs.truncate(args.number.into());
    let running: Vec<_> = pasts.iter().filter_map(|past| past.running.as_ref()).collect();
    let value = json!({
        "now": now,
        "runs": runs.iter().map(|it| json!({
            "schedule": it.next.schedule, "begins": it.next.begins, "due": it.next.due, "why": it.next.why,
            "runs": it.job.work.as_str(), "cron": it.job.rule.cron.to_string(), "timeZone": it.job.rule.zone.iana_name(),
        })).collect::<Vec<_>>(),
        "running": running.iter().map(|(turn, claim)| json!({
            "schedule": turn.schedule, "run": turn, "holder": claim.as_ref().map(|it| &it.holder),
            "since": claim.as_ref().map(|it| it.at),
        })).collect::<Vec<_>>(),
        "suspended": jobs.iter().filter(|it| it.rule.suspended).map(|it| &it.rule.name).collect::<Vec<_>>(),
    });
    output::result(context.global.output, &value, || report::planned(&runs, &running, &jobs, now))?;
    if let Some(failure) = trouble {
        let text = format!("what was missed is not known, for the store does not answer: {}", failure.error);
        return Err(Failure { error: anyhow::Error::msg(text), ..failure });
    }
    Ok(Exit::Done)
}

/// What the store shows of each job; nothing where it does not answer, and why.
async fn pasts(context: &Context, jobs: &[Job], now: Timestamp) -> (Vec<Past>, Option<Failure>) {
    let mut pasts = Vec::new();
    let read = async {
        let catalogue = context.catalogue(&Trust::default()).await?;
        for job in jobs {
            pasts.push(Past::of(&catalogue, &job.rule.name, now).await?);
        }
        Ok::<(), Failure>(())
    };
    let trouble = read.await.err();
    pasts.resize_with(jobs.len(), Past::default);
    (pasts, trouble)
}
