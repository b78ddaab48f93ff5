use super::{
    Exit,
    context::{Context, Keys, Trust},
    failure::Failure,
    output, swap,
};
use crate::{
    config::parse_duration,
    report,
    restore::etcd::{Membership, Plan, RestoreOptions, Restored, apply, plan},
};
use serde_json::json;
use std::{
    fmt::Write,
    path::PathBuf,
    time::{Duration, Instant},
};

/// Makes an etcd data directory from a recovery point, and puts it under a control plane of static pods
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The recovery point is opened and every digest compared; then etcdutl makes the directory beside its place, and it is moved \
there when it is whole. A data directory that is not empty is never touched: move the old one away, and keep it.

Revisions are raised, and everything before marked as compacted, so that controllers and kubelets that still run notice that \
the past has changed. Give every member of a cluster the same values.

With --static-pods, on the host of a control plane as kubeadm makes it, the whole swap is done: the new data is made beside \
the old one and verified; then the manifests of etcd, the API server, the controller manager and the scheduler are moved \
away, which stops them; the data is exchanged; and the manifests are moved back, each when what it needs is healthy. The old \
data is kept. If a step fails, or on Ctrl-C, everything is undone; after a crash, `lifeboat restore undo` does it. Where etcd \
has several members, follow the checklist of the README.

Examples:
  lifeboat restore etcd latest --data-dir /var/lib/etcd -i key.txt --dry-run
  lifeboat restore etcd latest --data-dir /var/lib/etcd -i key.txt \\
      --name cp1 --initial-advertise-peer-urls https://cp1:2380 \\
      --initial-cluster \\
      cp1=https://cp1:2380,cp2=https://cp2:2380,cp3=https://cp3:2380
  lifeboat restore etcd latest --static-pods -i key.txt --dry-run
  lifeboat restore etcd latest --static-pods -i key.txt --wait 10m")]
pub(super) struct Args {
    /// The recovery point: an id, the beginning of one, or `latest`
    #[arg(value_name = "ID")]
    pub(super) id: String,
    /// The data directory to make
    #[arg(long, value_name = "DIR", required_unless_present = "static_pods")]
    data_dir: Option<PathBuf>,
    /// Swap the data of the etcd that runs here as a static pod, whose manifests lie in this directory
    /// [default: /etc/kubernetes/manifests]; where, and under which name, its etcd.yaml says
    #[arg(long, value_name = "DIR", num_args = 0..=1, require_equals = true, default_missing_value = swap::MANIFESTS,
          conflicts_with_all = ["data_dir", "name", "initial_cluster", "initial_advertise_peer_urls",
                                "initial_cluster_token"])]
    pub(super) static_pods: Option<PathBuf>,
    /// With --static-pods, where there were several members: make this host the only one. The others must be stopped,
    /// and join anew
    #[arg(long)]
    pub(super) force_new_cluster: bool,
    /// With --static-pods: how long each server may take to stop, and to be healthy [default: 4m]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub(super) wait: Option<Duration>,
    /// This member's name
    #[arg(long, value_name = "NAME", default_value = "default")]
    name: String,
    /// name=peer-url of every member of the new cluster [default: this member alone]
    #[arg(long, value_name = "NAME=URL,…")]
    initial_cluster: Option<String>,
    /// This member's peer URLs
    #[arg(long, value_name = "URL,…", default_value = "http://localhost:2380")]
    initial_advertise_peer_urls: String,
    /// What tells the new cluster from the old one
    #[arg(long, value_name = "TOKEN", default_value = "etcd-cluster")]
    initial_cluster_token: String,
    /// Raise revisions by this much; 0 leaves them
    #[arg(long, value_name = "N", default_value_t = 1_000_000_000)]
    pub(super) bump_revision: u64,
    /// Do not mark older revisions as compacted: clients that still watch may miss the restore
    #[arg(long)]
    pub(super) no_mark_compacted: bool,
    /// The etcdutl to use [default: restore.etcdutl, else the one in PATH]
    #[arg(long, value_name = "FILE")]
    etcdutl: Option<PathBuf>,
    /// Only say what would be done
    #[arg(long)]
    pub(super) dry_run: bool,
    #[command(flatten)]
    pub(super) keys: Keys,
    #[command(flatten)]
    trust: Trust,
}

pub(super) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let began = Instant::now();
    let etcdutl = context.etcdutl(args.etcdutl.as_deref())?;
    let catalogue = context.catalogue(&args.trust).await?;
    let manifest = catalogue.load(&catalogue.resolve(&args.id).await?).await?.manifest;
    let data_dir = match (&args.static_pods, &args.data_dir) {
        (Some(manifests), _) => {
            return swap::run(context, &args, manifests, &catalogue, &manifest, &etcdutl).await;
        }
        (None, Some(_)) if args.force_new_cluster || args.wait.is_some() => {
            return Err(Failure::usage("--force-new-cluster and --wait belong to --static-pods"));
        }
        (None, Some(data_dir)) => std::path::absolute(data_dir)?,
        (None, None) => return Err(Failure::usage("give --data-dir or --static-pods")),
    };
    let own = format!(
        "{}={}",
        args.name,
        args.initial_advertise_peer_urls.replace(',', &format!(",{}=", args.name))
    );
    let options = RestoreOptions {
        data_dir,
        membership: Membership {
            name: args.name,
            initial_cluster: args.initial_cluster.unwrap_or(own),
            initial_advertise_peer_urls: args.initial_advertise_peer_urls,
            initial_cluster_token: args.initial_cluster_token,
        },
        bump_revision: args.bump_revision,
        mark_compacted: !args.no_mark_compacted,
    };
    let plan = plan(&manifest, &options, &etcdutl).await?;
    let format = context.global.output;
    if args.dry_run {
        let value = json!({"dryRun": true, "plan": plan});
        output::result(format, &value, || format!("Would restore\n{}", plan_text(&plan)))?;
        return Ok(Exit::Done);
    }
    let identities = args.keys.load()?;
    let progress =
        super::progress::Spinner::start(&context.global, "opening, verifying and restoring the snapshot");
    let work = apply(&plan, &catalogue, &manifest, identities);
    let restored = tokio::select! {
        restored = work => restored?,
        signal = super::backup::interrupted() => {
            let text = format!("stopped by {signal}: nothing was restored, and nothing was left behind");
            return Err(Failure::new(Exit::Failed, text));
        }
    };
    progress.end();
    output::result(format, &restored, || done(&restored, began.elapsed()))?;
    Ok(Exit::Done)
}

pub(super) fn plan_text(plan: &Plan) -> String {
    let mut out = String::new();
    let mut line = |name: &str, value: String| {
        let _ = writeln!(out, "  {name:16}  {value}");
    };
    line("recovery point", plan.point.clone());
    line("database", report::bytes(plan.bytes));
    line("data directory", plan.data_dir.display().to_string());
    line("member", format!("{} of {}", plan.membership.name, plan.membership.initial_cluster));
    let compacted = if plan.mark_compacted { ", older ones marked as compacted" } else { "" };
    line("revision", format!("{} becomes {}{compacted}", plan.revision, plan.restored_revision));
    line("with", plan.etcdutl.clone());
    out
}

fn done(restored: &Restored, took: std::time::Duration) -> String {
    let mut out =
        format!("Restored and verified in {}\n{}", report::duration(took), plan_text(&restored.plan));
    out.push_str(&numbered("Next", &restored.next));
    out
}

/// A list of what to do, or of what was done.
pub(super) fn numbered(title: &str, steps: &[String]) -> String {
    let mut out = format!("\n{title}\n");
    for (i, step) in steps.iter().enumerate() {
        let _ = writeln!(out, "  {}. {step}", i + 1);
    }
    out
}
