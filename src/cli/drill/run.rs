use super::request;
use crate::{
    catalogue::EVIDENCE,
    cli::{
        Exit,
        author::Author,
        backup::interrupted,
        context::{Context, Keys, Trust},
        failure::Failure,
        notify, output,
        progress::Spinner,
        trace,
    },
    config::{DrillNotifyOn, DrillSpec},
    drill::{self, staging},
    notify::Message,
    point::DrillVerdict,
    report,
};
use jiff::Timestamp;
use std::path::{Path, PathBuf};

/// Brings a recovery point up in a staging cluster, and checks that it is what was saved
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Staging is an etcd and a kube-apiserver on this host's loopback, in a directory that nobody else can read: it needs no privileges, \
and both programs (in PATH, or named in the drill's file). With `staging: {kind: {}}` it is a node in a container, in which workloads \
come up: that needs kind, and Docker or Podman. With `staging: {existing: {kubeconfig: …, context: …}}` it is a cluster that is there \
already and that the configuration allows (`drills.existing`): nothing in it is changed. It is taken down whatever happens. What a \
drill left that was killed is taken away first.

The evidence is stored beside the recovery points, signed, also when the drill fails. `lifeboat drill report` makes a page of it.

Without a file the newest recovery point is drilled, with every check and no objectives. `lifeboat schema drill` describes the file.

Exit codes: 0 passed; 4 a check that counts failed; 5 everything is right, but an objective was missed; 1 it did not come to its end.

Examples:
  lifeboat drill run -i identity.txt
  lifeboat drill run quarterly.yaml -i identity.txt --approved-by ciso
  lifeboat drill run quarterly.yaml -i identity.txt --retest-of 20261101")]
pub(in crate::cli) struct Args {
    /// The drill's file
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// Drill this recovery point, whatever the file says: an id, the beginning of one, `latest`, `newest-verified`, `random`
    #[arg(long, value_name = "ID|RULE")]
    pub(super) point: Option<String>,
    /// When what is rehearsed happened [default: now]
    #[arg(long, value_name = "TIME")]
    pub(super) incident: Option<Timestamp>,
    /// Who approved the drill, for the evidence
    #[arg(long, value_name = "NAME")]
    pub(super) approved_by: Option<String>,
    /// The failed drill that this one repeats
    #[arg(long, value_name = "DRILL")]
    retest_of: Option<String>,
    /// Who runs it [default: user@host]
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    /// The etcdutl to use [default: restore.etcdutl, else the one in PATH]
    #[arg(long, value_name = "FILE")]
    etcdutl: Option<PathBuf>,
    #[command(flatten)]
    keys: Keys,
    #[command(flatten)]
    trust: Trust,
}

pub(super) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let (spec, text) = match &args.file {
        Some(file) => DrillSpec::load(file).map(|(spec, text)| (spec, Some(text)))?,
        None => (DrillSpec::usual()?, None),
    };
    let base = std::path::absolute(args.file.as_deref().unwrap_or(Path::new("drill.yaml")))?;
    let base = base.parent().unwrap_or(Path::new("/")).to_owned();
    let identities = args.keys.load()?;
    let etcdutl = context.etcdutl(args.etcdutl.as_deref())?;
    let catalogue = context.catalogue(&args.trust).await?;
    let retest_of = match &args.retest_of {
        Some(wanted) => Some(catalogue.drill(wanted).await?.id),
        None => None,
    };
    let (author, unsigned) = Author::if_possible(context, args.by.clone())?;
    if let Some(why) = unsigned {
        tracing::warn!("the evidence will not be signed: {why}");
    }
    let job =
        request::job(context, &spec, &args, (text.as_deref(), &base), (author.borrowed().by, identities))?;
    let job = drill::Job { retest_of, ..job };
    let channels = notify::channels(context, spec.notify.iter().map(|it| it.channel.as_str()))?;
    let place = request::staging_base(context, &spec, &base)?;
    for (drill, removed) in staging::clean_up(&place).await? {
        let left = removed.iter().filter(|it| !it.gone).count();
        match left {
            0 => tracing::warn!("drill {drill} was killed; what it left has been taken away"),
            _ => tracing::warn!(
                "drill {drill} was killed, and {left} things that it left cannot be taken away"
            ),
        }
    }
    let staging = request::staging(context, &spec, (&base, place), etcdutl, &job.id)?;
    let shown = Spinner::phase(&context.global);
    let tell = |phase| shown.tell(format!("drill: {phase}"));
    let outcome = drill::run(job, staging, &catalogue, author.borrowed().signer, interrupted(), &tell).await;
    shown.end();
    trace::of_drill(&context.trace, &outcome.evidence);
    let stored = format!(
        "{}/{}/drills/{}/{EVIDENCE}",
        catalogue.store_url(),
        catalogue.cluster(),
        outcome.evidence.id
    );
    let stored = outcome.unrecorded.is_none().then_some(stored);
    let message = Message::of_drill(&outcome.evidence, stored.as_deref());
    context.say(message.summary.clone());
    let asked = spec
        .notify
        .iter()
        .zip(&channels)
        .filter(|(it, channel)| it.on == DrillNotifyOn::Always || !message.ok || channel.keeps());
    let told = notify::tell(&asked.map(|(_, channel)| channel).collect::<Vec<_>>(), &message).await;
    let mut result = serde_json::to_value(&outcome.evidence)?;
    if !told.is_empty() {
        // Beside the evidence, which was signed before anybody was told.
        result["notifications"] = serde_json::to_value(&told)?;
    }
    output::result(context.global.output, &result, || {
        let mut text = report::drill_text(&outcome.evidence);
        text.push_str(&report::drill_details(&outcome.evidence, &outcome.details));
        if outcome.unrecorded.is_none() {
            text.push_str(&format!(
                "\nThe evidence is stored: `lifeboat drill report {}`\n",
                outcome.evidence.id
            ));
        }
        text.push_str(&report::notifications(&told));
        text
    })?;
    if let Some(e) = outcome.unrecorded {
        let failure = Failure::from(e);
        tracing::error!("the evidence is NOT in the store: {}", failure.error);
        return Ok(if failure.exit == Exit::Done { Exit::Failed } else { failure.exit });
    }
    Ok(match outcome.evidence.verdict {
        DrillVerdict::Passed => Exit::Done,
        DrillVerdict::ObjectiveMissed => Exit::Objective,
        DrillVerdict::ChecksFailed => Exit::Verification,
        DrillVerdict::Failed | DrillVerdict::Stopped => Exit::Failed,
    })
}
