use super::{
    Exit,
    context::{Api, Context, Trust},
    failure::Failure,
    output,
    progress::Spinner,
    trace,
};
use crate::{
    backup::{self, Job, Progress},
    config::ClusterName,
    point::{PointId, Status, Turn},
    report,
};
use jiff::Timestamp;
use std::{sync::Arc, time::Instant};
use tokio::signal::unix::{SignalKind, signal};

/// Takes one recovery point
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The recovery point exists when its manifest is written, which is last. Whatever fails before leaves nothing behind.

When something is missing - a type that may not be listed, a half that failed - the point is stored all the same, its status \
is PartiallyFailed and the exit code 3.

Examples:
  lifeboat backup
  lifeboat backup --etcd-only --read-back
  lifeboat backup --job before-upgrade
  lifeboat backup --resources-only -o json | jq -r .id")]
pub(super) struct Args {
    /// Save etcd and not the API server's objects
    #[arg(long, conflicts_with = "resources_only")]
    etcd_only: bool,
    /// The job that this recovery point belongs to: retention counts those of each job for themselves
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    job: String,
    /// Save the API server's objects and not etcd
    #[arg(long)]
    resources_only: bool,
    /// Exit with 0 also when something is missing in the recovery point
    #[arg(long)]
    allow_partial: bool,
    /// Read every payload back from the store and compare its SHA-256
    #[arg(long)]
    read_back: bool,
    /// The run of a schedule that this is, as the daemon says
    #[arg(long, value_name = "RUN", hide = true)]
    turn: Option<Turn>,
    #[command(flatten)]
    api: Api,
}

pub(super) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    if !args.job.is_empty() {
        args.job.parse::<ClusterName>().map_err(|e| Failure::usage(format!("--job: {e}")))?;
    }
    let store = context.store().await?;
    let job = Job {
        label: args.job,
        cluster: context.cluster(store.as_ref()).await?,
        etcd: if args.resources_only { None } else { context.etcd()? },
        resources: if args.etcd_only { None } else { Some(context.resources(&args.api)?) },
        recipients: context.recipients()?,
        seal: context.seal_options()?,
        signer: context.signer()?,
        store,
        read_back: args.read_back,
        turn: args.turn,
        uploads: backup::Uploads::default(),
    };
    if args.etcd_only && job.etcd.is_none() {
        return Err(backup::BackupError::Nothing.into());
    }
    let (began, since) = (Timestamp::now(), Instant::now());
    let id = PointId::new(began, rand::random());
    let progress = Arc::new(Progress::default());
    let shown = [
        job.etcd.as_ref().map(|_| Spinner::etcd(&context.global, progress.clone())),
        job.resources.as_ref().map(|_| Spinner::resources(&context.global, progress.clone())),
    ];
    let saved = backup::run(&job, &id, began, &progress, interrupted()).await;
    drop(shown);
    trace::of_backup(&context.trace, &progress.phases(), (began, since));
    let manifest = saved?;
    context.trace.note("lifeboat.point", &manifest.id);
    output::result(context.global.output, &manifest, || report::backup(&manifest, job.store.url()))?;
    let took = report::between(manifest.created_at, manifest.finished_at);
    let stored = report::bytes(manifest.stored_bytes());
    let fatal = manifest.problems.iter().find(|it| it.fatal);
    let lacks = fatal.map(|it| format!("; it lacks {}: {}", it.about, it.message)).unwrap_or_default();
    let paid = super::copy::after_backup(context, &Trust::default()).await?;
    let owed = if paid { "" } else { "; a copy to another store is owed" };
    context.say(format!("recovery point {}, {stored} in {took}{lacks}{owed}", manifest.id));
    Ok(match manifest.status {
        Status::PartiallyFailed if !args.allow_partial => Exit::Partial,
        _ if !paid && !args.allow_partial => Exit::Partial,
        _ => Exit::Done,
    })
}

/// Waits for the signal to stop, and names it.
pub(super) async fn interrupted() -> &'static str {
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    }
}
