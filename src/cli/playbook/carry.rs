//! What carrying out, going on and taking back have in common.

use super::prepare::{self, Target};
use crate::{
    catalogue::Catalogue,
    cli::{
        Exit, author::Author, backup::interrupted, context::Context, failure::Failure, output, trace::Steps,
    },
    playbook::{
        self, Entry, Equipment, Journal, Planning, RunEnd,
        plan::{Own, Plan},
        run::{Halt, HostLock, Lease, LeaseError, LockError, Means},
    },
    point::PointId,
    report,
};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs,
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
};

/// The journal of a run, in its directory.
pub(super) const JOURNAL: &str = "journal.jsonl";
/// Its plan.
pub(super) const PLAN: &str = "plan.json";

/// How a run is carried out.
#[derive(Debug, clap::Args)]
pub(super) struct Carrying {
    /// In which directory journals are [default: playbooks.journal]
    #[arg(long, value_name = "DIR")]
    pub(super) journal: Option<PathBuf>,
    /// Take approvals from files in this directory, too
    #[arg(long, value_name = "DIR")]
    pub(super) approvals: Option<PathBuf>,
    /// Where somebody has to agree, stop; the run is resumed once they have
    #[arg(long)]
    pub(super) no_wait: bool,
}

/// The directory of a run.
pub(super) fn directory(context: &Context, carrying: &Carrying, run: &PointId) -> Result<PathBuf, Failure> {
    Ok(prepare::journals(context, carrying.journal.clone())?.join(run.as_str()))
}

/// Makes the directory of a run, with its plan.
pub(super) fn begin(directory: &Path, plan: &Plan) -> Result<(), Failure> {
    let wrong = |e: std::io::Error| {
        Failure::new(Exit::Failed, format!("{}: {e}; nothing was done", directory.display()))
    };
    if let Some(parent) = directory.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(parent).map_err(wrong)?;
    }
    fs::DirBuilder::new().mode(0o700).create(directory).map_err(|e| match e.kind() {
        std::io::ErrorKind::AlreadyExists => Failure::new(
            Exit::Conflict,
            format!("run {} was begun already ({})", plan.run, directory.display()),
        )
        .help("`lifeboat playbook resume` goes on with it; a new run needs a new plan"),
        _ => wrong(e),
    })?;
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(directory.join(PLAN))
        .map_err(wrong)?;
    file.write_all(&plan.to_bytes()).and_then(|()| file.sync_all()).map_err(wrong)
}

/// The plan of a run.
pub(super) fn plan_in(directory: &Path) -> Result<Plan, Failure> {
    let path = directory.join(PLAN);
    let bytes = fs::read(&path).map_err(|e| Failure::usage(format!("{}: {e}", path.display())))?;
    serde_json::from_slice(&bytes)
        .map_err(|e| Failure::new(Exit::Verification, format!("{} is no plan: {e}", path.display())))
}

/// What a run, or taking one back, works with while it lasts.
pub(super) struct Held {
    lease: Option<Lease>,
    /// On a host: until it is dropped.
    _lock: Option<HostLock>,
    _deaf: Option<Signal>,
    stop: watch::Receiver<Option<String>>,
    watching: tokio::task::JoinHandle<()>,
}

/// Takes the lock of a plan's key, and listens for signals.
async fn hold(
    context: &Context,
    (plan, directory): (&Plan, &Path),
    target: &Target,
) -> Result<Held, Failure> {
    let (sender, stop) = watch::channel(None);
    let (mut lease, mut lock) = (None, None);
    match (&plan.concurrency, &target.cluster) {
        (None, _) => {}
        (Some(key), Some(cluster)) => {
            let namespace = prepare::lease_namespace(context)?;
            let taken = Lease::take(cluster, &target.kinds, &namespace, key, &plan.run, sender.clone()).await;
            lease = Some(taken.map_err(|e| match e {
                LeaseError::Held { .. } => Failure::new(Exit::Conflict, e.to_string()),
                LeaseError::Refused { .. } => Failure::new(Exit::Failed, e.to_string()),
            })?);
        }
        (Some(key), None) => {
            let journals = directory.parent().unwrap_or(Path::new("."));
            let taken = HostLock::take(journals, key, &plan.run, Timestamp::now());
            lock = Some(taken.map_err(|e| match e {
                LockError::Held { .. } => Failure::new(Exit::Conflict, e.to_string()),
                LockError::Io { .. } => Failure::new(Exit::Failed, e.to_string()),
            })?);
        }
    }
    // On a host, a connection that breaks off in the middle is no reason to stop there.
    let deaf = target.host.as_ref().and_then(|_| signal(SignalKind::hangup()).ok());
    let watching = tokio::spawn(async move {
        let signal = interrupted().await;
        let _ = sender.send(Some(signal.to_owned()));
    });
    Ok(Held { lease, _lock: lock, _deaf: deaf, stop, watching })
}

impl Held {
    async fn let_go(self) {
        self.watching.abort();
        if let Some(lease) = self.lease {
            lease.give_back().await;
        }
    }
}

/// The means of a run.
struct Prepared<'a> {
    keeper: playbook::StoreKeeper<'a>,
    approvers: Vec<playbook::Approver>,
    by: String,
    about: Value,
}

async fn prepared<'a>(
    context: &Context,
    plan: &Plan,
    target: &Target,
    equipment: &'a Equipment,
    carrying: &Carrying,
) -> Result<Prepared<'a>, Failure> {
    let (author, _) = Author::if_possible(context, None)?;
    let here = target.host.as_ref().map(|host| host.name.as_str());
    if let Some(host) = &plan.target.host
        && here != Some(host)
    {
        let text = format!("the plan was made on host {host}, and this is {}", here.unwrap_or("another one"));
        return Err(Failure::new(Exit::Conflict, text).help("carry it out there, or make a plan here"));
    }
    let facts = match &target.cluster {
        Some(cluster) => Some(cluster.facts().await?),
        None => None,
    };
    if let Some(facts) = facts.as_ref().filter(|facts| facts.uid != plan.target.uid) {
        let text = format!(
            "this is another cluster than the plan was made for: its UID is {}, not {}",
            facts.uid.as_deref().unwrap_or("unknown"),
            plan.target.uid.as_deref().unwrap_or("unknown")
        );
        return Err(
            Failure::new(Exit::Conflict, text).help("name the right one with --kubeconfig and --context")
        );
    }
    let with = Planning {
        run: plan.run.as_str(),
        step: "",
        now: plan.made_at,
        cluster: target.cluster.as_ref(),
        host: target.host.as_ref(),
        kinds: &target.kinds,
        equipment: None,
        known: None,
    };
    Ok(Prepared {
        keeper: prepare::keeper(context, &equipment.catalogue, plan, carrying.approvals.clone())?,
        approvers: prepare::approvers(context)?,
        by: author.borrowed().by.to_owned(),
        about: match &facts {
            Some(facts) => Own::default().cluster_facts(&with, facts).await,
            None => Value::Null,
        },
    })
}

/// Says what happens, as it happens.
fn tell(quiet: bool) -> impl Fn(&Entry) + Sync {
    move |entry| {
        if !quiet && let Some(line) = report::entry_line(entry) {
            let _ = writeln!(std::io::stderr(), "{line}");
        }
    }
}

/// Carries a plan out, from its beginning or from where it was interrupted.
pub(super) async fn out(
    context: &Context,
    (plan, directory): (&Plan, &Path),
    journal: (Journal, Vec<Entry>),
    target: &Target,
    equipment: &Equipment,
    carrying: &Carrying,
) -> Result<Exit, Failure> {
    out_assuming(context, (plan, directory), journal, target, equipment, (carrying, BTreeMap::new())).await
}

/// The same; of steps of which nobody can tell whether they were done somebody says so.
pub(super) async fn out_assuming(
    context: &Context,
    (plan, directory): (&Plan, &Path),
    journal: (Journal, Vec<Entry>),
    target: &Target,
    equipment: &Equipment,
    (carrying, assume): (&Carrying, BTreeMap<String, bool>),
) -> Result<Exit, Failure> {
    prepare::can_open(plan, equipment)?;
    let prepared = prepared(context, plan, target, equipment, carrying).await?;
    // Approvers look at the plan in the store.
    equipment.catalogue.put_plan(&plan.run, plan.to_bytes()).await?;
    let held = hold(context, (plan, directory), target).await?;
    let (said, steps) = (tell(context.global.quiet), Steps::of(&context.trace, plan));
    let tell = |entry: &Entry| {
        said(entry);
        steps.hear(entry);
    };
    let means = Means {
        plan,
        cluster: target.cluster.as_ref(),
        host: target.host.as_ref(),
        kinds: &target.kinds,
        known: Some(&target.known),
        equipment,
        keeper: &prepared.keeper,
        approvers: &prepared.approvers,
        by: &prepared.by,
        about: prepared.about,
        wait: !carrying.no_wait,
        rehearsal: None,
        assume,
        tell: &tell,
    };
    let outcome = playbook::run::run(means, journal, held.stop.clone()).await;
    steps.break_off(Timestamp::now());
    held.let_go().await;
    let outcome = outcome?;
    let recorded = store(context, plan, directory, &equipment.catalogue).await;
    let value = json!({
        "run": plan.run, "playbook": plan.playbook.name, "end": outcome.end, "why": outcome.why, "left": outcome.left,
        "plan": plan.digest(), "journal": directory.join(JOURNAL), "recorded": recorded.is_ok(),
    });
    output::result(context.global.output, &value, || {
        let word = value["end"].as_str().unwrap_or_default().to_uppercase();
        let mut text = format!("Run {}: {word}", plan.run);
        if let Some(why) = &outcome.why {
            text.push_str(&format!(": {why}"));
        }
        if let Some(left) = outcome.left.filter(|left| *left > 0) {
            text.push_str(&format!("; {left} things could not be taken back"));
        }
        text.push_str(&format!("\n`lifeboat playbook timeline {}` tells what happened", plan.run));
        if matches!(outcome.end, RunEnd::Stopped) {
            text.push_str(&format!("; `lifeboat playbook resume {}` goes on", plan.run));
        }
        text
    })?;
    recorded?;
    Ok(match outcome.end {
        RunEnd::Completed => Exit::Done,
        RunEnd::PartiallyFailed => Exit::Partial,
        RunEnd::Failed | RunEnd::RolledBack | RunEnd::Stopped => Exit::Failed,
    })
}

/// Takes back what a run did.
pub(super) async fn back(
    context: &Context,
    (plan, directory): (&Plan, &Path),
    journal: (Journal, Vec<Entry>),
    target: &Target,
    equipment: &Equipment,
    carrying: &Carrying,
) -> Result<Exit, Failure> {
    let prepared = prepared(context, plan, target, equipment, carrying).await?;
    let held = hold(context, (plan, directory), target).await?;
    let tell = tell(context.global.quiet);
    let means = Means {
        plan,
        cluster: target.cluster.as_ref(),
        host: target.host.as_ref(),
        kinds: &target.kinds,
        known: None,
        equipment,
        keeper: &prepared.keeper,
        approvers: &prepared.approvers,
        by: &prepared.by,
        about: prepared.about,
        wait: false,
        rehearsal: None,
        assume: BTreeMap::new(),
        tell: &tell,
    };
    let left = playbook::run::undo(means, journal, held.stop.clone()).await;
    held.let_go().await;
    let left = left.map_err(|halt| match halt {
        Halt::Journal(e) => Failure::from(e),
        halt => Failure::new(Exit::Failed, halt.to_string()),
    });
    let recorded = store(context, plan, directory, &equipment.catalogue).await;
    let left = left?;
    output::result(
        context.global.output,
        &json!({"run": plan.run, "left": left, "recorded": recorded.is_ok()}),
        || match left {
            0 => format!("Run {}: everything that it did was taken back", plan.run),
            n => format!("Run {}: {n} things could not be taken back", plan.run),
        },
    )?;
    recorded?;
    Ok(if left == 0 { Exit::Done } else { Exit::Partial })
}

/// Stores the evidence as it is now.
async fn store(
    context: &Context,
    plan: &Plan,
    directory: &Path,
    catalogue: &Catalogue,
) -> Result<(), Failure> {
    let signer = match context.signer() {
        Ok(signer) => Some(signer),
        Err(e) => {
            tracing::warn!("the evidence will not be signed: {}", e.error);
            None
        }
    };
    let recorded = playbook::record(catalogue, plan, &directory.join(JOURNAL), signer.as_ref()).await;
    recorded.map(drop).map_err(|e| {
        Failure::new(Exit::Failed, format!("the evidence is NOT in the store: {e}")).help(format!(
            "it is in {}; `lifeboat playbook resume {}` stores it",
            directory.display(),
            plan.run
        ))
    })
}
