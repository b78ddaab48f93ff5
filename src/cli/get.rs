use super::{
    Exit, Format,
    context::{Context, Keys, Trust},
    extract::hand_over,
    failure::Failure,
    progress::Spinner,
    yaml::yaml,
};
use crate::{
    catalogue::CatalogueError,
    compare::{Named, locate},
    object::{Keep, TypeName, clean, owners},
    point::ArtifactKind,
};
use serde_json::Value;
use std::path::PathBuf;

/// Prints one object of a recovery point, ready for `kubectl apply`
#[derive(Debug, clap::Args)]
#[command(after_help = "\
What the server set is taken out (uid, resourceVersion, managedFields, status, a service's address), and so are owners, which \
are named by uid: an object whose owner is gone would be deleted again at once. With --raw nothing is taken out, and \
-o json gives the bytes as they were served. YAML is the default. The values of Secrets are printed.

KIND is written as for kubectl: plural, singular, short name, with or without the group. Nothing is printed until all of \
the export was verified.

Examples:
  lifeboat get latest configmap settings -n shop -i identity.txt
  lifeboat get latest deploy/web -n shop -i identity.txt | kubectl apply -f -
  lifeboat get 20261122T084500Z-k3f9 secret vault --raw -o json -i id.txt")]
pub(super) struct Args {
    /// The recovery point: an id, the beginning of one, or `latest`
    #[arg(value_name = "ID")]
    id: String,
    /// The object's type, or both in one: KIND/NAME
    #[arg(value_name = "KIND")]
    kind: String,
    /// The object's name
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// The object's namespace; not needed where only one has such an object
    #[arg(short, long, value_name = "NAME")]
    namespace: Option<String>,
    /// As it was stored, with all that the server set
    #[arg(long)]
    raw: bool,
    /// Where to: a file that does not exist yet, or - for standard output
    #[arg(long, value_name = "PATH|-", default_value = "-")]
    to: PathBuf,
    #[command(flatten)]
    keys: Keys,
    #[command(flatten)]
    trust: Trust,
}

pub(super) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let what = named(&args)?;
    let identities = args.keys.load()?;
    let catalogue = context.catalogue(&args.trust).await?;
    let manifest = catalogue.load(&catalogue.resolve(&args.id).await?).await?.manifest;
    let shown = Spinner::start(&context.global, "looking for it");
    let (object, path) = locate(&catalogue, &manifest, identities.clone(), &what).await?;
    let json = catalogue.object(&manifest, identities, &path).await?;
    drop(shown);
    let damaged = |reason: String| CatalogueError::Damaged {
        id: manifest.id.to_string(),
        artifact: ArtifactKind::Resources.to_string(),
        reason,
    };
    let json = json.ok_or_else(|| damaged(format!("{path} is in its index and not in it")))?;
    let text = match (args.raw, context.global.output) {
        (true, Format::Json) => json,
        (raw, format) => {
            let parsed = serde_json::from_slice(&json);
            let mut value: Value = parsed.map_err(|e| damaged(format!("{path} is no JSON: {e}")))?;
            if !raw {
                tidy(&object.kind, &mut value);
            }
            match format {
                Format::Json => serde_json::to_string_pretty(&value)? + "\n",
                Format::Table | Format::Yaml => yaml(&value),
            }
            .into_bytes()
        }
    };
    hand_over(context, &manifest, &path, &text, Some(&args.to))
}

/// What was asked for, in one word or in two.
fn named(args: &Args) -> Result<Named, Failure> {
    let (kind, name) = match (&args.name, args.kind.split_once('/')) {
        (Some(name), None) => (args.kind.as_str(), name.as_str()),
        (None, Some((kind, name))) => (kind, name),
        (Some(_), Some(_)) => return Err(Failure::usage("write either KIND NAME or KIND/NAME")),
        (None, None) => {
            return Err(Failure::usage(format!(
                "`{0}` names no object: write `{0} NAME` or `{0}/NAME`",
                args.kind
            )));
        }
    };
    if kind.is_empty() || name.is_empty() {
        return Err(Failure::usage(
            "an object is named by its type and its name, such as configmap/settings",
        ));
    }
    Ok(Named { kind: kind.to_owned(), namespace: args.namespace.clone(), name: name.to_owned() })
}

/// Leaves what somebody who made the object would have written.
fn tidy(kind: &TypeName, object: &mut Value) {
    clean(kind, object, &Keep::default());
    for owner in owners(object) {
        tracing::warn!(
            "{} {} owned it and is not named as its owner any more: name it again where it is to go with that",
            owner.kind,
            owner.name
        );
    }
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.shift_remove("ownerReferences");
    }
}
