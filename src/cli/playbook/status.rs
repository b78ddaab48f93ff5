use super::{carry, period, prepare};
use crate::{
    catalogue::Signature,
    cli::{
        Exit,
        context::{Context, Keys, Trust},
        failure::Failure,
        list::signature,
        output,
    },
    playbook::{Entry, Journal, State, ended, plan::Plan},
    point::RunRecord,
    report::{self, HowToVerify},
};
use clap::ValueEnum;
use serde_json::json;
use std::{
    io::Write,
    path::{Path, PathBuf},
};

/// Lists runs, or tells how one stands
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Runs whose journal is here are told as they are; others as the store has them.

Examples:
  lifeboat playbook status
  lifeboat playbook status latest -o json | jq .waiting")]
pub(in crate::cli) struct Args {
    /// The run: an id, the beginning of one, or `latest` [default: all]
    #[arg(value_name = "RUN")]
    run: Option<String>,
    /// In which directory journals are [default: playbooks.journal]
    #[arg(long, value_name = "DIR")]
    journal: Option<PathBuf>,
    #[command(flatten)]
    trust: Trust,
}

/// Writes what happened in a run, for the post-mortem
#[derive(Debug, clap::Args)]
#[command(after_help = "\
What was done, when, who approved it, before and after, and what was not proven. With an identity it also tells what changed around \
the run of who may do what: roles, bindings, service accounts, tokens, webhooks, by the newest recovery point of before the run and \
the oldest one of after it. The page needs no network and no script.

Examples:
  lifeboat playbook timeline latest
  lifeboat playbook timeline latest --to timeline.html
  lifeboat playbook timeline latest -i identity.txt")]
pub(in crate::cli) struct TimelineArgs {
    /// The run: an id, the beginning of one, or `latest`
    #[arg(value_name = "RUN", default_value = "latest")]
    run: String,
    /// In which form [default: by the name of the file, else markdown]
    #[arg(long, value_enum)]
    format: Option<Form>,
    /// Where to: a file that does not exist yet, or - for standard output
    #[arg(long, value_name = "PATH|-", default_value = "-")]
    to: PathBuf,
    /// In which directory journals are [default: playbooks.journal]
    #[arg(long, value_name = "DIR")]
    journal: Option<PathBuf>,
    #[command(flatten)]
    keys: Keys,
    #[command(flatten)]
    trust: Trust,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For a ticket, or a repository
    Markdown,
    /// One page that stands alone
    Html,
}

pub(super) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let journals = prepare::journals(context, args.journal)?;
    if let Some(wanted) = &args.run {
        let directory = journals.join(prepare::run_in(&journals, wanted)?.as_str());
        let plan = carry::plan_in(&directory)?;
        let entries = Journal::read(&directory.join(carry::JOURNAL))?;
        let state = State::of(&entries);
        let (end, over) = ended(&state);
        let waiting = state.waiting.as_ref().map(|(step, prompt)| json!({"step": step, "prompt": prompt}));
        let value = json!({
            "run": plan.run, "playbook": plan.playbook.name, "by": plan.by, "end": end, "over": over, "waiting": waiting,
            "why": state.end.as_ref().and_then(|(_, why)| why.clone()), "plan": plan.digest(), "entries": entries.len(),
        });
        output::result(context.global.output, &value, || {
            let mut lines = vec![format!("Run {} of {}: {end}", plan.run, plan.playbook.name)];
            lines.extend(
                state
                    .waiting
                    .as_ref()
                    .map(|(step, prompt)| format!("step {step} waits for somebody: {prompt}")),
            );
            lines.extend(entries.iter().filter_map(report::entry_line));
            lines.join("\n")
        })?;
        return Ok(Exit::Done);
    }
    let catalogue = context.catalogue(&args.trust).await?;
    let mut rows = Vec::new();
    let mut values = Vec::new();
    for run in catalogue.runs().await? {
        let local = Journal::read(&journals.join(run.id.as_str()).join(carry::JOURNAL)).ok();
        let state = local.as_deref().map(State::of);
        let (word, why) = signature(&run.signature);
        let record = run.record.as_ref().and_then(|it| it.as_ref().ok());
        let end = match (&state, record) {
            (Some(state), _) => ended(state).0.to_owned(),
            (None, Some(record)) => record.end.clone(),
            (None, None) => "begun elsewhere".to_owned(),
        };
        let waiting = state.as_ref().and_then(|it| it.waiting.as_ref().map(|(step, _)| step.clone()));
        let playbook = record.map_or_else(String::new, |it| it.playbook.clone());
        let by = record.map_or_else(String::new, |it| it.by.clone());
        values.push(json!({
            "id": run.id, "playbook": playbook, "end": end, "by": by, "waiting": waiting,
            "signature": word, "signatureProblem": why,
        }));
        rows.push(vec![run.id.to_string(), playbook, end, waiting.unwrap_or_default(), by, word.to_owned()]);
    }
    output::result(context.global.output, &json!({"runs": values}), || match rows.is_empty() {
        true => "No playbook was run yet".to_owned(),
        false => report::table(&["run", "playbook", "ended", "waits at", "by", "signature"], rows),
    })?;
    Ok(Exit::Done)
}

/// A run as it is told: out of its journal here, or out of the store.
struct Told {
    plan: Plan,
    entries: Vec<Entry>,
    record: Option<RunRecord>,
}

pub(super) async fn timeline(context: &Context, args: TimelineArgs) -> Result<Exit, Failure> {
    let journals = prepare::journals(context, args.journal)?;
    let catalogue = context.catalogue(&args.trust).await?;
    let told = match prepare::run_in(&journals, &args.run) {
        Ok(id) => {
            let directory = journals.join(id.as_str());
            let record = catalogue.run(&id).await?.record.and_then(Result::ok);
            Told {
                plan: carry::plan_in(&directory)?,
                entries: Journal::read(&directory.join(carry::JOURNAL))?,
                record,
            }
        }
        Err(_) => {
            let id = catalogue.find_run(&args.run).await?;
            let run = catalogue.run(&id).await?;
            if let Signature::Bad(why) = &run.signature {
                return Err(Failure::new(Exit::Verification, format!("run {id}: {why}")));
            }
            let record = run
                .record
                .ok_or_else(|| Failure::new(Exit::Failed, format!("run {id} has no record yet")))?;
            let record = record.map_err(|e| Failure::new(Exit::Verification, format!("run {id}: {e}")))?;
            let journal = catalogue.journal_of(&record).await?;
            let plan = serde_json::from_slice(&catalogue.plan_of(&id).await?).map_err(|e| {
                Failure::new(Exit::Verification, format!("run {id}: its plan cannot be read: {e}"))
            })?;
            Told { plan, entries: Journal::parse(&journal)?, record: Some(record) }
        }
    };
    let how = match &told.record {
        Some(record) => {
            let key = context
                .optional()?
                .and_then(|it| it.config.signing.as_ref().map(|s| s.public_key.to_string()));
            let key = key.unwrap_or_else(|| "RWQ…".to_owned());
            Some(HowToVerify {
                place: format!("{}/records/", catalogue.run_place(&record.run)?),
                command: format!("minisign -Vm {}.json -P {key}", record.id),
                comment: catalogue.run_comment(&record.run),
            })
        }
        None => None,
    };
    let by_name = args.to.extension().is_some_and(|it| it == "html" || it == "htm");
    let html = args.format.map_or(by_name, |form| form == Form::Html);
    let (plan, entries, record) = (&told.plan, &told.entries, told.record.as_ref());
    let identities = match args.keys.given().is_empty() {
        true => None,
        false => Some(args.keys.load()?),
    };
    let access = period::access(&catalogue, identities, plan, entries).await;
    let text = match html {
        true => report::timeline_html(plan, entries, record, &access, how.as_ref()),
        false => report::timeline_markdown(plan, entries, record, &access, how.as_ref()),
    };
    if args.to == Path::new("-") {
        output::bytes(text.as_bytes())?;
        return Ok(Exit::Done);
    }
    let mut file = output::beside(&args.to)?;
    file.write_all(text.as_bytes())?;
    output::put(file, &args.to)?;
    Ok(Exit::Done)
}
