use super::{
    Exit, Format,
    context::{Context, Keys, Trust},
    failure::Failure,
    output,
    progress::Spinner,
};
use crate::{
    catalogue::Catalogue,
    pipeline::Identities,
    point::{ArtifactKind, Manifest, parse_object_path},
};
use clap::ValueEnum;
use serde_json::json;
use std::{
    io::{IsTerminal, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

/// Writes an artifact's plaintext, for other tools
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A file is put in place when everything was verified, with mode 0600. On standard output the bytes come before the \
verdict: use them only when the exit code is 0.

Examples:
  lifeboat extract latest etcd --to snapshot.db -i identity.txt
  lifeboat extract latest resources --to - -i identity.txt | tar xf - -C export
  lifeboat extract latest resources -i identity.txt \\
      --object core/v1/configmaps/shop/settings.json | kubectl apply -f -")]
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
    /// One object of the resources alone, by its place in the archive as `lifeboat find` tells it: its JSON is printed,
    /// when everything was verified
    #[arg(long, value_name = "PATH")]
    object: Option<String>,
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
    if let Some(object) = &args.object {
        return one_object(context, &args, &catalogue, &manifest, identities, object).await;
    }
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
    let file = output::beside(&to)?;
    let writer = file.as_file().try_clone()?;
    let shown = Spinner::reading(&context.global, &kind.to_string(), stored);
    tokio::select! {
        opened = catalogue.open(&manifest, &kind, identities, writer) => opened?,
        signal = super::backup::interrupted() => {
            return Err(Failure::new(Exit::Failed, format!("stopped by {signal}: nothing was written")));
        }
    }
    drop(shown);
    output::put(file, &to)?;
    let bytes = manifest.artifact(&kind).map_or(0, |a| a.plain_bytes);
    let value = json!({"id": manifest.id, "artifact": kind, "path": to, "bytes": bytes});
    let text = || format!("{}: {} of {}, verified", to.display(), crate::report::bytes(bytes), manifest.id);
    output::result(context.global.output, &value, text)?;
    Ok(Exit::Done)
}

/// Prints one object, or writes it into a file.
async fn one_object(
    context: &Context,
    args: &Args,
    catalogue: &Catalogue,
    manifest: &Manifest,
    identities: Arc<Identities>,
    wanted: &str,
) -> Result<Exit, Failure> {
    if !matches!(args.artifact, What::Resources) {
        return Err(Failure::usage(
            "--object takes an object out of the resources: `extract ID resources --object PATH`",
        ));
    }
    if parse_object_path(wanted).is_none() {
        let help = "it has the form GROUP/VERSION/RESOURCE/NAMESPACE/NAME.json, with `core` for the core group and \
                    `_cluster` where there is no namespace; `lifeboat find` tells it";
        return Err(Failure::usage(format!("{wanted:?} is not the path of an object")).help(help));
    }
    let shown = Spinner::start(&context.global, "looking for it");
    let found = catalogue.object(manifest, identities, wanted).await?;
    drop(shown);
    let json = found.ok_or_else(|| {
        let help = "`lifeboat find KIND/NAME` tells in which recovery points an object is";
        Failure::new(Exit::Failed, format!("{} holds no {wanted}", manifest.id)).help(help)
    })?;
    hand_over(context, manifest, wanted, &json, args.to.as_deref())
}

/// Prints an object that was verified, or writes it into a file.
pub(super) fn hand_over(
    context: &Context,
    manifest: &Manifest,
    path: &str,
    text: &[u8],
    to: Option<&Path>,
) -> Result<Exit, Failure> {
    let Some(to) = to.filter(|to| *to != Path::new("-")) else {
        output::bytes(text)?;
        return Ok(Exit::Done);
    };
    let mut file = output::beside(to)?;
    file.write_all(text)?;
    output::put(file, to)?;
    let value = json!({"id": manifest.id, "object": path, "path": to, "bytes": text.len()});
    output::result(context.global.output, &value, || {
        format!("{}: {path} of {}, verified", to.display(), manifest.id)
    })?;
    Ok(Exit::Done)
}
