use super::{
    Exit, Format,
    context::{Api, Context, Keys, Trust},
    failure::Failure,
    output,
    progress::Spinner,
    restore_request::{self, Request},
};
use crate::{
    catalogue::Catalogue,
    config::RestoreSpec,
    point::{ArtifactKind, Manifest},
    report,
    restore::resources::{
        Done, Drift, From, Options, Outcome, Plan, PlanFile, Progress, Tally, Target, apply, defined_in,
        gather, leave_terminating, plan, saved_types,
    },
    source::kube::Cluster,
};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::{
    io::{BufWriter, Write},
    path::{Path, PathBuf},
    pin::pin,
    sync::Arc,
    time::Instant,
};

/// Brings the objects of an export back: all, those of a namespace, or one
#[derive(Debug, clap::Args)]
#[command(after_help = "\
What is there already stays as it is, unless --on-conflict says otherwise; nothing that is not in the recovery point is ever \
touched. Namespaces, custom resource definitions and volumes that the chosen objects need come along. What controllers make \
again (pods of deployments, endpoints) is left to them.

Objects are made in the order in which they need each other, many at a time. A second run changes nothing, and after an \
interruption the same command continues. With --dry-run the server tries every write without storing it; with --plan the \
plan is written to a file as well, which --apply-plan carries out later, if the cluster still is as it was.

Exit codes: 3 when something could not be restored, 6 when something stands against it (--dry-run, --on-conflict fail, drift).

Examples:
  lifeboat restore resources latest -i key.txt --dry-run
  lifeboat restore resources latest -i key.txt -n shop
  lifeboat restore resources latest -i key.txt --deleted-since 2h
  lifeboat restore resources latest -i key.txt --quiesce \\
      -n shop --rename-namespace shop=shop-test
  lifeboat restore resources latest -i key.txt --kinds cm --on-conflict update
  lifeboat restore resources latest -i key.txt -n shop --plan plan.json
  lifeboat restore resources --apply-plan plan.json -i key.txt
  lifeboat restore resources --from ./exported -n shop")]
pub(super) struct Args {
    /// The recovery point: an id, the beginning of one, or `latest`
    #[arg(value_name = "ID", required_unless_present_any = ["from", "apply_plan"])]
    id: Option<String>,
    /// Restore JSON and YAML files of this directory, not a recovery point
    #[arg(long, value_name = "DIR", conflicts_with = "id")]
    from: Option<PathBuf>,
    #[command(flatten)]
    request: Request,
    /// Only say what would be done; the server tries every write
    #[arg(long)]
    dry_run: bool,
    /// The same, and write the plan to this file
    #[arg(long, value_name = "FILE", conflicts_with = "apply_plan")]
    plan: Option<PathBuf>,
    /// Carry out a plan that was written before
    #[arg(long, value_name = "FILE", conflicts_with_all = ASKED)]
    apply_plan: Option<PathBuf>,
    /// Write what became of each object to this file, a line of JSON each
    #[arg(long, value_name = "FILE")]
    result: Option<PathBuf>,
    /// Requests per second; 0 for no limit but the server's own
    #[arg(long, value_name = "N", default_value_t = 0)]
    qps: u32,
    /// Name every object, also those that are made and those that are left
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    keys: Keys,
    #[command(flatten)]
    trust: Trust,
    #[command(flatten)]
    api: Api,
}

/// What a plan says already.
const ASKED: [&str; 22] = [
    "id",
    "from",
    "dry_run",
    "kinds",
    "exclude_kinds",
    "namespaces",
    "exclude_namespaces",
    "cluster_scoped",
    "labels",
    "names",
    "deleted_since",
    "only_missing",
    "rename_namespace",
    "storage_class",
    "image",
    "quiesce",
    "status",
    "cluster_ips",
    "node_ports",
    "on_conflict",
    "drop_unknown_fields",
    "field_manager",
];

/// Where the objects come from, as it stands in a plan file.
struct Source {
    id: Option<String>,
    directory: Option<PathBuf>,
}

/// A plan, and what it takes to carry it out.
struct Prepared {
    plan: Plan,
    target: Target,
    options: Options,
    /// What was asked for, as it stands in a plan file.
    request: Value,
}

pub(super) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let began = Instant::now();
    if let Some(path) = [&args.result, &args.plan].into_iter().flatten().find(|path| path.exists()) {
        let text = format!("{} is there already, and nothing was restored", path.display());
        return Err(Failure::new(Exit::Conflict, text).help("name another file, or move this one away"));
    }
    let written = args.apply_plan.as_deref().map(PlanFile::read).transpose()?;
    let mut stop = pin!(super::backup::interrupted());
    let Prepared { mut plan, target, options, request } = tokio::select! {
        prepared = prepare(context, &args, written.as_ref()) => prepared?,
        signal = &mut stop => {
            let text = format!("stopped by {signal}: nothing was restored, and nothing was left behind");
            return Err(Failure::new(Exit::Failed, text));
        }
    };
    if options.try_out {
        return show(context, &args, &plan, PlanFile::new(&plan, request));
    }
    if let Some(file) = &written {
        let drifts = file.drift(&mut plan);
        if !drifts.is_empty() {
            return Err(drifted(&drifts));
        }
    }
    if plan.is_forbidden() {
        output::lines(&report::restore_plan(&plan, args.all));
        let text =
            "objects are there and differ, and --on-conflict fail does not allow that: nothing was restored";
        return Err(Failure::new(Exit::Conflict, text));
    }
    let progress = Arc::new(Progress::default());
    let shown = Spinner::objects(&context.global, progress.clone());
    let outcomes = apply(&plan, &target, &options, &progress, stop).await;
    drop(shown);
    if let Some(file) = &args.result {
        write_result(file, &outcomes)?;
    }
    let tally = Tally::of(&outcomes);
    let value = || {
        json!({"source": plan.source, "server": plan.server, "clusterUid": plan.cluster_uid,
                          "tally": tally, "findings": plan.findings, "objects": outcomes})
    };
    match context.global.output {
        Format::Table => output::lines(&report::restored(&plan, &outcomes, began.elapsed(), args.all)),
        format => output::result(format, &value(), String::new)?,
    }
    Ok(match tally.is_whole() {
        true => Exit::Done,
        false if tally.get(Done::NotReached) > 0 => Exit::Failed,
        false => Exit::Partial,
    })
}

/// Everything before the first write.
async fn prepare(context: &Context, args: &Args, written: Option<&PlanFile>) -> Result<Prepared, Failure> {
    let (source, mut spec) = match (written, &args.apply_plan) {
        (Some(file), Some(path)) => asked_then(file, path)?,
        _ => (Source { id: args.id.clone(), directory: args.from.clone() }, args.request.spec()?),
    };
    let tries = args.dry_run || args.plan.is_some();
    let connection = context.target(&args.api, args.qps)?;
    let target = Target::learn(Cluster::connect(&connection).await?).await?;
    let found = match &source.id {
        Some(id) => {
            let catalogue = context.catalogue(&args.trust).await?;
            let manifest = catalogue.load(&catalogue.resolve(id).await?).await?.manifest;
            Some((catalogue, manifest, args.keys.load()?))
        }
        None => None,
    };
    let (catalogue, manifest) = found.as_ref().map(|(catalogue, manifest, _)| (catalogue, manifest)).unzip();
    check(manifest, catalogue).await?;
    let saved = match (manifest, &source.directory) {
        (Some(manifest), _) => saved_types(manifest),
        (None, Some(directory)) => defined_in(directory)?,
        (None, None) => Vec::new(),
    };
    let mut options = args.request.options(&spec, &target, &saved)?;
    if let Some(file) = written {
        options.drop_unknown_fields = file.request["dropUnknownFields"] == true;
    }
    options.try_out = tries;
    if let Some(since) = spec.select.deleted_since.take() {
        let (Some(catalogue), Some((.., identities))) = (catalogue, &found) else {
            return Err(Failure::usage("--deleted-since compares recovery points: name one to restore from"));
        };
        options.only_missing = true;
        let (then, among) = restore_request::among(catalogue, &since, identities.clone()).await?;
        options.select.among = Some(among);
        // An age would be another instant when the plan is carried out.
        spec.select.deleted_since = Some(then.to_string());
    }
    let from = match (&found, &source.directory) {
        (Some((catalogue, manifest, identities)), _) => {
            From::Point { catalogue, manifest, identities: identities.clone() }
        }
        (None, Some(directory)) => From::Directory(directory),
        (None, None) => return Err(Failure::usage("name a recovery point, or a directory with --from")),
    };
    let now = Timestamp::now();
    let shown = Spinner::start(&context.global, "reading what was saved");
    let gathered = gather(&from, &target, &options, now).await?;
    drop(shown);
    if gathered.wanted() == 0 {
        let help = "`lifeboat show ID` tells the types of a recovery point, `lifeboat find KIND/NAME` where an object is";
        return Err(
            Failure::new(Exit::Failed, format!("nothing of {} was asked for", gathered.source)).help(help)
        );
    }
    let shown = Spinner::start(&context.global, "looking at the cluster");
    if !tries {
        leave_terminating(&target, &gathered, &options).await?;
    }
    let plan = plan(&target, gathered, &options, rand::random(), now).await?;
    drop(shown);
    let request = json!({"id": manifest.map(|it| it.id.to_string()), "directory": source.directory, "spec": spec,
               "dropUnknownFields": options.drop_unknown_fields});
    Ok(Prepared { plan, target, options, request })
}

/// What was asked for when a plan was made.
fn asked_then(file: &PlanFile, path: &Path) -> Result<(Source, RestoreSpec), Failure> {
    let spec = serde_json::to_string(&file.request["spec"])?;
    let spec = RestoreSpec::parse(&spec, path)?;
    let text = |name: &str| file.request[name].as_str();
    Ok((Source { id: text("id").map(str::to_owned), directory: text("directory").map(PathBuf::from) }, spec))
}

/// Refuses a point without an export, before a key is asked for.
async fn check(manifest: Option<&Manifest>, catalogue: Option<&Catalogue>) -> Result<(), Failure> {
    let (Some(manifest), Some(_)) = (manifest, catalogue) else { return Ok(()) };
    match manifest.artifact(&ArtifactKind::Resources) {
        Some(_) => Ok(()),
        None => {
            let help =
                "`lifeboat list` shows which recovery points hold resources; `restore etcd` brings etcd back";
            Err(Failure::usage(format!("{} holds no resource export", manifest.id)).help(help))
        }
    }
}

fn show(context: &Context, args: &Args, plan: &Plan, file: PlanFile) -> Result<Exit, Failure> {
    if let Some(path) = &args.plan {
        let mut out = output::beside(path)?;
        serde_json::to_writer_pretty(&mut out, &file)?;
        output::put(out, path)?;
    }
    output::result(context.global.output, &file, || {
        let mut text = report::restore_plan(plan, args.all);
        if let Some(path) = &args.plan {
            text.push_str(&format!(
                "\nThe plan is in {0}: `lifeboat restore resources --apply-plan {0}` carries it out.\n",
                path.display()
            ));
        }
        text
    })?;
    Ok(if plan.has_conflicts() { Exit::Conflict } else { Exit::Done })
}

fn drifted(drifts: &[Drift]) -> Failure {
    const SHOWN: usize = 10;
    let mut text =
        "the cluster is not what it was when the plan was made, so that nothing was restored:".to_owned();
    for drift in drifts.iter().take(SHOWN) {
        text.push_str(&format!("\n  {}: {}", drift.object, drift.text));
    }
    if drifts.len() > SHOWN {
        text.push_str(&format!("\n  and {} more", drifts.len() - SHOWN));
    }
    Failure::new(Exit::Conflict, text).help("make a new plan with --plan, and read it")
}

fn write_result(path: &Path, outcomes: &[Outcome]) -> Result<(), Failure> {
    let mut file = output::beside(path)?;
    let mut lines = BufWriter::new(&mut file);
    for outcome in outcomes {
        serde_json::to_writer(&mut lines, outcome)?;
        lines.write_all(b"\n")?;
    }
    lines.flush()?;
    drop(lines);
    output::put(file, path)
}
