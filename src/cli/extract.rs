use super::{
    Exit, Format,
    context::{Context, Keys, Trust},
    failure::Failure,
    output,
    progress::Spinner,
};
use crate::point::ArtifactKind;
use clap::ValueEnum;
use serde_json::json;
use std::{
    io::IsTerminal,
    path::{Path, PathBuf},
};

/// Writes an artifact's plaintext, for other tools
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A file is put in place when everything was verified, with mode 0600. On standard output the bytes come before the \
verdict: use them only when the exit code is 0.

Examples:
  lifeboat extract latest etcd --to snapshot.db -i identity.txt
  lifeboat extract latest resources --to - -i identity.txt | tar xf - -C export")]
pub(super) struct Args {
    /// The recovery point: an id, the beginning of one, or `latest`
    #[arg(value_name = "ID")]
    id: String,
    /// What to extract
    #[arg(value_enum)]
    artifact: What,
    /// Where to: a file that does not exist yet, or - for standard output [default: <ID>.db or <ID>.tar]
    #[arg(long, value_name = "PATH|-")]
    to: Option<PathBuf>,
    #[command(flatten)]
    keys: Keys,
    #[command(flatten)]
    trust: Trust,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum What {
    /// The etcd snapshot, as `etcdctl snapshot save` writes it
    Etcd,
    /// A tar of one JSON file per object
    Resources,
}

pub(super) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let identities = args.keys.load()?;
    let catalogue = context.catalogue(&args.trust).await?;
    let manifest = catalogue.load(&catalogue.resolve(&args.id).await?).await?.manifest;
    let (kind, ending) = match args.artifact {
        What::Etcd => (ArtifactKind::Etcd, "db"),
        What::Resources => (ArtifactKind::Resources, "tar"),
    };
    let stored = manifest.artifact(&kind).map_or(0, |a| a.stored_bytes);
    let to = args.to.unwrap_or_else(|| PathBuf::from(format!("{}.{ending}", manifest.id)));
    if to == Path::new("-") {
        if context.global.output != Format::Table {
            return Err(Failure::usage(
                "--to - writes the bytes themselves to standard output: leave out -o",
            ));
        }
        if std::io::stdout().is_terminal() {
            return Err(Failure::usage("standard output is a terminal: give a file with --to, or a pipe"));
        }
        let _shown = Spinner::reading(&context.global, &kind.to_string(), stored);
        catalogue.open(&manifest, &kind, identities, std::io::stdout()).await?;
        return Ok(Exit::Done);
    }
    if to.exists() {
        return Err(Failure::new(Exit::Conflict, format!("{} exists: nothing is overwritten", to.display())));
    }
    let dir = to.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let in_dir = |e: std::io::Error| Failure::new(Exit::Failed, format!("{}: {e}", dir.display()));
    let file = tempfile::Builder::new().prefix(".lifeboat-extract-").tempfile_in(dir).map_err(in_dir)?;
    let writer = file.as_file().try_clone().map_err(in_dir)?;
    let shown = Spinner::reading(&context.global, &kind.to_string(), stored);
    tokio::select! {
        opened = catalogue.open(&manifest, &kind, identities, writer) => opened?,
        signal = super::backup::interrupted() => {
            return Err(Failure::new(Exit::Failed, format!("stopped by {signal}: nothing was written")));
        }
    }
    drop(shown);
    file.as_file().sync_all().map_err(in_dir)?;
    file.persist_noclobber(&to)
        .map_err(|e| Failure::new(Exit::Conflict, format!("{}: {}", to.display(), e.error)))?;
    let bytes = manifest.artifact(&kind).map_or(0, |a| a.plain_bytes);
    let value = json!({"id": manifest.id, "artifact": kind, "path": to, "bytes": bytes});
    let text = || format!("{}: {} of {}, verified", to.display(), crate::report::bytes(bytes), manifest.id);
    output::result(context.global.output, &value, text)?;
    Ok(Exit::Done)
}
