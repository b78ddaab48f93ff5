use super::{
    Exit,
    context::{Context, Global},
    failure::Failure,
    output, restore,
};
use crate::{
    catalogue::Catalogue,
    config::parse_duration,
    point::Manifest,
    report,
    restore::{
        etcd::Plan,
        static_pods::{self, Swap, SwapOptions, Swapped},
    },
};
use serde_json::json;
use std::{
    io::Write as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use tokio::signal::unix::{SignalKind, signal};

/// Where kubeadm has the kubelet look for static pods.
pub(super) const MANIFESTS: &str = "/etc/kubernetes/manifests";
/// As long as kubeadm waits for a control plane.
const WAIT: Duration = Duration::from_secs(240);

/// Goes back to the etcd data of before `restore etcd --static-pods`
#[derive(Debug, clap::Args)]
#[command(after_help = "\
It serves after a swap that was killed in the middle, and after one that came to its end. Where the files are now decides \
what has to be done; broken off, it can be done again. After a swap that came to its end, what was written since is kept \
beside the data directory.

Examples:
  lifeboat restore undo --dry-run
  lifeboat restore undo /etc/kubernetes/manifests")]
pub(super) struct UndoArgs {
    /// Where the kubelet looks for manifests
    #[arg(value_name = "DIR", default_value = MANIFESTS)]
    manifests: PathBuf,
    /// How long each server may take to stop, and to be healthy [default: 4m]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    wait: Option<Duration>,
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
}

pub(super) async fn run(
    context: &Context,
    args: &restore::Args,
    manifests: &Path,
    catalogue: &Catalogue,
    manifest: &Manifest,
    etcdutl: &Path,
) -> Result<Exit, Failure> {
    let began = Instant::now();
    let options = SwapOptions {
        manifests: manifests.to_owned(),
        force_new_cluster: args.force_new_cluster,
        bump_revision: args.bump_revision,
        mark_compacted: !args.no_mark_compacted,
        wait: args.wait.unwrap_or(WAIT),
        run: None,
    };
    let plan = static_pods::plan(manifest, &options, etcdutl).await?;
    let format = context.global.output;
    if args.dry_run {
        let value = json!({"dryRun": true, "plan": plan});
        output::result(format, &value, || {
            format!("Would restore and swap\n{}", plan_text(&plan.restore, &plan.swap))
        })?;
        return Ok(Exit::Done);
    }
    let identities = args.keys.load()?;
    let _deaf = deaf_to_hangups();
    let tell = teller(&context.global);
    let stop = super::backup::interrupted();
    let swapped = static_pods::apply(&plan, catalogue, manifest, identities, &tell, stop).await?;
    output::result(format, &swapped, || done(&swapped, began.elapsed()))?;
    Ok(Exit::Done)
}

pub(super) async fn undo(context: &Context, args: UndoArgs) -> Result<Exit, Failure> {
    let format = context.global.output;
    let _deaf = deaf_to_hangups();
    let (undone, title) = if args.dry_run {
        (static_pods::way_back(&args.manifests)?, "Would undo the swap for")
    } else {
        let tell = teller(&context.global);
        (static_pods::undo(&args.manifests, args.wait.unwrap_or(WAIT), &tell).await?, "Undone: the swap for")
    };
    output::result(format, &undone, || match &undone.point {
        Some(point) => format!("{title} {point}\n{}", restore::numbered("Steps", &undone.steps)),
        None => "There is nothing to undo: no swap was begun here, or it was undone".to_owned(),
    })?;
    Ok(Exit::Done)
}

/// A connection that breaks off in the middle is no reason to stop there.
fn deaf_to_hangups() -> Option<tokio::signal::unix::Signal> {
    signal(SignalKind::hangup()).ok()
}

/// Says on standard error what is being done.
fn teller(global: &Global) -> impl Fn(&str) {
    let quiet = global.quiet;
    move |step| {
        if !quiet {
            // The terminal may have gone away.
            let _ = writeln!(std::io::stderr(), "lifeboat: {step}");
        }
    }
}

fn plan_text(plan: &Plan, swap: &Swap) -> String {
    let line = |name: &str, value: String| format!("  {name:16}  {value}\n");
    let old = match swap.had_data {
        true => format!("{} (kept)", swap.kept.display()),
        false => "there is none".to_owned(),
    };
    [
        restore::plan_text(plan),
        line("put into", swap.data_dir.display().to_string()),
        line("the old data", old),
        line("stopped for it", format!("{} of {}", swap.pods.join(", "), swap.manifests.display())),
    ]
    .concat()
}

fn done(swapped: &Swapped, took: Duration) -> String {
    format!(
        "Restored, verified and swapped in {}: the control plane is up\n{}{}",
        report::duration(took),
        plan_text(&swapped.restore, &swapped.swap),
        restore::numbered("Next", &swapped.next)
    )
}
