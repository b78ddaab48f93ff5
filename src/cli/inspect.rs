use super::{
    Exit, Format,
    context::{Context, Keys, Trust},
    failure::Failure,
    output,
};
use crate::{
    pipeline::hidden_file,
    point::ArtifactKind,
    report,
    snapshot::{Database, Decoded, InspectOptions, Secrets, decode},
};
use serde_json::json;
use std::{fs::File, path::Path};

/// Shows what an etcd snapshot holds, without etcd
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  lifeboat inspect latest -i identity.txt
  lifeboat inspect snapshot.db    # any etcd snapshot, or a member's own db file
  lifeboat inspect latest -i identity.txt --key /registry/deployments/shop/
  lifeboat inspect latest -i identity.txt --key /registry/deployments/shop/web")]
pub(super) struct Args {
    /// A recovery point (an id, the beginning of one, `latest`), or a database file
    #[arg(value_name = "ID|FILE")]
    what: String,
    /// List the live keys that begin with this; of a key that is exactly this, show the value
    #[arg(long, value_name = "PREFIX")]
    key: Option<String>,
    /// Show what is in Secrets, not only how long it is
    #[arg(long, requires = "key")]
    show_secrets: bool,
    /// How many of the biggest objects to name
    #[arg(long, value_name = "N", default_value_t = 10)]
    top: usize,
    #[command(flatten)]
    keys: Keys,
    #[command(flatten)]
    trust: Trust,
}

pub(super) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let file = match Path::new(&args.what) {
        path if path.is_file() => {
            File::open(path).map_err(|e| Failure::new(Exit::Failed, format!("{}: {e}", path.display())))?
        }
        _ => plaintext(context, &args).await?,
    };
    let format = context.global.output;
    let looked = tokio::task::spawn_blocking(move || match &args.key {
        Some(key) => one_key(format, &Database::open(file)?, key, args.show_secrets),
        None => everything(format, &Database::open(file)?, args.top),
    });
    looked.await?
}

async fn plaintext(context: &Context, args: &Args) -> Result<File, Failure> {
    let catalogue = context.catalogue(&args.trust).await?;
    let manifest = catalogue.load(&catalogue.resolve(&args.what).await?).await?.manifest;
    let identities = args.keys.load()?;
    let bytes = manifest.artifact(&ArtifactKind::Etcd).map_or(0, |a| a.plain_bytes);
    let file = hidden_file(bytes, &std::env::temp_dir())?;
    catalogue.open(&manifest, &ArtifactKind::Etcd, identities, file.try_clone()?).await?;
    Ok(file)
}

fn everything(format: Format, database: &Database, top: usize) -> Result<Exit, Failure> {
    let found = database.inspect(&InspectOptions { largest: top, ..InspectOptions::default() })?;
    let hash = database.kv_hash(found.revision, found.compact_revision)?;
    let sound = found.pages.is_sound();
    let mut value = serde_json::to_value(&found)?;
    value["kvHash"] = json!(hash);
    output::result(format, &value, || report::inspection(&found, hash.hash))?;
    Ok(if sound { Exit::Done } else { Exit::Verification })
}

fn one_key(format: Format, database: &Database, key: &str, show_secrets: bool) -> Result<Exit, Failure> {
    let keys = database.keys(key.as_bytes())?;
    if let Some(info) = keys.iter().find(|k| k.key == key.as_bytes())
        && let Some(found) = database.read(info)?
    {
        let secrets = if show_secrets { Secrets::Show } else { Secrets::Redact };
        let decoded = decode(&found.value, secrets);
        let value = json!({"key": info, "value": decoded});
        output::result(format, &value, || one_value(&decoded, &value))?;
        return Ok(Exit::Done);
    }
    if keys.is_empty() {
        return Err(Failure::new(Exit::Failed, format!("no live key begins with {key}")));
    }
    output::result(format, &json!({"keys": keys}), || report::keys(&keys))?;
    Ok(Exit::Done)
}

fn one_value(decoded: &Decoded, all: &serde_json::Value) -> String {
    let object = match decoded {
        Decoded::Json { object } | Decoded::Protobuf { object } => serde_yaml::to_string(&object.value).ok(),
        _ => None,
    };
    object.or_else(|| serde_yaml::to_string(all).ok()).unwrap_or_default()
}
